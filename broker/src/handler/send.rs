//! Sends: V1 (10), V2 (310) and batches (320). Java: `SendMessageProcessor`.

mod properties;
#[cfg(test)]
mod tests;

use super::FAQ;
use crate::broker::Broker;
use crate::store::{Appended, FlushOutcome, PutError};
use crate::topic_validator;
use crate::topics::{has_batch_queues, perm};
use properties::{Additions, SentProperties};
use remoting::body::{TopicConfig, TopicFilterType};
use remoting::header::required;
use remoting::header::send::{
    SendMessageRequestHeader, SendMessageRequestHeaderV2, SendMessageResponseHeader,
};
use remoting::message::{Message, PROPERTIES_BYTES_MAX, RecordError, batch, id, property, sys_flag};
use remoting::{Command, ExtFields, Outcome, Peer, Refusal, ResponseCode};
use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Queues of a dead-letter topic.
pub const DLQ_QUEUE_NUMS: i32 = 1;

/// Clients before it do not say how often a message may be retried. Java: ordinal of `MQVersion.V3_4_9`.
pub const V3_4_9: i32 = 121;

pub fn send_message(broker: &Arc<Broker>, peer: &Arc<Peer>, request: Command) -> Result<Outcome, Refusal> {
    let header = SendMessageRequestHeader::decode(&request.ext);
    send(broker, peer, &request, header)
}

pub fn send_message_v2(broker: &Arc<Broker>, peer: &Arc<Peer>, request: Command) -> Result<Outcome, Refusal> {
    let header = SendMessageRequestHeaderV2::decode(&request.ext);
    send(broker, peer, &request, header.into())
}

/// The same as V2: what makes a batch is its header field.
pub fn send_batch_message(
    broker: &Arc<Broker>,
    peer: &Arc<Peer>,
    request: Command,
) -> Result<Outcome, Refusal> {
    send_message_v2(broker, peer, request)
}

fn send(
    broker: &Arc<Broker>,
    peer: &Arc<Peer>,
    request: &Command,
    header: SendMessageRequestHeader<'_>,
) -> Result<Outcome, Refusal> {
    refuse_if_busy(broker)?;
    required(header.topic, "topic")?;
    required(header.born_timestamp_ms, "bornTimestamp")?;
    if request.body.is_empty() {
        return Err(Refusal::missing("body"));
    }
    let sent = Sent { broker, peer, request, header };
    let outcome = match header.batch {
        Some(true) => sent.put_batch(),
        _ => sent.put(),
    };
    // From here on even a refusal tells region and trace switch.
    Ok(outcome.unwrap_or_else(|refusal| {
        Outcome::Now(Command::from(refusal).with_ext(broker.sent_ext(ExtFields::with_capacity(64))))
    }))
}

/// Java: `SendMessageProcessor.rejectRequest`.
fn refuse_if_busy(broker: &Broker) -> Result<(), Refusal> {
    if broker.is_slave() || broker.store.is_os_page_cache_busy() {
        let remark = "[REJECTREQUEST]system busy, start flow control for a while";
        return Err(Refusal::new(ResponseCode::SYSTEM_BUSY, remark));
    }
    Ok(())
}

