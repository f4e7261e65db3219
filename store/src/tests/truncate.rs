//! A slave's log cut off while it is at work: everywhere, under readers, and on a disk that fails.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::mpsc;

use super::replica::{slave, small};
use super::*;
use crate::ReplicaError;
use crate::disk::Disk;

const MESSAGES: usize = 60;
const FILE_BYTES: usize = 2 << 10;

/// A master's log: bytes, and where each of its messages ends.
#[derive(Clone)]
struct Log {
    bytes: Vec<u8>,
    ends: Vec<i64>,
    bodies: Vec<Vec<u8>>,
}

impl Log {
    /// The first `common` messages are those of every such log, the others have `name`.
    fn new(common: usize, name: &str) -> Log {
        let mut scratch = small();
        scratch.config.mapped_file_size_commit_log_bytes = FILE_BYTES as u64;
        let store = scratch.start();
        let (mut ends, mut bodies) = (Vec::new(), Vec::new());
        for index in 0..MESSAGES {
            let mut body = body(index);
            if index >= common {
                body.extend_from_slice(name.as_bytes());
            }
            let key = keyed(index, &body);
            ends.push(store.append(&key).unwrap().end_offset());
            bodies.push(body);
        }
        let end = store.max_phy_offset() as usize;
        stop(store);
        let mut bytes = Vec::new();
        for start in (0..end).step_by(FILE_BYTES) {
            let path = scratch.config.commit_log_dir().join(layout::file_name(start as i64));
            bytes.extend(std::fs::read(path).unwrap());
        }
        bytes.truncate(end);
        Log { bytes, ends, bodies }
    }

    fn end(&self) -> i64 {
        self.bytes.len() as i64
    }

    /// Messages that are whole before an offset.
    fn whole_before(&self, offset: i64) -> usize {
        self.ends.iter().filter(|end| **end <= offset).count()
    }

    /// Where two logs part.
    fn parts_at(&self, other: &Log) -> i64 {
        self.bytes.iter().zip(&other.bytes).position(|(one, other)| one != other).unwrap() as i64
    }

    fn send(&self, store: &MessageStore) {
        let at = store.max_phy_offset();
        assert_eq!(store.append_to_commit_log(at, &self.bytes[at as usize..]), Ok(self.end()), "at {at}");
    }
}

fn keyed(index: usize, body: &[u8]) -> Message<'_> {
    let mut properties = String::new();
    property::append(&mut properties, property::KEYS, &format!("k{index}"));
    property::append(&mut properties, property::TAGS, "A");
    Message { properties: properties.into(), ..message("T", 0, body, "") }
}

/// A slave with queue files of 50 entries, small index files, and an extension of its queues.
fn lively_slave() -> Scratch {
    let mut scratch = slave();
    let Scratch { config, surroundings, .. } = &mut scratch;
    config.mapped_file_size_commit_log_bytes = FILE_BYTES as u64;
    config.flush_interval_consume_queue_ms = 5;
    config.flush_consume_queue_thorough_interval_ms = 10;
    config.mapped_file_size_consume_queue_bytes = 20 * 10;
    config.max_hash_slot_num = 20;
    config.max_index_num = 40;
    config.enable_consume_queue_ext = true;
    config.mapped_file_size_consume_queue_ext_bytes = 400;
    surroundings.filter_bits = FilterBits::new(|_, _| Some(vec![1; 8]));
    scratch
}

/// A slave at work that has all of `log`.
fn slave_with(log: &Log) -> (Scratch, Arc<MessageStore>) {
    let scratch = lively_slave();
    let store = scratch.start();
    log.send(&store);
    derived(&store);
    (scratch, store)
}

fn has_derived(store: &MessageStore) {
    wait_until("whole records are derived", || store.parts.derive.is_done(store.max_phy_offset()));
}

/// That queue and index have the first `count` messages of `log` and no others.
fn check_has(store: &MessageStore, log: &Log, count: usize, what: &str) {
    assert_eq!(store.max_offset_in_queue("T", 0), count as i64, "{what}");
    assert!(drain(store, "T", 0) == log.bodies[..count], "{what}");
    for index in 0..MESSAGES {
        let key = &*format!("k{index}");
        let (kind, begin_ms, end_ms) = (KeyKind::Key, 0, i64::MAX);
        let query = KeyQuery { topic: "T", key, kind, count_max: 9, begin_ms, end_ms };
        let found = store.query_message(query).unwrap().ranges.len();
        assert_eq!(found, usize::from(index < count), "{what}: {key}");
    }
}

