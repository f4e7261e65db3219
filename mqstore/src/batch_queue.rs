//! Batch consume queues against the log: their entries stand in its order (`BatchConsumeQueue`).

use std::collections::HashMap;
use std::io;

use message::{StoredMessage, property};

use super::expected::Levels;
use super::log::Span;
use super::outlook::Outlook;
use super::queue::Start;
use super::report::{Kind, Report, Severity};
use super::source::Reader;
use super::table::Ranges;
use super::tree::{FileSeq, Tree};
use store::layout::{BATCH_QUEUE_ENTRY_BYTES, BatchQueueEntry};

const PIECE_BYTES: usize = 64 << 10;

/// The entries of one queue in order.
pub struct Entries<'t> {
    files: &'t FileSeq,
    file: usize,
    reader: Option<Reader>,
    place: u64,
}

impl<'t> Entries<'t> {
    pub fn new(files: &'t FileSeq) -> Self {
        Self { files, file: 0, reader: None, place: 0 }
    }

    /// The next entry, without going on; its file's path index and place.
    pub fn peek(&mut self) -> io::Result<Option<(BatchQueueEntry, usize, u64)>> {
        while let Some(file) = self.files.files.get(self.file) {
            let reader = match &mut self.reader {
                Some(reader) => reader,
                none => none.insert(Reader::open(&self.files.path(file), PIECE_BYTES)?),
            };
            let bytes = reader.bytes(self.place, BATCH_QUEUE_ENTRY_BYTES)?;
            if let Some(entry) = BatchQueueEntry::decode(bytes)
                && bytes.iter().any(|&byte| byte != 0)
            {
                return Ok(Some((entry, self.file, self.place)));
            }
            // A hole in the middle would end the queue for a start too.
            self.reader = None;
            self.file += 1;
            self.place = 0;
        }
        Ok(None)
    }

    pub fn advance(&mut self) {
        self.place += BATCH_QUEUE_ENTRY_BYTES as u64;
    }
}

/// All batch consume queues while the log is walked. A queue that is read keeps a file open: they are few.
pub struct BatchQueues<'t> {
    tree: &'t Tree,
    open: HashMap<(String, i32), Entries<'t>>,
    /// Min and max queue offset of the records that came by.
    ranges: Ranges,
    start: Start,
    outlook: &'t Outlook,
    levels: &'t Levels,
}

impl<'t> BatchQueues<'t> {
    pub fn new(tree: &'t Tree, levels: &'t Levels, start: Start, outlook: &'t Outlook) -> Self {
        let open = tree.batch_queues.iter().map(|(key, files)| (key.clone(), Entries::new(files))).collect();
        Self { tree, open, ranges: Ranges::new(), start, outlook, levels }
    }

    pub fn has_topic(&self, topic: &str) -> bool {
        let from = (topic.to_owned(), i32::MIN);
        self.tree.batch_queues.range(from..).next().is_some_and(|(key, _)| key.0 == topic)
    }

    pub fn record(&mut self, at: i64, stored: &StoredMessage<'_>, report: &mut Report) -> io::Result<()> {
        let message = &stored.message;
        let key = (message.topic.to_string(), message.queue_id);
        let (base, size) = batch_of(stored);
        let range = self.ranges.entry(key.clone()).or_insert((base, base));
        range.1 = base.saturating_add(size);
        let name = format!("batchconsumequeue/{}/{}", key.0, key.1);
        let told_from = self.outlook.queue(&key.0, key.1).told_from;
        let severity = self.start.severity_from(at, told_from);
        let missing = |report: &mut Report| {
            report.add(severity, Kind::Missing, &name, None, || format!("no entry for the record at {at}"));
        };
        let Some(entries) = self.open.get_mut(&key) else {
            missing(report);
            return Ok(());
        };
        loop {
            let Some((entry, file, place)) = entries.peek()? else {
                missing(report);
                return Ok(());
            };
            let file = self.tree.name(&entries.files.path(&entries.files.files[file]));
            if entry.entry.physical_offset > at {
                missing(report);
                return Ok(());
            }
            entries.advance();
            if entry.entry.physical_offset < at {
                if entry.entry.physical_offset
                    >= self.tree.commit_log.files.first().map_or(0, |file| file.start)
                {
                    report.add(Severity::Wrong, Kind::Orphan, &file, Some(place), || {
                        format!("points to {}, where no record of this queue is", entry.entry.physical_offset)
                    });
                }
                continue;
            }
            if let Some(what) = difference(&entry, stored, self.levels) {
                report.add(Severity::Wrong, Kind::Entry, &file, Some(place), || {
                    format!("entry of the record at {at}: {what}")
                });
            }
            return Ok(());
        }
    }

    /// After the walk: the entries left, and the offsets that the queues have.
    pub fn finish(mut self, span: Span, report: &mut Report) -> io::Result<Ranges> {
        for entries in self.open.values_mut() {
            while let Some((entry, file, place)) = entries.peek()? {
                entries.advance();
                let name = self.tree.name(&entries.files.path(&entries.files.files[file]));
                let at = entry.entry.physical_offset;
                let (severity, why) = match at >= span.end {
                    true if self.start.running => (Severity::Note, "behind the log's end"),
                    true => (Severity::Repair, "behind the log's end"),
                    false if at < span.min => continue,
                    false => (Severity::Wrong, "where no record of this queue is"),
                };
                report.add(severity, Kind::Orphan, &name, Some(place), || format!("points to {at}, {why}"));
            }
        }
        Ok(self.ranges)
    }
}

/// Queue offset of the record's first message, and how many it has.
fn batch_of(stored: &StoredMessage<'_>) -> (i64, i64) {
    let number = |name| property::find(&stored.message.properties, name)?.parse::<i64>().ok();
    match (number(property::INNER_BASE), number(property::INNER_NUM)) {
        (Some(base), Some(size)) => (base, size),
        _ => (stored.queue_offset, 1),
    }
}

fn difference(entry: &BatchQueueEntry, stored: &StoredMessage<'_>, levels: &Levels) -> Option<String> {
    let (base, size) = batch_of(stored);
    let tags = levels.tags(stored);
    if entry.entry.size as usize != stored.size {
        Some(format!("size {}, the record has {}", entry.entry.size, stored.size))
    } else if !tags.fit(entry.entry.tags_code, stored.store_timestamp_ms) {
        Some(format!("tags code {}, the record's is {}", entry.entry.tags_code, tags.code()))
    } else if entry.store_timestamp_ms != stored.store_timestamp_ms {
        Some(format!(
            "store time {}, the record's is {}",
            entry.store_timestamp_ms, stored.store_timestamp_ms
        ))
    } else if (entry.base_offset, i64::from(entry.batch_size)) != (base, size) {
        Some(format!(
            "{} messages from {}, the record has {size} from {base}",
            entry.batch_size, entry.base_offset
        ))
    } else if entry.rest != BatchQueueEntry::PLAIN_REST {
        Some(format!("last bytes {:02x?}", entry.rest))
    } else {
        None
    }
}
