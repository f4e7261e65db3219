//! Light message queues: offsets that appending gives, entries that deriving makes, and both after reopening.

use std::thread;

use message::sys_flag;

use super::*;

fn scratch() -> Scratch {
    let mut scratch = Scratch::default();
    scratch.config.enable_lmq = true;
    scratch.config.enable_multi_dispatch = true;
    scratch
}

fn to_lmqs<'a>(lmqs: &str, body: &'a [u8]) -> Message<'a> {
    let mut message = message("T", 2, body, "A");
    let mut properties = message.properties.into_owned();
    property::append(&mut properties, property::INNER_MULTI_DISPATCH, lmqs);
    // Nobody else's numbers are taken.
    property::append(&mut properties, property::INNER_MULTI_QUEUE_OFFSET, "77");
    message.properties = properties.into();
    message
}

fn stored_offsets(store: &MessageStore, appended: Appended) -> String {
    let record = store.look_message_by_offset(appended.physical_offset).unwrap().unwrap();
    let properties = message::record::properties(&record).unwrap();
    property::find(&properties, property::INNER_MULTI_QUEUE_OFFSET).unwrap().to_owned()
}

#[test]
fn a_message_goes_to_every_queue_that_it_names() {
    let scratch = scratch();
    let store = scratch.start();
    let put =
        |store: &MessageStore, lmqs, body| stored_offsets(store, store.append(&to_lmqs(lmqs, body)).unwrap());
    assert_eq!(put(&store, "%LMQ%a", b"0"), "0");
    assert_eq!(put(&store, "%LMQ%b,%LMQ%a", b"1"), "0,1");
    assert_eq!(put(&store, "%LMQ%a,%LMQ%a", b"2"), "2,2");
    store.append(&message("%LMQ%a", 0, b"3", "A")).unwrap();
    derived(&store);
    assert_eq!(drain(&store, "T", 2), [b"0", b"1", b"2"]);
    assert_eq!(drain(&store, "%LMQ%a", 0), [b"0", b"1", b"2", b"3"]);
    assert_eq!(drain(&store, "%LMQ%b", 0), [b"1"]);
    drop(store);
    let store = scratch.start();
    assert_eq!(put(&store, "%LMQ%b,%LMQ%a", b"4"), "1,4");
    derived(&store);
    stop(store);
    std::fs::remove_dir_all(scratch.config.consume_queue_dir()).unwrap();
    let store = scratch.open();
    assert_eq!(drain(&store, "%LMQ%a", 0), [b"0", b"1", b"2", b"3", b"4"]);
    assert_eq!(drain(&store, "%LMQ%b", 0), [b"1", b"4"]);
}

#[test]
fn a_message_that_no_queue_gets_takes_no_offset() {
    let scratch = scratch();
    let store = scratch.start();
    let prepared = Message { sys_flag: sys_flag::TRANSACTION_PREPARED, ..to_lmqs("%LMQ%a", b"0") };
    store.append(&prepared).unwrap();
    store.append(&to_lmqs("%LMQ%a", b"1")).unwrap();
    derived(&store);
    assert_eq!(drain(&store, "%LMQ%a", 0), [b"1"]);
}

#[test]
fn nothing_happens_where_it_is_off() {
    let scratch = Scratch::default();
    let store = scratch.start();
    assert_eq!(stored_offsets(&store, store.append(&to_lmqs("%LMQ%a", b"0")).unwrap()), "77");
    derived(&store);
    assert_eq!(store.queues(), [("T".to_owned(), vec![2])]);
}

#[test]
fn many_senders_leave_no_hole() {
    const SENDERS: usize = 4;
    const MESSAGES: usize = 50;
    let scratch = scratch();
    let store = scratch.start();
    thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                for _ in 0..MESSAGES {
                    store.append(&to_lmqs("%LMQ%a,%LMQ%b", b"x")).unwrap();
                    store.append(&message("%LMQ%a", 0, b"x", "A")).unwrap();
                }
            });
        }
    });
    derived(&store);
    assert_eq!(drain(&store, "%LMQ%a", 0).len(), 2 * SENDERS * MESSAGES);
    assert_eq!(drain(&store, "%LMQ%b", 0).len(), SENDERS * MESSAGES);
}

#[test]
fn there_are_as_many_as_the_quota_allows() {
    let mut scratch = scratch();
    scratch.config.enable_lmq_quota = true;
    scratch.config.max_lmq_consume_queue_num = 1;
    let store = scratch.start();
    store.append(&to_lmqs("%LMQ%a", b"0")).unwrap();
    assert_eq!(store.append(&to_lmqs("%LMQ%b", b"1")), Err(PutError::LmqConsumeQueueNumExceeded));
    store.append(&to_lmqs("%LMQ%a", b"2")).unwrap();
    derived(&store);
    store.delete_topic("%LMQ%a");
    store.append(&to_lmqs("%LMQ%b", b"3")).unwrap();
}

#[test]
fn parked_pulls_of_lmqs_hear_of_arrivals() {
    let scratch = scratch();
    let store = scratch.open();
    let heard = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let hear = Arc::clone(&heard);
    store
        .start(Box::new(move |arrived| {
            hear.lock()
                .extend(arrived.iter().map(|one| (one.topic.to_owned(), one.queue_id, one.max_offset)));
        }))
        .unwrap();
    store.append(&to_lmqs("%LMQ%a,%LMQ%b", b"0")).unwrap();
    wait_until("all have heard", || heard.lock().len() == 3);
    let expected = [("T", 2, 1), ("%LMQ%a", 0, 1), ("%LMQ%b", 0, 1)];
    assert_eq!(*heard.lock(), expected.map(|(topic, queue_id, max)| (topic.to_owned(), queue_id, max)));
}

#[test]
fn a_sender_moves_no_queue() {
    let scratch = scratch();
    let store = scratch.start();
    for body in [b"0", b"1"] {
        store.append(&message("Victim", 2, body, "A")).unwrap();
    }
    let mut forged = String::new();
    property::append(&mut forged, property::INNER_MULTI_DISPATCH, "Victim,%LMQ%a");
    property::append(&mut forged, property::INNER_MULTI_QUEUE_OFFSET, "1000,1000");
    let single = Message { properties: forged.clone().into(), ..message("T", 2, b"x", "") };
    store.append(&single).unwrap();
    // `size | magic | crc | flag | body length | body | properties length | properties`.
    let mut batch = Vec::new();
    batch.extend_from_slice(&(22 + 1 + forged.len() as i32).to_be_bytes());
    batch.extend_from_slice(&[0; 12]);
    batch.extend_from_slice(&1_i32.to_be_bytes());
    batch.push(b'y');
    batch.extend_from_slice(&(forged.len() as i16).to_be_bytes());
    batch.extend_from_slice(forged.as_bytes());
    store.append_batch(&message("T", 2, &batch, "")).unwrap();
    derived(&store);
    assert_eq!(drain(&store, "T", 2), [b"x", b"y"]);
    assert_eq!(store.max_offset_in_queue("Victim", 2), 2);
    assert_eq!(store.max_offset_in_queue("%LMQ%a", 0), 0);
    store.append(&message("Victim", 2, b"2", "A")).unwrap();
    derived(&store);
    assert_eq!(drain(&store, "Victim", 2), [b"0", b"1", b"2"]);
}