/// A send and what it came with.
pub(super) struct Sent<'a> {
    pub broker: &'a Arc<Broker>,
    pub peer: &'a Arc<Peer>,
    pub request: &'a Command,
    pub header: SendMessageRequestHeader<'a>,
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

    fn put(&self) -> Result<Outcome, Refusal> {
        let mut target = self.check()?;
        let mut properties = self.properties();
        // The store would refuse it too, but what comes before takes its time with many properties.
        if properties.text.len() > PROPERTIES_BYTES_MAX {
            return Err(refusal_of(self.broker, PutError::PropertiesSizeExceeded));
        }
        self.redirect_dead_letter(&mut target, &mut properties)?;
        let prepared = properties.is_prepared
            && !(self.header.reconsume_times.unwrap_or(0) > 0 && properties.delay_level > 0);
        if prepared && self.broker.settings.broker.reject_transaction_message {
            return Err(self.forbidden_transaction());
        }
        self.refuse_timed(&properties)?;
        let SentProperties { text, uniq_key, delay_level, wait_store_msg_ok, .. } = properties;
        let body = self.request.body.bytes();
        let mut message = self.message(target, &body, text)?;
        let queue_id = message.queue_id;
        if prepared {
            let prepare = self.broker.transactions.prepare(message);
            let appended = prepare.map_err(|error| refusal_of(self.broker, error))?;
            return Ok(self.sent(queue_id, &uniq_key, appended, wait_store_msg_ok));
        }
        if delay_level > 0 && sys_flag::transaction(message.sys_flag) != sys_flag::TRANSACTION_PREPARED {
            self.broker.schedule.rewrite(&mut message);
        }
        let store = &self.broker.store;
        let appended = match message.sys_flag & sys_flag::INNER_BATCH {
            0 => store.append(&message),
            _ => store.append_inner_batch(&message),
        };
        let appended = appended.map_err(|error| refusal_of(self.broker, error))?;
        Ok(self.sent(queue_id, &uniq_key, appended, wait_store_msg_ok))
    }

    /// A message, whole or half, is in the log.
    fn sent(&self, queue_id: i32, uniq_key: &str, appended: Appended, wait: bool) -> Outcome {
        let msg_id = id::offset_message_id(self.broker.store_host, appended.physical_offset);
        let reply = SendMessageResponseHeader {
            msg_id: Some(&msg_id),
            queue_id: Some(queue_id),
            queue_offset: Some(appended.queue_offset),
            transaction_id: Some(uniq_key),
            ..Default::default()
        };
        self.answer(&reply, wait, appended.end_offset())
    }

    fn put_batch(&self) -> Result<Outcome, Refusal> {
        let target = self.check()?;
        let topic = self.topic();
        if topic.len() > i8::MAX as usize {
            let remark = format!("message topic length too long {}", topic.len());
            return Err(Refusal::new(ResponseCode::MESSAGE_ILLEGAL, remark));
        }
        if topic.starts_with(topic_validator::RETRY_GROUP_TOPIC_PREFIX) {
            let remark = format!("batch request does not support retry group {topic}");
            return Err(Refusal::new(ResponseCode::MESSAGE_ILLEGAL, remark));
        }
        let queue_id = target.queue_id;
        // A batch gets no key of the broker's own, other than a single message.
        let sent = self.header.properties.unwrap_or_default();
        let uniq_key = property::iter(sent).find(|(name, _)| *name == property::UNIQ_KEY);
        if let Some((_, uniq_key)) = uniq_key
            && has_batch_queues(&target.config)
        {
            return self.put_inner_batch(target, uniq_key);
        }
        let SentProperties { text, wait_store_msg_ok, .. } = self.properties();
        let body = self.request.body.bytes();
        let message = self.message(target, &body, text)?;
        let appended = self.broker.store.append_batch(&message).map_err(|e| refusal_of(self.broker, e))?;
        let mut msg_id = String::with_capacity(appended.physical_offsets.len() * (id::IPV4_CHARS + 1));
        for (i, offset) in appended.physical_offsets.iter().enumerate() {
            if i > 0 {
                msg_id.push(',');
            }
            id::push_offset_message_id(&mut msg_id, self.broker.store_host, *offset);
        }
        let reply = SendMessageResponseHeader {
            msg_id: Some(&msg_id),
            queue_id: Some(queue_id),
            queue_offset: Some(appended.queue_offset),
            transaction_id: uniq_key.map(|(_, key)| key),
            ..Default::default()
        };
        Ok(self.answer(&reply, wait_store_msg_ok, appended.end_offset()))
    }

    /// A batch for batch consume queues is stored as one record.
    fn put_inner_batch(&self, target: Target<'a>, uniq_key: &str) -> Result<Outcome, Refusal> {
        let SentProperties { mut text, wait_store_msg_ok, .. } = self.properties();
        let body = self.request.body.bytes();
        let inner_num = batch::split(&body).try_fold(0, |count, item| item.map(|_| count + 1));
        let illegal = |error: RecordError| refusal_of(self.broker, PutError::BatchIllegal(error.to_string()));
        let inner_num: usize = inner_num.map_err(illegal)?;
        text = property::without(&text, property::INNER_NUM);
        property::append(&mut text, property::INNER_NUM, &inner_num.to_string());
        let mut message = self.message_of(target, &body, text)?;
        message.sys_flag |= sys_flag::INNER_BATCH | sys_flag::NEED_UNWRAP;
        let appended =
            self.broker.store.append_inner_batch(&message).map_err(|error| refusal_of(self.broker, error))?;
        let msg_id = id::offset_message_id(self.broker.store_host, appended.physical_offset);
        let reply = SendMessageResponseHeader {
            msg_id: Some(&msg_id),
            queue_id: Some(message.queue_id),
            queue_offset: Some(appended.queue_offset),
            transaction_id: Some(uniq_key),
            batch_uniq_id: Some(uniq_key),
            ..Default::default()
        };
        Ok(self.answer(&reply, wait_store_msg_ok, appended.end_offset()))
    }

    /// Java: `AbstractSendMessageProcessor.msgCheck`.
    pub(super) fn check(&self) -> Result<Target<'a>, Refusal> {
        let (broker, topic) = (self.broker, self.topic());
        refuse_before_start(broker)?;
        let settings = &broker.settings.broker;
        if !perm::is_writeable(settings.broker_permission) && broker.topics.is_order_topic(topic) {
            let remark = format!("the broker[{}] sending message is forbidden", settings.broker_ip1);
            return Err(Refusal::new(ResponseCode::NO_PERMISSION, remark));
        }
        // A topic that exists has been found valid.
        let config = match broker.topics.find(topic) {
            Some(config) if !topic_validator::is_not_allowed_send_topic(topic) => config,
            _ => self.new_topic(topic)?,
        };
        let queue_id = required(self.header.queue_id, "queueId")?;
        if queue_id >= config.write_queue_nums.max(config.read_queue_nums) {
            let remark = format!(
                "request queueId[{queue_id}] is illegal, {} Producer: {}",
                described(&config),
                self.peer.remote_addr()
            );
            return Err(Refusal::new(ResponseCode::INVALID_PARAMETER, remark));
        }
        let queue_id = if queue_id < 0 { random_below(config.write_queue_nums) } else { queue_id };
        Ok(Target { topic: Cow::Borrowed(topic), queue_id, config })
    }

    #[cold]
    fn new_topic(&self, topic: &str) -> Result<Arc<TopicConfig>, Refusal> {
        let invalid = |remark| Refusal::new(ResponseCode::INVALID_PARAMETER, remark);
        topic_validator::validate_topic(topic).map_err(invalid)?;
        if topic_validator::is_not_allowed_send_topic(topic) {
            let remark = format!("Sending message to topic[{topic}] is forbidden.");
            return Err(Refusal::new(ResponseCode::NO_PERMISSION, remark));
        }
        let is_retry = topic.starts_with(topic_validator::RETRY_GROUP_TOPIC_PREFIX);
        let unit_flag = if is_retry { UNIT_SUB_FLAG } else { UNIT_FLAG };
        let topic_sys_flag = if self.header.unit_mode == Some(true) { unit_flag } else { 0 };
        let default_topic = self.header.default_topic.unwrap_or_default();
        let queue_nums = required(self.header.default_topic_queue_nums, "defaultTopicQueueNums")?;
        let topics = &self.broker.topics;
        let addr = self.peer.remote_addr();
        tracing::warn!("the topic {topic} not exist, producer: {addr}");
        // Writes topics.json: rare, and nobody may be told of the topic before.
        let created = tokio::task::block_in_place(|| {
            topics.create_in_send_message(topic, default_topic, &addr.to_string(), queue_nums, topic_sys_flag)
        });
        let created =
            created.or_else(|| is_retry.then(|| self.broker.group_topic(topic, 1, false, topic_sys_flag))?);
        created.ok_or_else(|| {
            let remark = format!("topic[{topic}] not exist, apply first please!{FAQ}");
            Refusal::new(ResponseCode::TOPIC_NOT_EXIST, remark)
        })
    }

    fn properties(&self) -> SentProperties {
        let settings = &self.broker.settings;
        let additions = Additions {
            region_id: &settings.broker.region_id,
            trace_on: settings.broker.trace_on,
            cluster_name: &settings.identity.broker_cluster_name,
            uniq_keys: &self.broker.uniq_keys,
            now_ms: self.broker.clock.wall_ms(),
        };
        SentProperties::read(self.header.properties.unwrap_or_default(), &additions)
    }

    /// A consumer that sends a message to its own retry topic once too often, or consumes in order, sends it to the
    /// dead letters. Java: `handleRetryAndDLQ`.
    fn redirect_dead_letter(
        &self,
        target: &mut Target<'a>,
        properties: &mut SentProperties,
    ) -> Result<(), Refusal> {
        let Some(group) = self.topic().strip_prefix(topic_validator::RETRY_GROUP_TOPIC_PREFIX) else {
            return Ok(());
        };
        let group_config = self.broker.group(group).ok_or_else(|| no_group(group))?;
        let times_max = match self.header.max_reconsume_times {
            Some(times) if self.request.version >= V3_4_9 => times,
            _ => group_config.retry_max_times,
        };
        let times = self.header.reconsume_times.unwrap_or(0);
        if times <= times_max && self.broker.locks.is_all_expired(group) {
            return Ok(());
        }
        properties.put(property::DELAY_TIME_LEVEL, "-1");
        properties.delay_level = 0;
        let (topic, config) = dead_letter_topic(self.broker, group)?;
        *target = Target { topic: Cow::Owned(topic), queue_id: random_below(DLQ_QUEUE_NUMS), config };
        Ok(())
    }

    fn forbidden_transaction(&self) -> Refusal {
        let ip = &self.broker.settings.broker.broker_ip1;
        let remark = format!("the broker[{ip}] sending transaction message is forbidden");
        Refusal::new(ResponseCode::NO_PERMISSION, remark)
    }

    /// Timer messages are not served yet: as Java answers with `timerWheelEnable=false`.
    fn refuse_timed(&self, properties: &SentProperties) -> Result<(), Refusal> {
        if properties.is_timed && properties.delay_level <= 0 {
            let remark = "accurate timer message is not enabled, timerWheelEnable is false";
            return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, remark));
        }
        Ok(())
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
            return Err(refusal_of(self.broker, PutError::MessageIllegal(why)));
        }
        self.message_of(target, body, properties)
    }

    fn message_of<'m>(
        &self,
        target: Target<'m>,
        body: &'m [u8],
        properties: String,
    ) -> Result<Message<'m>, Refusal> {
        let sent_flag = required(self.header.sys_flag, "sysFlag")?;
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
            born_host: self.peer.socket_addr(),
            store_host: self.broker.store_host,
            reconsume_times: self.header.reconsume_times.unwrap_or(0),
            prepared_transaction_offset: 0,
            body,
            properties: Cow::Owned(properties),
        })
    }

    /// Success, said now or once the disk has the message.
    fn answer(&self, header: &SendMessageResponseHeader<'_>, wait: bool, end_offset: i64) -> Outcome {
        let reply = Command::success().with_ext(self.broker.sent_ext(header.encode()));
        if !(wait && self.broker.flushes_synchronously()) {
            return Outcome::Now(reply);
        }
        let (peer, opaque) = (self.peer.clone(), self.request.opaque);
        let oneway = self.request.is_oneway();
        self.broker.store.when_flushed(
            end_offset,
            Box::new(move |outcome| {
                if oneway {
                    return;
                }
                let code = match outcome {
                    FlushOutcome::Flushed => ResponseCode::SUCCESS,
                    FlushOutcome::TimedOut => ResponseCode::FLUSH_DISK_TIMEOUT,
                };
                peer.reply(opaque, Command { code: code.0, ..reply });
            }),
        );
        Outcome::Later
    }
}

