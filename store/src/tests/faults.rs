//! Files that are cut while they are in use, as an operator or a damaged file system may: every read of what is gone is an
//! error, what is left is served, and nothing else is.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use message::record;

use super::*;
use crate::disk::Disk;
use crate::layout::file_name;

const END: i64 = i64::MAX;

fn cut(path: &Path, bytes: u64) {
    File::options().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

fn log_path(scratch: &Scratch, start: i64) -> PathBuf {
    scratch.config.commit_log_dir().join(file_name(start))
}

fn queue_path(scratch: &Scratch, topic: &str) -> PathBuf {
    scratch.config.consume_queue_dir().join(topic).join("0").join(file_name(0))
}

fn index_path(scratch: &Scratch) -> PathBuf {
    let mut files = std::fs::read_dir(scratch.config.index_dir()).unwrap();
    files.next().unwrap().unwrap().path()
}

fn keyed<'a>(topic: &'a str, body: &'a [u8], key: &str) -> Message<'a> {
    let mut properties = String::new();
    property::append(&mut properties, property::KEYS, key);
    property::append(&mut properties, property::TAGS, "A");
    Message { properties: properties.into(), ..message(topic, 0, body, "") }
}

fn send(store: &MessageStore, topic: &str, from: usize, count: usize) {
    for index in from..from + count {
        store.append(&keyed(topic, &body(index), &format!("k{index}"))).unwrap();
    }
}

/// 30 messages of T in the first log file and, behind them, 400 of U that go on in the next.
fn two_topics(scratch: &Scratch) -> Arc<MessageStore> {
    let store = scratch.start();
    send(&store, "T", 0, 30);
    send(&store, "U", 0, 400);
    derived(&store);
    assert!(store.max_phy_offset() > 64 << 10);
    store
}

/// A read of one message: its body, `None` where nothing can be read.
fn one(store: &MessageStore, topic: &str, offset: i64) -> Option<Vec<u8>> {
    let request = GetRequest { topic, queue_id: 0, offset, count_max: 1, bytes_max: 1 };
    let records = store.get_message(request, &Everything).and_then(|found| found.into_copy()).ok()?;
    let bodies: Vec<_> = record::messages(&records).map(|stored| stored.message.body.to_vec()).collect();
    assert_eq!(bodies.len(), 1, "{topic} {offset}: neither a message nor an error");
    bodies.into_iter().next()
}

fn is_served(store: &MessageStore, topic: &str, index: usize) -> bool {
    let found = one(store, topic, index as i64);
    assert!(found.as_ref().is_none_or(|found| *found == body(index)), "{topic} {index}: other bytes");
    found.is_some()
}

/// How many messages are served, from the first on, without a gap.
fn served(store: &MessageStore, topic: &str, count: usize) -> usize {
    let served: Vec<_> = (0..count).map(|index| is_served(store, topic, index)).collect();
    let first = served.iter().take_while(|served| **served).count();
    assert!(served[first..].iter().all(|served| !served), "{served:?}");
    first
}

struct LooksInside;

impl MessageFilter for LooksInside {
    fn matches_queue_entry(&self, _: i64) -> bool {
        true
    }

    fn matches_record(&self, record: &[u8]) -> bool {
        record::properties(record).is_some_and(|properties| properties.contains("TAGS\u{1}A"))
    }
}

fn query(store: &MessageStore, topic: &str, key: &str) -> Result<usize, AccessError> {
    let query = KeyQuery { topic, key, kind: KeyKind::Key, count_max: 8, begin_ms: 0, end_ms: END };
    store.query_message(query).map(|result| result.ranges.len())
}

fn filtered(store: &MessageStore, topic: &str) -> Result<usize, AccessError> {
    let request = GetRequest { topic, queue_id: 0, offset: 0, count_max: 1, bytes_max: 1 };
    store.get_message(request, &LooksInside).map(|found| found.message_count)
}

#[test]
fn a_log_file_is_cut() {
    let scratch = Scratch::default();
    let store = two_topics(&scratch);
    let first = store.commit_log_offset_in_queue("T", 0, 0).unwrap();
    assert_eq!((query(&store, "T", "k3").unwrap(), filtered(&store, "T").unwrap()), (1, 1));
    cut(&log_path(&scratch, 0), 0);
    let error = store.look_message_by_offset(first).unwrap_err().to_string();
    assert!(
        error.ends_with("/00000000000000000000 at 0: the file was cut behind it, of 65536 bytes"),
        "{error}"
    );
    assert!(one(&store, "T", 0).is_none());
    assert!(query(&store, "T", "k3").is_err() && filtered(&store, "T").is_err());
    assert!(store.earliest_message_time("T", 0).is_err() && store.earliest_message_time_of_store().is_err());
    assert!(store.message_store_timestamp("T", 0, 0).is_err());
    let late = scratch.clock.wall_ms() + 1;
    assert!(store.offset_in_queue_by_time("T", 0, late, Boundary::Lower).is_err());
    // What lies in the next file, and what is to come.
    assert!(is_served(&store, "U", 399) && query(&store, "U", "k399").unwrap() == 1);
    send(&store, "V", 0, 5);
    derived(&store);
    assert_eq!(served(&store, "V", 5), 5);
    stop(store);
    assert!(
        matches!(scratch.try_open(), Err(OpenError::WrongFileSize { .. })),
        "said, not repaired in silence"
    );
}

/// Wherever the end comes to be: in a page, whose rest reads as zeros, in the middle of a record.
#[test]
fn a_log_file_is_cut_anywhere() {
    let scratch = Scratch::default();
    let store = scratch.start();
    send(&store, "T", 0, 60);
    derived(&store);
    let ends: Vec<_> = (0..60)
        .map(|offset| {
            let at = store.commit_log_offset_in_queue("T", 0, offset).unwrap();
            at + store.look_message_by_offset(at).unwrap().unwrap().len() as i64
        })
        .collect();
    for bytes in (0..ends[59]).rev().step_by(331) {
        cut(&log_path(&scratch, 0), bytes as u64);
        let whole = ends.iter().filter(|end| **end <= bytes).count();
        assert_eq!(served(&store, "T", 60), whole, "cut at {bytes}");
        for (index, end) in ends.iter().enumerate() {
            let found = query(&store, "T", &format!("k{index}"));
            assert_eq!(found.ok(), (*end <= bytes).then_some(1), "cut at {bytes}, {index}");
        }
    }
}

#[test]
fn a_queue_file_is_cut_anywhere() {
    let mut scratch = Scratch::default();
    scratch.config.mapped_file_size_consume_queue_bytes = 20 * 1000;
    let store = scratch.start();
    send(&store, "T", 0, 500);
    derived(&store);
    for bytes in (0..500 * 20).rev().step_by(973) {
        cut(&queue_path(&scratch, "T"), bytes);
        let served = served(&store, "T", 500);
        // Of the entry that is cut through, the end may have been zeros before.
        assert!([bytes / 20, bytes / 20 + 1].contains(&(served as u64)), "cut at {bytes}: {served}");
    }
    cut(&queue_path(&scratch, "T"), 0);
    assert!(store.is_cold("T", 0, 400), "not to be looked at on a thread that must not wait");
    assert!(store.commit_log_offset_in_queue("T", 0, 400).is_err());
    assert!(store.earliest_message_time("T", 0).is_err());
    assert!(store.offset_in_queue_by_time("T", 0, END, Boundary::Upper).is_err());
    assert!(query(&store, "T", "k7").is_ok());
    store.parts.expire.round(&store.parts);
}

/// The queue takes nothing more, and what is sent to it is refused; every other goes on; the next start does what was left
/// undone.
#[test]
fn deriving_goes_past_a_queue_that_cannot_be_written() {
    for batch in [false, true] {
        let mut scratch = Scratch::default();
        if batch {
            scratch.surroundings.batch_topics = BatchTopics::new(|topic| topic == "T");
        }
        let store = two_topics(&scratch);
        let path = match batch {
            true => scratch.config.batch_consume_queue_dir().join("T/0").join(file_name(0)),
            false => queue_path(&scratch, "T"),
        };
        let whole = std::fs::read(&path).unwrap();
        cut(&path, 0);
        // The first of these is told to the queue, in vain.
        let (begin, mut lost) = (Instant::now(), 0);
        let refused = loop {
            match store.append(&keyed("T", &body(30 + lost), "k")) {
                Ok(_) => lost += 1,
                Err(error) => break error,
            }
            assert!(begin.elapsed() < DEADLINE, "goes on being acknowledged");
        };
        assert!(matches!(&refused, PutError::ServiceNotAvailable(why) if why.contains("cut")), "{refused}");
        assert!(lost > 0);
        send(&store, "U", 400, 10);
        derived(&store);
        assert_eq!(served(&store, "U", 410), 410);
        stop(store);
        assert!(scratch.config.root().join("abort").exists(), "no clean stop");
        // Repaired by an operator, with what he had.
        std::fs::write(&path, whole).unwrap();
        let store = scratch.start();
        assert_eq!(served(&store, "T", 30 + lost), 30 + lost);
        let next = store.append(&keyed("T", &body(30 + lost), "k")).unwrap();
        assert_eq!(next.queue_offset, 30 + lost as i64);
    }
}

#[test]
fn an_index_file_is_cut() {
    let scratch = Scratch::default();
    let store = two_topics(&scratch);
    cut(&index_path(&scratch), 0);
    assert!(query(&store, "T", "k3").is_err());
    assert_eq!(served(&store, "T", 30), 30);
    send(&store, "V", 0, 5);
    wait_until("the queues go on", || store.max_offset_in_queue("V", 0) == 5);
    assert_eq!(served(&store, "V", 5), 5);
    stop(store);
    let store = scratch.start();
    assert_eq!((query(&store, "T", "k3").unwrap(), query(&store, "V", "k4").unwrap()), (1, 1), "made anew");
}

#[test]
fn the_file_that_is_written_to_is_cut() {
    let scratch = Scratch::default();
    let store = two_topics(&scratch);
    let last = store.max_phy_offset() & !0xffff;
    cut(&log_path(&scratch, last), 0);
    let refused = store.append(&message("T", 0, b"x", "A")).unwrap_err();
    assert!(matches!(&refused, PutError::ServiceNotAvailable(why) if why.contains("cut")), "{refused}");
    let end = store.max_phy_offset();
    assert!(store.append(&message("T", 0, b"x", "A")).is_err(), "and the next one");
    assert_eq!(store.max_phy_offset(), end, "nothing counts");
    assert_eq!(served(&store, "T", 30), 30);
    // A file that is longer again is written again.
    cut(&log_path(&scratch, last), 64 << 10);
    wait_until("appends go on", || store.append(&message("W", 0, b"again", "A")).is_ok());
    derived(&store);
    assert_eq!(one(&store, "W", 0).unwrap(), b"again");
}

/// Tells how a wait has ended.
pub struct Ear(mpsc::Sender<WaitOutcome>);

impl Waiter for Ear {
    fn end(self, outcome: WaitOutcome) {
        let _ = self.0.send(outcome);
    }
}

pub fn wait_for_disk(room: &WaitingRoom<Ear>, end: i64) -> mpsc::Receiver<WaitOutcome> {
    let (sender, receiver) = mpsc::channel();
    let policy = Policy { flushed_within: Some(Duration::from_secs(5)), replicated: None };
    room.when_safe(end, policy, Ear(sender));
    receiver
}

/// Within the page in which a file was cut writing works and goes nowhere.
#[test]
fn what_was_written_behind_the_cut_is_not_acknowledged() {
    let mut scratch = Scratch::default();
    scratch.config.flush_disk_type = FlushDiskType::SyncFlush;
    let store = scratch.start();
    let end = store.append(&message("T", 0, b"first", "A")).unwrap().end_offset();
    let room = WaitingRoom::new(&store);
    let wait = |end| wait_for_disk(&room, end).recv_timeout(DEADLINE).unwrap();
    assert_eq!(wait(end), WaitOutcome::Safe);
    cut(&log_path(&scratch, 0), end as u64 + 10);
    let end = store.append(&message("T", 0, b"second", "A")).unwrap().end_offset();
    assert_eq!(wait(end), WaitOutcome::FlushDiskTimeout);
    assert!(matches!(store.append(&message("T", 0, b"third", "A")), Err(PutError::ServiceNotAvailable(_))));
}

/// The derive thread is held up while the file that it is about to read is cut.
#[test]
fn deriving_goes_past_a_cut() {
    let scratch = Scratch::default();
    let store = scratch.open();
    let (go, wait) = mpsc::channel::<()>();
    let hook = move |arrived: &[Arrived<'_>]| {
        if arrived[0].topic == "Gate" {
            let _ = wait.recv();
        }
    };
    store.start(Box::new(hook)).unwrap();
    store.append(&message("Gate", 0, b"", "")).unwrap();
    wait_until("the thread waits", || store.max_offset_in_queue("Gate", 0) == 1);
    send(&store, "T", 0, 30);
    let ends = store.max_phy_offset();
    send(&store, "U", 0, 400);
    assert!(store.max_phy_offset() > 64 << 10);
    cut(&log_path(&scratch, 0), ends as u64 - 100);
    go.send(()).unwrap();
    derived(&store);
    assert_eq!(store.max_offset_in_queue("T", 0), 29, "what lies before the cut");
    assert!(is_served(&store, "T", 28));
    let max = store.max_offset_in_queue("U", 0);
    assert_eq!(max, 400, "the next file");
    assert!(is_served(&store, "U", 399));
    stop(store);
    assert!(scratch.config.root().join("abort").exists(), "the log may have what the queues lack");
}

#[test]
fn an_extension_is_cut() {
    let mut scratch = Scratch::default();
    scratch.config.enable_consume_queue_ext = true;
    scratch.config.mapped_file_size_consume_queue_ext_bytes = 64 << 10;
    scratch.surroundings.filter_bits = FilterBits::new(|_, _| Some(vec![1; 100]));
    let store = two_topics(&scratch);
    cut(&scratch.config.consume_queue_ext_dir().join("T/0").join(file_name(0)), 0);
    assert!(one(&store, "T", 0).is_none());
    assert!(is_served(&store, "U", 3));
}

#[test]
fn the_timer_s_files_are_cut() {
    use crate::timer::{StoreEnd, TimerCheckpoint, TimerEntry, TimerFiles};
    const NOW_MS: i64 = 1_800_000_000_000;
    let entry = TimerEntry {
        slot_ms: NOW_MS,
        write_time_ms: NOW_MS - 5000,
        rolls: false,
        deletes: false,
        physical_offset: 7,
        message_bytes: 100,
        topic_hash: 7,
    };
    for file in [format!("timerlog/{}", file_name(0)), "timerwheel".to_owned()] {
        let dir = tempfile::tempdir().unwrap();
        let config = MessageStoreConfig {
            store_path_root_dir: dir.path().to_owned(),
            mapped_file_size_timer_log_bytes: 1 << 20,
            ..MessageStoreConfig::of_defaults()
        };
        let end = StoreEnd { log_end: END, clean: true };
        let files = TimerFiles::open(&config, &Disk::real(), end).unwrap();
        files.enter(&entry).unwrap();
        let path = dir.path().join(&file);
        let bytes = std::fs::metadata(&path).unwrap().len();
        cut(&path, 0);
        assert!(files.enter(&entry).is_err() && files.places(NOW_MS).is_err(), "{file}");
        assert!(files.flush(TimerCheckpoint::default()).is_err(), "{file}");
        cut(&path, bytes);
        files.enter(&TimerEntry { slot_ms: NOW_MS + 1000, ..entry }).unwrap();
    }
}
