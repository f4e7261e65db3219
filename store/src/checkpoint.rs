//! The `checkpoint` file: up to where things were known to be on disk (`StoreCheckpoint`).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use parking_lot::Mutex;

use super::disk::Disk;
use super::layout::checkpoint::{FILE_BYTES, Fields};

impl Fields {
    /// Notes that messages up to the one that starts at `offset` are on disk, in log and queues.
    pub fn all_durable(&mut self, offset: i64, store_timestamp_ms: i64) {
        self.logics_msg_timestamp = store_timestamp_ms;
        self.logics_physical_offset = offset;
        self.durable_offset = offset;
    }

    /// Notes nothing of messages behind the one that starts and was stored at `known`, since the log was cut behind it; of no
    /// message with `None`.
    pub fn forget_behind(&mut self, known: Option<(i64, i64)>) {
        let (offset, timestamp_ms) = known.unwrap_or((0, 0));
        let times =
            [&mut self.physic_msg_timestamp, &mut self.logics_msg_timestamp, &mut self.index_msg_timestamp];
        let offsets =
            [&mut self.confirm_phy_offset, &mut self.logics_physical_offset, &mut self.durable_offset];
        times.into_iter().for_each(|field| *field = timestamp_ms.min(*field));
        offsets.into_iter().for_each(|field| *field = offset.min(*field));
    }

    /// What [`all_durable`](Self::all_durable) noted, unless Java has written the file since.
    pub fn durable(&self) -> Option<i64> {
        (self.durable_offset > 0 && self.durable_offset == self.logics_physical_offset)
            .then_some(self.durable_offset)
    }
}

#[derive(Debug)]
pub struct Checkpoint {
    disk: Disk,
    path: PathBuf,
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
    pub fn open(disk: &Disk, path: PathBuf) -> io::Result<Self> {
        let file = disk.open_or_create(&path)?;
        if file.metadata()?.len() < FILE_BYTES as u64 {
            disk.resize(&file, &path, FILE_BYTES as u64)?;
        }
        let mut bytes = [0; FILE_BYTES];
        file.read_exact_at(&mut bytes, 0)?;
        let fields = Fields::decode(&bytes);
        let state = Mutex::new(State { now: fields, on_disk: fields });
        Ok(Self { disk: disk.clone(), path, file, state })
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
        self.disk.write(&self.file, &self.path, &fields.encode(), 0)?;
        self.disk.sync(&self.file, &self.path)?;
        self.state.lock().on_disk = fields;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::checkpoint::LOGICS_PHYSICAL_OFFSET;
    use super::*;

    #[test]
    fn fields_survive_and_old_files_are_short_of_some() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint");
        let open = || Checkpoint::open(&Disk::real(), path.clone()).unwrap();
        let checkpoint = open();
        assert_eq!(checkpoint.fields(), Fields::default());
        checkpoint.update(|fields| {
            fields.physic_msg_timestamp = 1;
            fields.all_durable(6, 2);
        });
        checkpoint.flush().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!((bytes.len(), bytes[7], bytes[47]), (FILE_BYTES, 1, 6));
        assert_eq!(open().fields(), checkpoint.fields());
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
        bytes[LOGICS_PHYSICAL_OFFSET + 7] += 1;
        assert_eq!(Fields::decode(&bytes).durable(), None);
    }
}
