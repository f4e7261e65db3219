//! Which files a store has, and what their sizes say about its configuration.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::os::linux::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use process::properties::Properties;

use super::report::{Kind, Report, Severity};
use store::layout::inventory::{INVENTORY_FILE, INVENTORY_FILE_NEW};
use store::layout::{self, ABORT_FILE, LOCK_FILE, TIMER_LOG_DIR, TIMER_WHEEL_FILE};

/// What is known besides the directory.
#[derive(Clone, Debug)]
pub struct Options {
    /// The broker's configuration, if it is at hand.
    pub properties: Properties,
    /// Like findings of a file told in words.
    pub examples_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { properties: Properties::default(), examples_max: 3 }
    }
}

impl Options {
    /// The number that a property says.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.properties.get(key)?.trim().parse().ok()
    }

    /// Folders of the commit log that the configuration names, all of them (`MixAll.MULTI_PATH_SPLITTER`).
    fn commit_log_dirs(&self) -> Vec<PathBuf> {
        let named = ["storePathCommitLog", "readOnlyCommitLogStorePaths"];
        let texts = named.iter().filter_map(|key| self.properties.get(key));
        texts
            .flat_map(|text| text.split(','))
            .map(str::trim)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
            .collect()
    }
}

/// One file of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeqFile {
    /// Offset at which it starts: its name.
    pub start: i64,
    pub bytes: u64,
    /// Which of the sequence's folders it lies in.
    dir: usize,
}

impl SeqFile {
    pub fn end(&self) -> i64 {
        self.start.saturating_add_unsigned(self.bytes)
    }
}

/// Files named by the offset at which they start (`MappedFileQueue`), ascending.
#[derive(Clone, Debug, Default)]
pub struct FileSeq {
    dirs: Vec<PathBuf>,
    pub files: Vec<SeqFile>,
}

impl FileSeq {
    /// The files of the folders; folders that do not exist have none. Other names are noted in `report`.
    fn read(dirs: Vec<PathBuf>, root: &Path, report: &mut Report) -> io::Result<Self> {
        let mut files = Vec::new();
        for (dir, path) in dirs.iter().enumerate() {
            for entry in entries(path)? {
                match layout::parse_file_name(&entry.name) {
                    Some(start) if entry.is_file => files.push(SeqFile { start, bytes: entry.bytes, dir }),
                    _ => stranger(root, &path.join(&entry.name), report),
                }
            }
        }
        files.sort_by_key(|file| file.start);
        Ok(Self { dirs, files })
    }

    pub fn path(&self, file: &SeqFile) -> PathBuf {
        self.dirs[file.dir].join(layout::file_name(file.start))
    }

    /// The file that holds `offset`.
    pub fn find(&self, offset: i64) -> Option<&SeqFile> {
        let index = self.files.partition_point(|file| file.start <= offset);
        self.files[..index].last().filter(|file| offset < file.end())
    }
}

/// A queue by topic and id.
pub type QueueKey = (String, i32);

/// Everything below a store's root that the inspection reads.
#[derive(Debug)]
pub struct Tree {
    pub root: PathBuf,
    pub commit_log: FileSeq,
    pub queues: BTreeMap<QueueKey, FileSeq>,
    pub exts: BTreeMap<QueueKey, FileSeq>,
    pub batch_queues: BTreeMap<QueueKey, FileSeq>,
    /// Names of the index files, ascending: the order in which they were made.
    pub index_files: Vec<(String, u64)>,
    pub timer_log: FileSeq,
    /// `abort` is there: the last broker did not stop as it should, or runs.
    pub has_abort: bool,
    /// Whoever holds the lock on the store.
    pub holder: Option<u32>,
}

