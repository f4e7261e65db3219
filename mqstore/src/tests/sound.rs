//! Stores that are sound, whatever their senders wrote and however their clocks went.

use std::sync::Arc;
use std::time::Duration;

use message::Message;
use store::testing::{Scratch, derived, message};
use store::{MessageStore, StoreConfig};

use super::*;

const HOUR_MS: i64 = 3_600_000;

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
    let StoreConfig { max_hash_slot_num, max_index_num, .. } = scratch.config;
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
