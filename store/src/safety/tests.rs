//! The waiting room against a naive model, and in a store.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::testing::{DEADLINE, Random, Scratch, derived, message, wait_until};

const DISK_MS: u64 = 50;
const SLAVES_MS: u64 = 30;

#[derive(Clone, Debug, Default)]
struct Safe {
    flushed_where: i64,
    /// By one slave, by two.
    replicated_to: [i64; 2],
    in_sync: usize,
}

impl Progress for Safe {
    fn flushed_where(&self) -> i64 {
        self.flushed_where
    }

    fn replicated_to(&self, slaves: u8) -> i64 {
        self.replicated_to[usize::from(slaves) - 1]
    }

    fn in_sync(&self, _end: i64, _gap_max: i64) -> usize {
        self.in_sync
    }
}

/// What a waiter is told, found out without any order.
#[derive(Default)]
struct Model {
    now_ms: u64,
    safe: Safe,
    waiting: Vec<Modeled>,
    done: Vec<(u32, WaitOutcome)>,
}

#[derive(Clone, Debug)]
struct Modeled {
    id: u32,
    end: i64,
    disk_until_ms: Option<u64>,
    slaves: Option<(u8, u64)>,
    so_far: WaitOutcome,
}

impl Model {
    /// Looks at everybody. With `disk_failed` nobody waits for the disk any more.
    fn look(&mut self, disk_failed: bool) {
        for mut one in std::mem::take(&mut self.waiting) {
            if let Some(until_ms) = one.disk_until_ms {
                let is_flushed = self.safe.flushed_where >= one.end;
                if !is_flushed && !disk_failed && self.now_ms < until_ms {
                    self.waiting.push(one);
                    continue;
                }
                one.disk_until_ms = None;
                if !is_flushed && one.so_far == WaitOutcome::Safe {
                    one.so_far = WaitOutcome::FlushDiskTimeout;
                }
            }
            match one.slaves {
                None => self.done.push((one.id, one.so_far)),
                Some((slaves, _)) if self.safe.replicated_to(slaves) >= one.end => {
                    self.done.push((one.id, one.so_far));
                }
                Some((_, until_ms)) if until_ms <= self.now_ms => {
                    self.done.push((one.id, WaitOutcome::FlushSlaveTimeout));
                }
                Some(_) => self.waiting.push(one),
            }
        }
    }

    fn fail_from(&mut self, offset: i64) {
        for one in self.waiting.extract_if(.., |one| one.end > offset) {
            let outcome = match one.disk_until_ms {
                Some(_) if one.so_far != WaitOutcome::Safe => one.so_far,
                Some(_) => WaitOutcome::FlushDiskTimeout,
                None => WaitOutcome::FlushSlaveTimeout,
            };
            self.done.push((one.id, outcome));
        }
    }

    /// When the first wait is over that has not passed to the slaves yet, or has.
    fn first_deadline_ms(&self) -> u64 {
        let deadline = |one: &Modeled| one.disk_until_ms.or(one.slaves.map(|(_, until_ms)| until_ms));
        self.waiting.iter().filter_map(deadline).min().unwrap_or(NEVER_MS)
    }
}

fn within(slaves: u8, ms: u64) -> Replicated {
    Replicated { slaves, within: Duration::from_millis(ms), available_within: None }
}

fn policy(random: &mut Random) -> Policy {
    let ms = |ms| Some(Duration::from_millis(ms));
    let slaves = random.below(3) as u8;
    Policy {
        flushed_within: ms(DISK_MS).filter(|_| random.below(3) > 0),
        replicated: (slaves > 0).then_some(Replicated {
            available_within: (random.below(2) == 0).then_some(100),
            ..within(slaves, SLAVES_MS)
        }),
    }
}

