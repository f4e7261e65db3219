//! A bit flipped anywhere in any file of a store: it opens or says why not, and whatever it serves is what was sent.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

const MESSAGES: usize = 120;
const QUEUES: i32 = 2;
/// Places looked at in each file.
const PLACES: usize = 24;

fn text(index: usize) -> Vec<u8> {
    format!("flip {index} {}", "y".repeat(index * 13 % 400)).into_bytes()
}

fn fill_with_keys(store: &MessageStore) {
    for index in 0..MESSAGES {
        let properties = format!("KEYS\u{1}k{index}\u{2}TAGS\u{1}A\u{2}UNIQ_KEY\u{1}U{index}\u{2}");
        let body = text(index);
        let message =
            Message { properties: properties.into(), ..message("T", index as i32 % QUEUES, &body, "") };
        store.append(&message).unwrap();
    }
}

/// Paths below `dir`, with each file's bytes.
fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(contents(&path)),
            false => found.push((path.clone(), fs::read(path).unwrap())),
        }
    }
    found
}

/// Bytes to damage: some of those that are written, spread over the file.
fn places(bytes: &[u8]) -> Vec<usize> {
    let written: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let step = written.len().div_ceil(PLACES).max(1);
    written.into_iter().step_by(step).collect()
}

/// Everything that is served is something that was sent.
fn look_at_all(store: &MessageStore, sent: &HashSet<Vec<u8>>, what: &str) {
    for queue_id in 0..QUEUES {
        let mut offset = store.min_offset_in_queue("T", queue_id);
        let end = store.max_offset_in_queue("T", queue_id).min(2 * MESSAGES as i64);
        while offset < end {
            let result = get(store, "T", queue_id, offset);
            assert!(result.next_begin_offset > offset, "{what}: stuck at {offset} of {end}");
            offset = result.next_begin_offset;
            let records = result.into_copy().unwrap();
            let mut rest = &records[..];
            while let Ok(Record::Message(record)) = Record::decode(rest) {
                assert!(sent.contains(record.message.body), "{what}: wrong bytes in queue {queue_id}");
                rest = &rest[record.size..];
            }
            assert!(rest.is_empty(), "{what}: what is no record");
        }
    }
    for index in (0..MESSAGES).step_by(17) {
        let query = KeyQuery {
            topic: "T",
            key: &format!("k{index}"),
            kind: KeyKind::Key,
            begin_ms: 0,
            end_ms: i64::MAX,
            count_max: 8,
        };
        for range in store.query_message(query).unwrap().ranges {
            let bytes = range.to_vec().unwrap();
            let Ok(Record::Message(record)) = Record::decode(&bytes) else { panic!("{what}") };
            assert!(sent.contains(record.message.body), "{what}: wrong bytes for a key");
        }
    }
}

#[test]
fn a_flipped_bit_in_any_file_shows_nothing_that_was_not_sent() {
    let mut scratch = Scratch::default();
    scratch.config.enable_consume_queue_ext = true;
    scratch.config.mapped_file_size_consume_queue_ext_bytes = 4096;
    let store = scratch.start();
    fill_with_keys(&store);
    derived(&store);
    stop(store);
    let root = scratch.config.root().to_owned();
    let base = contents(&root);
    let sent: HashSet<_> = (0..MESSAGES).map(text).collect();
    let (mut tried, mut refused) = (0, 0);
    for (path, bytes) in base.iter().filter(|(path, _)| !path.ends_with("lock")) {
        for (turn, at) in places(bytes).into_iter().enumerate() {
            fs::remove_dir_all(&root).unwrap();
            for (path, bytes) in &base {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (turn % 8);
            fs::write(path, damaged).unwrap();
            let clean = turn % 2 == 0;
            if !clean {
                fs::write(root.join("abort"), "1").unwrap();
            }
            let what = format!("{} at {at}, clean: {clean}", path.display());
            tried += 1;
            match scratch.try_open() {
                Ok(store) => look_at_all(&store, &sent, &what),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(tried > 4 * PLACES && refused * 10 < tried, "{refused} of {tried} refused");
}