/// Bits of a topic's `topicSysFlag`. Java: `TopicSysFlag`.
pub const UNIT_FLAG: i32 = 1;
pub const UNIT_SUB_FLAG: i32 = 2;

/// Java: `HookUtils.checkInnerBatch`.
fn claims_wrong_batch(config: &TopicConfig, sent_flag: i32, properties: &str) -> bool {
    match sent_flag & sys_flag::INNER_BATCH {
        0 => property::find(properties, property::INNER_NUM).is_some(),
        _ => !has_batch_queues(config),
    }
}

/// Java refuses sends before `startAcceptSendRequestTimeStamp`.
fn refuse_before_start(broker: &Broker) -> Result<(), Refusal> {
    let start_ms = broker.settings.broker.start_accept_send_request_time_stamp_ms;
    if start_ms > 0 && broker.clock.wall_ms() < start_ms {
        let remark = format!("broker unable to service, until {start_ms}");
        return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, remark));
    }
    Ok(())
}

pub fn no_group(group: &str) -> Refusal {
    let remark = format!("subscription group not exist, {group} {FAQ}");
    Refusal::new(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST, remark)
}

/// The group's dead-letter topic, made if it is missing.
pub fn dead_letter_topic(broker: &Broker, group: &str) -> Result<(String, Arc<TopicConfig>), Refusal> {
    let topic = topic_validator::dlq_topic(group);
    let config = broker.group_topic(&topic, DLQ_QUEUE_NUMS, false, 0);
    let missing = || Refusal::new(ResponseCode::SYSTEM_ERROR, format!("topic[{topic}] not exist"));
    let config = config.ok_or_else(missing)?;
    Ok((topic, config))
}

