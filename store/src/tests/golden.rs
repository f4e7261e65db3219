//! Stores that real Java brokers left behind (`compat-tests/golden/stores`): what we find in them is what Java finds.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::testing::golden::{VERSIONS, damage, golden, json, unpack};

/// Those of both versions, but for `crash`; `five` is of 5.5.0 only.
const SCENARIOS: [&str; 7] = ["core", "flow", "big", "ipv6", "cqext", "default", "five"];

type Ranges = BTreeMap<(String, i32), (i64, i64)>;

/// Min and max of each queue that has messages.
fn expected_ranges(state: &Value) -> Ranges {
    let mut ranges = Ranges::new();
    for (topic, queues) in state["queues"].as_object().unwrap() {
        for (queue_id, range) in queues.as_object().unwrap() {
            let (min, max) = (range["min"].as_i64().unwrap(), range["max"].as_i64().unwrap());
            if max > 0 {
                ranges.insert((topic.clone(), queue_id.parse().unwrap()), (min, max));
            }
        }
    }
    ranges
}

fn ranges(store: &MessageStore) -> Ranges {
    let queues = store.queues();
    let ids = queues.iter().flat_map(|(topic, ids)| ids.iter().map(move |id| (topic.as_str(), *id)));
    ids.map(|(topic, id)| {
        let range = (store.min_offset_in_queue(topic, id), store.max_offset_in_queue(topic, id));
        ((topic.to_owned(), id), range)
    })
    .filter(|(_, range)| range.1 > 0)
    .collect()
}

fn assert_state(store: &MessageStore, state: &Value, what: &str) {
    assert_eq!(store.max_phy_offset(), state["maxPhyOffset"].as_i64().unwrap(), "{what}: end of the log");
    assert_eq!(store.min_phy_offset(), state["minPhyOffset"].as_i64().unwrap(), "{what}: begin of the log");
    assert_eq!(ranges(store), expected_ranges(state), "{what}: queues");
}

const QUEUE_DIRS: [&str; 3] = ["consumequeue", "consumequeue_ext", "batchconsumequeue"];

/// All bytes of all kinds of queue files by name, without the zeros at their ends.
fn queue_files(config: &MessageStoreConfig) -> BTreeMap<PathBuf, Vec<u8>> {
    let root = config.root();
    let mut found = BTreeMap::new();
    let mut dirs: Vec<_> = QUEUE_DIRS.iter().map(|name| root.join(name)).filter(|dir| dir.exists()).collect();
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                dirs.push(entry.path());
                continue;
            }
            let mut bytes = fs::read(entry.path()).unwrap();
            bytes.truncate(bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1));
            if !bytes.is_empty() {
                found.insert(entry.path().strip_prefix(root).unwrap().to_owned(), bytes);
            }
        }
    }
    found
}

#[test]
fn offsets_as_java_finds_them() {
    for version in VERSIONS {
        for scenario in SCENARIOS.into_iter().filter(|scenario| version != "4.9.7" || *scenario != "five") {
            let what = format!("{version}/{scenario}");
            let (scratch, manifest) = unpack(version, scenario);
            let before = queue_files(&scratch.config);
            assert!(!before.is_empty(), "{what}");
            let store = scratch.open();
            assert_state(&store, &manifest["state"], &what);
            drop(store);
            assert!(queue_files(&scratch.config) == before, "{what}: opening changed a queue");
        }
    }
}

#[test]
fn queues_built_from_javas_log_are_javas_queues() {
    // Not default: gigabytes of zeros to unpack.
    for version in VERSIONS {
        for scenario in SCENARIOS {
            if scenario == "default" || (version == "4.9.7" && scenario == "five") {
                continue;
            }
            let what = format!("{version}/{scenario}");
            let (scratch, manifest) = unpack(version, scenario);
            let javas = queue_files(&scratch.config);
            QUEUE_DIRS.iter().for_each(|dir| drop(fs::remove_dir_all(scratch.config.root().join(dir))));
            let store = scratch.open();
            assert_state(&store, &manifest["state"], &what);
            let ours = queue_files(&scratch.config);
            assert!(ours.keys().eq(javas.keys()), "{what}: {:?} {:?}", ours.keys(), javas.keys());
            for (path, bytes) in &javas {
                assert!(ours[path] == *bytes, "{what}: {}", path.display());
            }
        }
    }
}

