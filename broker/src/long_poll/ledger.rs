//! Who may wait, and until when: the limits of a [`LongPoll`](super::LongPoll) and its deadlines, in order.

use super::{Full, LongPollLimits, Spot};
use parking_lot::Mutex;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Deadlines looked at under the lock at a time.
const DUE_BATCH_MAX: usize = 1024;

#[derive(Default)]
pub(super) struct Ledger {
    limits: LongPollLimits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next_id: u64,
    all: Usage,
    /// By [`remoting::Peer::id`].
    connections: HashMap<u64, Usage>,
    /// By time and ticket. One that has passed is taken out, whether or not its request still waits.
    deadlines: BTreeMap<Deadline, Spot>,
}

/// Milliseconds on the monotonic clock, and a ticket's id.
type Deadline = (u64, u64);

#[derive(Clone, Copy, Default)]
struct Usage {
    requests: usize,
    bytes: usize,
}

impl Usage {
    fn and(self, bytes: usize) -> Usage {
        Usage { requests: self.requests + 1, bytes: self.bytes + bytes }
    }

    fn without(self, bytes: usize) -> Usage {
        Usage { requests: self.requests - 1, bytes: self.bytes - bytes }
    }
}

/// A request's right to wait; dropped, it leaves room for another.
pub(super) struct Ticket {
    ledger: Arc<Ledger>,
    pub id: u64,
    /// On the monotonic clock.
    pub until_ms: u64,
    pub bytes: usize,
    peer_id: u64,
}

impl Ticket {
    pub fn deadline(&self) -> Deadline {
        (self.until_ms, self.id)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.ledger.state.lock();
        state.all = state.all.without(self.bytes);
        if let Entry::Occupied(mut connection) = state.connections.entry(self.peer_id) {
            let left = connection.get().without(self.bytes);
            match left.requests {
                0 => drop(connection.remove()),
                _ => *connection.get_mut() = left,
            }
        }
        let spot = state.deadlines.remove(&self.deadline());
        drop(state);
        drop(spot);
    }
}

impl Ledger {
    pub fn new(limits: LongPollLimits) -> Arc<Ledger> {
        Arc::new(Ledger { limits, ..Ledger::default() })
    }

    /// Counts a request in, until the ticket is dropped; full where a limit is reached.
    pub fn enter(
        self: &Arc<Ledger>,
        peer_id: u64,
        bytes: usize,
        until_ms: u64,
        spot: &Spot,
    ) -> Result<Ticket, Full> {
        let limits = &self.limits;
        let mut state = self.state.lock();
        let all = state.all.and(bytes);
        let connection = state.connections.get(&peer_id).copied().unwrap_or_default().and(bytes);
        if all.requests > limits.requests_max
            || all.bytes > limits.bytes_max
            || connection.requests > limits.requests_of_connection_max
            || connection.bytes > limits.bytes_of_connection_max
        {
            return Err(Full);
        }
        state.all = all;
        state.connections.insert(peer_id, connection);
        state.next_id += 1;
        let ticket = Ticket { ledger: self.clone(), id: state.next_id, until_ms, bytes, peer_id };
        state.deadlines.insert(ticket.deadline(), spot.clone());
        Ok(ticket)
    }

    /// Has a deadline come up that may have passed meanwhile.
    pub fn renew(&self, deadline: Deadline, spot: Spot) {
        self.state.lock().deadlines.insert(deadline, spot);
    }

    /// Takes the deadlines that have passed. Where requests wait that they are of.
    pub fn take_due(&self, now_ms: u64) -> BTreeSet<Spot> {
        let mut spots = BTreeSet::new();
        loop {
            let mut state = self.state.lock();
            for _ in 0..DUE_BATCH_MAX {
                let Some(first) = state.deadlines.first_entry() else { return spots };
                if first.key().0 > now_ms {
                    return spots;
                }
                spots.insert(first.remove());
            }
        }
    }

    /// Requests that have a ticket, and deadlines.
    #[cfg(test)]
    pub fn len(&self) -> (usize, usize) {
        let state = self.state.lock();
        assert_eq!(state.connections.values().map(|usage| usage.requests).sum::<usize>(), state.all.requests);
        assert_eq!(state.connections.values().map(|usage| usage.bytes).sum::<usize>(), state.all.bytes);
        (state.all.requests, state.deadlines.len())
    }
}
