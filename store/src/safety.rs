//! Acknowledging a message once it is safe: on this broker's disk, on slaves, or both
//! (`CommitLog.handleDiskFlushAndHA`, `GroupCommitService`, `GroupTransferService`).
//!
//! Whoever may not answer before a message is safe waits in a [`WaitingRoom`]. One flush, or one report of a slave, ends all
//! waits below it; a thread of the store ends those that take too long.
//!
//! Nobody is forgotten: progress is noted first, then looked at by the room under its lock; whoever comes takes that lock,
//! and looks at the progress before it waits. Lock order: room, then what tells progress.

mod replicas;
#[cfg(test)]
mod tests;
mod waiters;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, RwLock};

use super::config::FlushDiskType;
use super::threads::PanicPoint;
use super::{MessageStore, Shared};
use replicas::Replicas;
use waiters::{NEVER_MS, Progress, Waiters};

pub use replicas::{InSyncRule, ReportError, SlaveConnection, SlaveId};

/// What the acknowledgement of a message has to reach. Nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// This broker's disk, within this time (`syncFlushTimeout`).
    pub flushed_within: Option<Duration>,
    /// Slaves too, if so many must have it.
    pub replicated: Option<Replicated>,
}

/// Slaves that must have a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicated {
    /// So many, the master not among them (`inSyncReplicas` less one).
    pub slaves: u8,
    /// Within this time (`slaveTimeout`).
    pub within: Duration,
    /// Not waited for at all, but `SLAVE_NOT_AVAILABLE`, if fewer are less than so many bytes behind
    /// (`haSlaveFallbehindMax` of 4.9.7, which goes by this; 5.5.0 waits whatever the slaves are).
    pub available_within: Option<i64>,
}

impl Policy {
    /// Whether a message that is in the log is acknowledged at once.
    pub fn is_nothing(&self) -> bool {
        self.flushed_within.is_none() && self.replicated.is_none_or(|replicated| replicated.slaves == 0)
    }
}

/// How waiting ended. Whatever it was, the message is in the log. If both disk and slaves took too long it is the slaves'
/// that is told, as in Java; it may be other than Java's `Safe` only in that slaves that were late, but in time for the
/// answer, count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitOutcome {
    /// Wherever the policy says.
    Safe,
    /// `FLUSH_DISK_TIMEOUT`: not within the time, or the disk refused. The message may or may not survive.
    FlushDiskTimeout,
    /// `FLUSH_SLAVE_TIMEOUT`: too few slaves have said that they have it.
    FlushSlaveTimeout,
    /// `SLAVE_NOT_AVAILABLE`: too few slaves are there, or near enough.
    SlaveNotAvailable,
}

/// Somebody who waits.
pub trait Waiter: Send {
    /// Called once, from a thread of the store or from the one that came to wait. Must not block.
    fn end(self, outcome: WaitOutcome);
}

/// Where those wait who may not answer before a message is safe. Waits for nothing itself and costs nothing while nobody is
/// in it.
pub struct WaitingRoom<W> {
    store: Arc<Shared>,
    waiters: Mutex<Waiters<W>>,
}

impl<W: Waiter + 'static> WaitingRoom<W> {
    /// A room whose waiters the store will end.
    pub fn new(store: &MessageStore) -> Arc<Self> {
        let room = Arc::new(Self { store: Arc::clone(&store.parts), waiters: Mutex::default() });
        let known: Weak<Self> = Arc::downgrade(&room);
        store.parts.safety.rooms.write().push(known);
        room
    }

    /// Ends `waiter` when everything before `end` is as safe as `policy` says, or when that took too long: at once on this
    /// thread if that is known already, else from a thread of the store.
    pub fn when_safe(&self, end: i64, policy: Policy, waiter: W) {
        let store = &*self.store;
        let now_ms = store.log.clock.monotonic_ms();
        let (early, first_deadline_ms) = {
            let mut waiters = self.waiters.lock();
            (waiters.wait(end, policy, now_ms, store, waiter), waiters.first_deadline_ms())
        };
        if let Some((waiter, outcome)) = early {
            return waiter.end(outcome);
        }
        // Both are said first, and then the room is gone through: whoever was not in it yet finds it said.
        if store.flusher.has_failed() {
            self.fail_disk();
        }
        if store.safety.is_closed.load(Ordering::Acquire) {
            self.fail_from(i64::MIN);
        }
        // With SYNC_FLUSH every append has asked for it.
        if policy.flushed_within.is_some() && store.config.load().flush_disk_type == FlushDiskType::AsyncFlush
        {
            store.flusher.want();
        }
        store.safety.look_by(first_deadline_ms);
    }

    /// Changes what is in the room, and tells those whose wait that ended. They may come to wait again.
    fn change(&self, change: impl FnOnce(&mut Waiters<W>, u64, &mut Vec<(W, WaitOutcome)>)) {
        let now_ms = self.store.log.clock.monotonic_ms();
        let mut done = Vec::new();
        let first_deadline_ms = {
            let mut waiters = self.waiters.lock();
            change(&mut waiters, now_ms, &mut done);
            waiters.first_deadline_ms()
        };
        self.store.safety.look_by(first_deadline_ms);
        done.into_iter().for_each(|(waiter, outcome)| waiter.end(outcome));
    }
}

/// A room, whoever is in it.
trait Room: Send + Sync {
    fn progressed(&self);
    fn expire(&self);
    fn fail_disk(&self);
    fn fail_from(&self, offset: i64);
}

