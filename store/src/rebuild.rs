//! Making queues again from the log that have lost files: the messages that the others know are told to them alone, before
//! recovery goes on for all.

use std::collections::HashMap;
use std::io;

use tracing::{error, info, warn};

use super::batch_queues::messages_of;
use super::consume_queue_store::ConsumeQueueStore;
use super::derive::{Line, dispatch_range};
use super::dispatch_request::{CommitLogDispatcher, DispatchRequest, is_for_queue};
use super::queue::Queue;

/// A queue that lacks files.
#[derive(Debug)]
pub struct Damaged {
    pub queue: Queue,
    /// Its max offset was that at least.
    pub max_offset: i64,
    /// The first of its files are missing, so that nothing can be added before those there are.
    pub is_headless: bool,
}

impl Damaged {
    /// One that has its first file.
    pub fn new(queue: Queue, max_offset: i64) -> Self {
        Self { queue, max_offset, is_headless: false }
    }
}

/// The queues that are made again.
pub struct Rebuild<'a> {
    queues: &'a ConsumeQueueStore,
    damaged: HashMap<String, HashMap<i32, Damaged>>,
    log_begin: i64,
}

impl<'a> Rebuild<'a> {
    /// Of some of the queues, each named once or more.
    pub fn new(queues: &'a ConsumeQueueStore, damaged: Vec<Damaged>, log_begin: i64) -> Self {
        let mut rebuild = Self { queues, damaged: HashMap::new(), log_begin };
        damaged.into_iter().for_each(|damaged| rebuild.add(damaged));
        rebuild
    }

    fn add(&mut self, damaged: Damaged) {
        let queues = self.damaged.entry(damaged.queue.topic().to_string()).or_default();
        match queues.get_mut(&damaged.queue.queue_id()) {
            Some(known) => {
                known.max_offset = known.max_offset.max(damaged.max_offset);
                known.is_headless |= damaged.is_headless;
            }
            None => drop(queues.insert(damaged.queue.queue_id(), damaged)),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.damaged.is_empty()
    }

    fn all(&self) -> impl Iterator<Item = &Damaged> {
        self.damaged.values().flat_map(HashMap::values)
    }

    /// Tells these queues of the messages before `until`, which is where a message begins or the log ends. What cannot be read
    /// of the log is left out.
    pub fn run(&self, line: &Line<'_>, until: i64) -> io::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let mut from = until;
        for Damaged { queue, max_offset, is_headless } in self.all() {
            let (topic, queue_id, there) = (&**queue.topic(), queue.queue_id(), queue.max_offset());
            warn!(topic, queue_id, there, max_offset, is_headless, "files of a queue are missing");
            if *is_headless {
                queue.reset()?;
            }
            from = from.min(queue.max_physical_end()?);
        }
        let from = from.max(self.log_begin);
        info!(queues = self.all().count(), from, until, "queues are made again from the log");
        line.log.reaches(until);
        dispatch_range(line, self, from, until).map(drop)
    }

    /// Once all of the log is told: no offset is given out again whose message the log has no more.
    pub fn finish(&self) -> io::Result<()> {
        // Else the log has all that it ever had.
        for Damaged { queue, max_offset, .. } in self.all().filter(|_| self.log_begin > 0) {
            queue.skip_to(*max_offset)?;
        }
        for Damaged { queue, max_offset, .. } in self.all() {
            let (topic, queue_id, made) = (&**queue.topic(), queue.queue_id(), queue.max_offset());
            match made < *max_offset {
                true => error!(topic, queue_id, made, max_offset, "the log lacks messages of a queue"),
                false => info!(topic, queue_id, made, "queue made again"),
            }
        }
        Ok(())
    }

    fn find(&self, topic: &str, queue_id: i32) -> Option<&Queue> {
        Some(&self.damaged.get(topic)?.get(&queue_id)?.queue)
    }

    /// Before the message at `queue_offset` is added: what the queue has may be of a topic that was deleted since, or lie before
    /// the log.
    fn prepare(&self, queue: &Queue, queue_offset: i64, physical_end: i64) -> io::Result<()> {
        let (known_to, max_offset) = (queue.max_physical_end()?, queue.max_offset());
        let begins_anew = queue_offset == 0 || known_to <= self.log_begin;
        match physical_end > known_to && max_offset > 0 && queue_offset != max_offset && begins_anew {
            true => queue.reset(),
            false => Ok(()),
        }
    }
}

impl CommitLogDispatcher for Rebuild<'_> {
    fn dispatch(&self, request: &DispatchRequest<'_>) -> io::Result<()> {
        let (stored, message) = (&request.stored, &request.stored.message);
        if !is_for_queue(message.sys_flag) {
            return Ok(());
        }
        let physical_end = request.entry().physical_end();
        match self.find(&message.topic, message.queue_id) {
            Some(queue @ Queue::Simple(simple)) => {
                self.prepare(queue, stored.queue_offset, physical_end)?;
                self.queues.put(simple, request)?;
            }
            Some(queue @ Queue::Batch(batch)) => {
                let first = messages_of(&message.properties, stored.queue_offset);
                self.prepare(queue, first.map_or(0, |(first, _)| first), physical_end)?;
                self.queues.batch().put(batch, request)?;
            }
            None => {}
        }
        for target in request.multi_dispatch.targets(message) {
            if let Some(queue @ Queue::Simple(simple)) = self.find(target.topic, target.queue_id) {
                self.prepare(queue, target.queue_offset, physical_end)?;
                self.queues.put_in_lmq(simple, target.queue_offset, request)?;
            }
        }
        Ok(())
    }
}
