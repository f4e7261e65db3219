//! Reads: all that is there, or what comes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::error::Error;
use crate::requests::{self, Queue};
use crate::tally::Tally;
use crate::wire::{SUCCESS, stored};
use crate::{Target, now_ms};

/// A queue that is being read.
struct Reading {
    id: u32,
    offset: i64,
    end: i64,
}

/// Reads one connection's queues from their first offset to what was their end, one pull in flight for each.
pub fn all(target: &Target, number: u32, messages_max: u32, time_max: Duration) -> Result<Tally, Error> {
    let mut connection = Connection::open(&target.broker)?;
    let mut readings = Vec::new();
    for id in target.queues_of(number) {
        let (offset, end) = connection.offsets(Queue { topic: &target.topic, id })?;
        if offset < end {
            readings.push(Reading { id, offset, end });
        }
    }
    let mut tally = Tally::new();
    // An answer's opaque is the place of its queue in `readings`.
    let mut wanted: Vec<_> = (0..readings.len()).collect();
    let mut left = readings.len();
    let until = Instant::now() + time_max;
    while left > 0 && Instant::now() < until {
        for at in wanted.drain(..) {
            let reading = &readings[at];
            let queue = Queue { topic: &target.topic, id: reading.id };
            requests::pull(&mut connection.outbox, at as i32, queue, reading.offset, messages_max, false);
        }
        connection.turn(Duration::from_millis(50))?;
        connection.responses(|response| {
            let Some(reading) = readings.get_mut(response.opaque as usize) else { return };
            tally.done += stored(response.body).count() as u64;
            tally.bytes += response.body.len() as u64;
            reading.offset = response.number("nextBeginOffset");
            if response.code == SUCCESS && reading.offset < reading.end {
                wanted.push(response.opaque as usize);
                return;
            }
            left -= 1;
            tally.failed += u64::from(reading.offset < reading.end);
        })?;
    }
    Ok(tally)
}

/// Reads one queue from its end on, by long polling, until told to stop. A latency counts from the time that the message
/// carries, in whole milliseconds.
pub fn follow(target: &Target, id: u32, stop: &AtomicBool, arrived: &AtomicU64) -> Result<Tally, Error> {
    let mut connection = Connection::open(&target.broker)?;
    let queue = Queue { topic: &target.topic, id };
    let mut offset = connection.offsets(queue)?.1.max(0);
    let mut tally = Tally::new();
    let mut waits = false;
    while !stop.load(Relaxed) {
        if !waits {
            requests::pull(&mut connection.outbox, 1, queue, offset, 32, true);
            waits = true;
        }
        connection.turn(Duration::from_millis(20))?;
        connection.responses(|response| {
            let now_ms = now_ms();
            let mut count = 0;
            for message in stored(response.body) {
                tally.took(Duration::from_millis((now_ms - message.born_ms).max(0) as u64));
                count += 1;
            }
            tally.done += count;
            arrived.fetch_add(count, Relaxed);
            if response.code == SUCCESS {
                offset = response.number("nextBeginOffset");
            }
            waits = false;
        })?;
    }
    Ok(tally)
}
