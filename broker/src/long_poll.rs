//! Requests that found nothing, and wait for a message or for their time to be up: pulls, and whatever else polls.
//! Java: `PullRequestHoldService`, `PopLongPollingService`.
//!
//! A request waits at a queue, or at a topic for any of its queues, and holds its call and what to run when it is woken.
//! That runs on its connection's own task, in turn with what comes in there:
//!
//! ```text
//! handler -- park --> shard of the topic: lists by queue -- messages_arrived (derive thread) --+
//!              |                                        `-- wake_grown (now and then) ----------+--> Resume
//!              `----> ledger: limits, deadlines --------- wake_expired (now and then) ----------+
//! ```
//!
//! The thread that derives queues takes one shard's lock at a time, and only to take requests out of one list. The ledger's
//! lock is another; neither is taken under the other.

mod ledger;
#[cfg(test)]
mod tests;

use crate::subscription::TagFilter;
use ledger::{Ledger, Ticket};
use parking_lot::Mutex;
use process::clock::Clock;
use remoting::{Body, Call, Outcome, Refusal, Taken, Work};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use store::{Arrived, MessageFilter};
use tokio::runtime::Handle;

/// Requests that may wait at a time; one more is answered at once. Bytes are what they hold, about.
#[derive(Clone, Copy, Debug)]
pub struct LongPollLimits {
    /// Requests at all queues together.
    pub requests_max: usize,
    /// Bytes of all requests together.
    pub bytes_max: usize,
    /// A client has one pull for each queue of each of its groups.
    pub requests_of_connection_max: usize,
    /// Bytes of one connection's requests.
    pub bytes_of_connection_max: usize,
    /// A queue has one pull for each group, or for each client of one that broadcasts. A message that comes may wake all of
    /// them at once.
    pub requests_at_queue_max: usize,
    /// Bytes of the requests at one queue.
    pub bytes_at_queue_max: usize,
}

impl Default for LongPollLimits {
    fn default() -> LongPollLimits {
        const MIB: usize = 1024 * 1024;
        LongPollLimits {
            requests_max: 1 << 20,
            bytes_max: 512 * MIB,
            requests_of_connection_max: 1 << 16,
            bytes_of_connection_max: 64 * MIB,
            requests_at_queue_max: 1 << 16,
            bytes_at_queue_max: 64 * MIB,
        }
    }
}

/// No request waits longer, whatever it asks for; Java's clients ask for 15 to 30 seconds. Those of closed connections are
/// forgotten by then.
const WAIT_MS_MAX: u64 = 120_000;
/// Locks that those who wait for different topics share.
const SHARDS: usize = 64;
/// Requests woken at a time; where there are more, others have their turn in between.
const WAKE_BATCH_MAX: usize = 256;
/// What a request costs beside what [`remoting::Command::memory_bytes`] says: its call, its place in a list and its
/// deadline.
const OVERHEAD_BYTES: usize = 300;

/// What a request does when it is woken, on its connection's task. `S` is what handlers work on.
pub type Resume<S> = Box<dyn FnOnce(&Arc<S>, &mut Call, Woken) -> Result<Outcome, Refusal> + Send>;

/// Where a request waits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Its messages wake the request.
    pub topic: Arc<str>,
    /// None: any queue's message wakes it.
    pub queue_id: Option<i32>,
}

/// What a request waits for.
pub struct Waiting<S> {
    /// It asked for messages from this queue offset on.
    pub offset: i64,
    /// It has seen that those before this one are not for it. For any queue both are 0.
    pub checked_to: i64,
    /// Which of the messages wake it.
    pub interest: Interest,
    /// What it does then.
    pub resume: Resume<S>,
}

/// Which messages wake a request.
pub enum Interest {
    /// Those with one of these tags.
    Tags(TagFilter),
    /// Any: whether it is one for the request takes a look at more than its tags, which is not for the thread that derives
    /// queues.
    Any,
}

impl Interest {
    fn is_in(&self, message: &Arrived<'_>) -> bool {
        match self {
            Interest::Tags(tags) => tags.matches_queue_entry(message.tags_code),
            Interest::Any => true,
        }
    }
}

