//! A disk that fills up, for real: file systems of a few MiB, mounted for the test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::disk::{Disk, Reserve};
use super::*;

/// Everybody writes again so soon after there is space.
const RECOVERED_AFTER_MAX: Duration = Duration::from_secs(5);

/// A file system of its own.
struct SmallDisk {
    dir: tempfile::TempDir,
}

#[derive(Clone, Copy)]
enum Kind {
    Tmpfs,
    Ext4,
}

fn run(program: &str, args: &[&str]) {
    let output =
        Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {args:?}: {said} (this test mounts file systems: it needs root)"
    );
}

impl SmallDisk {
    fn new(kind: Kind, bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("disk");
        fs::create_dir(&disk).unwrap();
        let disk = disk.to_str().unwrap();
        match kind {
            Kind::Tmpfs => run("mount", &["-t", "tmpfs", "-o", &format!("size={bytes}"), "none", disk]),
            Kind::Ext4 => {
                let image = dir.path().join("image");
                File::create(&image).unwrap().set_len(bytes).unwrap();
                let image = image.to_str().unwrap();
                run("mkfs.ext4", &["-q", "-m", "0", "-O", "^has_journal", image]);
                run("mount", &["-o", "loop", image, disk]);
            }
        }
        Self { dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    /// Small files on this disk.
    fn scratch(&self) -> Scratch {
        let mut scratch = Scratch::default();
        scratch.config.store_path_root_dir = self.path().join("store");
        scratch.config.mapped_file_size_commit_log_bytes = 128 << 10;
        scratch.config.mapped_file_size_consume_queue_bytes = 20 * 1000;
        scratch
    }

    /// Fills the disk with a foreign file up to the last `left` bytes.
    fn fill(&self, left: u64) {
        let free = Disk::real().space(&self.path()).unwrap().free;
        let path = self.path().join("foreign");
        let file = File::create(&path).unwrap();
        // Whatever the file system takes for itself is taken from what is left.
        for bytes in (0..free.saturating_sub(left)).rev().step_by(4096) {
            if Disk::real().reserve(&file, &path, 0, bytes as usize).is_ok() {
                return;
            }
        }
    }

    fn empty(&self) {
        fs::remove_file(self.path().join("foreign")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: after a failure the store may still have files open.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Sends to several queues, so that their files grow, too.
struct Sender<'a> {
    store: &'a MessageStore,
    acknowledged: Vec<Vec<u8>>,
}

const QUEUES: usize = 3;

impl Sender<'_> {
    fn send(&mut self) -> Result<(), PutError> {
        let index = self.acknowledged.len();
        let body = body(index);
        let appended = self.store.append(&message("T", (index % QUEUES) as i32, &body, "A"))?;
        assert_eq!(appended.queue_offset, (index / QUEUES) as i64);
        self.acknowledged.push(body);
        Ok(())
    }

    /// Until the disk is full.
    fn send_all(&mut self) -> PutError {
        loop {
            if let Err(error) = self.send() {
                return error;
            }
            assert!(self.acknowledged.len() < 100_000, "no end");
        }
    }

    /// How long it takes until a message is taken and can be read.
    fn recover(&mut self) -> Duration {
        let begin = Instant::now();
        wait_until("appends go on", || self.send().is_ok());
        derived(self.store);
        begin.elapsed()
    }
}

fn check_queues(store: &MessageStore, acknowledged: &[Vec<u8>]) {
    for queue_id in 0..QUEUES {
        let expected: Vec<_> = acknowledged.iter().skip(queue_id).step_by(QUEUES).collect();
        let found = drain(store, "T", queue_id as i32);
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "queue {queue_id}");
    }
}

/// Fills the disk up to `left` bytes under a running store.
fn fill_and_recover(kind: Kind, left: u64) {
    let disk = SmallDisk::new(kind, 4 << 20);
    let scratch = disk.scratch();
    let store = scratch.start();
    let mut sender = Sender { store: &store, acknowledged: Vec::new() };
    for _ in 0..100 {
        sender.send().unwrap();
    }
    derived(&store);
    disk.fill(left);
    let error = sender.send_all();
    assert!(
        matches!(error, PutError::CreateMappedFileFailed(_) | PutError::ServiceNotAvailable(_)),
        "{left} bytes left: {error}"
    );
    // What the queues know can be read; what they could not take yet, they know later.
    let known = drain(&store, "T", 0).len();
    assert!(known >= 33 && known <= sender.acknowledged.len());
    disk.empty();
    let after = sender.recover();
    assert!(after < RECOVERED_AFTER_MAX, "{left} bytes left: {after:?}");
    check_queues(&store, &sender.acknowledged);
    let acknowledged = sender.acknowledged;
    stop(store);
    assert!(!scratch.config.root().join("abort").exists(), "stopped in order");
    check_queues(&scratch.open(), &acknowledged);
}

/// Side by side: each waits for a second or so.
fn fill_and_recover_at(kind: Kind, lefts: &[u64]) {
    std::thread::scope(|scope| {
        for &left in lefts {
            scope.spawn(move || fill_and_recover(kind, left));
        }
    });
}

#[test]
fn a_full_tmpfs_refuses_and_takes_again() {
    fill_and_recover_at(Kind::Tmpfs, &[0, 4 << 10, 16 << 10, 200 << 10, 300 << 10, 1 << 20]);
}

#[test]
fn a_full_ext4_refuses_and_takes_again() {
    fill_and_recover_at(Kind::Ext4, &[0, 20 << 10, 300 << 10]);
}

/// As Java leaves them: the ends of its files are holes.
fn punch(path: &Path, from: usize) {
    let len = fs::metadata(path).unwrap().len() as usize;
    Disk::real().zero(path, from, len - from, Reserve::Nothing).unwrap();
}

#[test]
fn holes_that_the_disk_cannot_fill_are_refusals() {
    // Not on tmpfs, where even to read a hole takes memory that is not there.
    let disk = SmallDisk::new(Kind::Ext4, 4 << 20);
    let scratch = disk.scratch();
    let store = scratch.start();
    let mut sender = Sender { store: &store, acknowledged: Vec::new() };
    for _ in 0..20 {
        sender.send().unwrap();
    }
    derived(&store);
    let acknowledged = sender.acknowledged;
    let end = store.max_phy_offset() as usize;
    stop(store);
    punch(&scratch.config.commit_log_dir().join(layout::file_name(0)), end);
    disk.fill(0);
    let store = scratch.start();
    let mut sender = Sender { store: &store, acknowledged };
    let error = sender.send_all();
    assert!(matches!(error, PutError::ServiceNotAvailable(_)), "{error}");
    let some = sender.acknowledged.len();
    assert!(some < 40, "no more than the last page takes: {some}");
    check_queues(&store, &sender.acknowledged);
    disk.empty();
    assert!(sender.recover() < RECOVERED_AFTER_MAX);
    check_queues(&store, &sender.acknowledged);
    store.shutdown();
}

#[test]
fn a_store_starts_on_a_full_disk() {
    let disk = SmallDisk::new(Kind::Tmpfs, 4 << 20);
    let scratch = disk.scratch();
    let mut acknowledged = Vec::new();
    for crash in [false, true] {
        let store = scratch.start();
        let mut sender = Sender { store: &store, acknowledged };
        for _ in 0..50 {
            sender.send().unwrap();
        }
        derived(&store);
        acknowledged = sender.acknowledged;
        if !crash {
            store.shutdown();
        }
        drop(store);
        disk.fill(0);
        let store = scratch.start();
        check_queues(&store, &acknowledged);
        let mut sender = Sender { store: &store, acknowledged };
        sender.send_all();
        disk.empty();
        assert!(sender.recover() < RECOVERED_AFTER_MAX);
        acknowledged = sender.acknowledged;
        check_queues(&store, &acknowledged);
        store.shutdown();
    }
}

#[test]
fn a_table_that_does_not_fit_keeps_its_last_content() {
    let disk = SmallDisk::new(Kind::Tmpfs, 1 << 20);
    let path = disk.path().join("config").join("topics.json");
    process::files::replace(&path, b"old").unwrap();
    disk.fill(8 << 10);
    process::files::replace(&path, &[b'x'; 100 << 10]).unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    disk.empty();
    process::files::replace(&path, &[b'x'; 100 << 10]).unwrap();
    assert_eq!(fs::read(&path).unwrap().len(), 100 << 10);
}

#[test]
fn a_file_that_is_cut_behind_our_back_is_an_error_for_who_loads_it() {
    let scratch = Scratch::default();
    let store = scratch.start();
    fill(&store, 0, 400);
    derived(&store);
    stop(store);
    let store = scratch.start();
    let result = get(&store, "T", 0, 0);
    let result = result.load().unwrap();
    assert!(!bodies(result).is_empty());
    let first = File::options().write(true).open(scratch.config.commit_log_dir().join(layout::file_name(0)));
    first.unwrap().set_len(0).unwrap();
    let result = get(&store, "T", 0, 0);
    assert_eq!(result.status, GetMessageStatus::Found);
    assert!(!result.resident, "the kernel says that the pages are gone");
    result.load().unwrap_err();
}
