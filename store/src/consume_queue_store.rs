//! All consume queues of a store (`ConsumeQueueStore`).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use tracing::{error, info, warn};

use super::batch_consume_queue::BatchConsumeQueue;
use super::batch_queues::BatchQueues;
use super::config::{FilterBits, MessageStoreConfig, Surroundings};
use super::consume_queue::ext::ExtUnit;
use super::consume_queue::{ConsumeQueue, QueueDirs, Trust};
use super::disk::Disk;
use super::dispatch_request::{CommitLogDispatcher, DispatchRequest, is_for_queue};
use super::error::{AccessError, OpenError};
use super::layout::QueueEntry;
use super::layout::inventory::{Inventory, QueueExtent};
use super::queue::Queue;
use super::rebuild::Damaged;
use super::sparse_files::{Mappings, SparseDir, in_parallel, queue_directories};
use super::topic_name::is_lmq;

/// Longest topic in bytes: the longest name of a directory.
const TOPIC_BYTES_MAX: usize = 255;

/// More queues than this are flushed with one sync of their file system.
const FLUSHED_ONE_BY_ONE_MAX: usize = 32;

type Table = HashMap<Arc<str>, HashMap<i32, Arc<ConsumeQueue>>>;

pub struct ConsumeQueueStore {
    disk: Disk,
    dirs: QueueDirs,
    table: RwLock<Table>,
    filter_bits: FilterBits,
    lmq_count: AtomicUsize,
    batch: BatchQueues,
    /// Queues with entries that are not on disk.
    dirty: Mutex<Vec<Arc<ConsumeQueue>>>,
    /// A queue was given up.
    has_broken: AtomicBool,
}

impl ConsumeQueueStore {
    /// Finds the queues under the store's root and where each ends; and those of them that are not as they should be: entries are
    /// missing, or there is less than was `noted` when all came to disk last.
    pub fn load(
        config: &MessageStoreConfig,
        surroundings: &Surroundings,
        trust: Trust,
        noted: Option<&Inventory>,
    ) -> Result<(Self, Vec<Damaged>), OpenError> {
        let mappings = Mappings::new(surroundings.queue_mappings_max);
        let (batch, holed_batch) = BatchQueues::load(config, surroundings, &mappings, trust)?;
        let queues = Self {
            disk: surroundings.disk.clone(),
            dirs: queue_dirs(config, &surroundings.disk, &mappings),
            batch,
            table: RwLock::default(),
            filter_bits: surroundings.filter_bits.clone(),
            lmq_count: AtomicUsize::new(0),
            dirty: Mutex::default(),
            has_broken: AtomicBool::new(false),
        };
        for (topic, queue_id) in queue_directories(&queues.dirs.entries)? {
            queues.find_or_create(&topic, queue_id);
        }
        queues.remove_lone_extensions()?;
        let mut noted_ends: HashMap<_, HashMap<_, _>> = HashMap::new();
        for extent in noted.iter().flat_map(|noted| &noted.queues).filter(|extent| !extent.is_batch) {
            noted_ends.entry(&*extent.topic).or_default().insert(extent.queue_id, extent);
        }
        let noted_end =
            |queue: &ConsumeQueue| Some(*noted_ends.get(&**queue.topic())?.get(&queue.queue_id())?);
        let all = queues.all();
        let (mut damaged, as_noted) = load_in_parallel(&all, trust, &noted_end)?;
        damaged.extend(holed_batch.into_iter().map(|queue| Damaged::new(Queue::Batch(queue), 0)));
        // Of 100,000 queues it takes a while to compare each.
        if let Some(noted) = noted.filter(|noted| as_noted < noted.queues.len()) {
            damaged.extend(noted.queues.iter().filter_map(|extent| queues.compare(extent)));
        }
        Ok((queues, damaged))
    }

    /// Nothing points into the extension of a queue that is not there, and the queue will begin again.
    fn remove_lone_extensions(&self) -> Result<(), OpenError> {
        let Some(dir) = &self.dirs.ext else { return Ok(()) };
        for (topic, queue_id) in queue_directories(dir)? {
            if self.find(&topic, queue_id).is_none() {
                let path = dir.path.join(topic).join(queue_id.to_string());
                warn!(path = %path.display(), "extension without a queue removed");
                self.disk.remove_dir_all(&path).map_err(OpenError::io(path))?;
            }
        }
        Ok(())
    }

