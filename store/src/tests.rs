//! The store through its public face: append, derive, read, reopen.

mod cut;
mod failing_disk;
mod faults;
mod flips;
mod full_disk;
mod golden;
mod golden_index;
mod inner_batch;
mod lmq;
mod prop_crc;
mod reads;
mod rebuild;
mod replica;
mod space;
mod truncate;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use message::{Message, Record, property, sys_flag};

use crate::testing::*;

use super::*;

fn body(index: usize) -> Vec<u8> {
    format!("message {index} {}", "x".repeat(index % 700)).into_bytes()
}

fn fill(store: &MessageStore, from: usize, count: usize) {
    for index in from..from + count {
        let appended = store.append(&message("T", 0, &body(index), "A")).unwrap();
        assert_eq!(appended.queue_offset, index as i64);
    }
}

fn check(store: &MessageStore, count: usize) {
    let found = drain(store, "T", 0);
    assert_eq!(found.len(), count);
    assert!(found.iter().enumerate().all(|(index, found)| *found == body(index)));
}

#[test]
fn a_record_in_a_body_is_no_message() {
    let scratch = Scratch::default();
    let store = scratch.start();
    let (mut forged, foreign) = (Vec::new(), message("Evil", 0, b"forged", ""));
    let record = foreign.encode(message::PropertyCrc::Omit, &mut forged).unwrap();
    record.place(&mut forged, 0, 0, 1);
    let appended = store.append(&message("T", 0, &forged, "")).unwrap();
    let bytes = store.look_message_by_offset(appended.physical_offset).unwrap().unwrap();
    let at = bytes.windows(forged.len()).position(|window| window == forged).unwrap();
    assert_eq!(store.look_message_by_offset(appended.physical_offset + at as i64).unwrap(), None);
}

#[test]
fn append_derive_get_reopen_append() {
    let scratch = Scratch::default();
    for round in 0..3 {
        let store = scratch.start();
        check(&store, round * 300);
        fill(&store, round * 300, 300);
        derived(&store);
        check(&store, round * 300 + 300);
        assert!(store.max_phy_offset() > 64 << 10, "several files");
        store.shutdown();
        assert!(!scratch.config.root().join("abort").exists());
        assert!(matches!(
            store.append(&message("T", 0, b"late", "A")),
            Err(PutError::ServiceNotAvailable(_))
        ));
    }
}

#[test]
fn a_crash_loses_nothing_that_was_written() {
    let scratch = Scratch::default();
    for round in 0..3 {
        let store = scratch.start();
        check(&store, round * 300);
        fill(&store, round * 300, 300);
        drop(store);
        assert!(scratch.config.root().join("abort").exists());
    }
    let store = scratch.open();
    check(&store, 900);
    assert_eq!(store.max_offset_in_queue("T", 0), 900);
}

#[test]
fn queues_are_rebuilt_from_the_log() {
    let mut scratch = Scratch::default();
    scratch.config.mapped_file_size_commit_log_bytes = 16 << 10;
    // All of it, not only so many files.
    scratch.config.commit_log_recover_max_num = 1;
    let store = scratch.start();
    fill(&store, 0, 300);
    assert!(store.parts.log.files.len() > 2);
    stop(store);
    std::fs::remove_dir_all(scratch.config.consume_queue_dir()).unwrap();
    let store = scratch.open();
    check(&store, 300);
}

#[test]
fn an_empty_log_has_no_queues() {
    let scratch = Scratch::default();
    let store = scratch.start();
    fill(&store, 0, 3);
    stop(store);
    std::fs::remove_dir_all(scratch.config.commit_log_dir()).unwrap();
    let store = scratch.start();
    assert_eq!((store.min_phy_offset(), store.max_phy_offset()), (-1, 0));
    assert!(store.queues().is_empty());
    fill(&store, 0, 3);
    derived(&store);
    check(&store, 3);
}

