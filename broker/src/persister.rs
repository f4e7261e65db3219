//! One thread writes the tables under `config/`: however many change them at a time, a table is written once for all, and
//! nobody's connection waits. Who must not answer before waits here. Java: `ConfigManager.persist`, within each request.

use crate::table_file::TableFile;
use parking_lot::{Condvar, Mutex};
use process::files::FileError;
use process::threads::{self, caught};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// A table that could not be written is tried again after this.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Answers that wait at a time; beyond it they are given at once, with the error.
const WAITING_MAX: usize = 100_000;

/// A table and its file. Java: `ConfigManager`.
pub trait ConfigTable: Send + Sync {
    /// What is known of the file.
    fn file(&self) -> &TableFile;

    /// What the file is to hold. Not called with the table's lock held.
    fn encode(&self) -> Vec<u8>;

    /// Returns when every change noted before the call is on disk. Blocks.
    fn write(&self) -> Result<(), FileError> {
        self.file().persist(|| self.encode())
    }

    /// Has the table written by the thread that it was left to; here and now where there is none.
    fn persist_soon(&self) {
        if !self.file().write_soon() {
            self.persist();
        }
    }

    /// As [`write`](Self::write); a failure becomes a log line, and the next write tries again.
    fn persist(&self) {
        if let Err(error) = self.write() {
            tracing::error!("a table is not on disk: {error}");
        }
    }
}

/// Called with why the table is not on disk yet, if it is not: it is tried again until it is.
pub type Saved = Box<dyn FnOnce(Result<(), String>) + Send>;

/// The thread's handle. Dropped, it leaves the thread running: see [`Persister::stop`].
pub struct Persister {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    /// To be written, each once.
    wanted: Vec<Arc<dyn ConfigTable>>,
    waiting: Vec<Waiting>,
    stop: bool,
}

struct Waiting {
    table: Arc<dyn ConfigTable>,
    /// Change that is to be on disk, as [`TableFile`] counts.
    change: u64,
    saved: Saved,
}

