//! Brokers: coming, going, and what is known of them.

use super::{now, ok};
use crate::kv_config::ORDER_TOPIC_CONFIG;
use crate::routes::removal::Leaving;
use crate::routes::{BrokerAddr, Registered, Registration, Topics};
use crate::server::NameServer;
use message::crc32;
use remoting::body::{
    DataVersion, GetBrokerMemberGroupResponseBody, RegisterBrokerBody, TopicConfigAndMappingSerializeWrapper,
};
use remoting::command::UNSET_REMARK;
use remoting::header::namesrv::*;
use remoting::header::required;
use remoting::{Call, Command, Outcome, Peer, Refusal, ResponseCode, json};
use std::sync::Arc;

/// Java: ordinal of `MQVersion.V3_0_11`; brokers before it send their topics only.
const V3_0_11: i32 = 37;

/// Most registrations bring no news, and are done with. All others go over many topics, and may have to read them first.
pub fn register_broker(server: &Arc<NameServer>, call: &mut Call) -> Result<Outcome, Refusal> {
    match repeated_registration(server, call) {
        Some(reply) => now(reply),
        None => server.registrar().request(call, register),
    }
}

/// On the registrar's thread.
fn register(server: &Arc<NameServer>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = RegisterBrokerRequestHeader::decode(&call.request.ext);
    let body = call.request.body.bytes();
    let body_crc32 = crc32(&body);
    if header.body_crc32 != 0 && header.body_crc32 != body_crc32 {
        tracing::warn!("registration from {}: crc32 not match", call.peer().remote_addr());
        return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, "crc32 not match"));
    }
    required(header.broker_id, "brokerId")?;
    let Some(registration) = registration(&header, body_crc32, call.peer()) else {
        // Java answers so too, and is left with a null in its tables.
        tracing::warn!("registration from {} without cluster, address or name", call.peer().remote_addr());
        return now(registration_reply(server, &Registered::default()));
    };
    let (topics, filter_servers) = read_topics(&body, header.compressed, call.request.version)?;
    let registered = server.register(&registration, topics, filter_servers);
    let registered =
        registered.map_err(|_| Refusal::new(ResponseCode::SYSTEM_ERROR, "register broker failed"))?;
    now(registration_reply(server, &registered))
}

/// The reply to a registration that repeats the last one. Brokers repeat theirs, some with megabytes of topics, every half
/// minute.
fn repeated_registration(server: &NameServer, call: &Call) -> Option<Command> {
    let header = RegisterBrokerRequestHeader::decode(&call.request.ext);
    let body = call.request.body.bytes();
    let body_crc32 = crc32(&body);
    if header.body_crc32 != 0 && header.body_crc32 != body_crc32 {
        return None;
    }
    let registration = registration(&header, body_crc32, call.peer())?;
    let version = if header.compressed { None } else { RegisterBrokerBody::peek_data_version(&body) };
    let registered = server.repeat_registration(&registration, version?)?;
    Some(registration_reply(server, &registered))
}

/// None without id, cluster, address or name.
fn registration<'a>(
    header: &RegisterBrokerRequestHeader<'a>,
    body_crc32: i32,
    connection: &'a Arc<Peer>,
) -> Option<Registration<'a>> {
    Some(Registration {
        cluster: header.cluster_name?,
        addr: header.broker_addr?,
        name: header.broker_name?,
        id: header.broker_id?,
        ha_server_addr: header.ha_server_addr,
        zone_name: header.zone_name,
        heartbeat_timeout_millis: header.heartbeat_timeout_millis,
        enable_acting_master: header.enable_acting_master,
        body_crc32,
        connection,
    })
}

fn registration_reply(server: &NameServer, registered: &Registered) -> Command {
    let header = RegisterBrokerResponseHeader {
        ha_server_addr: registered.ha_server_addr.as_deref(),
        master_addr: registered.master_addr.as_deref(),
        ..Default::default()
    };
    let reply = Command::success().with_ext(header.encode());
    if !server.settings().return_order_topic_config_to_broker {
        return reply;
    }
    reply.with_body(server.kv().read().namespace(ORDER_TOPIC_CONFIG).unwrap_or_default())
}

