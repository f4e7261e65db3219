//! The message store: files and nothing else. It knows no socket, no request header, no consumer group.
//!
//! Mirrors `org.apache.rocketmq.store.DefaultMessageStore`. The commit log is the truth; queues are derived from it by a
//! thread of their own and can be rebuilt.
//!
//! ```text
//! append -> commit log -> derive (own thread) -> consume queues -> on_arrived -> index
//!              |                                      |                             |
//!            flush (own thread)                  get_message                 query_message
//! ```
#![warn(missing_docs)]

mod append;
mod batch_consume_queue;
mod batch_queues;
mod checkpoint;
mod commit_log;
pub mod config;
mod consume_queue;
mod consume_queue_store;
mod counts;
mod derive;
pub mod disk;
mod dispatch_request;
mod entries;
pub mod error;
mod expire;
mod file_queue;
mod flush;
pub mod get;
mod index;
mod inner_batch;
mod inventory;
pub mod layout;
mod lock;
mod mapped_file;
mod multi_dispatch;
mod open;
mod probe;
mod put;
mod query;
mod queue;
mod read;
mod rebuild;
mod recover;
mod replica;
mod roots;
mod safety;
mod sparse_files;
mod tail;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod threads;
pub mod timer;
pub mod topic_name;
mod transitions;
mod truncate;
mod window;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use process::clock::Clock;
use process::config::{Live, Settings, Snapshot};

use append::Ahead;
use checkpoint::Checkpoint;
use commit_log::CommitLog;
use consume_queue_store::ConsumeQueueStore;
use derive::Derive;
use disk::Disk;
use expire::Expire;
use flush::Flusher;
use index::Index;
use inventory::InventoryFile;
use open::Locks;
use safety::Safety;
use threads::Running;

pub use config::{
    BatchTopics, BrokerRole, DelayLevels, FilterBits, FlushDiskType, Hours, MessageStoreConfig, Surroundings,
};
pub use consume_queue::ext::ExtUnit;
pub use counts::StoreCounts;
pub use error::{AccessError, OpenError, PutError, WheelTimerError};
pub use expire::UsedRatios;
pub use get::{Everything, GetMessageResult, GetMessageStatus, GetRequest, MessageFilter};
pub use index::{KeyKind, KeyQuery};
pub use mapped_file::{MappedRange, SocketBytes, local_time};
pub use put::{Appended, AppendedBatch};
pub use query::QueryMessageResult;
pub use read::{Boundary, CqUnit, OwnedExtUnit, QueueEntries};
pub use replica::ReplicaError;
pub use safety::{
    InSyncRule, Policy, Replicated, ReportError, SlaveConnection, SlaveId, WaitOutcome, Waiter, WaitingRoom,
};
pub use threads::OnFailed;
pub use transitions::HaConnectionState;

/// A message that a queue has just got (`MessageArrivingListener.arriving`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived<'a> {
    /// The queue's topic.
    pub topic: &'a str,
    /// The queue within the topic.
    pub queue_id: i32,
    /// The queue's max offset now: the message's own plus one.
    pub max_offset: i64,
    /// Hash of the tags; the deliver time in SCHEDULE_TOPIC_XXXX.
    pub tags_code: i64,
    /// When it was stored, in milliseconds since the epoch.
    pub store_timestamp_ms: i64,
    /// The text of its properties, as in the record.
    pub properties: &'a str,
}

