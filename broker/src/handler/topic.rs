//! Making, changing, showing and deleting topics. Java: `AdminBrokerProcessor`.

use super::{UNSET_REMARK, json_body, not_on_disk, ok, ok_with_body};
use crate::attributes::{self, AttributeError};
use crate::broker::Broker;
use crate::topic_validator;
use crate::topics::QUEUES_MAX;
use remoting::body::{
    CreateTopicListRequestBody, DataVersion, TopicConfig, TopicConfigAndMappingSerializeWrapper,
    TopicFilterType, TopicList,
};
use remoting::header::required;
use remoting::header::topic::{
    CreateTopicRequestHeader, DeleteTopicRequestHeader, GetAllTopicConfigRequestHeader,
    GetAllTopicConfigResponseHeader, GetTopicConfigRequestHeader,
};
use remoting::{Call, Command, Outcome, Refusal, ResponseCode, json};
use std::sync::Arc;
use std::time::Duration;

const ADD_MESSAGE_TYPE: &str = "+message.type";
/// A dead name server delays an answer no longer; callers wait for 3 or 5 seconds.
const REGISTRATION_PATIENCE: Duration = Duration::from_secs(1);

/// Makes or changes a topic; answers once it is on disk and the name servers know. Refused for a name, an attribute or a
/// header that is no good. Java: `AdminBrokerProcessor.updateAndCreateTopic`.
pub fn update_and_create_topic(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = CreateTopicRequestHeader::decode(&call.request.ext);
    let topic_filter_type = filter_type_of(header.topic_filter_type.unwrap_or_default())?;
    let topic = required(header.topic, "topic")?;
    tracing::info!("{} updates or creates the topic {topic}", call.peer().remote_addr());
    let failed = |error: AttributeError| Refusal::new(ResponseCode::SYSTEM_ERROR, error.to_string());
    let config = TopicConfig {
        topic_name: topic.to_owned(),
        read_queue_nums: required(header.read_queue_nums, "readQueueNums")?,
        write_queue_nums: required(header.write_queue_nums, "writeQueueNums")?,
        perm: required(header.perm, "perm")?,
        topic_filter_type,
        topic_sys_flag: header.topic_sys_flag.unwrap_or(0),
        order: header.order.unwrap_or(false),
        attributes: attributes::parse(header.attributes.unwrap_or_default()).map_err(failed)?,
    };
    check(broker, &config)?;
    broker.topics.update(config).map_err(failed)?;
    Ok(answer_when_known(broker, call))
}

/// Makes or changes several topics: all, or none if one is refused, which the remark names. Java, which makes those before the
/// refused one, and none at all where one is as it should be: `AdminBrokerProcessor.updateAndCreateTopicList`.
pub fn update_and_create_topic_list(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let body: CreateTopicListRequestBody = json_body(&call.request.body.bytes())?;
    let topics = body.topic_config_list.ok_or_else(|| Refusal::missing("topicConfigList"))?;
    tracing::info!("{} updates or creates {} topics", call.peer().remote_addr(), topics.len());
    topics.iter().try_for_each(|topic| check(broker, topic))?;
    broker.topics.update_list(topics).map_err(|(topic, error)| {
        Refusal::new(ResponseCode::SYSTEM_ERROR, format!("the topic {topic}: {error}"))
    })?;
    Ok(answer_when_known(broker, call))
}

fn check(broker: &Broker, config: &TopicConfig) -> Result<(), Refusal> {
    let topic = config.topic_name.as_str();
    topic_validator::validate_topic(topic).map_err(invalid)?;
    check_not_of_system(broker, topic)?;
    if config.read_queue_nums.max(config.write_queue_nums) > QUEUES_MAX {
        return Err(invalid(format!("The topic[{topic}] has at most {QUEUES_MAX} queues.")));
    }
    let is_mixed = config.attributes.get(ADD_MESSAGE_TYPE).is_some_and(|kind| kind == "MIXED");
    if is_mixed && !broker.settings().broker.enable_mixed_message_type {
        return Err(invalid("MIXED message type is not supported.".to_owned()));
    }
    Ok(())
}

fn check_not_of_system(broker: &Broker, topic: &str) -> Result<(), Refusal> {
    let is_checked = broker.settings().broker.validate_system_topic_when_update_topic;
    match is_checked && broker.topics.is_system_topic(topic) {
        true => Err(invalid(format!("The topic[{topic}] is conflict with system topic."))),
        false => Ok(()),
    }
}

fn invalid(remark: String) -> Refusal {
    Refusal::new(ResponseCode::INVALID_PARAMETER, remark)
}

