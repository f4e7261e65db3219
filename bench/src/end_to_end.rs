//! Senders in an open loop, and one long-polling reader a queue.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::send::{self, Schedule};
use crate::tally::Tally;
use crate::{Target, pull, sum};

/// Until every reader's pull waits at the broker.
const READERS_START: Duration = Duration::from_millis(500);
/// For the last messages to arrive.
const GRACE: Duration = Duration::from_secs(3);

/// The latencies are those of the readers; what was sent and not read has failed.
pub fn run(target: &Target, body_bytes: usize, per_s: u64, seconds: u64) -> Result<Tally, Error> {
    let (stop, arrived) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let (stop, arrived) = (&stop, &arrived);
        let readers: Vec<_> = (0..target.queues)
            .map(|id| scope.spawn(move || pull::follow(target, id, stop, arrived)))
            .collect();
        thread::sleep(READERS_START);
        let schedule = Schedule::new(per_s, seconds);
        let senders = (0..target.connections)
            .map(|number| scope.spawn(move || send::open_loop(target, number, body_bytes, schedule)))
            .collect();
        let sends = sum(senders);
        if let Ok(sends) = &sends {
            let until = Instant::now() + GRACE;
            while arrived.load(Relaxed) < sends.done && Instant::now() < until {
                thread::sleep(Duration::from_millis(10));
            }
        }
        // Readers end only now, whatever became of the senders.
        stop.store(true, Relaxed);
        let (mut reads, sends) = (sum(readers)?, sends?);
        reads.failed = sends.failed + sends.done.saturating_sub(reads.done);
        Ok(reads)
    })
}
