//! `timerlog/`: one record a message, in the order in which they were entered (`TimerLog`).

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};

use message::record::MAGIC_BLANK;
use parking_lot::Mutex;
use tracing::warn;

use crate::disk::{Disk, Reserve};
use crate::error::{AccessError, OpenError};
use crate::file_queue::FileQueue;
use crate::layout::{TIMER_LOG_RECORD_BYTES, TimerLogRecord, timer_blank};
use crate::mapped_file::{Appender, LogFile};
use crate::roots::Roots;

/// Bytes behind a record that must be free for it to be put there: those of itself and of the blank.
const ROOM_BYTES: usize = TIMER_LOG_RECORD_BYTES + timer_blank::BYTES;

pub(super) struct TimerLog {
    files: FileQueue,
    /// Where the next record goes, if that is not a new file.
    tail: Mutex<Option<Appender>>,
    /// Behind the last record.
    end: AtomicI64,
    /// Up to where the files are known to be on disk; 0 until the first sync of this process.
    synced: AtomicI64,
}

/// What stands somewhere in the log.
enum Found {
    Record(TimerLogRecord),
    /// The rest of the file is left out.
    Blank,
    Nothing,
}

fn found(file: &LogFile, at: usize) -> Result<Found, AccessError> {
    let mut bytes = [0; TIMER_LOG_RECORD_BYTES];
    let left = file.len().saturating_sub(at).min(bytes.len());
    file.read(at, &mut bytes[..left])?;
    let magic = bytes[timer_blank::MAGIC_AT..].first_chunk().copied();
    if magic.is_some_and(|magic| u32::from_be_bytes(magic) == MAGIC_BLANK) {
        return Ok(Found::Blank);
    }
    let record = TimerLogRecord::decode(&bytes[..left]).filter(TimerLogRecord::is_record);
    Ok(record.map_or(Found::Nothing, Found::Record))
}

impl TimerLog {
    /// Maps the files; [`find_end`](Self::find_end) is to follow.
    pub(super) fn load(disk: &Disk, dir: PathBuf, file_bytes: usize) -> Result<TimerLog, OpenError> {
        if file_bytes < ROOM_BYTES {
            return Err(OpenError::FileSize { property: "mappedFileSizeTimerLog", bytes: file_bytes as u64 });
        }
        Ok(TimerLog {
            files: FileQueue::load(disk, Roots::new(&[dir], &[]), file_bytes)?,
            tail: Mutex::default(),
            end: AtomicI64::new(0),
            synced: AtomicI64::new(0),
        })
    }

    pub(super) fn end(&self) -> i64 {
        self.end.load(Ordering::Acquire)
    }

    fn file_bytes(&self) -> i64 {
        self.files.file_bytes() as i64
    }

    /// Where the file starts in which `place` lies, or the one next to it.
    fn file_of(&self, place: i64) -> Option<i64> {
        let (first, last) = (self.files.first()?.start(), self.files.last()?.start());
        Some((place - place.rem_euclid(self.file_bytes())).clamp(first, last))
    }

    /// Reads records from the file of `from` on and cuts the log behind the last whose message the commit log, which ends
    /// at `log_end`, still has.
    pub(super) fn find_end(&self, from: i64, log_end: i64) -> Result<(), OpenError> {
        let Some(mut start) = self.file_of(from) else { return Ok(()) };
        while let Some(file) = self.files.find(start) {
            let mut at = 0;
            let is_full = loop {
                match found(&file, at)? {
                    Found::Record(record) if record.physical_offset < log_end => at += TIMER_LOG_RECORD_BYTES,
                    Found::Blank => break true,
                    _ => break false,
                }
            };
            if !is_full {
                self.end.store(start + at as i64, Ordering::Release);
                self.cut(&file, at).map_err(OpenError::io(file.path()))?;
                *self.tail.lock() = file.appender(at);
                return Ok(());
            }
            start += self.file_bytes();
        }
        self.end.store(start, Ordering::Release);
        Ok(())
    }

    /// Makes sure that nothing that looks like a record lies behind the end, and that it can be written there.
    fn cut(&self, file: &LogFile, at: usize) -> io::Result<()> {
        self.files.truncate(file.start())?;
        let rest = file.len() - at;
        let mut next = vec![0; TIMER_LOG_RECORD_BYTES.min(rest)];
        file.read(at, &mut next)?;
        if next.iter().any(|byte| *byte != 0) {
            warn!(
                "{} is cut at {at}: what follows is no record, or of a message that is lost",
                file.path().display()
            );
            return self.files.disk().zero(file.path(), at, rest, Reserve::All);
        }
        file.reserve(at..file.len())
    }

