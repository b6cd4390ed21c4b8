//! What is written is read, and what was changed on the way is never read as something else.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::error::{Damage, TapeError};
use super::format::{HEADER_MAX, MAGIC, TapeKind, VERSION};
use super::read::{Ending, TapeReader};
use super::samples;
use super::verify::verify;
use super::write::TapeWriter;
use crate::engine::event::{Event, Link, MarketData};
use crate::engine::ids::{Seq, Symbol};
use crate::engine::market::book::{BookUpdate, Level};
use crate::engine::num::{Price, Qty};
use crate::engine::time::Ts;

type Entry = (Ts, Seq, Event);

/// Writes a finished tape of these events.
fn write(path: &Path, kind: TapeKind, entries: &[Entry]) {
    let mut header = samples::header();
    header.kind = kind;
    let mut writer = TapeWriter::create(path, &header).unwrap();
    for (at, seq, event) in entries {
        writer.append(*at, *seq, event).unwrap();
    }
    writer.finish().unwrap();
}

/// Everything that can be read, and how it ended.
fn read(path: &Path) -> (Vec<Entry>, Result<Ending, TapeError>) {
    let mut entries = Vec::new();
    let mut reader = match TapeReader::open(path) {
        Ok(reader) => reader,
        Err(error) => return (entries, Err(error)),
    };
    loop {
        match reader.next_event() {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) => return (entries, Ok(reader.ending().unwrap())),
            Err(error) => {
                assert!(reader.next_event().is_err(), "nothing is read behind damage");
                return (entries, Err(error));
            }
        }
    }
}

/// One of each event, a few times over, a third of a second apart: several blocks.
fn sample_entries() -> Vec<Entry> {
    let events = samples::one_of_each().into_iter().cycle().take(80);
    let entry = |(n, event): (usize, Event)| (Ts(n as i64 * 333_333_333), Seq(n as u64 + 1), event);
    events.enumerate().map(entry).collect()
}

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tape");
    (folder, path)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_sequence_of_events_round_trips(entries in samples::any_tape(120), imported in any::<bool>()) {
        let (_folder, path) = scratch();
        let kind = if imported { TapeKind::Imported } else { TapeKind::Recorded };
        let entries: Vec<Entry> = entries.into_iter().map(|(at, seq, event)| (Ts(at), Seq(seq), event)).collect();
        write(&path, kind, &entries);
        let (found, ending) = read(&path);
        prop_assert_eq!(found, entries);
        prop_assert_eq!(ending.unwrap(), Ending::Orderly);
    }

    #[test]
    fn any_changed_byte_is_an_error_behind_a_true_beginning(
        entries in samples::any_tape(60),
        place in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let (_folder, path) = scratch();
        let entries: Vec<Entry> = entries.into_iter().map(|(at, seq, event)| (Ts(at), Seq(seq), event)).collect();
        write(&path, TapeKind::Recorded, &entries);
        let mut bytes = fs::read(&path).unwrap();
        let at = place.index(bytes.len());
        bytes[at] ^= flip;
        fs::write(&path, &bytes).unwrap();
        let (found, ending) = read(&path);
        prop_assert!(ending.is_err(), "byte {} of {}", at, bytes.len());
        prop_assert_eq!(found.as_slice(), &entries[..found.len()]);
    }

    #[test]
    fn any_bytes_behind_the_magic_are_an_error(content in prop::collection::vec(any::<u8>(), 0..400)) {
        let (_folder, path) = scratch();
        fs::write(&path, [MAGIC.as_slice(), &content].concat()).unwrap();
        prop_assert!(TapeReader::open(&path).is_err());
    }
}

#[test]
fn every_byte_of_a_tape_matters() {
    let (_folder, path) = scratch();
    let entries = sample_entries();
    write(&path, TapeKind::Recorded, &entries[..12]);
    let bytes = fs::read(&path).unwrap();
    // Changed in place: writing whole files anew thousands of times is slow.
    let mut file = fs::File::options().write(true).open(&path).unwrap();
    let mut put = |at: usize, byte: u8| {
        file.seek(SeekFrom::Start(at as u64)).unwrap();
        file.write_all(&[byte]).unwrap();
    };
    for (at, byte) in bytes.iter().enumerate() {
        for flip in [0x01, 0x80, 0xff] {
            put(at, byte ^ flip);
            let (found, ending) = read(&path);
            assert!(ending.is_err(), "byte {at} flipped by {flip}");
            assert_eq!(found, entries[..found.len()]);
        }
        put(at, *byte);
    }
}

