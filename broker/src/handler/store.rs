//! Making room in the store, and how it is doing. Java: `AdminBrokerProcessor`.

use super::{ok, ok_with_body};
use crate::broker::Broker;
use process::properties::Properties;
use remoting::body::{HAClientRuntimeInfo, HARuntimeInfo};
use remoting::{Call, Command, Outcome, Refusal, ResponseCode};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::topic_name::is_lmq;

/// Log files of age are removed by the store's next rounds.
pub fn delete_expired_commitlog(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    tracing::warn!("{} has expired log files removed", call.peer().remote_addr());
    broker.store.delete_files_manually();
    ok()
}

/// Removes queues that have no message left in the log, but for those of system topics. Refuses nothing.
pub fn clean_expired_consumequeue(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    tracing::warn!("{} has queues without messages removed", call.peer().remote_addr());
    let is_kept = |topic: &str| broker.topics.is_system_topic(topic);
    broker.store.clean_expired_consumer_queue(&is_kept);
    ok()
}

/// Removes the queues of topics that do not exist. Refuses nothing.
pub fn clean_unused_topic(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    tracing::warn!("{} has the queues of unknown topics removed", call.peer().remote_addr());
    let is_kept = |topic: &str| {
        let topics = &broker.topics;
        topics.contains(topic) || topics.is_system_topic(topic) || is_lmq(topic)
    };
    broker.store.clean_unused_topic(&is_kept);
    ok()
}

/// How the slaves are getting on: a master has none yet, and a slave has no connection of its own. Refuses nothing.
pub fn get_broker_ha_status(broker: &Arc<Broker>, _: &mut Call) -> Result<Outcome, Refusal> {
    let end = broker.store.max_phy_offset();
    ok_with_body(&match broker.is_slave() {
        false => {
            HARuntimeInfo { master: true, master_commit_log_max_offset: end, ..HARuntimeInfo::default() }
        }
        true => HARuntimeInfo {
            ha_client_runtime_info: HAClientRuntimeInfo { max_offset: end, ..HAClientRuntimeInfo::default() },
            ..HARuntimeInfo::default()
        },
    })
}

/// Tells a slave how far its master's log is on disk; a master takes no notice, and says that it has. Refuses nothing.
pub fn reset_master_flush_offset(_: &Arc<Broker>, _: &mut Call) -> Result<Outcome, Refusal> {
    ok()
}

/// Sets how many bytes groups may read that are not in memory: `group=bytes` a line. Refused, with nothing changed, for what
/// is no number; Java leaves such a line out, and says that all is well.
pub fn update_cold_data_flow_ctr_config(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let failed = |remark: String| Refusal::new(ResponseCode::SYSTEM_ERROR, remark);
    let lines = Properties::parse(&call.request.body.bytes());
    let lines = lines.map_err(|_| failed("string2Properties error".to_owned()))?;
    let mut changed = BTreeMap::new();
    for (group, bytes) in lines.iter() {
        let number =
            bytes.parse().map_err(|_| failed(format!("{group}: {bytes:?} is no number of bytes")))?;
        changed.insert(group.to_owned(), number);
    }
    tracing::info!("{} sets thresholds of cold reads: {changed:?}", call.peer().remote_addr());
    broker.cold_data.update(changed).map_err(failed)?;
    ok()
}

/// Forgets what a group may read that is not in memory. Refuses nothing.
pub fn remove_cold_data_flow_ctr_config(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    broker.cold_data.remove(&String::from_utf8_lossy(&call.request.body.bytes()));
    ok()
}

/// What groups may read that is not in memory. Refuses nothing.
pub fn get_cold_data_flow_ctr_info(broker: &Arc<Broker>, _: &mut Call) -> Result<Outcome, Refusal> {
    Ok(Outcome::Now(Command::success().with_body(broker.cold_data.to_json(&broker.settings().broker))))
}

/// Whether the kernel reads ahead in the log: for `READ_AHEAD_MODE` 0 (`MADV_NORMAL`) it does, for 1 (`MADV_RANDOM`) not.
/// Refused for other numbers.
pub fn set_commitlog_read_mode(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let mode = call.request.ext.get("READ_AHEAD_MODE").and_then(|mode| mode.parse::<i32>().ok());
    let reads_ahead = match mode {
        Some(0) => true,
        Some(1) => false,
        Some(_) => {
            let remark = "set commitlog readahead mode param value error";
            return Err(Refusal::new(ResponseCode::INVALID_PARAMETER, remark));
        }
        None if call.request.ext.is_empty() => {
            let remark = "set commitlog readahead mode param error";
            return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, remark));
        }
        None => {
            let remark = "set commitlog readahead mode failed";
            return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, remark));
        }
    };
    broker.store.set_log_read_ahead(reads_ahead);
    let mode = i32::from(!reads_ahead);
    Ok(Outcome::Now(
        Command::success().with_remark(format!("set commitlog readahead mode success, mode: {mode}")),
    ))
}
