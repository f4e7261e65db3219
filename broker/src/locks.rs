//! Which client of a group may consume a queue in order. Java: `RebalanceLockManager`.

use parking_lot::Mutex;
use process::clock::Clock;
use remoting::body::MessageQueue;
use std::collections::HashMap;

/// A lock that its client has not renewed for longer is free, unless the start says otherwise.
pub const LOCK_LIVE_MS_MAX: u64 = 60_000;

/// Locks of all groups, at most; beyond it none is given until some are free or expire. Java has no limit.
const LOCKS_MAX: usize = 262_144;

/// Locks of queues by consumer group, in memory only.
pub struct Locks {
    clock: Clock,
    live_ms_max: u64,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    groups: HashMap<String, HashMap<MessageQueue, Lock>>,
    /// Locks of all groups.
    count: usize,
}

impl Table {
    /// Whether there is room for one more, if need be where expired locks were.
    fn has_room(&mut self, is_expired: impl Fn(&Lock) -> bool) -> bool {
        if self.count >= LOCKS_MAX {
            self.groups.retain(|_, locks| {
                locks.retain(|_, lock| !is_expired(lock));
                !locks.is_empty()
            });
            self.count = self.groups.values().map(HashMap::len).sum();
        }
        self.count < LOCKS_MAX
    }
}

struct Lock {
    client_id: String,
    /// On the monotonic clock.
    renewed_ms: u64,
}

impl Lock {
    fn is_older(&self, live_ms_max: u64, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.renewed_ms) > live_ms_max
    }
}

impl Locks {
    /// Nothing is locked; a lock that is not renewed for `live_ms_max` milliseconds is free again.
    pub fn new(clock: Clock, live_ms_max: u64) -> Locks {
        Locks { clock, live_ms_max, table: Mutex::default() }
    }

    /// Locks or renews; returns those of `queues` that the client holds now.
    pub fn lock_batch(&self, group: &str, queues: Vec<MessageQueue>, client_id: &str) -> Vec<MessageQueue> {
        let mut table = self.table.lock();
        // Read under the lock: a lock renewed while we waited must not seem to be younger than now.
        let now_ms = self.clock.monotonic_ms();
        let is_expired = |lock: &Lock| lock.is_older(self.live_ms_max, now_ms);
        let mut has_room = true;
        let lock = |queue: &MessageQueue| {
            let known = table.groups.get_mut(group).and_then(|locks| locks.get_mut(queue));
            if let Some(lock) = known {
                return take_over(lock, group, queue, client_id, now_ms, is_expired);
            }
            has_room = has_room && table.has_room(is_expired);
            if !has_room {
                return false;
            }
            tracing::info!(target: "broker::lock", "{group} {queue:?} locked by {client_id}");
            let lock = Lock { client_id: client_id.to_owned(), renewed_ms: now_ms };
            table.groups.entry(group.to_owned()).or_default().insert(queue.clone(), lock);
            table.count += 1;
            true
        };
        let locked = queues.into_iter().filter(lock).collect();
        if !has_room {
            tracing::warn!(target: "broker::lock", "{group} gets no more locks: there are {LOCKS_MAX}");
        }
        locked
    }

    /// Frees those of `queues` that the client holds.
    pub fn unlock_batch(&self, group: &str, queues: &[MessageQueue], client_id: &str) {
        let Table { groups, count } = &mut *self.table.lock();
        let Some(locks) = groups.get_mut(group) else {
            tracing::warn!(target: "broker::lock", "unlock of {group}, which holds no lock, by {client_id}");
            return;
        };
        for queue in queues {
            match locks.get(queue) {
                Some(lock) if lock.client_id == client_id => {
                    locks.remove(queue);
                    *count -= 1;
                    tracing::info!(target: "broker::lock", "{group} {queue:?} unlocked by {client_id}");
                }
                Some(lock) => {
                    let holder = &lock.client_id;
                    tracing::warn!(target: "broker::lock", "{group} {queue:?} is {holder}'s, not unlocked by {client_id}");
                }
                None => {
                    tracing::warn!(target: "broker::lock", "{group} {queue:?} is not locked, unlock by {client_id}");
                }
            }
        }
        if locks.is_empty() {
            groups.remove(group);
        }
    }