/// Folders and files below the root that brokers of 4.9.7 and 5.5.0 make, besides those read here.
const KNOWN: &[&str] = &[
    "commitlog",
    "consumequeue",
    "consumequeue_ext",
    "batchconsumequeue",
    "index",
    "config",
    TIMER_LOG_DIR,
    TIMER_WHEEL_FILE,
    "compaction",
    "checkpoint",
    "abort",
    "abort.bak",
    "lock",
    "rocksdbstore",
    "kvStore",
    "consumequeue_rocksdb",
    "consumequeue_r",
    INVENTORY_FILE,
    INVENTORY_FILE_NEW,
    "epochFileCheckpoint",
    "epochFileCheckpoint.bak",
    "brokerIdentity",
    "brokerIdentity-temp",
    "timerwheel.snapshot",
    "pop",
];

impl Tree {
    /// Reads the folders. An error if there is no store at `root` or a folder cannot be read.
    pub fn read(root: &Path, options: &Options, report: &mut Report) -> io::Result<Self> {
        let top = fs::read_dir(root)?;
        for entry in top {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let is_known = KNOWN.contains(&name.as_str()) || name.starts_with("dledger-");
            if !is_known && !name.starts_with("timerwheel.") {
                stranger(root, &root.join(&name), report);
            }
        }
        let queues = |folder: &str, report: &mut Report| read_queues(root, folder, report);
        Ok(Self {
            commit_log: FileSeq::read(log_dirs(root, options, report), root, report)?,
            queues: queues("consumequeue", report)?,
            exts: queues("consumequeue_ext", report)?,
            batch_queues: queues("batchconsumequeue", report)?,
            index_files: read_index(root, report)?,
            timer_log: FileSeq::read(vec![root.join(TIMER_LOG_DIR)], root, report)?,
            has_abort: root.join(ABORT_FILE).exists(),
            holder: lock_holder(&root.join(LOCK_FILE)),
            root: root.to_owned(),
        })
    }

    /// As findings name a file.
    pub fn name(&self, path: &Path) -> String {
        shown(&self.root, path)
    }
}

fn log_dirs(root: &Path, options: &Options, report: &mut Report) -> Vec<PathBuf> {
    let inside = root.join("commitlog");
    let mut dirs = Vec::new();
    for dir in options.commit_log_dirs() {
        match fs::canonicalize(&dir) {
            Ok(real) if !dirs.contains(&real) => dirs.push(real),
            Ok(_) => {}
            Err(error) => {
                let name = dir.display().to_string();
                report.add(Severity::Note, Kind::File, &name, None, || {
                    format!("the configuration names this folder: {error}")
                });
            }
        }
    }
    if dirs.is_empty() { vec![inside] } else { dirs }
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

fn stranger(root: &Path, path: &Path, report: &mut Report) {
    report.add(Severity::Note, Kind::File, &shown(root, path), None, || {
        "no broker makes this, left unread".to_owned()
    });
}

struct Entry {
    name: String,
    is_file: bool,
    bytes: u64,
}

/// What a folder holds, by name; nothing if it does not exist.
fn entries(dir: &Path) -> io::Result<Vec<Entry>> {
    let listed = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut entries = Vec::new();
    for entry in listed {
        let entry = entry?;
        // A running broker may have removed it meanwhile.
        let Ok(metadata) = fs::metadata(entry.path()) else { continue };
        let name = entry.file_name().to_string_lossy().into_owned();
        entries.push(Entry { name, is_file: metadata.is_file(), bytes: metadata.len() });
    }
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

fn read_queues(root: &Path, folder: &str, report: &mut Report) -> io::Result<BTreeMap<QueueKey, FileSeq>> {
    let folder = root.join(folder);
    let mut queues = BTreeMap::new();
    for topic in entries(&folder)? {
        let topic_dir = folder.join(&topic.name);
        if topic.is_file {
            stranger(root, &topic_dir, report);
            continue;
        }
        for queue in entries(&topic_dir)? {
            let queue_dir = topic_dir.join(&queue.name);
            match queue.name.parse::<i32>() {
                Ok(queue_id) if !queue.is_file => {
                    let files = FileSeq::read(vec![queue_dir], root, report)?;
                    queues.insert((topic.name.clone(), queue_id), files);
                }
                _ => stranger(root, &queue_dir, report),
            }
        }
    }
    Ok(queues)
}

/// `IndexService`: a name is a time, yyyyMMddHHmmssSSS.
const INDEX_NAME_DIGITS: usize = 17;

fn read_index(root: &Path, report: &mut Report) -> io::Result<Vec<(String, u64)>> {
    let dir = root.join("index");
    let mut files = Vec::new();
    for entry in entries(&dir)? {
        let is_time = entry.name.len() == INDEX_NAME_DIGITS && entry.name.bytes().all(|b| b.is_ascii_digit());
        match entry.is_file && is_time {
            true => files.push((entry.name, entry.bytes)),
            false => stranger(root, &dir.join(&entry.name), report),
        }
    }
    Ok(files)
}

/// The process that holds a lock on the file, as the kernel's table says: asking by locking would be a trace.
fn lock_holder(path: &Path) -> Option<u32> {
    let inode = fs::metadata(path).ok()?.st_ino().to_string();
    let table = fs::read_to_string("/proc/locks").ok()?;
    table.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        // `1: POSIX ADVISORY WRITE pid major:minor:inode start end`; "->" marks those who wait.
        let at = words.iter().position(|word| *word == "WRITE")?;
        let of_file = words.get(at + 2)?.rsplit(':').next()? == inode;
        let pid: i64 = words.get(at + 1)?.parse().ok()?;
        // A lock of an open file description has no process: -1.
        of_file.then(|| u32::try_from(pid).unwrap_or(0))
    })
}