/// Called by the derive thread once a batch, after all its queue entries are readable. Must not block.
pub type OnArrived = Box<dyn FnMut(&[Arrived<'_>]) + Send>;

/// Log, queues, and the threads between them.
pub struct MessageStore {
    clock: Clock,
    parts: Arc<Shared>,
    physical_memory_bytes: u64,
    /// Where the log ended when it was opened.
    opened_at: i64,
    was_clean: bool,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Until the store is shut down.
    locks: Mutex<Option<Locks>>,
}

/// What the threads share with the store.
struct Shared {
    config: Live<MessageStoreConfig>,
    surroundings: Surroundings,
    /// Whether appends are taken.
    running: Running,
    log: CommitLog,
    queues: ConsumeQueueStore,
    index: Index,
    checkpoint: Checkpoint,
    inventory: InventoryFile,
    ahead: Ahead,
    flusher: Flusher,
    safety: Safety,
    derive: Derive,
    /// Held while files of log, queues or index are removed, brought to disk or cut, in pieces that take a moment.
    upkeep: Mutex<()>,
    /// See [`MessageStore::append_with_lmqs`].
    lmq_order: Mutex<()>,
    queue_flush: open::QueueFlush,
    expire: Expire,
}

impl MessageStore {
    /// Whether the store had been shut down when it was opened.
    pub fn was_clean(&self) -> bool {
        self.was_clean
    }

    /// What the store is told, as of now.
    pub fn config(&self) -> Snapshot<MessageStoreConfig> {
        self.parts.config.load()
    }

    /// Puts the live keys of `next` to work at once; all others stay as they were when the store was opened.
    pub fn reconfigure(&self, next: &MessageStoreConfig) {
        let Shared { config, flusher, queue_flush, .. } = &*self.parts;
        config.replace(config.load().updated(next));
        // They may sleep for an interval that is no longer that long.
        flusher.reconsider();
        queue_flush.reconsider();
    }

    /// What it and those who keep files beside it ask of file systems.
    pub fn disk(&self) -> &Disk {
        &self.parts.surroundings.disk
    }

    /// Now in milliseconds since the epoch, by the clock that stamps messages.
    pub fn now_ms(&self) -> i64 {
        self.clock.wall_ms()
    }
}

/// Space.
impl MessageStore {
    /// Forgets the queues of a topic and removes their files. The log keeps its records. Waits for the disk.
    pub fn delete_topic(&self, topic: &str) {
        let Shared { log, queues, inventory, .. } = &*self.parts;
        let taken = {
            let _no_appends = log.tail.lock();
            queues.take_topic(topic)
        };
        // Behind what takes them off the list, so that no stop notes them again.
        inventory.forget();
        ConsumeQueueStore::destroy(&taken);
    }

    /// Forgets the queues that have no message left in the log and removes their files, but for topics that `is_kept`
    /// (`cleanExpiredConsumerQueue`). Waits for the disk.
    pub fn clean_expired_consumer_queue(&self, is_kept: &dyn Fn(&str) -> bool) {
        let Shared { log, queues, inventory, .. } = &*self.parts;
        let begin = log.min_offset();
        let taken = {
            let _no_appends = log.tail.lock();
            queues.take_expired(begin, is_kept)
        };
        if !taken.is_empty() {
            inventory.forget();
        }
        ConsumeQueueStore::destroy(&taken);
    }

    /// Deletes the topics that have queues but are not `is_kept` (`cleanUnusedTopic`). Waits for the disk.
    pub fn clean_unused_topic(&self, is_kept: &dyn Fn(&str) -> bool) {
        let topics = self.parts.queues.topics();
        topics.iter().filter(|topic| !is_kept(topic)).for_each(|topic| self.delete_topic(topic));
    }

    /// Has log files removed that are old enough, whatever the hour (`executeDeleteFilesManually`); soon, not at once.
    pub fn delete_files_manually(&self) {
        self.parts.expire.delete_files_manually();
    }

    /// The log's directories, each with how full its disk is; -1 where that is not known.
    pub fn log_dirs(&self) -> Vec<(PathBuf, f64)> {
        let disk = &self.parts.surroundings.disk;
        let dirs = self.parts.log.files.roots().configured();
        dirs.map(|(_, dir)| (dir.to_path_buf(), disk.used_ratio(dir))).collect()
    }

    /// How much was put and read since the store was opened.
    pub fn counts(&self) -> StoreCounts {
        self.parts.log.counters.read()
    }

    /// How full the disks are.
    pub fn used_ratios(&self) -> UsedRatios {
        expire::used_ratios(&self.parts)
    }
}
