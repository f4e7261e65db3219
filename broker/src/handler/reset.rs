//! Setting groups to other offsets, and what admins look at before: 222, 303, 308 and 314.
//! Java: `AdminBrokerProcessor`, `Broker2Client`.

use super::{UNSET_REMARK, message_queue, ok, ok_with_body, unreadable};
use crate::broker::Broker;
use crate::calls::version;
use crate::clients::ConsumerGroup;
use crate::topics::queue_ids;
use remoting::body::{
    MessageQueue, MessageQueueForC, QueryConsumeTimeSpanBody, QueryCorrectionOffsetBody, QueueTimeSpan,
    ResetOffsetBody, ResetOffsetBodyForC, TopicConfig,
};
use remoting::header::offset::{
    CloneGroupOffsetRequestHeader, QueryConsumeTimeSpanRequestHeader, QueryCorrectionOffsetHeader,
    ResetOffsetRequestHeader,
};
use remoting::header::required;
use remoting::{Call, Command, Language, Outcome, Refusal, RequestCode, ResponseCode, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{AccessError, Boundary, local_time};

/// An offset that is not given. Java: `ResetOffsetCommand`.
const NO_OFFSET: i64 = -1;
/// "To the end", where clients are reset.
const TO_THE_END_MS: i64 = -1;

/// By queue id.
type Offsets = BTreeMap<i32, i64>;

/// Sets a group's offsets to those of a time or to a given one: here, or in its clients (`useServerSideResetOffset`).
/// Refused if topic or group does not exist, on a slave, or if there is no client to be told.
pub fn invoke_broker_to_reset_offset(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = ResetOffsetRequestHeader::decode(&call.request.ext);
    tracing::info!("{} resets offsets: {header:?}", call.peer().remote_addr());
    let (reply, offsets) = match broker.settings().broker.use_server_side_reset_offset {
        true => (Command::success(), reset_here(broker, &header)?),
        false => {
            let offsets = reset_in_clients(broker, &header, call.request.language)?;
            (Command::success().with_remark(UNSET_REMARK), offsets)
        }
    };
    let body = ResetOffsetBody { offset_table: by_queue(broker, &header, &offsets) };
    Ok(Outcome::Now(reply.with_body(json::to_bytes(&body))))
}

fn by_queue(
    broker: &Broker,
    header: &ResetOffsetRequestHeader<'_>,
    offsets: &Offsets,
) -> BTreeMap<MessageQueue, i64> {
    let topic = header.topic.unwrap_or_default();
    offsets.iter().map(|(queue_id, offset)| (message_queue(broker, topic, *queue_id), *offset)).collect()
}

/// The consumers' next pulls are answered with the new offsets. Java: `resetOffsetInner`.
fn reset_here(broker: &Broker, header: &ResetOffsetRequestHeader<'_>) -> Result<Offsets, Refusal> {
    let failed = |remark: String| Refusal::new(ResponseCode::SYSTEM_ERROR, remark);
    if broker.is_slave() {
        return Err(failed("Can not reset offset in slave broker".to_owned()));
    }
    let topic = required(header.topic, "topic")?;
    let config = broker.topics.find(topic).ok_or_else(|| {
        Refusal::new(ResponseCode::TOPIC_NOT_EXIST, format!("Topic {topic} does not exist"))
    })?;
    let group = header.group.unwrap_or("null");
    if !broker.groups.contains(group) {
        let remark = format!("Group {group} does not exist");
        return Err(Refusal::new(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST, remark));
    }
    let by_time = |queue_id| -> Result<_, Refusal> {
        Ok((queue_id, offset_by_time(broker, topic, queue_id, header.timestamp_ms)?))
    };
    let offsets = match header.queue_id.filter(|queue_id| *queue_id >= 0) {
        Some(queue_id) => match header.offset.filter(|offset| *offset != NO_OFFSET) {
            Some(offset) => Offsets::from([(queue_id, in_range(broker, topic, queue_id, offset)?)]),
            None => Offsets::from([by_time(queue_id)?]),
        },
        None => queue_ids(config.read_queue_nums).map(by_time).collect::<Result<_, Refusal>>()?,
    };
    if offsets.is_empty() {
        return Err(failed("No queues to reset.".to_owned()));
    }
    for (queue_id, offset) in &offsets {
        broker.offsets.assign_reset(group, topic, *queue_id, *offset)?;
    }
    Ok(offsets)
}

fn in_range(broker: &Broker, topic: &str, queue_id: i32, offset: i64) -> Result<i64, Refusal> {
    let min = broker.store.min_offset_in_queue(topic, queue_id);
    let max = broker.store.max_offset_in_queue(topic, queue_id);
    if (min >= 0 && offset < min) || offset > max + 1 {
        let remark = format!("Target offset {offset} not in consume queue range [{min}-{max}]");
        return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, remark));
    }
    Ok(offset)
}

