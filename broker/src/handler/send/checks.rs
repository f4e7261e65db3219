//! What is checked before a message is taken.

use super::{Sent, Target, random_below};
use crate::attributes;
use crate::broker::Broker;
use crate::config::{BrokerConfig, BrokerSettings};
use crate::handler::FAQ;
use crate::topic_validator;
use crate::topics::{has_batch_queues, perm, topic_sys_flag};
use message::{property, sys_flag};
use remoting::body::{TopicConfig, TopicFilterType};
use remoting::header::required;
use remoting::{Refusal, ResponseCode};
use std::borrow::Cow;
use std::sync::Arc;
use store::local_time;
use store::topic_name::is_lmq;

/// Java: `SendMessageProcessor.rejectRequest`.
pub(in crate::handler) fn refuse_if_busy(broker: &Broker, settings: &BrokerSettings) -> Result<(), Refusal> {
    if settings.store.is_slave() || broker.store.is_os_page_cache_busy(&settings.store) {
        let remark = "[REJECTREQUEST]system busy, start flow control for a while";
        return Err(Refusal::new(ResponseCode::SYSTEM_BUSY, remark));
    }
    Ok(())
}

impl<'a> Sent<'a> {
    /// Java: `AbstractSendMessageProcessor.msgCheck`.
    pub(in crate::handler) fn check(&self) -> Result<Target<'a>, Refusal> {
        let (broker, topic) = (self.broker, self.topic());
        let settings = &self.settings.broker;
        refuse_before_start(broker, settings)?;
        if !perm::is_writeable(settings.broker_permission) && broker.topics.is_order_topic(topic) {
            let remark = format!("the broker[{}] sending message is forbidden", settings.broker_ip1);
            return Err(Refusal::new(ResponseCode::NO_PERMISSION, remark));
        }
        // A topic of the table has been found valid.
        let config = match broker.topics.find(topic) {
            Some(config) if !topic_validator::is_not_allowed_send_topic(topic) && !is_lmq(topic) => config,
            known => self.checked_topic(topic, known)?,
        };
        let queue_id = required(self.header.queue_id, "queueId")?;
        if queue_id >= config.write_queue_nums.max(config.read_queue_nums) {
            let remark = format!(
                "request queueId[{queue_id}] is illegal, {} Producer: {}",
                described(&config),
                self.call.peer().remote_addr()
            );
            return Err(Refusal::new(ResponseCode::INVALID_PARAMETER, remark));
        }
        let queue_id = match queue_id {
            ..0 if config.write_queue_nums == 0 => {
                let remark = "java.lang.ArithmeticException: / by zero";
                return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, remark));
            }
            ..0 => random_below(config.write_queue_nums),
            _ => queue_id,
        };
        Ok(Target { topic: Cow::Borrowed(topic), queue_id, config })
    }

    #[cold]
    fn checked_topic(
        &self,
        topic: &str,
        known: Option<Arc<TopicConfig>>,
    ) -> Result<Arc<TopicConfig>, Refusal> {
        let invalid = |remark| Refusal::new(ResponseCode::INVALID_PARAMETER, remark);
        topic_validator::validate_topic(topic).map_err(invalid)?;
        if topic_validator::is_not_allowed_send_topic(topic) {
            let remark = format!("Sending message to topic[{topic}] is forbidden.");
            return Err(Refusal::new(ResponseCode::NO_PERMISSION, remark));
        }
        known.map_or_else(|| self.new_topic(topic), Ok)
    }

    fn new_topic(&self, topic: &str) -> Result<Arc<TopicConfig>, Refusal> {
        let is_retry = topic.starts_with(topic_validator::RETRY_GROUP_TOPIC_PREFIX);
        let unit_flag = if is_retry { topic_sys_flag::UNIT_SUB } else { topic_sys_flag::UNIT };
        let topic_sys_flag = if self.header.unit_mode == Some(true) { unit_flag } else { 0 };
        let default_topic = required(self.header.default_topic, "defaultTopic")?;
        let queue_nums = required(self.header.default_topic_queue_nums, "defaultTopicQueueNums")?;
        let topics = &self.broker.topics;
        let addr = self.call.peer().remote_addr();
        tracing::warn!("the topic {topic} not exist, producer: {addr}");
        let created = topics.create_in_send_message(
            topic,
            default_topic,
            &addr.to_string(),
            queue_nums,
            topic_sys_flag,
        );
        let created =
            created.or_else(|| is_retry.then(|| self.broker.group_topic(topic, 1, false, topic_sys_flag))?);
        created.ok_or_else(|| {
            let remark = format!("topic[{topic}] not exist, apply first please!{FAQ}");
            Refusal::new(ResponseCode::TOPIC_NOT_EXIST, remark)
        })
    }
}

/// Java refuses sends before `startAcceptSendRequestTimeStamp`.
fn refuse_before_start(broker: &Broker, settings: &BrokerConfig) -> Result<(), Refusal> {
    let start_ms = settings.start_accept_send_request_time_stamp_ms;
    if start_ms > 0 && broker.clock.wall_ms() < start_ms {
        let [year, month, day, hour, minute, second] = local_time(start_ms);
        let remark = format!(
            "broker unable to service, until {year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02},{:03}",
            start_ms.rem_euclid(1000)
        );
        return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, remark));
    }
    Ok(())
}

/// Java: `HookUtils.checkInnerBatch`.
pub(super) fn claims_wrong_batch(config: &TopicConfig, sent_flag: i32, properties: &str) -> bool {
    match sent_flag & sys_flag::INNER_BATCH {
        0 => property::find(properties, property::INNER_NUM).is_some(),
        _ => !has_batch_queues(config),
    }
}

/// Java: `CleanupPolicyUtils.getDeletePolicy`.
pub(super) fn is_compacted(config: &TopicConfig) -> bool {
    config.attributes.get(attributes::CLEANUP_POLICY).is_some_and(|policy| policy == "COMPACTION")
}

pub(super) fn has_keys(properties: &str) -> bool {
    property::find(properties, property::KEYS).is_some_and(|keys| !topic_validator::is_blank(keys))
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