/// The size that most files have; the larger one if two are as frequent. 0 without files.
pub fn common_size(sizes: impl Iterator<Item = u64>) -> u64 {
    let mut counts: HashMap<u64, usize> = HashMap::new();
    for size in sizes.filter(|size| *size > 0) {
        *counts.entry(size).or_default() += 1;
    }
    counts.into_iter().map(|(size, count)| (count, size)).max().map_or(0, |(_, size)| size)
}

/// What a start does about files of another size than `file_bytes`, and what gaps between names mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// The last files are removed if they are empty; anything else is refused.
    Log,
    /// The last files are removed if they are short: their entries come again from the log.
    Queue,
}

/// Finds files of another size than `file_bytes` and gaps between names.
pub fn check_sequence(
    tree: &Tree,
    files: &FileSeq,
    file_bytes: u64,
    kind: Sequence,
    gap: Severity,
    report: &mut Report,
) {
    let goes_if_short = kind == Sequence::Queue && files.files.iter().any(|file| file.bytes == file_bytes);
    let is_cut = |file: &SeqFile| file.bytes == 0 || goes_if_short && file.bytes < file_bytes;
    let kept = files.files.iter().rposition(|file| !is_cut(file)).map_or(0, |last| last + 1);
    let mut expected = None;
    for (index, file) in files.files.iter().enumerate() {
        let name = tree.name(&files.path(file));
        match file.bytes {
            bytes if bytes == file_bytes => {}
            bytes if index >= kept => report.add(Severity::Repair, Kind::FileSize, &name, None, || {
                format!("one of the last files, of {bytes} bytes: a start removes it")
            }),
            bytes => report.add(Severity::Wrong, Kind::FileSize, &name, None, || {
                format!("{bytes} bytes where files have {file_bytes}: a start refuses the store")
            }),
        }
        if let Some(expected) = expected
            && expected != file.start
        {
            let what = if file.start > expected { "missing" } else { "overlapping" };
            report.add(gap, Kind::FileGap, &name, None, || {
                format!("starts at {}, the file before it ends at {expected}: {what} files", file.start)
            });
        }
        expected = Some(file.start.saturating_add_unsigned(file_bytes));
    }
}
