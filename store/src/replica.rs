//! A slave's log: the bytes of its master's, as they are (`DefaultMessageStore.appendToCommitLog`, `CommitLog.appendData`).
//!
//! What arrives may end in the middle of a record. Then so does the log, until the rest is there; queues are told of whole
//! records only, and a start takes a record that is not whole for none.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::commit_log::CommitLog;
use super::error::PutError;
use super::tail::Tail;
use super::{MessageStore, Shared};

/// Why bytes of a master were not taken, or not all of them: [`MessageStore::max_phy_offset`] says how many were. Or why the log
/// was not cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicaError {
    /// This broker is no slave: its log is its own.
    NotASlave,
    /// They do not begin where the log ends, which is where the master has to go on.
    NotTheEnd {
        /// Where they begin.
        at: i64,
        /// Where the log ends.
        end: i64,
    },
    /// An empty log begins where one of its files would.
    NoFileStart {
        /// Where they begin.
        at: i64,
        /// Of one log file: each begins at a multiple.
        file_bytes: usize,
    },
    /// There is nothing to cut off there.
    OutOfLog {
        /// Where the log was to be cut.
        at: i64,
        /// Where it begins; -1 if it has no file.
        begin: i64,
        /// Where it ends.
        end: i64,
    },
    /// Not started, shutting down, or the disk takes nothing.
    Put(PutError),
    /// What the disk has to do for a truncation has failed.
    Disk(String),
}

impl fmt::Display for ReplicaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotASlave => f.write_str("not a slave"),
            Self::NotTheEnd { at, end } => write!(f, "bytes for {at}, but the log ends at {end}"),
            Self::NoFileStart { at, file_bytes } => {
                write!(
                    f,
                    "no file of {file_bytes} bytes begins at {at}: has the master files of another size?"
                )
            }
            Self::OutOfLog { at, begin, end } => {
                write!(f, "the log from {begin} to {end} cannot be cut at {at}")
            }
            Self::Put(error) => error.fmt(f),
            Self::Disk(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ReplicaError {}

impl From<PutError> for ReplicaError {
    fn from(error: PutError) -> Self {
        Self::Put(error)
    }
}

impl MessageStore {
    /// Takes `bytes` of the master's log, which stand there at `at`: the end of ours, or with an empty log any start of a file.
    /// Where the log ends then. They may begin and end within a record, and go over ends of files. Never waits for the disk, but
    /// for making a file that is not ready.
    pub fn append_to_commit_log(&self, at: i64, bytes: &[u8]) -> Result<i64, ReplicaError> {
        self.check_slave()?;
        let Shared { config, log, derive, .. } = &*self.parts;
        if log.is_empty() {
            let _still = derive.hold();
            if log.begin_at(at)? {
                derive.set_from(at);
            }
        }
        let appended = log.append_data(at, bytes);
        self.announce(&config.load(), log.max_offset());
        appended
    }

    pub(super) fn check_slave(&self) -> Result<(), ReplicaError> {
        let Shared { log, running, flusher, .. } = &*self.parts;
        let refuse = |why: &str| Err(PutError::ServiceNotAvailable(why.to_owned()).into());
        if !log.is_slave {
            return Err(ReplicaError::NotASlave);
        }
        if !running.is_on() {
            return refuse(running.why_not());
        }
        if flusher.has_failed() {
            return refuse("the disk has failed");
        }
        Ok(())
    }
}

impl CommitLog {
    /// Whether it has no file yet.
    fn is_empty(&self) -> bool {
        self.files.len() == 0
    }

    /// Makes the first file of an empty log; whether it was empty.
    fn begin_at(&self, at: i64) -> Result<bool, ReplicaError> {
        let mut tail = self.tail.lock();
        if tail.file().is_some() {
            return Ok(false);
        }
        let file_bytes = self.files.file_bytes();
        if at < 0 || at % file_bytes as i64 != 0 {
            return Err(ReplicaError::NoFileStart { at, file_bytes });
        }
        self.begin_file(&mut tail, at)?;
        Ok(true)
    }

    fn append_data(&self, at: i64, bytes: &[u8]) -> Result<i64, ReplicaError> {
        let mut tail = self.tail.lock();
        let mut end = self.max_offset();
        if at != end {
            return Err(ReplicaError::NotTheEnd { at, end });
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            if tail.file().is_none_or(|file| end == file.start() + file.len() as i64) {
                self.begin_file(&mut tail, end)?;
            }
            let (piece, others) = Self::write_data(&mut tail, end, rest)?;
            end += piece as i64;
            rest = others;
            self.max_offset.store(end, Ordering::Release);
        }
        Ok(end)
    }

    /// Goes on in a new file that starts where the log ends, or where its first one is to start.
    fn begin_file(&self, tail: &mut Tail, start: i64) -> Result<(), PutError> {
        // Until the file is on the list: else another would be made of the same name.
        let mut next_file = self.next.lock();
        let next = next_file.take(&self.files, start)?;
        if tail.file().is_none() {
            self.flushed_where.store(start, Ordering::Release);
            self.max_offset.store(start, Ordering::Release);
        }
        self.files.push(Arc::clone(&next));
        *tail = Tail::reserved(next);
        Ok(())
    }

    /// Writes as much of `rest` as the file has room for. How many bytes that is, and what is left.
    fn write_data<'a>(tail: &mut Tail, end: i64, rest: &'a [u8]) -> Result<(usize, &'a [u8]), PutError> {
        let (mut at, mut room) = (0, rest.len());
        if let Some(file) = tail.file() {
            at = (end - file.start()) as usize;
            room = file.len() - at;
        }
        let (piece, others) = rest.split_at(rest.len().min(room));
        if at + piece.len() > tail.reserved_to {
            tail.reserve_for_append(at + piece.len())?;
        }
        tail.append(piece)?;
        Ok((piece.len(), others))
    }
}
