//! Queues whose files somebody has removed are made again from the log: no message is out of view, no offset is given out twice.

use std::path::Path;
use std::time::SystemTime;

use message::sys_flag;

use super::*;

const MESSAGES: usize = 350;
/// Of a queue file.
const FILE_BYTES: u64 = 2000;

fn scratch(has_ext: bool) -> Scratch {
    let mut scratch = Scratch::default();
    scratch.config.mapped_file_size_consume_queue_bytes = FILE_BYTES;
    scratch.config.mapper_file_size_batch_consume_queue_bytes = 46 * 50;
    scratch.config.enable_lmq = true;
    scratch.config.enable_multi_dispatch = true;
    scratch.config.enable_consume_queue_ext = has_ext;
    scratch.surroundings.batch_topics = BatchTopics::new(|topic| topic == "B");
    scratch
}

/// Of each kind of queue: its directory below the root, its topic, its number.
const QUEUES: [(&str, &str, i32); 3] =
    [("consumequeue/T/0", "T", 0), ("consumequeue/%LMQ%q/0", "%LMQ%q", 0), ("batchconsumequeue/B/0", "B", 0)];

/// One message for each queue.
fn send(store: &MessageStore, number: usize) {
    let body = number.to_string();
    let mut to_lmq = message("T", 0, body.as_bytes(), "A");
    let mut properties = to_lmq.properties.into_owned();
    property::append(&mut properties, property::INNER_MULTI_DISPATCH, "%LMQ%q");
    to_lmq.properties = properties.into();
    for message in [to_lmq, message("U", 0, body.as_bytes(), ""), message("B", 0, body.as_bytes(), "")] {
        store.append(&message).unwrap();
    }
    // Of no queue.
    let prepared = Message { sys_flag: sys_flag::TRANSACTION_PREPARED, ..message("T", 0, b"half", "") };
    store.append(&prepared).unwrap();
}

fn numbers(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| number.to_string().into_bytes()).collect()
}

fn check_all(store: &MessageStore, count: usize, what: &str) {
    for (topic, queue_id) in QUEUES.map(|(_, topic, id)| (topic, id)).into_iter().chain([("U", 0)]) {
        let range = (store.min_offset_in_queue(topic, queue_id), store.max_offset_in_queue(topic, queue_id));
        assert_eq!(range, (0, count as i64), "{topic} {what}");
        assert!(drain(store, topic, queue_id) == numbers(count), "{topic} {what}");
    }
}

fn remove(queue: &Path, what: &str) {
    let mut files: Vec<_> = fs::read_dir(queue).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 3);
    match what {
        "first" => fs::remove_file(&files[0]).unwrap(),
        "middle" => fs::remove_file(&files[1]).unwrap(),
        "last" => fs::remove_file(files.last().unwrap()).unwrap(),
        "some" => [0, 2, 3].iter().for_each(|index| fs::remove_file(&files[*index]).unwrap()),
        "queue" => fs::remove_dir_all(queue).unwrap(),
        "topic" => fs::remove_dir_all(queue.parent().unwrap()).unwrap(),
        "kind" => fs::remove_dir_all(queue.ancestors().nth(2).unwrap()).unwrap(),
        _ => panic!("{what}"),
    }
}

const WHAT: [&str; 7] = ["first", "middle", "last", "some", "queue", "topic", "kind"];

#[test]
fn after_a_clean_stop() {
    after_a_clean_stop_with(true);
}

/// What the stop has noted is then believed after one look.
#[test]
fn after_a_clean_stop_without_an_extension() {
    after_a_clean_stop_with(false);
}

fn after_a_clean_stop_with(has_ext: bool) {
    for (dir, what) in QUEUES.iter().flat_map(|queue| WHAT.map(|what| (queue.0, what))) {
        let scratch = scratch(has_ext);
        let store = scratch.start();
        (0..MESSAGES).for_each(|number| send(&store, number));
        stop(store);
        remove(&scratch.config.root().join(dir), what);
        // Once more: what was made again is noted and on disk.
        for round in 0..2 {
            let store = scratch.start();
            check_all(&store, MESSAGES + round, &format!("{dir} {what}"));
            send(&store, MESSAGES + round);
            derived(&store);
            check_all(&store, MESSAGES + round + 1, &format!("{dir} {what}"));
            stop(store);
        }
    }
}

/// What the queues had at the last stop or start is known; of what came later, a file that is missing in the middle.
#[test]
fn after_a_crash() {
    for (dir, what) in QUEUES.iter().flat_map(|queue| WHAT.map(|what| (queue.0, what))) {
        let scratch = scratch(true);
        let store = scratch.start();
        (0..MESSAGES).for_each(|number| send(&store, number));
        stop(store);
        let store = scratch.start();
        (MESSAGES..MESSAGES + 20).for_each(|number| send(&store, number));
        derived(&store);
        drop(store);
        remove(&scratch.config.root().join(dir), what);
        let store = scratch.start();
        check_all(&store, MESSAGES + 20, &format!("{dir} {what}"));
        send(&store, MESSAGES + 20);
        derived(&store);
        check_all(&store, MESSAGES + 21, &format!("{dir} {what}"));
    }
}