/// Java: `CreateTopicRequestHeader.checkFields`.
fn filter_type_of(name: &str) -> Result<TopicFilterType, Refusal> {
    match name {
        "SINGLE_TAG" => Ok(TopicFilterType::SingleTag),
        "MULTI_TAG" => Ok(TopicFilterType::MultiTag),
        _ => {
            let remark = format!("topicFilterType = [{name}] value invalid");
            Err(Refusal::new(ResponseCode::SYSTEM_ERROR, remark))
        }
    }
}

/// Answers once the topic is on disk and the name servers know it: tools ask those next. What the disk refuses is said,
/// though the topic is there until a crash, and tried again.
fn answer_when_known(broker: &Arc<Broker>, call: &mut Call) -> Outcome {
    let (responder, taken) = call.take_responder();
    let registering = broker.clone();
    let saved = move |saved: Result<(), String>| {
        if let Err(error) = saved {
            return responder.respond(not_on_disk(&error).into());
        }
        let runtime = registering.runtime.clone();
        runtime.spawn(async move {
            registering.registration.when_registered(REGISTRATION_PATIENCE).await;
            responder.respond(Command::success().with_remark(UNSET_REMARK));
        });
    };
    broker.persister.when_saved(broker.topics.clone(), Box::new(saved));
    Outcome::Later(taken)
}

/// The names that are the broker's own. Refuses nothing.
pub fn get_system_topic_list_from_broker(broker: &Arc<Broker>, _: &mut Call) -> Result<Outcome, Refusal> {
    let topic_list = broker.topics.system_topics().into_iter().collect();
    let body = json::to_bytes(&TopicList { broker_addr: None, topic_list });
    Ok(Outcome::Now(Command::success().with_body(body)))
}

/// The table of topics, whole or a page of it (`enableSplitMetadata`). Refused for a page before the first.
pub fn get_all_topic_config(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = GetAllTopicConfigRequestHeader::decode(&call.request.ext);
    let page = super::Page::read(broker, header.data_version, header.topic_seq, header.max_topic_num)?;
    let (topics, total) = broker.topics.page(page.data_version, page.seq, page.max);
    let body = TopicConfigAndMappingSerializeWrapper {
        data_version: topics.data_version,
        // No topic is a static one, since the broker was first started.
        mapping_data_version: DataVersion {
            timestamp: topics.data_version.timestamp,
            ..DataVersion::default()
        },
        topic_config_table: topics.topic_config_table,
        ..TopicConfigAndMappingSerializeWrapper::default()
    };
    let header = GetAllTopicConfigResponseHeader {
        total_topic_num: i32::try_from(total).ok(),
        ..GetAllTopicConfigResponseHeader::default()
    };
    Ok(Outcome::Now(Command::success().with_ext(header.encode()).with_body(json::to_bytes(&body))))
}

/// One topic's settings. Refused with TOPIC_NOT_EXIST.
pub fn get_topic_config(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let topic = required(GetTopicConfigRequestHeader::decode(&call.request.ext).topic, "topic")?;
    let config = broker.topics.find(topic).ok_or_else(|| {
        let remark = format!("No topic in this broker. topic: {topic}");
        Refusal::new(ResponseCode::TOPIC_NOT_EXIST, remark)
    })?;
    ok_with_body(&*config)
}

/// Deletes a topic, its queues, the groups' offsets in it, and the topics from which groups pop its retries
/// (`clearRetryTopicWhenDeleteTopic`). Refused for a topic of the system. Waits for the disk.
pub fn delete_topic_in_broker(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let topic = DeleteTopicRequestHeader::decode(&call.request.ext).topic.unwrap_or_default();
    tracing::warn!("{} has the topic {topic} deleted", call.peer().remote_addr());
    if topic_validator::is_blank(topic) {
        return Err(invalid("The specified topic is blank.".to_owned()));
    }
    check_not_of_system(broker, topic)?;
    let mut topics = vec![topic.to_owned()];
    if broker.settings().broker.clear_retry_topic_when_delete_topic {
        let groups = broker.offsets.groups_of_topic(topic);
        let retry_topics = groups.iter().flat_map(|group| topic_validator::pop_retry_topics(group, topic));
        topics.extend(retry_topics.filter(|topic| broker.topics.contains(topic)));
    }
    for topic in &topics {
        broker.topics.delete(topic);
        broker.offsets.remove_topic(topic);
        broker.store.delete_topic(topic);
        if let Some(timer) = &broker.delays.timer {
            timer.forget_topic(topic);
        }
    }
    ok()
}
