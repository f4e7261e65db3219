//! Index files against the log. Their entries stand in the order of the log, so both are read side by side, once.

mod reader;

use std::collections::VecDeque;
use std::io;

use message::{StoredMessage, java_string_hash, property, sys_flag};

use super::queue::Start;
use super::report::{Kind, Report, Severity};
use super::tree::{self, Options, Tree};
use store::layout::index::{self as at, HEADER_BYTES, SLOT_BYTES};
use store::layout::{IndexEntry, index_key_hash};

pub use reader::IndexReader;

/// A hash that a record should or may have in the index.
struct Key {
    hash: i32,
    /// 4.9.7 does not index tags.
    must: bool,
    seen: bool,
}

/// `IndexService.buildIndex`.
fn keys_of(stored: &StoredMessage<'_>) -> Vec<Key> {
    let message = &stored.message;
    if sys_flag::transaction(message.sys_flag) == sys_flag::TRANSACTION_ROLLBACK {
        return Vec::new();
    }
    let hash = |key: String| index_key_hash(java_string_hash(&key));
    let find = |name| property::find(&message.properties, name);
    let topic = &message.topic;
    let mut keys = Vec::new();
    let mut put = |key: String, must| keys.push(Key { hash: hash(key), must, seen: false });
    if let Some(key) = find(property::UNIQ_KEY) {
        put(format!("{topic}#{key}"), true);
    }
    for key in find(property::KEYS).unwrap_or_default().split(' ').filter(|key| !key.is_empty()) {
        put(format!("{topic}#{key}"), true);
    }
    if let Some(tags) = find(property::TAGS) {
        put(format!("{topic}#T#{tags}"), false);
    }
    keys
}

/// An entry, looked at before its turn.
#[derive(Clone, Copy)]
struct Ahead {
    number: u64,
    entry: IndexEntry,
}

/// The file that is read now.
struct Current {
    file: IndexReader,
    ahead: VecDeque<Ahead>,
    /// The newest entry of each slot, as the entries read so far say.
    heads: Vec<i32>,
    used_slots: i32,
    last: Option<IndexEntry>,
    /// A start removes the file and makes it anew, or, after a crash, puts it right.
    rebuilt: bool,
}

/// Neighbouring records whose keys are in no index file.
struct Hole {
    from: i64,
    to: i64,
    topic: String,
    keys: u64,
    severity: Severity,
}

/// All index files while the log is walked.
pub struct Index<'t> {
    tree: &'t Tree,
    options: &'t Options,
    start: Start,
    /// `checkpoint`'s time of the index: what is newer is removed after a crash.
    index_msg_timestamp_ms: i64,
    log_min: i64,
    next_file: usize,
    current: Option<Current>,
    /// Physical offset of the first entry of all.
    begins_at: Option<i64>,
    pub entries: u64,
    /// Records with keys before the index begins.
    before: u64,
    hole: Option<Hole>,
    /// Bytes of most files.
    file_bytes: u64,
    /// A file before was not sound: a start makes what is behind it anew, too.
    is_broken: bool,
}

/// Entries looked at ahead, so that one damaged offset is told from its neighbours.
const AHEAD: usize = 3;

impl<'t> Index<'t> {
    pub fn new(tree: &'t Tree, options: &'t Options, start: Start, index_msg_timestamp_ms: i64) -> Self {
        let log_min = tree.commit_log.files.first().map_or(0, |file| file.start);
        Self {
            tree,
            options,
            start,
            index_msg_timestamp_ms,
            log_min,
            next_file: 0,
            current: None,
            begins_at: None,
            entries: 0,
            before: 0,
            hole: None,
            file_bytes: tree::common_size(tree.index_files.iter().map(|(_, bytes)| *bytes)),
            is_broken: false,
        }
    }

