//! Consume queues against the log: the log's walk says which entry each record should have, and afterwards what is left in
//! the queues belongs to no record.

use std::collections::HashMap;
use std::io;

use remoting::message::StoredMessage;

use super::expected::{Levels, Target};
use super::ext::Exts;
use super::log::Span;
use super::report::{Kind, Report, Severity};
use super::source::{self, Reader};
use super::tree::{FileSeq, Options, Tree};
use crate::store::layout::{self, QUEUE_ENTRY_BYTES, QueueEntry};

const ENTRY_BYTES: i64 = QUEUE_ENTRY_BYTES as i64;
/// Entries read at once for the records that come by.
const WINDOW_ENTRIES: usize = 128;
/// Windows kept at once: with [`WINDOW_ENTRIES`] some 40 MiB.
const WINDOWS_MAX: usize = 16_384;
/// Gaps remembered in the offsets of one queue; what lies in further ones is not looked at.
const SPANS_MAX: usize = 256;
/// Topics without a queue that are told apart.
const UNKNOWN_QUEUES_MAX: usize = 10_000;
/// Read at once when a queue is read from end to end.
const PIECE_BYTES: usize = 256 << 10;
/// Files that a start reads from the end (`ConsumeQueue.recover`).
const RECOVERED_FILES: usize = 3;

/// The queue offsets of the records that were seen, as spans `from..to`.
#[derive(Clone, Debug, Default)]
struct Seen(Vec<(i64, i64)>);

impl Seen {
    fn put(&mut self, offset: i64) {
        let to = offset.saturating_add(1);
        let is_full = self.0.len() >= SPANS_MAX;
        match self.0.last_mut() {
            Some(last) if last.1 == offset => last.1 = to,
            Some(last) if last.0 <= offset && offset < last.1 => {}
            Some(last) if is_full => *last = (last.0.min(offset), last.1.max(to)),
            _ => self.0.push((offset, to)),
        }
    }

    /// Ascending and without overlaps.
    fn settle(&mut self) {
        self.0.sort_unstable();
        let mut settled: Vec<(i64, i64)> = Vec::new();
        for &(from, to) in &self.0 {
            match settled.last_mut() {
                Some(last) if last.1 >= from => last.1 = last.1.max(to),
                _ => settled.push((from, to)),
            }
        }
        self.0 = settled;
    }

    /// The end of the span that holds `offset`.
    fn end_of(&self, offset: i64) -> Option<i64> {
        let index = self.0.partition_point(|span| span.0 <= offset);
        self.0[..index].last().map(|span| span.1).filter(|end| offset < *end)
    }
}

/// One queue while the log is walked.
struct Queue<'t> {
    topic: String,
    queue_id: i32,
    files: Option<&'t FileSeq>,
    seen: Seen,
    /// Queue offset of the next record.
    next: Option<i64>,
    /// Findings that count only if the queue was not begun anew behind them.
    held: Option<Box<Report>>,
    begun_anew: bool,
}

impl Queue<'_> {
    fn name(&self) -> String {
        format!("consumequeue/{}/{}", self.topic, self.queue_id)
    }

    /// Name of the file that holds the entry, and where in it; the queue's name where there is no such file.
    fn place(&self, offset: i64) -> (String, Option<u64>) {
        let at = offset.saturating_mul(ENTRY_BYTES);
        match self.files.and_then(|files| files.find(at)) {
            Some(file) => {
                let name = format!("{}/{}", self.name(), layout::file_name(file.start));
                (name, Some((at - file.start) as u64))
            }
            None => (self.name(), None),
        }
    }
}

/// Entries around the last one that was asked for.
struct Window {
    first: i64,
    bytes: Vec<u8>,
}

/// How a start treats what it finds.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Records from here on are dispatched again.
    pub redo_from: i64,
    /// The last broker did not stop as it should.
    pub unclean: bool,
    /// A broker is at work on the store: what is new may not be everywhere yet.
    pub running: bool,
}

impl Start {
    /// Of something that is missing for the record at `at`.
    pub fn severity_at(&self, at: i64) -> Severity {
        match (at >= self.redo_from, self.running) {
            (true, true) => Severity::Note,
            (true, false) => Severity::Repair,
            (false, _) => Severity::Wrong,
        }
    }
}

/// All consume queues while the log is walked.
pub struct Queues<'t> {
    tree: &'t Tree,
    queues: Vec<Queue<'t>>,
    by_name: HashMap<String, HashMap<i32, usize>>,
    windows: HashMap<usize, Window>,
    exts: Exts<'t>,
    levels: Levels,
    start: Start,
    examples_max: usize,
    unknown: usize,
    pub messages: u64,
}

impl<'t> Queues<'t> {
    pub fn new(tree: &'t Tree, options: &Options, start: Start) -> Self {
        let mut queues = Self {
            tree,
            queues: Vec::new(),
            by_name: HashMap::new(),
            windows: HashMap::new(),
            exts: Exts::new(tree),
            levels: Levels::read(options),
            start,
            examples_max: options.examples_max,
            unknown: 0,
            messages: 0,
        };
        for ((topic, queue_id), files) in &tree.queues {
            queues.add(topic, *queue_id, Some(files));
        }
        queues
    }