/// Java: `handlePutMessageResult`, for what failed.
fn refusal_of(broker: &Broker, error: PutError) -> Refusal {
    let (code, remark) = match error {
        PutError::ServiceNotAvailable(why) => {
            // The store has said it once; a line a message would fill what is left of the disk.
            tracing::debug!("message refused: {why}");
            let used = broker.store.used_ratios();
            let remark = format!(
                "service not available now. It may be caused by one of the following reasons: the broker's disk is \
                 full [CL: {:5.2} CQ: {:5.2} INDEX: {:5.2}], messages are put to the slave, message store has been \
                 shut down, etc.",
                used.log, used.queues, used.index
            );
            (ResponseCode::SERVICE_NOT_AVAILABLE, remark)
        }
        PutError::CreateMappedFileFailed(why) => {
            tracing::debug!("message refused: {why}");
            (ResponseCode::SYSTEM_ERROR, "create mapped file failed, server is busy or broken.".to_owned())
        }
        PutError::MessageIllegal(_) | PutError::PropertiesSizeExceeded => {
            let limit = broker.store.config().max_message_size;
            let remark = format!(
                "the message is illegal, maybe msg body or properties length not matched. msg body length limit \
                 {limit}B, msg properties length limit 32KB."
            );
            (ResponseCode::MESSAGE_ILLEGAL, remark)
        }
        PutError::LmqConsumeQueueNumExceeded => {
            let remark = "[LMQ_CONSUME_QUEUE_NUM_EXCEEDED]lmq consume queue num exceeded.";
            (ResponseCode::LMQ_QUOTA_EXCEEDED, remark.to_owned())
        }
        PutError::OsPageCacheBusy => {
            let remark = "[PC_SYNCHRONIZED]broker busy, start flow control for a while";
            (ResponseCode::SYSTEM_BUSY, remark.to_owned())
        }
        PutError::BatchIllegal(why) => (ResponseCode::SYSTEM_ERROR, why),
    };
    Refusal::new(code, remark)
}

