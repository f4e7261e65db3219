//! The files at the log's end: the one that is written to, and the one behind it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::error;

use super::error::PutError;
use super::file_queue::FileQueue;
use super::mapped_file::{self, MappedFile, PAGE_BYTES};

/// Blocks of a file that has holes are reserved so far beyond what is needed, in bytes. Under the append lock: some 50
/// microseconds, and only in the file that a start finds.
const RESERVE_STEP_BYTES: usize = 64 << 20;
/// After a failure to make a file or to reserve blocks, wait so long before trying again.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The file that is written to, under the append lock.
#[derive(Debug, Default)]
pub struct Tail {
    pub file: Option<Arc<MappedFile>>,
    /// Up to here in the file blocks are reserved. Files that Java made are full of holes.
    pub reserved_to: usize,
    /// When an append found no blocks last, and why.
    failed: Option<(Instant, String)>,
}

impl Tail {
    /// In `file`, the last of the log, which ends at `end`.
    pub fn at(file: Option<Arc<MappedFile>>, end: i64) -> Self {
        let written =
            file.as_ref().map_or(0, |file| (end - file.start()).clamp(0, file.len() as i64) as usize);
        Self { file, reserved_to: written - written % PAGE_BYTES, failed: None }
    }

    /// In `file`, which has all its blocks.
    pub fn reserved(file: Arc<MappedFile>) -> Self {
        let reserved_to = file.len();
        Self { file: Some(file), reserved_to, failed: None }
    }

    /// As [`NextFile::make`], does not ask a full disk again and again.
    pub fn reserve_for_append(&mut self, files: &FileQueue, needed: usize) -> Result<(), PutError> {
        if let Some((at, why)) = &self.failed
            && at.elapsed() < RETRY_AFTER
        {
            return Err(PutError::ServiceNotAvailable(why.clone()));
        }
        let reserved = self.reserve(files, needed);
        self.failed = reserved.as_ref().err().map(|error| (Instant::now(), error.to_string()));
        reserved.map_err(|error| {
            error!(%error, "no disk blocks for the log");
            PutError::ServiceNotAvailable(error.to_string())
        })
    }

    /// Gives the file its disk blocks up to `needed`, and some more where there are more: on a disk that is nearly full a
    /// file of Java's is filled as far as it goes. In whole pages: a failed attempt may take back what it finds unwritten
    /// (tmpfs), which must not be what an earlier one has got.
    pub fn reserve(&mut self, files: &FileQueue, needed: usize) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let (path, from) = (files.path(file), self.reserved_to);
        let reserve_to = |end: usize| {
            let end = end.next_multiple_of(PAGE_BYTES).min(file.len());
            mapped_file::reserve(&path, from, end - from).map(|()| end)
        };
        self.reserved_to = reserve_to(needed + RESERVE_STEP_BYTES).or_else(|_| reserve_to(needed))?;
        Ok(())
    }
}

/// The file behind the last.
#[derive(Debug, Default)]
pub struct NextFile {
    pub ready: Option<Arc<MappedFile>>,
    /// When making it failed last, and why.
    failed: Option<(Instant, String)>,
}

impl NextFile {
    /// Makes the file, or says why not. After a failure it does not try again for [`RETRY_AFTER`]: a full disk does not
    /// get emptier by asking, and the append lock is held.
    pub fn make(&mut self, files: &FileQueue, start: i64) -> Result<Arc<MappedFile>, String> {
        if let Some((at, why)) = &self.failed
            && at.elapsed() < RETRY_AFTER
        {
            return Err(why.clone());
        }
        self.failed = None;
        files.create(start).map_err(|error| {
            error!(%error, offset = start, "cannot make a commit log file");
            self.failed = Some((Instant::now(), error.to_string()));
            error.to_string()
        })
    }
}
