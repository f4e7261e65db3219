//! How far a group has consumed. Java: `ConsumerManageProcessor`.

use super::{offset_reply, ok_with_header, unreadable};
use crate::broker::Broker;
use crate::topics::QUEUES_MAX;
use remoting::header::offset::{QueryConsumerOffsetRequestHeader, UpdateConsumerOffsetRequestHeader};
use remoting::header::required;
use remoting::{Call, Command, ExtFields, Outcome, Refusal, ResponseCode};
use std::sync::Arc;
use store::{AccessError, Everything, GetMessageStatus, GetRequest};

/// The table of all groups' offsets, which slaves copy.
pub fn get_all_consumer_offset(broker: &Arc<Broker>, _: &mut Call) -> Result<Outcome, Refusal> {
    Ok(Outcome::Now(Command::success().with_body(broker.offsets.to_json())))
}

/// The next offset of a group in a queue; a new group begins at 0 if the whole queue is young. Refused with
/// QUERY_NOT_FOUND if it has none. Java: `ConsumerManageProcessor.queryConsumerOffset`.
pub fn query_consumer_offset(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = QueryConsumerOffsetRequestHeader::decode(&call.request.ext);
    let topic = required(header.topic, "topic")?;
    let queue_id = required(header.queue_id, "queueId")?;
    let offset = broker.offsets.query(header.consumer_group.unwrap_or("null"), topic, queue_id);
    if offset >= 0 {
        return offset_reply(offset);
    }
    let not_found = |remark| Refusal::new(ResponseCode::QUERY_NOT_FOUND, remark);
    if header.set_zero_if_not_found == Some(false) {
        return Err(not_found("Not found, do not set to zero, maybe this group boot first"));
    }
    if broker.store.min_offset_in_queue(topic, queue_id) <= 0
        && first_message_is_in_memory(broker, topic, queue_id).map_err(unreadable)?
    {
        return offset_reply(0);
    }
    Err(not_found("Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first"))
}

/// A new group starts at 0 while the whole queue is young. Java: `checkInMemByConsumeOffset(topic, queueId, 0, 1)`.
fn first_message_is_in_memory(broker: &Broker, topic: &str, queue_id: i32) -> Result<bool, AccessError> {
    let first = GetRequest { topic, queue_id, offset: 0, count_max: 1, bytes_max: usize::MAX };
    let result = broker.store.get_message(first, &Everything)?;
    Ok(result.status == GetMessageStatus::Found && result.resident)
}

/// Notes how far a group is in a queue, unless an admin has just set it. Refused if topic or group does not exist, or
/// with SYSTEM_BUSY if there is no room for a further queue.
pub fn update_consumer_offset(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = UpdateConsumerOffsetRequestHeader::decode(&call.request.ext);
    let (group, topic) = (header.consumer_group.unwrap_or("null"), required(header.topic, "topic")?);
    if !broker.groups.contains(group) {
        let remark = format!("Group {group} not exist!");
        return Err(Refusal::new(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST, remark));
    }
    if !broker.topics.contains(topic) {
        return Err(Refusal::new(ResponseCode::TOPIC_NOT_EXIST, format!("Topic {topic} not exist!")));
    }
    let invalid =
        |what| Refusal::new(ResponseCode::INVALID_PARAMETER, format!("{what} is null, topic is {topic}"));
    let queue_id = header.queue_id.ok_or_else(|| invalid("QueueId"))?;
    let offset = header.commit_offset.ok_or_else(|| invalid("Offset"))?;
    if !(0..QUEUES_MAX).contains(&queue_id) {
        let remark = format!("Queue {queue_id} of topic {topic} cannot be");
        return Err(Refusal::new(ResponseCode::INVALID_PARAMETER, remark));
    }
    if broker.settings().broker.use_server_side_reset_offset
        && broker.offsets.has_reset(group, topic, queue_id)
    {
        let reply = Command::success().with_remark("Offset has been previously reset");
        return Ok(Outcome::Now(reply.with_ext(ExtFields::empty())));
    }
    broker.offsets.commit(&call.peer().remote_addr(), group, topic, queue_id, offset)?;
    ok_with_header()
}