#[test]
fn a_tape_cut_anywhere_is_readable_up_to_its_last_whole_block() {
    let (_folder, path) = scratch();
    let entries = sample_entries();
    write(&path, TapeKind::Recorded, &entries);
    let file = fs::File::options().write(true).open(&path).unwrap();
    let mut most = 0;
    for len in (0..file.metadata().unwrap().len()).rev() {
        file.set_len(len).unwrap();
        let (found, ending) = read(&path);
        assert_eq!(found, entries[..found.len()]);
        match ending {
            Ok(Ending::Crashed { lost }) => {
                assert!(lost < len);
                most = most.max(found.len());
            }
            Ok(Ending::Orderly) => panic!("cut at {len} and not noticed"),
            Err(error) => assert!(found.is_empty() && !error.to_string().is_empty(), "cut at {len}: {error}"),
        }
    }
    assert_eq!(most, entries.len(), "only the end record is cut");
}

#[test]
fn blocks_that_were_cut_out_doubled_or_swapped_are_found() {
    let (_folder, path) = scratch();
    let entries: Vec<Entry> = (1..=4_u64).map(|n| (Ts(n as i64), Seq(n), Event::Ended)).collect();
    // Every `Ended` closes its block, and all blocks but their heads' sums have the same length.
    write(&path, TapeKind::Recorded, &entries[..0]);
    let start = fs::metadata(&path).unwrap().len() as usize - super::format::HEAD_LEN;
    fs::remove_file(&path).unwrap();
    write(&path, TapeKind::Recorded, &entries);
    let bytes = fs::read(&path).unwrap();
    let end = bytes.len() - super::format::HEAD_LEN;
    let size = (end - start) / 4;
    let block = |n: usize| &bytes[start + n * size..start + (n + 1) * size];
    for order in [vec![0, 2, 3], vec![0, 1, 1, 2, 3], vec![0, 2, 1, 3], vec![0, 1, 2]] {
        let blocks: Vec<u8> = order.iter().flat_map(|n| block(*n).to_vec()).collect();
        fs::write(&path, [&bytes[..start], &blocks, &bytes[end..]].concat()).unwrap();
        let (found, ending) = read(&path);
        assert!(matches!(ending, Err(TapeError::Damaged { what: Damage::HeadSum, .. })), "{order:?}");
        assert_eq!(found, entries[..found.len()]);
    }
}

#[test]
fn zeros_left_by_a_power_cut_are_a_lost_tail() {
    let (_folder, path) = scratch();
    let entries = sample_entries();
    write(&path, TapeKind::Recorded, &entries);
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len() - super::format::HEAD_LEN;
    bytes[end..].fill(0);
    bytes.extend_from_slice(&[0; 5_000]);
    fs::write(&path, &bytes).unwrap();
    let (found, ending) = read(&path);
    assert_eq!((found.len(), ending.unwrap()), (entries.len(), Ending::Crashed { lost: 5_037 }));
}

#[test]
fn money_is_in_the_file_before_the_next_event() {
    let (_folder, path) = scratch();
    let mut writer = TapeWriter::create(&path, &samples::header()).unwrap();
    let quiet = Event::Link(Link::MarketAlive);
    writer.append(Ts(1), Seq(1), &quiet).unwrap();
    assert_eq!(read(&path).0.len(), 0);
    writer.append(Ts(2), Seq(2), &Event::Command(crate::engine::command::Command::Kill)).unwrap();
    assert_eq!(read(&path).0.len(), 2);
    writer.append(Ts(3), Seq(3), &quiet).unwrap();
    writer.append(Ts(3 + 999_999_999), Seq(4), &quiet).unwrap();
    assert_eq!(read(&path).0.len(), 2);
    writer.append(Ts(3 + 1_000_000_000), Seq(5), &quiet).unwrap();
    assert_eq!(read(&path).0.len(), 4, "a second of event time closes a block");
}

