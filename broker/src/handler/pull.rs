//! Pulls: 11 and 361. Java: `PullMessageProcessor`, `DefaultPullMessageResultHandler`.

#[cfg(test)]
mod tests;

use super::FAQ;
use crate::broker::Broker;
use crate::clients::ConsumerGroup;
use crate::consumer_filter::{GroupFilter, SqlFilter};
use crate::long_poll::Parked;
use crate::subscription::{PullFilter, TagFilter};
use crate::topic_validator;
use crate::topics::perm;
use bytes::Bytes;
use remoting::body::{ConsumeType, SubscriptionGroupConfig, TopicConfig, is_tag_type};
use remoting::header::pull::{
    PullMessageRequestHeader, PullMessageResponseHeader, forbidden_type, pull_sys_flag,
};
use remoting::header::required;
use remoting::{Command, Outcome, Peer, Refusal, ResponseCode};
use std::sync::Arc;
use store::get::PULL_BYTES_MAX;
use store::{GetMessageResult, GetMessageStatus, GetRequest};

const MASTER_ID: i64 = 0;

pub fn pull_message(broker: &Arc<Broker>, peer: &Arc<Peer>, request: Command) -> Result<Outcome, Refusal> {
    pull(broker, peer, request, true)
}

pub fn lite_pull_message(
    broker: &Arc<Broker>,
    peer: &Arc<Peer>,
    request: Command,
) -> Result<Outcome, Refusal> {
    let settings = &broker.settings().broker;
    if !settings.lite_pull_message_enable && perm::is_readable(settings.broker_permission) {
        let remark = format!("the broker[{}] for lite pull consumer is forbidden", settings.broker_ip1);
        return Ok(forbidden(forbidden_type::BROKER, remark));
    }
    pull(broker, peer, request, true)
}

/// Serves a parked pull again: it is answered now, whatever there is. Java: `executeRequestWhenWakeup`.
pub fn wake(broker: &Arc<Broker>, parked: Parked) {
    let (peer, opaque, oneway) = (parked.peer, parked.request.opaque, parked.request.is_oneway());
    // A reset offset is told once: not to a consumer that is gone.
    if !peer.is_open() {
        return;
    }
    let outcome = pull(broker, &peer, parked.request, false);
    if let Outcome::Now(reply) = outcome.unwrap_or_else(|refusal| Outcome::Now(refusal.into()))
        && !oneway
    {
        peer.reply(opaque, reply);
    }
}

fn pull(
    broker: &Arc<Broker>,
    peer: &Arc<Peer>,
    request: Command,
    may_park: bool,
) -> Result<Outcome, Refusal> {
    let header = PullMessageRequestHeader::decode(&request.ext);
    let allowed = match check(broker, peer, &header)? {
        Ok(allowed) => allowed,
        Err(refused) => return Ok(refused),
    };
    let wanted = Wanted::read(&header)?;
    if let Some(offset) = broker.reset_offset(wanted.topic, wanted.group, wanted.queue_id) {
        let result = moved_to(broker, &wanted, offset);
        note_offsets(broker, peer, &wanted, &result, ResponseCode::PULL_OFFSET_MOVED, may_park);
        let reply = reply(broker, &allowed, ResponseCode::PULL_OFFSET_MOVED, &result);
        return Ok(Outcome::Now(reply.with_remark("OFFSET_RESET")));
    }
    let result = get_message(broker, &wanted, &allowed.filter);
    let code = response_code(broker, &result, &allowed.group, wanted.offset);
    note_offsets(broker, peer, &wanted, &result, code, may_park);
    let may_park = may_park && !broker.long_poll.is_full();
    if code == ResponseCode::PULL_NOT_FOUND && may_park && wanted.sys_flag & pull_sys_flag::SUSPEND != 0 {
        let suspend_timeout_ms = required(wanted.suspend_timeout_ms, "suspendTimeoutMillis")?;
        let until_ms = broker.long_poll.now_ms() + park_ms(broker, suspend_timeout_ms);
        let (topic, queue_id, offset) = (wanted.topic.to_owned(), wanted.queue_id, wanted.offset);
        let parked = Parked { peer: peer.clone(), request, offset, filter: allowed.filter, until_ms };
        park(broker, &topic, queue_id, parked);
        return Ok(Outcome::Later);
    }
    let reply = reply(broker, &allowed, code, &result);
    if code != ResponseCode::SUCCESS {
        return Ok(Outcome::Now(reply));
    }
    if result.resident {
        return Ok(Outcome::Now(with_messages(
            reply,
            result.into_ranges().into_iter().map(Bytes::from_owner),
        )));
    }
    // Reading from the disk must not hold up the producers that share this thread.
    let (peer, opaque, oneway) = (peer.clone(), request.opaque, request.is_oneway());
    broker.runtime.spawn_blocking(move || {
        if let Err(error) = result.load() {
            tracing::error!("cannot read the log: {error}");
            if !oneway {
                let remark = format!("cannot read the log: {error}");
                peer.reply(opaque, Refusal::new(ResponseCode::SYSTEM_ERROR, remark).into());
            }
            return;
        }
        let ranges = result.into_ranges();
        let warm = ranges.iter().map(|range| Bytes::copy_from_slice(range.as_ref()));
        if !oneway {
            peer.reply(opaque, with_messages(reply, warm));
        }
    });
    Ok(Outcome::Later)
}

