//! Sends in a closed loop (so many in flight) and in an open one (so many a second).

use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::error::Error;
use crate::requests::{self, Queue};
use crate::tally::Tally;
use crate::wire::SUCCESS;
use crate::{Target, now_ms};

/// From a schedule's making to its first send: until every connection is open.
const START_LEAD: Duration = Duration::from_millis(100);
/// How long answers are waited for when the time is over.
const CLOSED_LOOP_GRACE: Duration = Duration::from_secs(5);
const OPEN_LOOP_GRACE: Duration = Duration::from_secs(20);

/// Keeps `window` requests in flight, each of `batch` messages.
pub fn closed_loop(
    target: &Target,
    number: u32,
    body_bytes: usize,
    window: u32,
    run: Duration,
    batch: u32,
) -> Result<Tally, Error> {
    let mut connection = Connection::open(&target.broker)?;
    let mut queues = target.queues_of(number).into_iter().cycle();
    let body = vec![b'x'; body_bytes];
    let body = if batch > 1 { requests::batch(batch, &body) } else { body };
    let mut tally = Tally::new();
    // An answer's opaque is the slot of its request.
    let mut started = vec![Instant::now(); window as usize];
    let mut free: Vec<u32> = (0..window).collect();
    let until = Instant::now() + run;
    loop {
        let now = Instant::now();
        if now < until {
            let born_ms = now_ms();
            for (slot, id) in free.drain(..).zip(&mut queues) {
                started[slot as usize] = Instant::now();
                let queue = Queue { topic: &target.topic, id };
                requests::send(&mut connection.outbox, slot as i32, queue, born_ms, batch, &body);
            }
        } else if free.len() == window as usize || now > until + CLOSED_LOOP_GRACE {
            return Ok(tally);
        }
        connection.turn(Duration::from_millis(50))?;
        connection.responses(|response| {
            if response.code == SUCCESS {
                tally.done += u64::from(batch);
            } else {
                tally.failed += 1;
            }
            if let Some(started) = started.get(response.opaque as usize) {
                tally.took(started.elapsed());
                free.push(response.opaque as u32);
            }
        })?;
    }
}

/// When an open loop sends, over all connections.
#[derive(Clone, Copy)]
pub struct Schedule {
    start: Instant,
    per_s: u64,
    seconds: u64,
}

impl Schedule {
    /// Begins at once.
    pub fn new(per_s: u64, seconds: u64) -> Schedule {
        Schedule { start: Instant::now() + START_LEAD, per_s, seconds }
    }
}

/// Sends when the schedule says, whatever became of those before; a latency counts from the moment a send was due.
pub fn open_loop(
    target: &Target,
    number: u32,
    body_bytes: usize,
    schedule: Schedule,
) -> Result<Tally, Error> {
    let mut connection = Connection::open(&target.broker)?;
    let mut queues = target.queues_of(number).into_iter().cycle();
    let body = vec![b'x'; body_bytes];
    let per_s = schedule.per_s as f64 / f64::from(target.connections);
    let total = (per_s * schedule.seconds as f64) as u64;
    // The connections take turns.
    let turn = f64::from(number) / f64::from(target.connections);
    let due = |nth: u64| schedule.start + Duration::from_secs_f64((nth as f64 + turn) / per_s);
    let mut tally = Tally::new();
    let mut sent = 0;
    let give_up = schedule.start + Duration::from_secs(schedule.seconds) + OPEN_LOOP_GRACE;
    while tally.done + tally.failed < total && Instant::now() < give_up {
        while sent < total && Instant::now() >= due(sent) {
            let Some(id) = queues.next() else { break };
            let queue = Queue { topic: &target.topic, id };
            requests::send(&mut connection.outbox, sent as i32, queue, now_ms(), 1, &body);
            sent += 1;
        }
        let wait = due(sent).saturating_duration_since(Instant::now());
        connection.turn(wait.min(Duration::from_millis(20)))?;
        connection.responses(|response| {
            if response.code == SUCCESS {
                tally.done += 1;
            } else {
                tally.failed += 1;
            }
            tally.took(Instant::now().saturating_duration_since(due(response.opaque as u64)));
        })?;
    }
    tally.failed += total - (tally.done + tally.failed);
    Ok(tally)
}