fn read_topics(
    body: &[u8],
    compressed: bool,
    version: i32,
) -> Result<(Topics, Option<Vec<String>>), Refusal> {
    let failed = |error: &dyn std::fmt::Display| {
        let remark = format!(
            "org.apache.rocketmq.remoting.exception.RemotingCommandException: Failed to decode RegisterBrokerBody, {error}"
        );
        Refusal::new(ResponseCode::SYSTEM_ERROR, remark)
    };
    if version < V3_0_11 {
        let table = if body.is_empty() {
            TopicConfigAndMappingSerializeWrapper::default()
        } else {
            json::from_slice(body).map_err(Refusal::unreadable_body)?
        };
        return Ok((Topics::Table(Box::new(table)), None));
    }
    if body.is_empty() {
        return Ok((Topics::Table(Box::default()), Some(Vec::new())));
    }
    let body = RegisterBrokerBody::decode(body, compressed, version).map_err(|error| failed(&error))?;
    Ok((Topics::Table(Box::new(body.topic_config_serialize_wrapper)), Some(body.filter_server_list)))
}

pub fn unregister_broker(server: &Arc<NameServer>, call: &mut Call) -> Result<Outcome, Refusal> {
    server.registrar().request(call, unregister)
}

/// On the registrar's thread.
fn unregister(server: &Arc<NameServer>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = UnRegisterBrokerRequestHeader::decode(&call.request.ext);
    // Java only queues the request here: what it lacks comes out in the log.
    if let (Some(cluster), Some(addr), Some(name), Some(id)) =
        (header.cluster_name, header.broker_addr, header.broker_name, header.broker_id)
    {
        server.unregister(Leaving { broker: BrokerAddr::new(cluster, addr), name: name.to_owned(), id });
    }
    ok()
}

pub fn broker_heartbeat(server: &Arc<NameServer>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = BrokerHeartbeatRequestHeader::decode(&call.request.ext);
    let cluster = required(header.cluster_name, "clusterName")?;
    let addr = required(header.broker_addr, "brokerAddr")?;
    server.routes().write().heartbeat(cluster, addr, server.now_ms());
    ok()
}

/// Whether a broker's topics are known in this version; also a sign of life.
pub fn query_data_version(server: &Arc<NameServer>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = QueryDataVersionRequestHeader::decode(&call.request.ext);
    let body = call.request.body.bytes();
    let asked: Option<DataVersion> =
        if body.is_empty() { None } else { Some(json::from_slice(&body).map_err(Refusal::unreadable_body)?) };
    let cluster = required(header.cluster_name, "clusterName")?;
    let addr = required(header.broker_addr, "brokerAddr")?;
    let mut routes = server.routes().write();
    routes.heartbeat(cluster, addr, server.now_ms());
    let known = routes.data_version(cluster, addr);
    let changed = known.is_none() || known != asked;
    let header = QueryDataVersionResponseHeader { changed: Some(changed), ..Default::default() };
    let body = known.map(|version| json::to_bytes(&version)).unwrap_or_default();
    now(Command::success().with_ext(header.encode()).with_body(body))
}

pub fn get_broker_cluster_info(server: &Arc<NameServer>, _: &mut Call) -> Result<Outcome, Refusal> {
    now(Command::success().with_body(json::to_bytes(&server.routes().read().cluster_info())))
}

pub fn get_broker_member_group(server: &Arc<NameServer>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = GetBrokerMemberGroupRequestHeader::decode(&call.request.ext);
    let group = server.routes().read().member_group(header.cluster_name, header.broker_name);
    let body = GetBrokerMemberGroupResponseBody { broker_member_group: Some(group) };
    // Java forgets to take back the remark that it starts with.
    now(Command::success().with_remark(UNSET_REMARK).with_body(json::to_bytes(&body)))
}

pub fn wipe_write_perm_of_broker(server: &Arc<NameServer>, call: &mut Call) -> Result<Outcome, Refusal> {
    let name = WipeWritePermOfBrokerRequestHeader::decode(&call.request.ext).broker_name.unwrap_or_default();
    let count = server.set_write_perm(name, false);
    tracing::info!("{} wipes the write permission of {name}: {count} topics", call.peer().remote_addr());
    let header = WipeWritePermOfBrokerResponseHeader { wipe_topic_count: Some(count), ..Default::default() };
    now(Command::success().with_ext(header.encode()))
}

pub fn add_write_perm_of_broker(server: &Arc<NameServer>, call: &mut Call) -> Result<Outcome, Refusal> {
    let name = AddWritePermOfBrokerRequestHeader::decode(&call.request.ext).broker_name.unwrap_or_default();
    let count = server.set_write_perm(name, true);
    tracing::info!("{} adds the write permission of {name}: {count} topics", call.peer().remote_addr());
    let header = AddWritePermOfBrokerResponseHeader { add_topic_count: Some(count), ..Default::default() };
    now(Command::success().with_ext(header.encode()))
}
