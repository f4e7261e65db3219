//! Telling a consumer group's clients that the group has changed, so that they share its queues anew. Java:
//! `DefaultConsumerIdsChangeListener`, `Broker2Client.notifyConsumerIdsChanged`.

use parking_lot::Mutex;
use remoting::header::client::ConsumerGroupRequestHeader;
use remoting::{Command, Peer, RequestCode};
use std::collections::HashSet;
use std::sync::Arc;

/// Where changes are told in rounds: from the start to the first one, and from one to the next.
pub(super) const FIRST_ROUND_MS: u64 = 30_000;
pub(super) const ROUND_MS: u64 = 15_000;

/// Tells the clients of a group that it has changed. Collected under the table's lock, sent without it.
#[must_use = "the clients are not told yet"]
pub struct Notice {
    pub(super) group: String,
    pub(super) peers: Vec<Arc<Peer>>,
}

impl Notice {
    /// Sends it, and waits for nothing: a client that does not get it asks by itself, later.
    pub fn send(self) {
        let header = ConsumerGroupRequestHeader { consumer_group: Some(&self.group), ..Default::default() };
        for peer in &self.peers {
            peer.send_oneway(Command::request(RequestCode::NOTIFY_CONSUMER_IDS_CHANGED, header.encode()));
        }
    }
}

/// Groups that have changed since the last round.
pub(super) struct Rounds(Mutex<State>);

struct State {
    changed: HashSet<String>,
    /// On the monotonic clock.
    next_ms: u64,
}

impl Rounds {
    pub(super) fn new(now_ms: u64) -> Rounds {
        Rounds(Mutex::new(State { changed: HashSet::new(), next_ms: now_ms + FIRST_ROUND_MS }))
    }

    pub(super) fn note(&self, group: &str) {
        let mut state = self.0.lock();
        if !state.changed.contains(group) {
            state.changed.insert(group.to_owned());
        }
    }

    /// The groups to tell now: none between rounds.
    pub(super) fn take_due(&self, now_ms: u64) -> HashSet<String> {
        let mut state = self.0.lock();
        if now_ms < state.next_ms {
            return HashSet::new();
        }
        state.next_ms = now_ms + ROUND_MS;
        std::mem::take(&mut state.changed)
    }
}
