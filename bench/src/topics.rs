//! Many topics: makes them, then sends a message to each of their queues.

use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::error::Error;
use crate::requests::{self, Queue};
use crate::tally::Tally;
use crate::wire::SUCCESS;
use crate::{Target, now_ms, on_each_connection};

/// How long all answers are waited for.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long both took, and what was refused or not answered.
pub struct Figures {
    pub create: Duration,
    pub send: Duration,
    pub failed: u64,
}

/// Makes `count` topics, with their number behind the target's name, each connection keeping `window` requests in flight.
pub fn run(target: &Target, count: u32, window: u32) -> Result<Figures, Error> {
    let begin = Instant::now();
    let name = |number: u32| format!("{}{number}", target.topic);
    let create = |out: &mut Vec<u8>, number: u32, opaque| {
        requests::create_topic(out, opaque, &name(number), target.queues);
    };
    let created = on_each_connection(target, &|first| all(target, first, count, window, &create))?;
    let create = begin.elapsed();
    let send = |out: &mut Vec<u8>, number: u32, opaque| {
        let topic = name(number / target.queues);
        let queue = Queue { topic: &topic, id: number % target.queues };
        requests::send(out, opaque, queue, now_ms(), 1, &[b'x'; 128]);
    };
    let sends = count.saturating_mul(target.queues);
    let sent = on_each_connection(target, &|first| all(target, first, sends, window, &send))?;
    Ok(Figures { create, send: begin.elapsed() - create, failed: created.failed + sent.failed })
}

/// Makes the requests `first`, `first + connections` and so on, below `count`.
fn all(
    target: &Target,
    first: u32,
    count: u32,
    window: u32,
    request: &dyn Fn(&mut Vec<u8>, u32, i32),
) -> Result<Tally, Error> {
    let mut connection = Connection::open(&target.broker)?;
    let (mut numbers, mut tally) = ((first..count).step_by(target.connections as usize), Tally::new());
    let until = Instant::now() + PATIENCE;
    let mut in_flight = 0;
    loop {
        while in_flight < window
            && let Some(number) = numbers.next()
        {
            request(&mut connection.outbox, number, number as i32);
            in_flight += 1;
        }
        if in_flight == 0 || Instant::now() > until {
            tally.failed += u64::from(in_flight);
            return Ok(tally);
        }
        connection.turn(Duration::from_millis(50))?;
        connection.responses(|response| {
            in_flight -= 1;
            match response.code {
                SUCCESS => tally.done += 1,
                _ => tally.failed += 1,
            }
        })?;
    }
}
