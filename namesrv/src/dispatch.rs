//! One row a request code; a code without a row is refused. Java: `DefaultRequestProcessor`, `ClientRequestProcessor`.

use crate::handler::*;
use crate::server::NameServer;
use remoting::connection::{Outcome, Peer, Service};
use remoting::{Command, Refusal, RequestCode, client};
use std::sync::Arc;

type Handler = fn(&NameServer, &Arc<Peer>, &Command) -> Result<Command, Refusal>;

const HANDLERS: [(RequestCode, Handler); 23] = [
    (RequestCode::GET_ROUTEINFO_BY_TOPIC, get_routeinfo_by_topic),
    (RequestCode::PUT_KV_CONFIG, put_kv_config),
    (RequestCode::GET_KV_CONFIG, get_kv_config),
    (RequestCode::DELETE_KV_CONFIG, delete_kv_config),
    (RequestCode::REGISTER_BROKER, register_broker),
    (RequestCode::UNREGISTER_BROKER, unregister_broker),
    (RequestCode::GET_BROKER_CLUSTER_INFO, get_broker_cluster_info),
    (RequestCode::WIPE_WRITE_PERM_OF_BROKER, wipe_write_perm_of_broker),
    (RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER, get_all_topic_list_from_nameserver),
    (RequestCode::DELETE_TOPIC_IN_NAMESRV, delete_topic_in_namesrv),
    (RequestCode::REGISTER_TOPIC_IN_NAMESRV, register_topic_in_namesrv),
    (RequestCode::GET_KVLIST_BY_NAMESPACE, get_kvlist_by_namespace),
    (RequestCode::GET_TOPICS_BY_CLUSTER, get_topics_by_cluster),
    (RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_NS, get_system_topic_list_from_ns),
    (RequestCode::GET_UNIT_TOPIC_LIST, get_unit_topic_list),
    (RequestCode::GET_HAS_UNIT_SUB_TOPIC_LIST, get_has_unit_sub_topic_list),
    (RequestCode::GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST, get_has_unit_sub_ununit_topic_list),
    (RequestCode::UPDATE_NAMESRV_CONFIG, update_namesrv_config),
    (RequestCode::GET_NAMESRV_CONFIG, get_namesrv_config),
    (RequestCode::QUERY_DATA_VERSION, query_data_version),
    (RequestCode::ADD_WRITE_PERM_OF_BROKER, add_write_perm_of_broker),
    (RequestCode::GET_BROKER_MEMBER_GROUP, get_broker_member_group),
    (RequestCode::BROKER_HEARTBEAT, broker_heartbeat),
];

impl Service for NameServer {
    fn handle(&self, peer: &Arc<Peer>, request: Command) -> Outcome {
        let code = request.request_code();
        let row = HANDLERS.iter().find(|(handled, _)| *handled == code);
        let answer = row.map(|(_, handler)| handler(self, peer, &request));
        Outcome::Now(match answer {
            Some(Ok(reply)) => reply,
            Some(Err(refusal)) => refusal.into(),
            None => client::unsupported(&request),
        })
    }

    fn closed(&self, peer: &Arc<Peer>) {
        self.connection_lost(peer);
    }
}