fn get_message(broker: &Broker, wanted: &Wanted<'_>, filter: &PullFilter) -> GetMessageResult {
    let get = || broker.store.get_message(wanted.get_request(), filter);
    // Tags stand in the queue, but an expression looks into each record.
    match filter {
        PullFilter::Sql(_) if broker.store.is_cold(wanted.topic, wanted.queue_id, wanted.offset) => {
            tokio::task::block_in_place(get)
        }
        _ => get(),
    }
}

/// Who and what a pull is for, found to be allowed.
struct Allowed {
    group: Arc<SubscriptionGroupConfig>,
    topic: Arc<TopicConfig>,
    filter: PullFilter,
}

/// The fields that Java unboxes once the pull is allowed.
struct Wanted<'a> {
    topic: &'a str,
    group: &'a str,
    queue_id: i32,
    offset: i64,
    commit_offset: Option<i64>,
    count_max: usize,
    sys_flag: i32,
    suspend_timeout_ms: Option<i64>,
}

impl<'a> Wanted<'a> {
    fn read(header: &PullMessageRequestHeader<'a>) -> Result<Wanted<'a>, Refusal> {
        Ok(Wanted {
            topic: required(header.topic, "topic")?,
            group: required(header.consumer_group, "consumerGroup")?,
            queue_id: required(header.queue_id, "queueId")?,
            offset: required(header.queue_offset, "queueOffset")?,
            commit_offset: header.commit_offset,
            count_max: usize::try_from(required(header.max_msg_nums, "maxMsgNums")?).unwrap_or(0),
            sys_flag: required(header.sys_flag, "sysFlag")?,
            suspend_timeout_ms: header.suspend_timeout_ms,
        })
    }

    fn get_request(&self) -> GetRequest<'a> {
        GetRequest {
            topic: self.topic,
            queue_id: self.queue_id,
            offset: self.offset,
            count_max: self.count_max,
            // Java has a field for it, `maxMsgBytes`, that it does not look at.
            bytes_max: PULL_BYTES_MAX,
        }
    }
}

/// A refusal that tells its kind in `forbiddenType`.
fn forbidden(kind: i32, remark: String) -> Outcome {
    let header = PullMessageResponseHeader { forbidden_type: Some(kind), ..Default::default() };
    let reply = Command::response(ResponseCode::NO_PERMISSION).with_remark(remark);
    Outcome::Now(reply.with_ext(header.encode()))
}

fn refused<T>(code: ResponseCode, remark: impl Into<std::borrow::Cow<'static, str>>) -> Result<T, Refusal> {
    Err(Refusal::new(code, remark))
}

