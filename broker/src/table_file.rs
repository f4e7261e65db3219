//! A table's JSON file under `config/`: read at the start, written when the table has changed. Java: `ConfigManager`.

use parking_lot::Mutex;
use process::files::{self, FileError, LoadError, Loaded};
use remoting::json;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Knows how much of its table is on disk, so that an unchanged table costs nothing and those who change it at the same
/// time share one write.
pub struct TableFile {
    path: PathBuf,
    changes: AtomicU64,
    /// How many of the changes the file holds.
    written: AtomicU64,
    /// Held while the file is written.
    writing: Mutex<()>,
    /// Has another thread write the file soon.
    writer: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl TableFile {
    /// The file and what it holds; `None` on a first start, when the file counts as changed.
    pub fn open<T: DeserializeOwned>(path: &Path) -> Result<(TableFile, Option<T>), LoadError> {
        let loaded = files::load(path, |bytes| json::from_slice::<T>(bytes))?;
        if let Loaded::Backup(_, why) = &loaded {
            let why = why.as_deref().unwrap_or("it is missing or empty");
            tracing::warn!("{} is not usable ({why}); its backup is", path.display());
        }
        let is_whole = matches!(loaded, Loaded::Main(_));
        let changes = AtomicU64::new(u64::from(!is_whole));
        let (written, writing) = (AtomicU64::new(0), Mutex::new(()));
        let file = TableFile { path: path.to_owned(), changes, written, writing, writer: OnceLock::new() };
        Ok((file, loaded.into_content()))
    }

    /// Notes that the table has changed, and counts it. Call it after the change.
    pub fn note_change(&self) -> u64 {
        self.changes.fetch_add(1, Ordering::Release) + 1
    }

    /// From now on `writer` has the file written where it is wanted soon. The first one counts.
    pub fn leave_to(&self, writer: impl Fn() + Send + Sync + 'static) {
        let _ = self.writer.set(Box::new(writer));
    }

    /// Has the file written soon; false if nobody does that.
    pub fn write_soon(&self) -> bool {
        self.writer.get().map(|writer| writer()).is_some()
    }

    /// How many changes were noted. Costs a load.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Whether the first `changes` changes are on disk. Costs a load.
    pub fn is_written(&self, changes: u64) -> bool {
        self.written.load(Ordering::Acquire) >= changes
    }

    /// Returns when every change noted before the call is on disk. Blocks; not called with the table's lock held, as
    /// `encode` takes it.
    pub fn persist(&self, encode: impl FnOnce() -> Vec<u8>) -> Result<(), FileError> {
        let wanted = self.changes();
        let _one_at_a_time = self.writing.lock();
        if self.is_written(wanted) {
            return Ok(());
        }
        let changes = self.changes();
        files::replace(&self.path, &encode())?;
        self.written.store(changes, Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    type Table = BTreeMap<String, i32>;

    #[test]
    fn only_changes_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config/table.json");
        let (file, table) = TableFile::open::<Table>(&path).unwrap();
        assert_eq!(table, None);
        file.persist(|| b"{}".to_vec()).unwrap();
        file.persist(|| panic!("nothing has changed")).unwrap();
        file.note_change();
        file.persist(|| br#"{"a":1}"#.to_vec()).unwrap();

        let (file, table) = TableFile::open::<Table>(&path).unwrap();
        assert_eq!(table.unwrap()["a"], 1);
        file.persist(|| panic!("nothing has changed")).unwrap();
    }

    #[test]
    fn a_failed_write_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config/table.json");
        std::fs::write(folder.path().join("config"), "in the way").unwrap();
        let (file, _) = TableFile::open::<Table>(&folder.path().join("other.json")).unwrap();
        let file = TableFile { path: path.clone(), ..file };
        assert!(file.persist(Vec::new).is_err());
        std::fs::remove_file(folder.path().join("config")).unwrap();
        file.persist(|| b"{}".to_vec()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"{}");
    }

    #[test]
    fn nonsense_is_not_an_empty_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.json");
        std::fs::write(&path, "[nonsense").unwrap();
        assert!(TableFile::open::<Table>(&path).is_err());
    }
}
