//! What the broker's own readers of queues do where the store cannot be read: wait a little, and then go on without the
//! message, so that those behind it are not lost with it.

use store::AccessError;

/// A place is tried so many times in a row.
const TRIES_MAX: u32 = 5;

/// The place of a queue that could not be read last.
#[derive(Debug, Default)]
pub struct Unreadable {
    offset: i64,
    tries: u32,
}

impl Unreadable {
    /// How many messages to read at `offset`: one where it may be the next that cannot be read, so that no other is left
    /// out with it.
    pub fn count_max(&self, offset: i64, count_max: usize) -> usize {
        if self.tries > 0 && self.offset == offset { 1 } else { count_max }
    }

    /// Notes that the message at `offset` of a queue could not be read. True if it is to be left out now.
    pub fn failed(&mut self, queue: &str, offset: i64, error: &AccessError) -> bool {
        self.tries = if self.offset == offset { self.tries + 1 } else { 1 };
        self.offset = offset;
        let is_left_out = self.tries > TRIES_MAX;
        match is_left_out {
            true => tracing::error!("{queue}: the message at offset {offset} is left out: {error}"),
            false => tracing::error!("{queue}: cannot read offset {offset}, will try again: {error}"),
        }
        is_left_out
    }
}