/// May this group pull from this queue, and what of it does it want?
fn check(
    broker: &Broker,
    peer: &Peer,
    header: &PullMessageRequestHeader<'_>,
) -> Result<Result<Allowed, Outcome>, Refusal> {
    let settings = &broker.settings().broker;
    if !perm::is_readable(settings.broker_permission) {
        let remark = format!("the broker[{}] pulling message is forbidden", settings.broker_ip1);
        return Ok(Err(forbidden(forbidden_type::BROKER, remark)));
    }
    let group_name = required(header.consumer_group, "consumerGroup")?;
    let Some(group) = broker.group(group_name) else {
        let remark = format!("subscription group [{group_name}] does not exist, {FAQ}");
        return refused(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST, remark);
    };
    if !group.consume_enable {
        let remark = format!("subscription group no permission, {group_name}");
        return Ok(Err(forbidden(forbidden_type::GROUP, remark)));
    }
    let topic_name = required(header.topic, "topic")?;
    let Some(topic) = broker.topics.find(topic_name) else {
        let remark = format!("topic[{topic_name}] not exist, apply first please! {FAQ}");
        return refused(ResponseCode::TOPIC_NOT_EXIST, remark);
    };
    if !perm::is_readable(topic.perm) {
        let remark = format!("the topic[{topic_name}] pulling message is forbidden");
        return Ok(Err(forbidden(forbidden_type::TOPIC, remark)));
    }
    let queue_id = required(header.queue_id, "queueId")?;
    if queue_id < 0 || queue_id >= topic.read_queue_nums {
        let remark = format!(
            "queueId[{queue_id}] is illegal, topic:[{topic_name}] topicConfig.readQueueNums:[{}] consumer:[/{}]",
            topic.read_queue_nums,
            peer.remote_addr()
        );
        return refused(ResponseCode::INVALID_PARAMETER, remark);
    }
    let filter = match required(header.sys_flag, "sysFlag")? & pull_sys_flag::SUBSCRIPTION {
        0 => match subscribed_filter(broker, &group, header)? {
            Ok(filter) => filter,
            Err(outcome) => return Ok(Err(outcome)),
        },
        _ => filter_of_request(broker, header)?,
    };
    if broker.settings().broker.reject_pull_consumer_enable && !is_admitted(broker, peer, group_name) {
        let remark =
            format!("the consumer's group info not exist, or the pull consumer is rejected by server.{FAQ}");
        return refused(ResponseCode::SUBSCRIPTION_NOT_EXIST, remark);
    }
    Ok(Ok(Allowed { group, topic, filter }))
}

/// Whether a pull is a push consumer's, a member's or the system's own, which `rejectPullConsumerEnable` lets through.
fn is_admitted(broker: &Broker, peer: &Peer, group: &str) -> bool {
    let is_active = |group: &ConsumerGroup| group.consume_type == Some(ConsumeType::ConsumeActively);
    let admits = |group: &ConsumerGroup| !is_active(group) || group.clients.contains_key(&peer.id());
    broker.clients.consumer_group(group, admits).unwrap_or(false) || topic_validator::is_tool_group(group)
}

/// The pull brings its subscription along.
fn filter_of_request(broker: &Broker, header: &PullMessageRequestHeader<'_>) -> Result<PullFilter, Refusal> {
    let unparsable =
        || Refusal::new(ResponseCode::SUBSCRIPTION_PARSE_FAILED, "parse the consumer's subscription failed");
    let expression = header.subscription.filter(|text| !text.is_empty());
    let tags = match header.expression_type {
        None | Some("TAG") => TagFilter::parse(header.subscription).ok_or_else(unparsable)?,
        // A kind without a name is one of tags, but Java finds no tags then.
        Some("") => match expression.ok_or_else(unparsable)? {
            "*" => TagFilter::All,
            _ => TagFilter::Codes(Default::default()),
        },
        Some(kind) => {
            let expression = expression.ok_or_else(unparsable)?;
            header.sub_version.ok_or_else(unparsable)?;
            let group = required(header.consumer_group, "consumerGroup")?;
            let topic = required(header.topic, "topic")?;
            return sql_filter(broker, topic, kind, || {
                broker.consumer_filters.brought(topic, group, expression, kind)
            });
        }
    };
    Ok(PullFilter::Tags(tags))
}

/// A filter that is not of tags, if the broker has them. Without an expression that is any good it lets all through.
fn sql_filter(
    broker: &Broker,
    topic: &str,
    kind: &str,
    filter: impl FnOnce() -> Option<Arc<GroupFilter>>,
) -> Result<PullFilter, Refusal> {
    if !broker.settings().broker.enable_property_filter {
        return Err(unsupported_filter(kind));
    }
    let plain = SqlFilter::new(&broker.consumer_filters, filter());
    Ok(PullFilter::Sql(match broker.settings().broker.filter_support_retry {
        true => plain.with_retries(topic),
        false => plain,
    }))
}

