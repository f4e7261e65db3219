//! Index files that Java wrote: what we find with them, and what we make of the same log.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::super::layout::{IndexEntry, index as at};
use super::*;
use crate::testing::golden::{VERSIONS, golden, unpack};

const SCENARIOS: [&str; 5] = ["core", "flow", "big", "ipv6", "cqext"];

/// Topic, key and kind of everything that a message can be found by.
fn keys_of(line: &Value, with_tags: bool) -> Vec<(String, String, KeyKind)> {
    let topic = line["topic"].as_str().unwrap();
    let properties = &line["properties"];
    let text = |name: &str| properties[name].as_str().unwrap_or_default();
    let keys = text(property::KEYS).split(' ').chain([text(property::UNIQ_KEY)]);
    let mut all: Vec<_> = keys.map(|key| (key, KeyKind::Key)).collect();
    if with_tags {
        all.push((text(property::TAGS), KeyKind::Tag));
    }
    let all = all.into_iter().filter(|(key, _)| !key.is_empty());
    all.map(|(key, kind)| (topic.to_owned(), key.to_owned(), kind)).collect()
}

/// Of each key the offsets of its messages.
fn expected(
    version: &str,
    scenario: &str,
    with_tags: bool,
) -> BTreeMap<(String, String, bool), BTreeSet<i64>> {
    let mut expected: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for line in fs::read_to_string(golden(version, scenario).join("messages.jsonl")).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if sys_flag::transaction(line["sysFlag"].as_i64().unwrap() as i32) == sys_flag::TRANSACTION_ROLLBACK {
            continue;
        }
        let offset = line["physicalOffset"].as_i64().unwrap();
        for (topic, key, kind) in keys_of(&line, with_tags) {
            expected.entry((topic, key, kind == KeyKind::Tag)).or_default().insert(offset);
        }
    }
    assert!(expected.len() > 5, "{version}/{scenario}");
    expected
}

fn offsets(store: &MessageStore, topic: &str, key: &str, kind: KeyKind, count_max: usize) -> Vec<i64> {
    let query = KeyQuery { topic, key, kind, count_max, begin_ms: 0, end_ms: i64::MAX };
    let result = store.query_message(query).unwrap();
    let offset = |range: &MappedRange| match Record::decode(&range.to_vec().unwrap()) {
        Ok(Record::Message(record)) => record.physical_offset,
        other => panic!("{other:?}"),
    };
    result.ranges.iter().map(offset).collect()
}

/// Checks that every message of the log that begins before `end` can be found.
pub fn check_found_before(store: &MessageStore, version: &str, scenario: &str, what: &str, end: i64) {
    for ((topic, key, is_tag), messages) in expected(version, scenario, version == "5.5.0") {
        let kind = if is_tag { KeyKind::Tag } else { KeyKind::Key };
        let found = offsets(store, &topic, &key, kind, usize::MAX);
        let is_there = |offset: &&i64| store.look_message_by_offset(**offset).unwrap().is_some();
        let missing: Vec<_> =
            messages.range(..end).filter(|offset| !found.contains(offset)).filter(is_there).collect();
        assert!(missing.is_empty(), "{what}: {topic}#{key}: {missing:?} found {found:?} before {end}");
    }
}

fn check_found(store: &MessageStore, version: &str, scenario: &str, with_tags: bool) {
    for ((topic, key, is_tag), messages) in expected(version, scenario, with_tags) {
        let kind = if is_tag { KeyKind::Tag } else { KeyKind::Key };
        let found: BTreeSet<_> = offsets(store, &topic, &key, kind, usize::MAX).into_iter().collect();
        let what = format!("{version}/{scenario}: {topic}#{key} tag: {is_tag}");
        assert!(found.is_superset(&messages), "{what}: {found:?} {messages:?}");
    }
}

#[test]
fn every_key_is_found_in_javas_files() {
    for version in VERSIONS {
        for scenario in SCENARIOS {
            let (mut scratch, manifest) = unpack(version, scenario);
            scratch.config.max_msgs_num_batch = usize::MAX;
            let before = index_files(&scratch.config.index_dir());
            let store = scratch.open();
            check_found(&store, version, scenario, version == "5.5.0");
            for query in manifest["state"]["indexQueries"].as_array().unwrap() {
                let (topic, key) = (query["topic"].as_str().unwrap(), query["key"].as_str().unwrap());
                let count_max = query["maxNum"].as_u64().unwrap() as usize;
                let java: Vec<i64> = serde_json::from_value(query["physicalOffsets"].clone()).unwrap();
                assert_eq!(
                    offsets(&store, topic, key, KeyKind::Key, count_max),
                    java,
                    "{version}/{scenario}: {query}"
                );
            }
            drop(store);
            assert!(
                index_files(&scratch.config.index_dir()) == before,
                "{version}/{scenario}: opening changed it"
            );
        }
    }
}

fn index_files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn an_index_built_from_javas_log_is_javas_index() {
    for version in VERSIONS {
        for scenario in SCENARIOS {
            let what = format!("{version}/{scenario}");
            let (mut scratch, _) = unpack(version, scenario);
            let javas = index_files(&scratch.config.index_dir());
            fs::remove_dir_all(scratch.config.index_dir()).unwrap();
            scratch.config.max_msgs_num_batch = usize::MAX;
            let store = scratch.open();
            check_found(&store, version, scenario, true);
            drop(store);
            let ours = index_files(&scratch.config.index_dir());
            assert_eq!(ours.len(), javas.len(), "{what}");
            for (ours, javas) in ours.values().zip(javas.values()) {
                if version == "5.5.0" {
                    assert!(ours == javas, "{what}");
                }
            }
        }
    }
}

#[test]
fn an_index_of_4_9_7_goes_on_with_tags() {
    let (scratch, _) = unpack("4.9.7", "core");
    let store = scratch.start();
    store.append(&message("T", 0, b"new", "red")).unwrap();
    derived(&store);
    assert_eq!(offsets(&store, "T", "red", KeyKind::Tag, 9).len(), 1);
    stop(store);
    let files = index_files(&scratch.config.index_dir());
    assert_eq!(files.len(), 1);
    let bytes = files.values().next().unwrap();
    let count = i32::from_be_bytes(*bytes[at::INDEX_COUNT..].first_chunk().unwrap()) as usize;
    let entries_at = at::HEADER_BYTES + scratch.config.max_hash_slot_num * at::SLOT_BYTES;
    let last = IndexEntry::decode(&bytes[entries_at + (count - 1) * at::ENTRY_BYTES..]).unwrap();
    assert_eq!(last.key_hash, message::java_string_hash("T#T#red").abs());
}
