//! How many bytes of cold messages groups may read in a round, as admins say it; nothing is held back yet, as with Java's
//! `coldDataFlowControlEnable=false`. Java: `ColdDataCgCtrService`.

use crate::config::BrokerConfig;
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::BTreeMap;

/// Groups in the table, at most; Java has no limit.
pub const COLD_DATA_GROUPS_MAX: usize = 10_000;

/// The thresholds, in memory alone, as Java's. Java: `ColdDataCgCtrService`.
#[derive(Default)]
pub struct ColdDataFlowCtr {
    /// By group, in bytes.
    thresholds: Mutex<BTreeMap<String, i64>>,
}

/// Java: `getColdDataFlowCtrInfo`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    #[serde(rename = "cgColdReadThreshold")]
    of_a_group_bytes: i64,
    config_table: BTreeMap<String, i64>,
    global_acc: i64,
    #[serde(rename = "globalColdReadThreshold")]
    of_all_groups_bytes: i64,
    runtime_table: BTreeMap<String, i64>,
}

impl ColdDataFlowCtr {
    /// Sets the groups' thresholds, in bytes: all, or none if the table would be too long. Java: `addOrUpdateGroupConfig`.
    pub fn update(&self, changed: BTreeMap<String, i64>) -> Result<(), String> {
        let mut thresholds = self.thresholds.lock();
        let new = changed.keys().filter(|group| !thresholds.contains_key(*group)).count();
        if thresholds.len() + new > COLD_DATA_GROUPS_MAX {
            return Err(format!("no more than {COLD_DATA_GROUPS_MAX} groups can have a threshold"));
        }
        thresholds.extend(changed);
        Ok(())
    }

    /// The group has no threshold of its own any more. Java: `removeGroupConfig`.
    pub fn remove(&self, group: &str) {
        self.thresholds.lock().remove(group);
    }

    /// The body of GET_COLD_DATA_FLOW_CTR_INFO.
    pub fn to_json(&self, settings: &BrokerConfig) -> Vec<u8> {
        remoting::json::to_bytes(&Info {
            of_a_group_bytes: settings.cg_cold_read_threshold_bytes,
            config_table: self.thresholds.lock().clone(),
            global_acc: 0,
            of_all_groups_bytes: settings.global_cold_read_threshold_bytes,
            runtime_table: BTreeMap::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_an_end() {
        let table = ColdDataFlowCtr::default();
        let groups = |from: usize, to: usize| (from..to).map(|n| (format!("g{n}"), 1)).collect();
        table.update(groups(0, COLD_DATA_GROUPS_MAX)).unwrap();
        table.update(groups(0, 5)).unwrap();
        table.update(groups(COLD_DATA_GROUPS_MAX - 1, COLD_DATA_GROUPS_MAX + 1)).unwrap_err();
        table.remove("g0");
        table.update(groups(COLD_DATA_GROUPS_MAX, COLD_DATA_GROUPS_MAX + 1)).unwrap();
    }
}