    pub fn find(&self, topic: &str, queue_id: i32) -> Option<Arc<ConsumeQueue>> {
        self.table.read().get(topic)?.get(&queue_id).cloned()
    }

    /// A queue of either kind.
    pub fn queue(&self, topic: &str, queue_id: i32) -> Option<Queue> {
        match self.find(topic, queue_id) {
            Some(queue) => Some(Queue::Simple(queue)),
            None => self.batch.find(topic, queue_id).map(Queue::Batch),
        }
    }

    /// The batch queue of a topic that has such; `None` for another.
    pub fn find_or_create_batch(&self, topic: &str, queue_id: i32) -> Option<Arc<BatchConsumeQueue>> {
        let is_for_it = is_directory_name(topic) && self.batch.owns(topic);
        is_for_it.then(|| self.batch.find_or_create(topic, queue_id))
    }

    pub fn batch(&self) -> &BatchQueues {
        &self.batch
    }

    /// `None` for a topic that has batch queues, or that cannot be the name of a directory.
    pub fn find_or_create(&self, topic: &str, queue_id: i32) -> Option<Arc<ConsumeQueue>> {
        if let Some(queue) = self.find(topic, queue_id) {
            return Some(queue);
        }
        if !is_directory_name(topic) || self.batch.owns(topic) {
            return None;
        }
        let mut table = self.table.write();
        let topic = table.get_key_value(topic).map_or_else(|| topic.into(), |(topic, _)| Arc::clone(topic));
        let queue = match table.entry(Arc::clone(&topic)).or_default().entry(queue_id) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => {
                self.lmq_count.fetch_add(usize::from(is_lmq(&topic)), Ordering::Relaxed);
                free.insert(Arc::new(ConsumeQueue::new(&self.dirs, topic, queue_id)))
            }
        };
        Some(Arc::clone(queue))
    }

    /// As [`find_or_create`](Self::find_or_create), of either kind; `None` if the topic's queues are of the other.
    fn create(&self, topic: &str, queue_id: i32, is_batch: bool) -> Option<Queue> {
        match is_batch {
            true => self.find_or_create_batch(topic, queue_id).map(Queue::Batch),
            false => self.find_or_create(topic, queue_id).map(Queue::Simple),
        }
    }

    /// The queue, if it has less than was noted.
    fn compare(&self, noted: &QueueExtent) -> Option<Damaged> {
        let there = self.queue(&noted.topic, noted.queue_id);
        let first = there.as_ref().and_then(Queue::first_file);
        let is_headless = first.is_none_or(|first| first > noted.first);
        if !is_headless && there.as_ref().map_or(0, Queue::max_offset) >= noted.max_offset {
            return None;
        }
        let queue = there.or_else(|| self.create(&noted.topic, noted.queue_id, noted.is_batch))?;
        Some(Damaged { queue, max_offset: noted.max_offset, is_headless })
    }

    /// What each queue has that has files.
    pub fn extents(&self) -> Result<Vec<QueueExtent>, OpenError> {
        let batch = self.batch.all().into_iter().map(Queue::Batch);
        let all: Vec<_> = self.all().into_iter().map(Queue::Simple).chain(batch).collect();
        let extent = |queue: &Queue| {
            let Some(first) = queue.first_file() else { return Ok(None) };
            let (is_batch, changed_ns) = match queue {
                Queue::Simple(simple) => (false, simple.last_changed_ns()),
                Queue::Batch(_) => (true, 0),
            };
            let (topic, queue_id) = (queue.topic().to_string(), queue.queue_id());
            let (max_offset, physical_end) = (queue.max_offset(), queue.max_physical_end()?);
            Ok(Some(QueueExtent { is_batch, topic, queue_id, first, changed_ns, max_offset, physical_end }))
        };
        Ok(in_parallel(&all, extent)?.into_iter().flatten().collect())
    }

    pub fn all(&self) -> Vec<Arc<ConsumeQueue>> {
        self.table.read().values().flat_map(HashMap::values).cloned().collect()
    }

    pub fn filter_bits(&self) -> &FilterBits {
        &self.filter_bits
    }

    /// LMQs there are (`ConsumeQueueStore.getLmqNum`).
    pub fn lmq_count(&self) -> usize {
        self.lmq_count.load(Ordering::Relaxed)
    }

    /// Queues that have files, by topic.
    pub fn ids(&self) -> Vec<(String, Vec<i32>)> {
        let with_files = |queues: &HashMap<i32, Arc<ConsumeQueue>>| {
            let mut ids: Vec<_> =
                queues.iter().filter(|(_, queue)| queue.has_files()).map(|(id, _)| *id).collect();
            ids.sort_unstable();
            ids
        };
        let table = self.table.read();
        let topics = table.iter().map(|(topic, queues)| (topic.to_string(), with_files(queues)));
        topics.chain(self.batch.ids()).filter(|(_, ids)| !ids.is_empty()).collect()
    }

    /// Forgets the queues of a topic. Under the append lock, once appends go on; [`destroy`](Self::destroy) removes their
    /// files.
    pub fn take_topic(&self, topic: &str) -> Vec<Queue> {
        let simple: Vec<_> =
            self.table.write().remove(topic).into_iter().flat_map(HashMap::into_values).collect();
        let batch = self.batch.take_topic(topic).into_iter().map(Queue::Batch);
        self.retire(simple).into_iter().chain(batch).collect()
    }

    fn retire(&self, taken: Vec<Arc<ConsumeQueue>>) -> Vec<Queue> {
        let lmqs = taken.iter().filter(|queue| is_lmq(queue.topic())).count();
        self.lmq_count.fetch_sub(lmqs, Ordering::Relaxed);
        taken.iter().for_each(|queue| queue.retire());
        taken.into_iter().map(Queue::Simple).collect()
    }

    /// Forgets the queues that have nothing left in the log, but for those of topics that `is_kept`; as
    /// [`take_topic`](Self::take_topic).
    pub fn take_expired(&self, min_physical_offset: i64, is_kept: &dyn Fn(&str) -> bool) -> Vec<Queue> {
        let mut taken = Vec::new();
        self.table.write().retain(|topic, queues| {
            if !is_kept(topic) {
                taken.extend(queues.extract_if(|_, queue| queue.is_expired(min_physical_offset)));
            }
            !queues.is_empty()
        });
        self.retire(taken.into_iter().map(|(_, queue)| queue).collect())
    }

    /// Removes the files of queues that were taken.
    pub fn destroy(taken: &[Queue]) {
        for queue in taken {
            let (topic, queue_id) = (&**queue.topic(), queue.queue_id());
            match queue.destroy() {
                Ok(()) => info!(topic, queue_id, "consume queue removed"),
                Err(error) => error!(%error, topic, queue_id, "cannot remove a consume queue"),
            }
        }
    }

    /// Topics that have queues, with files or without.
    pub fn topics(&self) -> Vec<Arc<str>> {
        self.table.read().keys().cloned().chain(self.batch.topics()).collect()
    }

    /// Bytes of all files, holes counted (`getTotalSize`).
    pub fn total_bytes(&self) -> u64 {
        let simple = self.all().into_iter().map(|queue| queue.total_bytes());
        simple.chain(self.batch.all().into_iter().map(|queue| queue.total_bytes())).sum()
    }

    /// Notes that a queue has got entries.
    pub fn mark_dirty(&self, queue: &Arc<ConsumeQueue>) {
        if !queue.listed_dirty.swap(true, Ordering::AcqRel) {
            self.dirty.lock().push(Arc::clone(queue));
        }
    }

    /// Notes all queues, whatever they have: nobody knows what a flush had come to that ended in the middle.
    pub fn mark_all_dirty(&self) {
        let mut dirty = self.dirty.lock();
        *dirty = self.all();
        dirty.iter().for_each(|queue| queue.listed_dirty.store(true, Ordering::Release));
    }

    /// Brings to disk the queues with `least_pages` unsaved pages; those with fewer stay noted. False if a queue failed.
    pub fn flush(&self, least_pages: u64) -> bool {
        let batch_well = self.batch.flush(least_pages);
        let listed = std::mem::take(&mut *self.dirty.lock());
        let is_due = |queue: &Arc<ConsumeQueue>| {
            let pages = queue.dirty_pages();
            pages == 0 || pages >= least_pages
        };
        let (due, early): (Vec<_>, Vec<_>) = listed.into_iter().partition(is_due);
        // Taken off the list before it is flushed: an entry that comes meanwhile puts it back.
        due.iter().for_each(|queue| queue.listed_dirty.store(false, Ordering::Release));
        let all_well = match due.len() > FLUSHED_ONE_BY_ONE_MAX {
            true => self.flush_together(&due),
            false => due.iter().all(|queue| report(queue, queue.flush())),
        };
        if !all_well {
            due.iter().for_each(|queue| self.mark_dirty(queue));
        }
        self.dirty
            .lock()
            .extend(early.into_iter().filter(|queue| queue.listed_dirty.load(Ordering::Acquire)));
        all_well && batch_well && self.broken().is_none()
    }

    /// Why a queue takes no more messages, if there is such. The log then has what the queues lack: no stop is clean, and the
    /// next start adds it.
    pub fn broken(&self) -> Option<AccessError> {
        let simple = match self.has_broken.load(Ordering::Acquire) {
            true => self.all().iter().find_map(|queue| queue.broken().cloned()),
            false => None,
        };
        simple.or_else(|| self.batch.broken())
    }

    fn flush_together(&self, queues: &[Arc<ConsumeQueue>]) -> bool {
        let extents: Vec<_> = queues.iter().map(|queue| queue.extent()).collect();
        if let Err(error) = self.disk.sync_file_system(&self.dirs.entries.path) {
            error!(%error, "cannot flush the consume queues");
            return false;
        }
        queues.iter().zip(extents).for_each(|(queue, extent)| queue.note_flushed(extent));
        true
    }

    /// First byte of the log behind the last message that any queue knows; -1 for none.
    pub fn max_physical_offset(&self) -> Result<i64, AccessError> {
        let max = self.all().iter().map(|queue| queue.max_physical_offset()).max().unwrap_or(-1);
        Ok(max.max(self.batch.max_physical_end()?))
    }

    /// The entry of the last message that any queue knows.
    pub fn last_entry(&self) -> Result<Option<QueueEntry>, AccessError> {
        match self.all().into_iter().max_by_key(|queue| queue.max_physical_offset()) {
            Some(queue) => queue.entry(queue.max_offset() - 1),
            None => Ok(None),
        }
    }

    /// Cuts off entries of messages at `physical_offset` and behind it.
    pub fn truncate(&self, physical_offset: i64) -> Result<(), OpenError> {
        self.all().iter().try_for_each(|queue| queue.truncate(physical_offset))?;
        self.batch.truncate(physical_offset)
    }

    /// As [`truncate`](Self::truncate), of queues that are on disk, and what was cut off stays away whatever happens.
    pub fn cut(&self, physical_offset: i64) -> io::Result<()> {
        let simple = self.all().into_iter().filter(|queue| queue.max_physical_offset() > physical_offset);
        let mut cut: Vec<_> = simple.map(Queue::Simple).collect();
        for queue in self.batch.all() {
            if queue.max_physical_end()? > physical_offset {
                cut.push(Queue::Batch(queue));
            }
        }
        self.truncate(physical_offset).map_err(io::Error::other)?;
        match cut.len() > FLUSHED_ONE_BY_ONE_MAX {
            true => self.sync(),
            false => cut.iter().try_for_each(Queue::sync_end),
        }
    }

    /// Brings the whole file systems to disk that hold the queues.
    fn sync(&self) -> io::Result<()> {
        let dirs = [Some(&self.dirs.entries), self.dirs.ext.as_ref(), Some(self.batch.dir())];
        let mut paths = dirs.into_iter().flatten().map(|dir| &dir.path).filter(|path| path.is_dir());
        paths.try_for_each(|path| self.disk.sync_file_system(path))
    }

    /// After recovery: offsets go on where each queue ends, and begin where the log does (`recoverOffsetTable`).
    pub fn settle(&self, min_physical_offset: i64) -> Result<(), AccessError> {
        for queue in self.all() {
            queue.set_next_offset(queue.max_offset());
            queue.correct_min_offset(min_physical_offset)?;
        }
        self.batch.settle(min_physical_offset)
    }

    /// Removes every queue (`ConsumeQueueStore.destroy`): those of a log without files point nowhere.
    pub fn remove_all(&self) {
        for topic in self.topics() {
            warn!(topic = &*topic, "queues removed, the log is empty");
            Self::destroy(&self.take_topic(&topic));
        }
    }
}