impl<W: Waiter + 'static> Room for WaitingRoom<W> {
    fn progressed(&self) {
        self.change(|waiters, now_ms, done| waiters.progressed(&*self.store, now_ms, done));
    }

    fn expire(&self) {
        self.change(|waiters, now_ms, done| waiters.expire(&*self.store, now_ms, done))
    }

    fn fail_disk(&self) {
        self.change(|waiters, now_ms, done| waiters.fail_disk(&*self.store, now_ms, done));
    }

    fn fail_from(&self, offset: i64) {
        self.change(|waiters, _, done| waiters.fail_from(offset, done));
    }
}

impl Progress for Shared {
    fn flushed_where(&self) -> i64 {
        self.log.flushed_where()
    }

    fn replicated_to(&self, slaves: u8) -> i64 {
        self.safety.replicas.lock().replicated_to(slaves)
    }

    fn in_sync(&self, end: i64, gap_max: i64) -> usize {
        self.safety.replicas.lock().in_sync(end, gap_max)
    }
}

/// What slaves have.
impl MessageStore {
    /// A slave has connected; an earlier connection of it counts no more. `None` if there are too many slaves.
    pub fn slave_joined(&self, slave: SlaveId) -> Option<SlaveConnection> {
        self.parts.safety.replicas.lock().join(slave)
    }

    /// A connection has ended; nothing happens if the slave has another one.
    pub fn slave_left(&self, connection: SlaveConnection) {
        self.parts.safety.replicas.lock().leave(connection);
    }

    /// A slave says that it has everything before `offset` (`notifyTransferSome`). Ends the waits for that. An error
    /// if the report does not count.
    pub fn replicated(&self, connection: SlaveConnection, offset: i64) -> Result<(), ReportError> {
        let log_end = self.parts.log.max_offset();
        self.parts.safety.replicas.lock().replicated(connection, offset, log_end)?;
        self.parts.safety.progressed();
        Ok(())
    }

    /// How many replicas are less than `gap_max` bytes behind the log's end, this one among them (`inSyncReplicasNums`).
    pub fn in_sync_replicas(&self, gap_max: i64) -> usize {
        1 + self.parts.in_sync(self.parts.log.max_offset(), gap_max)
    }
}

/// The rooms of a store, and the thread that ends waits whose time is over (`FlushDiskWatcher`).
pub struct Safety {
    /// Nobody looks here as long as no policy asks for slaves.
    replicas: Mutex<Replicas>,
    rooms: RwLock<Vec<Weak<dyn Room>>>,
    /// When the thread must look next at the latest, in monotonic milliseconds. Changed under `stop` only.
    look_at_ms: AtomicU64,
    is_closed: AtomicBool,
    stop: Mutex<bool>,
    wake: Condvar,
    pub panic_point: PanicPoint,
}

impl Default for Safety {
    fn default() -> Self {
        Self {
            replicas: Mutex::default(),
            rooms: RwLock::default(),
            look_at_ms: AtomicU64::new(NEVER_MS),
            is_closed: AtomicBool::new(false),
            stop: Mutex::default(),
            wake: Condvar::new(),
            panic_point: PanicPoint::default(),
        }
    }
}

impl Safety {
    /// To be called after the log's end on this disk, or on slaves, has moved.
    pub fn progressed(&self) {
        self.each_room(|room| room.progressed());
    }

    /// Nothing more will come to this disk.
    pub fn fail_disk(&self) {
        self.each_room(|room| room.fail_disk());
    }

    /// Nothing at `offset` and behind it will ever be safe.
    pub fn fail_from(&self, offset: i64) {
        self.each_room(|room| room.fail_from(offset));
    }

    fn each_room(&self, act: impl Fn(&dyn Room)) {
        self.rooms.read().iter().filter_map(Weak::upgrade).for_each(|room| act(&*room));
    }

    /// Has the thread look at `deadline_ms` at the latest. Costs a load unless that is sooner than it would.
    fn look_by(&self, deadline_ms: u64) {
        if deadline_ms < self.look_at_ms.load(Ordering::Acquire) {
            let _changing = self.stop.lock();
            self.look_at_ms.fetch_min(deadline_ms, Ordering::AcqRel);
            self.wake.notify_one();
        }
    }

    /// Ends all waits, and those to come.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.fail_from(i64::MIN);
    }

    pub fn stop(&self) {
        *self.stop.lock() = true;
        self.wake.notify_one();
    }

    /// The thread. Sleeps while nobody waits, and else until the first deadline it has seen. Begins with a look: an earlier
    /// run may have owed one when it panicked.
    pub fn run(&self, store: &Shared) {
        let clock = &store.log.clock;
        self.look_by(0);
        loop {
            {
                let mut stop = self.stop.lock();
                loop {
                    let look_at_ms = self.look_at_ms.load(Ordering::Acquire);
                    if *stop {
                        return;
                    }
                    if look_at_ms <= clock.monotonic_ms() {
                        break;
                    }
                    clock.wait_until(&self.wake, &mut stop, look_at_ms);
                }
                // Before the rooms are looked at: whoever comes to one after that sees it, and says when to look.
                self.look_at_ms.store(NEVER_MS, Ordering::Release);
            }
            self.panic_point.pass();
            self.each_room(|room| room.expire());
        }
    }
}
