use super::*;
use remoting::{Command, ExtFields, Peer, RequestCode, ResponseCode};
use std::sync::atomic::AtomicI64;
use std::time::Duration;

/// What was woken, and why, by name.
#[derive(Default)]
struct State {
    woken: Mutex<Vec<(&'static str, Why)>>,
}

struct Lab {
    clock: Clock,
    long_poll: Arc<LongPoll<State>>,
    state: Arc<State>,
}

impl Lab {
    fn new(limits: LongPollLimits) -> Lab {
        let clock = Clock::test(0);
        let long_poll = Arc::new(LongPoll::new(clock.clone(), Handle::current(), limits));
        Lab { clock, long_poll, state: Arc::default() }
    }

    fn park(&self, peer: &Arc<Peer>, at: &Spot, offset: i64, interest: Interest) -> Result<u64, Full> {
        self.park_as("it", peer, at, offset, interest, 100)
    }

    fn park_as(
        &self,
        name: &'static str,
        peer: &Arc<Peer>,
        at: &Spot,
        offset: i64,
        interest: Interest,
        wait_ms: u64,
    ) -> Result<u64, Full> {
        let resume: Resume<State> = Box::new(move |state, _, woken| {
            state.woken.lock().push((name, woken.why));
            Ok(Outcome::Now(Command::success()))
        });
        let waiting = Waiting { offset, checked_to: offset, interest, resume };
        let parked = self.long_poll.park(&mut call(peer), wait_ms, at, waiting);
        parked.map(|(id, _)| id)
    }