    fn add(&mut self, topic: &str, queue_id: i32, files: Option<&'t FileSeq>) -> usize {
        let index = self.queues.len();
        self.queues.push(Queue {
            topic: topic.to_owned(),
            queue_id,
            files,
            seen: Seen::default(),
            next: None,
            held: None,
            begun_anew: false,
        });
        self.by_name.entry(topic.to_owned()).or_default().insert(queue_id, index);
        index
    }

    fn find(&mut self, target: Target<'_>, report: &mut Report) -> Option<usize> {
        if let Some(index) = self.by_name.get(target.topic).and_then(|ids| ids.get(&target.queue_id)) {
            return Some(*index);
        }
        if self.unknown >= UNKNOWN_QUEUES_MAX {
            report.add(Severity::Wrong, Kind::Missing, "consumequeue", None, || {
                format!(
                    "too many queues are missing to tell them apart, {}/{} too",
                    target.topic, target.queue_id
                )
            });
            return None;
        }
        self.unknown += 1;
        Some(self.add(target.topic, target.queue_id, None))
    }

    /// Checks the entry of the record at `at`.
    pub fn record(
        &mut self,
        at: i64,
        stored: &StoredMessage<'_>,
        target: Target<'_>,
        report: &mut Report,
    ) -> io::Result<()> {
        let Some(index) = self.find(target, report) else { return Ok(()) };
        self.messages += 1;
        let offset = target.queue_offset;
        let fault = self.fault(index, at, stored, target)?;
        let (start, examples_max) = (self.start, self.examples_max);
        let queue = &mut self.queues[index];
        let order = queue.next.filter(|next| *next != offset);
        // As after the topic was deleted: its old records count no more.
        let anew = order.is_some() && offset == 0;
        if anew {
            queue.begun_anew = true;
            queue.held = None;
        }
        queue.next = Some(offset.saturating_add(1));
        queue.seen.put(offset);
        if fault.is_none() && (order.is_none() || anew) {
            return Ok(());
        }
        let queue = &self.queues[index];
        let mut held = Report::new(examples_max);
        let (file, place) = queue.place(offset);
        let whose = format!("{}/{} at {offset}", queue.topic, queue.queue_id);
        if let Some(next) = order.filter(|_| !anew) {
            held.add(Severity::Note, Kind::QueueOffset, &queue.name(), None, || {
                format!("{whose}: the record before it in the log has queue offset {}", next - 1)
            });
        }
        match fault {
            Some(EntryFault::None) => {
                held.add(start.severity_at(at), Kind::Missing, &file, place, || {
                    format!("{whose}: no entry for the record at {at}")
                });
            }
            Some(EntryFault::Says(kind, what)) => {
                held.add(Severity::Wrong, kind, &file, place, || format!("{whose}: {what}"))
            }
            None => {}
        }
        let queue = &mut self.queues[index];
        queue.held.get_or_insert_with(|| Box::new(Report::new(examples_max))).merge(held);
        Ok(())
    }

    fn fault(
        &mut self,
        index: usize,
        at: i64,
        stored: &StoredMessage<'_>,
        target: Target<'_>,
    ) -> io::Result<Option<EntryFault>> {
        let Some(entry) = self.entry(index, target.queue_offset)? else { return Ok(Some(EntryFault::None)) };
        let says = |what: String| Ok(Some(EntryFault::Says(Kind::Entry, what)));
        if !entry.is_written() {
            if entry == (QueueEntry { physical_offset: 0, size: 0, tags_code: 0 }) {
                return Ok(Some(EntryFault::None));
            }
            return says(format!("{entry:?} is no entry; the record is at {at}"));
        }
        if entry.physical_offset != at {
            return says(format!("points to {}, the record is at {at}", entry.physical_offset));
        }
        if entry.size as usize != stored.size {
            return says(format!("size {}, the record at {at} has {}", entry.size, stored.size));
        }
        let tags = self.levels.tags(stored);
        let store_ms = stored.store_timestamp_ms;
        if tags.fit(entry.tags_code, store_ms) {
            return Ok(None);
        }
        if entry.tags_hash().is_none() {
            let wrong = self.exts.check(target, entry.tags_code, &tags, store_ms)?;
            return Ok(wrong.map(|what| EntryFault::Says(Kind::Ext, what)));
        }
        says(format!("tags code {}, that of the record at {at} is {}", entry.tags_code, tags.code()))
    }

    fn entry(&mut self, index: usize, offset: i64) -> io::Result<Option<QueueEntry>> {
        if let Some(window) = self.windows.get(&index)
            && let Some(entry) = entry_in(window, offset)
        {
            return Ok(Some(entry));
        }
        let Some(files) = self.queues[index].files else { return Ok(None) };
        let Some(at) = offset.checked_mul(ENTRY_BYTES).filter(|at| *at >= 0) else { return Ok(None) };
        let Some(file) = files.find(at) else { return Ok(None) };
        let opened = source::open(&files.path(file))?;
        let mut bytes = vec![0; WINDOW_ENTRIES * QUEUE_ENTRY_BYTES];
        let read = source::read_full(&opened, &mut bytes, (at - file.start) as u64)?;
        bytes.truncate(read);
        if self.windows.len() >= WINDOWS_MAX {
            self.windows.clear();
        }
        let window = Window { first: offset, bytes };
        let entry = entry_in(&window, offset);
        self.windows.insert(index, window);
        Ok(entry)
    }

