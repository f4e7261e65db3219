//! Records that end in a checksum of themselves, against a log of Java's store (`store/tests/data/prop_crc`).

use std::fs;

use super::*;

const JAVAS_LOG: &[u8] = include_bytes!("../../tests/data/prop_crc/commitlog");

fn scratch() -> Scratch {
    let mut scratch = Scratch::default();
    scratch.config.enabled_append_prop_crc = true;
    scratch.config.force_verify_prop_crc = true;
    scratch
}

/// A store whose log is `log`.
fn store_of(log: &[u8]) -> Scratch {
    let scratch = scratch();
    let mut file = log.to_vec();
    file.resize(scratch.config.mapped_file_size_commit_log_bytes as usize, 0);
    fs::create_dir_all(scratch.config.commit_log_dir()).unwrap();
    fs::write(scratch.config.commit_log_dir().join(layout::file_name(0)), file).unwrap();
    scratch
}

/// Start and store time of each record of Java's log.
fn records() -> Vec<(usize, i64)> {
    let mut records = Vec::new();
    let mut at = 0;
    while at < JAVAS_LOG.len() {
        let Ok(Record::Message(record)) = Record::decode(&JAVAS_LOG[at..]) else { panic!("at {at}") };
        records.push((at, record.store_timestamp_ms));
        at += record.size;
    }
    records
}

fn sent<'a>(topic: &'a str, body: &'a [u8], properties: &'static str) -> Message<'a> {
    Message {
        flag: 5,
        born_timestamp_ms: 1_700_000_000_123,
        born_host: "10.1.2.3:4567".parse().unwrap(),
        store_host: "10.1.2.4:10911".parse().unwrap(),
        properties: properties.into(),
        ..message(topic, 0, body, "")
    }
}

#[test]
fn we_write_what_java_writes() {
    let scratch = scratch();
    let store = scratch.start();
    let records = records();
    let (long_topic, long_body) = ("F".repeat(120), [b'x'; 3000]);
    let messages = [
        sent("Plain", b"closed", "TAGS\u{1}A\u{2}KEYS\u{1}k\u{2}"),
        sent("Plain", b"open", "TAGS\u{1}A"),
        sent("Plain", b"none", ""),
        sent("Plain", b"sent", "__CRC32#\u{1}1234567890\u{2}TAGS\u{1}B\u{2}"),
        sent(&long_topic, &long_body, "TAGS\u{1}A\u{2}"),
    ];
    for (message, (at, store_timestamp_ms)) in messages.iter().zip(&records) {
        scratch.clock.set_wall_ms(*store_timestamp_ms);
        assert_eq!(store.append(message).unwrap().physical_offset, *at as i64);
    }
    let item = b"\0\0\0\x1f\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\x02hi\0\x07KEYS\x01k\x02";
    scratch.clock.set_wall_ms(records[messages.len()].1);
    store.append_batch(&sent("Batch", &[&item[..], &item[..]].concat(), "")).unwrap();
    assert_eq!(store.max_phy_offset(), JAVAS_LOG.len() as i64);
    let ours = fs::read(scratch.config.commit_log_dir().join(layout::file_name(0))).unwrap();
    assert_eq!(&ours[..JAVAS_LOG.len()], JAVAS_LOG);
}

#[test]
fn javas_records_are_read() {
    let store = store_of(JAVAS_LOG).open();
    assert_eq!(store.max_phy_offset(), JAVAS_LOG.len() as i64);
    assert_eq!((store.max_offset_in_queue("Plain", 0), store.max_offset_in_queue("Batch", 0)), (4, 2));
}

#[test]
fn a_flipped_bit_anywhere_ends_the_log() {
    let records = records();
    for (number, &(at, _)) in records.iter().enumerate() {
        // Magic, flag, queue offset, born time, reconsume times: none of them under the body's checksum.
        for inside in [7, 19, 27, 45, 67] {
            let mut log = JAVAS_LOG.to_vec();
            log[at + inside] ^= 1;
            assert_eq!(store_of(&log).open().max_phy_offset(), at as i64, "record {number}, byte {inside}");
        }
    }
}

#[test]
fn a_record_without_a_checksum_ends_the_log_if_it_must_have_one() {
    let mut scratch = scratch();
    scratch.config.enabled_append_prop_crc = false;
    let store = scratch.start();
    fill(&store, 0, 3);
    stop(store);
    // As after Java: nobody knows which queues there were, so the start reads all of the log.
    fs::remove_file(scratch.config.root().join(layout::inventory::INVENTORY_FILE)).unwrap();
    fs::remove_dir_all(scratch.config.consume_queue_dir()).unwrap();
    assert_eq!(scratch.open().max_phy_offset(), 0);
}
