//! Clients come, stay and leave. Java: `ClientManageProcessor`, `ConsumerManageProcessor`.

use super::{json_body, ok, ok_with_body, ok_with_header, pull};
use crate::broker::Broker;
use crate::clients::{Client, ConsumerGroup, ConsumerHeartbeat, NAME_BYTES_MAX};
use crate::consumer_filter::SQL92;
use crate::topic_validator;
use crate::topics::topic_sys_flag;
use filter::Expression;
use remoting::body::{
    CheckClientRequestBody, Connection, ConsumeType, ConsumerConnection, ConsumerData,
    GetConsumerListByGroupResponseBody, GroupList, HeartbeatData, ProducerConnection, ProducerInfo,
    ProducerTableInfo, QuerySubscriptionResponseBody, SubscriptionData, TopicList, is_tag_type,
};
use remoting::header::client::{
    ConsumerGroupRequestHeader, GetProducerConnectionListRequestHeader, SubscriptionQueryRequestHeader,
    UnregisterClientRequestHeader,
};
use remoting::header::required;
use remoting::{Call, Command, ExtFields, Outcome, Refusal, ResponseCode, json};
use std::sync::Arc;

/// Registers a client in its groups; the answer says whether it is to send all its subscriptions. Refused if the body is
/// unreadable, if a name in it is too long, or with SYSTEM_BUSY if there is no room for more clients. Java: `ClientManageProcessor.heartBeat`.
pub fn heart_beat(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let data: HeartbeatData = json_body(&call.request.body.bytes())?;
    let groups = data.producer_data_set.iter().map(|producer| &producer.group_name);
    if groups.chain([&data.client_id]).any(|name| name.len() > NAME_BYTES_MAX) {
        let remark = format!("a client's id or group is longer than {NAME_BYTES_MAX} bytes");
        return Err(Refusal::new(ResponseCode::INVALID_PARAMETER, remark));
    }
    let is_v2 = data.heartbeat_fingerprint != 0;
    let client =
        broker.clients.client(call.peer(), data.client_id, call.request.language, call.request.version);
    let mut disagrees = false;
    for consumer in &data.consumer_data_set {
        let with_subscriptions = !(is_v2 && data.without_sub);
        disagrees |=
            consumer_beat(broker, &client, consumer, with_subscriptions, data.heartbeat_fingerprint)?;
    }
    for producer in &data.producer_data_set {
        broker.clients.register_producer(&client, &producer.group_name)?;
    }
    let mut ext = ExtFields::empty();
    ext.push("IS_SUPPORT_HEART_BEAT_V2", true);
    ext.push("IS_SUB_CHANGE", !is_v2 || disagrees);
    Ok(Outcome::Now(Command::success().with_ext(ext)))
}

fn consumer_beat(
    broker: &Arc<Broker>,
    client: &Client,
    data: &ConsumerData,
    with_subscriptions: bool,
    fingerprint: i32,
) -> Result<bool, Refusal> {
    let group_name = data.group_name.as_str();
    if broker.settings().broker.reject_pull_consumer_enable
        && data.consume_type == Some(ConsumeType::ConsumeActively)
    {
        return Ok(false);
    }
    let Some(group) = broker.groups.find(group_name) else {
        return Ok(false);
    };
    let has_order_topic = data.subscription_data_set.iter().any(|s| broker.topics.is_order_topic(&s.topic));
    let sys_flag = if data.unit_mode { topic_sys_flag::UNIT_SUB } else { 0 };
    let topic = topic_validator::retry_topic(group_name);
    broker.group_topic(&topic, group.retry_queue_nums, has_order_topic, sys_flag);
    let notify = group.notify_consumer_ids_changed_enable;
    let heartbeat = ConsumerHeartbeat { data, with_subscriptions, fingerprint, notify };
    let disagrees = broker.clients.register_consumer(client, &heartbeat)?;
    if with_subscriptions {
        broker.consumer_filters.register_all(group_name, &data.subscription_data_set);
    }
    Ok(disagrees)
}

/// Takes a client out of a group that it leaves. Refuses nothing.
pub fn unregister_client(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = UnregisterClientRequestHeader::decode(&call.request.ext);
    if let Some(group) = header.producer_group {
        broker.clients.unregister_producer(call.peer().id(), group);
    }
    if let Some(group) = header.consumer_group {
        let config = broker.groups.find(group);
        let notify = config.is_none_or(|config| config.notify_consumer_ids_changed_enable);
        if broker.clients.unregister_consumer(call.peer().id(), group, notify) {
            broker.consumer_filters.unregister(group);
        }
    }
    ok_with_header()
}

/// Whether a consumer may filter so. Refused if expressions are switched off, or with SUBSCRIPTION_PARSE_FAILED.
pub fn check_client_config(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let bytes = call.request.body.bytes();
    if bytes.is_empty() {
        return ok();
    }
    let body: CheckClientRequestBody = json_body(&bytes)?;
    let Some(SubscriptionData { expression_type, sub_string, .. }) = body.subscription_data else {
        return ok();
    };
    if is_tag_type(Some(&expression_type)) {
        return ok();
    }
    if !broker.settings().broker.enable_property_filter {
        return Err(pull::unsupported_filter(&expression_type));
    }
    let unparsable = |remark: String| Err(Refusal::new(ResponseCode::SUBSCRIPTION_PARSE_FAILED, remark));
    if expression_type != SQL92 {
        return unparsable(UNKNOWN_EXPRESSION_TYPE.to_owned());
    }
    match Expression::compile(&sub_string) {
        Ok(_) => ok(),
        Err(error) => {
            tracing::warn!("{:?} of {:?} filters by {sub_string:?}: {error}", body.client_id, body.group);
            unparsable(error.to_string())
        }
    }
}

