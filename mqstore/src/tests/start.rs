//! What `check` says of a damaged store is what a start of ours makes of it: a store is damaged, judged, started, stopped and judged again.

use message::{Message, property};
use std::collections::BTreeMap;
use store::testing::{Scratch, derived, get, message};
use store::{BatchTopics, GetMessageStatus, MessageStore, MessageStoreConfig};

use super::damage::{Damage, Damage::*, apply, copy};
use super::*;

/// Messages sent before the store is stopped once, and behind it before it is stopped or killed.
const MESSAGES: [usize; 2] = [300, 60];
const QUEUES: [(&str, i32); 4] = [("T", 0), ("U", 0), ("%LMQ%q", 0), ("B", 0)];

const LOG: &str = "commitlog/00000000000000000000";
const QUEUE: &str = "consumequeue/T/0/";
const LMQ: &str = "consumequeue/%LMQ%q/0/";
const BATCH: &str = "batchconsumequeue/B/0/";
const EXT: &str = "consumequeue_ext/T/0/";
const INDEX: &str = "index/";

/// Of the files of a directory, in order of their names.
#[derive(Clone, Copy, Debug)]
enum Which {
    First,
    Second,
    Last,
    /// The directory itself.
    All,
}
use Which::*;

const CASES: &[(&str, Which, Damage)] = &[
    // Queues.
    (QUEUE, First, Delete),
    (QUEUE, Second, Delete),
    (QUEUE, Last, Delete),
    (QUEUE, All, Delete),
    ("consumequeue/T", All, Delete),
    ("consumequeue", All, Delete),
    (QUEUE, First, Truncate(0)),
    (QUEUE, Second, Truncate(300)),
    (QUEUE, Last, Truncate(0)),
    (QUEUE, Last, Truncate(300)),
    (QUEUE, First, Flip(20 + 7)),
    (QUEUE, Last, Flip(7)),
    (QUEUE, First, Flip(20 + 11)),
    (QUEUE, First, Flip(20 + 19)),
    (QUEUE, First, Write(20, &[0; 20])),
    (QUEUE, Last, Write(0, &[0; 20])),
    (QUEUE, Last, Write(20, &[0; 20])),
    (QUEUE, Second, Write(0, &[0; 1000])),
    (QUEUE, Last, Write(900, &[0xff; 20])),
    (QUEUE, Last, Write(900, b"\0\0\0\0\0\0\0\x09\0\0\0\x09\0\0\0\0\0\0\0\0")),
    (QUEUE, Last, Write(900, b"\0\0\0\x7f\0\0\0\x09\0\0\0\x09\0\0\0\0\0\0\0\0")),
    (QUEUE, Last, Write(200, b"\0\0\0\x7f\0\0\0\x09\0\0\0\x09\0\0\0\0\0\0\0\0")),
    (QUEUE, First, Copy("00000000000000000500")),
    (QUEUE, First, Copy("readme")),
    (LMQ, First, Delete),
    (LMQ, Second, Delete),
    (LMQ, Last, Delete),
    (LMQ, All, Delete),
    (LMQ, First, Flip(7)),
    (BATCH, First, Delete),
    (BATCH, Second, Delete),
    (BATCH, Last, Delete),
    (BATCH, All, Delete),
    ("batchconsumequeue", All, Delete),
    (BATCH, Last, Truncate(0)),
    (BATCH, First, Flip(46 + 7)),
    (BATCH, First, Flip(46 + 35)),
    (BATCH, First, Write(46, &[0; 46])),
    (BATCH, Last, Write(0, &[0; 46])),
    (EXT, First, Flip(9)),
    (EXT, First, Delete),
    (EXT, Last, Delete),
    (EXT, All, Delete),
    ("consumequeue_ext", All, Delete),
    // The index.
    (INDEX, First, Delete),
    (INDEX, Last, Delete),
    (INDEX, All, Delete),
    (INDEX, First, Flip(7)),
    (INDEX, First, Flip(14)),
    (INDEX, First, Flip(23)),
    (INDEX, First, Flip(31)),
    (INDEX, First, Write(36, &[0, 0, 1, 0])),
    (INDEX, Last, Flip(14)),
    (INDEX, Last, Flip(23)),
    (INDEX, Last, Flip(35)),
    (INDEX, First, Truncate(1001)),
    (INDEX, Last, Truncate(1001)),
    (INDEX, Last, Truncate(0)),
    (INDEX, First, Flip(40 + 400 + 100 + 3)),
    (INDEX, Last, Flip(40 + 400 + 100 + 11)),
    // The small files.
    ("checkpoint", First, Delete),
    ("checkpoint", First, Truncate(100)),
    ("checkpoint", First, Flip(2)),
    ("checkpoint", First, Flip(34)),
    ("checkpoint", First, Write(40, &[0; 8])),
    ("checkpoint", First, Flip(42)),
    ("checkpoint", First, Flip(47)),
    ("checkpoint", First, Write(4080, &[0; 16])),
    ("queueInventory", First, Delete),
    ("queueInventory", First, Flip(30)),
    ("queueInventory", First, Truncate(30)),
    // The log.
    ("commitlog", Last, Delete),
    ("commitlog", Last, Truncate(0)),
    ("commitlog", Last, Truncate(1000)),
    ("commitlog", Second, Delete),
    ("commitlog", Last, Flip(100)),
    ("commitlog", Last, Flip(5)),
    ("commitlog", First, Flip(5)),
    ("commitlog", First, Flip(100)),
    (LOG, First, Flip(27)),
];