/// Why a request is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is a message that it may be interested in.
    Arrived,
    /// Its queue has messages beyond where it asked, none of which woke it: it may go on behind them.
    Grown,
    /// It has waited as long as it asked for, or as it may.
    TimeUp,
}

/// A request's waking, and its right to wait for the rest of its time.
pub struct Woken {
    /// What woke it.
    pub why: Why,
    ticket: Ticket,
}

/// No room for one more request, or no time left.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

/// The requests that wait. `S` is what handlers work on.
pub struct LongPoll<S> {
    clock: Clock,
    /// Where requests run whose peers have no task, and where many are woken.
    runtime: Handle,
    limits: LongPollLimits,
    ledger: Arc<Ledger>,
    /// By topic.
    shards: Vec<Shard<S>>,
    hasher: RandomState,
    /// Which shard is tidied next.
    untidy: AtomicUsize,
}

struct Shard<S> {
    /// The thread that derives queues looks here first.
    waiting: AtomicUsize,
    topics: Mutex<HashMap<Arc<str>, Topic<S>>>,
}

struct Topic<S> {
    queues: HashMap<i32, List<S>>,
    any_queue: List<S>,
}

struct List<S> {
    parked: Vec<Parked<S>>,
    bytes: usize,
}

/// A request that waits: what tells whether a message wakes it, and the rest.
struct Parked<S> {
    id: u64,
    checked_to: i64,
    until_ms: u64,
    interest: Interest,
    held: Box<Held<S>>,
}

struct Held<S> {
    call: Call,
    offset: i64,
    resume: Resume<S>,
    ticket: Ticket,
}

type Taking<S> = Vec<Box<Held<S>>>;

