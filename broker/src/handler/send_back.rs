//! A consumer gives a message back, to have it again later. Java: `AbstractSendMessageProcessor.consumerSendMsgBack`.

use super::ok;
use super::send::{
    DLQ_QUEUE_NUMS, dead_letter_topic, no_group, random_below, reconsume_times_max, refuse_if_busy,
};
use crate::broker::Broker;
use crate::safety::LateReply;
use crate::topic_validator;
use crate::topics::{perm, topic_sys_flag};
use message::record::Record;
use message::{Message, Properties, StoredMessage, id, property};
use remoting::body::{SubscriptionGroupConfig, TopicConfig};
use remoting::header::required;
use remoting::header::send::ConsumerSendMsgBackRequestHeader;
use remoting::{Call, Command, Outcome, Refusal, ResponseCode};
use std::borrow::Cow;
use std::sync::Arc;
use store::{PutError, WheelTimerError};

/// Delay level of the first retry where the consumer leaves it to the broker.
const FIRST_RETRY_LEVEL: i32 = 3;

/// Stores a message once more that a consumer could not consume: for later, or as a dead letter. Refused if group or
/// message does not exist, or the message cannot be stored. Java: `SendMessageProcessor.consumerSendMsgBack`.
pub fn consumer_send_msg_back(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = ConsumerSendMsgBackRequestHeader::decode(&call.request.ext);
    let settings = &*broker.settings();
    refuse_if_busy(broker, settings)?;
    let group = required(header.group, "group")?;
    let group_config = broker.groups.find(group).ok_or_else(|| no_group(group))?;
    if !perm::is_writeable(settings.broker.broker_permission) {
        let ip = &settings.broker.broker_ip1;
        let remark = format!("the broker[{ip}] sending message is forbidden");
        return Err(Refusal::new(ResponseCode::NO_PERMISSION, remark));
    }
    if group_config.retry_queue_nums <= 0 {
        return ok();
    }
    let (retry_topic, _) = retry_topic(broker, group, &group_config, header.unit_mode)?;
    let offset = required(header.offset, "offset")?;
    let record = broker.store.look_message_by_offset(offset);
    let missing =
        || Refusal::new(ResponseCode::SYSTEM_ERROR, format!("look message by offset failed, {offset}"));
    let record = record.map_err(super::unreadable)?.ok_or_else(missing)?;
    let Ok(Record::Message(stored)) = Record::decode(&record) else {
        return Err(missing());
    };
    let delay_level = required(header.delay_level, "delayLevel")?;
    let times_max = reconsume_times_max(&call.request, header.max_reconsume_times, &group_config);
    let is_dead = stored.message.reconsume_times >= times_max || delay_level < 0;
    let (topic, queue_id, level) = if is_dead {
        let (topic, _) = dead_letter_topic(broker, group)?;
        tracing::info!("{group} gives up on the message at {offset}: to {topic}");
        (topic, random_below(DLQ_QUEUE_NUMS), 0)
    } else {
        let level = match delay_level {
            // A producer may have sent any number.
            0 => FIRST_RETRY_LEVEL.saturating_add(stored.message.reconsume_times),
            level => level,
        };
        (retry_topic, random_below(group_config.retry_queue_nums), level)
    };
    let topic_saved = broker.topics.is_saved(&topic);
    match broker.delays.append(&broker.store, again(broker, &stored, topic, queue_id, level)) {
        Ok(_) if topic_saved => ok(),
        Ok(appended) => {
            let (responder, taken) = call.take_responder();
            let late = LateReply { responder, reply: Command::success(), tells_outcome: true };
            broker.answer_when_saved(appended.end_offset(), None, late);
            Ok(Outcome::Later(taken))
        }
        Err(error) => Err(Refusal::new(ResponseCode::SYSTEM_ERROR, put_status(&error))),
    }
}

/// The group's retry topic, made if it is missing.
fn retry_topic(
    broker: &Broker,
    group: &str,
    group_config: &SubscriptionGroupConfig,
    unit_mode: bool,
) -> Result<(String, Arc<TopicConfig>), Refusal> {
    let topic = topic_validator::retry_topic(group);
    let sys_flag = if unit_mode { topic_sys_flag::UNIT_SUB } else { 0 };
    let queue_nums = group_config.retry_queue_nums;
    let config = broker.group_topic(&topic, queue_nums, false, sys_flag);
    let missing = || Refusal::new(ResponseCode::SYSTEM_ERROR, format!("topic[{topic}] not exist"));
    let config = config.ok_or_else(missing)?;
    if !perm::is_writeable(config.perm) {
        let remark = format!("the topic[{topic}] sending message is forbidden");
        return Err(Refusal::new(ResponseCode::NO_PERMISSION, remark));
    }
    Ok((topic, config))
}

/// The message once more, as the consumer group will get it.
fn again<'a>(
    broker: &Broker,
    stored: &StoredMessage<'a>,
    topic: String,
    queue_id: i32,
    delay_level: i32,
) -> Message<'a> {
    let message = &stored.message;
    let mut properties = Properties::parse(&message.properties);
    if properties.get(property::RETRY_TOPIC).is_none() {
        properties.put(property::RETRY_TOPIC, &message.topic);
    }
    properties.put(property::WAIT_STORE_MSG_OK, "false");
    properties.put(property::DELAY_TIME_LEVEL, &delay_level.to_string());
    if properties.get(property::ORIGIN_MESSAGE_ID).is_none_or(|id| id.trim().is_empty()) {
        let msg_id = id::offset_message_id(message.store_host, stored.physical_offset);
        properties.put(property::ORIGIN_MESSAGE_ID, &msg_id);
    }
    Message {
        topic: Cow::Owned(topic),
        queue_id,
        store_host: broker.store_host,
        reconsume_times: message.reconsume_times.wrapping_add(1),
        prepared_transaction_offset: 0,
        properties: Cow::Owned(properties.encode()),
        ..message.clone()
    }
}

/// Java: `PutMessageStatus.name`.
fn put_status(error: &PutError) -> &'static str {
    match error {
        PutError::ServiceNotAvailable(_) => "SERVICE_NOT_AVAILABLE",
        PutError::CreateMappedFileFailed(_) => "CREATE_MAPPED_FILE_FAILED",
        PutError::MessageIllegal(_) | PutError::BatchIllegal(_) => "MESSAGE_ILLEGAL",
        PutError::PropertiesSizeExceeded => "PROPERTIES_SIZE_EXCEEDED",
        PutError::InSyncReplicasNotEnough => "IN_SYNC_REPLICAS_NOT_ENOUGH",
        PutError::LmqConsumeQueueNumExceeded => "LMQ_CONSUME_QUEUE_NUM_EXCEEDED",
        PutError::WheelTimer(WheelTimerError::NotEnable) => "WHEEL_TIMER_NOT_ENABLE",
        PutError::WheelTimer(WheelTimerError::MsgIllegal) => "WHEEL_TIMER_MSG_ILLEGAL",
        PutError::WheelTimer(WheelTimerError::FlowControl) => "WHEEL_TIMER_FLOW_CONTROL",
        PutError::OsPageCacheBusy => "OS_PAGE_CACHE_BUSY",
    }
}
