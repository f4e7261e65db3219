//! The files at the log's end: the one that is written to, and the one behind it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::error;

use super::error::PutError;
use super::file_queue::FileQueue;
use super::mapped_file::{Appender, LogFile, PAGE_BYTES};

/// Blocks of a file that has holes are reserved so far beyond what is needed, in bytes. Under the append lock: some 50
/// microseconds, and only in the file that a start finds.
const RESERVE_STEP_BYTES: usize = 64 << 20;
/// After a failure to make a file or to reserve blocks, wait so long before trying again.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The file that is written to, under the append lock.
#[derive(Debug, Default)]
pub struct Tail {
    pub appender: Option<Appender>,
    /// Up to here in the file blocks are reserved. Files that Java made are full of holes.
    pub reserved_to: usize,
    no_blocks: Failed,
    unwritable: Failed,
}

/// When something failed last, and why: it is not tried again before [`RETRY_AFTER`].
#[derive(Debug, Default)]
struct Failed(Option<(Instant, String)>);

impl Failed {
    fn check(&self) -> Result<(), String> {
        match &self.0 {
            Some((at, why)) if at.elapsed() < RETRY_AFTER => Err(why.clone()),
            _ => Ok(()),
        }
    }

    /// Why it failed, noted.
    fn note(&mut self, error: impl ToString) -> String {
        let why = error.to_string();
        self.0 = Some((Instant::now(), why.clone()));
        why
    }
}

impl Tail {
    /// In `file`, the last of the log, which ends at `end`.
    pub fn at(file: Option<Arc<LogFile>>, end: i64) -> Self {
        let written =
            file.as_ref().map_or(0, |file| (end - file.start()).clamp(0, file.len() as i64) as usize);
        let appender = file.and_then(|file| file.appender(written));
        Self { appender, reserved_to: written - written % PAGE_BYTES, ..Self::default() }
    }

    /// In `file`, which has all its blocks.
    pub fn reserved(file: Arc<LogFile>) -> Self {
        Self { appender: file.appender(0), reserved_to: file.len(), ..Self::default() }
    }

    pub fn file(&self) -> Option<&Arc<LogFile>> {
        self.appender.as_ref().map(Appender::file)
    }

    /// Appends to the file. After an error nothing is.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), PutError> {
        self.unwritable.check().map_err(PutError::ServiceNotAvailable)?;
        let Some(appender) = &mut self.appender else {
            return Err(PutError::ServiceNotAvailable("log has no file".to_owned()));
        };
        appender.append(bytes).map_err(|error| {
            error!(%error, "cannot write the log");
            PutError::ServiceNotAvailable(self.unwritable.note(error))
        })
    }

    /// As [`NextFile::make`], does not ask a full disk again and again.
    pub fn reserve_for_append(&mut self, needed: usize) -> Result<(), PutError> {
        self.no_blocks.check().map_err(PutError::ServiceNotAvailable)?;
        self.reserve(needed).map_err(|error| {
            error!(%error, "no disk blocks for the log");
            PutError::ServiceNotAvailable(self.no_blocks.note(error))
        })
    }

    /// Gives the file its disk blocks up to `needed`, and some more where there are more: on a disk that is nearly full a
    /// file of Java's is filled as far as it goes. In whole pages: a failed attempt may take back what it finds unwritten
    /// (tmpfs), which must not be what an earlier one has got.
    pub fn reserve(&mut self, needed: usize) -> io::Result<()> {
        let Some(file) = self.file() else { return Ok(()) };
        let reserve_to = |end: usize| {
            let end = end.next_multiple_of(PAGE_BYTES).min(file.len());
            file.reserve(self.reserved_to..end).map(|()| end)
        };
        self.reserved_to = reserve_to(needed + RESERVE_STEP_BYTES).or_else(|_| reserve_to(needed))?;
        Ok(())
    }
}

/// The file behind the last.
#[derive(Debug, Default)]
pub struct NextFile {
    pub ready: Option<Arc<LogFile>>,
    failed: Failed,
}

impl NextFile {
    /// The file that starts at `start`: the one that is ready, or a new one.
    pub fn take(&mut self, files: &FileQueue, start: i64) -> Result<Arc<LogFile>, PutError> {
        match self.ready.take() {
            Some(next) if next.start() == start => Ok(next),
            _ => self.make(files, start).map_err(PutError::CreateMappedFileFailed),
        }
    }

    /// Makes the file, or says why not. After a failure it does not try again for [`RETRY_AFTER`]: a full disk does not
    /// get emptier by asking, and the append lock is held.
    pub fn make(&mut self, files: &FileQueue, start: i64) -> Result<Arc<LogFile>, String> {
        self.failed.check()?;
        files.create(start).map_err(|error| {
            error!(%error, offset = start, "cannot make a commit log file");
            self.failed.note(error)
        })
    }
}