#[test]
fn a_batch_is_one_piece() {
    let item = b"\0\0\0\x1f\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\x02hi\0\x07KEYS\x01k\x02";
    let scratch = Scratch::default();
    let store = scratch.start();
    fill(&store, 0, 1);
    let batch = item.repeat(3);
    let appended = store.append_batch(&message("T", 0, &batch, "A")).unwrap();
    assert_eq!((appended.queue_offset, appended.physical_offsets.len()), (1, 3));
    assert_eq!(appended.end_offset(), store.max_phy_offset());
    derived(&store);
    let result = get(&store, "T", 0, 1);
    assert!(
        matches!(result.into_pieces(|_| true).unwrap()[..], [get::Piece::Mapped(_)]),
        "neighbours share a range"
    );
    let result = get(&store, "T", 0, 1);
    assert_eq!(bodies(result), [b"hi"; 3]);
    for (index, offset) in appended.physical_offsets.iter().enumerate() {
        let record = store.look_message_by_offset(*offset).unwrap().unwrap();
        let Ok(Record::Message(record)) = Record::decode(&record) else { panic!() };
        assert_eq!((record.queue_offset, record.message.flag), (index as i64 + 1, 7));
        assert_eq!(record.message.properties, "KEYS\u{1}k\u{2}");
    }
    let torn = store.append_batch(&message("T", 0, &batch[..batch.len() - 1], "A"));
    assert!(matches!(torn, Err(PutError::BatchIllegal(_))), "{torn:?}");
    assert!(matches!(store.append_batch(&message("T", 0, b"", "A")), Err(PutError::BatchIllegal(_))));
    assert_eq!(store.max_phy_offset(), appended.end_offset());
}

#[test]
fn a_store_at_work_takes_live_keys_alone() {
    let mut scratch = Scratch::default();
    scratch.config.flush_interval_commit_log_ms = 3_600_000;
    let store = scratch.start();
    store.append(&message("T", 0, &[b'x'; 1001], "A")).unwrap();
    derived(&store);
    assert_eq!(get(&store, "T", 0, 0).message_count, 1);
    assert_eq!(store.flushed_where(), 0);
    store.reconfigure(&MessageStoreConfig {
        flush_interval_commit_log_ms: 1,
        flush_commit_log_least_pages: 0,
        max_message_size_bytes: 1000,
        max_transfer_count_on_message_in_memory: 1,
        mapped_file_size_commit_log_bytes: 4096,
        store_path_root_dir: "elsewhere".into(),
        ..scratch.config.clone()
    });
    wait_until("flushed although the thread slept for an hour", || store.flushed_where() > 0);
    assert!(matches!(store.append(&message("T", 0, &[b'x'; 1001], "A")), Err(PutError::MessageIllegal(_))));
    store.append(&message("T", 0, &[b'x'; 1000], "A")).unwrap();
    derived(&store);
    assert_eq!(get(&store, "T", 0, 0).message_count, 1, "of two");
    let config = store.config();
    assert_eq!(config.root(), scratch.config.root());
    assert_eq!(config.mapped_file_size_commit_log_bytes, scratch.config.mapped_file_size_commit_log_bytes);
}

#[test]
fn what_is_refused() {
    let mut scratch = Scratch::default();
    scratch.config.max_message_size_bytes = 1000;
    let store = scratch.open();
    let error = store.append(&message("T", 0, b"", "A")).unwrap_err();
    assert!(matches!(error, PutError::ServiceNotAvailable(_)), "not started");
    store.start(Box::new(|_| ())).unwrap();
    let illegal = |message: Message<'_>| match store.append(&message) {
        Err(PutError::MessageIllegal(_)) => true,
        other => panic!("{other:?}"),
    };
    assert!(store.append(&message("T", 0, &[0; 1000], "A")).is_ok());
    assert!(illegal(message("T", 0, &[0; 1001], "A")));
    assert!(illegal(message(&"t".repeat(128), 0, b"", "A")));
    assert!(illegal(message("../up", 0, b"", "A")));
    assert!(illegal(message("..", 0, b"", "A")));
    let retry = format!("%RETRY%{}", "g".repeat(248));
    assert!(store.append(&message(&retry, 0, b"", "A")).is_ok());
    assert!(illegal(message(&format!("{retry}g"), 0, b"", "A")));
    let properties = format!("K\u{1}{}", "v".repeat(32_766));
    let long = Message { properties: properties.into(), ..message("T", 0, b"", "A") };
    assert_eq!(store.append(&long), Err(PutError::PropertiesSizeExceeded));
}

