//! After the walk through the log: what stands in a queue besides.

use std::io;

use super::{ENTRY_BYTES, PIECE_BYTES, Queue, Start};
use crate::log::Span;
use crate::report::{Kind, Report, Severity};
use crate::source::Reader;
use crate::tree::{FileSeq, Tree};
use store::layout::{QUEUE_ENTRY_BYTES, QueueEntry};

/// The entries of a queue that no record asked for.
pub struct Rest<'a> {
    pub queue: &'a Queue<'a>,
    pub files: &'a FileSeq,
    pub span: Span,
    pub start: Start,
    pub tree: &'a Tree,
}

impl Rest<'_> {
    /// Min and max queue offset as a start would find them.
    pub fn check(&self, report: &mut Report) -> io::Result<(i64, i64)> {
        for file in &self.files.files {
            let path = self.files.path(file);
            let mut reader = Reader::open(&path, PIECE_BYTES)?;
            let name = self.tree.name(&path);
            let entries = reader.len() / QUEUE_ENTRY_BYTES as u64;
            if file.start % ENTRY_BYTES != 0 {
                report
                    .add(Severity::Wrong, Kind::FileGap, &name, None, || "starts within an entry".to_owned());
                continue;
            }
            let first = file.start / ENTRY_BYTES;
            let mut index = 0;
            while index < entries {
                let offset = first.saturating_add_unsigned(index);
                if let Some(end) = self.queue.seen.end_of(offset) {
                    index = end.saturating_sub(first).max(0) as u64;
                    continue;
                }
                let place = index * QUEUE_ENTRY_BYTES as u64;
                let Some(nonzero) = reader.first_nonzero(place)? else { break };
                if nonzero >= place + QUEUE_ENTRY_BYTES as u64 {
                    index = nonzero / QUEUE_ENTRY_BYTES as u64;
                    continue;
                }
                if let Some(entry) = QueueEntry::decode(reader.bytes(place, QUEUE_ENTRY_BYTES)?) {
                    self.entry(offset, entry, &name, place, report);
                }
                index += 1;
            }
        }
        Ok(self.queue.seen.range().unwrap_or_default())
    }

    fn entry(&self, offset: i64, entry: QueueEntry, name: &str, place: u64, report: &mut Report) {
        let whose = || format!("{}/{} at {offset}", self.queue.topic, self.queue.queue_id);
        let Some((first, _)) = self.queue.seen.range() else {
            return self.entry_of_no_record(entry, offset, name, place, report);
        };
        if entry == QueueEntry::PRE_BLANK && offset < first {
            return;
        }
        if !entry.is_written() {
            report.add(self.severity(offset), Kind::Entry, name, Some(place), || {
                format!("{}: {entry:?} is no entry", whose())
            });
            return;
        }
        // Its message was deleted with its log file.
        if offset < first && entry.physical_offset < self.span.min {
            return;
        }
        self.entry_of_no_record(entry, offset, name, place, report);
    }

    fn entry_of_no_record(
        &self,
        entry: QueueEntry,
        offset: i64,
        name: &str,
        place: u64,
        report: &mut Report,
    ) {
        let whose = format!("{}/{} at {offset}", self.queue.topic, self.queue.queue_id);
        let at = entry.physical_offset;
        if entry == QueueEntry::PRE_BLANK || (at < self.span.min && entry.is_written()) {
            return;
        }
        if at >= self.span.end {
            let ends_there = offset.saturating_mul(ENTRY_BYTES) < self.queue.outlook.end;
            let severity = match (self.start.running, self.start.unclean || ends_there) {
                (true, _) => Severity::Note,
                (_, true) => Severity::Repair,
                // A clean start looks at what comes before alone.
                _ => Severity::Wrong,
            };
            report.add(severity, Kind::Orphan, name, Some(place), || {
                format!("{whose}: points to {at}, the log ends at {}", self.span.end)
            });
            return;
        }
        report.add(self.severity(offset), Kind::Orphan, name, Some(place), || {
            format!("{whose}: points to {at}, where no message of this queue and offset is")
        });
    }

    /// Of what stands where no entry should: a start that recovers clears what is behind the end.
    fn severity(&self, offset: i64) -> Severity {
        match self.start.unclean && offset.saturating_mul(ENTRY_BYTES) >= self.queue.outlook.end {
            true => Severity::Repair,
            false => Severity::Wrong,
        }
    }
}
