//! Making and changing topics. Java: `AdminBrokerProcessor`.

use super::UNSET_REMARK;
use crate::attributes::{self, AttributeError};
use crate::broker::Broker;
use crate::topic_validator;
use crate::topics::QUEUES_MAX;
use remoting::body::{TopicConfig, TopicFilterType, TopicList};
use remoting::header::required;
use remoting::header::topic::CreateTopicRequestHeader;
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
    let invalid = |remark: String| Refusal::new(ResponseCode::INVALID_PARAMETER, remark);
    let topic_filter_type = filter_type_of(header.topic_filter_type.unwrap_or_default())?;
    let topic = required(header.topic, "topic")?;
    tracing::info!("{} updates or creates the topic {topic}", call.peer().remote_addr());
    topic_validator::validate_topic(topic).map_err(invalid)?;
    let settings = &broker.settings().broker;
    if settings.validate_system_topic_when_update_topic && broker.topics.is_system_topic(topic) {
        return Err(invalid(format!("The topic[{topic}] is conflict with system topic.")));
    }
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
    if config.read_queue_nums.max(config.write_queue_nums) > QUEUES_MAX {
        return Err(invalid(format!("A topic has at most {QUEUES_MAX} queues.")));
    }
    let is_mixed = config.attributes.get(ADD_MESSAGE_TYPE).is_some_and(|kind| kind == "MIXED");
    if is_mixed && !settings.enable_mixed_message_type {
        return Err(invalid("MIXED message type is not supported.".to_owned()));
    }
    broker.topics.update(config).map_err(failed)?;
    Ok(answer_when_known(broker, call))
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
            let remark = format!("the topic is set, but not on disk yet, which is tried again: {error}");
            return responder.respond(Refusal::new(ResponseCode::SYSTEM_ERROR, remark).into());
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
