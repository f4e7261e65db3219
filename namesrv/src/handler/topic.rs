//! Topics and the way to them.

use super::{now, ok};
use crate::kv_config::ORDER_TOPIC_CONFIG;
use crate::routes::answers::keep_zone;
use crate::server::NameServer;
use remoting::body::{TopicList, TopicRouteData};
use remoting::header::namesrv::*;
use remoting::{Call, Command, Outcome, Refusal, ResponseCode, json};
use std::sync::Arc;

/// Java: ordinal of `MQVersion.V4_9_4`; from then on clients read standard JSON only.
const V4_9_4: i32 = 401;

pub fn get_routeinfo_by_topic(server: &Arc<NameServer>, call: &mut Call) -> Result<Outcome, Refusal> {
    let settings = server.settings();
    if settings.need_wait_for_service && server.age_ms() < settings.wait_for_service_s * 1000 {
        return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, "name server not ready"));
    }
    let header = GetRouteInfoRequestHeader::decode(&call.request.ext);
    let route = header.topic.and_then(|topic| server.routes().read().route(topic, server.rules()));
    let mut route = route.ok_or_else(|| no_route(header.topic))?;
    if settings.order_message_enable {
        let kv = server.kv().read();
        route.order_topic_conf = header.topic.and_then(|t| kv.get(ORDER_TOPIC_CONFIG, t)).map(str::to_owned);
    }
    now(Command::success().with_body(encode_route(route, &header, call.request.version)))
}

fn no_route(topic: Option<&str>) -> Refusal {
    let topic = topic.unwrap_or("null");
    Refusal::new(
        ResponseCode::TOPIC_NOT_EXIST,
        format!(
            "No topic route info in name server for the topic: {topic}\n\
             See https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details."
        ),
    )
}

fn encode_route(mut route: TopicRouteData, header: &GetRouteInfoRequestHeader, version: i32) -> Vec<u8> {
    // Java's hook writes the nearest brokers anew, and no longer asks which JSON the client reads.
    let zone_name = header.zone_name.filter(|zone| header.zone_mode && !zone.trim().is_empty());
    if let Some(zone_name) = zone_name {
        keep_zone(&mut route, zone_name);
        json::to_bytes(&route)
    } else if version >= V4_9_4 || header.accept_standard_json_only == Some(true) {
        json::to_standard(&route)
    } else {
        json::to_bytes(&route)
    }
}

pub fn delete_topic_in_namesrv(server: &Arc<NameServer>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = DeleteTopicFromNamesrvRequestHeader::decode(&call.request.ext);
    if let Some(topic) = header.topic {
        tracing::info!("topic {topic} deleted, cluster {:?}", header.cluster_name);
        let mut routes = server.routes().write();
        match header.cluster_name.filter(|cluster| !cluster.is_empty()) {
            Some(cluster) => routes.delete_topic_of_cluster(topic, cluster),
            None => routes.delete_topic(topic),
        }
    }
    ok()
}

pub fn register_topic_in_namesrv(server: &Arc<NameServer>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = RegisterTopicRequestHeader::decode(&call.request.ext);
    let body = call.request.body.bytes();
    if body.is_empty() {
        return ok();
    }
    let route: TopicRouteData = json::from_slice(&body).map_err(Refusal::unreadable_body)?;
    if let Some(topic) = header.topic {
        server.routes().write().register_topic(topic, route.queue_datas);
    }
    ok()
}

pub fn get_all_topic_list_from_nameserver(
    server: &Arc<NameServer>,
    call: &mut Call,
) -> Result<Outcome, Refusal> {
    let enabled = server.settings().enable_all_topic_list;
    tracing::warn!("{} asks for all topics, enabled: {enabled}", call.peer().remote_addr());
    listed(enabled, || topics(&server.routes().read().all_topics()))
}

pub fn get_topics_by_cluster(server: &Arc<NameServer>, call: &mut Call) -> Result<Outcome, Refusal> {
    let cluster = GetTopicsByClusterRequestHeader::decode(&call.request.ext).cluster.unwrap_or_default();
    listed(server.settings().enable_topic_list, || topics(&server.routes().read().topics_of_cluster(cluster)))
}

pub fn get_system_topic_list_from_ns(server: &Arc<NameServer>, _: &mut Call) -> Result<Outcome, Refusal> {
    listed(true, || topics(&server.routes().read().system_topics()))
}

pub fn get_unit_topic_list(server: &Arc<NameServer>, _: &mut Call) -> Result<Outcome, Refusal> {
    listed(server.settings().enable_topic_list, || topics(&server.routes().read().unit_topics()))
}

pub fn get_has_unit_sub_topic_list(server: &Arc<NameServer>, _: &mut Call) -> Result<Outcome, Refusal> {
    listed(server.settings().enable_topic_list, || topics(&server.routes().read().has_unit_sub_topics()))
}

pub fn get_has_unit_sub_ununit_topic_list(
    server: &Arc<NameServer>,
    _: &mut Call,
) -> Result<Outcome, Refusal> {
    listed(server.settings().enable_topic_list, || {
        topics(&server.routes().read().has_unit_sub_ununit_topics())
    })
}

fn topics(list: &TopicList<&str>) -> Vec<u8> {
    json::to_bytes(list)
}

fn listed(enabled: bool, list: impl FnOnce() -> Vec<u8>) -> Result<Outcome, Refusal> {
    match enabled {
        true => now(Command::success().with_body(list())),
        false => Err(Refusal::new(ResponseCode::SYSTEM_ERROR, "disable")),
    }
}
