//! One row a request code that Java's name server answers. Java: `DefaultRequestProcessor`, `ClientRequestProcessor`.

use crate::handler::*;
use crate::server::NameServer;
use remoting::table::{Port, Table};
use remoting::{Call, DiskPool, Outcome, Peer, Refusal, Service, served};
use std::sync::Arc;

static TABLE: Table<NameServer> = Table::new(&[
    served!(PUT_KV_CONFIG => put_kv_config).on_disk_pool(),
    served!(GET_KV_CONFIG => get_kv_config),
    served!(DELETE_KV_CONFIG => delete_kv_config).on_disk_pool(),
    served!(REGISTER_BROKER => register_broker),
    served!(UNREGISTER_BROKER => unregister_broker),
    served!(GET_ROUTEINFO_BY_TOPIC => get_routeinfo_by_topic),
    served!(GET_BROKER_CLUSTER_INFO => get_broker_cluster_info),
    served!(WIPE_WRITE_PERM_OF_BROKER => wipe_write_perm_of_broker),
    served!(GET_ALL_TOPIC_LIST_FROM_NAMESERVER => get_all_topic_list_from_nameserver),
    served!(DELETE_TOPIC_IN_NAMESRV => delete_topic_in_namesrv),
    served!(REGISTER_TOPIC_IN_NAMESRV => register_topic_in_namesrv),
    served!(GET_KVLIST_BY_NAMESPACE => get_kvlist_by_namespace),
    served!(GET_TOPICS_BY_CLUSTER => get_topics_by_cluster),
    served!(GET_SYSTEM_TOPIC_LIST_FROM_NS => get_system_topic_list_from_ns),
    served!(GET_UNIT_TOPIC_LIST => get_unit_topic_list),
    served!(GET_HAS_UNIT_SUB_TOPIC_LIST => get_has_unit_sub_topic_list),
    served!(GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST => get_has_unit_sub_ununit_topic_list),
    served!(UPDATE_NAMESRV_CONFIG => update_namesrv_config).on_disk_pool(),
    served!(GET_NAMESRV_CONFIG => get_namesrv_config),
    served!(QUERY_DATA_VERSION => query_data_version),
    served!(ADD_WRITE_PERM_OF_BROKER => add_write_perm_of_broker),
    served!(GET_BROKER_MEMBER_GROUP => get_broker_member_group),
    served!(BROKER_HEARTBEAT => broker_heartbeat),
]);

/// What the name server's port serves.
pub struct NamesrvPort {
    server: Arc<NameServer>,
    /// For requests that write a file.
    disk_pool: DiskPool,
}

impl NamesrvPort {
    pub fn new(server: Arc<NameServer>) -> NamesrvPort {
        NamesrvPort { server, disk_pool: DiskPool::default() }
    }
}

impl Service for NamesrvPort {
    fn handle(&self, call: &mut Call) -> Result<Outcome, Refusal> {
        TABLE.handle(&self.server, Port::Main, &self.disk_pool, call)
    }

    fn closed(&self, peer: &Arc<Peer>) {
        self.server.connection_lost(peer);
    }
}
