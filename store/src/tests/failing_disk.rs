//! A disk that fails one call: every call of a short life of a store in turn. Nothing acknowledged is lost, no thread dies,
//! and the store goes on, or says why not.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::time::UNIX_EPOCH;

use message::record;

use super::faults::wait_for_disk;
use super::*;
use crate::disk::{Disk, DiskCall, DiskSpace};

/// A call and the file or directory that it is for, seen from the directory of the test.
type Call = (DiskCall, String);

/// Of the same call, at most so many are made to fail, one at a time.
const SAME_CALLS_MAX: usize = 3;
const WORKERS: usize = 8;
/// A store that goes on does so within this, also where it waits before it tries again.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is done to the calls.
enum Fault {
    Count(Mutex<BTreeMap<Call, usize>>),
    /// The call, how many of its kind go well before, and the error.
    Fail {
        call: Call,
        left: AtomicUsize,
        errno: i32,
    },
}

fn disk(root: &Path, fault: Arc<Fault>) -> Disk {
    let root = root.to_owned();
    let half_full = Disk::new(|_| Ok(DiskSpace { total: 100, free: 50, usable: 50 }));
    // However full the disk of the tests is.
    half_full.failing(move |call, path| {
        let path = path.strip_prefix(&root).unwrap_or(path).display().to_string();
        match &*fault {
            Fault::Count(seen) => {
                *seen.lock().entry((call, path)).or_default() += 1;
                Ok(())
            }
            Fault::Fail { call: wanted, left, errno } => {
                let is_it = (call, &path) == (wanted.0, &wanted.1);
                if is_it
                    && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                        == Ok(1)
                {
                    return Err(io::Error::from_raw_os_error(*errno));
                }
                Ok(())
            }
        }
    })
}