    /// Checks the entries of the record at `at`.
    pub fn record(&mut self, at: i64, stored: &StoredMessage<'_>, report: &mut Report) -> io::Result<()> {
        if self.tree.index_files.is_empty() {
            return Ok(());
        }
        let mut keys = keys_of(stored);
        while let Some(next) = self.peek(report)? {
            if next.entry.physical_offset > at {
                break;
            }
            self.take(report, Some((at, stored.store_timestamp_ms, &mut keys)))?;
        }
        let missing = keys.iter().filter(|key| key.must && !key.seen).count() as u64;
        if missing == 0 {
            if keys.iter().any(|key| key.must) {
                self.close_hole(Some(at), report);
            }
            return Ok(());
        }
        if self.begins_at.is_none_or(|begin| at < begin) {
            self.before += 1;
            return Ok(());
        }
        let severity = self.start.severity_at(at);
        match &mut self.hole {
            Some(hole) if hole.severity == severity => (hole.to, hole.keys) = (at, hole.keys + missing),
            _ => {
                self.close_hole(None, report);
                let topic = stored.message.topic.to_string();
                self.hole = Some(Hole { from: at, to: at, topic, keys: missing, severity });
            }
        }
        Ok(())
    }

    /// The index goes on at the record at `goes_on_at`, if it does. After a crash Java removes the files that end after the
    /// checkpoint's time, and indexes anew only from the log file where its recovery starts (`messageIndexSafe=false`).
    fn close_hole(&mut self, goes_on_at: Option<i64>, report: &mut Report) {
        let Some(Hole { from, to, topic, keys, severity }) = self.hole.take() else { return };
        let log_files = &self.tree.commit_log.files;
        let is_javas =
            goes_on_at.is_some_and(|at| log_files.iter().any(|file| (to + 1..=at).contains(&file.start)));
        let (severity, why) = match is_javas {
            true => (Severity::Note, ": Java's recovery leaves them out, no query finds them"),
            false => (severity, ""),
        };
        report.add(severity, Kind::IndexMissing, "index", None, || {
            format!("{keys} keys of the records from {from} ({topic}) to {to} are in no index file{why}")
        });
    }

    /// The next entry that is in order; those that are not are reported and left out.
    fn peek(&mut self, report: &mut Report) -> io::Result<Option<Ahead>> {
        loop {
            if self.current.is_none() && !self.open_next(report)? {
                return Ok(None);
            }
            let Some(current) = &mut self.current else { return Ok(None) };
            while current.ahead.len() < AHEAD
                && let Some((number, entry)) = current.file.next_entry()?
            {
                current.ahead.push_back(Ahead { number, entry });
            }
            let Some(&first) = current.ahead.front() else {
                self.close(report)?;
                continue;
            };
            let later = |index: usize| current.ahead.get(index).map(|ahead| ahead.entry.physical_offset);
            let offset = first.entry.physical_offset;
            let runs_ahead =
                later(1).is_some_and(|next| offset > next) && later(2).is_none_or(|next| offset > next);
            if runs_ahead {
                self.take(report, None)?;
                continue;
            }
            self.begins_at.get_or_insert(offset);
            return Ok(Some(first));
        }
    }