/// Java asks its table of filters and falls over the missing one.
const UNKNOWN_EXPRESSION_TYPE: &str = "Cannot invoke \"org.apache.rocketmq.filter.FilterSpi.compile(String)\" \
     because the return value of \"org.apache.rocketmq.filter.FilterFactory.get(String)\" is null";

/// The ids of a group's clients, who share its queues among them. Refused with SYSTEM_ERROR if it has none.
pub fn get_consumer_list_by_group(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = ConsumerGroupRequestHeader::decode(&call.request.ext);
    let group = required(header.consumer_group, "consumerGroup")?;
    let client_ids = |group: &ConsumerGroup| group.clients.values().map(|c| c.client_id.clone()).collect();
    let Some(consumer_id_list) = broker.clients.consumer_group(group, client_ids) else {
        tracing::warn!("{} asked for the consumers of {group}, which has none", call.peer().remote_addr());
        let remark = format!("no consumer for this group, {group}");
        return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, remark).with_ext(ExtFields::empty()));
    };
    let body = json::to_bytes(&GetConsumerListByGroupResponseBody { consumer_id_list });
    Ok(Outcome::Now(Command::success().with_ext(ExtFields::empty()).with_body(body)))
}

/// A group's clients and subscriptions. Refused with CONSUMER_NOT_ONLINE if it has none.
pub fn get_consumer_connection_list(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = ConsumerGroupRequestHeader::decode(&call.request.ext);
    let group = required(header.consumer_group, "consumerGroup")?;
    let connection = |group: &ConsumerGroup| ConsumerConnection {
        connection_set: group.clients.values().map(connection).collect(),
        consume_from_where: group.consume_from_where,
        consume_type: group.consume_type,
        message_model: group.message_model,
        subscription_table: group.subscriptions.iter().map(|(topic, s)| (topic.clone(), s.clone())).collect(),
    };
    let body = broker.clients.consumer_group(group, connection).ok_or_else(|| {
        let remark = format!("the consumer group[{group}] not online");
        Refusal::new(ResponseCode::CONSUMER_NOT_ONLINE, remark)
    })?;
    ok_with_body(&body)
}

/// A group's producers. Refused with SYSTEM_ERROR if it has none.
pub fn get_producer_connection_list(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = GetProducerConnectionListRequestHeader::decode(&call.request.ext);
    let group = required(header.producer_group, "producerGroup")?;
    let producers = broker.clients.producers(group).ok_or_else(|| {
        let remark = format!("the producer group[{group}] not exist");
        Refusal::new(ResponseCode::SYSTEM_ERROR, remark)
    })?;
    ok_with_body(&ProducerConnection { connection_set: producers.iter().map(connection).collect() })
}

/// Every producer of every group.
pub fn get_all_producer_info(broker: &Arc<Broker>, _: &mut Call) -> Result<Outcome, Refusal> {
    let (now_ms, monotonic_ms) = (broker.clock.wall_ms(), broker.clock.monotonic_ms());
    let info = |client: Client| ProducerInfo {
        last_update_timestamp: now_ms - monotonic_ms.saturating_sub(client.updated_ms).cast_signed(),
        remote_ip: format!("/{}", client.peer.remote_addr()),
        language: client.language.name().map(str::to_owned),
        version: client.version,
        client_id: client.client_id,
    };
    let groups = broker.clients.all_producers().into_iter();
    let data = groups.map(|(group, clients)| (group, clients.into_iter().map(info).collect())).collect();
    ok_with_body(&ProducerTableInfo { data })
}

fn connection(client: &Client) -> Connection {
    Connection {
        client_addr: client.peer.remote_addr().to_string(),
        client_id: client.client_id.clone(),
        language: client.language.name().map(str::to_owned),
        version: client.version,
    }
}

/// Groups that consume a topic now, or have committed offsets of it. Refused only without a topic.
pub fn query_topic_consume_by_who(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = SubscriptionQueryRequestHeader::decode(&call.request.ext);
    let topic = required(header.topic, "topic")?;
    let mut group_list = broker.clients.groups_of_topic(topic);
    group_list.extend(broker.offsets.groups_of_topic(topic));
    ok_with_body(&GroupList { group_list })
}

/// Topics of which a group has committed offsets. Refuses nothing.
pub fn query_topics_by_consumer(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = SubscriptionQueryRequestHeader::decode(&call.request.ext);
    let topics = broker.offsets.topics_of_group(header.group.unwrap_or("null"));
    let broker_addr = Some(broker.settings().broker_addr());
    ok_with_body(&TopicList { broker_addr, topic_list: topics.into_iter().collect() })
}

/// What a group wants of a topic, as its clients say; null if no client of it does. Refused only without group or topic.
pub fn query_subscription_by_consumer(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = SubscriptionQueryRequestHeader::decode(&call.request.ext);
    let (group, topic) = (required(header.group, "group")?, required(header.topic, "topic")?);
    let subscription = broker.clients.consumer_group(group, |group| group.subscriptions.get(topic).cloned());
    ok_with_body(&QuerySubscriptionResponseBody {
        group: Some(group.to_owned()),
        subscription_data: subscription.flatten(),
        topic: Some(topic.to_owned()),
    })
}
