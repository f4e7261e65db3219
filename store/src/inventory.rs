//! What queues there were at least, kept from a stop to the next start: so that a start sees which of their files somebody has
//! removed, and makes those queues again from the log instead of giving their offsets out once more.
//!
//! The inventory promises less than there is, never more: whoever is about to take something from a queue has it forgotten
//! first. It is written when all queues are on disk: by a clean stop, and by a start that recovered. After a clean stop it says
//! exactly what there is.

use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use tracing::warn;

use super::consume_queue_store::ConsumeQueueStore;
use super::disk::{Disk, changed_ns};
use super::layout::LOCK_FILE;
use super::layout::inventory::{INVENTORY_FILE, INVENTORY_FILE_NEW, Inventory};

/// The file.
#[derive(Debug)]
pub struct InventoryFile {
    disk: Disk,
    root: PathBuf,
    /// It may be there. Held while it is written or removed.
    is_there: Mutex<bool>,
}

impl InventoryFile {
    pub fn new(disk: &Disk, root: &Path) -> Self {
        Self { disk: disk.clone(), root: root.to_owned(), is_there: Mutex::new(true) }
    }

    /// What it says, if it is whole and no Java broker was at work since.
    pub fn read(&self) -> Option<Inventory> {
        let path = self.root.join(INVENTORY_FILE);
        let bytes = match self.disk.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                warn!(%error, path = %path.display(), "cannot read which queues there were");
                return None;
            }
        };
        let inventory = Inventory::decode(&bytes);
        if inventory.is_none() {
            warn!(path = %path.display(), "no whole inventory of the queues, left unread");
        }
        inventory.filter(|inventory| self.lock_changed_ns().ok() == Some(inventory.lock_changed_ns))
    }

    /// Notes what `queues` have, all of which is on disk; `log_end` is how far they were told. Where it cannot be written, the
    /// last one is forgotten. An error if it is still there.
    pub fn write(&self, queues: &ConsumeQueueStore, log_end: i64) -> io::Result<()> {
        let mut is_there = self.is_there.lock();
        let written = self.lock_changed_ns().and_then(|lock_changed_ns| {
            let queues = queues.extents().map_err(io::Error::other)?;
            let inventory = Inventory { lock_changed_ns, log_end, queues };
            self.replace(&inventory.encode())
        });
        match written {
            Ok(()) => {
                *is_there = true;
                Ok(())
            }
            Err(error) => {
                warn!(%error, "cannot note which queues there are");
                self.remove(&mut is_there)
            }
        }
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let (new, path) = (self.root.join(INVENTORY_FILE_NEW), self.root.join(INVENTORY_FILE));
        let file = self.disk.open_or_create(&new)?;
        self.disk.resize(&file, &new, 0)?;
        self.disk.write(&file, &new, bytes, 0)?;
        self.disk.sync(&file, &new)?;
        self.disk.rename(&new, &path)?;
        self.disk.sync_dir(&self.root)
    }

    /// Something of a queue goes for good.
    pub fn forget(&self) {
        if let Err(error) = self.remove(&mut self.is_there.lock()) {
            warn!(%error, "the next start may make again what is removed from the queues");
        }
    }

    fn remove(&self, is_there: &mut bool) -> io::Result<()> {
        if *is_there {
            self.disk.remove_if_there(&self.root.join(INVENTORY_FILE))?;
            self.disk.sync_dir(&self.root)?;
            *is_there = false;
        }
        Ok(())
    }

    fn lock_changed_ns(&self) -> io::Result<i64> {
        Ok(changed_ns(&self.disk.metadata(&self.root.join(LOCK_FILE))?))
    }
}
