//! Where the messages of a key lie (`IndexService`): for each message an entry for its unique key, for each of its keys
//! and for its tags (5.5.0; 4.9.7 has none for tags and reads a file that has them).
//!
//! The derive thread puts entries, after the queues of a batch have them and consumers were woken. A query reads beside it
//! without a lock. Like the queues the files can be rebuilt from the log: a missing or damaged one is.

mod file;
mod open;
mod repair;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use message::{StoredMessage, continue_java_string_hash, java_string_hash, property, sys_flag};
use parking_lot::{Mutex, RwLock};
use tracing::{error, info};

use process::clock::Clock;

use super::config::MessageStoreConfig;
use super::disk::Disk;
use super::dispatch_request::{CommitLogDispatcher, DispatchRequest};
use super::error::{AccessError, OpenError};
use super::layout::{IndexHeader, index as at, index_key_hash};
use super::mapped_file::local_time;
use file::{Geometry, IndexFile};
pub use open::Before;

/// `MessageConst.KEY_SEPARATOR`.
const KEY_SEPARATOR: char = ' ';
/// `MessageConst.INDEX_TAG_TYPE`.
const TAG_TYPE: &str = "T";

pub struct Index {
    disk: Disk,
    dir: PathBuf,
    geometry: Geometry,
    clock: Clock,
    /// By name, ascending.
    files: RwLock<Vec<Named>>,
    progress: Mutex<Progress>,
}

/// A file and its name, a number of 17 digits.
#[derive(Clone, Debug)]
struct Named {
    name: u64,
    file: Arc<IndexFile>,
}

/// How far putting entries has come. Belongs to the derive thread, and to opening before it.
struct Progress {
    last: Option<Arc<IndexFile>>,
    /// Start of the last message of which all entries are put; -1 for none.
    known_to: i64,
    /// Start of a message of which not all entries could be put, and how many are.
    begun: (i64, usize),
}

/// The kind of key that a query asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// One of the message's keys, or its unique key.
    Key,
    /// The message's tags; 4.9.7 puts none into the index.
    Tag,
}

/// What a query by key looks for (`DefaultMessageStore.queryMessage`).
#[derive(Clone, Copy, Debug)]
pub struct KeyQuery<'a> {
    /// The topic of the messages.
    pub topic: &'a str,
    /// The key as the producer set it.
    pub key: &'a str,
    /// Which of a message's keys it is.
    pub kind: KeyKind,
    /// Further bounded by `max_msgs_num_batch`.
    pub count_max: usize,
    /// Store time in milliseconds, both ends included; exact to the second.
    pub begin_ms: i64,
    /// See [`begin_ms`](Self::begin_ms).
    pub end_ms: i64,
}

/// Where messages of a key may lie: different keys can have one hash.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct KeyOffsets {
    /// Ascending.
    pub physical_offsets: Vec<i64>,
    /// Of the last message in the index; 0 if nothing was found.
    pub last_update_timestamp_ms: i64,
    pub last_update_offset: i64,
}

impl Index {
    /// `queryOffset`: the newest files first, until one begins before the time asked for.
    pub fn query(&self, query: &KeyQuery<'_>) -> Result<KeyOffsets, AccessError> {
        let topic = continue_java_string_hash(java_string_hash(query.topic), "#");
        let kind = match query.kind {
            KeyKind::Key => topic,
            KeyKind::Tag => tag_hash(topic),
        };
        let key_hash = index_key_hash(continue_java_string_hash(kind, query.key));
        let files = self.files.read().clone();
        let mut found = KeyOffsets::default();
        for Named { file, .. } in files.iter().rev() {
            let (begin_ms, end_ms) = (query.begin_ms, query.end_ms);
            if file.is_time_matched(begin_ms, end_ms)? {
                file.select(&mut found.physical_offsets, key_hash, query.count_max, begin_ms, end_ms)?;
            }
            if file.header()?.begin_timestamp_ms < begin_ms || found.physical_offsets.len() >= query.count_max
            {
                break;
            }
        }
        if let Some(last) = files.last().filter(|_| !found.physical_offsets.is_empty()) {
            let header = last.file.header()?;
            found.last_update_timestamp_ms = header.end_timestamp_ms;
            found.last_update_offset = header.end_offset;
        }
        found.physical_offsets.sort_unstable();
        Ok(found)
    }

    /// Removes the files whose messages all lie before `min_physical_offset`, but never the last (`deleteExpiredFile`). One that
    /// cannot be read stays.
    pub fn expire(&self, min_physical_offset: i64) {
        let expired: Vec<_> = {
            let mut files = self.files.write();
            let is_before = |header: IndexHeader| header.end_offset < min_physical_offset;
            let is_expired = |named: &&Named| named.file.header().is_ok_and(is_before);
            let count = files.iter().take(files.len().saturating_sub(1)).take_while(is_expired).count();
            files.drain(..count).collect()
        };
        for Named { file, .. } in expired {
            match self.disk.remove_file(file.path()) {
                Ok(()) => info!(path = %file.path().display(), "index file expired"),
                Err(error) => error!(%error, path = %file.path().display(), "cannot remove an index file"),
            }
        }
    }

