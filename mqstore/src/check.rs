//! `mqstore check`: everything in a store against everything else, in one walk through the log.

use std::io;
use std::path::Path;

use message::property_crc::{self, PROPERTY_CRC32};
use message::{StoredMessage, property};

use super::batch_queue::BatchQueues;
use super::checkpoint;
use super::expected::{self, Levels};
use super::index::{Index, IndexReader};
use super::log::{self, Fault, Found, Span, Visitor};
use super::outlook::Outlook;
use super::queue::{QueueChecks, Start};
use super::report::{Kind, Report, Severity};
use super::table::Tables;
use super::timer;
use super::tree::{self, Options, SeqFile, Sequence, Tree};
use store::layout::checkpoint::Fields;
use store::layout::{self, CHECKPOINT_FILE};
use store::topic_name::is_lmq;

/// Reads the whole store below `root` and says what is wrong with it. An error only if the store cannot be read.
pub fn check(root: &Path, options: &Options) -> io::Result<Report> {
    let mut report = Report::new(options.examples_max);
    let tree = Tree::read(root, options, &mut report)?;
    if tree.commit_log.files.is_empty() && !root.join(CHECKPOINT_FILE).exists() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no store: neither commitlog nor checkpoint"));
    }
    let log_bytes = tree::common_size(tree.commit_log.files.iter().map(|file| file.bytes));
    tree::check_sequence(&tree, &tree.commit_log, log_bytes, Sequence::Log, Severity::Wrong, &mut report);
    let checkpoint = checkpoint::read(&tree, &mut report);
    let tables = Tables::read(&tree, &mut report)?;
    let outlook = Outlook::new(&tree, &checkpoint.unwrap_or_default())?;
    check_queue_files(&tree, &outlook, &mut report);
    let (running, unclean) = (tree.holder.is_some(), tree.has_abort);
    let start = Start { redo_from: outlook.redo_from, unclean, running };
    let levels = Levels::read(options);
    let names_lmq = tree.queues.keys().any(|key| is_lmq(&key.0));
    let mut checker = Checker {
        tree: &tree,
        noted_end: outlook.noted_end,
        queues: QueueChecks::new(&tree, options, start, &outlook),
        batch_queues: BatchQueues::new(&tree, &levels, start, &outlook),
        index: Index::new(
            &tree,
            options,
            Start { redo_from: index_redo_from(&tree, options, start)?, ..start },
            checkpoint.map_or(0, |checkpoint| checkpoint.index_msg_timestamp),
        ),
        multi_dispatch: names_lmq || options.properties.get("enableMultiDispatch") == Some("true"),
        start,
        report,
        records: 0,
        last_store_ms: 0,
        bad_checksum: None,
        bad_property_crc: None,
        appends_crc: false,
        error: None,
    };
    let span = log::walk(&tree.commit_log, None, &mut checker)?;
    checker.finish(span, log_bytes, checkpoint, &tables)
}

/// Sizes and names of the files of every kind of queue.
fn check_queue_files(tree: &Tree, outlook: &Outlook, report: &mut Report) {
    for queues in [&tree.queues, &tree.exts, &tree.batch_queues] {
        let is_ext = std::ptr::eq(queues, &tree.exts);
        let sizes = queues.values().flat_map(|files| files.files.iter().map(|file| file.bytes));
        let bytes = tree::common_size(sizes);
        for ((topic, queue_id), files) in queues {
            let gap = match !is_ext && outlook.queue(topic, *queue_id).is_remade {
                true => Severity::Repair,
                false => Severity::Wrong,
            };
            tree::check_sequence(tree, files, bytes, Sequence::Queue, gap, report);
        }
    }
    let bytes = tree::common_size(tree.timer_log.files.iter().map(|file| file.bytes));
    tree::check_sequence(tree, &tree.timer_log, bytes, Sequence::Log, Severity::Wrong, report);
}