#[test]
fn anywhere() {
    let log = Log::new(MESSAGES, "");
    let mut cuts = BTreeSet::from([0, 1, log.end() - 1, log.end()]);
    for end in log.ends.iter().step_by(7) {
        cuts.extend([*end, end - 1, end + 3, end + 5, end + 40]);
    }
    for border in (0..log.end()).step_by(FILE_BYTES) {
        cuts.extend([border, border + 1, (border - 1).max(0)]);
    }
    let scratch = lively_slave();
    let mut store = scratch.start();
    for (round, cut) in cuts.into_iter().filter(|cut| *cut <= log.end()).enumerate() {
        let what = format!("cut at {cut}");
        log.send(&store);
        // Also while derivation and flushes are behind.
        if round % 3 > 0 {
            has_derived(&store);
            check_has(&store, &log, MESSAGES, &what);
        }
        assert_eq!(store.truncate(cut), Ok(()), "{what}");
        assert_eq!(store.max_phy_offset(), cut, "{what}");
        assert!(store.flushed_where() <= cut, "{what}");
        has_derived(&store);
        check_has(&store, &log, log.whole_before(cut), &what);
        match round % 4 {
            0 => {
                stop(store);
                assert!(!scratch.config.root().join("abort").exists(), "{what}: cannot be closed");
                store = scratch.start();
            }
            1 => {
                drop(store);
                store = scratch.start();
            }
            _ => {}
        }
        let whole = log.whole_before(cut);
        assert!(store.max_phy_offset() <= cut && log.whole_before(store.max_phy_offset()) == whole, "{what}");
        check_has(&store, &log, whole, &what);
    }
    assert!(store.parts.running.is_on());
    log.send(&store);
    derived(&store);
    check_has(&store, &log, MESSAGES, "in the end");
}

#[test]
fn another_master_s_bytes_take_their_place() {
    for common in [0, 1, 20, 41, 59] {
        let (old, new) = (Log::new(common, "old"), Log::new(common, "newer"));
        let cut = old.parts_at(&new);
        for is_clean in [true, false] {
            let what = format!("{common} in common, {is_clean}");
            let (scratch, store) = slave_with(&old);
            check_has(&store, &old, MESSAGES, &what);
            store.truncate(cut).unwrap();
            new.send(&store);
            derived(&store);
            check_has(&store, &new, MESSAGES, &what);
            if is_clean {
                store.shutdown();
            }
            drop(store);
            let store = scratch.start();
            check_has(&store, &new, MESSAGES, &what);
        }
    }
}

#[test]
fn readers_see_one_log_or_the_other() {
    let (old, new) = (Log::new(30, "old"), Log::new(30, "newer"));
    let cut = old.parts_at(&new);
    let (_scratch, store) = slave_with(&old);
    let (stop, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for reader in 0..3 {
            let (old, new, store, stop, reads) = (&old, &new, &store, &stop, &reads);
            scope.spawn(move || {
                let mut random = Random::new(reader);
                while !stop.load(Ordering::Relaxed) {
                    let offset = random.below(MESSAGES as u64) as i64;
                    let result = get(store, "T", 0, offset);
                    if result.status != GetMessageStatus::Found {
                        continue;
                    }
                    for (found, offset) in bodies(result).into_iter().zip(offset as usize..) {
                        assert!(found == old.bodies[offset] || found == new.bodies[offset], "at {offset}");
                        reads.fetch_add(1, Ordering::Relaxed);
                    }
                    let key = &*format!("k{offset}");
                    let (kind, begin_ms, end_ms) = (KeyKind::Key, 0, i64::MAX);
                    let query = KeyQuery { topic: "T", key, kind, count_max: 9, begin_ms, end_ms };
                    store.query_message(query).unwrap();
                }
            });
        }
        for round in 0..30 {
            let next = if round % 2 == 0 { &new } else { &old };
            assert_eq!(store.truncate(cut), Ok(()));
            assert!(store.max_offset_in_queue("T", 0) <= 30);
            next.send(&store);
            derived(&store);
            let enough = reads.load(Ordering::Relaxed) + 50;
            wait_until("somebody reads", || reads.load(Ordering::Relaxed) >= enough);
        }
        stop.store(true, Ordering::Relaxed);
    });
    check_has(&store, &old, MESSAGES, "in the end");
}

