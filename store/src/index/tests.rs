//! The index through the store: put, found, rebuilt.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use message::{Message, Record, property, sys_flag};

use super::super::layout::{IndexEntry, index as at};
use super::super::{KeyKind, KeyQuery, MessageStore};
use crate::testing::{Scratch, derived, message, stop, wait_until};

const NOW_MS: i64 = 1_700_000_000_000;

fn keyed<'a>(unique: &str, keys: &str, tags: &str, body: &'a [u8]) -> Message<'a> {
    let mut properties = String::new();
    for (name, value) in [(property::UNIQ_KEY, unique), (property::KEYS, keys), (property::TAGS, tags)] {
        if !value.is_empty() {
            property::append(&mut properties, name, value);
        }
    }
    Message { properties: properties.into(), ..message("T", 0, body, "") }
}

fn query(store: &MessageStore, key: &str, kind: KeyKind, begin_ms: i64, end_ms: i64) -> Vec<String> {
    let query = KeyQuery { topic: "T", key, kind, count_max: 64, begin_ms, end_ms };
    let ranges = store.query_message(query).unwrap().ranges;
    let body = |bytes: &[u8]| match Record::decode(bytes) {
        Ok(Record::Message(record)) => String::from_utf8(record.message.body.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    };
    ranges.iter().map(|range| body(&range.to_vec().unwrap())).collect()
}

fn find(store: &MessageStore, key: &str) -> Vec<String> {
    query(store, key, KeyKind::Key, 0, i64::MAX)
}

fn fill(store: &MessageStore, range: std::ops::Range<usize>) {
    for index in range {
        let body = format!("body {index}");
        let unique = format!("U{index}");
        store.append(&keyed(&unique, &format!("K{index} even{}", index % 2), "", body.as_bytes())).unwrap();
    }
}

fn check(store: &MessageStore, count: usize) {
    for index in 0..count {
        let body = [format!("body {index}")];
        assert_eq!(find(store, &format!("U{index}")), body, "of {count}");
        assert_eq!(find(store, &format!("K{index}")), body, "of {count}");
    }
}

/// The bytes of every index file by name.
fn files(scratch: &Scratch) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(scratch.config.index_dir()).unwrap();
    entries.map(|entry| entry.unwrap().path()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Small files, so that there are many.
fn scratch() -> Scratch {
    let mut scratch = Scratch::default();
    scratch.config.max_hash_slot_num = 7;
    scratch.config.max_index_num = 50;
    scratch
}

#[test]
fn found_by_key_unique_key_and_tags() {
    let scratch = Scratch::default();
    let store = scratch.start();
    store.append(&keyed("U1", "a  b", "red", b"1")).unwrap();
    store.append(&keyed("U2", "b c", "red || blue", b"2")).unwrap();
    store.append(&Message { topic: "Other".into(), ..keyed("U3", "b", "red", b"3") }).unwrap();
    store
        .append(&Message { sys_flag: sys_flag::TRANSACTION_PREPARED, ..keyed("U4", "b", "", b"4") })
        .unwrap();
    store
        .append(&Message { sys_flag: sys_flag::TRANSACTION_ROLLBACK, ..keyed("U5", "b", "", b"5") })
        .unwrap();
    store.append(&keyed("", "\u{8272}\u{1f535}", "", b"6")).unwrap();
    derived(&store);
    assert_eq!(find(&store, "U1"), ["1"]);
    assert_eq!(find(&store, "a"), ["1"]);
    assert_eq!(find(&store, "b"), ["1", "2", "4"]);
    assert_eq!(find(&store, "\u{8272}\u{1f535}"), ["6"]);
    assert_eq!(query(&store, "red", KeyKind::Tag, 0, i64::MAX), ["1"]);
    assert_eq!(query(&store, "red || blue", KeyKind::Tag, 0, i64::MAX), ["2"]);
    for absent in ["", "red", "U3", "U5", "a b", "d"] {
        assert!(find(&store, absent).is_empty(), "{absent}");
    }
}

#[test]
fn the_newest_count_and_the_time_count() {
    let scratch = scratch();
    let store = scratch.start();
    for index in 0..200 {
        scratch.clock.set_wall_ms(NOW_MS + index * 1000);
        let body = index.to_string();
        store.append(&keyed("", "k", "", body.as_bytes())).unwrap();
        derived(&store);
    }
    assert!(files(&scratch).len() > 3);
    let all = |begin_ms, end_ms, count_max| {
        let query = KeyQuery { topic: "T", key: "k", kind: KeyKind::Key, count_max, begin_ms, end_ms };
        let result = store.query_message(query).unwrap();
        let body = |bytes: &[u8]| match Record::decode(bytes) {
            Ok(Record::Message(record)) => {
                str::from_utf8(record.message.body).unwrap().parse::<i64>().unwrap()
            }
            other => panic!("{other:?}"),
        };
        let bodies: Vec<_> = result.ranges.iter().map(|range| body(&range.to_vec().unwrap())).collect();
        (bodies, result.index_last_update_timestamp_ms)
    };
    let last_ms = NOW_MS + 199_000;
    assert_eq!(all(0, i64::MAX, 3), (vec![197, 198, 199], last_ms));
    assert_eq!(all(0, i64::MAX, 1000).0.len(), 64, "maxMsgsNumBatch");
    assert_eq!(all(NOW_MS + 100_000, NOW_MS + 102_000, 64), (vec![100, 101, 102], last_ms));
    assert_eq!(all(0, NOW_MS + 1000, 64), (vec![0, 1], last_ms));
    assert_eq!(all(last_ms + 1000, i64::MAX, 64), (vec![], 0));
    assert_eq!(all(0, i64::MAX, 0), (vec![], 0));
}

#[test]
fn stopped_and_started_nothing_is_put_twice() {
    let scratch = scratch();
    for round in 0..4 {
        let store = scratch.start();
        fill(&store, round * 30..round * 30 + 30);
        store.append(&message("T", 0, b"no key", "")).unwrap();
        stop(store);
        let before = files(&scratch);
        let store = scratch.open();
        check(&store, round * 30 + 30);
        drop(store);
        assert!(files(&scratch) == before, "a start changes nothing");
    }
}

#[test]
fn a_crash_at_any_entry_is_mended() {
    let scratch = scratch();
    let store = scratch.start();
    fill(&store, 0..30);
    derived(&store);
    stop(store);
    let whole = files(&scratch);
    let (path, bytes) = whole.iter().next_back().unwrap();
    let count = i32::from_be_bytes(bytes[at::INDEX_COUNT..][..4].try_into().unwrap());
    assert!((4..45).contains(&count), "{count}");
    let entries_at = at::HEADER_BYTES + 7 * at::SLOT_BYTES;
    for kept in 1..count {
        fs::write(scratch.config.root().join("abort"), b"1").unwrap();
        // As if header, slots and later entries had not come to disk.
        let mut torn = bytes.clone();
        let cut_at = entries_at + kept as usize * at::ENTRY_BYTES;
        torn[cut_at..entries_at + count as usize * at::ENTRY_BYTES].fill(0);
        if kept % 2 == 0 {
            torn[at::HEADER_BYTES..entries_at].fill(0xff);
        }
        fs::write(path, &torn).unwrap();
        let store = scratch.open();
        check(&store, 30);
        drop(store);
        assert!(files(&scratch)[path] == *bytes, "{kept} of {count}");
    }
}

#[test]
fn what_is_damaged_or_missing_is_rebuilt() {
    let scratch = scratch();
    let store = scratch.start();
    fill(&store, 0..60);
    stop(store);
    let whole = files(&scratch);
    let paths: Vec<_> = whole.keys().cloned().collect();
    assert_eq!(paths.len(), 4);
    let overwrite = |path: &PathBuf, at: u64, bytes: &[u8]| {
        fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
    };
    let damages: [&dyn Fn(); 9] = [
        &|| fs::remove_dir_all(scratch.config.index_dir()).unwrap(),
        &|| fs::remove_file(&paths[3]).unwrap(),
        &|| fs::write(&paths[1], b"").unwrap(),
        &|| fs::OpenOptions::new().write(true).open(&paths[0]).unwrap().set_len(10_000).unwrap(),
        &|| overwrite(&paths[2], at::INDEX_COUNT as u64, &i32::MAX.to_be_bytes()),
        &|| overwrite(&paths[2], at::INDEX_COUNT as u64, &(-1i32).to_be_bytes()),
        &|| overwrite(&paths[0], at::END_PHY_OFFSET as u64, &7i64.to_be_bytes()),
        &|| overwrite(&paths[3], at::BEGIN_TIMESTAMP as u64, &7i64.to_be_bytes()),
        &|| overwrite(&paths[3], 0, &[0; 40]),
    ];
    for (number, damage) in damages.iter().enumerate() {
        damage();
        let store = scratch.start();
        check(&store, 60);
        store.shutdown();
        let contents = |files: &BTreeMap<PathBuf, Vec<u8>>| files.values().cloned().collect::<Vec<_>>();
        let rebuilt = files(&scratch);
        assert!(contents(&rebuilt) == contents(&whole), "damage {number}");
        rebuilt.keys().for_each(|path| fs::remove_file(path).unwrap());
        whole.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    }
}

#[test]
fn any_flipped_bit_is_survived() {
    let scratch = Scratch::default();
    let store = scratch.start();
    fill(&store, 0..10);
    stop(store);
    let (path, whole) = files(&scratch).pop_first().unwrap();
    let used = at::HEADER_BYTES + 100 * at::SLOT_BYTES + 31 * at::ENTRY_BYTES;
    for position in (0..used * 8).step_by(13) {
        let mut bytes = whole.clone();
        bytes[position / 8] ^= 1 << (position % 8);
        fs::write(&path, &bytes).unwrap();
        let store = scratch.open();
        for index in 0..10 {
            // Not always found; never anything but a message of the log.
            find(&store, &format!("K{index}"));
        }
        drop(store);
        files(&scratch).into_keys().for_each(|path| fs::remove_file(path).unwrap());
    }
}

#[test]
fn a_chain_that_runs_in_circles_ends() {
    let scratch = Scratch::default();
    let store = scratch.start();
    for _ in 0..5 {
        store.append(&keyed("", "k", "", b"b")).unwrap();
    }
    derived(&store);
    let (path, bytes) = files(&scratch).pop_first().unwrap();
    let entry_at = |number: usize| at::HEADER_BYTES + 100 * at::SLOT_BYTES + number * at::ENTRY_BYTES;
    for previous in [2, 3, 5, 6, i32::MAX, -1] {
        let entry = IndexEntry::decode(&bytes[entry_at(2)..]).unwrap();
        let entry = IndexEntry { previous, ..entry };
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&entry.encode(), entry_at(2) as u64).unwrap();
        let found = find(&store, "k").len();
        assert!((3..=4).contains(&found), "{found} with {previous}");
    }
}

#[test]
fn a_log_that_was_cut_takes_its_entries_along() {
    let mut scratch = scratch();
    scratch.config.mapped_file_size_commit_log_bytes = 4 << 10;
    let store = scratch.start();
    fill(&store, 0..60);
    let min_offset = store.min_phy_offset();
    stop(store);
    let last =
        fs::read_dir(scratch.config.commit_log_dir()).unwrap().map(|entry| entry.unwrap().path()).max();
    fs::remove_file(last.unwrap()).unwrap();
    let store = scratch.start();
    let kept = store.max_offset_in_queue("T", 0) as usize;
    assert!(min_offset == 0 && (30..60).contains(&kept), "{kept}");
    check(&store, kept);
    assert!((kept..60).all(|index| find(&store, &format!("U{index}")).is_empty()));
    fill(&store, kept..70);
    derived(&store);
    check(&store, 70);
}

#[test]
fn files_without_a_message_left_expire() {
    let scratch = scratch();
    let store = scratch.start();
    fill(&store, 0..60);
    derived(&store);
    let index = &store.parts.index;
    index.expire(0);
    assert_eq!(files(&scratch).len(), 4);
    let second = index.files.read()[1].file.header().unwrap();
    index.expire(second.end_offset);
    assert_eq!(files(&scratch).len(), 3, "the second has one message left");
    index.expire(i64::MAX);
    assert_eq!(files(&scratch).len(), 1);
    assert_eq!(find(&store, "U59"), ["body 59"]);
}

#[test]
fn switched_off_it_is_read_but_not_written() {
    let mut scratch = Scratch::default();
    let store = scratch.start();
    fill(&store, 0..3);
    stop(store);
    scratch.config.message_index_enable = false;
    let store = scratch.start();
    fill(&store, 3..4);
    derived(&store);
    check(&store, 3);
    assert!(find(&store, "U3").is_empty());
    store.reconfigure(&crate::MessageStoreConfig { message_index_enable: true, ..scratch.config.clone() });
    fill(&store, 4..5);
    derived(&store);
    assert_eq!(find(&store, "U4"), ["body 4"], "switched on again");
    assert!(find(&store, "U3").is_empty());
    stop(store);
    scratch.config.index_file_read_enable = false;
    assert!(find(&scratch.open(), "U0").is_empty());
}

#[test]
fn an_index_that_cannot_be_written_holds_up_nobody_and_catches_up() {
    let scratch = scratch();
    let store = scratch.start();
    // In the way of the directory.
    fs::write(scratch.config.index_dir(), b"").unwrap();
    fill(&store, 0..30);
    wait_until("the queue has them", || store.max_offset_in_queue("T", 0) == 30);
    assert!(store.dispatch_behind_bytes() > 0);
    assert!(find(&store, "U0").is_empty());
    fs::remove_file(scratch.config.index_dir()).unwrap();
    fill(&store, 30..40);
    derived(&store);
    check(&store, 40);
}

#[test]
fn names_grow_though_clocks_go_back() {
    let scratch = scratch();
    let store = scratch.start();
    fill(&store, 0..20);
    derived(&store);
    scratch.clock.set_wall_ms(scratch.clock.wall_ms() - 3_600_000);
    fill(&store, 20..60);
    derived(&store);
    let names: Vec<_> = store.parts.index.files.read().iter().map(|named| named.name).collect();
    assert!(names.len() == 4 && names.is_sorted());
    let name = super::file_name(NOW_MS).to_string();
    assert!(name.len() == at::NAME_DIGITS && name.starts_with("20231"), "{name}");
    check(&store, 60);
}

#[test]
fn a_geometry_that_cannot_be_is_refused() {
    for (slots, entries) in [(0, 10), (10, 1), (5_000_000, 200_000_000), (usize::MAX, usize::MAX)] {
        let mut scratch = Scratch::default();
        (scratch.config.max_hash_slot_num, scratch.config.max_index_num) = (slots, entries);
        assert!(scratch.try_open().is_err());
    }
}
