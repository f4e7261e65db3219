//! A queue's own offsets, and the locks on queues. Java: `AdminBrokerProcessor`.

use super::{json_body, offset_reply, ok, unreadable};
use crate::broker::Broker;
use remoting::body::{LockBatchRequestBody, LockBatchResponseBody, UnlockBatchRequestBody};
use remoting::header::offset::{
    GetEarliestMsgStoretimeResponseHeader, OffsetResponseHeader, QueueRequestHeader,
    SearchOffsetRequestHeader,
};
use remoting::header::required;
use remoting::{Call, Command, Outcome, Refusal, json};
use std::sync::Arc;
use store::Boundary;

/// The first offset that a queue has of a time or later; with boundary `upper` the last of that time or before. Refused if
/// the store cannot be read. Java: `AdminBrokerProcessor`, as for the offsets below.
pub fn search_offset_by_timestamp(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = SearchOffsetRequestHeader::decode(&call.request.ext);
    let boundary = match header.boundary_type {
        Some(name) if name.eq_ignore_ascii_case("upper") => Boundary::Upper,
        _ => Boundary::Lower,
    };
    let (topic, queue_id) = (required(header.topic, "topic")?, required(header.queue_id, "queueId")?);
    let timestamp_ms = required(header.timestamp_ms, "timestamp")?;
    let offset = broker.store.offset_in_queue_by_time(topic, queue_id, timestamp_ms, boundary);
    offset_reply(offset.map_err(unreadable)?)
}

/// The offset that a queue's next message gets; 0 if it does not exist.
pub fn get_max_offset(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let (topic, queue_id) = queue(&call.request)?;
    offset_reply(broker.store.max_offset_in_queue(topic, queue_id))
}

/// The offset of a queue's first message; 0 if it does not exist.
pub fn get_min_offset(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let (topic, queue_id) = queue(&call.request)?;
    let offset = Some(broker.store.min_offset_in_queue(topic, queue_id));
    let header = OffsetResponseHeader { offset, ..Default::default() };
    // Java's remark here is empty, but there.
    Ok(Outcome::Now(Command::success().with_remark("").with_ext(header.encode())))
}

/// When a queue's first message was stored, in milliseconds since the epoch; -1 if there is none. Refused if the store
/// cannot be read.
pub fn get_earliest_msg_storetime(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let (topic, queue_id) = queue(&call.request)?;
    let timestamp_ms = Some(broker.store.earliest_message_time(topic, queue_id).map_err(unreadable)?);
    let header = GetEarliestMsgStoretimeResponseHeader { timestamp_ms, ..Default::default() };
    Ok(Outcome::Now(Command::success().with_ext(header.encode())))
}

fn queue(request: &Command) -> Result<(&str, i32), Refusal> {
    let header = QueueRequestHeader::decode(&request.ext);
    Ok((required(header.topic, "topic")?, required(header.queue_id, "queueId")?))
}

/// Locks queues for one client of a group, which consumes them in order; the answer says which of them it has.
/// Java: `AdminBrokerProcessor.lockBatchMQ`.
pub fn lock_batch_mq(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let body: LockBatchRequestBody = json_body(&call.request.body.bytes())?;
    let locked = broker.locks.lock_batch(&body.consumer_group, body.mq_set, &body.client_id);
    let reply = LockBatchResponseBody { lock_ok_mq_set: locked };
    Ok(Outcome::Now(Command::success().with_body(json::to_bytes(&reply))))
}

/// Gives up locks; those that the client does not have stay. Refused only if the body is unreadable.
pub fn unlock_batch_mq(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let body: UnlockBatchRequestBody = json_body(&call.request.body.bytes())?;
    broker.locks.unlock_batch(&body.consumer_group, &body.mq_set, &body.client_id);
    ok()
}