/// Between a look at the queue and the one at the log, which then has other bytes at that place.
#[test]
fn a_read_under_way_finds_nothing() {
    struct Switching<'a> {
        store: &'a MessageStore,
        new: &'a Log,
        cut: i64,
        is_done: AtomicBool,
    }

    impl MessageFilter for Switching<'_> {
        fn matches_queue_entry(&self, _tags_code: i64) -> bool {
            if !self.is_done.swap(true, Ordering::Relaxed) {
                self.store.truncate(self.cut).unwrap();
                self.new.send(self.store);
            }
            true
        }

        fn looks_at_records(&self) -> bool {
            false
        }
    }

    let (old, new) = (Log::new(30, "old"), Log::new(30, "newer"));
    let cut = old.parts_at(&new);
    let (_scratch, store) = slave_with(&old);
    let request =
        GetRequest { topic: "T", queue_id: 0, offset: 40, count_max: 32, bytes_max: get::PULL_BYTES_MAX };
    let filter = Switching { store: &store, new: &new, cut, is_done: AtomicBool::new(false) };
    let found = store.get_message(request, &filter).unwrap();
    assert_eq!((found.status, found.message_count), (GetMessageStatus::NoMatchedMessage, 0));
    assert_eq!(found.next_begin_offset, 40, "to be asked again");
    derived(&store);
    check_has(&store, &new, MESSAGES, "in the end");
}