    fn arrive(&self, messages: &[Arrived<'_>]) {
        self.long_poll.messages_arrived(&self.state, messages);
    }

    /// Names and reasons of those woken since, in order of names.
    async fn woken(&self) -> Vec<(&'static str, Why)> {
        // The runtime has one thread: what was spawned runs before this goes on.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let mut woken = std::mem::take(&mut *self.state.woken.lock());
        woken.sort_by_key(|(name, _)| *name);
        woken
    }

    fn pass(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
        self.long_poll.wake_expired(&self.state);
    }

    /// Nobody waits, and nothing is left of those who did but lists without anybody.
    fn is_clean(&self) -> bool {
        self.long_poll.is_empty() && self.long_poll.ledger.len().0 == 0
    }
}

fn call(peer: &Arc<Peer>) -> Call {
    Call::new(peer, Command::request(RequestCode::PULL_MESSAGE, ExtFields::empty()))
}

fn queue(queue_id: i32) -> Spot {
    Spot { topic: "t".into(), queue_id: Some(queue_id) }
}

fn whole_topic() -> Spot {
    Spot { topic: "t".into(), queue_id: None }
}

fn tags(expression: &str) -> Interest {
    Interest::Tags(TagFilter::parse(Some(expression)).unwrap())
}

fn message(queue_id: i32, max_offset: i64, tags_code: i64) -> Arrived<'static> {
    Arrived { topic: "t", queue_id, max_offset, tags_code, store_timestamp_ms: 0, properties: "" }
}

/// The hash code of `TagA`.
const TAG_A: i64 = 2598919;

#[tokio::test]
async fn a_message_wakes_those_it_is_for() {
    let (lab, peer) = (Lab::new(LongPollLimits::default()), Peer::detached());
    for (name, at, offset, interest) in [
        ("a", queue(0), 5, tags("*")),
        ("b", queue(0), 6, tags("TagA")),
        ("c", queue(0), 9, tags("*")),
        ("d", queue(1), 1, tags("*")),
        ("e", queue(0), 7, Interest::Any),
        ("f", whole_topic(), 0, Interest::Any),
    ] {
        lab.park_as(name, &peer, &at, offset, interest, 100).unwrap();
    }
    lab.arrive(&[message(0, 5, TAG_A)]);
    assert_eq!(lab.woken().await, [("f", Why::Arrived)]);
    lab.arrive(&[message(0, 7, 1)]);
    assert_eq!(lab.woken().await, [("a", Why::Arrived)]);
    lab.arrive(&[message(0, 7, 1), message(0, 8, TAG_A)]);
    assert_eq!(lab.woken().await, [("b", Why::Arrived), ("e", Why::Arrived)]);
    assert_eq!(lab.long_poll.len(), 2);
    lab.long_poll.wake_grown(&lab.state, |topic, queue_id| {
        assert_eq!(topic, "t");
        if queue_id == 0 { 9 } else { 2 }
    });
    assert_eq!(lab.woken().await, [("d", Why::Grown)]);
    lab.long_poll.drop_all();
    assert!(lab.woken().await.is_empty() && lab.is_clean());
}

#[tokio::test]
async fn one_is_woken_by_its_id() {
    let (lab, peer) = (Lab::new(LongPollLimits::default()), Peer::detached());
    lab.park_as("a", &peer, &queue(0), 5, tags("*"), 100).unwrap();
    let id = lab.park_as("b", &peer, &queue(0), 5, tags("TagA"), 100).unwrap();
    lab.park_as("c", &peer, &queue(0), 5, tags("*"), 100).unwrap();
    lab.long_poll.wake_one(&lab.state, &queue(0), id);
    lab.long_poll.wake_one(&lab.state, &queue(0), id);
    lab.long_poll.wake_one(&lab.state, &queue(1), id);
    assert_eq!(lab.woken().await, [("b", Why::Arrived)]);
    assert_eq!(lab.long_poll.len(), 2);
}

#[tokio::test]
async fn the_others_leave_when_their_time_is_up() {
    let (lab, peer) = (Lab::new(LongPollLimits::default()), Peer::detached());
    lab.park_as("a", &peer, &queue(0), 1, tags("*"), 100).unwrap();
    lab.park_as("b", &peer, &queue(0), 2, tags("*"), 200).unwrap();
    lab.park_as("c", &peer, &whole_topic(), 0, tags("*"), 200).unwrap();
    lab.park_as("long", &peer, &queue(0), 3, tags("*"), u64::MAX).unwrap();
    lab.pass(99);
    assert!(lab.woken().await.is_empty());
    lab.pass(1);
    assert_eq!(lab.woken().await, [("a", Why::TimeUp)]);
    lab.pass(100);
    assert_eq!(lab.woken().await, [("b", Why::TimeUp), ("c", Why::TimeUp)]);
    lab.pass(WAIT_MS_MAX - 201);
    assert!(lab.woken().await.is_empty());
    lab.pass(1);
    assert_eq!(lab.woken().await, [("long", Why::TimeUp)]);
    assert!(lab.is_clean());
}

/// No request is looked at before its time, however many wait: deadlines stand in order.
#[tokio::test]
async fn a_woken_request_leaves_no_deadline_behind() {
    let (lab, peer) = (Lab::new(LongPollLimits::default()), Peer::detached());
    for _ in 0..3 {
        for queue_id in 0..1000 {
            lab.park(&peer, &queue(queue_id), 0, tags("*")).unwrap();
        }
        let messages: Vec<_> = (0..1000).map(|queue_id| message(queue_id, 1, 0)).collect();
        lab.arrive(&messages);
        while lab.state.woken.lock().len() < 1000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(lab.woken().await.len(), 1000);
        assert_eq!(lab.long_poll.ledger.len(), (0, 0));
    }
    let lists = || lab.long_poll.shards.iter().map(|shard| shard.topics.lock().len()).sum::<usize>();
    assert_eq!(lists(), 1);
    for _ in 0..SHARDS {
        lab.long_poll.wake_expired(&lab.state);
    }
    assert_eq!(lists(), 0, "lists are forgotten in the end");
}

#[tokio::test]
async fn there_is_room_for_so_many() {
    let peers = [Peer::detached(), Peer::detached(), Peer::detached()];
    let of = |limits: LongPollLimits| Lab::new(limits);
    let none = LongPollLimits::default();

    let lab = of(LongPollLimits { requests_max: 2, ..none });
    assert!(lab.park(&peers[0], &queue(0), 5, tags("*")).is_ok());
    assert!(lab.park(&peers[1], &queue(1), 5, tags("*")).is_ok());
    assert_eq!(lab.park(&peers[2], &queue(2), 5, tags("*")), Err(Full));
    lab.arrive(&[message(0, 6, 0)]);
    assert_eq!(lab.woken().await.len(), 1);
    assert!(lab.park(&peers[2], &queue(2), 5, tags("*")).is_ok());

    let lab = of(LongPollLimits { requests_of_connection_max: 1, ..none });
    assert!(lab.park(&peers[0], &queue(0), 5, tags("*")).is_ok());
    assert_eq!(lab.park(&peers[0], &queue(1), 5, tags("*")), Err(Full));
    assert!(lab.park(&peers[1], &queue(1), 5, tags("*")).is_ok());

    let lab = of(LongPollLimits { requests_at_queue_max: 1, ..none });
    assert!(lab.park(&peers[0], &queue(0), 5, tags("*")).is_ok());
    assert_eq!(lab.park(&peers[1], &queue(0), 5, tags("*")), Err(Full));
    assert!(lab.park(&peers[1], &queue(1), 5, tags("*")).is_ok());
    assert_eq!(lab.long_poll.ledger.len(), (2, 2), "who is turned away at the queue has no ticket");
}

#[tokio::test]
async fn there_is_room_for_so_many_bytes() {
    const BODY_BYTES: usize = 1 << 20;
    let peer = Peer::detached();
    let call = |text_bytes: usize| {
        let mut ext = ExtFields::empty();
        ext.push("subscription", "x".repeat(text_bytes));
        let request = Command::request(RequestCode::PULL_MESSAGE, ext).with_body(vec![0; BODY_BYTES]);
        Call::new(&peer, request)
    };
    let bytes = |text_bytes| call(text_bytes).request.memory_bytes() - BODY_BYTES + OVERHEAD_BYTES;
    let (small, large) = (1000, 10_000);
    assert!(bytes(large) > 2 * bytes(small));
    for limits in [
        LongPollLimits { bytes_max: 2 * bytes(small), ..LongPollLimits::default() },
        LongPollLimits { bytes_of_connection_max: 2 * bytes(small), ..LongPollLimits::default() },
        LongPollLimits { bytes_at_queue_max: 2 * bytes(small), ..LongPollLimits::default() },
    ] {
        let lab = Lab::new(limits);
        let park = |text_bytes| {
            let resume: Resume<State> = Box::new(|_, call, _| {
                assert!(call.request.body.is_empty(), "a body is not kept");
                Ok(Outcome::Silent)
            });
            let waiting = Waiting { offset: 0, checked_to: 0, interest: tags("*"), resume };
            lab.long_poll.park(&mut call(text_bytes), 100, &queue(0), waiting).map(drop)
        };
        assert_eq!(park(large), Err(Full));
        assert_eq!([park(small), park(small), park(small)], [Ok(()), Ok(()), Err(Full)]);
        lab.pass(100);
        lab.woken().await;
        assert!(lab.is_clean());
        assert_eq!(park(small), Ok(()));
    }
}

#[tokio::test]
async fn many_are_woken_in_turns_with_others() {
    let (lab, peer) = (Lab::new(LongPollLimits::default()), Peer::detached());
    let many = 4 * WAKE_BATCH_MAX;
    for _ in 0..many {
        lab.park(&peer, &queue(0), 0, tags("*")).unwrap();
    }
    lab.arrive(&[message(0, 1, 0)]);
    assert_eq!(lab.long_poll.len(), 0, "all are taken");
    tokio::task::yield_now().await;
    let first = lab.state.woken.lock().len();
    assert!(first <= 2 * WAKE_BATCH_MAX, "{first} at once");
    while lab.state.woken.lock().len() < many {
        tokio::task::yield_now().await;
    }
    assert!(lab.is_clean());
}

/// A message that comes while a request is being parked wakes it all the same: one of the two sees the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_is_missed() {
    const ROUNDS: i64 = 20_000;
    let (lab, peer) = (Lab::new(LongPollLimits::default()), Peer::detached());
    let (end, turn) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let (long_poll, state) = (lab.long_poll.clone(), lab.state.clone());
    let derive = std::thread::spawn({
        let (end, turn) = (end.clone(), turn.clone());
        move || {
            for round in 1..=ROUNDS {
                while turn.load(Ordering::Relaxed) < round {
                    std::hint::spin_loop();
                }
                end.store(round, Ordering::Release);
                long_poll.messages_arrived(&state, &[message(0, round, 0)]);
            }
        }
    });
    for round in 1..=ROUNDS {
        turn.store(round, Ordering::Relaxed);
        let offset = round - 1;
        let id = lab.park(&peer, &queue(0), offset, tags("*")).unwrap();
        if end.load(Ordering::Acquire) > offset {
            lab.long_poll.wake_one(&lab.state, &queue(0), id);
        }
    }
    derive.join().unwrap();
    assert_eq!(lab.long_poll.len(), 0);
    while lab.state.woken.lock().len() < ROUNDS as usize {
        tokio::task::yield_now().await;
    }
}