    /// Whether nobody consumes in order in this group.
    pub fn is_all_expired(&self, group: &str) -> bool {
        let table = self.table.lock();
        let now_ms = self.clock.monotonic_ms();
        let is_expired = |lock: &Lock| lock.is_older(self.live_ms_max, now_ms);
        table.groups.get(group).is_none_or(|locks| locks.values().all(is_expired))
    }
}

/// A lock that there is: whether the client holds it now.
fn take_over(
    lock: &mut Lock,
    group: &str,
    queue: &MessageQueue,
    client_id: &str,
    now_ms: u64,
    is_expired: impl Fn(&Lock) -> bool,
) -> bool {
    match lock {
        lock if lock.client_id == client_id => {
            lock.renewed_ms = now_ms;
            true
        }
        lock if is_expired(lock) => {
            let before = std::mem::replace(&mut lock.client_id, client_id.to_owned());
            lock.renewed_ms = now_ms;
            tracing::warn!(target: "broker::lock", "{group} {queue:?} passes from {before}, expired, to {client_id}");
            true
        }
        lock => {
            let holder = &lock.client_id;
            tracing::warn!(target: "broker::lock", "{group} {queue:?} is {holder}'s, not locked by {client_id}");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_lock_renewed_just_now_is_young_by_any_clock() {
        let lock = Lock { client_id: "a".into(), renewed_ms: 5 };
        assert!(!lock.is_older(LOCK_LIVE_MS_MAX, 4));
    }

    fn queues(ids: &[i32]) -> Vec<MessageQueue> {
        let queue = |id: &i32| MessageQueue { broker_name: "b".into(), queue_id: *id, topic: "t".into() };
        ids.iter().map(queue).collect()
    }

    #[test]
    fn a_lock_is_one_client_s_until_it_unlocks_or_expires() {
        let clock = Clock::test(0);
        let locks = Locks::new(clock.clone(), LOCK_LIVE_MS_MAX);
        assert!(locks.is_all_expired("g"));
        assert_eq!(locks.lock_batch("g", queues(&[0, 1]), "a"), queues(&[0, 1]));
        assert_eq!(locks.lock_batch("g", queues(&[1, 2]), "b"), queues(&[2]));
        assert_eq!(locks.lock_batch("other", queues(&[1]), "b"), queues(&[1]));

        locks.unlock_batch("g", &queues(&[0, 2]), "a");
        assert_eq!(locks.lock_batch("g", queues(&[0, 2]), "a"), queues(&[0]));
        assert_eq!(locks.lock_batch("g", queues(&[0]), "b"), []);

        clock.advance(Duration::from_millis(LOCK_LIVE_MS_MAX));
        assert_eq!(locks.lock_batch("g", queues(&[0]), "b"), [], "not yet expired");
        locks.lock_batch("g", queues(&[0]), "a");
        clock.advance(Duration::from_millis(LOCK_LIVE_MS_MAX));
        assert!(!locks.is_all_expired("g"));
        clock.advance(Duration::from_millis(1));
        assert!(locks.is_all_expired("g"));
        assert_eq!(locks.lock_batch("g", queues(&[0, 1, 2]), "c"), queues(&[0, 1, 2]));
    }

    #[test]
    fn there_are_so_many_locks() {
        let clock = Clock::test(0);
        let locks = Locks::new(clock.clone(), LOCK_LIVE_MS_MAX);
        let ids: Vec<i32> = (0..=LOCKS_MAX as i32).collect();
        assert_eq!(locks.lock_batch("g", queues(&ids), "a").len(), LOCKS_MAX);
        assert_eq!(locks.lock_batch("other", queues(&[0]), "b"), []);
        assert_eq!(locks.lock_batch("g", queues(&[0]), "a"), queues(&[0]), "renewed");
        locks.unlock_batch("g", &queues(&[1]), "a");
        assert_eq!(locks.lock_batch("other", queues(&[0, 1]), "b"), queues(&[0]));
        clock.advance(Duration::from_millis(LOCK_LIVE_MS_MAX + 1));
        assert_eq!(locks.lock_batch("another", queues(&[0, 1]), "b"), queues(&[0, 1]));
        assert_eq!(locks.table.lock().count, 2);
    }
}
