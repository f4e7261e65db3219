//! Appending to topics with batch consume queues (`queue.type=BatchCQ`), where one record may hold many messages.

use std::sync::atomic::Ordering;

use message::{Message, PropertyCrc, RecordPatch, property, sys_flag};

use super::append::Placed;
use super::batch_consume_queue::BatchConsumeQueue;
use super::config::MessageStoreConfig;
use super::dispatch_request::is_for_queue;
use super::multi_dispatch::without_sent_offsets;
use super::put::{has_delay_level, illegal_record, with_buffer};
use super::{Appended, MessageStore, PutError};

fn refuse_broken(queue: &BatchConsumeQueue) -> Result<(), PutError> {
    queue.broken().map_or(Ok(()), |why| Err(PutError::ServiceNotAvailable(why.to_string())))
}

impl MessageStore {
    /// Appends one record that holds the `INNER_NUM` messages of a batch body; it takes as many offsets, the first of
    /// which becomes its property `INNER_BASE` (`BatchConsumeQueue.assignQueueOffset`). Errors are those of
    /// [`append`](Self::append).
    pub fn append_inner_batch(&self, message: &Message<'_>) -> Result<Appended, PutError> {
        let config = self.config();
        self.check(&config, message)?;
        let illegal = |why: &str| PutError::MessageIllegal(why.to_owned());
        let num = property::find(&message.properties, property::INNER_NUM).map_or(Ok(1), str::parse::<i16>);
        let num = num.ok().filter(|num| *num > 0).ok_or_else(|| illegal("INNER_NUM is no number"))?;
        if has_delay_level(message) {
            return Err(illegal("an inner batch cannot be delayed"));
        }
        if !is_for_queue(message.sys_flag) || message.body.len() > config.max_message_size_bytes {
            return Err(illegal("an inner batch that is a transaction, or too long"));
        }
        let queue = self.parts.queues.find_or_create_batch(&message.topic, message.queue_id);
        let queue = queue.ok_or_else(|| illegal("an inner batch for a topic without batch queues"))?;
        refuse_broken(&queue)?;
        let _one_at_a_time = queue.order.lock();
        let base = queue.next_offset.load(Ordering::Relaxed);
        let cleared = without_sent_offsets(message);
        let sent = &cleared.as_ref().unwrap_or(message).properties;
        let mut properties = property::without(sent, property::INNER_BASE);
        property::append(&mut properties, property::INNER_BASE, &base.to_string());
        let sys_flag = message.sys_flag | sys_flag::INNER_BATCH;
        let message = Message { properties: properties.into(), sys_flag, ..message.clone() };
        with_buffer(|buffer| {
            let crc = PropertyCrc::of(config.enabled_append_prop_crc);
            let record = message.encode(crc, buffer).map_err(illegal_record)?;
            let placed = self.parts.log.append(buffer, &[record], Some(&queue.next_offset))?;
            queue.next_offset.store(base + i64::from(num), Ordering::Relaxed);
            let appended = Appended::of(placed, record.size);
            self.announce(&config, appended.end_offset());
            Ok(appended)
        })
    }

    /// Puts records of one message each into the log; each takes one offset of the batch queue.
    pub(super) fn place_in_batch_queue(
        &self,
        config: &MessageStoreConfig,
        message: &Message<'_>,
        buffer: &mut [u8],
        records: &[RecordPatch],
    ) -> Result<Placed, PutError> {
        let queue = self.parts.queues.find_or_create_batch(&message.topic, message.queue_id);
        let queue = queue.ok_or_else(|| PutError::MessageIllegal(format!("topic {:?}", message.topic)))?;
        refuse_broken(&queue)?;
        let _one_at_a_time = queue.order.lock();
        let counter = is_for_queue(message.sys_flag).then_some(&queue.next_offset);
        let placed = self.parts.log.append(buffer, records, counter)?;
        self.announce(config, placed.physical_offset + buffer.len() as i64);
        Ok(placed)
    }
}