    /// Brings to disk the files that are full. The store time in milliseconds of the last message in them, if a file came
    /// to disk: what `indexMsgTimestamp` of the checkpoint may say.
    pub fn flush_full(&self) -> io::Result<Option<i64>> {
        self.flush(|file| file.is_full())
    }

    /// Brings everything to disk.
    pub fn flush_all(&self) -> io::Result<Option<i64>> {
        self.flush(|_| Ok(true))
    }

    fn flush(&self, is_due: impl Fn(&IndexFile) -> Result<bool, AccessError>) -> io::Result<Option<i64>> {
        let files = self.files.read().clone();
        let (mut full_until_ms, mut named) = (None, false);
        for file in files.iter().map(|named| &named.file) {
            if !file.is_dirty() || !is_due(file)? {
                continue;
            }
            if !named {
                self.disk.sync_dir(&self.dir)?;
                named = true;
            }
            let header = if file.is_full()? { Some(file.header()?) } else { None };
            file.sync()?;
            full_until_ms = header.map(|header| header.end_timestamp_ms).or(full_until_ms);
        }
        Ok(full_until_ms)
    }

    /// The last file if it has room, else a new one behind it.
    fn file_with_room(&self, progress: &mut Progress) -> io::Result<Arc<IndexFile>> {
        if let Some(last) = &progress.last
            && !last.is_full()?
        {
            return Ok(Arc::clone(last));
        }
        self.disk.create_dir_unsynced(&self.dir)?;
        let before = progress.last.as_ref().map(|last| last.header()).transpose()?;
        let last_name = self.files.read().last().map_or(0, |named| named.name);
        // Files are ordered by name: it must grow although clocks are set back, and milliseconds can be shared.
        let name = file_name(self.clock.wall_ms()).max(last_name + 1);
        let file = Arc::new(IndexFile::create(&self.disk, &self.path(name), self.geometry, before)?);
        info!(path = %file.path().display(), "index file made");
        self.files.write().push(Named { name, file: Arc::clone(&file) });
        progress.last = Some(Arc::clone(&file));
        Ok(file)
    }

    fn path(&self, name: u64) -> PathBuf {
        self.dir.join(format!("{name:0width$}", width = at::NAME_DIGITS))
    }
}

/// Builds the index (`CommitLogDispatcherBuildIndex`, `buildIndex`).
impl CommitLogDispatcher for Index {
    fn dispatch(&self, request: &DispatchRequest<'_>) -> io::Result<()> {
        let stored = &request.stored;
        let mut progress = self.progress.lock();
        if !request.is_indexed || stored.physical_offset <= progress.known_to {
            return Ok(());
        }
        let mut file = self.file_with_room(&mut progress)?;
        if sys_flag::transaction(stored.message.sys_flag) != sys_flag::TRANSACTION_ROLLBACK {
            let put_before = match progress.begun {
                (offset, count) if offset == stored.physical_offset => count,
                _ => 0,
            };
            let keys = Keys::of(stored);
            for (index, key_hash) in keys.hashes().enumerate().skip(put_before) {
                while !file.put(key_hash, stored.physical_offset, stored.store_timestamp_ms)? {
                    file = self.file_with_room(&mut progress)?;
                }
                progress.begun = (stored.physical_offset, index + 1);
            }
        }
        progress.known_to = stored.physical_offset;
        Ok(())
    }
}

/// What a message can be found by, in the order in which Java puts it.
struct Keys<'a> {
    /// Hash of `topic#`.
    topic: i32,
    unique: Option<&'a str>,
    keys: &'a str,
    tags: Option<&'a str>,
}

impl<'a> Keys<'a> {
    fn of(stored: &'a StoredMessage<'_>) -> Self {
        let topic = continue_java_string_hash(java_string_hash(&stored.message.topic), "#");
        let mut keys = Self { topic, unique: None, keys: "", tags: None };
        for (name, value) in property::iter(&stored.message.properties) {
            match name {
                property::UNIQ_KEY => keys.unique = Some(value),
                property::KEYS => keys.keys = value,
                property::TAGS => keys.tags = Some(value),
                _ => {}
            }
        }
        keys
    }

    fn hashes(&self) -> impl Iterator<Item = i32> {
        let topic = self.topic;
        let keys = self.keys.split(KEY_SEPARATOR).filter(|key| !key.is_empty());
        let keys = self.unique.into_iter().chain(keys).map(move |key| continue_java_string_hash(topic, key));
        let tags = self.tags.map(|tags| continue_java_string_hash(tag_hash(topic), tags));
        keys.chain(tags).map(index_key_hash)
    }
}

/// Hash of `topic#T#` from that of `topic#`.
fn tag_hash(topic: i32) -> i32 {
    continue_java_string_hash(continue_java_string_hash(topic, TAG_TYPE), "#")
}

/// The number that names a file made at a moment.
fn file_name(ms: i64) -> u64 {
    let [year, month, day, hour, minute, second] =
        local_time(ms).map(|part| u64::try_from(part).unwrap_or(0));
    let date = (year * 100 + month) * 100 + day;
    let time = (hour * 100 + minute) * 100 + second;
    (date * 1_000_000 + time) * 1000 + ms.rem_euclid(1000) as u64
}
