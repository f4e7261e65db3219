//! The consumer groups' settings and `config/subscriptionGroup.json`. Java: `SubscriptionGroupManager`.

#[cfg(test)]
mod tests;

use crate::attributes::{self, AttributeError};
use crate::config::BrokerSettings;
use crate::persister::ConfigTable;
use crate::table_file::TableFile;
use crate::topic_validator;
use parking_lot::RwLock;
use process::clock::Clock;
use process::config::Live;
use process::files::LoadError;
use remoting::body::{DataVersion, SubscriptionGroupConfig, SubscriptionGroupWrapper};
use remoting::json;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use store::topic_name::is_lmq;

/// Groups that every broker has. Java: `SubscriptionGroupManager.init`.
const SYSTEM_GROUPS: [&str; 8] = [
    "TOOLS_CONSUMER",
    "FILTERSRV_CONSUMER",
    "SELF_TEST_C_GROUP",
    "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PULL",
    "CID_ONSAPI_PERMISSION",
    "CID_ONSAPI_OWNER",
    "CID_RMQ_SYS_TRANS",
];

/// The consumer groups, kept in `subscriptionGroup.json`. Java: `SubscriptionGroupManager`.
pub struct Groups {
    settings: Live<BrokerSettings>,
    /// Every LMQ is a group too, without being in the table.
    enable_lmq: bool,
    clock: Clock,
    table: RwLock<Table>,
    file: TableFile,
}

#[derive(Default)]
struct Table {
    groups: HashMap<String, Arc<SubscriptionGroupConfig>>,
    /// Group to topic to bits. Few.
    forbidden: BTreeMap<String, BTreeMap<String, i32>>,
    data_version: DataVersion,
}

impl Table {
    fn put(&mut self, group: SubscriptionGroupConfig) -> Arc<SubscriptionGroupConfig> {
        let group = Arc::new(group);
        self.groups.insert(group.group_name.clone(), group.clone());
        group
    }

    fn forbidden_bits(&self, group: &str, topic: &str) -> i32 {
        let bits = self.forbidden.get(group).and_then(|topics| topics.get(topic));
        bits.map_or(0, |bits| (*bits).max(0))
    }
}

impl Groups {
    /// Reads `path` on top of the system groups, so that settings an operator gave those are kept. An error if
    /// neither it nor its backup can be read.
    pub fn load(path: &Path, settings: Live<BrokerSettings>, clock: Clock) -> Result<Groups, LoadError> {
        let (file, stored) = TableFile::open::<SubscriptionGroupWrapper>(path)?;
        let mut table = Table::default();
        table.data_version.timestamp = clock.wall_ms();
        for name in SYSTEM_GROUPS {
            table.put(named(name));
        }
        if let Some(stored) = stored {
            table.groups.extend(stored.subscription_group_table);
            table.forbidden = stored.forbidden_table;
            table.data_version = stored.data_version;
        }
        let enable_lmq = settings.load().store.enable_lmq;
        Ok(Groups { settings, enable_lmq, clock, table: RwLock::new(table), file })
    }

    /// The group, if there is one; writes nothing.
    pub fn existing(&self, group: &str) -> Option<Arc<SubscriptionGroupConfig>> {
        if self.is_lmq(group) {
            return Some(Arc::new(named(group)));
        }
        self.table.read().groups.get(group).cloned()
    }

    /// The group, made if it is new, has a valid name and the settings allow it.
    /// Java: `findSubscriptionGroupConfig`.
    pub fn find(&self, group: &str) -> Option<Arc<SubscriptionGroupConfig>> {
        if let Some(found) = self.existing(group) {
            return Some(found);
        }
        let broker = &self.settings.load().broker;
        let may_create = broker.auto_create_subscription_group
            || broker.enable_create_sys_group && topic_validator::is_system_group(group);
        if !may_create || topic_validator::validate_group(group).is_err() {
            return None;
        }
        let created = {
            let mut table = self.table.write();
            if let Some(found) = table.groups.get(group) {
                return Some(found.clone());
            }
            self.put_changed(&mut table, named(group))
        };
        tracing::info!("group {group} made");
        self.persist_soon();
        Some(created)
    }

    /// Java: `LmqSubscriptionGroupManager`.
    fn is_lmq(&self, group: &str) -> bool {
        self.enable_lmq && is_lmq(group)
    }

    /// Java: `containsSubscriptionGroup`.
    pub fn contains(&self, group: &str) -> bool {
        self.is_lmq(group) || self.table.read().groups.contains_key(group)
    }

    /// Groups in the table.
    pub fn len(&self) -> usize {
        self.table.read().groups.len()
    }

    /// Whether the table has no group.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes or replaces a group; its attributes are a request in the form of [`attributes::alter`].
    /// Java: `updateSubscriptionGroupConfig`. An error for attributes that `alter` refuses.
    pub fn update(&self, group: SubscriptionGroupConfig) -> Result<(), AttributeError> {
        self.update_list(vec![group]).map_err(|(_, error)| error)
    }