fn queue_dirs(config: &MessageStoreConfig, disk: &Disk, mappings: &Arc<Mappings>) -> QueueDirs {
    let dir = |path, file_bytes: u64| {
        let (disk, mappings) = (disk.clone(), Arc::clone(mappings));
        Arc::new(SparseDir { path, file_bytes: file_bytes as i64, disk, mappings })
    };
    QueueDirs {
        entries: dir(config.consume_queue_dir(), config.consume_queue_file_bytes()),
        ext: config
            .enable_consume_queue_ext
            .then(|| dir(config.consume_queue_ext_dir(), config.mapped_file_size_consume_queue_ext_bytes)),
    }
}

/// Those in which entries are missing, and how many are as noted.
fn load_in_parallel<'a>(
    queues: &[Arc<ConsumeQueue>],
    trust: Trust,
    noted: &(dyn Fn(&ConsumeQueue) -> Option<&'a QueueExtent> + Sync),
) -> Result<(Vec<Damaged>, usize), OpenError> {
    let as_noted = AtomicUsize::new(0);
    let load = |queue: &Arc<ConsumeQueue>| {
        if trust == Trust::All && noted(queue).is_some_and(|noted| queue.load_as_noted(noted)) {
            as_noted.fetch_add(1, Ordering::Relaxed);
            return Ok(None);
        }
        let holed = queue.load(trust)?;
        Ok(holed.map(|max_offset| Damaged::new(Queue::Simple(Arc::clone(queue)), max_offset)))
    };
    let damaged = in_parallel(queues, load)?.into_iter().flatten().collect();
    Ok((damaged, as_noted.into_inner()))
}

