//! Sends: V1 (10), V2 (310) and batches (320). Java: `SendMessageProcessor`.

mod batch;
mod checks;
mod dead_letter;
mod properties;
mod refusal;
mod room;
#[cfg(test)]
mod tests;

use crate::broker::Broker;
use crate::config::BrokerSettings;
use crate::safety::{LateReply, safety_policy};
use crate::timer::RecallHandle;
pub(super) use checks::refuse_if_busy;
use checks::{claims_wrong_batch, has_keys, is_compacted};
use message::{Message, id, property, sys_flag};
use properties::{Additions, SentProperties};
pub(super) use refusal::timer_refusal;
use remoting::body::{TopicConfig, TopicFilterType};
use remoting::header::required;
use remoting::header::send::{
    SendMessageRequestHeader, SendMessageRequestHeaderV2, SendMessageResponseHeader,
};
use remoting::{Call, Command, ExtFields, Outcome, Refusal, ResponseCode};
use std::borrow::Cow;
use std::sync::Arc;
use store::{Appended, PutError};

pub use dead_letter::{DLQ_QUEUE_NUMS, dead_letter_topic, no_group, reconsume_times_max};

/// Stores a message, or a batch if the header says so; answers once it is as safe as it has to be. Each refusal has the
/// code and text of Java's `SendMessageProcessor`.
pub fn send_message(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    send(broker, call, header_v1)
}

/// As [`send_message`], with the one-letter header.
pub fn send_message_v2(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    send(broker, call, header_v2)
}

pub(super) fn header_v1(ext: &ExtFields) -> SendMessageRequestHeader<'_> {
    SendMessageRequestHeader::decode(ext)
}

pub(super) fn header_v2(ext: &ExtFields) -> SendMessageRequestHeader<'_> {
    SendMessageRequestHeaderV2::decode(ext).into()
}

/// The same as V2: what makes a batch is its header field.
pub fn send_batch_message(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    send_message_v2(broker, call)
}

/// The settings are loaded once a request here, and once by the store in the append.
fn send(
    broker: &Arc<Broker>,
    call: &mut Call,
    decode: impl Fn(&ExtFields) -> SendMessageRequestHeader<'_>,
) -> Result<Outcome, Refusal> {
    let settings = &*broker.settings();
    let header = decode(&call.request.ext);
    refuse_if_busy(broker, settings)?;
    required(header.topic, "topic")?;
    required(header.born_timestamp_ms, "bornTimestamp")?;
    if call.request.body.is_empty() {
        return Err(Refusal::missing("body"));
    }
    let sent = Sent { broker, settings, call, header };
    let stored = match header.batch {
        Some(true) => sent.put_batch(),
        _ => sent.put(),
    };
    // From here on even a refusal tells region and trace switch.
    match stored {
        Ok(stored) => Ok(answer(broker, settings, call, stored)),
        Err(refusal) => Err(refusal.with_ext(sent_ext(settings, ExtFields::with_capacity(64)))),
    }
}

/// A send and what it came with.
#[derive(Clone, Copy)]
pub(super) struct Sent<'a> {
    pub broker: &'a Arc<Broker>,
    pub settings: &'a BrokerSettings,
    pub call: &'a Call,
    pub header: SendMessageRequestHeader<'a>,
}

/// What is in the log, and the answer of success.
struct Stored {
    reply: Command,
    end_offset: i64,
    /// The answer waits until the message is safe, where sends do.
    waits: bool,
    /// The topic's settings are on disk. A topic that is just being made is waited for: a message in a topic that a crash
    /// takes away would be lost to consumers.
    topic_saved: bool,
}

/// Success, said now or once the message is safe.
fn answer(broker: &Arc<Broker>, settings: &BrokerSettings, call: &mut Call, stored: Stored) -> Outcome {
    let Stored { reply, end_offset, waits, topic_saved } = stored;
    let policy = safety_policy(&settings.store).filter(|_| waits);
    if policy.is_none() && topic_saved {
        return Outcome::Now(reply);
    }
    let (responder, taken) = call.take_responder();
    let late = LateReply { responder, reply, tells_outcome: true };
    match topic_saved {
        true => broker.answer_when_safe(end_offset, policy, late),
        false => broker.answer_when_saved(end_offset, policy, late),
    }
    Outcome::Later(taken)
}

/// Adds what every answer to a send tells. Java: `SendMessageProcessor.preSend`.
pub(super) fn sent_ext(settings: &BrokerSettings, mut ext: ExtFields) -> ExtFields {
    ext.push(property::MSG_REGION, &settings.broker.region_id);
    ext.push(property::TRACE_SWITCH, settings.broker.trace_on);
    ext
}

/// Where a message goes, after the rules for retries.
pub(super) struct Target<'a> {
    topic: Cow<'a, str>,
    pub queue_id: i32,
    config: Arc<TopicConfig>,
}

