//! From a tracing event to a rendered line on the writer's queue.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::thread;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::writer::Queue;
use super::{LogFile, timestamp};
use crate::clock::Clock;
use crate::printable::printable;

/// A longer line is cut: what a peer sends may end up in one.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// Spans carry nothing into our lines, so they all share one id.
const SPAN_ID: u64 = 1;

pub struct FileSubscriber {
    files: &'static [LogFile],
    level: Level,
    clock: Clock,
    queue: Queue,
}

impl FileSubscriber {
    pub fn new(files: &'static [LogFile], level: Level, clock: Clock, queue: Queue) -> FileSubscriber {
        FileSubscriber { files, level, clock, queue }
    }

    /// The index of the file with the longest target that fits.
    fn file_of(&self, target: &str) -> Option<usize> {
        let fitting = self.files.iter().enumerate().filter(|(_, file)| is_within(target, file.target));
        fitting.max_by_key(|(_, file)| file.target.len()).map(|(index, _)| index)
    }
}

fn is_within(target: &str, of: &str) -> bool {
    let rest = target.strip_prefix(of);
    of.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

impl Subscriber for FileSubscriber {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.level))
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let Some(file) = self.file_of(metadata.target()) else { return };
        let current = thread::current();
        let mut line = Line::begin(&self.clock, metadata.level(), current.name().unwrap_or("-"));
        event.record(&mut line);
        self.queue.send(file, line.finish());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(SPAN_ID)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// `2026-11-23 02:59:39 INFO main - message key=value`, Java's pattern `%d %p %t - %m%n`.
struct Line {
    text: String,
    /// Where the message goes; fields may have been recorded before it.
    message_at: usize,
}

impl Line {
    fn begin(clock: &Clock, level: &Level, thread: &str) -> Line {
        let text = format!("{} {level} {thread} -", timestamp(clock.wall_ms()));
        Line { message_at: text.len(), text }
    }

    fn finish(mut self) -> String {
        let is_cut = self.text.len() > LINE_BYTES_MAX;
        cut(&mut self.text);
        if let Cow::Owned(escaped) = printable(&self.text) {
            self.text = escaped;
        }
        if is_cut || self.text.len() > LINE_BYTES_MAX {
            cut(&mut self.text);
            self.text.push_str("...");
        }
        self.text.push('\n');
        self.text
    }
}

/// Leaves a line's beginning.
fn cut(text: &mut String) {
    let end = (0..=LINE_BYTES_MAX.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
    text.truncate(end.unwrap_or(0));
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.text.insert_str(self.message_at, &format!(" {value:?}"));
        } else {
            // Writing to a String does not fail.
            let _ = write!(self.text, " {}={value:?}", field.name());
        }
    }
}
