//! What goes over an attached connection: lines of JSON up, packed pictures down.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::engine::command::Command;
use crate::engine::ids::{Account, Symbol};
use crate::engine::snapshot::{Snapshot, View};

/// Longest line up.
pub(super) const LINE_MAX: u64 = 64 * 1024;
/// Largest picture down, packed.
const PICTURE_MAX: u32 = 8 << 20;
/// Largest picture down, unpacked: a packed one cannot ask for more memory than this.
const UNPACKED_MAX: usize = 64 << 20;

/// A line up.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Up {
    /// The next picture, please.
    Next,
    /// Show this in detail.
    View(View),
    /// Kill, first step.
    Kill,
    /// Kill, second step.
    KillClose,
    /// Closes one position, or all.
    Flatten(Option<Symbol>),
    /// For the engine. Its ceremony was held in the cockpit; the engine looks at it again.
    Command(Command),
    /// A key was pressed.
    Alive,
    /// Next weather of the simulated market.
    Weather(String),
    /// Go on with another account.
    Switch {
        /// Which.
        account: Account,
        /// What was typed.
        typed: Option<String>,
    },
}

/// Packs a picture.
pub(super) fn write_picture(stream: &mut impl Write, picture: &Snapshot) -> io::Result<()> {
    let bytes = postcard::to_stdvec(picture).map_err(io::Error::other)?;
    let packed = lz4_flex::compress_prepend_size(&bytes);
    let length = u32::try_from(packed.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_le_bytes())?;
    stream.write_all(&packed)
}

/// Unpacks a picture. Whatever comes: at most an error.
pub(super) fn read_picture(stream: &mut impl Read) -> io::Result<Snapshot> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > PICTURE_MAX {
        return Err(io::Error::other(format!("a picture of {length} bytes")));
    }
    let mut packed = Vec::new();
    if stream.take(u64::from(length)).read_to_end(&mut packed)? < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let (size, _) = lz4_flex::block::uncompressed_size(&packed).map_err(io::Error::other)?;
    if size > UNPACKED_MAX {
        return Err(io::Error::other(format!("a picture of {size} bytes")));
    }
    let bytes = lz4_flex::decompress_size_prepended(&packed).map_err(io::Error::other)?;
    postcard::from_bytes(&bytes).map_err(io::Error::other)
}