    /// Takes the next entry and checks it: against the record that lies at its offset, if that is known.
    fn take(&mut self, report: &mut Report, record: Option<(i64, i64, &mut Vec<Key>)>) -> io::Result<()> {
        let (start, log_min) = (self.start, self.log_min);
        let Some(current) = &mut self.current else { return Ok(()) };
        let Some(Ahead { number, entry }) = current.ahead.pop_front() else { return Ok(()) };
        self.entries += 1;
        let place = Some(current.file.place_of(number));
        let severity =
            if current.rebuilt { start.severity_at(entry.physical_offset) } else { Severity::Wrong };
        current.check_chain(number, &entry, severity, report);
        let name = &current.file.name;
        let mut wrong = |text: String| report.add(severity, Kind::IndexEntry, name, place, || text);
        match record {
            Some((at, store_ms, keys)) if at == entry.physical_offset => {
                // Twice is right: after a crash Java goes again over the record with which the last file that it keeps ends.
                let is_known = keys.iter().any(|key| key.hash == entry.key_hash);
                match keys.iter_mut().find(|key| key.hash == entry.key_hash && !key.seen) {
                    Some(key) => key.seen = true,
                    None if is_known => {}
                    None => wrong(format!(
                        "entry {number}: hash {} is of no key of the record at {at}",
                        entry.key_hash
                    )),
                }
                let begin_ms = current.file.header.begin_timestamp_ms;
                let seconds = seconds_from(begin_ms, store_ms);
                // The first entry's is counted from the file before it.
                if number > 1 && i64::from(entry.seconds) != seconds && begin_ms > 0 {
                    wrong(format!(
                        "entry {number}: {} s from the begin, the record {seconds} s",
                        entry.seconds
                    ));
                }
            }
            _ if (0..log_min).contains(&entry.physical_offset) => {}
            _ => wrong(format!(
                "entry {number}: points to {}, where no record of its kind is",
                entry.physical_offset
            )),
        }
        if number == 1 && entry.physical_offset != current.file.header.begin_offset {
            let says = current.file.header.begin_offset;
            report.add(severity, Kind::IndexHeader, name, Some(at::BEGIN_PHY_OFFSET as u64), || {
                format!("begins at {says}, entry 1 points to {}", entry.physical_offset)
            });
        }
        current.last = Some(entry);
        Ok(())
    }

    fn open_next(&mut self, report: &mut Report) -> io::Result<bool> {
        while let Some((name, bytes)) = self.tree.index_files.get(self.next_file) {
            self.next_file += 1;
            if *bytes != self.file_bytes {
                self.is_broken = true;
                report.add(Severity::Repair, Kind::FileSize, &format!("index/{name}"), None, || {
                    format!("an index file of {bytes} bytes, others have {}", self.file_bytes)
                });
                continue;
            }
            let mut file = match IndexReader::open(self.tree, name, self.options)? {
                Ok(file) => file,
                Err(why) => {
                    report.add(Severity::Wrong, Kind::FileSize, &format!("index/{name}"), None, || why);
                    continue;
                }
            };
            let header = file.header;
            self.is_broken |= !file.is_sound()?;
            let is_new = self.start.unclean && header.end_timestamp_ms > self.index_msg_timestamp_ms;
            let rebuilt = self.is_broken || is_new;
            let severity = if rebuilt { Severity::Repair } else { Severity::Wrong };
            if header.count < 0 || header.count as u64 > file.capacity().max(1) {
                report.add(severity, Kind::IndexHeader, &file.name, Some(at::INDEX_COUNT as u64), || {
                    format!("{} entries, room is for {}", header.count, file.capacity())
                });
            }
            // By time it may end before it begins: the clock may have been set back.
            if header.begin_offset > header.end_offset {
                report.add(severity, Kind::IndexHeader, &file.name, Some(0), || {
                    format!("ends before it begins: {header:?}")
                });
            }
            let heads = vec![0; file.slots as usize];
            let current = Current { file, ahead: VecDeque::new(), heads, used_slots: 0, last: None, rebuilt };
            self.current = Some(current);
            return Ok(true);
        }
        Ok(false)
    }

    /// Every entry of the file is read: what do slots and header say?
    fn close(&mut self, report: &mut Report) -> io::Result<()> {
        let Some(mut current) = self.current.take() else { return Ok(()) };
        let severity = if current.rebuilt { Severity::Repair } else { Severity::Wrong };
        let running = self.start.running && self.next_file == self.tree.index_files.len();
        if !running {
            current.check_slots(severity, report)?;
            current.check_header(severity, report);
        }
        Ok(())
    }