    /// After the walk: what is left in the queues. `configured` says whether a topic has a configuration.
    pub fn finish(
        mut self,
        span: Span,
        configured: impl Fn(&str) -> bool,
        report: &mut Report,
    ) -> io::Result<HashMap<(String, i32), (i64, i64)>> {
        let mut ranges = HashMap::new();
        for index in 0..self.queues.len() {
            let queue = &mut self.queues[index];
            queue.seen.settle();
            if let Some(held) = queue.held.take() {
                let queue = &self.queues[index];
                match queue.files.is_none() && !configured(&queue.topic) {
                    true => report.add(Severity::Note, Kind::Missing, &queue.name(), None, || {
                        "messages of a topic that is deleted".to_owned()
                    }),
                    false => report.merge(*held),
                }
            }
            let queue = &self.queues[index];
            if queue.begun_anew {
                report.add(Severity::Note, Kind::QueueOffset, &queue.name(), None, || {
                    "was begun anew: its topic had been deleted".to_owned()
                });
            }
            if let Some(files) = queue.files {
                let rest = Rest { queue, files, span, start: self.start, tree: self.tree };
                let range = rest.check(report)?;
                ranges.insert((queue.topic.clone(), queue.queue_id), range);
            }
        }
        Ok(ranges)
    }
}

enum EntryFault {
    /// Nothing is written where the entry should be.
    None,
    Says(Kind, String),
}

fn entry_in(window: &Window, offset: i64) -> Option<QueueEntry> {
    let index = usize::try_from(offset.checked_sub(window.first)?).ok()?;
    QueueEntry::decode(window.bytes.get(index.checked_mul(QUEUE_ENTRY_BYTES)?..)?)
}

/// The entries of a queue that no record asked for.
struct Rest<'a> {
    queue: &'a Queue<'a>,
    files: &'a FileSeq,
    span: Span,
    start: Start,
    tree: &'a Tree,
}

impl Rest<'_> {
    /// Min and max queue offset as a start would find them.
    fn check(&self, report: &mut Report) -> io::Result<(i64, i64)> {
        let mut range = self.queue.seen.0.first().map_or((0, 0), |first| (first.0, 0));
        range.1 = self.queue.seen.0.last().map_or(0, |last| last.1);
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
        Ok(range)
    }

    fn entry(&self, offset: i64, entry: QueueEntry, name: &str, place: u64, report: &mut Report) {
        let whose = || format!("{}/{} at {offset}", self.queue.topic, self.queue.queue_id);
        let Some((first, _)) = self.queue.seen.0.first().copied() else {
            return self.entry_of_no_record(entry, offset, name, place, report);
        };
        if entry == QueueEntry::PRE_BLANK && offset < first {
            return;
        }
        if !entry.is_written() {
            report.add(Severity::Wrong, Kind::Entry, name, Some(place), || {
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
            let severity = if self.start.running { Severity::Note } else { Severity::Repair };
            report.add(severity, Kind::Orphan, name, Some(place), || {
                format!("{whose}: points to {at}, the log ends at {}", self.span.end)
            });
            return;
        }
        report.add(Severity::Wrong, Kind::Orphan, name, Some(place), || {
            format!("{whose}: points to {at}, where no message of this queue and offset is")
        });
    }
}

/// First byte of the log behind the last message that any queue's leading entries know, which is what a start takes for
/// known; -1 for none.
pub fn last_known(tree: &Tree) -> io::Result<i64> {
    tree.queues.values().try_fold(-1, |known, files| Ok(last_known_in(files)?.max(known)))
}

fn last_known_in(files: &FileSeq) -> io::Result<i64> {
    let from = files.files.len().saturating_sub(RECOVERED_FILES);
    let mut known = -1;
    for file in &files.files[from..] {
        let mut reader = Reader::open(&files.path(file), PIECE_BYTES)?;
        let mut place = 0;
        loop {
            let entry = QueueEntry::decode(reader.bytes(place, QUEUE_ENTRY_BYTES)?);
            match entry.filter(QueueEntry::is_written) {
                Some(QueueEntry::PRE_BLANK) => {}
                Some(entry) => known = entry.physical_end(),
                None => break,
            }
            place += QUEUE_ENTRY_BYTES as u64;
        }
        if place < reader.len() {
            break;
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seen_offsets_are_spans() {
        let mut seen = Seen::default();
        [5, 6, 7, 10, 11, 0, 1, 6].into_iter().for_each(|offset| seen.put(offset));
        seen.settle();
        assert_eq!(seen.0, [(0, 2), (5, 8), (10, 12)]);
        assert_eq!(
            [4, 5, 7, 8, 11].map(|offset| seen.end_of(offset)),
            [None, Some(8), Some(8), None, Some(12)]
        );
    }
}
