//! What is deployed fits what is built: the container's build has every folder that cargo looks into, and a unit may write where the
//! program writes. `deploy/check.sh` builds and runs them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test program

use std::collections::BTreeSet;
use std::path::Path;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Cargo refuses a manifest whose targets have no files, also where another target is built.
#[test]
fn the_image_is_built_from_everything_that_cargo_names() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let folders = [("bin", "src"), ("test", "tests"), ("bench", "benches")];
    let named = folders.iter().filter(|(kind, _)| manifest.get(*kind).is_some()).map(|(_, folder)| *folder);
    let (dockerfile, ignored) = (read("deploy/Dockerfile"), read("deploy/Dockerfile.dockerignore"));
    let (before, _) = dockerfile.split_once("RUN cargo build").unwrap();
    let taken: BTreeSet<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let named: Vec<&str> = named.collect();
    assert_eq!(named, ["src", "tests", "benches"]);
    for folder in named {
        assert!(before.contains(&format!("\nCOPY {folder} {folder}\n")), "{folder} is not copied before the build");
        assert!(taken.contains(folder), "{folder} is not part of the build's context");
    }
}

/// Data directory and the account's lock (below the home) lie where nothing else of the machine can be written.
#[test]
fn a_unit_may_write_where_the_program_writes() {
    for unit in ["deploy/tickdeck@.service", "deploy/tickdeck-watchdog@.service"] {
        let text = read(unit);
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or("");
        assert_eq!((value("ProtectSystem"), value("ProtectHome")), ("strict", "true"), "{unit}");
        let state = format!("/var/lib/{}", value("StateDirectory"));
        assert_eq!(value("Environment"), format!("HOME={state}"), "{unit}");
        assert!(value("ExecStart").contains(&format!(" --data-dir {state} ")), "{unit}");
        assert_eq!(value("StateDirectoryMode"), "0700", "{unit}");
    }
}
