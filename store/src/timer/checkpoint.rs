//! `config/timercheck` (`TimerCheckpoint`).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use parking_lot::Mutex;

use crate::disk::Disk;
use crate::error::OpenError;
use crate::layout::timer_checkpoint as at;

/// The fields of the file, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimerCheckpoint {
    /// The slot to deliver next, in milliseconds since the epoch.
    pub last_read_time_ms: i64,
    /// Where the timer log on disk ends.
    pub last_timer_log_flush_pos: i64,
    /// The first offset of the timer's queue that may not be in the wheel.
    pub last_timer_queue_offset: i64,
    /// The same, as the master has it.
    pub master_timer_queue_offset: i64,
    /// `DataVersion` of the checkpoint: the controller's term, always 0 without one.
    pub state_version: i64,
    /// `DataVersion` of the checkpoint: when it was changed, in milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// `DataVersion` of the checkpoint: how often it was changed.
    pub counter: i64,
}

impl TimerCheckpoint {
    /// What is missing counts as 0.
    pub fn decode(bytes: &[u8]) -> Self {
        let field = |index: usize| {
            let bytes = bytes.get(index * 8..).and_then(|rest| rest.first_chunk());
            bytes.map_or(0, |bytes| i64::from_be_bytes(*bytes))
        };
        Self {
            last_read_time_ms: field(0),
            last_timer_log_flush_pos: field(1),
            last_timer_queue_offset: field(2),
            master_timer_queue_offset: field(3),
            state_version: field(4),
            timestamp_ms: field(5),
            counter: field(6),
        }
    }

    /// The fields as they stand in the file and in the body of GET_TIMER_CHECK_POINT.
    pub fn encode(&self) -> [u8; at::BYTES] {
        let fields: [i64; at::FIELDS] = [
            self.last_read_time_ms,
            self.last_timer_log_flush_pos,
            self.last_timer_queue_offset,
            self.master_timer_queue_offset,
            self.state_version,
            self.timestamp_ms,
            self.counter,
        ];
        let mut bytes = [0; at::BYTES];
        for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_be_bytes());
        }
        bytes
    }
}

pub(super) struct CheckpointFile {
    disk: Disk,
    path: PathBuf,
    file: File,
    fields: Mutex<TimerCheckpoint>,
}

impl CheckpointFile {
    /// Opens or makes the file.
    pub(super) fn open(disk: &Disk, path: PathBuf) -> Result<CheckpointFile, OpenError> {
        if let Some(dir) = path.parent() {
            disk.create_dir(dir).map_err(OpenError::io(dir))?;
        }
        Self::open_or_make(disk, path.clone()).map_err(OpenError::io(path))
    }

    fn open_or_make(disk: &Disk, path: PathBuf) -> io::Result<CheckpointFile> {
        let file = disk.open_or_create(&path)?;
        if file.metadata()?.len() < at::FILE_BYTES as u64 {
            disk.resize(&file, &path, at::FILE_BYTES as u64)?;
            disk.sync(&file, &path)?;
            path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))?;
        }
        let mut bytes = [0; at::BYTES];
        file.read_exact_at(&mut bytes, 0)?;
        let fields = Mutex::new(TimerCheckpoint::decode(&bytes));
        Ok(CheckpointFile { disk: disk.clone(), path, file, fields })
    }

    /// As they are on disk.
    pub(super) fn fields(&self) -> TimerCheckpoint {
        *self.fields.lock()
    }

    /// Writes and syncs.
    pub(super) fn write(&self, fields: TimerCheckpoint) -> io::Result<()> {
        self.disk.write(&self.file, &self.path, &fields.encode(), 0)?;
        self.disk.sync(&self.file, &self.path)?;
        *self.fields.lock() = fields;
        Ok(())
    }
}