fn offset_by_time(broker: &Broker, topic: &str, queue_id: i32, timestamp_ms: i64) -> Result<i64, Refusal> {
    if timestamp_ms < 0 {
        return Ok(broker.store.max_offset_in_queue(topic, queue_id));
    }
    let offset = broker.store.offset_in_queue_by_time(topic, queue_id, timestamp_ms, Boundary::Lower);
    offset.map_err(unreadable)
}

/// Tells the group's clients, which commit the new offsets. Java: `Broker2Client.resetOffset`.
fn reset_in_clients(
    broker: &Broker,
    header: &ResetOffsetRequestHeader<'_>,
    language: Language,
) -> Result<Offsets, Refusal> {
    let topic = required(header.topic, "topic")?;
    let config = broker.topics.find(topic).ok_or_else(|| {
        let remark = format!("[reset-offset] reset offset failed, no topic in this broker. topic={topic}");
        Refusal::new(ResponseCode::TOPIC_NOT_EXIST, remark)
    })?;
    let group = required(header.group, "group")?;
    let offsets = offsets_for_clients(broker, header, group, &config)?;
    let clients = broker.clients.consumers(group).ok_or_else(|| {
        let remark = format!(
            "Consumer not online, so can not reset offset, Group: {group} Topic: {topic} Timestamp: {}",
            header.timestamp_ms
        );
        Refusal::new(ResponseCode::CONSUMER_NOT_ONLINE, remark)
    })?;
    let call = reset_call(broker, header, &offsets, language);
    for client in clients {
        version::require_v3_0_7(client.version)?;
        tracing::info!("{} is told to reset {group} in {topic}", client.client_id);
        client.peer.send_oneway(call.clone());
    }
    Ok(offsets)
}

/// Without force no queue goes forward.
fn offsets_for_clients(
    broker: &Broker,
    header: &ResetOffsetRequestHeader<'_>,
    group: &str,
    config: &TopicConfig,
) -> Result<Offsets, Refusal> {
    let topic = config.topic_name.as_str();
    let offset = |queue_id| {
        let committed = broker.offsets.query(group, topic, queue_id);
        if committed == -1 {
            let remark = format!("THe consumer group <{group}> not exist");
            return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, remark));
        }
        let by_time = match header.timestamp_ms {
            TO_THE_END_MS => broker.store.max_offset_in_queue(topic, queue_id),
            ms => {
                let offset = broker.store.offset_in_queue_by_time(topic, queue_id, ms, Boundary::Lower);
                offset.map_err(unreadable)?
            }
        };
        let by_time = by_time.max(0);
        Ok((queue_id, if header.is_force { by_time } else { by_time.min(committed) }))
    };
    queue_ids(config.write_queue_nums).map(offset).collect()
}

fn reset_call(
    broker: &Broker,
    header: &ResetOffsetRequestHeader<'_>,
    offsets: &Offsets,
    language: Language,
) -> Command {
    let told = ResetOffsetRequestHeader { queue_id: Some(-1), offset: None, is_force: false, ..*header };
    let offset_table = by_queue(broker, header, offsets);
    // Java goes by the language of who asks, not of who is told.
    let body = match language.name() {
        Some("CPP") => {
            let for_c = |(queue, offset): (MessageQueue, i64)| MessageQueueForC {
                broker_name: queue.broker_name,
                offset,
                queue_id: queue.queue_id,
                topic: queue.topic,
            };
            json::to_bytes(&ResetOffsetBodyForC {
                offset_table: offset_table.into_iter().map(for_c).collect(),
            })
        }
        _ => json::to_bytes(&ResetOffsetBody { offset_table }),
    };
    Command::request(RequestCode::RESET_CONSUMER_CLIENT_OFFSET, told.encode()).with_body(body)
}