fn report(queue: &ConsumeQueue, flushed: io::Result<()>) -> bool {
    if let Err(error) = &flushed {
        let (topic, queue_id) = (&**queue.topic(), queue.queue_id());
        error!(%error, topic, queue_id, "cannot flush a consume queue");
    }
    flushed.is_ok()
}

/// Topics come from the network: none may lead out of the store.
fn is_directory_name(topic: &str) -> bool {
    !matches!(topic, "" | "." | "..") && topic.len() <= TOPIC_BYTES_MAX && !topic.contains(['/', '\0'])
}

/// Builds the consume queues (`CommitLogDispatcherBuildConsumeQueue`).
impl CommitLogDispatcher for ConsumeQueueStore {
    fn dispatch(&self, request: &DispatchRequest<'_>) -> io::Result<()> {
        let stored = &request.stored;
        let message = &stored.message;
        if !is_for_queue(message.sys_flag) {
            return Ok(());
        }
        let Some(queue) = self.find_or_create(&message.topic, message.queue_id) else {
            if self.batch().owns(&message.topic) {
                return self.batch().dispatch(request);
            }
            error!(
                offset = stored.physical_offset,
                topic = &*message.topic,
                "no topic for a queue, record left out"
            );
            return Ok(());
        };
        self.put(&queue, request)?;
        for target in request.multi_dispatch.targets(message) {
            if let Some(queue) = self.find_or_create(target.topic, target.queue_id) {
                self.put_in_lmq(&queue, target.queue_offset, request)?;
            }
        }
        Ok(())
    }
}