/// Where a start begins to tell the index: behind what the last whole file knows, or, if that has room after a clean stop, where
/// the queues end.
fn index_redo_from(tree: &Tree, options: &Options, start: Start) -> io::Result<i64> {
    let bytes = tree::common_size(tree.index_files.iter().map(|(_, bytes)| *bytes));
    let (mut known_to, mut has_room, mut all_whole) = (0, false, true);
    for (name, _) in tree.index_files.iter().take_while(|file| file.1 == bytes) {
        let Ok(mut file) = IndexReader::open(tree, name, options)? else { continue };
        all_whole &= file.is_sound()?;
        if !all_whole {
            break;
        }
        has_room = (file.header.count.max(0) as u64) < file.capacity();
        if file.header.count > 1 {
            known_to = file.header.end_offset;
        }
    }
    Ok(if has_room && !start.unclean { known_to.max(start.redo_from) } else { known_to })
}

/// Size and magic of a record: zeros there, and the log ends before whatever follows.
const HEAD_BYTES: i64 = 8;

struct Checker<'t> {
    tree: &'t Tree,
    /// The log went on to there at least.
    noted_end: i64,
    queues: QueueChecks<'t>,
    batch_queues: BatchQueues<'t>,
    index: Index<'t>,
    multi_dispatch: bool,
    start: Start,
    report: Report,
    records: u64,
    last_store_ms: i64,
    /// A record that does not match its checksum: file, place, what. It matters whether another one follows.
    bad_checksum: Option<(String, u64, String)>,
    /// A record that does not match its `__CRC32#`, where those before it have none: it matters whether the next has one.
    bad_property_crc: Option<(String, u64, String)>,
    /// The last record ended in a checksum of itself that only a broker can have written.
    appends_crc: bool,
    error: Option<io::Error>,
}

impl Visitor for Checker<'_> {
    fn record(&mut self, found: &Found<'_>) -> bool {
        self.told_checksum(false);
        self.records += 1;
        self.last_store_ms = self.last_store_ms.max(found.stored.store_timestamp_ms);
        self.check_record(found);
        self.check_property_crc(found);
        if let Err(error) = self.check_derived(found) {
            self.error = Some(error);
        }
        self.error.is_none()
    }

    fn fault(&mut self, fault: Fault, file: &SeqFile) {
        let last = matches!(fault, Fault::Tail { .. });
        self.told_checksum(last);
        let name = self.tree.name(&self.tree.commit_log.path(file));
        let place = |at: i64| u64::try_from(at - file.start).ok();
        match fault {
            Fault::Broken { at, next, why } => {
                self.report.add(Severity::Wrong, Kind::Record, &name, place(at), || {
                    format!("{why}; {} bytes up to the next record at {next} are lost", next - at)
                });
            }
            Fault::Blank { at, says, rest } => {
                self.report.add(Severity::Wrong, Kind::Blank, &name, place(at), || {
                    format!("blank record of {says} bytes, {rest} are left in the file")
                });
            }
            Fault::NoBlank { at } => {
                self.report.add(Severity::Wrong, Kind::Blank, &name, place(at), || {
                    "the file ends without a blank record".to_owned()
                });
            }
            Fault::Tail { at, nonzero, why, stale } => self.tail(&name, place(at), nonzero - at, why, stale),
        }
    }
}