impl<'a> Sent<'a> {
    fn topic(&self) -> &'a str {
        self.header.topic.unwrap_or_default()
    }

    fn put(&self) -> Result<Stored, Refusal> {
        let mut target = self.check()?;
        let mut properties = self.properties()?;
        self.refuse_without_room(&properties.text)?;
        if let Some(priority) = properties.priority {
            target.queue_id = priority.min(target.config.write_queue_nums.saturating_sub(1)).max(0);
        }
        // A dead letter's answer names the queue that was asked for, too.
        let queue_id = target.queue_id;
        self.redirect_dead_letter(&mut target, &mut properties)?;
        let topic_saved = self.broker.topics.is_saved(&target.topic);
        if is_compacted(&target.config) && !has_keys(&properties.text) {
            return Err(Refusal::new(ResponseCode::MESSAGE_ILLEGAL, "Required message key is missing"));
        }
        let prepared = properties.is_prepared
            && !(self.header.reconsume_times.unwrap_or(0) > 0 && properties.delay_level > 0);
        if prepared && self.settings.broker.reject_transaction_message {
            return Err(self.forbidden_transaction());
        }
        let waits = properties.delay_level > 0 || properties.is_timed;
        let SentProperties { text, uniq_key, wait_store_msg_ok, .. } = properties;
        let body = self.call.request.body.bytes();
        let mut message = self.message(target, &body, text)?;
        if prepared {
            let prepare = self.broker.transactions.prepare(message);
            let appended = prepare.map_err(|error| self.refusal_of(error))?;
            let stored = self.sent(queue_id, &uniq_key, appended, wait_store_msg_ok, None);
            return Ok(Stored { topic_saved, ..stored });
        }
        let mut recall_handle = None;
        if waits {
            self.broker.delays.rewrite(&mut message).map_err(|error| self.refusal_of(error))?;
            let broker_name = &self.settings.identity.broker_name;
            recall_handle = RecallHandle::of(&message.properties, broker_name).map(|handle| handle.encode());
        }
        let store = &self.broker.store;
        let appended = match message.sys_flag & sys_flag::INNER_BATCH {
            0 => store.append(&message),
            _ => store.append_inner_batch(&message),
        };
        let appended = appended.map_err(|error| self.refusal_of(error))?;
        let stored = self.sent(queue_id, &uniq_key, appended, wait_store_msg_ok, recall_handle.as_deref());
        Ok(Stored { topic_saved, ..stored })
    }

    /// A message, whole or half, is in the log.
    fn sent(
        &self,
        queue_id: i32,
        uniq_key: &str,
        appended: Appended,
        wait: bool,
        recall_handle: Option<&str>,
    ) -> Stored {
        let msg_id = id::offset_message_id(self.broker.store_host, appended.physical_offset);
        let reply = SendMessageResponseHeader {
            msg_id: Some(&msg_id),
            queue_id: Some(queue_id),
            queue_offset: Some(appended.queue_offset),
            transaction_id: Some(uniq_key),
            recall_handle,
            ..Default::default()
        };
        self.stored(&reply, wait, appended.end_offset())
    }

    fn properties(&self) -> Result<SentProperties, Refusal> {
        let settings = self.settings;
        let additions = Additions {
            region_id: &settings.broker.region_id,
            trace_on: settings.broker.trace_on,
            cluster_name: &settings.identity.broker_cluster_name,
            uniq_keys: &self.broker.uniq_keys,
            now_ms: self.broker.clock.wall_ms(),
        };
        SentProperties::read(self.header.properties.unwrap_or_default(), &additions)
    }

    fn forbidden_transaction(&self) -> Refusal {
        let ip = &self.settings.broker.broker_ip1;
        let remark = format!("the broker[{ip}] sending transaction message is forbidden");
        Refusal::new(ResponseCode::NO_PERMISSION, remark)
    }

    fn message<'m>(
        &self,
        target: Target<'m>,
        body: &'m [u8],
        properties: String,
    ) -> Result<Message<'m>, Refusal> {
        let sent_flag = required(self.header.sys_flag, "sysFlag")?;
        if claims_wrong_batch(&target.config, sent_flag, &properties) {
            let why = "no inner batch, or one for another kind of queue".to_owned();
            return Err(self.refusal_of(PutError::MessageIllegal(why)));
        }
        self.message_of(sent_flag, target, body, properties)
    }

    fn message_of<'m>(
        &self,
        sent_flag: i32,
        target: Target<'m>,
        body: &'m [u8],
        properties: String,
    ) -> Result<Message<'m>, Refusal> {
        let multi_tags = match target.config.topic_filter_type {
            TopicFilterType::MultiTag => sys_flag::MULTI_TAGS,
            TopicFilterType::SingleTag => 0,
        };
        Ok(Message {
            topic: target.topic,
            queue_id: target.queue_id,
            flag: required(self.header.flag, "flag")?,
            sys_flag: sent_flag | multi_tags,
            born_timestamp_ms: self.header.born_timestamp_ms.unwrap_or_default(),
            born_host: self.call.peer().socket_addr(),
            store_host: self.broker.store_host,
            reconsume_times: self.header.reconsume_times.unwrap_or(0),
            prepared_transaction_offset: 0,
            body,
            properties: Cow::Owned(properties),
        })
    }

    fn stored(&self, header: &SendMessageResponseHeader<'_>, waits: bool, end_offset: i64) -> Stored {
        let reply = Command::success().with_ext(sent_ext(self.settings, header.encode()));
        Stored { reply, end_offset, waits, topic_saved: self.broker.topics.is_saved(self.topic()) }
    }
}

/// A queue id below `queue_nums`, which a peer may have set to nothing.
pub fn random_below(queue_nums: i32) -> i32 {
    fastrand::i32(0..queue_nums.max(1))
}