#[test]
fn random_events_end_waits_as_in_the_model() {
    for seed in Random::seeds(300) {
        let mut random = Random::new(seed);
        let (mut model, mut waiters) = (Model::default(), Waiters::default());
        // Ends of what is appended; appended but not come to wait yet.
        let (mut log_end, mut to_come) = (0, Vec::new());
        for id in 0..400 {
            let mut done = Vec::new();
            match random.below(10) {
                0..4 => {
                    log_end += 1 + random.below(3) as i64;
                    to_come.push((id, log_end));
                }
                4..7 if !to_come.is_empty() => {
                    let (id, end) = to_come.swap_remove(random.below(to_come.len() as u64) as usize);
                    let policy = policy(&mut random);
                    done.extend(waiters.wait(end, policy, model.now_ms, &model.safe, id));
                    let slaves = policy.replicated.map(|one| (one.slaves, model.now_ms + SLAVES_MS));
                    let disk_until_ms = policy.flushed_within.map(|_| model.now_ms + DISK_MS);
                    let is_hopeless = policy.replicated.is_some_and(|one| {
                        one.available_within.is_some() && model.safe.in_sync < usize::from(one.slaves)
                    });
                    let (slaves, so_far) = match is_hopeless {
                        true => (None, WaitOutcome::SlaveNotAvailable),
                        false => (slaves, WaitOutcome::Safe),
                    };
                    model.waiting.push(Modeled { id, end, disk_until_ms, slaves, so_far });
                    model.look(false);
                }
                4..7 => {
                    let some_end = |random: &mut Random| random.below(log_end as u64 + 1) as i64;
                    let (one, other) = (some_end(&mut random), some_end(&mut random));
                    match random.below(2) {
                        0 => model.safe.flushed_where = model.safe.flushed_where.max(one),
                        // A slave that begins anew is behind where it was.
                        _ => {
                            model.safe.replicated_to = [one.max(other), one.min(other)];
                            model.safe.in_sync = random.below(3) as usize;
                        }
                    }
                    waiters.progressed(&model.safe, model.now_ms, &mut done);
                    model.look(false);
                }
                7..9 => {
                    model.now_ms += random.below(DISK_MS / 2);
                    waiters.expire(&model.safe, model.now_ms, &mut done);
                    model.look(false);
                    let next_ms = waiters.first_deadline_ms();
                    assert!(next_ms > model.now_ms, "seed {seed}: it would look again at once");
                }
                _ if random.below(4) == 0 => {
                    waiters.fail_disk(&model.safe, model.now_ms, &mut done);
                    model.look(true);
                }
                _ => {
                    let offset = random.below(log_end as u64 + 1) as i64;
                    waiters.fail_from(offset, &mut done);
                    model.fail_from(offset);
                }
            }
            let looks_in_time = waiters.first_deadline_ms() <= model.first_deadline_ms();
            assert!(looks_in_time, "seed {seed}, step {id}: it would look too late");
            let mut modeled = std::mem::take(&mut model.done);
            done.sort_unstable_by_key(|(id, _)| *id);
            modeled.sort_unstable_by_key(|(id, _)| *id);
            assert_eq!(done, modeled, "seed {seed}, step {id}");
        }
        let mut done = Vec::new();
        waiters.fail_from(i64::MIN, &mut done);
        assert_eq!(done.len(), model.waiting.len(), "seed {seed}");
        assert_eq!(waiters.first_deadline_ms(), NEVER_MS, "seed {seed}");
    }
}

#[test]
fn one_report_ends_all_below_it_in_order() {
    let (mut waiters, mut safe) = (Waiters::default(), Safe::default());
    let one_slave = Policy { replicated: Some(within(1, 3000)), ..Policy::default() };
    for end in [10, 30, 20, 40] {
        assert!(waiters.wait(end, one_slave, 0, &safe, end).is_none());
    }
    safe.replicated_to = [30, 0];
    let mut done = Vec::new();
    waiters.progressed(&safe, 0, &mut done);
    assert_eq!(done, [10, 20, 30].map(|end| (end, WaitOutcome::Safe)));
}

#[test]
fn a_slow_wait_of_the_other_kind_holds_up_nobody() {
    let (mut waiters, mut safe) = (Waiters::default(), Safe::default());
    let disk = Policy { flushed_within: Some(Duration::from_secs(3)), replicated: None };
    let slaves = |slaves| Some(within(slaves, 3000));
    for (end, policy) in [
        (1, Policy { replicated: slaves(2), ..disk }),
        (2, Policy { flushed_within: None, replicated: slaves(2) }),
        (3, Policy { flushed_within: None, replicated: slaves(1) }),
        (4, disk),
    ] {
        assert!(waiters.wait(end, policy, 0, &safe, end).is_none());
    }
    let mut done = Vec::new();
    safe.flushed_where = 4;
    waiters.progressed(&safe, 0, &mut done);
    assert_eq!(done, [(4, WaitOutcome::Safe)]);
    safe.replicated_to = [4, 0];
    waiters.progressed(&safe, 0, &mut done);
    assert_eq!(done[1..], [(3, WaitOutcome::Safe)]);
    safe.replicated_to = [4, 4];
    waiters.progressed(&safe, 0, &mut done);
    assert_eq!(done[2..], [(1, WaitOutcome::Safe), (2, WaitOutcome::Safe)]);
}

