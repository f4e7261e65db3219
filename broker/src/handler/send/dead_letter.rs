//! Where a message goes that was consumed in vain too often.

use super::properties::SentProperties;
use super::{Sent, Target, random_below};
use crate::broker::Broker;
use crate::handler::FAQ;
use crate::topic_validator;
use message::property;
use remoting::body::{SubscriptionGroupConfig, TopicConfig};
use remoting::{Command, Refusal, ResponseCode};
use std::borrow::Cow;
use std::sync::Arc;

/// Queues of a dead-letter topic.
pub const DLQ_QUEUE_NUMS: i32 = 1;

/// Clients before it do not say how often a message may be retried. Java: ordinal of `MQVersion.V3_4_9`.
const V3_4_9: i32 = 121;

impl<'a> Sent<'a> {
    /// A consumer that sends a message to its own retry topic once too often, or consumes in order, sends it to the
    /// dead letters. Java: `handleRetryAndDLQ`.
    pub(super) fn redirect_dead_letter(
        &self,
        target: &mut Target<'a>,
        properties: &mut SentProperties,
    ) -> Result<(), Refusal> {
        let Some(group) = self.topic().strip_prefix(topic_validator::RETRY_GROUP_TOPIC_PREFIX) else {
            return Ok(());
        };
        let group_config = self.broker.groups.find(group).ok_or_else(|| no_group(group))?;
        let times_max =
            reconsume_times_max(&self.call.request, self.header.max_reconsume_times, &group_config);
        let times = self.header.reconsume_times.unwrap_or(0);
        if times <= times_max && self.broker.locks.is_all_expired(group) {
            return Ok(());
        }
        properties.put(property::DELAY_TIME_LEVEL, "-1");
        properties.delay_level = 0;
        properties.drop_priority();
        let (topic, config) = dead_letter_topic(self.broker, group)?;
        *target = Target { topic: Cow::Owned(topic), queue_id: random_below(DLQ_QUEUE_NUMS), config };
        Ok(())
    }
}

/// How often a message may be retried: as the consumer says, else as its group is set.
pub fn reconsume_times_max(request: &Command, said: Option<i32>, group: &SubscriptionGroupConfig) -> i32 {
    match said {
        Some(times) if request.version >= V3_4_9 => times,
        _ => group.retry_max_times,
    }
}

/// For a group that does not exist: SUBSCRIPTION_GROUP_NOT_EXIST.
pub fn no_group(group: &str) -> Refusal {
    let remark = format!("subscription group not exist, {group} {FAQ}");
    Refusal::new(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST, remark)
}

/// The group's dead-letter topic, made if it is missing. Refused with SYSTEM_ERROR if there is none and none can be
/// made.
pub fn dead_letter_topic(broker: &Broker, group: &str) -> Result<(String, Arc<TopicConfig>), Refusal> {
    let topic = topic_validator::dlq_topic(group);
    let config = broker.group_topic(&topic, DLQ_QUEUE_NUMS, false, 0);
    let missing = || Refusal::new(ResponseCode::SYSTEM_ERROR, format!("topic[{topic}] not exist"));
    let config = config.ok_or_else(missing)?;
    Ok((topic, config))
}
