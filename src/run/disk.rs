//! The light of the disk in the checklist before arming: a ledger or a tape that cannot be written stops trading, so it is
//! better seen before. Looked at on a thread of its own, because a disk may hang.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use crate::engine::preflight::DISK;
use crate::engine::snapshot::{Check, Health};
use crate::tape::free_bytes;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(30);
/// Less than this is no room for a ledger.
const LEDGER_NEEDS: u64 = 64 << 20;
const GIB: f64 = (1_u64 << 30) as f64;

/// What the thread says; it ends when this is dropped.
pub struct DiskLight {
    said: Receiver<Check>,
    _stop: SyncSender<()>,
}

impl DiskLight {
    /// Looks at the disk of this file from now on. `wanted` bytes are to stay free.
    pub fn start(file: PathBuf, wanted: u64) -> std::io::Result<Self> {
        let (say, said) = sync_channel(1);
        let (stop, stopped) = sync_channel::<()>(0);
        let look = move || {
            let mut last = None;
            loop {
                let check = judge(free_bytes(&file), wanted);
                // Only what changed is news; a full channel means that the last news was not taken yet.
                if last.as_ref() != Some(&check) && say.try_send(check.clone()).is_ok() {
                    last = Some(check);
                }
                if stopped.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("disk".into()).spawn(look)?;
        Ok(Self { said, _stop: stop })
    }

    /// News, if any.
    pub fn news(&self) -> Option<Check> {
        self.said.try_recv().ok()
    }
}

fn judge(free: std::io::Result<u64>, wanted: u64) -> Check {
    let (health, detail) = match free {
        Err(error) => (Health::Warn, format!("free space is unknown: {error}")),
        Ok(free) if free < LEDGER_NEEDS => (Health::Fail, format!("{} MiB free: the ledger needs room", free >> 20)),
        Ok(free) if free < wanted => (
            Health::Warn,
            format!("{:.1} GiB free, [tape] leaves {:.1} GiB alone", free as f64 / GIB, wanted as f64 / GIB),
        ),
        // In steps: a number that moves all the time would be news all the time.
        Ok(free) => (Health::Ok, format!("more than {} GiB free", (free >> 30).next_power_of_two() / 2)),
    };
    Check { name: DISK.to_owned(), health, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_warns_and_none_refuses() {
        let health = |free: u64| judge(Ok(free), 2 << 30).health;
        assert_eq!((health(1 << 20), health(1 << 30), health(8 << 30)), (Health::Fail, Health::Warn, Health::Ok));
        assert_eq!(judge(Err(std::io::Error::other("gone")), 0).health, Health::Warn);
    }

    #[test]
    fn the_first_look_comes_at_once_and_nothing_new_is_no_news() {
        let folder = tempfile::tempdir().unwrap();
        let light = DiskLight::start(folder.path().join("x"), 0).unwrap();
        assert_eq!(light.said.recv().unwrap().name, DISK);
        assert_eq!(light.news(), None);
    }
}