/// Topic and queue id.
type QueueName = (&'static str, i32);
/// Queue offset, physical offset and body of a message.
type Kept = (i64, i64, Vec<u8>);

/// What a life has sent.
#[derive(Default)]
struct Sent {
    acknowledged: BTreeMap<QueueName, Vec<Kept>>,
    all: Vec<Vec<u8>>,
}

const QUEUES: [QueueName; 3] = [("T", 0), ("T", 1), ("U", 0)];

impl Sent {
    fn send(&mut self, store: &MessageStore, count: usize) {
        let room = WaitingRoom::new(store);
        let mut waiting = Vec::new();
        for _ in 0..count {
            let index = self.all.len();
            let (topic, queue_id) = QUEUES[index % QUEUES.len()];
            let body = body(index);
            self.all.push(body.clone());
            let mut properties = String::new();
            property::append(&mut properties, property::KEYS, &format!("k{index}"));
            let message = Message { properties: properties.into(), ..message(topic, queue_id, &body, "") };
            let Ok(appended) = store.append(&message) else { continue };
            let one = ((topic, queue_id), (appended.queue_offset, appended.physical_offset, body));
            match store.config().flush_disk_type {
                FlushDiskType::AsyncFlush => self.acknowledge(one),
                FlushDiskType::SyncFlush => {
                    waiting.push((one, wait_for_disk(&room, appended.end_offset())));
                }
            }
        }
        for (one, outcome) in waiting {
            if outcome.recv_timeout(DEADLINE) == Ok(WaitOutcome::Safe) {
                self.acknowledge(one);
            }
        }
    }

    fn acknowledge(&mut self, (queue, message): (QueueName, Kept)) {
        self.acknowledged.entry(queue).or_default().push(message);
    }
}

/// Opens and starts a store; a second time if the disk has failed.
fn start(scratch: &Scratch, what: &str) -> Arc<MessageStore> {
    let start = || {
        let store = scratch.try_open()?;
        store.start(Box::new(|_| ())).map(|()| store)
    };
    start().or_else(|_| start()).unwrap_or_else(|error| panic!("{what}: {error}"))
}

fn is_alive(store: &MessageStore) -> bool {
    store.threads.lock().iter().all(|thread| !thread.is_finished())
}

/// Waits until appends go on and the queues have what they can have. A log that could not be flushed takes nothing more.
fn settle(store: &MessageStore, what: &str) {
    let give_up_at = Instant::now() + PATIENCE;
    while store.append(&message("Settle", 0, b"", "")).is_err() && !store.parts.flusher.has_failed() {
        assert!(Instant::now() < give_up_at, "{what}: takes nothing");
        std::thread::sleep(Duration::from_millis(2));
    }
    let is_settled = || match store.parts.flusher.has_failed() {
        // Nothing comes any more, and consumers see what is on disk.
        true => store.parts.derive.from() >= store.flushed_where(),
        false => store.dispatch_behind_bytes() == 0,
    };
    while !is_settled() {
        assert!(Instant::now() < give_up_at, "{what}: does not go on");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(is_alive(store), "{what}: a thread has ended");
}

fn live(scratch: &Scratch, what: &str) -> Sent {
    let mut sent = Sent::default();
    let store = start(scratch, what);
    sent.send(&store, 60);
    settle(&store, what);
    let _ = store.append(&message("Gone", 0, b"gone", "A"));
    settle(&store, what);
    store.delete_topic("Gone");
    // All of the log is old, but its last file stays.
    let old = UNIX_EPOCH + Duration::from_millis((scratch.clock.wall_ms() - 100 * 3_600_000) as u64);
    for file in store.parts.log.files.snapshot() {
        std::fs::File::options().write(true).open(file.path()).unwrap().set_modified(old).unwrap();
    }
    for _ in 0..2 {
        store.delete_files_manually();
        store.parts.expire.round(&store.parts);
    }
    sent.send(&store, 20);
    settle(&store, what);
    stop(store);
    let store = start(scratch, what);
    sent.send(&store, 20);
    settle(&store, what);
    stop(store);
    sent
}

fn scratch(flush_disk_type: FlushDiskType, fault: &Arc<Fault>) -> Scratch {
    let mut scratch = Scratch::default();
    let Scratch { dir, config, surroundings, .. } = &mut scratch;
    config.flush_disk_type = flush_disk_type;
    config.mapped_file_size_commit_log_bytes = 8 << 10;
    config.mapped_file_size_consume_queue_bytes = 20 * 3;
    config.enable_consume_queue_ext = true;
    config.mapped_file_size_consume_queue_ext_bytes = 400;
    surroundings.filter_bits = FilterBits::new(|_, _| Some(vec![1; 8]));
    config.max_hash_slot_num = 20;
    config.max_index_num = 40;
    config.flush_interval_consume_queue_ms = 20;
    config.flush_consume_queue_thorough_interval_ms = 40;
    config.delete_commit_log_files_interval_ms = 0;
    config.delete_consume_queue_files_interval_ms = 0;
    surroundings.disk = disk(dir.path(), Arc::clone(fault));
    scratch
}

/// What is left of a life, looked at with a disk that is in order.
fn check(scratch: &mut Scratch, sent: &Sent, what: &str) {
    scratch.surroundings.disk = Disk::real();
    let store = scratch.try_open().unwrap_or_else(|error| panic!("{what}: {error}"));
    store.start(Box::new(|_| ())).unwrap();
    derived(&store);
    let begin = store.min_phy_offset();
    for ((topic, queue_id), messages) in &sent.acknowledged {
        for (offset, physical_offset, body) in messages {
            if *physical_offset < begin {
                continue;
            }
            let request =
                GetRequest { topic, queue_id: *queue_id, offset: *offset, count_max: 1, bytes_max: 1 };
            let found = store.get_message(request, &Everything).unwrap();
            assert_eq!(found.status, GetMessageStatus::Found, "{what}: {topic} {queue_id} {offset}");
            let records = found.into_copy().unwrap();
            let found: Vec<_> = record::messages(&records).map(|one| one.message.body).collect();
            assert_eq!(found, [body], "{what}: {topic} {queue_id} {offset}");
            let index = sent.all.iter().position(|one| one == body).unwrap();
            let key = format!("k{index}");
            let query = KeyQuery {
                topic,
                key: &key,
                kind: KeyKind::Key,
                count_max: 8,
                begin_ms: 0,
                end_ms: i64::MAX,
            };
            assert_eq!(store.query_message(query).unwrap().ranges.len(), 1, "{what}: {key}");
        }
        let last = messages.last().unwrap().0;
        let appended = store.append(&message(topic, *queue_id, b"after", "A")).unwrap();
        assert!(appended.queue_offset > last, "{what}: an offset twice");
        for body in drain(&store, topic, *queue_id) {
            assert!(body == b"after" || sent.all.contains(&body), "{what}: nobody sent {body:?}");
        }
    }
    assert!(is_alive(&store), "{what}: a thread has ended");
    stop(store);
    assert!(!scratch.config.root().join("abort").exists(), "{what}: cannot be closed");
}

fn every_call_fails_once(flush_disk_type: FlushDiskType) {
    let seen = Arc::new(Fault::Count(Mutex::default()));
    let mut sound = scratch(flush_disk_type, &seen);
    let sent = live(&sound, "sound");
    assert_eq!(sent.acknowledged.values().map(Vec::len).sum::<usize>(), 100);
    check(&mut sound, &sent, "sound");
    let Fault::Count(seen) = &*seen else { unreachable!() };
    let seen = seen.lock().clone();
    let mut cases = Vec::new();
    for ((call, path), count) in &seen {
        let errors: &[i32] = match call {
            DiskCall::Sync | DiskCall::List | DiskCall::Remove => &[libc::EIO],
            _ => &[libc::EIO, libc::ENOSPC],
        };
        for nth in 0..SAME_CALLS_MAX.min(*count) {
            cases.extend(errors.iter().map(|errno| ((*call, path.clone()), nth, *errno)));
        }
    }
    assert!(cases.len() > 100, "{} calls", cases.len());
    let (next, fired) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((call, nth, errno)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let what = format!("{:?} {} {nth}: {errno}", call.0, call.1);
                    let left = AtomicUsize::new(nth + 1);
                    let fault = Arc::new(Fault::Fail { call: call.clone(), left, errno: *errno });
                    let mut scratch = scratch(flush_disk_type, &fault);
                    let sent = live(&scratch, &what);
                    if let Fault::Fail { left, .. } = &*fault {
                        fired.fetch_add(usize::from(left.load(Ordering::SeqCst) == 0), Ordering::Relaxed);
                    }
                    check(&mut scratch, &sent, &what);
                }
            });
        }
    });
    // Not every call comes as often each time: threads flush when they come to it.
    let fired = fired.into_inner();
    assert!(fired > cases.len() * 9 / 10, "{fired} of {} calls failed", cases.len());
}

#[test]
fn every_call_fails_once_under_async_flush() {
    every_call_fails_once(FlushDiskType::AsyncFlush);
}

#[test]
fn every_call_fails_once_under_sync_flush() {
    every_call_fails_once(FlushDiskType::SyncFlush);
}