/// Has the disk fail from the `nth` call of a truncation on, for `times` calls. Whether there were so many.
fn fails_at(log: &Log, cut: i64, nth: usize, times: usize) -> bool {
    let what = format!("cut at {cut}, call {nth} of the disk fails {times} times");
    let (count, is_armed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut scratch = lively_slave();
    // The threads that flush do not come in between.
    scratch.config.flush_interval_consume_queue_ms = 3_600_000;
    scratch.config.flush_interval_commit_log_ms = 3_600_000;
    let (counted, armed) = (Arc::clone(&count), Arc::clone(&is_armed));
    scratch.surroundings.disk = Disk::real().failing(move |_, _| {
        let is_due = || (nth..nth.saturating_add(times)).contains(&counted.fetch_add(1, Ordering::SeqCst));
        match armed.load(Ordering::SeqCst) && is_due() {
            true => Err(io::Error::from_raw_os_error(libc::EIO)),
            false => Ok(()),
        }
    });
    let store = scratch.start();
    log.send(&store);
    derived(&store);
    is_armed.store(true, Ordering::SeqCst);
    let truncated = store.truncate(cut);
    let has_failed = count.load(Ordering::SeqCst) > nth;
    if times == 1 {
        is_armed.store(false, Ordering::SeqCst);
    }
    let before = log.whole_before(cut);
    match &truncated {
        // Some calls need not work: what they were for can wait.
        Ok(()) => check_has(&store, log, before, &what),
        Err(ReplicaError::Put(PutError::ServiceNotAvailable(why))) => {
            assert!(has_failed, "{what}: {why}");
            assert_eq!(store.failure(), Some(&**why), "{what}");
        }
        Err(error) => {
            assert!(has_failed && store.failure().is_none(), "{what}: {error}");
            assert_eq!(store.max_phy_offset(), log.end(), "{what}");
            check_has(&store, log, MESSAGES, &what);
        }
    }
    drop(store);
    // What a kill at this point leaves.
    scratch.surroundings.disk = Disk::real();
    let store = scratch.start();
    derived(&store);
    let left = log.whole_before(store.max_phy_offset());
    assert!(left >= before && (truncated.is_err() || left == before), "{what}: {left} messages");
    check_has(&store, log, left, &what);
    let copies = scratch.config.commit_log_dir().join(layout::TRUNCATING_DIR);
    assert!(!copies.exists(), "{what}");
    assert_eq!(store.truncate(cut.min(store.max_phy_offset())), Ok(()), "{what}");
    log.send(&store);
    derived(&store);
    check_has(&store, log, MESSAGES, &what);
    stop(store);
    assert!(!scratch.config.root().join("abort").exists(), "{what}: cannot be closed");
    has_failed
}

#[test]
fn on_a_disk_that_fails_or_a_process_that_is_killed() {
    let log = Log::new(MESSAGES, "");
    let middle = log.ends[20] + 50;
    std::thread::scope(|scope| {
        for cut in [middle, log.ends[20], 2 * FILE_BYTES as i64, 0] {
            for times in [1, usize::MAX] {
                let log = &log;
                scope.spawn(move || {
                    let calls = (0..).take_while(|&nth| fails_at(log, cut, nth, times)).count();
                    assert!(calls > 5, "{calls} calls");
                });
            }
        }
    });
}

/// More queues than are brought to disk one by one, and the log flushed before it is derived.
#[test]
fn many_queues() {
    const QUEUES: i32 = 40;
    let mut master = small();
    master.config.mapped_file_size_commit_log_bytes = FILE_BYTES as u64;
    let store = master.start();
    let mut half = 0;
    for round in 0..10 {
        for queue_id in 0..QUEUES {
            store.append(&message("T", queue_id, b"x", "A")).unwrap();
        }
        half = if round == 4 { store.max_phy_offset() } else { half };
    }
    let log: Vec<_> = store.parts.log.files.snapshot();
    let bytes: Vec<u8> = log.iter().flat_map(|file| std::fs::read(file.path()).unwrap()).collect();
    let bytes = &bytes[..store.max_phy_offset() as usize];
    let mut scratch = lively_slave();
    scratch.config.flush_disk_type = FlushDiskType::SyncFlush;
    let store = scratch.start();
    for round in 0..3 {
        let at = store.max_phy_offset();
        store.append_to_commit_log(at, &bytes[at as usize..]).unwrap();
        if round > 0 {
            derived(&store);
        }
        store.truncate(half).unwrap();
        derived(&store);
        assert_eq!((store.max_phy_offset(), store.flushed_where()), (half, half));
        let max_offsets = (0..QUEUES).map(|queue_id| store.max_offset_in_queue("T", queue_id));
        assert!(max_offsets.eq((0..QUEUES).map(|_| 5)));
    }
    drop(store);
    let store = scratch.start();
    assert!((0..QUEUES).all(|queue_id| drain(&store, "T", queue_id).len() == 5));
}

#[test]
fn who_waits_for_what_is_cut_off_is_told() {
    struct Told(mpsc::Sender<WaitOutcome>);

    impl Waiter for Told {
        fn end(self, outcome: WaitOutcome) {
            let _ = self.0.send(outcome);
        }
    }

    let log = Log::new(MESSAGES, "");
    let scratch = lively_slave();
    let store = scratch.start();
    let room = WaitingRoom::new(&store);
    log.send(&store);
    let within = Duration::from_secs(3600);
    let replicated = Some(Replicated { slaves: 1, within, available_within: None });
    let policy = Policy { replicated, ..Policy::default() };
    let (kept, kept_told) = mpsc::channel();
    let (cut, cut_told) = mpsc::channel();
    room.when_safe(log.ends[30], policy, Told(kept));
    room.when_safe(log.ends[31], policy, Told(cut));
    store.truncate(log.ends[30]).unwrap();
    assert_eq!(cut_told.recv_timeout(DEADLINE), Ok(WaitOutcome::FlushSlaveTimeout));
    assert!(kept_told.try_recv().is_err());
}

#[test]
fn what_cannot_be_cut() {
    let log = Log::new(MESSAGES, "");
    let scratch = lively_slave();
    let store = scratch.start();
    assert_eq!(store.truncate(0), Ok(()), "nothing to do");
    assert_eq!(store.truncate(1), Err(ReplicaError::OutOfLog { at: 1, begin: -1, end: 0 }));
    log.send(&store);
    let end = log.end();
    for at in [-1, end + 1, i64::MAX] {
        assert_eq!(store.truncate(at), Err(ReplicaError::OutOfLog { at, begin: 0, end }));
    }
    store.shutdown();
    assert!(matches!(store.truncate(0), Err(ReplicaError::Put(_))));
    let master = small().start();
    assert_eq!(master.truncate(0), Err(ReplicaError::NotASlave));
}