#[test]
fn every_message_is_read_as_java_reads_it() {
    for version in VERSIONS {
        for scenario in ["core", "flow", "ipv6"] {
            let what = format!("{version}/{scenario}");
            let (scratch, _) = unpack(version, scenario);
            let store = scratch.open();
            let mut seen = 0;
            for line in fs::read_to_string(golden(version, scenario).join("messages.jsonl")).unwrap().lines()
            {
                let line: Value = serde_json::from_str(line).unwrap();
                let offset = line["physicalOffset"].as_i64().unwrap();
                let record = store
                    .look_message_by_offset(offset)
                    .unwrap()
                    .unwrap_or_else(|| panic!("{what}: {offset}"));
                assert_eq!(record.len() as i64, line["size"].as_i64().unwrap(), "{what}: {offset}");
                assert!(store.look_message_by_offset(offset + 1).unwrap().is_none());
                seen += 1;
            }
            assert!(seen > 10, "{what}");
        }
    }
}

#[test]
fn tags_are_looked_up_in_the_extension() {
    struct Tag(i64);
    impl MessageFilter for Tag {
        fn matches_queue_entry(&self, tags_code: i64) -> bool {
            tags_code == self.0
        }
    }
    for version in VERSIONS {
        let (mut scratch, _) = unpack(version, "cqext");
        let lines = fs::read_to_string(golden(version, "cqext").join("messages.jsonl")).unwrap();
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let tag = lines.iter().find_map(|line| line["tags"].as_str()).unwrap();
        let (topic, with_tag) = lines
            .iter()
            .filter(|line| line["tags"] == tag && line["queueId"] == 0)
            .fold(("", 0), |(_, count), line| (line["topic"].as_str().unwrap(), count + 1));
        let request = GetRequest { topic, queue_id: 0, offset: 0, count_max: 32, bytes_max: 1 << 20 };
        let read = |scratch: &Scratch, tags: &str| {
            let hash = message::tags_code(tags);
            scratch.open().get_message(request, &Tag(hash)).unwrap().message_count
        };
        assert!((1..32).contains(&with_tag), "{version}: {tag}");
        assert_eq!(read(&scratch, tag), with_tag, "{version}");
        assert_eq!(read(&scratch, "no such tag"), 0, "{version}");
        // Without the extension nothing says the tags: the client has to look.
        scratch.config.enable_consume_queue_ext = false;
        let all = lines.iter().filter(|line| line["topic"] == topic && line["queueId"] == 0).count();
        assert_eq!(read(&scratch, "no such tag"), all, "{version}");
    }
}

#[test]
fn damaged_stores_recover_as_javas_do() {
    for version in VERSIONS {
        let variants = json(&golden(version, "crash").join("variants.json"));
        for variant in variants.as_array().unwrap() {
            let what = format!("{version}/crash/{}", variant["name"].as_str().unwrap());
            let (mut scratch, _) = unpack(version, "crash");
            scratch.config.max_msgs_num_batch = usize::MAX;
            variant["ops"].as_array().unwrap().iter().for_each(|op| damage(scratch.config.root(), op));
            let store = scratch.open();
            let recovered = &variant["recovered"];
            // Where Java itself fails, whatever lies before the damage is there.
            if recovered["loadOk"] == true {
                assert_state(&store, recovered, &what);
            } else {
                assert!(store.max_phy_offset() > 1 << 20, "{what}");
            }
            golden_index::check_found_before(&store, version, "crash", &what, store.max_phy_offset());
        }
    }
}
