//! Batches (320).

use super::properties::SentProperties;
use super::room::SENT_BYTES_MAX;
use super::{Sent, Stored, Target};
use crate::topic_validator;
use crate::topics::has_batch_queues;
use message::{RecordError, batch, id, property, sys_flag};
use remoting::header::required;
use remoting::header::send::SendMessageResponseHeader;
use remoting::{Refusal, ResponseCode};
use std::net::SocketAddr;
use store::{AppendedBatch, PutError};

impl Sent<'_> {
    pub(super) fn put_batch(&self) -> Result<Stored, Refusal> {
        let target = self.check()?;
        self.refuse_batch_topic()?;
        let queue_id = target.queue_id;
        // A batch gets no key of the broker's own, other than a single message.
        let sent = self.header.properties.unwrap_or_default();
        let uniq_key = property::find(sent, property::UNIQ_KEY);
        let is_inner = uniq_key.is_some() && has_batch_queues(&target.config);
        let SentProperties { text, wait_store_msg_ok, .. } = self.properties()?;
        self.refuse_without_room(&text)?;
        let appended = match is_inner {
            true => self.append_inner_batch(target, text),
            false => self.append_batch(target, text),
        }?;
        let reply = SendMessageResponseHeader {
            msg_id: Some(&offset_message_ids(self.broker.store_host, &appended)),
            queue_id: Some(queue_id),
            queue_offset: Some(appended.queue_offset),
            transaction_id: uniq_key,
            batch_uniq_id: uniq_key.filter(|_| is_inner),
            ..Default::default()
        };
        Ok(self.stored(&reply, wait_store_msg_ok, appended.end_offset()))
    }

    fn refuse_batch_topic(&self) -> Result<(), Refusal> {
        let topic = self.topic();
        if topic.len() > i8::MAX as usize {
            let remark = format!("message topic length too long {}", topic.len());
            return Err(Refusal::new(ResponseCode::MESSAGE_ILLEGAL, remark));
        }
        if topic.starts_with(topic_validator::RETRY_GROUP_TOPIC_PREFIX) {
            let remark = format!("batch request does not support retry group {topic}");
            return Err(Refusal::new(ResponseCode::MESSAGE_ILLEGAL, remark));
        }
        Ok(())
    }

    fn append_batch(&self, target: Target<'_>, properties: String) -> Result<AppendedBatch, Refusal> {
        let body = self.call.request.body.bytes();
        if body.len() > SENT_BYTES_MAX {
            self.refuse_items_without_room(&body, properties.len())?;
        }
        let message = self.message(target, &body, properties)?;
        self.broker.store.append_batch(&message).map_err(|error| self.refusal_of(error))
    }

    /// Each gets the batch's properties besides its own.
    fn refuse_items_without_room(&self, body: &[u8], more_bytes: usize) -> Result<(), Refusal> {
        // What is no item is refused by the store.
        let mut items = batch::split(body).map_while(Result::ok);
        match items.any(|item| item.properties.len() + more_bytes > SENT_BYTES_MAX) {
            true => Err(self.refusal_of(PutError::PropertiesSizeExceeded)),
            false => Ok(()),
        }
    }

    /// A batch for batch consume queues is stored as one record.
    fn append_inner_batch(&self, target: Target<'_>, properties: String) -> Result<AppendedBatch, Refusal> {
        let body = self.call.request.body.bytes();
        let inner_num = batch::split(&body).try_fold(0, |count, item| item.map(|_| count + 1));
        let illegal = |error: RecordError| self.refusal_of(PutError::BatchIllegal(error.to_string()));
        let inner_num: usize = inner_num.map_err(illegal)?;
        let mut properties = property::without(&properties, property::INNER_NUM);
        property::append(&mut properties, property::INNER_NUM, &inner_num.to_string());
        let sent_flag = required(self.header.sys_flag, "sysFlag")?;
        let inner_flag = sent_flag | sys_flag::INNER_BATCH | sys_flag::NEED_UNWRAP;
        let message = self.message_of(inner_flag, target, &body, properties)?;
        let appended = self.broker.store.append_inner_batch(&message);
        appended.map(AppendedBatch::from).map_err(|error| self.refusal_of(error))
    }
}

/// Joined by commas.
fn offset_message_ids(store_host: SocketAddr, appended: &AppendedBatch) -> String {
    let mut ids = String::with_capacity(appended.physical_offsets.len() * (id::IPV4_CHARS + 1));
    for (index, offset) in appended.physical_offsets.iter().enumerate() {
        if index > 0 {
            ids.push(',');
        }
        id::push_offset_message_id(&mut ids, store_host, *offset);
    }
    ids
}
