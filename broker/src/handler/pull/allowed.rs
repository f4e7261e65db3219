//! May this group pull from this queue, and what of it does it want?

use crate::broker::Broker;
use crate::clients::ConsumerGroup;
use crate::config::{BrokerConfig, BrokerSettings};
use crate::consumer_filter::{GroupFilter, SqlFilter};
use crate::handler::FAQ;
use crate::subscription::{PullFilter, TagFilter};
use crate::topic_validator;
use crate::topics::perm;
use remoting::body::{ConsumeType, SubscriptionGroupConfig, TopicConfig, is_tag_type};
use remoting::header::pull::{
    PullMessageRequestHeader, PullMessageResponseHeader, forbidden_type, pull_sys_flag,
};
use remoting::header::required;
use remoting::{Peer, Refusal, ResponseCode};
use std::sync::Arc;

/// Who and what a pull is for, found to be allowed.
pub(super) struct Allowed {
    pub group: Arc<SubscriptionGroupConfig>,
    pub topic: Arc<TopicConfig>,
    pub filter: PullFilter,
}

/// A refusal that tells its kind in `forbiddenType`.
pub(super) fn forbidden(kind: i32, remark: String) -> Refusal {
    let header = PullMessageResponseHeader { forbidden_type: Some(kind), ..Default::default() };
    Refusal::new(ResponseCode::NO_PERMISSION, remark).with_ext(header.encode())
}

fn refused<T>(code: ResponseCode, remark: impl Into<std::borrow::Cow<'static, str>>) -> Result<T, Refusal> {
    Err(Refusal::new(code, remark))
}

pub(super) fn check(
    broker: &Broker,
    settings: &BrokerSettings,
    peer: &Peer,
    header: &PullMessageRequestHeader<'_>,
) -> Result<Allowed, Refusal> {
    let settings = &settings.broker;
    if !perm::is_readable(settings.broker_permission) {
        let remark = format!("the broker[{}] pulling message is forbidden", settings.broker_ip1);
        return Err(forbidden(forbidden_type::BROKER, remark));
    }
    let group_name = required(header.consumer_group, "consumerGroup")?;
    let Some(group) = broker.groups.find(group_name) else {
        let remark = format!("subscription group [{group_name}] does not exist, {FAQ}");
        return refused(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST, remark);
    };
    if !group.consume_enable {
        let remark = format!("subscription group no permission, {group_name}");
        return Err(forbidden(forbidden_type::GROUP, remark));
    }
    let topic_name = required(header.topic, "topic")?;
    let Some(topic) = broker.topics.find(topic_name) else {
        let remark = format!("topic[{topic_name}] not exist, apply first please! {FAQ}");
        return refused(ResponseCode::TOPIC_NOT_EXIST, remark);
    };
    if !perm::is_readable(topic.perm) {
        let remark = format!("the topic[{topic_name}] pulling message is forbidden");
        return Err(forbidden(forbidden_type::TOPIC, remark));
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
        0 => subscribed_filter(broker, settings, &group, header)?,
        _ => filter_of_request(broker, settings, header)?,
    };
    if settings.reject_pull_consumer_enable && !is_admitted(broker, peer, group_name) {
        let remark =
            format!("the consumer's group info not exist, or the pull consumer is rejected by server.{FAQ}");
        return refused(ResponseCode::SUBSCRIPTION_NOT_EXIST, remark);
    }
    Ok(Allowed { group, topic, filter })
}

/// Whether a pull is a push consumer's, a member's or the system's own, which `rejectPullConsumerEnable` lets through.
fn is_admitted(broker: &Broker, peer: &Peer, group: &str) -> bool {
    let is_active = |group: &ConsumerGroup| group.consume_type == Some(ConsumeType::ConsumeActively);
    let admits = |group: &ConsumerGroup| !is_active(group) || group.clients.contains_key(&peer.id());
    broker.clients.consumer_group(group, admits).unwrap_or(false) || topic_validator::is_tool_group(group)
}

/// The pull brings its subscription along.
fn filter_of_request(
    broker: &Broker,
    settings: &BrokerConfig,
    header: &PullMessageRequestHeader<'_>,
) -> Result<PullFilter, Refusal> {
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
            return sql_filter(broker, settings, topic, kind, || {
                broker.consumer_filters.brought(topic, group, expression, kind)
            });
        }
    };
    Ok(PullFilter::Tags(tags))
}

/// A filter that is not of tags, if the broker has them. Without an expression that is any good it lets all through.
fn sql_filter(
    broker: &Broker,
    settings: &BrokerConfig,
    topic: &str,
    kind: &str,
    filter: impl FnOnce() -> Option<Arc<GroupFilter>>,
) -> Result<PullFilter, Refusal> {
    if !settings.enable_property_filter {
        return Err(unsupported_filter(kind));
    }
    let plain = SqlFilter::new(&broker.consumer_filters, filter());
    Ok(PullFilter::Sql(match settings.filter_support_retry {
        true => plain.with_retries(topic),
        false => plain,
    }))
}

/// The pull relies on what the group's heartbeats subscribed.
fn subscribed_filter(
    broker: &Broker,
    settings: &BrokerConfig,
    group: &SubscriptionGroupConfig,
    header: &PullMessageRequestHeader<'_>,
) -> Result<PullFilter, Refusal> {
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
        return Err(forbidden(forbidden_type::BROADCASTING_DISABLED, remark));
    }
    if broker.groups.forbidden(&group.group_name, topic, perm::INDEX_READ) {
        let remark = format!("the consumer group[{}] is forbidden for topic[{topic}]", group.group_name);
        return Err(forbidden(forbidden_type::SUBSCRIPTION, remark));
    }
    let Some(subscription) = subscription else {
        let remark = format!("the consumer's subscription not exist{FAQ}");
        return refused(ResponseCode::SUBSCRIPTION_NOT_EXIST, remark);
    };
    if subscription.sub_version < required(header.sub_version, "subVersion")? {
        return refused(ResponseCode::SUBSCRIPTION_NOT_LATEST, "the consumer's subscription not latest");
    }
    if is_tag_type(Some(&subscription.expression_type)) {
        return Ok(PullFilter::Tags(TagFilter::of(&subscription)));
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
    sql_filter(broker, settings, topic, &subscription.expression_type, || filter)
}

/// As Java answers with `enablePropertyFilter=false`, its default.
pub(in crate::handler) fn unsupported_filter(expression_type: &str) -> Refusal {
    let remark = format!("The broker does not support consumer to filter message by {expression_type}");
    Refusal::new(ResponseCode::SYSTEM_ERROR, remark)
}