impl ConsumeQueueStore {
    /// Adds a record to its queue, which is `queue`.
    pub fn put(&self, queue: &Arc<ConsumeQueue>, request: &DispatchRequest<'_>) -> io::Result<()> {
        let stored = &request.stored;
        let bit_map =
            self.filter_bits().of(&stored.message.topic, &stored.message.properties).unwrap_or_default();
        let unit = ExtUnit {
            tags_code: request.tags_code,
            store_timestamp_ms: stored.store_timestamp_ms,
            bit_map: &bit_map,
        };
        self.put_entry(queue, stored.queue_offset, request.entry(), Some(&unit))
    }

    /// Adds a record to another queue than its own. As in Java, these have no units of their own in an extension.
    pub fn put_in_lmq(
        &self,
        queue: &Arc<ConsumeQueue>,
        queue_offset: i64,
        request: &DispatchRequest<'_>,
    ) -> io::Result<()> {
        self.put_entry(queue, queue_offset, request.entry(), None)
    }

    /// A queue whose file is damaged must not hold up the others.
    fn put_entry(
        &self,
        queue: &Arc<ConsumeQueue>,
        queue_offset: i64,
        entry: QueueEntry,
        unit: Option<&ExtUnit<'_>>,
    ) -> io::Result<()> {
        let mut is_new = false;
        let put = queue.put(queue_offset, entry, unit).map(|put| is_new = put);
        if let Some(why) = AccessError::behind(put)? {
            queue.give_up(why);
            self.has_broken.store(true, Ordering::Release);
        }
        if is_new {
            self.mark_dirty(queue);
        }
        Ok(())
    }
}
