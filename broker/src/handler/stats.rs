//! How far topics and groups have come, for admins: 202, 208, 317 and 321. Java: `AdminBrokerProcessor`.

use super::{UNSET_REMARK, message_queue, ok_with_body, unreadable};
use crate::broker::Broker;
use crate::consumer_filter::SqlFilter;
use crate::subscription::TagFilter;
use crate::topic_validator::is_blank;
use crate::topics::queue_ids;
use remoting::body::{
    ConsumeQueueData, ConsumeStats, ConsumeStatsList, OffsetWrapper, QueryConsumeQueueResponseBody,
    SubscriptionData, TopicConfig, TopicOffset, TopicStatsTable, is_tag_type,
};
use remoting::header::query::{
    GetConsumeStatsInBrokerHeader, GetConsumeStatsRequestHeader, GetTopicStatsInfoRequestHeader,
    QueryConsumeQueueRequestHeader,
};
use remoting::header::required;
use remoting::{Call, Command, Outcome, Refusal, ResponseCode, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::layout::ext::UNIT_BYTES_MIN;
use store::{CqUnit, MessageFilter, OwnedExtUnit};

/// Entries of a queue in one answer, so that it fits into a frame.
const QUEUE_ENTRIES_MAX: usize = 50_000;

/// The ends of a topic's queues. Refused with TOPIC_NOT_EXIST. Reads the record of each queue's last message.
pub fn get_topic_stats_info(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = GetTopicStatsInfoRequestHeader::decode(&call.request.ext);
    let topic = required(header.topic, "topic")?;
    let config = broker
        .topics
        .find(topic)
        .ok_or_else(|| Refusal::new(ResponseCode::TOPIC_NOT_EXIST, format!("topic[{topic}] not exist")))?;
    let mut body = TopicStatsTable::default();
    for queue_id in queue_ids(config.write_queue_nums.max(config.read_queue_nums)) {
        let min_offset = broker.store.min_offset_in_queue(topic, queue_id).max(0);
        let max_offset = broker.store.max_offset_in_queue(topic, queue_id).max(0);
        let last_update_timestamp = match max_offset {
            0 => 0,
            max => store_timestamp(broker, topic, queue_id, max - 1)?,
        };
        let offset = TopicOffset { last_update_timestamp, max_offset, min_offset };
        body.offset_table.insert(message_queue(broker, topic, queue_id), offset);
    }
    ok_with_body(&body)
}

fn store_timestamp(broker: &Broker, topic: &str, queue_id: i32, offset: i64) -> Result<i64, Refusal> {
    broker.store.message_store_timestamp(topic, queue_id, offset).map_err(unreadable)
}

/// How far a group has come in topics: those named, or all that it has offsets of and still subscribes. Refused without a
/// group.
pub fn get_consume_stats(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = GetConsumeStatsRequestHeader::decode(&call.request.ext);
    let group = required(header.consumer_group, "consumerGroup")?;
    let mut body = ConsumeStats::default();
    for topic in topics_to_collect(broker, &header, group) {
        if let Some(config) = broker.topics.find(&topic) {
            let queue_nums = config.read_queue_nums;
            collect(broker, group, &config, queue_nums, With::PullOffsets, &mut body)?;
        }
    }
    ok_with_body(&body)
}

/// Java: `getTopicsForCollectingConsumeStats`.
fn topics_to_collect(
    broker: &Broker,
    header: &GetConsumeStatsRequestHeader<'_>,
    group: &str,
) -> BTreeSet<String> {
    if let Some(list) = header.topic_list.filter(|list| !is_blank(list)) {
        return list.split(';').filter(|topic| !topic.is_empty()).map(str::to_owned).collect();
    }
    let mut topics = match header.topic.filter(|topic| !is_blank(topic)) {
        Some(topic) => BTreeSet::from([topic.to_owned()]),
        None => broker.offsets.topics_of_group(group),
    };
    topics.retain(|topic| is_subscribed(broker, group, topic));
    topics
}

/// Groups that are offline subscribe everything.
fn is_subscribed(broker: &Broker, group: &str, topic: &str) -> bool {
    let (subscription, count) = broker.clients.subscription(group, topic);
    subscription.is_some() || count == 0
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum With {
    PullOffsets,
    CommittedOffsets,
}

fn collect(
    broker: &Broker,
    group: &str,
    config: &TopicConfig,
    queue_nums: i32,
    with: With,
    stats: &mut ConsumeStats,
) -> Result<(), Refusal> {
    let topic = config.topic_name.as_str();
    for queue_id in queue_ids(queue_nums) {
        let consumer_offset = broker.offsets.query(group, topic, queue_id).max(0);
        let last_timestamp = match consumer_offset {
            0 => 0,
            offset => store_timestamp(broker, topic, queue_id, offset - 1)?.max(0),
        };
        let pull_offset = match with {
            With::PullOffsets => broker.offsets.query_pull(group, topic, queue_id).max(consumer_offset),
            With::CommittedOffsets => 0,
        };
        let offset = OffsetWrapper {
            broker_offset: broker.store.max_offset_in_queue(topic, queue_id).max(0),
            consumer_offset,
            last_timestamp,
            pull_offset,
        };
        stats.offset_table.insert(message_queue(broker, topic, queue_id), offset);
    }
    Ok(())
}

/// How far every group has come in every topic that it has offsets of. As Java's, it knows no pull offsets.
pub fn get_broker_consume_stats(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = GetConsumeStatsInBrokerHeader::decode(&call.request.ext);
    let mut body = ConsumeStatsList {
        broker_addr: Some(broker.settings().broker_addr()),
        ..ConsumeStatsList::default()
    };
    for group in broker.groups.to_wrapper().subscription_group_table.into_keys() {
        let mut of_group = Vec::new();
        for topic in broker.offsets.topics_of_group(&group) {
            let Some(config) = broker.topics.find(&topic) else { continue };
            if header.is_order && !config.order || !is_subscribed(broker, &group, &topic) {
                continue;
            }
            let mut stats = ConsumeStats::default();
            let queue_nums = config.write_queue_nums;
            collect(broker, &group, &config, queue_nums, With::CommittedOffsets, &mut stats)?;
            body.total_diff = body.total_diff.wrapping_add(stats.total_diff());
            body.total_inflight_diff = body.total_inflight_diff.wrapping_add(stats.inflight_total_diff());
            of_group.push(stats);
        }
        body.consume_stats_list.push(BTreeMap::from([(group, of_group)]));
    }
    ok_with_body(&body)
}

/// Entries of a queue, and what a group's filter says of them. Refused if there is no such queue.
pub fn query_consume_queue(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = QueryConsumeQueueRequestHeader::decode(&call.request.ext);
    let (topic, queue_id) = (header.topic.unwrap_or("null"), header.queue_id);
    let count_max = usize::try_from(header.count).unwrap_or(0).min(QUEUE_ENTRIES_MAX);
    let found = broker.store.queue_entries(topic, queue_id, header.index, count_max).map_err(unreadable)?;
    let found = found.ok_or_else(|| {
        Refusal::new(ResponseCode::SYSTEM_ERROR, format!("{queue_id}@{topic} is not exist!"))
    })?;
    let Some(entries) = found.entries else {
        let remark = format!("Index {} of {queue_id}@{topic} is not exist!", header.index);
        return Ok(Outcome::Now(Command::success().with_remark(remark)));
    };
    let mut body = QueryConsumeQueueResponseBody {
        max_queue_index: found.max_offset,
        min_queue_index: found.min_offset,
        ..QueryConsumeQueueResponseBody::default()
    };
    let mut eval: Eval = Box::new(|_| false);
    if let Some(group) = header.consumer_group {
        body.subscription_data = broker.clients.subscription(group, topic).0;
        body.filter_data = Some(match &body.subscription_data {
            None => format!("{group}@{topic} is not online!"),
            Some(subscription) => {
                eval = wants(broker, topic, group, subscription);
                broker.consumer_filters.to_json(topic, group)
            }
        });
    }
    body.queue_data = Some(entries.into_iter().map(|entry| shown(entry, &eval)).collect());
    Ok(Outcome::Now(Command::success().with_remark(UNSET_REMARK).with_body(json::to_bytes(&body))))
}

/// What a filter says of a message by what the queue's extension says of it.
type Eval = Box<dyn Fn(&OwnedExtUnit) -> bool>;

/// Java: `ExpressionMessageFilter.isMatchedByConsumeQueue`.
fn wants(broker: &Broker, topic: &str, group: &str, subscription: &SubscriptionData) -> Eval {
    if is_tag_type(Some(&subscription.expression_type)) {
        let tags = TagFilter::of(subscription);
        return Box::new(move |unit| tags.matches_queue_entry(unit.tags_code));
    }
    let filter = broker.consumer_filters.get(topic, group).map(|(filter, _)| filter);
    let sql = SqlFilter::new(&broker.consumer_filters, filter);
    Box::new(move |unit| sql.matches_bit_map(unit.store_timestamp_ms, &unit.bit_map))
}

fn shown(entry: CqUnit, eval: &Eval) -> ConsumeQueueData {
    let (bit_map, extend_data_json) = match &entry.ext {
        None => (None, None),
        Some(unit) => (bits(&unit.bit_map), Some(ext_json(unit))),
    };
    ConsumeQueueData {
        bit_map,
        eval: entry.ext.as_ref().is_some_and(eval),
        extend_data_json,
        msg: entry.is_ext_lost.then(|| format!("Cq extend not exist!addr: {}", entry.tags_code)),
        physic_offset: entry.physical_offset,
        physic_size: entry.size,
        tags_code: entry.tags_code,
    }
}

/// Java: `BitsArray.toString`: the last bit first, a line for each eight bytes; none for a unit that has no bits.
fn bits(bytes: &[u8]) -> Option<String> {
    let line_end = |at: usize| if at.is_multiple_of(8) { "\n" } else { "" };
    let byte = |(at, byte): (usize, &u8)| format!("{byte:08b}{}", line_end(at));
    (!bytes.is_empty()).then(|| bytes.iter().enumerate().rev().map(byte).collect())
}

/// Java's bean `CqExtUnit`.
fn ext_json(unit: &OwnedExtUnit) -> String {
    let bit_map = unit.bit_map.iter().map(|byte| byte.cast_signed().to_string()).collect::<Vec<_>>();
    let filter_bit_map = match unit.bit_map.is_empty() {
        true => String::new(),
        false => format!("\"filterBitMap\":[{}],", bit_map.join(",")),
    };
    format!(
        "{{{filter_bit_map}\"msgStoreTime\":{},\"size\":{},\"tagsCode\":{}}}",
        unit.store_timestamp_ms,
        UNIT_BYTES_MIN + unit.bit_map.len(),
        unit.tags_code
    )
}
