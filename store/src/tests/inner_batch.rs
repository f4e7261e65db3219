//! Topics with batch consume queues: several messages in one record.

use message::{record, sys_flag};

use super::*;

const ITEM: &[u8] = b"\0\0\0\x1f\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\x02hi\0\x07KEYS\x01k\x02";

fn scratch() -> Scratch {
    let mut scratch = Scratch::default();
    scratch.surroundings.batch_topics = BatchTopics::new(|topic| topic == "B");
    scratch.config.mapper_file_size_batch_consume_queue_bytes = 46 * 20;
    scratch
}

fn inner_batch(num: usize, body: &[u8]) -> Message<'_> {
    let mut message = message("B", 1, body, "A");
    let mut properties = message.properties.into_owned();
    property::append(&mut properties, property::INNER_NUM, &num.to_string());
    message.properties = properties.into();
    message.sys_flag = sys_flag::INNER_BATCH | sys_flag::NEED_UNWRAP;
    message
}

fn inner_base(store: &MessageStore, appended: &Appended) -> String {
    let record = store.look_message_by_offset(appended.physical_offset).unwrap().unwrap();
    let properties = message::record::properties(&record).unwrap();
    property::find(&properties, property::INNER_BASE).unwrap().to_owned()
}

fn range(store: &MessageStore) -> (i64, i64) {
    (store.min_offset_in_queue("B", 1), store.max_offset_in_queue("B", 1))
}

/// Next offset, messages and records of a read.
fn read(store: &MessageStore, offset: i64, count_max: usize) -> (i64, usize, usize) {
    let request = GetRequest { topic: "B", queue_id: 1, offset, count_max, bytes_max: get::PULL_BYTES_MAX };
    let result = store.get_message(request, &Everything).unwrap();
    let (next, messages) = (result.next_begin_offset, result.message_count);
    (next, messages, record::messages(&result.into_copy().unwrap()).count())
}

#[test]
fn a_record_takes_as_many_offsets_as_it_has_messages() {
    let scratch = scratch();
    let store = scratch.start();
    let body = ITEM.repeat(3);
    for round in 0..10 {
        let appended = store.append_inner_batch(&inner_batch(3, &body)).unwrap();
        assert_eq!(appended.queue_offset, round * 6);
        assert_eq!(inner_base(&store, &appended), (round * 6).to_string());
        assert_eq!(store.append(&message("B", 1, b"one", "A")).unwrap().queue_offset, round * 6 + 3);
        let two = ITEM.repeat(2);
        assert_eq!(store.append_batch(&message("B", 1, &two, "A")).unwrap().queue_offset, round * 6 + 4);
    }
    derived(&store);
    assert_eq!(store.queues(), [("B".to_owned(), vec![1])]);
    assert_eq!(range(&store), (0, 60));
    let check = |store: &MessageStore| {
        assert_eq!(read(store, 0, 32), (30, 30, 20));
        assert_eq!(read(store, 0, 1), (3, 3, 1), "a record is not split");
        assert_eq!(read(store, 4, 5), (9, 5, 3));
        assert_eq!(read(store, 4, 4), (6, 2, 2), "and not read if it is too much");
        assert_eq!(read(store, 8, 1), (9, 3, 1), "the record that holds the offset");
        assert_eq!(read(store, 60, 1), (60, 0, 0));
        assert_eq!(range(store), (0, 60));
    };
    check(&store);
    stop(store);
    check(&scratch.open());
    std::fs::remove_dir_all(scratch.config.batch_consume_queue_dir()).unwrap();
    let store = scratch.start();
    check(&store);
    assert_eq!(store.append_inner_batch(&inner_batch(3, &body)).unwrap().queue_offset, 60);
    drop(store);
    let store = scratch.start();
    assert_eq!(range(&store), (0, 63), "after a crash");
    store.delete_topic("B");
    assert!(!scratch.config.batch_consume_queue_dir().join("B").exists());
}

/// As Java's, which makes such a queue as soon as it is asked for.
#[test]
fn a_queue_without_messages_begins_before_its_first_offset() {
    let scratch = scratch();
    let store = scratch.start();
    assert_eq!(range(&store), (-1, 0));
    assert_eq!(store.min_offset_in_queue("T", 1), 0, "a plain queue");
    assert_eq!(store.offset_in_queue_by_time("B", 1, 5, Boundary::Lower).unwrap(), -1);
    assert_eq!(store.offset_in_queue_by_time("T", 1, 5, Boundary::Lower).unwrap(), 0);
    let request =
        GetRequest { topic: "B", queue_id: 1, offset: 0, count_max: 1, bytes_max: get::PULL_BYTES_MAX };
    let read = store.get_message(request, &Everything).unwrap();
    assert_eq!((read.status, read.min_offset, read.max_offset), (GetMessageStatus::NoMessageInQueue, -1, 0));
    assert_eq!(store.earliest_message_time("B", 1).unwrap(), -1);
    store.append_inner_batch(&inner_batch(3, &ITEM.repeat(3))).unwrap();
    derived(&store);
    assert_eq!(range(&store), (0, 3));
}

#[test]
fn what_is_refused() {
    let scratch = scratch();
    let store = scratch.start();
    let elsewhere = Message { topic: "T".into(), ..inner_batch(1, ITEM) };
    let mut delayed = inner_batch(1, ITEM);
    property::append(delayed.properties.to_mut(), property::DELAY_TIME_LEVEL, "1");
    let prepared = sys_flag::with_transaction(delayed.sys_flag, sys_flag::TRANSACTION_PREPARED);
    let prepared = Message { sys_flag: prepared, ..inner_batch(1, ITEM) };
    for wrong in [inner_batch(0, ITEM), inner_batch(40_000, ITEM), elsewhere, delayed, prepared] {
        let refused = store.append_inner_batch(&wrong);
        assert!(matches!(refused, Err(PutError::MessageIllegal(_))), "{refused:?}");
    }
    assert_eq!(store.max_phy_offset(), 0);
}
