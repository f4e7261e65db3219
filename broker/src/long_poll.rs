//! Pulls that found nothing, and wait for a message or for their time to be up. Java: `PullRequestHoldService`.

use crate::subscription::PullFilter;
use parking_lot::Mutex;
use process::clock::Clock;
use remoting::Call;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

/// Pulls that may wait at a time; more are answered at once.
const PARKED_PULLS_MAX: usize = 1 << 20;

/// One pull that waits.
pub struct Parked {
    pub call: Call,
    /// Waits for a message at this queue offset.
    pub offset: i64,
    pub filter: PullFilter,
    /// On the monotonic clock.
    pub until_ms: u64,
}

/// A new message, or only a new max offset.
#[derive(Clone, Copy)]
pub struct Arrival<'a> {
    pub topic: &'a str,
    pub queue_id: i32,
    pub max_offset: i64,
    /// Tags code and properties.
    pub message: Option<(i64, &'a str)>,
}

pub struct LongPoll {
    clock: Clock,
    /// By topic, then by queue id.
    topics: Mutex<HashMap<String, HashMap<i32, Vec<Parked>>>>,
    /// Of all topics: the derive thread looks here first.
    count: AtomicUsize,
    parked_pulls_max: usize,
}

impl LongPoll {
    pub fn new(clock: Clock) -> LongPoll {
        let (topics, count) = (Mutex::default(), AtomicUsize::new(0));
        LongPoll { clock, topics, count, parked_pulls_max: PARKED_PULLS_MAX }
    }