#[test]
fn no_more_than_so_many_wait() {
    let (mut waiters, safe) = (Waiters::default(), Safe::default());
    let disk = Policy { flushed_within: Some(Duration::from_secs(3)), replicated: None };
    for end in 1..=waiters::WAITERS_MAX as i64 {
        assert!(waiters.wait(end, disk, 0, &safe, ()).is_none());
    }
    let end = i64::MAX;
    assert_eq!(waiters.wait(end, disk, 0, &safe, ()), Some(((), WaitOutcome::FlushDiskTimeout)));
    let both = Policy { replicated: Some(within(1, 3000)), ..disk };
    assert_eq!(waiters.wait(end, both, 0, &safe, ()), Some(((), WaitOutcome::FlushSlaveTimeout)));
    assert_eq!(waiters.wait(end, Policy::default(), 0, &safe, ()), Some(((), WaitOutcome::Safe)));
}

/// Tells a test how a wait ended.
struct Told(Sender<WaitOutcome>);

impl Waiter for Told {
    fn end(self, outcome: WaitOutcome) {
        self.0.send(outcome).unwrap();
    }
}

const FLUSHED: Policy = Policy { flushed_within: Some(Duration::from_secs(5)), replicated: None };

fn wait_in(room: &WaitingRoom<Told>, end: i64, policy: Policy) -> Receiver<WaitOutcome> {
    let (sender, receiver) = channel();
    room.when_safe(end, policy, Told(sender));
    receiver
}

#[test]
fn one_sync_ends_every_wait() {
    let mut scratch = Scratch::default();
    scratch.config.flush_disk_type = FlushDiskType::SyncFlush;
    let store = scratch.start();
    let room = WaitingRoom::new(&store);
    let append = || store.append(&message("T", 0, b"x", "A")).unwrap().end_offset();
    let waits: Vec<_> = (0..50).map(|_| append()).map(|end| (end, wait_in(&room, end, FLUSHED))).collect();
    for (end, told) in waits {
        assert_eq!(told.recv_timeout(DEADLINE), Ok(WaitOutcome::Safe));
        assert!(store.flushed_where() >= end);
    }
    derived(&store);
    assert_eq!(store.flushed_where(), store.max_phy_offset());
}

#[test]
fn with_async_flush_a_wait_has_it_flushed() {
    let mut scratch = Scratch::default();
    scratch.config.flush_interval_commit_log_ms = 1_000_000;
    let store = scratch.start();
    let room = WaitingRoom::new(&store);
    let end = store.append(&message("T", 0, b"small", "A")).unwrap().end_offset();
    assert_eq!(wait_in(&room, end, Policy::default()).try_recv(), Ok(WaitOutcome::Safe));
    assert_eq!(wait_in(&room, end, FLUSHED).recv_timeout(DEADLINE), Ok(WaitOutcome::Safe));
    let end = store.append(&message("T", 0, b"small", "A")).unwrap().end_offset();
    assert!(store.flush(end) && store.flushed_where() == end);
}

#[test]
fn whoever_flushes_the_log_has_it_derived() {
    let mut scratch = Scratch::default();
    scratch.config.flush_disk_type = FlushDiskType::SyncFlush;
    let store = scratch.start();
    let room = WaitingRoom::new(&store);
    // Nobody tells the flushing thread.
    let message = message("T", 0, b"x", "A");
    let queue = store.parts.queues.find_or_create("T", 0).unwrap();
    let mut buffer = Vec::new();
    let record = message.encode(message::PropertyCrc::of(false), &mut buffer).unwrap();
    let wait = wait_in(&room, record.size as i64, FLUSHED);
    store.parts.log.append(&mut buffer, &[record], Some(&queue.next_offset)).unwrap();
    assert!(store.parts.flusher.flush_all(&store.parts));
    assert_eq!(wait.recv_timeout(DEADLINE), Ok(WaitOutcome::Safe));
    derived(&store);
}

#[test]
fn a_wait_ends_on_time() {
    let scratch = Scratch::default();
    let store = scratch.start();
    let room = WaitingRoom::new(&store);
    let beyond = store.max_phy_offset() + 1;
    let late = wait_in(&room, beyond, FLUSHED);
    let later = wait_in(&room, beyond, Policy { flushed_within: Some(Duration::from_secs(6)), ..FLUSHED });
    let soon = Policy { flushed_within: Some(Duration::from_millis(10)), ..FLUSHED };
    let first = wait_in(&room, beyond, soon);
    scratch.clock.advance(Duration::from_millis(10));
    assert_eq!(first.recv_timeout(DEADLINE), Ok(WaitOutcome::FlushDiskTimeout));
    scratch.clock.advance(Duration::from_millis(4989));
    assert!(late.recv_timeout(Duration::from_millis(20)).is_err());
    scratch.clock.advance(Duration::from_millis(1));
    assert_eq!(late.recv_timeout(DEADLINE), Ok(WaitOutcome::FlushDiskTimeout));
    assert!(later.try_recv().is_err());
    store.shutdown();
    assert_eq!(later.try_recv(), Ok(WaitOutcome::FlushDiskTimeout), "whoever still waits is told at the end");
    assert_eq!(wait_in(&room, beyond, FLUSHED).try_recv(), Ok(WaitOutcome::FlushDiskTimeout));
}

