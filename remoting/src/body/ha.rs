//! How a master and its slaves are getting on.

use serde::{Deserialize, Serialize};

/// Answer to GET_BROKER_HA_STATUS. Java: `HARuntimeInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HARuntimeInfo {
    pub ha_client_runtime_info: HAClientRuntimeInfo,
    pub ha_connection_info: Vec<HAConnectionRuntimeInfo>,
    pub in_sync_slave_nums: i32,
    pub master: bool,
    pub master_commit_log_max_offset: i64,
}

/// What a slave says of its connection to the master. Times are milliseconds since the epoch. Java: `HAClientRuntimeInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HAClientRuntimeInfo {
    pub last_read_timestamp: i64,
    pub last_write_timestamp: i64,
    pub master_addr: Option<String>,
    pub master_flush_offset: i64,
    pub max_offset: i64,
    pub transferred_byte_in_second: i64,
}

/// What a master says of one slave. Java: `HAConnectionRuntimeInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HAConnectionRuntimeInfo {
    pub addr: String,
    pub diff: i64,
    pub in_sync: bool,
    pub slave_ack_offset: i64,
    pub transfer_from_where: i64,
    pub transferred_byte_in_second: i64,
}
