//! Acknowledged messages on record, and the check that none is lost.
//!
//! A line of the ledger is `number queue offset size`. A body is the number in decimal, a space, then filler that the
//! number determines, so that damage shows.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::error::Error;
use crate::requests::{self, PULL_MESSAGE, Queue};
use crate::wire::{SUCCESS, stored};
use crate::{Target, join, now_ms};

/// How long answers are waited for when the time is over.
const GRACE: Duration = Duration::from_secs(5);

pub struct Load {
    pub body_bytes: usize,
    pub window: u32,
    pub run: Duration,
    /// Number of the first message.
    pub first: u64,
}

fn body_of(number: u64, bytes: usize) -> Vec<u8> {
    let mut body = format!("{number} ").into_bytes();
    // Marsaglia's xorshift, from a seed that is not 0.
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while body.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        body.push(b'a' + (state % 26) as u8);
    }
    body
}

/// Sends, and appends each acknowledged message to the ledger. Returns how many there were.
pub fn write(target: &Target, path: &Path, load: &Load) -> Result<u64, Error> {
    let failed = |source| Error::Ledger { path: path.to_owned(), source };
    let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
    let ledger = Mutex::new(Ledger { file: BufWriter::new(file), result: Ok(()) });
    let acknowledged = thread::scope(|scope| {
        let ledger = &ledger;
        let senders: Vec<_> = (0..target.connections)
            .map(|number| scope.spawn(move || write_one(target, number, ledger, load)))
            .collect();
        senders.into_iter().try_fold(0, |sum, sender| Ok(sum + join(sender)?))
    })?;
    let mut ledger = ledger.into_inner().unwrap_or_else(PoisonError::into_inner);
    ledger.result.and_then(|()| ledger.file.flush()).map_err(failed)?;
    Ok(acknowledged)
}

struct Ledger {
    file: BufWriter<File>,
    /// The first failure to write a line.
    result: io::Result<()>,
}

/// A broker that goes away ends the run, as it is meant to.
fn write_one(target: &Target, number: u32, ledger: &Mutex<Ledger>, load: &Load) -> Result<u64, Error> {
    let mut connection = Connection::open(&target.broker)?;
    let queues = target.queues_of(number);
    let until = Instant::now() + load.run;
    let number_of = |nth: u64| load.first + nth * u64::from(target.connections) + u64::from(number);
    let (mut next, mut in_flight, mut acknowledged) = (0u64, 0u32, 0u64);
    loop {
        while in_flight < load.window && Instant::now() < until {
            let queue = Queue { topic: &target.topic, id: queues[next as usize % queues.len()] };
            let body = body_of(number_of(next), load.body_bytes);
            requests::send(&mut connection.outbox, next as i32, queue, now_ms(), 1, &body);
            next += 1;
            in_flight += 1;
        }
        let turned = connection.turn(Duration::from_millis(50));
        connection.responses(|response| {
            in_flight = in_flight.saturating_sub(1);
            if response.code == SUCCESS {
                let (queue, offset) = (response.number("queueId"), response.number("queueOffset"));
                let number = number_of(response.opaque as u64);
                let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
                let noted = writeln!(ledger.file, "{number} {queue} {offset} {}", load.body_bytes);
                if ledger.result.is_ok() {
                    ledger.result = noted;
                }
                acknowledged += 1;
            }
        })?;
        let now = Instant::now();
        let over = now >= until && (in_flight == 0 || now > until + GRACE);
        match turned {
            Ok(()) if !over => {}
            Ok(()) | Err(Error::Closed) => return Ok(acknowledged),
            Err(error) => return Err(error),
        }
    }
}

/// What [`verify`] found, in messages.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    pub acknowledged: usize,
    pub missing: usize,
    pub damaged: usize,
    /// Lines that give two messages one place.
    pub clashes: usize,
    /// Stored, though nobody was told so: no fault.
    pub unacknowledged: usize,
}

impl Findings {
    pub fn all_there(&self) -> bool {
        self.missing == 0 && self.damaged == 0 && self.clashes == 0
    }
}

/// Queue and offset to number and size.
type Expected = HashMap<(u32, i64), (u64, usize)>;

/// Reads the whole topic and compares.
pub fn verify(target: &Target, path: &Path) -> Result<Findings, Error> {
    let text = fs::read_to_string(path).map_err(|source| Error::Ledger { path: path.to_owned(), source })?;
    let (mut expected, clashes) = parse(&text);
    let mut findings = Findings { acknowledged: expected.len(), clashes, ..Findings::default() };
    let mut connection = Connection::open(&target.broker)?;
    for id in 0..target.queues {
        let queue = Queue { topic: &target.topic, id };
        let (mut offset, end) = connection.offsets(queue)?;
        while offset < end {
            requests::pull(&mut connection.outbox, 1, queue, offset, 32, false);
            let (messages, next) = connection.answer(PULL_MESSAGE, |response| {
                let messages: Vec<_> = stored(response.body)
                    .map(|message| (message.queue_offset, message.body.to_vec()))
                    .collect();
                (messages, response.number("nextBeginOffset"))
            })?;
            for (offset, body) in messages {
                match expected.remove(&(id, offset)) {
                    Some((number, bytes)) if body == body_of(number, bytes) => {}
                    Some(_) => findings.damaged += 1,
                    None => findings.unacknowledged += 1,
                }
            }
            offset = if next > offset { next } else { end };
        }
    }
    findings.missing = expected.len();
    Ok(findings)
}

/// A ledger cut short by a kill may end in half a line, which says nothing.
fn parse(text: &str) -> (Expected, usize) {
    let mut expected = Expected::new();
    let mut clashes = 0;
    let whole_lines = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
    for line in whole_lines.lines() {
        let numbers: Vec<u64> = line.split(' ').map_while(|word| word.parse().ok()).collect();
        if let [number, queue, offset, bytes] = numbers[..]
            && expected.insert((queue as u32, offset as i64), (number, bytes as usize)).is_some()
        {
            clashes += 1;
        }
    }
    (expected, clashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_tells_its_number() {
        assert_eq!(body_of(7, 40), body_of(7, 40));
        assert_ne!(body_of(7, 40)[2..], body_of(8, 40)[2..]);
        assert!(body_of(7, 40).starts_with(b"7 ") && body_of(7, 40).len() == 40);
    }

    #[test]
    fn half_a_line_says_nothing() {
        let (expected, clashes) = parse("1 0 5 200\n2 1 5 200\n3 0 5 200\n4 0 1");
        assert_eq!((expected.len(), clashes), (2, 1));
        assert_eq!(expected[&(1, 5)], (2, 200));
    }
}
