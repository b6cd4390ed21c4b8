//! A file of lines that never grows beyond its bound: when it is full it is put aside as `NAME.1`, what was there becomes `NAME.2`,
//! and the oldest goes. For its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::ledger::private_folder;

/// The file and those beside it.
pub(super) struct Roll {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
    files: u32,
}

impl Roll {
    /// Goes on where the file ends.
    pub fn open(path: &Path, bytes_max: u64, files: u32) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            private_folder(folder)?;
        }
        let file = open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, bytes, bytes_max, files })
    }

    /// Adds a line, in one write: a process that is killed leaves no half of it behind another.
    pub fn add(&mut self, line: &str) -> io::Result<()> {
        let line = format!("{}\n", line.replace('\n', " "));
        let length = line.len() as u64;
        if self.bytes > 0 && self.bytes + length > self.bytes_max {
            self.turn()?;
        }
        self.bytes += length;
        self.file.write_all(line.as_bytes())
    }

    fn turn(&mut self) -> io::Result<()> {
        for number in (1..self.files).rev() {
            // One that is not there yet has nothing to become.
            drop(fs::rename(self.aside(number), self.aside(number + 1)));
        }
        if self.files > 0 {
            fs::rename(&self.path, self.aside(1))?;
        } else {
            fs::remove_file(&self.path)?;
        }
        self.file = open(&self.path)?;
        self.bytes = 0;
        Ok(())
    }

    fn aside(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_put_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/a.jsonl");
        for number in 0..12 {
            // Opened anew each time, as after restarts.
            Roll::open(&path, 30, 2).unwrap().add(&format!("line {number:04}")).unwrap();
        }
        let read = |end: &str| fs::read_to_string(folder.path().join(format!("logs/a.jsonl{end}"))).unwrap();
        assert_eq!(read(""), "line 0009\nline 0010\nline 0011\n");
        assert_eq!((read(".1").lines().count(), read(".2").lines().next()), (3, Some("line 0003")));
        assert_eq!(fs::read_dir(folder.path().join("logs")).unwrap().count(), 3);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::metadata(folder.path().join("logs")).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn one_line_longer_than_the_file_is_kept_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut roll = Roll::open(&path, 10, 0).unwrap();
        roll.add(&"x".repeat(50)).unwrap();
        roll.add("y").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "y\n");
    }
}