#[test]
fn nobody_waits_for_a_disk_that_has_failed() {
    let scratch = Scratch::default();
    let store = scratch.start();
    let room = WaitingRoom::new(&store);
    let both = Policy { replicated: Some(within(1, 3000)), ..FLUSHED };
    let (one, two) = (wait_in(&room, 1, FLUSHED), wait_in(&room, 1, both));
    store.parts.flusher.fail();
    store.parts.safety.fail_disk();
    assert_eq!(one.try_recv(), Ok(WaitOutcome::FlushDiskTimeout));
    assert_eq!(wait_in(&room, 1, FLUSHED).try_recv(), Ok(WaitOutcome::FlushDiskTimeout));
    assert!(two.try_recv().is_err(), "the slaves have their time");
    scratch.clock.advance(Duration::from_secs(3));
    assert_eq!(two.recv_timeout(DEADLINE), Ok(WaitOutcome::FlushSlaveTimeout));
    wait_until("the thread sleeps", || store.parts.safety.look_at_ms.load(Ordering::Acquire) == NEVER_MS);
}

#[test]
fn reports_of_slaves_end_waits() {
    let scratch = Scratch::default();
    let store = scratch.start();
    let room = WaitingRoom::new(&store);
    let end = store.append(&message("T", 0, b"x", "A")).unwrap().end_offset();
    let on = |slaves| Policy { flushed_within: None, replicated: Some(within(slaves, 3000)) };
    let near = |slaves| Policy {
        flushed_within: None,
        replicated: Some(Replicated { available_within: Some(end), ..within(slaves, 3000) }),
    };
    assert_eq!(wait_in(&room, end, near(1)).try_recv(), Ok(WaitOutcome::SlaveNotAvailable));
    let (one, two) = (wait_in(&room, end, on(1)), wait_in(&room, end, on(2)));
    let slave = store.slave_joined(SlaveId(1)).unwrap();
    assert_eq!(store.replicated(slave, end + 1), Err(ReportError::Ahead { offset: end + 1, log_end: end }));
    store.replicated(slave, end - 1).unwrap();
    assert!(one.try_recv().is_err());
    assert_eq!(wait_in(&room, end, near(2)).try_recv(), Ok(WaitOutcome::SlaveNotAvailable));
    assert_eq!((store.in_sync_replicas(1), store.in_sync_replicas(2)), (1, 2));
    let is_near = wait_in(&room, end, near(1));
    store.replicated(slave, end).unwrap();
    assert_eq!((one.try_recv(), is_near.try_recv()), (Ok(WaitOutcome::Safe), Ok(WaitOutcome::Safe)));
    // The same slave again is no second one.
    let again = store.slave_joined(SlaveId(1)).unwrap();
    store.replicated(again, end).unwrap();
    assert!(two.try_recv().is_err());
    assert_eq!(store.replicated(slave, end), Err(ReportError::NotConnected));
    let other = store.slave_joined(SlaveId(2)).unwrap();
    store.replicated(other, end).unwrap();
    assert_eq!(two.try_recv(), Ok(WaitOutcome::Safe));
    store.slave_left(other);
    assert_eq!(store.in_sync_replicas(i64::MAX), 2);
}

/// With SYNC_FLUSH consumers see what is on disk, else what is in the log; what slaves have does not matter.
#[test]
fn the_confirm_offset_is_javas() {
    for (kind, flushed) in [(FlushDiskType::AsyncFlush, false), (FlushDiskType::SyncFlush, true)] {
        let mut scratch = Scratch::default();
        scratch.config.flush_disk_type = kind;
        // Not started: nothing is flushed or derived by itself.
        let store = scratch.open();
        store.parts.running.switch_on();
        let end = store.append(&message("T", 0, b"x", "A")).unwrap().end_offset();
        assert_eq!(store.confirm_offset(), if flushed { 0 } else { end });
        assert!(store.flush(end));
        assert_eq!(store.confirm_offset(), end);
    }
}