#[test]
fn only_committed_messages_reach_a_queue() {
    let scratch = Scratch::default();
    let store = scratch.start();
    for (kind, expected) in [
        (sys_flag::TRANSACTION_PREPARED, 0),
        (sys_flag::TRANSACTION_NOT, 0),
        (sys_flag::TRANSACTION_ROLLBACK, 0),
        (sys_flag::TRANSACTION_COMMIT, 1),
    ] {
        let body = kind.to_string();
        let appended =
            store.append(&Message { sys_flag: kind, ..message("T", 0, body.as_bytes(), "A") }).unwrap();
        assert_eq!(appended.queue_offset, expected);
    }
    derived(&store);
    assert_eq!(drain(&store, "T", 0), [b"0", b"8"]);
}

#[test]
fn parked_pulls_hear_of_arrivals() {
    let scratch = Scratch::default();
    let store = scratch.open();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    let hook = move |arrived: &[Arrived<'_>]| {
        let mut heard = ear.lock();
        heard.extend(
            arrived.iter().map(|one| (one.topic.to_owned(), one.queue_id, one.max_offset, one.tags_code)),
        );
    };
    store.start(Box::new(hook)).unwrap();
    for queue_id in 0..3 {
        store.append(&message("T", queue_id, b"b", "TagA")).unwrap();
    }
    let delayed = "DELAY\u{1}5\u{2}TAGS\u{1}TagA";
    let delayed =
        Message { properties: delayed.into(), ..message(topic_name::SCHEDULE_TOPIC_XXXX, 4, b"b", "") };
    let stored_at = store.append(&delayed).unwrap().store_timestamp_ms;
    wait_until("all are heard", || heard.lock().len() == 4);
    let expected = |queue_id| ("T".to_owned(), queue_id, 1, 2598919);
    assert_eq!(heard.lock()[..3], [expected(0), expected(1), expected(2)]);
    assert_eq!(heard.lock()[3].3, stored_at + 60_000);
}

#[test]
fn async_flush_comes_by_itself() {
    let mut scratch = Scratch::default();
    scratch.config.flush_commit_log_thorough_interval_ms = 100;
    let store = scratch.start();
    fill(&store, 0, 100);
    wait_until("flushed in the background", || store.flushed_where() == store.max_phy_offset());
}

#[test]
fn a_locked_store_is_left_alone() {
    let scratch = Scratch::default();
    let store = scratch.start();
    assert!(matches!(scratch.try_open(), Err(OpenError::Locked(_))));
    store.shutdown();
    scratch.open();
}

/// With a root of their own, but one log directory: the second may not start, and finds it free once the first has stopped.
#[test]
fn two_stores_do_not_share_a_log() {
    let (scratch, mut other) = (Scratch::default(), Scratch::default());
    let store = scratch.start();
    fill(&store, 0, 3);
    derived(&store);
    // By another name, and beside a directory of its own.
    let (shared, own) = (scratch.config.commit_log_dir(), other.config.commit_log_dir());
    other.config.store_path_commit_log = Some(format!("{},{}/.", own.display(), shared.display()));
    let error = other.try_open().map(drop).unwrap_err();
    assert!(matches!(&error, OpenError::Locked(dir) if dir.starts_with(&shared)), "{error}");
    check(&store, 3);
    store.shutdown();
    assert!(
        fs::read_dir(&shared)
            .unwrap()
            .all(|file| { layout::parse_file_name(file.unwrap().file_name().to_str().unwrap()).is_some() }),
        "Java's broker does not start with a file there that it does not know"
    );
    other.open();
}

#[test]
fn a_store_of_another_geometry_is_refused() {
    let mut scratch = Scratch::default();
    let store = scratch.start();
    fill(&store, 0, 1);
    stop(store);
    scratch.config.mapped_file_size_commit_log_bytes *= 2;
    assert!(matches!(scratch.try_open(), Err(OpenError::WrongFileSize { .. })));
    scratch.config.mapped_file_size_commit_log_bytes = 0;
    assert!(matches!(scratch.try_open(), Err(OpenError::FileSize { .. })));
}

#[test]
fn a_deleted_topic_begins_again() {
    let scratch = Scratch::default();
    let store = scratch.start();
    fill(&store, 0, 5);
    derived(&store);
    store.delete_topic("T");
    assert_eq!(store.max_offset_in_queue("T", 0), 0);
    assert!(!scratch.config.consume_queue_dir().join("T").exists());
    fill(&store, 0, 2);
    derived(&store);
    check(&store, 2);
}
