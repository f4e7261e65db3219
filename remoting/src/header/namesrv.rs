//! What brokers, clients and tools ask a name server, and what it tells brokers.

use crate::headers;

headers! {
    /// Code 100.
    PutKVConfigRequestHeader {
        namespace: str = "namespace",
        key: str = "key",
        value: str = "value",
    }

    /// Code 101.
    GetKVConfigRequestHeader {
        namespace: str = "namespace",
        key: str = "key",
    }

    /// Answer to code 101.
    GetKVConfigResponseHeader {
        value: str = "value",
    }

    /// Code 102.
    DeleteKVConfigRequestHeader {
        namespace: str = "namespace",
        key: str = "key",
    }

    /// Code 103.
    RegisterBrokerRequestHeader {
        broker_name: str = "brokerName",
        broker_addr: str = "brokerAddr",
        cluster_name: str = "clusterName",
        ha_server_addr: str = "haServerAddr",
        broker_id: i64 = "brokerId",
        heartbeat_timeout_millis: i64 = "heartbeatTimeoutMillis",
        /// Absent from brokers before 5.0.
        enable_acting_master: bool = "enableActingMaster",
        compressed: flag = "compressed",
        /// Of the body as sent; 0 is not checked.
        body_crc32: int = "bodyCrc32",
        /// Java's header has no such field: the name server looks it up in the ext fields.
        zone_name: str = "__ZONE_NAME",
    }

    /// Answer to code 103.
    RegisterBrokerResponseHeader {
        ha_server_addr: str = "haServerAddr",
        master_addr: str = "masterAddr",
    }

    /// Code 104.
    UnRegisterBrokerRequestHeader {
        broker_name: str = "brokerName",
        broker_addr: str = "brokerAddr",
        cluster_name: str = "clusterName",
        broker_id: i64 = "brokerId",
    }

    /// Code 105.
    GetRouteInfoRequestHeader {
        topic: str = "topic",
        accept_standard_json_only: bool = "acceptStandardJsonOnly",
        /// The nearest brokers only, with `zone_name`. Ext fields outside Java's header.
        zone_mode: flag = "__ZONE_MODE",
        zone_name: str = "__ZONE_NAME",
    }

    /// Code 205.
    WipeWritePermOfBrokerRequestHeader {
        broker_name: str = "brokerName",
    }

    /// Answer to code 205.
    WipeWritePermOfBrokerResponseHeader {
        wipe_topic_count: i32 = "wipeTopicCount",
    }

    /// Code 216.
    DeleteTopicFromNamesrvRequestHeader {
        topic: str = "topic",
        cluster_name: str = "clusterName",
    }

    /// Code 217.
    RegisterTopicRequestHeader {
        topic: str = "topic",
    }

    /// Code 219.
    GetKVListByNamespaceRequestHeader {
        namespace: str = "namespace",
    }

    /// Code 224.
    GetTopicsByClusterRequestHeader {
        cluster: str = "cluster",
    }

    /// Code 322.
    QueryDataVersionRequestHeader {
        broker_name: str = "brokerName",
        broker_addr: str = "brokerAddr",
        cluster_name: str = "clusterName",
        broker_id: i64 = "brokerId",
    }

    /// Answer to code 322.
    QueryDataVersionResponseHeader {
        changed: bool = "changed",
    }

    /// Code 327.
    AddWritePermOfBrokerRequestHeader {
        broker_name: str = "brokerName",
    }

    /// Answer to code 327.
    AddWritePermOfBrokerResponseHeader {
        add_topic_count: i32 = "addTopicCount",
    }

    /// Code 901.
    GetBrokerMemberGroupRequestHeader {
        cluster_name: str = "clusterName",
        broker_name: str = "brokerName",
    }

    /// Code 904; a controller reads more of it than a name server.
    BrokerHeartbeatRequestHeader {
        cluster_name: str = "clusterName",
        broker_addr: str = "brokerAddr",
        broker_name: str = "brokerName",
        broker_id: i64 = "brokerId",
        epoch: i32 = "epoch",
        max_offset: i64 = "maxOffset",
        confirm_offset: i64 = "confirmOffset",
        heartbeat_timeout_mills: i64 = "heartbeatTimeoutMills",
        election_priority: i32 = "electionPriority",
    }

    /// Code 905, name server to broker.
    NotifyMinBrokerIdChangeRequestHeader {
        min_broker_id: i64 = "minBrokerId",
        broker_name: str = "brokerName",
        min_broker_addr: str = "minBrokerAddr",
        offline_broker_addr: str = "offlineBrokerAddr",
        ha_broker_addr: str = "haBrokerAddr",
    }
}
