//! Consume queues against the log: the log's walk says which entry each record should have, and afterwards what is left in
//! the queues belongs to no record.

mod rest;
mod seen;

use std::collections::HashMap;
use std::io;

use message::StoredMessage;

use super::expected::{Levels, Target};
use super::ext::Exts;
use super::log::Span;
use super::outlook::{Outlook, QueueOutlook};
use super::report::{Kind, Report, Severity};
use super::source::{self, Reader};
use super::tree::{FileSeq, Options, Tree};
use rest::Rest;
use seen::Seen;
use store::layout::{self, QUEUE_ENTRY_BYTES, QueueEntry};
use store::topic_name::is_lmq;

const ENTRY_BYTES: i64 = QUEUE_ENTRY_BYTES as i64;
/// Entries read at once for the records that come by.
const WINDOW_ENTRIES: usize = 128;
/// Windows kept at once: with [`WINDOW_ENTRIES`] some 40 MiB.
const WINDOWS_MAX: usize = 16_384;
/// Topics without a queue that are told apart.
const UNKNOWN_QUEUES_MAX: usize = 10_000;
/// Read at once when a queue is read from end to end.
const PIECE_BYTES: usize = 256 << 10;
/// Files that a start reads from the end (`ConsumeQueue.recover`).
const RECOVERED_FILES: usize = 3;

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
    outlook: QueueOutlook,
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
        self.severity_from(at, self.redo_from)
    }

    /// The same where records from `told_from` on are dispatched again.
    pub fn severity_from(&self, at: i64, told_from: i64) -> Severity {
        match (at >= told_from, self.running) {
            (true, true) => Severity::Note,
            (true, false) => Severity::Repair,
            (false, _) => Severity::Wrong,
        }
    }
}

/// All consume queues while the log is walked.
pub struct QueueChecks<'t> {
    tree: &'t Tree,
    queues: Vec<Queue<'t>>,
    by_name: HashMap<String, HashMap<i32, usize>>,
    windows: HashMap<usize, Window>,
    exts: Exts<'t>,
    levels: Levels,
    start: Start,
    outlook: &'t Outlook,
    examples_max: usize,
    unknown: usize,
    pub messages: u64,
}

impl<'t> QueueChecks<'t> {
    pub fn new(tree: &'t Tree, options: &Options, start: Start, outlook: &'t Outlook) -> Self {
        let mut queues = Self {
            tree,
            queues: Vec::new(),
            by_name: HashMap::new(),
            windows: HashMap::new(),
            exts: Exts::new(tree),
            levels: Levels::read(options),
            start,
            outlook,
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
            outlook: self.outlook.queue(topic, queue_id),
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

    /// Checks the entry in another queue that the record's properties name. Before brokers computed them, any sender could
    /// write them: what nobody can have dispatched is a note.
    pub fn claim(
        &mut self,
        at: i64,
        stored: &StoredMessage<'_>,
        target: Target<'_>,
        report: &mut Report,
    ) -> io::Result<()> {
        if self.is_credible(at, target)? {
            return self.record(at, stored, target, report);
        }
        report.add(Severity::Note, Kind::Properties, "consumequeue", None, || {
            let Target { topic, queue_id, queue_offset } = target;
            format!("the record at {at} says it is {topic}/{queue_id} at {queue_offset}, which it is not")
        });
        Ok(())
    }

    /// Whether the queue has the record there, or comes to this offset with it.
    fn is_credible(&mut self, at: i64, target: Target<'_>) -> io::Result<bool> {
        let Some(&index) = self.by_name.get(target.topic).and_then(|ids| ids.get(&target.queue_id)) else {
            return Ok(false);
        };
        let queue = &self.queues[index];
        let is_next = match queue.next {
            Some(next) => next == target.queue_offset,
            None => is_lmq(target.topic) && queue.files.is_some(),
        };
        let points_here = |entry: QueueEntry| entry.is_written() && entry.physical_offset == at;
        Ok(is_next || self.entry(index, target.queue_offset)?.is_some_and(points_here))
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
                held.add(
                    start.severity_from(at, queue.outlook.told_from),
                    Kind::Missing,
                    &file,
                    place,
                    || format!("{whose}: no entry for the record at {at}"),
                );
            }
            Some(EntryFault::Says(kind, what)) => {
                // What a crash may have left behind the end is made again.
                let is_cleared = start.unclean && offset.saturating_mul(ENTRY_BYTES) >= queue.outlook.end;
                let severity = if is_cleared { Severity::Repair } else { Severity::Wrong };
                held.add(severity, kind, &file, place, || format!("{whose}: {what}"))
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