/// The pull relies on what the group's heartbeats subscribed.
fn subscribed_filter(
    broker: &Broker,
    group: &SubscriptionGroupConfig,
    header: &PullMessageRequestHeader<'_>,
) -> Result<Result<PullFilter, Outcome>, Refusal> {
    let topic = required(header.topic, "topic")?;
    let looked = broker.clients.consumer_group(&group.group_name, |consumers| {
        (consumers.is_broadcasting(), consumers.subscriptions.get(topic).cloned())
    });
    let Some((is_broadcasting, subscription)) = looked else {
        let remark = format!("the consumer's group info not exist{FAQ}");
        return refused(ResponseCode::SUBSCRIPTION_NOT_EXIST, remark);
    };
    if is_broadcasting && !group.consume_broadcast_enable {
        let remark = format!("the consumer group[{}] can not consume by broadcast way", group.group_name);
        return Ok(Err(forbidden(forbidden_type::BROADCASTING_DISABLED, remark)));
    }
    if broker.groups.forbidden(&group.group_name, topic, INDEX_PERM_READ) {
        let remark = format!("the consumer group[{}] is forbidden for topic[{topic}]", group.group_name);
        return Ok(Err(forbidden(forbidden_type::SUBSCRIPTION, remark)));
    }
    let Some(subscription) = subscription else {
        let remark = format!("the consumer's subscription not exist{FAQ}");
        return refused(ResponseCode::SUBSCRIPTION_NOT_EXIST, remark);
    };
    if subscription.sub_version < required(header.sub_version, "subVersion")? {
        return refused(ResponseCode::SUBSCRIPTION_NOT_LATEST, "the consumer's subscription not latest");
    }
    if is_tag_type(Some(&subscription.expression_type)) {
        return Ok(Ok(PullFilter::Tags(TagFilter::of(&subscription))));
    }
    let Some((filter, version)) = broker.consumer_filters.get(topic, &group.group_name) else {
        let remark = "The broker's consumer filter data is not exist!Your expression may be wrong!";
        return refused(ResponseCode::FILTER_DATA_NOT_EXIST, remark);
    };
    if version < required(header.sub_version, "subVersion")? {
        return refused(
            ResponseCode::FILTER_DATA_NOT_LATEST,
            "the consumer's consumer filter data not latest",
        );
    }
    let filter = Some(filter).filter(|_| !subscription.class_filter_mode);
    sql_filter(broker, topic, &subscription.expression_type, || filter).map(Ok)
}

/// Bit of a group's forbidden table. Java: `PermName.INDEX_PERM_READ`.
const INDEX_PERM_READ: u32 = 2;

/// As Java answers with `enablePropertyFilter=false`, its default.
pub(super) fn unsupported_filter(expression_type: &str) -> Refusal {
    let remark = format!("The broker does not support consumer to filter message by {expression_type}");
    Refusal::new(ResponseCode::SYSTEM_ERROR, remark)
}

/// Java: `composeResponseHeader`, the code.
fn response_code(
    broker: &Broker,
    result: &GetMessageResult,
    group: &SubscriptionGroupConfig,
    offset: i64,
) -> ResponseCode {
    use GetMessageStatus::*;
    let code = match result.status {
        Found => ResponseCode::SUCCESS,
        MessageWasRemoving | NoMatchedMessage => ResponseCode::PULL_RETRY_IMMEDIATELY,
        NoMatchedLogicQueue | NoMessageInQueue if offset != 0 => ResponseCode::PULL_OFFSET_MOVED,
        NoMatchedLogicQueue | NoMessageInQueue | OffsetFoundNull | OffsetOverflowOne => {
            ResponseCode::PULL_NOT_FOUND
        }
        OffsetOverflowBadly | OffsetTooSmall => ResponseCode::PULL_OFFSET_MOVED,
    };
    if code != ResponseCode::PULL_OFFSET_MOVED {
        return code;
    }
    let (next, min, max) = (result.next_begin_offset, result.min_offset, result.max_offset);
    tracing::warn!(
        "PULL_OFFSET_MOVED: {} asked for {offset}, is moved to {next} of {min}..{max}",
        group.group_name
    );
    // A slave leaves the correction to the master that it sends the consumer to.
    if broker.is_slave() && !broker.settings().store.offset_check_in_slave {
        return ResponseCode::PULL_RETRY_IMMEDIATELY;
    }
    code
}