impl<S: Send + Sync + 'static> LongPoll<S> {
    /// Nobody waits yet. Requests run on `runtime` whose peers have no task of their own.
    pub fn new(clock: Clock, runtime: Handle, limits: LongPollLimits) -> LongPoll<S> {
        let shard = || Shard { waiting: AtomicUsize::new(0), topics: Mutex::default() };
        LongPoll {
            clock,
            runtime,
            limits,
            ledger: Ledger::new(limits),
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            hasher: RandomState::new(),
            untidy: AtomicUsize::new(0),
        }
    }

    /// Requests that wait now.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.waiting.load(Ordering::SeqCst)).sum()
    }

    /// Whether no request waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Parks a request for `wait_ms`, and returns its id. The caller looks again afterwards whether a message came meanwhile,
    /// which woke nobody, and [wakes](Self::wake_one) the request then. Full where a limit is reached: the call is as
    /// it was.
    pub fn park(
        &self,
        call: &mut Call,
        wait_ms: u64,
        spot: &Spot,
        waiting: Waiting<S>,
    ) -> Result<(u64, Taken), Full> {
        let until_ms = self.clock.monotonic_ms() + wait_ms.min(WAIT_MS_MAX);
        let bytes = call.request.memory_bytes() - call.request.body.len() + OVERHEAD_BYTES;
        let ticket = self.ledger.enter(call.peer().id(), bytes, until_ms, spot)?;
        self.insert(call, spot, waiting, ticket)
    }

    /// Parks a request for the rest of its time. As with [`park`](Self::park) the caller looks again. Full if no time
    /// is left, or no room.
    pub fn park_again(
        &self,
        call: &mut Call,
        woken: Woken,
        spot: &Spot,
        waiting: Waiting<S>,
    ) -> Result<(u64, Taken), Full> {
        let deadline = woken.ticket.deadline();
        if woken.ticket.until_ms <= self.clock.monotonic_ms() {
            return Err(Full);
        }
        let parked = self.insert(call, spot, waiting, woken.ticket)?;
        // It may have come up while the request was in no list.
        self.ledger.renew(deadline, spot.clone());
        Ok(parked)
    }

    fn insert(
        &self,
        call: &mut Call,
        spot: &Spot,
        waiting: Waiting<S>,
        ticket: Ticket,
    ) -> Result<(u64, Taken), Full> {
        let shard = self.shard(&spot.topic);
        let mut topics = shard.topics.lock();
        let list = topics.entry(spot.topic.clone()).or_default().list(spot.queue_id);
        if list.parked.len() >= self.limits.requests_at_queue_max
            || list.bytes + ticket.bytes > self.limits.bytes_at_queue_max
        {
            drop(topics);
            drop(ticket);
            return Err(Full);
        }
        let (mut call, taken) = call.take();
        // It is none's that waits, and may be a bit of a large buffer.
        call.request.body = Body::default();
        let Waiting { offset, checked_to, interest, resume } = waiting;
        let (id, until_ms) = (ticket.id, ticket.until_ms);
        list.bytes += ticket.bytes;
        shard.waiting.fetch_add(1, Ordering::SeqCst);
        let held = Box::new(Held { call, offset, resume, ticket });
        list.parked.push(Parked { id, checked_to, until_ms, interest, held });
        drop(topics);
        fence(Ordering::SeqCst);
        Ok((id, taken))
    }

    /// Wakes the requests that these messages are for, asked after their queues have grown: either this sees a request that
    /// is being parked, or the look that follows the parking sees the queue's new end.
    pub fn messages_arrived(&self, state: &Arc<S>, messages: &[Arrived<'_>]) {
        fence(Ordering::SeqCst);
        if self.is_empty() {
            return;
        }
        let mut taken = Vec::new();
        for message in messages {
            let shard = self.shard(message.topic);
            if shard.waiting.load(Ordering::SeqCst) > 0 {
                shard.take_arrived(message, &mut taken);
            }
        }
        self.wake(state, Why::Arrived, taken);
    }

    /// Wakes one request, if it waits still.
    pub fn wake_one(&self, state: &Arc<S>, spot: &Spot, id: u64) {
        let taken = self.shard(&spot.topic).take(spot, |list| list.take_one(id));
        self.wake(state, Why::Arrived, taken);
    }

    /// Wakes the requests whose queue has come beyond where they asked. `max_offset` tells a queue's end.
    pub fn wake_grown(&self, state: &Arc<S>, max_offset: impl Fn(&str, i32) -> i64) {
        for shard in self.shards.iter().filter(|shard| shard.waiting.load(Ordering::SeqCst) > 0) {
            for (spot, queue_id) in shard.queues() {
                let max_offset = max_offset(&spot.topic, queue_id);
                let is_behind = |parked: &Parked<S>| max_offset > parked.held.offset;
                let taken = shard.take(&spot, |list| list.take(is_behind));
                self.wake(state, Why::Grown, taken);
            }
        }
    }

    /// Wakes the requests whose time is up.
    pub fn wake_expired(&self, state: &Arc<S>) {
        let now_ms = self.clock.monotonic_ms();
        for spot in self.ledger.take_due(now_ms) {
            let is_due = |parked: &Parked<S>| parked.until_ms <= now_ms;
            let taken = self.shard(&spot.topic).take(&spot, |list| list.take(is_due));
            self.wake(state, Why::TimeUp, taken);
        }
        let next = self.untidy.fetch_add(1, Ordering::Relaxed);
        self.shards[next % SHARDS].tidy();
    }

    /// Drops all requests: the broker stops.
    pub fn drop_all(&self) {
        for shard in &self.shards {
            let topics = std::mem::take(&mut *shard.topics.lock());
            let count: usize = topics.values().map(Topic::len).sum();
            shard.waiting.fetch_sub(count, Ordering::SeqCst);
        }
    }

    fn shard(&self, topic: &str) -> &Shard<S> {
        &self.shards[self.hasher.hash_one(topic) as usize % SHARDS]
    }

    fn wake(&self, state: &Arc<S>, why: Why, taken: Taking<S>) {
        let mut taken = taken.into_iter();
        for held in taken.by_ref().take(WAKE_BATCH_MAX) {
            held.resume(state, &self.runtime, why);
        }
        if taken.len() == 0 {
            return;
        }
        let (state, runtime) = (state.clone(), self.runtime.clone());
        self.runtime.spawn(async move {
            while taken.len() > 0 {
                tokio::task::yield_now().await;
                for held in taken.by_ref().take(WAKE_BATCH_MAX) {
                    held.resume(&state, &runtime, why);
                }
            }
        });
    }
}