/// Java looks at all topics of the group where none is named, but copies then those of a topic without a name: none.
pub fn clone_group_offset(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = CloneGroupOffsetRequestHeader::decode(&call.request.ext);
    let (from, to) = (required(header.src_group, "srcGroup")?, required(header.dest_group, "destGroup")?);
    let topic = header.topic.unwrap_or_default();
    if broker.topics.find(topic).is_none() {
        tracing::warn!("{} clones offsets in {topic:?}, which does not exist", call.peer().remote_addr());
        return ok();
    }
    let subscribes_others =
        |group: &ConsumerGroup| !group.subscriptions.is_empty() && !group.subscriptions.contains_key(topic);
    if !header.offline && broker.clients.consumer_group(from, subscribes_others) == Some(true) {
        tracing::warn!(
            "{} clones offsets in {topic}, which {from} does not subscribe",
            call.peer().remote_addr()
        );
        return ok();
    }
    broker.offsets.clone_offsets(from, to, topic)?;
    ok()
}

/// The least offset of all groups in each queue; `i64::MAX` where the compared group is behind it.
pub fn query_correction_offset(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = QueryCorrectionOffsetHeader::decode(&call.request.ext);
    let topic = required(header.topic, "topic")?;
    let filtered: Vec<_> = header.filter_groups.unwrap_or_default().split(',').collect();
    let mut correction_offsets = Offsets::new();
    // Java forgets the filtered groups' offsets for good; a query should not.
    for group in broker.offsets.groups_of_topic(topic).iter().filter(|g| !filtered.contains(&g.as_str())) {
        for (queue_id, offset) in broker.offsets.queues(group, topic) {
            if offset >= broker.store.min_offset_in_queue(topic, queue_id) {
                let least = correction_offsets.entry(queue_id).or_insert(offset);
                *least = offset.min(*least);
            }
        }
    }
    for (queue_id, offset) in broker.offsets.queues(header.compare_group.unwrap_or("null"), topic) {
        if let Some(least) = correction_offsets.get_mut(&queue_id).filter(|least| **least > offset) {
            *least = i64::MAX;
        }
    }
    ok_with_body(&QueryCorrectionOffsetBody { correction_offsets })
}

/// From when to when a queue has messages, and how far a group is in time. Refused if the topic does not exist, or the
/// store cannot be read.
pub fn query_consume_time_span(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = QueryConsumeTimeSpanRequestHeader::decode(&call.request.ext);
    let topic = required(header.topic, "topic")?;
    let config = broker
        .topics
        .find(topic)
        .ok_or_else(|| Refusal::new(ResponseCode::TOPIC_NOT_EXIST, format!("topic[{topic}] not exist")))?;
    let group = header.group.unwrap_or("null");
    let spans = |queue_id| time_span(broker, group, topic, queue_id);
    let consume_time_span_set = queue_ids(config.write_queue_nums).map(spans).collect::<Result<_, _>>();
    let consume_time_span_set = consume_time_span_set.map_err(unreadable)?;
    ok_with_body(&QueryConsumeTimeSpanBody { consume_time_span_set })
}

fn time_span(broker: &Broker, group: &str, topic: &str, queue_id: i32) -> Result<QueueTimeSpan, AccessError> {
    let store = &broker.store;
    let stored_ms = |offset| store.message_store_timestamp(topic, queue_id, offset);
    let min_time_stamp = store.earliest_message_time(topic, queue_id)?;
    let max_offset = store.max_offset_in_queue(topic, queue_id);
    let max_time_stamp = stored_ms(max_offset - 1)?;
    let next = broker.offsets.query(group, topic, queue_id);
    let consume_time_stamp = if next > 0 { stored_ms(next - 1)? } else { min_time_stamp };
    Ok(QueueTimeSpan {
        consume_time_stamp,
        consume_time_stamp_str: time_text(consume_time_stamp),
        delay_time: if next < max_offset {
            broker.clock.wall_ms().saturating_sub(stored_ms(next)?)
        } else {
            0
        },
        max_time_stamp,
        max_time_stamp_str: time_text(max_time_stamp),
        message_queue: message_queue(broker, topic, queue_id),
        min_time_stamp,
        min_time_stamp_str: time_text(min_time_stamp),
    })
}

/// Java: `UtilAll.YYYY_MM_DD_HH_MM_SS_SSS`, local time.
fn time_text(ms: i64) -> String {
    let [year, month, day, hour, minute, second] = local_time(ms);
    let millis = ms.rem_euclid(1000);
    format!("{year:04}-{month:02}-{day:02}#{hour:02}:{minute:02}:{second:02}:{millis:03}")
}