fn reply(broker: &Broker, allowed: &Allowed, code: ResponseCode, result: &GetMessageResult) -> Command {
    let suggested = match broker.settings().broker.slave_read_enable {
        false => MASTER_ID,
        true if result.suggest_pulling_from_slave => allowed.group.which_broker_when_consume_slowly,
        true => allowed.group.broker_id,
    };
    let header = PullMessageResponseHeader {
        suggest_which_broker_id: Some(suggested),
        next_begin_offset: Some(result.next_begin_offset),
        min_offset: Some(result.min_offset),
        max_offset: Some(result.max_offset),
        topic_sys_flag: Some(allowed.topic.topic_sys_flag),
        group_sys_flag: Some(allowed.group.group_sys_flag),
        ..Default::default()
    };
    Command::response(code).with_remark(result.status.name()).with_ext(header.encode())
}

/// An admin has set the group back; the consumer is told where to go on.
fn moved_to(broker: &Broker, wanted: &Wanted<'_>, offset: i64) -> GetMessageResult {
    let (min_offset, max_offset) = (
        broker.store.min_offset_in_queue(wanted.topic, wanted.queue_id),
        broker.store.max_offset_in_queue(wanted.topic, wanted.queue_id),
    );
    GetMessageResult::empty(GetMessageStatus::OffsetOverflowBadly, offset, min_offset, max_offset)
}

/// None of the messages may have turned out to be readable: then the consumer goes on behind them.
fn with_messages(reply: Command, messages: impl Iterator<Item = Bytes>) -> Command {
    let body = messages.collect::<remoting::Body>();
    if body.is_empty() {
        let mut reply = reply.with_remark(GetMessageStatus::NoMatchedMessage.name());
        reply.code = ResponseCode::PULL_RETRY_IMMEDIATELY.0;
        return reply;
    }
    reply.with_body(body)
}

/// Java: `updateBroadcastPulledOffset`, `tryCommitOffset`.
fn note_offsets(
    broker: &Broker,
    peer: &Peer,
    wanted: &Wanted<'_>,
    result: &GetMessageResult,
    code: ResponseCode,
    first_time: bool,
) {
    let (group, topic, queue_id) = (wanted.group, wanted.topic, wanted.queue_id);
    if broker.settings().broker.enable_broadcast_offset_store
        && let Some(client_id) = broker.clients.broadcasting_client(group, peer.id())
    {
        let is_moved = code == ResponseCode::PULL_OFFSET_MOVED;
        let offset = if is_moved { result.next_begin_offset } else { wanted.offset };
        broker.broadcast_offsets.update(topic, group, client_id, queue_id, offset);
    }
    broker.offsets.commit_pull(group, topic, queue_id, result.next_begin_offset);
    if first_time
        && wanted.sys_flag & pull_sys_flag::COMMIT_OFFSET != 0
        && let Some(offset) = wanted.commit_offset
    {
        broker.offsets.commit(&peer.remote_addr(), group, topic, queue_id, offset);
    }
}

/// How long a pull that found nothing waits.
fn park_ms(broker: &Broker, suspend_timeout_ms: i64) -> u64 {
    match broker.settings().broker.long_polling_enable {
        true => suspend_timeout_ms.max(0) as u64,
        false => broker.settings().broker.short_polling_time_ms,
    }
}

fn park(broker: &Arc<Broker>, topic: &str, queue_id: i32, parked: Parked) {
    let offset = parked.offset;
    broker.long_poll.park(topic, queue_id, parked);
    // A message that came between the look into the queue and the parking woke nobody.
    let max_offset = broker.store.max_offset_in_queue(topic, queue_id);
    if max_offset > offset {
        broker.queue_grew(topic, queue_id, max_offset);
    }
}