    /// As [`update`](Self::update) for several, with one write: all, or none if one is refused, which the error names. Java:
    /// `updateSubscriptionGroupConfigList`, which keeps those before the refused one.
    pub fn update_list(&self, groups: Vec<SubscriptionGroupConfig>) -> Result<(), (String, AttributeError)> {
        {
            let mut table = self.table.write();
            let mut altered = Vec::with_capacity(groups.len());
            for mut group in groups.into_iter().filter(|group| !self.is_lmq(&group.group_name)) {
                let current = table.groups.get(&group.group_name).map(|current| &current.attributes);
                match attributes::alter(attributes::OF_GROUPS, current, &group.attributes) {
                    Ok(attributes) => group.attributes = attributes,
                    Err(error) => return Err((group.group_name, error)),
                }
                altered.push(group);
            }
            for group in altered {
                tracing::info!("group updated: {group:?}");
                self.put_changed(&mut table, group);
            }
        }
        self.persist_soon();
        Ok(())
    }

    /// False if there was no such group. Java: `deleteSubscriptionGroupConfig`.
    pub fn delete(&self, group: &str) -> bool {
        let is_deleted = {
            let mut table = self.table.write();
            table.forbidden.remove(group);
            let is_deleted = table.groups.remove(group).is_some();
            if is_deleted {
                self.next_version(&mut table);
            }
            is_deleted
        };
        tracing::info!("group {group} deleted: {is_deleted}");
        self.persist_soon();
        is_deleted
    }

    /// Stops a group's consumption until an update allows it again; false if there is no such group.
    /// Java: `disableConsume`.
    pub fn disable_consume(&self, group: &str) -> bool {
        let mut table = self.table.write();
        let Some(found) = table.groups.get_mut(group) else { return false };
        Arc::make_mut(found).consume_enable = false;
        self.next_version(&mut table);
        true
    }

    /// Whether bit `index` (from 0) forbids the topic to the group. Java: `getForbidden`.
    pub fn forbidden(&self, group: &str, topic: &str, index: u32) -> bool {
        let table = self.table.read();
        // Nearly always empty, and asked at every pull.
        !table.forbidden.is_empty() && table.forbidden_bits(group, topic) & bit(index) != 0
    }

    /// Java: `updateForbidden`, which forgets all topics of a group with the last bit of one of them.
    pub fn update_forbidden(&self, group: &str, topic: &str, index: u32, is_forbidden: bool) {
        {
            let mut table = self.table.write();
            let bits = table.forbidden_bits(group, topic);
            let bits = if is_forbidden { bits | bit(index) } else { bits & !bit(index) };
            if bits <= 0 {
                table.forbidden.remove(group);
            } else {
                let topics = table.forbidden.entry(group.to_owned()).or_default();
                topics.insert(topic.to_owned(), bits);
            }
            self.next_version(&mut table);
        }
        self.persist_soon();
    }

    /// Which version of the table this is: it grows with each change.
    pub fn data_version(&self) -> DataVersion {
        self.table.read().data_version
    }

    /// The whole table, for GET_ALL_SUBSCRIPTIONGROUP_CONFIG and the file.
    pub fn to_wrapper(&self) -> SubscriptionGroupWrapper {
        let table = self.table.read();
        let groups = table.groups.iter().map(|(name, group)| (name.clone(), group.clone()));
        SubscriptionGroupWrapper {
            data_version: table.data_version,
            forbidden_table: table.forbidden.clone(),
            subscription_group_table: groups.collect(),
        }
    }

    /// As [`to_wrapper`](Self::to_wrapper), at most `max` groups in order of name from the `seq`th on, and how many there are in all.
    /// From the first on where `data_version` is not the table's. Java: `subGroupTable`.
    pub fn page(
        &self,
        data_version: Option<DataVersion>,
        seq: usize,
        max: usize,
    ) -> (SubscriptionGroupWrapper, usize) {
        let mut wrapper = self.to_wrapper();
        let total = wrapper.subscription_group_table.len();
        let seq = if data_version == Some(wrapper.data_version) { seq } else { 0 };
        let page = wrapper.subscription_group_table.into_iter().skip(seq).take(max);
        wrapper.subscription_group_table = page.collect();
        wrapper.forbidden_table.retain(|group, _| wrapper.subscription_group_table.contains_key(group));
        (wrapper, total)
    }

    fn put_changed(&self, table: &mut Table, group: SubscriptionGroupConfig) -> Arc<SubscriptionGroupConfig> {
        let group = table.put(group);
        self.next_version(table);
        group
    }

    fn next_version(&self, table: &mut Table) {
        // The state version is the controller's master epoch, 0 without a controller.
        table.data_version.next(0, self.clock.wall_ms());
        self.file.note_change();
    }
}

fn named(group: &str) -> SubscriptionGroupConfig {
    SubscriptionGroupConfig { group_name: group.to_owned(), ..SubscriptionGroupConfig::default() }
}

/// Java's `1 << index`, which takes the index modulo 32.
fn bit(index: u32) -> i32 {
    1i32.wrapping_shl(index)
}

impl ConfigTable for Groups {
    fn file(&self) -> &TableFile {
        &self.file
    }

    fn encode(&self) -> Vec<u8> {
        json::to_pretty(&self.to_wrapper())
    }
}