impl<S: Send + Sync + 'static> Held<S> {
    /// On the connection's task; a peer without one has the request run on the runtime.
    fn resume(self: Box<Self>, state: &Arc<S>, runtime: &Handle, why: Why) {
        let Held { call, resume, ticket, .. } = *self;
        let state = state.clone();
        let work = Work::new(call, move |call| resume(&state, call, Woken { why, ticket }));
        if let Err(work) = work.run_on_connection() {
            runtime.spawn(async move { work.run() });
        }
    }
}

impl<S> Shard<S> {
    /// Takes requests out of one list.
    fn take(&self, spot: &Spot, take: impl FnOnce(&mut List<S>) -> Taking<S>) -> Taking<S> {
        let mut topics = self.topics.lock();
        let list = topics.get_mut(&spot.topic).and_then(|topic| topic.existing(spot.queue_id));
        let taken = list.map(take).unwrap_or_default();
        self.waiting.fetch_sub(taken.len(), Ordering::SeqCst);
        taken
    }

    fn take_arrived(&self, message: &Arrived<'_>, into: &mut Taking<S>) {
        let is_for =
            |parked: &Parked<S>| message.max_offset > parked.checked_to && parked.interest.is_in(message);
        let mut topics = self.topics.lock();
        let Some(topic) = topics.get_mut(message.topic) else { return };
        let before = into.len();
        if let Some(list) = topic.queues.get_mut(&message.queue_id) {
            list.take_into(into, is_for);
        }
        topic.any_queue.take_into(into, is_for);
        self.waiting.fetch_sub(into.len() - before, Ordering::SeqCst);
    }

    /// The queues that requests wait at.
    fn queues(&self) -> Vec<(Spot, i32)> {
        let topics = self.topics.lock();
        let mut queues = Vec::new();
        for (topic, lists) in &*topics {
            let waited_at = lists.queues.iter().filter(|(_, list)| !list.parked.is_empty());
            queues.extend(
                waited_at.map(|(queue_id, _)| {
                    (Spot { topic: topic.clone(), queue_id: Some(*queue_id) }, *queue_id)
                }),
            );
        }
        queues
    }

    /// Forgets lists that nobody is in. Not at once: most have somebody again soon.
    fn tidy(&self) {
        self.topics.lock().retain(|_, topic| {
            topic.queues.retain(|_, list| !list.parked.is_empty());
            topic.len() > 0
        });
    }
}

impl<S> Topic<S> {
    fn list(&mut self, queue_id: Option<i32>) -> &mut List<S> {
        match queue_id {
            Some(queue_id) => self.queues.entry(queue_id).or_default(),
            None => &mut self.any_queue,
        }
    }

    fn existing(&mut self, queue_id: Option<i32>) -> Option<&mut List<S>> {
        match queue_id {
            Some(queue_id) => self.queues.get_mut(&queue_id),
            None => Some(&mut self.any_queue),
        }
    }

    fn len(&self) -> usize {
        self.any_queue.parked.len() + self.queues.values().map(|list| list.parked.len()).sum::<usize>()
    }
}

impl<S> List<S> {
    fn take(&mut self, is_wanted: impl FnMut(&Parked<S>) -> bool) -> Taking<S> {
        let mut taken = Taking::new();
        self.take_into(&mut taken, is_wanted);
        taken
    }

    fn take_into(&mut self, into: &mut Taking<S>, mut is_wanted: impl FnMut(&Parked<S>) -> bool) {
        let List { parked, bytes } = self;
        into.extend(parked.extract_if(.., |parked| is_wanted(parked)).map(|parked| {
            *bytes -= parked.held.ticket.bytes;
            parked.held
        }));
    }

    /// It is the last one, if nobody came since.
    fn take_one(&mut self, id: u64) -> Taking<S> {
        let at = self.parked.iter().rposition(|parked| parked.id == id);
        let taken = at.map(|at| self.parked.remove(at).held);
        self.bytes -= taken.as_ref().map_or(0, |held| held.ticket.bytes);
        taken.into_iter().collect()
    }
}

impl<S> Default for Topic<S> {
    fn default() -> Topic<S> {
        Topic { queues: HashMap::new(), any_queue: List::default() }
    }
}

impl<S> Default for List<S> {
    fn default() -> List<S> {
        List { parked: Vec::new(), bytes: 0 }
    }
}
