//! Each thread of the store panics: once, and again and again.

use std::sync::mpsc::channel;
use std::time::Duration;

use process::threads::PANICS_MAX;

use crate::testing::*;
use crate::{FlushDiskType, MessageStore, Policy, PutError, WaitOutcome, Waiter, WaitingRoom};

/// A store whose threads have something to do soon.
fn lively() -> Scratch {
    let mut scratch = Scratch::default();
    scratch.config.flush_disk_type = FlushDiskType::SyncFlush;
    scratch.config.flush_interval_consume_queue_ms = 2;
    scratch
}

struct Told(std::sync::mpsc::Sender<WaitOutcome>);

impl Waiter for Told {
    fn end(self, outcome: WaitOutcome) {
        self.0.send(outcome).unwrap();
    }
}

/// Appends, and waits as a producer does.
fn send(store: &MessageStore, room: &WaitingRoom<Told>) -> Result<WaitOutcome, PutError> {
    let end = store.append(&message("T", 0, b"x", "A"))?.end_offset();
    let policy = Policy { flushed_within: Some(Duration::from_secs(3600)), ..Policy::default() };
    let (sender, receiver) = channel();
    room.when_safe(end, policy, Told(sender));
    Ok(receiver.recv_timeout(DEADLINE).unwrap())
}

#[test]
fn a_thread_that_panics_once_goes_on() {
    for (name, point) in THREADS {
        let scratch = lively();
        let store = scratch.open();
        let room = WaitingRoom::new(&store);
        point(&store).arm(1);
        store.start(Box::new(|_| ())).unwrap();
        for _ in 0..3 {
            assert_eq!(send(&store, &room), Ok(WaitOutcome::Safe), "{name}");
        }
        wait_until(name, || {
            let counts = point(&store).counts();
            counts.to_come == 0 && counts.passed > 0
        });
        assert_eq!(send(&store, &room), Ok(WaitOutcome::Safe), "{name}");
        derived(&store);
        assert_eq!(drain(&store, "T", 0).len(), 4, "{name}");
        store.shutdown();
        assert!(!scratch.config.root().join("abort").exists(), "{name}: closed as it should be");
    }
}

#[test]
fn a_store_with_a_thread_that_cannot_go_on_takes_no_messages_and_says_so() {
    for (name, point) in THREADS {
        let scratch = lively();
        let store = scratch.open();
        let room = WaitingRoom::new(&store);
        point(&store).arm(u32::MAX);
        let (failed, failures) = channel();
        store.when_failed(Box::new(move |why| failed.send(why.to_owned()).unwrap()));
        store.start(Box::new(|_| ())).unwrap();
        let mut acknowledged = 0;
        let refused = loop {
            match send(&store, &room) {
                Ok(WaitOutcome::Safe) => acknowledged += 1,
                // Whoever waits when it happens is told.
                Ok(outcome) => assert_eq!(outcome, WaitOutcome::FlushDiskTimeout, "{name}"),
                Err(refused) => break refused,
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let why = failures.recv_timeout(DEADLINE).unwrap();
        assert_eq!(why, format!("the thread {name}: it has panicked: a panic for the test"));
        assert_eq!(refused, PutError::ServiceNotAvailable(why));
        assert_eq!(u32::MAX - point(&store).counts().to_come, PANICS_MAX, "{name}");
        store.shutdown();
        drop(store);
        // What was acknowledged is there for whoever opens the store.
        let store = scratch.start();
        derived(&store);
        assert!(drain(&store, "T", 0).len() >= acknowledged, "{name}");
    }
}

#[test]
fn a_listener_that_panics_holds_up_no_message() {
    let scratch = lively();
    let store = scratch.open();
    let room = WaitingRoom::new(&store);
    store.start(Box::new(|_| panic!("a clumsy listener"))).unwrap();
    for count in 1..=PANICS_MAX as usize + 2 {
        assert_eq!(send(&store, &room), Ok(WaitOutcome::Safe));
        derived(&store);
        assert_eq!(drain(&store, "T", 0).len(), count);
    }
}

#[test]
fn a_thread_that_ends_by_itself_is_no_better() {
    let scratch = lively();
    let store = scratch.start();
    store.spawn("store-idle", |_| 0, |_| ()).unwrap();
    wait_until("the store gives up", || !store.parts.running.is_on());
    let why = "the thread store-idle: it has ended although nobody stopped it";
    assert_eq!(store.append(&message("T", 0, b"x", "A")), Err(PutError::ServiceNotAvailable(why.to_owned())));
}