/// Java: `TopicConfig.toString`.
fn described(config: &TopicConfig) -> String {
    let filter = match config.topic_filter_type {
        TopicFilterType::SingleTag => "SINGLE_TAG",
        TopicFilterType::MultiTag => "MULTI_TAG",
    };
    let attributes: Vec<_> = config.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!(
        "TopicConfig [topicName={}, readQueueNums={}, writeQueueNums={}, perm={}, topicFilterType={filter}, \
         topicSysFlag={}, order={}, attributes={{{}}}]",
        config.topic_name,
        config.read_queue_nums,
        config.write_queue_nums,
        perm_text(config.perm),
        config.topic_sys_flag,
        config.order,
        attributes.join(", ")
    )
}

/// Java: `PermName.perm2String`.
fn perm_text(perm: i32) -> String {
    [(perm::READ, 'R'), (perm::WRITE, 'W'), (perm::INHERIT, 'X')]
        .iter()
        .map(|(bit, letter)| if perm & bit != 0 { *letter } else { '-' })
        .collect()
}

/// A queue id below `queue_nums`, which a peer may have set to nothing.
pub fn random_below(queue_nums: i32) -> i32 {
    let random = RandomState::new().hash_one(0u8) as u32;
    (random % queue_nums.max(1) as u32) as i32
}
