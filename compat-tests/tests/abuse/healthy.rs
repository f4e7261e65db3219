//! The load that is to go on: some 300 sends a second, whose acknowledgements are kept, and look-ups at the name server.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use compat_tests::ledger::Ledger;
use compat_tests::wire::{Command, Connection};

use crate::say;

const GET_ROUTEINFO_BY_TOPIC: i32 = 105;
const TOPIC_NOT_EXIST: i32 = 17;
const QUEUES: i32 = 4;
/// From one send to a queue to the next.
const SEND_EVERY: Duration = Duration::from_millis(13);
const LOOK_UP_EVERY: Duration = Duration::from_millis(10);

pub struct Healthy {
    pub ledger: Ledger,
    broker: SocketAddr,
    name_server: SocketAddr,
    stop: AtomicBool,
    sends: Latencies,
    look_ups: Latencies,
}

impl Healthy {
    pub fn new(broker: SocketAddr, name_server: SocketAddr) -> Self {
        let (ledger, stop) = (Ledger::new("Healthy", QUEUES), AtomicBool::new(false));
        Self {
            ledger,
            broker,
            name_server,
            stop,
            sends: Latencies::default(),
            look_ups: Latencies::default(),
        }
    }

    /// Runs `work` beside the load, and ends the load.
    pub fn beside(&self, work: impl FnOnce()) {
        thread::scope(|scope| {
            let _stop = Stop(&self.stop);
            for queue_id in 0..QUEUES {
                scope.spawn(move || self.send(queue_id));
            }
            scope.spawn(|| self.look_up());
            work();
        });
    }

    /// How the load fared meanwhile.
    pub fn during(&self, what: &str, work: impl FnOnce()) -> Figures {
        self.sends.take();
        self.look_ups.take();
        work();
        let figures = Figures { sends: self.sends.take(), look_ups: self.look_ups.take() };
        say(&format!("{what}: {figures}"));
        figures
    }

    fn send(&self, queue_id: i32) {
        let mut connection = Connection::open(self.broker).expect("the broker takes connections");
        self.at_times(SEND_EVERY, &self.sends, || {
            self.ledger.send(&mut connection, queue_id).expect("an acknowledgement");
        });
    }

    fn look_up(&self) {
        let mut connection = Connection::open(self.name_server).expect("the name server takes connections");
        let route = Command::request(GET_ROUTEINFO_BY_TOPIC, &[("topic", &self.ledger.topic)], b"");
        self.at_times(LOOK_UP_EVERY, &self.look_ups, || {
            let reply = connection.ask(&route).expect("a route");
            assert!([0, TOPIC_NOT_EXIST].contains(&reply.code), "{reply:?}");
        });
    }

    /// What cannot begin in time, because the one before takes long, counts from when it was to begin.
    fn at_times(&self, every: Duration, latencies: &Latencies, mut work: impl FnMut()) {
        let mut due = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            work();
            latencies.0.lock().unwrap().push(due.elapsed());
            due += every;
        }
    }
}

/// However `work` ends, the load ends.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Latencies(Mutex<Vec<Duration>>);

impl Latencies {
    fn take(&self) -> Spread {
        let mut taken = std::mem::take(&mut *self.0.lock().unwrap());
        taken.sort_unstable();
        let part = |part: usize| taken.get((taken.len() * part / 1000).min(taken.len().saturating_sub(1)));
        let [p50, p99, max] = [500, 990, 1000].map(|at| part(at).copied().unwrap_or_default());
        Spread { count: taken.len(), p50, p99, max }
    }
}

pub struct Figures {
    pub sends: Spread,
    pub look_ups: Spread,
}

pub struct Spread {
    pub count: usize,
    pub p50: Duration,
    pub p99: Duration,
    pub max: Duration,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sends {}; look-ups {}", self.sends, self.look_ups)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread { count, p50, p99, max } = self;
        write!(f, "{count}, p50 {p50:.1?}, p99 {p99:.1?}, max {max:.1?}")
    }
}