fn send(store: &MessageStore, number: usize) {
    let body = format!("{number} {}", "x".repeat(100));
    let message = |topic, tags, extra: &str| {
        let mut properties = String::new();
        property::append(&mut properties, property::TAGS, tags);
        property::append(&mut properties, property::KEYS, &format!("key{number}"));
        properties.push_str(extra);
        Message { properties: properties.into(), ..message(topic, 0, body.as_bytes(), "") }
    };
    store.append(&message("T", "A", "INNER_MULTI_DISPATCH\u{1}%LMQ%q\u{2}")).unwrap();
    store.append(&message("U", "B", "")).unwrap();
    store.append(&message("B", "C", "")).unwrap();
}

fn batch_topics() -> BatchTopics {
    BatchTopics::new(|topic| topic == "B")
}

/// A store that was stopped once, and then stopped or killed.
fn store_of_ours(is_killed: bool, has_ext: bool) -> Scratch {
    let mut scratch = Scratch::default();
    scratch.config = MessageStoreConfig {
        mapper_file_size_batch_consume_queue_bytes: 46 * 50,
        mapped_file_size_consume_queue_ext_bytes: 20 * 50,
        enable_lmq: true,
        enable_multi_dispatch: true,
        enable_consume_queue_ext: has_ext,
        ..scratch.config
    };
    scratch.surroundings.batch_topics = batch_topics();
    let store = scratch.start();
    (0..MESSAGES[0]).for_each(|number| send(&store, number));
    store.shutdown();
    drop(store);
    let store = scratch.start();
    (0..MESSAGES[1]).for_each(|number| send(&store, number));
    derived(&store);
    match is_killed {
        true => drop(store),
        false => store.shutdown(),
    }
    tables(scratch.config.root());
    scratch
}