    /// After the walk.
    pub fn finish(&mut self, log_end: i64, report: &mut Report) -> io::Result<()> {
        self.close_hole(None, report);
        while let Some(next) = self.peek(report)? {
            let offset = next.entry.physical_offset;
            let behind = offset >= log_end;
            let Some(current) = &mut self.current else { break };
            if behind {
                let severity = if self.start.running { Severity::Note } else { Severity::Repair };
                let (name, place) = (current.file.name.clone(), current.file.place_of(next.number));
                current.ahead.pop_front();
                self.entries += 1;
                current.check_chain(next.number, &next.entry, severity, report);
                current.last = Some(next.entry);
                report.add(severity, Kind::IndexEntry, &name, Some(place), || {
                    format!("entry {}: points to {offset}, the log ends at {log_end}", next.number)
                });
            } else {
                self.take(report, None)?;
            }
        }
        if self.before > 0 {
            let (before, begin) = (self.before, self.begins_at);
            report.add(Severity::Note, Kind::IndexMissing, "index", None, || {
                format!("begins at {begin:?}: {before} records with keys before it cannot be queried")
            });
        }
        Ok(())
    }
}

/// As an entry counts them (`IndexFile.putKey`).
fn seconds_from(begin_ms: i64, store_ms: i64) -> i64 {
    (store_ms.saturating_sub(begin_ms) / 1000).clamp(0, i64::from(i32::MAX))
}

impl Current {
    fn check_chain(&mut self, number: u64, entry: &IndexEntry, severity: Severity, report: &mut Report) {
        let place = Some(self.file.place_of(number));
        let Ok(hash) = u64::try_from(entry.key_hash) else {
            report.add(severity, Kind::IndexEntry, &self.file.name, place, || {
                format!("entry {number}: negative hash {}", entry.key_hash)
            });
            return;
        };
        let Some(head) = self.heads.get_mut((hash % self.file.slots) as usize) else { return };
        if *head != entry.previous {
            let expected = *head;
            report.add(severity, Kind::IndexChain, &self.file.name, place, || {
                format!(
                    "entry {number}: the one before it in its chain is {expected}, it says {}",
                    entry.previous
                )
            });
        }
        self.used_slots += i32::from(*head == 0);
        *head = number as i32;
    }

    fn check_slots(&mut self, severity: Severity, report: &mut Report) -> io::Result<()> {
        for slot in 0..self.file.slots {
            let (expected, found) = (self.heads[slot as usize], self.file.slot(slot)?);
            if expected != found {
                let place = HEADER_BYTES as u64 + slot * SLOT_BYTES as u64;
                report.add(severity, Kind::IndexChain, &self.file.name, Some(place), || {
                    format!("slot {slot}: says entry {found}, its newest entry is {expected}")
                });
            }
        }
        Ok(())
    }

    fn check_header(&self, severity: Severity, report: &mut Report) {
        let header = self.file.header;
        let mut wrong = |at: usize, text: String| {
            report.add(severity, Kind::IndexHeader, &self.file.name, Some(at as u64), || text);
        };
        if header.used_slots != self.used_slots {
            wrong(
                at::HASH_SLOT_COUNT,
                format!("{} slots in use, there are {}", header.used_slots, self.used_slots),
            );
        }
        if let Some(last) = self.last.filter(|last| last.physical_offset != header.end_offset) {
            wrong(
                at::END_PHY_OFFSET,
                format!("ends at {}, its last entry points to {}", header.end_offset, last.physical_offset),
            );
        }
        let seconds = seconds_from(header.begin_timestamp_ms, header.end_timestamp_ms);
        if let Some(last) = self.last.filter(|last| {
            header.count > 2 && header.begin_timestamp_ms > 0 && i64::from(last.seconds) != seconds
        }) {
            wrong(
                at::END_TIMESTAMP,
                format!("{seconds} s from begin to end, its last entry says {}", last.seconds),
            );
        }
    }
}