/// Who leaves no inventory, and may have deleted a topic. A file that is missing in the middle shows all the same.
#[test]
fn after_java() {
    let scratch = scratch(true);
    let store = scratch.start();
    (0..MESSAGES).for_each(|number| send(&store, number));
    stop(store);
    let lock = fs::File::options().write(true).open(scratch.config.root().join("lock")).unwrap();
    lock.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    remove(&scratch.config.root().join(QUEUES[0].0), "middle");
    fs::remove_dir_all(scratch.config.root().join("consumequeue/U")).unwrap();
    let store = scratch.start();
    assert_eq!(drain(&store, "T", 0), numbers(MESSAGES));
    assert_eq!(store.max_offset_in_queue("U", 0), 0);
}

#[test]
fn a_torn_inventory_says_nothing() {
    let scratch = scratch(true);
    let store = scratch.start();
    (0..3).for_each(|number| send(&store, number));
    stop(store);
    let path = scratch.config.root().join(layout::inventory::INVENTORY_FILE);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    fs::remove_dir_all(scratch.config.root().join("consumequeue/U")).unwrap();
    let store = scratch.start();
    assert_eq!(store.max_offset_in_queue("U", 0), 0);
    drop(store);
}

/// On purpose: whether the broker stops or is killed afterwards, and another queue has to be made again.
#[test]
fn a_deleted_topic_stays_deleted() {
    for (is_killed, begins_anew) in [(false, false), (false, true), (true, false), (true, true)] {
        let scratch = scratch(true);
        let store = scratch.start();
        (0..MESSAGES).for_each(|number| send(&store, number));
        stop(store);
        let store = scratch.start();
        store.delete_topic("T");
        store.delete_topic("B");
        if begins_anew {
            for topic in ["T", "B"] {
                store.append(&message(topic, 0, b"new", "")).unwrap();
            }
            derived(&store);
        }
        match is_killed {
            true => drop(store),
            false => stop(store),
        }
        remove(&scratch.config.root().join("consumequeue/U/0"), "middle");
        if begins_anew && !is_killed {
            fs::remove_dir_all(scratch.config.root().join("consumequeue/T")).unwrap();
            fs::remove_dir_all(scratch.config.root().join("batchconsumequeue/B")).unwrap();
        }
        let store = scratch.start();
        for topic in ["T", "B"] {
            match begins_anew {
                true => assert_eq!(drain(&store, topic, 0), [b"new"]),
                false => assert_eq!(store.max_offset_in_queue(topic, 0), 0),
            }
        }
        assert_eq!(drain(&store, "U", 0), numbers(MESSAGES));
        assert_eq!(drain(&store, "%LMQ%q", 0), numbers(MESSAGES));
    }
}

/// Of which the log has the last messages, or none.
#[test]
fn offsets_go_on_behind_what_the_log_has_no_more() {
    let mut scratch = scratch(true);
    scratch.config.mapped_file_size_commit_log_bytes = 4096;
    let store = scratch.start();
    (0..150).for_each(|number| send(&store, number));
    for topic in ["Old", "B"] {
        store.append(&message(topic, 1, b"old", "")).unwrap();
    }
    (150..MESSAGES).for_each(|number| send(&store, number));
    derived(&store);
    store.flush(store.max_phy_offset());
    while store.max_phy_offset() - store.min_phy_offset() > 20_000 {
        assert!(store.parts.log.remove_first_file().unwrap());
    }
    remove_files(&store);
    stop(store);
    let store = scratch.start();
    let mins = QUEUES.map(|(_, topic, id)| store.min_offset_in_queue(topic, id));
    assert!(mins[0] > 200 && mins[0] < MESSAGES as i64, "{mins:?}");
    stop(store);
    for dir in ["consumequeue", "batchconsumequeue"] {
        fs::remove_dir_all(scratch.config.root().join(dir)).unwrap();
    }
    for round in 0..3 {
        let store = scratch.start();
        assert_eq!(QUEUES.map(|(_, topic, id)| store.min_offset_in_queue(topic, id)), mins, "{round}");
        assert_eq!(
            QUEUES.map(|(_, topic, id)| store.max_offset_in_queue(topic, id)),
            [MESSAGES as i64; 3],
            "{round}"
        );
        for topic in ["Old", "B"] {
            let range = (store.min_offset_in_queue(topic, 1), store.max_offset_in_queue(topic, 1));
            assert_eq!(range, (1, 1), "{topic} {round}");
        }
        stop(store);
    }
    let store = scratch.start();
    for topic in ["Old", "B"] {
        assert_eq!(store.append(&message(topic, 1, b"new", "")).unwrap().queue_offset, 1);
        derived(&store);
        assert_eq!(drain(&store, topic, 1), [b"new"]);
    }
}
