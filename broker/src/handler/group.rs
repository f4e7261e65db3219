//! Making, changing, showing and deleting consumer groups. Java: `AdminBrokerProcessor`.

use super::{Page, answer_when_saved, json_body, ok_with_body};
use crate::broker::Broker;
use crate::topic_validator;
use crate::topics::perm::INDEX_READ;
use remoting::body::{
    GroupForbidden, SetMessageRequestModeRequestBody, SubscriptionGroupConfig, SubscriptionGroupList,
};
use remoting::header::required;
use remoting::header::topic::{
    DeleteSubscriptionGroupRequestHeader, GetAllSubscriptionGroupRequestHeader,
    GetAllSubscriptionGroupResponseHeader, GetSubscriptionGroupConfigRequestHeader,
    UpdateGroupForbiddenRequestHeader,
};
use remoting::{Call, Command, Outcome, Refusal, ResponseCode, json};
use std::sync::Arc;

/// Makes or changes a group; answers once it is on disk. Refused for a name or an attribute that is no good.
pub fn update_and_create_subscriptiongroup(
    broker: &Arc<Broker>,
    call: &mut Call,
) -> Result<Outcome, Refusal> {
    // Without a body Java does nothing, and says that it has.
    if call.request.body.is_empty() {
        return super::ok();
    }
    let group: SubscriptionGroupConfig = json_body(&call.request.body.bytes())?;
    tracing::info!("{} updates or creates the group {}", call.peer().remote_addr(), group.group_name);
    check(&group)?;
    let refused = |error: crate::attributes::AttributeError| {
        Refusal::new(ResponseCode::SYSTEM_ERROR, error.to_string())
    };
    broker.groups.update(group).map_err(refused)?;
    Ok(answer_when_saved(broker, call, broker.groups.clone(), Command::success()))
}

/// Makes or changes several groups: all, or none if one is refused, which the remark names.
pub fn update_and_create_subscriptiongroup_list(
    broker: &Arc<Broker>,
    call: &mut Call,
) -> Result<Outcome, Refusal> {
    let body: SubscriptionGroupList = json_body(&call.request.body.bytes())?;
    let groups = body.group_config_list.ok_or_else(|| Refusal::missing("groupConfigList"))?;
    tracing::info!("{} updates or creates {} groups", call.peer().remote_addr(), groups.len());
    groups.iter().try_for_each(check)?;
    broker.groups.update_list(groups).map_err(|(group, error)| {
        Refusal::new(ResponseCode::SYSTEM_ERROR, format!("the group {group}: {error}"))
    })?;
    Ok(answer_when_saved(broker, call, broker.groups.clone(), Command::success()))
}

fn check(group: &SubscriptionGroupConfig) -> Result<(), Refusal> {
    topic_validator::validate_group(&group.group_name)
        .map_err(|remark| Refusal::new(ResponseCode::INVALID_PARAMETER, remark))
}

/// The table of groups, whole or a page of it (`enableSplitMetadata`). Refused for a page before the first.
pub fn get_all_subscriptiongroup_config(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = GetAllSubscriptionGroupRequestHeader::decode(&call.request.ext);
    let page = Page::read(broker, header.data_version, header.group_seq, header.max_group_num)?;
    let (groups, total) = broker.groups.page(page.data_version, page.seq, page.max);
    let header = GetAllSubscriptionGroupResponseHeader {
        total_group_num: i32::try_from(total).ok(),
        ..GetAllSubscriptionGroupResponseHeader::default()
    };
    Ok(Outcome::Now(Command::success().with_ext(header.encode()).with_body(json::to_bytes(&groups))))
}

/// One group's settings; makes it, where a pull would. Refused with SUBSCRIPTION_GROUP_NOT_EXIST.
pub fn get_subscriptiongroup_config(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let group = required(GetSubscriptionGroupConfigRequestHeader::decode(&call.request.ext).group, "group")?;
    let config = broker
        .groups
        .find(group)
        .ok_or_else(|| Refusal::new(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST, "No group in this broker"))?;
    ok_with_body(&*config)
}

/// Deletes a group, with `cleanOffset` its offsets too: those committed, pulled and reset, and those of its broadcasting
/// clients. Answers once the table is on disk.
pub fn delete_subscriptiongroup(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = DeleteSubscriptionGroupRequestHeader::decode(&call.request.ext);
    let group = required(header.group_name, "groupName")?;
    tracing::warn!("{} has the group {group} deleted", call.peer().remote_addr());
    broker.groups.delete(group);
    if header.clean_offset {
        broker.offsets.remove_group(group);
        broker.broadcast_offsets.remove_group(group);
    }
    Ok(answer_when_saved(broker, call, broker.groups.clone(), Command::success()))
}

/// Whether a group may read a topic, after a change of it if one is asked for. Refused only without group or topic.
pub fn update_and_get_group_forbidden(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = UpdateGroupForbiddenRequestHeader::decode(&call.request.ext);
    let (group, topic) = (required(header.group, "group")?, required(header.topic, "topic")?);
    if let Some(readable) = header.readable {
        tracing::warn!("{}: may {group} read {topic}: {readable}", call.peer().remote_addr());
        broker.groups.update_forbidden(group, topic, INDEX_READ, !readable);
    }
    let readable = !broker.groups.forbidden(group, topic, INDEX_READ);
    let body = GroupForbidden { group: group.to_owned(), readable, topic: topic.to_owned() };
    let reply = Command::success().with_remark("").with_body(json::to_bytes(&body));
    match header.readable {
        None => Ok(Outcome::Now(reply)),
        Some(_) => Ok(answer_when_saved(broker, call, broker.groups.clone(), reply)),
    }
}

/// Sets how a group gets a topic's messages; answers once it is on disk. Refused for a retry topic, and where topic or group
/// does not exist. Java: `QueryAssignmentProcessor.setMessageRequestMode`.
pub fn set_message_request_mode(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let mode: SetMessageRequestModeRequestBody = json_body(&call.request.body.bytes())?;
    let topic = required(mode.topic.clone(), "topic")?;
    if topic_validator::group_of_retry_topic(&topic).is_some() {
        let remark = "retry topic is not allowed to set mode";
        return Err(Refusal::new(ResponseCode::NO_PERMISSION, remark));
    }
    if !broker.topics.contains(&topic) {
        return Err(Refusal::new(ResponseCode::TOPIC_NOT_EXIST, format!("topic[{topic}] not exist")));
    }
    let group = required(mode.consumer_group.clone(), "consumerGroup")?;
    broker.groups.find(&group).ok_or_else(|| {
        Refusal::new(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST, "subscription group does not exist")
    })?;
    tracing::info!("{} sets how {group} gets {topic}: {mode:?}", call.peer().remote_addr());
    broker.request_modes.set(&topic, &group, mode);
    Ok(answer_when_saved(broker, call, broker.request_modes.clone(), Command::success()))
}

/// How groups get their messages, where an admin has said so. Refuses nothing.
pub fn get_all_message_request_mode(broker: &Arc<Broker>, _: &mut Call) -> Result<Outcome, Refusal> {
    Ok(Outcome::Now(Command::success().with_body(broker.request_modes.to_json())))
}