    /// Calls back with every record from the file of `from` on, and its place.
    pub(super) fn for_each(
        &self,
        from: i64,
        mut look: impl FnMut(i64, &TimerLogRecord) -> Result<(), AccessError>,
    ) -> Result<(), AccessError> {
        let end = self.end();
        let Some(mut start) = self.file_of(from) else { return Ok(()) };
        while let Some(file) = self.files.find(start) {
            let mut at = 0;
            while start + (at as i64) < end
                && let Found::Record(record) = found(&file, at)?
            {
                look(start + at as i64, &record)?;
                at += TIMER_LOG_RECORD_BYTES;
            }
            start += self.file_bytes();
        }
        Ok(())
    }

    /// The record at a place where one was found or appended; `None` where there is none.
    pub(super) fn record(&self, place: i64) -> Result<Option<TimerLogRecord>, AccessError> {
        if place < 0 || place >= self.end() {
            return Ok(None);
        }
        let Some(file) = self.files.find(place) else { return Ok(None) };
        match found(&file, (place - file.start()) as usize)? {
            Found::Record(record) => Ok(Some(record)),
            _ => file.check_length().map(|()| None),
        }
    }

    /// The place of the last record before `place`, which is one's or the end.
    fn before(&self, place: i64) -> i64 {
        match place.rem_euclid(self.file_bytes()) {
            // The last that fits into the file before, with a blank behind it.
            0 => {
                let records = (self.file_bytes() as usize - timer_blank::BYTES) / TIMER_LOG_RECORD_BYTES;
                place - self.file_bytes() + ((records - 1) * TIMER_LOG_RECORD_BYTES) as i64
            }
            _ => place - TIMER_LOG_RECORD_BYTES as i64,
        }
    }

    /// The records, the last one first.
    pub(super) fn backwards(&self) -> impl Iterator<Item = Result<TimerLogRecord, AccessError>> {
        let mut place = self.end();
        std::iter::from_fn(move || {
            place = self.before(place);
            self.record(place).transpose()
        })
    }

    pub(super) fn last(&self) -> Result<Option<TimerLogRecord>, AccessError> {
        self.backwards().next().transpose()
    }

    /// Appends a record and returns its place.
    pub(super) fn append(&self, record: &TimerLogRecord) -> io::Result<i64> {
        let mut tail = self.tail.lock();
        if let Some(appender) = &mut *tail
            && !self.has_room(appender)?
        {
            *tail = None;
        }
        let appender = match &mut *tail {
            Some(appender) => appender,
            none => none.insert(self.next_file()?),
        };
        appender.append(&record.encode())?;
        Ok(self.end.fetch_add(TIMER_LOG_RECORD_BYTES as i64, Ordering::AcqRel))
    }

    /// Whether the file has room for a record; closes it with a blank if not.
    fn has_room(&self, appender: &mut Appender) -> Result<bool, AccessError> {
        let file = appender.file();
        let file_end = file.start() + file.len() as i64;
        let room = file_end - self.end();
        if room as usize >= ROOM_BYTES {
            return Ok(true);
        }
        let mut blank = [0; timer_blank::BYTES];
        blank[..4].copy_from_slice(&(room as i32).to_be_bytes());
        blank[timer_blank::MAGIC_AT..].copy_from_slice(&MAGIC_BLANK.to_be_bytes());
        appender.append(&blank)?;
        self.end.store(file_end, Ordering::Release);
        Ok(false)
    }

    fn next_file(&self) -> io::Result<Appender> {
        let file = self.files.create(self.end())?;
        let appender = file.appender(0);
        self.files.push(file);
        appender.ok_or_else(|| io::Error::other("a new file of the timer log has an owner"))
    }

    /// Puts all files on disk that may not be, and returns up to where. Waits for the disk.
    pub(super) fn sync(&self) -> io::Result<i64> {
        let (end, synced) = (self.end(), self.synced.load(Ordering::Acquire));
        for file in self.files.snapshot() {
            if file.start() + file.len() as i64 > synced {
                file.sync(0, file.len())?;
            }
        }
        self.synced.store(end, Ordering::Release);
        Ok(end)
    }

    /// Removes the first files, as long as even the last message of one lies before `min_physical_offset`.
    pub(super) fn remove_expired(&self, min_physical_offset: i64) -> io::Result<()> {
        while self.files.len() > 1
            && let Some(first) = self.files.first()
            && let Some(last) = self.record(self.before(first.start() + self.file_bytes()))?
            && last.physical_offset < min_physical_offset
        {
            self.files.remove_first()?;
        }
        Ok(())
    }
}