    /// Pulls that wait now.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn is_full(&self) -> bool {
        self.len() >= self.parked_pulls_max
    }

    /// Parks a pull. The caller looks again afterwards whether a message came meanwhile.
    pub fn park(&self, topic: &str, queue_id: i32, parked: Parked) {
        self.count.fetch_add(1, Ordering::SeqCst);
        let mut topics = self.topics.lock();
        if !topics.contains_key(topic) {
            topics.insert(topic.to_owned(), HashMap::new());
        }
        if let Some(queues) = topics.get_mut(topic) {
            queues.entry(queue_id).or_default().push(parked);
        }
        drop(topics);
        fence(Ordering::SeqCst);
    }

    /// Whether nobody waits, asked after a queue has grown: either this sees a pull that is being parked, or the look
    /// that follows the parking sees the queue's new end.
    pub fn is_empty_after_growth(&self) -> bool {
        fence(Ordering::SeqCst);
        self.is_empty()
    }

    /// Takes the pulls that these messages are for.
    pub fn take_woken<'a>(&self, arrivals: impl IntoIterator<Item = Arrival<'a>>) -> Vec<Parked> {
        let mut woken = Vec::new();
        if self.is_empty() {
            return woken;
        }
        let mut topics = self.topics.lock();
        for arrival in arrivals {
            let Some(queue) = topics.get_mut(arrival.topic).and_then(|q| q.get_mut(&arrival.queue_id)) else {
                continue;
            };
            let is_for = |parked: &mut Parked| {
                arrival.max_offset > parked.offset
                    && arrival.message.is_none_or(|(tags, text)| parked.filter.matches_arrival(tags, text))
            };
            woken.extend(queue.extract_if(.., is_for));
        }
        self.count.fetch_sub(woken.len(), Ordering::SeqCst);
        woken
    }

    /// The queues that pulls wait for.
    pub fn queues(&self) -> Vec<(String, i32)> {
        let topics = self.topics.lock();
        let of_topic = |(topic, queues): (&String, &HashMap<i32, Vec<Parked>>)| {
            queues.keys().map(|queue_id| (topic.clone(), *queue_id)).collect::<Vec<_>>()
        };
        topics.iter().flat_map(of_topic).collect()
    }

    /// Takes the pulls whose time is up, and forgets those whose connection is gone.
    pub fn take_expired(&self) -> Vec<Parked> {
        let mut expired = Vec::new();
        if self.is_empty() {
            return expired;
        }
        let now_ms = self.clock.monotonic_ms();
        let mut gone = 0;
        self.topics.lock().retain(|_, queues| {
            queues.retain(|_, queue| {
                let before = queue.len();
                queue.retain(|parked| parked.call.peer().is_open());
                gone += before - queue.len();
                expired.extend(queue.extract_if(.., |parked| parked.until_ms <= now_ms));
                !queue.is_empty()
            });
            !queues.is_empty()
        });
        self.count.fetch_sub(expired.len() + gone, Ordering::SeqCst);
        expired
    }

    /// Takes all: the broker stops, or a master has come. Java: `notifyMasterOnline`.
    pub fn take_all(&self) -> Vec<Parked> {
        let topics = std::mem::take(&mut *self.topics.lock());
        let all: Vec<_> = topics.into_values().flat_map(HashMap::into_values).flatten().collect();
        self.count.fetch_sub(all.len(), Ordering::SeqCst);
        all
    }

    pub fn now_ms(&self) -> u64 {
        self.clock.monotonic_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscription::TagFilter;
    use remoting::{Command, ExtFields, Peer, RequestCode};
    use std::time::Duration;

    fn parked(offset: i64, tags: &str, until_ms: u64) -> Parked {
        Parked {
            call: Call::new(
                &Peer::detached(),
                Command::request(RequestCode::PULL_MESSAGE, ExtFields::empty()),
            ),
            offset,
            filter: PullFilter::Tags(TagFilter::parse(Some(tags)).unwrap()),
            until_ms,
        }
    }

    fn arrival(max_offset: i64, tags_code: Option<i64>) -> Arrival<'static> {
        Arrival { topic: "t", queue_id: 0, max_offset, message: tags_code.map(|code| (code, "")) }
    }

    fn offsets(mut parked: Vec<Parked>) -> Vec<i64> {
        parked.sort_by_key(|p| p.offset);
        parked.iter().map(|p| p.offset).collect()
    }

    #[test]
    fn a_message_wakes_those_it_is_for() {
        let long_poll = LongPoll::new(Clock::test(0));
        long_poll.park("t", 0, parked(5, "*", 100));
        long_poll.park("t", 0, parked(6, "TagA", 100));
        long_poll.park("t", 0, parked(9, "*", 100));
        long_poll.park("t", 1, parked(1, "*", 100));
        assert!(offsets(long_poll.take_woken([arrival(5, None)])).is_empty());
        assert_eq!(offsets(long_poll.take_woken([arrival(7, Some(1))])), [5]);
        assert_eq!(offsets(long_poll.take_woken([arrival(7, Some(1)), arrival(8, Some(2598919))])), [6]);
        assert_eq!(long_poll.len(), 2);
        let mut queues = long_poll.queues();
        queues.sort();
        assert_eq!(queues, [("t".to_owned(), 0), ("t".to_owned(), 1)]);
        assert_eq!(offsets(long_poll.take_all()), [1, 9]);
        assert!(long_poll.is_empty());
    }

    #[test]
    fn there_is_room_for_so_many() {
        let long_poll = LongPoll { parked_pulls_max: 2, ..LongPoll::new(Clock::test(0)) };
        long_poll.park("t", 0, parked(5, "*", 100));
        assert!(!long_poll.is_full());
        long_poll.park("t", 1, parked(5, "*", 100));
        assert!(long_poll.is_full());
        long_poll.take_woken([arrival(6, None)]);
        assert!(!long_poll.is_full());
    }

    #[test]
    fn the_others_leave_when_their_time_is_up() {
        let clock = Clock::test(0);
        let long_poll = LongPoll::new(clock.clone());
        long_poll.park("t", 0, parked(1, "*", 100));
        long_poll.park("t", 1, parked(2, "*", 200));
        clock.advance(Duration::from_millis(99));
        assert!(offsets(long_poll.take_expired()).is_empty());
        clock.advance(Duration::from_millis(1));
        assert_eq!(offsets(long_poll.take_expired()), [1]);
        let gone = parked(3, "*", 1000);
        gone.call.peer().close();
        long_poll.park("t", 0, gone);
        clock.advance(Duration::from_millis(100));
        assert_eq!(offsets(long_poll.take_expired()), [2]);
        assert!(long_poll.is_empty());
    }
}
