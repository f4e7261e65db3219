//! Stores that are sound, whatever their senders wrote and however their clocks went.

use std::sync::Arc;
use std::time::Duration;

use message::{Message, property_crc};
use store::testing::{Scratch, derived, message};
use store::{MessageStore, MessageStoreConfig};

use super::*;

const HOUR_MS: i64 = 3_600_000;

/// Replaces a text in the log by one of its length: what a broker would not let a sender write may stand there all the same.
fn forge(scratch: &Scratch, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let mut forged = 0;
    for entry in fs::read_dir(scratch.config.store_path_root_dir.join("commitlog")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let mut at = 0;
        while let Some(found) = bytes[at..].windows(from.len()).position(|bytes| bytes == from.as_bytes()) {
            at += found;
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
            forged += 1;
        }
        fs::write(path, bytes).unwrap();
    }
    assert!(forged > 0);
}

/// Sends a message to queue 0 of topic "T"; its properties stand as `NAME=value;`.
fn send(store: &MessageStore, properties: &str) -> i64 {
    let properties = properties.replace('=', "\u{1}").replace(';', "\u{2}").into();
    store.append(&Message { properties, ..message("T", 0, b"body", "") }).unwrap().physical_offset
}

/// Stops the store as a broker does, its tables written.
fn stop(scratch: &Scratch, store: Arc<MessageStore>) {
    derived(&store);
    store.shutdown();
    let config = scratch.config.store_path_root_dir.join("config");
    fs::create_dir_all(&config).unwrap();
    let topic =
        |name: &str| format!(r#""{name}":{{"topicName":"{name}","readQueueNums":4,"writeQueueNums":4}}"#);
    let topics = ["T", "Victim", "%LMQ%q", "SCHEDULE_TOPIC_XXXX"].map(topic).join(",");
    fs::write(config.join("topics.json"), format!(r#"{{"topicConfigTable":{{{topics}}}}}"#)).unwrap();
}

fn judge(scratch: &Scratch, properties: &str) -> Report {
    let MessageStoreConfig { max_hash_slot_num, max_index_num, .. } = scratch.config;
    let properties = format!("maxHashSlotNum={max_hash_slot_num}\nmaxIndexNum={max_index_num}\n{properties}");
    check_with(&scratch.config.store_path_root_dir, &properties)
}

/// The notes of a sound store.
fn notes(scratch: &Scratch, properties: &str) -> Vec<String> {
    let report = judge(scratch, properties);
    assert_eq!(report.worst(), Severity::Note, "{}", report.to_text());
    report.findings().map(|finding| finding.text.clone()).collect()
}

#[test]
fn a_clock_that_was_set_back_is_no_damage() {
    let scratch = Scratch::default();
    let store = scratch.start();
    for round in 0..3 {
        for _ in 0..5 {
            send(&store, "KEYS=k;TAGS=t;");
            let delayed =
                "KEYS=k;DELAY=2;REAL_TOPIC=T;REAL_QID=0;".replace('=', "\u{1}").replace(';', "\u{2}");
            let delayed =
                Message { properties: delayed.into(), ..message("SCHEDULE_TOPIC_XXXX", 1, b"", "") };
            store.append(&delayed).unwrap();
            scratch.clock.advance(Duration::from_secs(7));
        }
        scratch.clock.set_wall_ms(scratch.clock.wall_ms() - (round + 1) * HOUR_MS);
    }
    stop(&scratch, store);
    for properties in ["", "messageDelayLevel=1s 5s 10s"] {
        assert_eq!(notes(&scratch, properties), [""; 0]);
    }
}

/// After a crash Java removes index files, and indexes anew from a log file's start: what lay between is in none.
#[test]
fn what_java_s_recovery_leaves_out_of_the_index_is_no_damage() {
    let probe = Scratch::default();
    let store = probe.start();
    let [first, second] = ["KEYS=k0;", "KEYS=k1;"].map(|keys| send(&store, keys));
    let record_bytes = second - first;
    stop(&probe, store);
    // An index file holds one entry less than its header counts.
    let judged = |records_a_log_file: i64, records_an_index_file: usize| {
        let mut scratch = Scratch::default();
        scratch.config.mapped_file_size_commit_log_bytes = (records_a_log_file * record_bytes + 8) as u64;
        scratch.config.max_index_num = records_an_index_file + 1;
        let store = scratch.start();
        for number in 0..5 * records_an_index_file {
            send(&store, &format!("KEYS=k{};", number % 10));
            // Files are named by the time.
            scratch.clock.advance(Duration::from_millis(1));
        }
        stop(&scratch, store);
        let index = scratch.config.store_path_root_dir.join("index");
        let mut files: Vec<_> = fs::read_dir(index).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        assert_eq!(files.len(), 5);
        fs::remove_file(&files[2]).unwrap();
        judge(&scratch, "")
    };
    let javas = judged(7, 7);
    assert_eq!(javas.worst(), Severity::Note, "{}", javas.to_text());
    let text = javas.to_text();
    assert!(text.contains("7 keys of the records from") && text.contains("Java's recovery"), "{text}");
    let other = judged(9, 7);
    assert_eq!(other.worst(), Severity::Wrong, "{}", other.to_text());
}

#[test]
fn malformed_properties_are_their_sender_s() {
    let scratch = Scratch::default();
    let store = scratch.start();
    send(&store, "KEYS=k;nothing;=value;name=;;;TAGS=t;");
    send(&store, "KEYS=k;");
    stop(&scratch, store);
    let notes = notes(&scratch, "");
    assert!(notes.len() == 1 && notes[0].ends_with("has no name or no value"), "{notes:?}");
}

#[test]
fn a_checksum_property_of_a_sender_s_says_nothing() {
    let scratch = Scratch::default();
    let store = scratch.start();
    send(&store, "__CRC33#=1234567890;");
    send(&store, "KEYS=k;");
    send(&store, "__CRC33#=9;TAGS=t;");
    send(&store, "__CRC33#=1234567890;");
    send(&store, "__CRC33#=1234567890;");
    stop(&scratch, store);
    forge(&scratch, "__CRC33#", property_crc::PROPERTY_CRC32);
    assert_eq!(notes(&scratch, "").len(), 3, "the first few of four");
}

#[test]
fn a_checksum_of_the_broker_s_that_does_not_fit_is_damage() {
    let mut scratch = Scratch::default();
    let store = scratch.start();
    send(&store, "KEYS=one;");
    send(&store, "KEYS=two;");
    stop(&scratch, store);
    scratch.config.enabled_append_prop_crc = true;
    let store = scratch.start();
    for key in ["first", "third", "fourth"] {
        send(&store, &format!("other={key};"));
    }
    stop(&scratch, store);
    assert_eq!(notes(&scratch, ""), [""; 0]);
    for key in ["first", "third", "fourth"] {
        let worse = key.to_uppercase();
        forge(&scratch, key, &worse);
        let report = judge(&scratch, "");
        assert_eq!(report.worst(), Severity::Wrong, "{key}:\n{}", report.to_text());
        forge(&scratch, &worse, key);
    }
}

#[test]
fn queues_that_a_sender_names_are_its_own_affair() {
    let mut scratch = Scratch::default();
    scratch.config.enable_lmq = true;
    scratch.config.enable_multi_dispatch = true;
    let store = scratch.start();
    send(&store, "INNER_MULTX_DISPATCH=Victim;INNER_MULTX_QUEUE_OFFSET=1000;");
    for _ in 0..3 {
        store.append(&message("Victim", 0, b"real", "")).unwrap();
        send(&store, "INNER_MULTI_DISPATCH=%LMQ%q;");
    }
    for (names, offsets) in [
        ("Victim", "1000"),
        ("Victim", "0"),
        ("Victim", "-1"),
        ("Victim,%LMQ%q", "2"),
        ("%LMQ%q", "0"),
        ("%LMQ%q", "7"),
        ("%LMQ%none,Nobody", "0,0"),
        ("a/b", "0"),
    ] {
        send(&store, &format!("INNER_MULTX_DISPATCH={names};INNER_MULTX_QUEUE_OFFSET={offsets};"));
    }
    store.append(&message("Victim", 0, b"real", "")).unwrap();
    send(&store, "INNER_MULTI_DISPATCH=%LMQ%q;");
    stop(&scratch, store);
    forge(&scratch, "INNER_MULTX", "INNER_MULTI");
    for properties in ["", "enableMultiDispatch=true\nenableLmq=true"] {
        assert!(!notes(&scratch, properties).is_empty());
    }
    // What its queue has lost is damage.
    let lmq = scratch.config.consume_queue_dir().join("%LMQ%q/0/00000000000000000000");
    let mut bytes = fs::read(&lmq).unwrap();
    bytes[20..40].fill(0);
    fs::write(&lmq, bytes).unwrap();
    let report = judge(&scratch, "");
    assert_eq!(report.worst(), Severity::Wrong, "{}", report.to_text());
}
