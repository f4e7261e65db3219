//! The `checkpoint` file: up to where things were known to be on disk (`StoreCheckpoint`).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use parking_lot::Mutex;

use super::layout::checkpoint as at;

/// The fields of the file. Times in milliseconds since the epoch, offsets in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    pub physic_msg_timestamp: i64,
    pub logics_msg_timestamp: i64,
    pub index_msg_timestamp: i64,
    pub master_flushed_offset: i64,
    pub confirm_phy_offset: i64,
    /// Start of the last message whose queue entry is on disk. 0 in stores of 4.9.7.
    pub logics_physical_offset: i64,
    /// Start of the last message which is on disk itself, with all before it, in log and queues. Ours; 0 where unknown.
    durable_offset: i64,
}

impl Fields {
    /// Reads a file's bytes; what is missing counts as 0.
    pub fn decode(bytes: &[u8]) -> Self {
        let field = |at: usize| {
            bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| i64::from_be_bytes(*bytes))
        };
        Self {
            physic_msg_timestamp: field(at::PHYSIC_MSG_TIMESTAMP),
            logics_msg_timestamp: field(at::LOGICS_MSG_TIMESTAMP),
            index_msg_timestamp: field(at::INDEX_MSG_TIMESTAMP),
            master_flushed_offset: field(at::MASTER_FLUSHED_OFFSET),
            confirm_phy_offset: field(at::CONFIRM_PHY_OFFSET),
            logics_physical_offset: field(at::LOGICS_PHYSICAL_OFFSET),
            durable_offset: match field(at::DURABLE) {
                at::DURABLE_MARK => field(at::DURABLE + 8),
                _ => 0,
            },
        }
    }

    /// Notes that messages up to the one that starts at `offset` are on disk, in log and queues.
    pub fn all_durable(&mut self, offset: i64, store_timestamp_ms: i64) {
        self.logics_msg_timestamp = store_timestamp_ms;
        self.logics_physical_offset = offset;
        self.durable_offset = offset;
    }

    /// What [`all_durable`](Self::all_durable) noted, unless Java has written the file since.
    pub fn durable(&self) -> Option<i64> {
        (self.durable_offset > 0 && self.durable_offset == self.logics_physical_offset)
            .then_some(self.durable_offset)
    }

    /// The file.
    pub fn encode(&self) -> [u8; at::FILE_BYTES] {
        let mut bytes = [0; at::FILE_BYTES];
        let mut put = |at: usize, value: i64| bytes[at..at + 8].copy_from_slice(&value.to_be_bytes());
        put(at::PHYSIC_MSG_TIMESTAMP, self.physic_msg_timestamp);
        put(at::LOGICS_MSG_TIMESTAMP, self.logics_msg_timestamp);
        put(at::INDEX_MSG_TIMESTAMP, self.index_msg_timestamp);
        put(at::MASTER_FLUSHED_OFFSET, self.master_flushed_offset);
        put(at::CONFIRM_PHY_OFFSET, self.confirm_phy_offset);
        put(at::LOGICS_PHYSICAL_OFFSET, self.logics_physical_offset);
        if self.durable_offset > 0 {
            put(at::DURABLE, at::DURABLE_MARK);
            put(at::DURABLE + 8, self.durable_offset);
        }
        bytes
    }
}

#[derive(Debug)]
pub struct Checkpoint {
    file: File,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    now: Fields,
    on_disk: Fields,
}

impl Checkpoint {
    /// Opens or makes the file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        if file.metadata()?.len() < at::FILE_BYTES as u64 {
            file.set_len(at::FILE_BYTES as u64)?;
        }
        let mut bytes = [0; at::FILE_BYTES];
        file.read_exact_at(&mut bytes, 0)?;
        let fields = Fields::decode(&bytes);
        Ok(Self { file, state: Mutex::new(State { now: fields, on_disk: fields }) })
    }

    pub fn fields(&self) -> Fields {
        self.state.lock().now
    }

    /// Changes fields; [`flush`](Self::flush) writes them.
    pub fn update(&self, change: impl FnOnce(&mut Fields)) {
        change(&mut self.state.lock().now);
    }

    /// Writes and syncs the file if a field has changed.
    pub fn flush(&self) -> io::Result<()> {
        let fields = {
            let state = self.state.lock();
            if state.now == state.on_disk {
                return Ok(());
            }
            state.now
        };
        self.file.write_all_at(&fields.encode(), 0)?;
        self.file.sync_data()?;
        self.state.lock().on_disk = fields;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_survive_and_old_files_are_short_of_some() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint");
        let checkpoint = Checkpoint::open(&path).unwrap();
        assert_eq!(checkpoint.fields(), Fields::default());
        checkpoint.update(|fields| {
            fields.physic_msg_timestamp = 1;
            fields.all_durable(6, 2);
        });
        checkpoint.flush().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!((bytes.len(), bytes[7], bytes[47]), (at::FILE_BYTES, 1, 6));
        assert_eq!(Checkpoint::open(&path).unwrap().fields(), checkpoint.fields());
        let old = Fields::decode(&bytes[..24]);
        assert_eq!((old.physic_msg_timestamp, old.logics_physical_offset), (1, 0));
    }

    #[test]
    fn what_java_noted_is_not_known_to_be_durable() {
        let mut fields = Fields::default();
        assert_eq!(fields.durable(), None);
        fields.all_durable(600, 2);
        let mut bytes = fields.encode();
        assert_eq!(Fields::decode(&bytes).durable(), Some(600));
        bytes[at::LOGICS_PHYSICAL_OFFSET + 7] += 1;
        assert_eq!(Fields::decode(&bytes).durable(), None);
    }
}