/// A request that looks itself waits on until it has found something or its time is up.
#[tokio::test]
async fn parked_again() {
    let lab = Lab::new(LongPollLimits::default());
    let (sent, replies) = std::sync::mpsc::channel();
    let sent = Mutex::new(sent);
    let sink = move |reply: Command| sent.lock().send(reply.response_code()).unwrap();
    let peer = Peer::in_process(([127, 0, 0, 1], 0).into(), Box::new(sink), None);

    /// Is content with the message at `wanted`.
    fn search(long_poll: Arc<LongPoll<State>>, checked_to: i64, wanted: i64) -> Waiting<State> {
        let resume: Resume<State> = Box::new(move |state, call, woken| {
            state.woken.lock().push(("it", woken.why));
            if woken.why != Why::Arrived {
                return Ok(Outcome::Now(Command::response(ResponseCode::PULL_NOT_FOUND)));
            }
            if checked_to == wanted {
                return Ok(Outcome::Now(Command::success()));
            }
            let again = search(long_poll.clone(), checked_to + 1, wanted);
            match long_poll.park_again(call, woken, &queue(0), again) {
                Ok((_, taken)) => Ok(Outcome::Later(taken)),
                Err(Full) => Ok(Outcome::Now(Command::response(ResponseCode::PULL_NOT_FOUND))),
            }
        });
        Waiting { offset: 0, checked_to, interest: Interest::Any, resume }
    }
    let park = || {
        let waiting = search(lab.long_poll.clone(), 0, 2);
        lab.long_poll.park(&mut call(&peer), 100, &queue(0), waiting).unwrap()
    };

    drop(park());
    for max_offset in 1..3 {
        lab.arrive(&[message(0, max_offset, 0)]);
        lab.arrive(&[message(0, max_offset, 0)]);
        assert_eq!(lab.woken().await, [("it", Why::Arrived)], "each message once");
        assert_eq!((lab.long_poll.len(), lab.long_poll.ledger.len()), (1, (1, 1)));
        assert!(replies.try_recv().is_err());
    }
    lab.arrive(&[message(0, 3, 0)]);
    lab.woken().await;
    assert_eq!(replies.try_recv(), Ok(ResponseCode::SUCCESS));
    assert!(lab.is_clean());

    drop(park());
    lab.pass(60);
    lab.arrive(&[message(0, 1, 0)]);
    assert_eq!(lab.woken().await, [("it", Why::Arrived)]);
    lab.pass(40);
    assert_eq!(lab.woken().await, [("it", Why::TimeUp)], "it keeps its deadline");
    assert_eq!(replies.try_recv(), Ok(ResponseCode::PULL_NOT_FOUND));
    assert!(lab.is_clean());

    // Its time is up while it is in no list.
    drop(park());
    lab.arrive(&[message(0, 1, 0)]);
    lab.pass(100);
    lab.woken().await;
    assert_eq!(replies.try_recv(), Ok(ResponseCode::PULL_NOT_FOUND));
    assert_eq!((lab.is_clean(), lab.long_poll.ledger.len()), (true, (0, 0)));
}