impl Checker<'_> {
    /// Says that the log once went on behind its end, as its broker noted when all before was on disk.
    fn check_end(&mut self, end: i64, checkpoint: Fields) {
        // What Java notes is not on disk before a clean stop; and a number that queues do not bear out is a wrong one.
        let of_java = match !self.start.unclean && self.start.redo_from > end {
            true => checkpoint.logics_physical_offset,
            false => -1,
        };
        let noted = checkpoint.durable().unwrap_or(of_java).max(self.noted_end - 1);
        if noted >= end && !self.start.running {
            self.report.add(Severity::Wrong, Kind::Tail, "commitlog", None, || {
                format!("ends at {end}, but went on behind {noted}: messages are missing")
            });
        }
    }

    fn tail(&mut self, name: &str, place: Option<u64>, zeros: i64, why: String, stale: bool) {
        let left_over = stale || zeros >= HEAD_BYTES;
        let (severity, then) = match (self.start.running, left_over, self.start.unclean) {
            (true, _, _) => (Severity::Note, "a message may be on its way"),
            (_, true, false) => (Severity::Note, "left from before the log was cut off here"),
            (_, _, true) => (Severity::Repair, "a start cuts it off"),
            // Nothing half written can be there: a whole message once was.
            _ => (Severity::Wrong, "though the broker stopped cleanly; a start cuts it off"),
        };
        self.report.add(severity, Kind::Tail, name, place, || format!("the log ends here: {why}, {then}"));
    }

    /// Reports a bad checksum once it is known whether its record is the last.
    fn told_checksum(&mut self, last: bool) {
        let Some((file, place, what)) = self.bad_checksum.take() else { return };
        let (severity, then) = match (last && self.start.unclean, self.start.unclean) {
            (true, _) => (Severity::Repair, "a start cuts it off"),
            (_, true) => (Severity::Wrong, "a start may cut off the log here, with all that follows"),
            _ => (Severity::Wrong, "a start leaves it"),
        };
        self.report.add(severity, Kind::Checksum, &file, Some(place), || format!("{what}; {then}"));
    }

    fn check_record(&mut self, found: &Found<'_>) {
        let stored = &found.stored;
        let (name, place) = self.place_of(found);
        let mut add = |severity, kind, what: String| {
            self.report.add(severity, kind, &name, Some(place), || format!("{}: {what}", whose(stored)));
        };
        if stored.physical_offset != found.at {
            add(Severity::Wrong, Kind::Place, format!("says it lies at {}", stored.physical_offset));
        }
        if stored.queue_offset < 0 || stored.message.queue_id < 0 {
            add(Severity::Wrong, Kind::QueueOffset, "negative".to_owned());
        }
        if let Some(what) = malformed_topic(stored) {
            add(Severity::Wrong, Kind::Properties, what);
        }
        // Any sender can do that.
        if let Some(what) = malformed_properties(stored) {
            add(Severity::Note, Kind::Properties, what);
        }
        if !stored.body_is_intact() {
            let what = format!("{}: body does not match its checksum", whose(stored));
            self.bad_checksum = Some((name, place, what));
        }
    }

    /// The checksum over the whole record, if it has one (`enabledAppendPropCRC`). A broker appends it to every record or to
    /// none; one that stands alone and does not fit is a property of its sender's.
    fn check_property_crc(&mut self, found: &Found<'_>) {
        let (stored, properties) = (&found.stored, &*found.stored.message.properties);
        let is_there = property::find(properties, PROPERTY_CRC32).is_some();
        let is_intact = is_there && property_crc::is_intact(found.bytes, properties);
        if let Some((name, place, what)) = self.bad_property_crc.take() {
            let severity = if is_intact { Severity::Wrong } else { Severity::Note };
            self.report.add(severity, Kind::Checksum, &name, Some(place), || what);
        }
        if is_there && !is_intact {
            let (name, place) = self.place_of(found);
            let bad = (name, place, format!("{}: record does not match its {PROPERTY_CRC32}", whose(stored)));
            match self.appends_crc && property_crc::is_in_place(found.bytes) {
                true => self.bad_checksum = self.bad_checksum.take().or(Some(bad)),
                false => self.bad_property_crc = Some(bad),
            }
            return;
        }
        self.appends_crc = is_intact;
    }

    /// File of a record and place in it.
    fn place_of(&self, found: &Found<'_>) -> (String, u64) {
        (self.tree.name(&self.tree.commit_log.path(found.file)), (found.at - found.file.start) as u64)
    }

    /// What is derived from the record.
    fn check_derived(&mut self, found: &Found<'_>) -> io::Result<()> {
        let Self { queues, batch_queues, index, report, .. } = self;
        let stored = &found.stored;
        for (number, target) in expected::targets(stored, self.multi_dispatch).into_iter().enumerate() {
            match number == 0 {
                true if batch_queues.has_topic(target.topic) => {
                    batch_queues.record(found.at, stored, report)?;
                }
                true => queues.record(found.at, stored, target, report)?,
                false => queues.claim(found.at, stored, target, report)?,
            }
        }
        index.record(found.at, stored, report)
    }

    fn finish(
        mut self,
        span: Span,
        log_bytes: u64,
        checkpoint: Option<Fields>,
        tables: &Tables,
    ) -> io::Result<Report> {
        self.told_checksum(true);
        if let Some((name, place, what)) = self.bad_property_crc.take() {
            self.report.add(Severity::Note, Kind::Checksum, &name, Some(place), || what);
        }
        if let Some(error) = self.error {
            return Err(error);
        }
        self.check_end(span.end, checkpoint.unwrap_or_default());
        let (tree, start, mut report) = (self.tree, self.start, self.report);
        let (entries, index_files) = (self.queues.messages, tree.index_files.len());
        self.index.finish(span.end, &mut report)?;
        let mut ranges = self.queues.finish(span, |topic| tables.has_topic(topic), &mut report)?;
        ranges.extend(self.batch_queues.finish(span, &mut report)?);
        if let Some(fields) = checkpoint {
            checkpoint::check(&fields, span, self.last_store_ms, start, &mut report);
        }
        tables.check(&ranges, &mut report);
        timer::check(tree, span, start, &mut report)?;
        report.facts = vec![
            format!(
                "log: {} files of {log_bytes} bytes, {}..{}, {} records",
                tree.commit_log.files.len(),
                span.min,
                span.end,
                self.records
            ),
            format!("queues: {}, {entries} entries looked up", tree.queues.len() + tree.batch_queues.len()),
            format!("index: {index_files} files, {} entries", self.index.entries),
            match (tree.holder, start.unclean) {
                (Some(0), _) => "state: in use by a broker; what is new may still be on its way".to_owned(),
                (Some(pid), _) => {
                    format!("state: in use by process {pid}; what is new may still be on its way")
                }
                (None, true) => "state: not stopped cleanly".to_owned(),
                (None, false) => "state: stopped cleanly".to_owned(),
            },
        ];
        if tree.index_files.is_empty() && self.records > 0 {
            let severity = start.severity_at(span.min);
            let severity = if severity == Severity::Wrong { Severity::Note } else { severity };
            report.add(severity, Kind::IndexMissing, "index", None, || {
                "no index files: queries by key find nothing".to_owned()
            });
        }
        if start.unclean && !start.running {
            report.add(Severity::Note, Kind::Stop, layout::ABORT_FILE, None, || {
                "the last broker did not stop as it should: the next start recovers".to_owned()
            });
        }
        Ok(report)
    }
}

/// Queue and queue offset, for people.
fn whose(stored: &StoredMessage<'_>) -> String {
    format!("{}/{} at {}", stored.message.topic, stored.message.queue_id, stored.queue_offset)
}

/// What no broker would have stored.
fn malformed_topic(stored: &StoredMessage<'_>) -> Option<String> {
    let topic = &stored.message.topic;
    (topic.is_empty() || topic.contains(['\u{fffd}', '/', '\0'])).then(|| format!("topic {topic:?}"))
}

fn malformed_properties(stored: &StoredMessage<'_>) -> Option<String> {
    let properties = &stored.message.properties;
    if properties.contains('\u{fffd}') && matches!(properties, std::borrow::Cow::Owned(_)) {
        return Some("properties are no UTF-8".to_owned());
    }
    let mut pairs = properties.split('\u{2}').filter(|pair| !pair.is_empty());
    let odd = pairs.find(|pair| pair.find('\u{1}').is_none_or(|at| at == 0))?;
    Some(format!("property {odd:?} has no name or no value"))
}
