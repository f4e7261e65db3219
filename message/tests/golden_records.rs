//! Every record of the commit logs that real Java brokers left behind (`compat-tests/golden/stores`): decodes, says what Java's
//! decoder says, and encodes back to the same bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use message::{Properties, PropertyCrc, Record, StoredMessage, id};
use serde_json::Value;

const SCENARIOS: [&str; 6] = ["core", "flow", "big", "ipv6", "cqext", "crash"];

fn golden(version: &str, scenario: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../compat-tests/golden/stores").join(version).join(scenario)
}

/// The files of a store's commit log, by start offset.
fn commit_log(version: &str, scenario: &str) -> Vec<(i64, Vec<u8>)> {
    let dir = tempfile::tempdir().unwrap();
    let archive = golden(version, scenario).join("store.tar.gz");
    let tar = Command::new("tar")
        .arg("-xzf")
        .arg(archive)
        .arg("store/commitlog")
        .current_dir(&dir)
        .status()
        .unwrap();
    assert!(tar.success(), "{version}/{scenario}");
    let mut files: Vec<_> = fs::read_dir(dir.path().join("store/commitlog"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().parse().unwrap(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

fn check(line: &Value, record: &StoredMessage<'_>, what: &str) {
    let message = &record.message;
    let number = |key: &str| line[key].as_i64().unwrap();
    let text = |key: &str| line[key].as_str().unwrap();
    assert_eq!(record.size as i64, number("size"), "{what}");
    assert_eq!(record.physical_offset, number("physicalOffset"), "{what}");
    assert_eq!(record.queue_offset, number("queueOffset"), "{what}");
    assert_eq!(record.store_timestamp_ms, number("storeTimestamp"), "{what}");
    assert_eq!(i64::from(record.body_crc), number("bodyCRC"), "{what}");
    assert_eq!(message.topic, text("topic"), "{what}");
    assert_eq!(i64::from(message.queue_id), number("queueId"), "{what}");
    assert_eq!(i64::from(message.flag), number("flag"), "{what}");
    assert_eq!(i64::from(message.sys_flag), number("sysFlag"), "{what}");
    assert_eq!(message.born_timestamp_ms, number("bornTimestamp"), "{what}");
    assert_eq!(i64::from(message.reconsume_times), number("reconsumeTimes"), "{what}");
    assert_eq!(message.prepared_transaction_offset, number("preparedTransactionOffset"), "{what}");
    assert_eq!(message.body.len() as i64, number("bodySize"), "{what}");
    let id = id::offset_message_id(message.store_host, record.physical_offset);
    assert_eq!(id, text("offsetMsgId"), "{what}");
    assert_eq!(
        id::parse_offset_message_id(&id),
        Some((message.store_host, record.physical_offset)),
        "{what}"
    );
    let properties = Properties::parse(&message.properties);
    let expected = line["properties"].as_object().unwrap();
    assert_eq!(properties.iter().count(), expected.len(), "{what}: {properties:?}");
    for (name, value) in properties.iter() {
        assert_eq!(Some(value), expected[name].as_str(), "{what}: {name}");
    }
}

#[test]
fn every_record_decodes_and_encodes_back() {
    for version in ["4.9.7", "5.5.0"] {
        for scenario in SCENARIOS.into_iter().chain((version == "5.5.0").then_some("five")) {
            let lines = fs::read_to_string(golden(version, scenario).join("messages.jsonl")).unwrap();
            let mut lines = lines.lines();
            for (start, bytes) in commit_log(version, scenario) {
                let mut at = 0;
                while let Ok(Record::Message(record)) = Record::decode(&bytes[at..]) {
                    let what = format!("{version}/{scenario} at {}", start + at as i64);
                    let line: Value = serde_json::from_str(lines.next().expect(&what)).unwrap();
                    check(&line, &record, &what);
                    assert!(record.body_is_intact(), "{what}");
                    let mut again = Vec::new();
                    let patch = record.message.encode(PropertyCrc::Omit, &mut again).unwrap();
                    patch.place(
                        &mut again,
                        record.queue_offset,
                        record.physical_offset,
                        record.store_timestamp_ms,
                    );
                    assert!(again == bytes[at..at + record.size], "{what}: encodes to other bytes");
                    at += record.size;
                }
            }
            assert_eq!(lines.next(), None, "{version}/{scenario}: records missed");
        }
    }
}