#[test]
fn blocks_are_bounded_and_one_large_event_has_a_block_of_its_own() {
    let (_folder, path) = scratch();
    let level = |n: i64| Level { price: Price::from_raw(n * 7_777_777_777), qty: Qty::from_raw(n * 1_234_567_891) };
    let levels: Vec<Level> = (1..10_000).map(level).collect();
    let large = Event::Market(Symbol(0), MarketData::Book(BookUpdate { snapshot: true, bids: levels, asks: vec![] }));
    let entries: Vec<Entry> = [Event::Link(Link::MarketUp), large.clone(), large, Event::Link(Link::MarketUp)]
        .into_iter()
        .enumerate()
        .map(|(n, event)| (Ts(5), Seq(n as u64 + 1), event))
        .collect();
    write(&path, TapeKind::Imported, &entries);
    assert_eq!(verify(&path).unwrap().blocks, 4);
    assert_eq!(read(&path).0, entries);
}

#[test]
fn ticks_are_not_written() {
    let (_folder, path) = scratch();
    write(&path, TapeKind::Recorded, &[(Ts(1), Seq(1), Event::Tick), (Ts(2), Seq(2), Event::Ended)]);
    assert_eq!(read(&path).0, [(Ts(2), Seq(2), Event::Ended)]);
}

#[test]
fn the_report_counts_what_is_there() {
    let (_folder, path) = scratch();
    let entries = sample_entries();
    write(&path, TapeKind::Recorded, &entries);
    let report = verify(&path).unwrap();
    assert_eq!((report.events, report.out_of_order, report.ending), (80, 0, Ending::Orderly));
    assert_eq!(report.kinds.values().sum::<u64>(), 80);
    let orders = entries.iter().filter(|entry| matches!(entry.2, Event::Order(_))).count();
    assert_eq!(report.kinds["order"], orders as u64);
    assert_eq!(report.first_last, Some((Ts(0), Ts(79 * 333_333_333))));
    assert_eq!((report.bytes, report.sha256.len()), (fs::metadata(&path).unwrap().len(), 64));
    let mut reader = TapeReader::open(&path).unwrap();
    let mut before = 0.0;
    while reader.next_event().unwrap().is_some() {
        assert!(reader.position() >= before && reader.position() <= 1.0);
        before = reader.position();
    }
    assert!((reader.position() - 1.0).abs() < f64::EPSILON);
}

#[test]
fn each_kind_of_wrong_file_has_its_own_words() {
    let (folder, path) = scratch();
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        TapeReader::open(&path).unwrap_err()
    };
    assert!(matches!(refused(b""), TapeError::Empty(_)));
    assert!(matches!(refused(b"PK\x03\x04 a zip"), TapeError::Foreign(_)));
    assert!(matches!(refused(&MAGIC[..5]), TapeError::Damaged { what: Damage::ShortHeader, offset: 5, .. }));
    let newer = [MAGIC.as_slice(), &(VERSION + 1).to_le_bytes(), &[0; 40]].concat();
    assert!(matches!(refused(&newer), TapeError::Newer { found, .. } if found == VERSION + 1));
    let older = [MAGIC.as_slice(), &(VERSION - 1).to_le_bytes(), &[0; 40]].concat();
    assert!(matches!(refused(&older), TapeError::Older { found, .. } if found == VERSION - 1));
    let huge = [MAGIC.as_slice(), &VERSION.to_le_bytes(), &(HEADER_MAX as u32 + 1).to_le_bytes(), &[0; 40]].concat();
    assert!(matches!(refused(&huge), TapeError::Damaged { what: Damage::HeaderLength, .. }));
    assert!(matches!(TapeReader::open(folder.path()), Err(TapeError::Folder(_))));
    assert!(matches!(TapeReader::open(&folder.path().join("none.tape")), Err(TapeError::Missing(_))));
    assert!(matches!(TapeWriter::create(&path, &samples::header()), Err(TapeError::Exists(_))));
    let nowhere = folder.path().join("nowhere").join("x.tape");
    assert!(matches!(TapeWriter::create(&nowhere, &samples::header()), Err(TapeError::NoFolder(_))));
    let text = TapeReader::open(folder.path()).unwrap_err().to_string();
    assert!(text.ends_with("is a folder: name one tape file in it"), "{text}");
}

#[test]
fn a_tape_made_by_hand_cannot_name_what_is_not_there() {
    let (_folder, path) = scratch();
    let foreign = Event::Market(Symbol(2), MarketData::Gap);
    write(&path, TapeKind::Imported, &[(Ts(1), Seq(1), Event::Ended), (Ts(1), Seq(2), foreign)]);
    let (found, ending) = read(&path);
    assert_eq!(found.len(), 1);
    assert!(matches!(ending, Err(TapeError::Damaged { what: Damage::Nonsense, .. })));
}