fn tables(root: &Path) {
    let config = root.join("config");
    fs::create_dir_all(&config).unwrap();
    let topic = |(name, _): (&str, i32)| {
        format!(r#""{name}":{{"topicName":"{name}","readQueueNums":4,"writeQueueNums":4}}"#)
    };
    let topics = QUEUES.map(topic).join(",");
    fs::write(config.join("topics.json"), format!(r#"{{"topicConfigTable":{{{topics}}}}}"#)).unwrap();
}

fn judge(scratch: &Scratch) -> Report {
    check_with(
        scratch.config.root(),
        "maxHashSlotNum=100\nmaxIndexNum=1000\nenableMultiDispatch=true\nenableLmq=true",
    )
}

type Messages = BTreeMap<&'static str, (i64, Vec<u8>)>;

/// Max offset and messages of every queue, up to one that cannot be read.
fn messages(store: &MessageStore) -> Messages {
    let of = |(topic, id)| {
        let max = store.max_offset_in_queue(topic, id);
        let (mut offset, mut records) = (store.min_offset_in_queue(topic, id), Vec::new());
        while (0..max).contains(&offset) {
            let result = get(store, topic, id, offset);
            if result.status != GetMessageStatus::Found {
                break;
            }
            offset = result.next_begin_offset;
            match result.into_copy() {
                Ok(copy) => records.extend_from_slice(&copy),
                Err(_) => break,
            }
        }
        (topic, (max, records))
    };
    QUEUES.map(of).into_iter().collect()
}

fn path_of(root: &Path, file: &str, which: Which) -> PathBuf {
    let path = root.join(file);
    if path.is_file() || matches!(which, All) {
        return path;
    }
    let mut files: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    match which {
        First => files[0].clone(),
        Second => files[1].clone(),
        _ => files.last().unwrap().clone(),
    }
}

#[test]
fn after_a_clean_stop_the_verdict_is_what_a_start_makes_of_it() {
    verdicts_are_true(false, true);
}

#[test]
fn after_a_crash_the_verdict_is_what_a_start_makes_of_it() {
    verdicts_are_true(true, true);
}

/// A start then believes what the stop has noted.
#[test]
fn so_it_is_without_an_extension() {
    verdicts_are_true(false, false);
}

fn verdicts_are_true(is_killed: bool, has_ext: bool) {
    let whole = store_of_ours(is_killed, has_ext);
    assert_eq!(judge(&whole).worst(), Severity::Note, "{}", judge(&whole).to_text());
    let spare = tempfile::tempdir().unwrap();
    copy(whole.config.root(), spare.path());
    let before = messages(&whole.open());
    let cases = CASES.iter().filter(|case| has_ext || !case.0.contains("_ext"));
    let wrong: Vec<_> = cases.filter_map(|case| disagreement(*case, &whole, spare.path(), &before)).collect();
    assert!(wrong.is_empty(), "{} of {}: {}", wrong.len(), CASES.len(), wrong.join("\n"));
}

/// How the verdict on a copy of a store with this damage differs from what its start does, if it does: one that a start is said
/// to repair is sound behind it and has all its messages; of another it is still so, or messages are gone.
fn disagreement(
    (file, which, damage): (&str, Which, Damage),
    whole: &Scratch,
    spare: &Path,
    before: &Messages,
) -> Option<String> {
    let mut scratch = Scratch::default();
    let root = scratch.config.store_path_root_dir.clone();
    scratch.config = MessageStoreConfig { store_path_root_dir: root.clone(), ..whole.config.clone() };
    scratch.surroundings.batch_topics = batch_topics();
    fs::create_dir_all(&root).unwrap();
    copy(spare, &root);
    let path = path_of(&root, file, which);
    let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
    apply(&root, name, damage);
    let said = judge(&scratch);
    let Ok(store) = scratch.try_open() else {
        let is_wrong = said.worst() == Severity::Wrong;
        return (!is_wrong).then(|| format!("{name} {damage:?}: refused, but said\n{}", said.to_text()));
    };
    store.start(Box::new(|_| ())).unwrap();
    let has_all = messages(&store) == *before;
    store.shutdown();
    let then = judge(&scratch);
    let agrees = match said.worst() {
        Severity::Wrong => then.worst() == Severity::Wrong || !has_all,
        _ => then.worst() == Severity::Note && has_all,
    };
    (!agrees).then(|| {
        let (said, then) = (said.to_text(), then.to_text());
        format!("{name} {damage:?}: said\n{said}has all messages: {has_all}; then\n{then}")
    })
}