impl Persister {
    /// Starts the thread. An error if the system has no thread left.
    pub fn start() -> io::Result<Persister> {
        let shared = Arc::new(Shared::default());
        let of_thread = shared.clone();
        let run = move || of_thread.run();
        let thread = threads::spawn_untiring("PersistConfig", run)?;
        Ok(Persister { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Has a table written soon, if it has changed.
    pub fn want(&self, table: Arc<dyn ConfigTable>) {
        self.shared.state.lock().want(table);
        self.shared.wake.notify_one();
    }

    /// Calls back, from the thread or at once, when the changes made so far to a table are on disk, or an attempt to write
    /// them has failed.
    pub fn when_saved(&self, table: Arc<dyn ConfigTable>, saved: Saved) {
        let change = table.file().changes();
        if table.file().is_written(change) {
            return saved(Ok(()));
        }
        let mut state = self.shared.state.lock();
        if state.stop || state.waiting.len() >= WAITING_MAX {
            drop(state);
            return saved(Err("too many wait for the disk already".to_owned()));
        }
        state.want(table.clone());
        state.waiting.push(Waiting { table, change, saved });
        drop(state);
        self.shared.wake.notify_one();
    }

    /// Writes what is wanted, and ends the thread. Blocks.
    pub fn stop(&self) {
        self.shared.state.lock().stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            // It has caught its panics.
            let _ = thread.join();
        }
    }
}

impl State {
    fn want(&mut self, table: Arc<dyn ConfigTable>) {
        if !self.wanted.iter().any(|wanted| Arc::ptr_eq(wanted, &table)) {
            self.wanted.push(table);
        }
    }
}

impl Shared {
    /// The thread.
    fn run(&self) {
        loop {
            let wanted = {
                let mut state = self.state.lock();
                while state.wanted.is_empty() && !state.stop {
                    self.wake.wait(&mut state);
                }
                if state.wanted.is_empty() {
                    return;
                }
                std::mem::take(&mut state.wanted)
            };
            let mut failed = Vec::new();
            for table in wanted {
                // A table that cannot be encoded must not keep the others from the disk.
                let written = match caught(|| table.write()) {
                    Ok(written) => written.map_err(|error| error.to_string()),
                    Err(panic) => Err(format!("its writer has panicked: {panic}")),
                };
                self.tell(&table, &written);
                if let Err(error) = written {
                    tracing::error!("a table is not on disk, it is tried again: {error}");
                    failed.push(table);
                }
            }
            if !failed.is_empty() && !self.pause(failed) {
                return;
            }
        }
    }

    /// Ends the waits for what is on disk now; where the disk refused, for all of the table.
    fn tell(&self, table: &Arc<dyn ConfigTable>, written: &Result<(), String>) {
        let is_over = |waiting: &mut Waiting| {
            Arc::ptr_eq(&waiting.table, table)
                && (written.is_err() || table.file().is_written(waiting.change))
        };
        let over: Vec<_> = self.state.lock().waiting.extract_if(.., is_over).collect();
        for waiting in over {
            // Whoever is called back must not keep the others waiting.
            if let Err(panic) = caught(|| (waiting.saved)(written.clone())) {
                tracing::error!("an answer that waited for a table has panicked: {panic}");
            }
        }
    }

    /// Waits before `failed` are tried again, or until another table is to be written. False: the thread is to end, what
    /// the disk refuses now is lost.
    fn pause(&self, failed: Vec<Arc<dyn ConfigTable>>) -> bool {
        let mut state = self.state.lock();
        if !state.stop && state.wanted.is_empty() {
            self.wake.wait_for(&mut state, RETRY_AFTER);
        }
        if state.stop {
            return false;
        }
        failed.into_iter().for_each(|table| state.want(table));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    const PATIENCE: Duration = Duration::from_secs(20);

    struct Table {
        file: TableFile,
        encoded: AtomicUsize,
    }

    impl ConfigTable for Table {
        fn file(&self) -> &TableFile {
            &self.file
        }

        fn encode(&self) -> Vec<u8> {
            self.encoded.fetch_add(1, Ordering::Relaxed);
            b"{}".to_vec()
        }
    }

    fn table(folder: &std::path::Path) -> Arc<Table> {
        let (file, _) = TableFile::open::<serde_json::Value>(&folder.join("config/table.json")).unwrap();
        Arc::new(Table { file, encoded: AtomicUsize::default() })
    }

    fn told() -> (Saved, mpsc::Receiver<Result<(), String>>) {
        let (sender, receiver) = mpsc::channel();
        (Box::new(move |saved| sender.send(saved).unwrap()), receiver)
    }

    #[test]
    fn many_changes_are_few_writes() {
        let folder = tempfile::tempdir().unwrap();
        let (persister, table) = (Persister::start().unwrap(), table(folder.path()));
        let waits: Vec<_> = (0..5000)
            .map(|_| {
                table.file.note_change();
                let (saved, told) = told();
                persister.when_saved(table.clone(), saved);
                told
            })
            .collect();
        for told in waits {
            assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Ok(()));
        }
        assert!(table.encoded.load(Ordering::Relaxed) < 2500, "{:?} writes", table.encoded);
        assert!(folder.path().join("config/table.json").exists());
        let (saved, told) = told();
        persister.when_saved(table, saved);
        assert_eq!(told.try_recv().unwrap(), Ok(()), "nothing has changed: at once");
        persister.stop();
    }

    #[test]
    fn what_the_disk_refuses_is_said_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let (persister, table) = (Persister::start().unwrap(), table(folder.path()));
        std::fs::write(folder.path().join("config"), "in the way").unwrap();
        table.file.note_change();
        let (saved, told) = told();
        persister.when_saved(table.clone(), saved);
        assert!(told.recv_timeout(PATIENCE).unwrap().is_err());
        std::fs::remove_file(folder.path().join("config")).unwrap();
        let give_up_at = std::time::Instant::now() + PATIENCE;
        while !folder.path().join("config/table.json").exists() {
            assert!(std::time::Instant::now() < give_up_at, "it is not tried again");
            std::thread::sleep(Duration::from_millis(5));
        }
        persister.stop();
    }

    #[test]
    fn a_panic_holds_up_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let (persister, table) = (Persister::start().unwrap(), table(folder.path()));
        table.file.note_change();
        persister.when_saved(table.clone(), Box::new(|_| panic!("a clumsy answer")));
        let (saved, told) = told();
        table.file.note_change();
        persister.when_saved(table.clone(), saved);
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Ok(()));
        persister.stop();
    }

    #[test]
    fn stopping_writes_what_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let (persister, table) = (Persister::start().unwrap(), table(folder.path()));
        table.file.note_change();
        persister.want(table.clone());
        persister.stop();
        assert!(folder.path().join("config/table.json").exists());
    }
}
