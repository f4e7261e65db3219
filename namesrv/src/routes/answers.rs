//! What the tables say.

use super::{BrokerAddr, MASTER_ID, PERM_WRITE, Routes, Rules};
use remoting::body::{
    BrokerData, BrokerMemberGroup, ClusterInfo, DataVersion, QueueData, TopicList, TopicRouteData,
};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Java: `TopicValidator.SYNC_BROKER_MEMBER_GROUP_PREFIX`. Brokers find each other through it: no acting master there.
const SYNC_BROKER_MEMBER_GROUP_PREFIX: &str = "rmq_sys_SYNC_BROKER_MEMBER_";
/// Java: `TopicSysFlag`.
const FLAG_UNIT: i32 = 1;
const FLAG_UNIT_SUB: i32 = 2;

impl Routes {
    /// None if no registered broker holds the topic. Java: `pickupTopicRouteData`.
    pub fn route(&self, topic: &str, rules: Rules) -> Option<TopicRouteData> {
        // Queues of a broker that has just left may still be there.
        let of_brokers = self.topics.get(topic)?.iter().filter_map(|queues| {
            let broker = self.brokers.get(&*queues.broker_name)?;
            Some((queues.clone(), broker.clone()))
        });
        let (queue_datas, mut broker_datas): (Vec<QueueData>, Vec<BrokerData>) = of_brokers.unzip();
        if broker_datas.is_empty() {
            return None;
        }
        let filter_server_table = self.filter_servers_of(&broker_datas);
        if rules.support_acting_master && !topic.starts_with(SYNC_BROKER_MEMBER_GROUP_PREFIX) {
            broker_datas.iter_mut().for_each(|broker| appoint_acting_master(broker, &queue_datas));
        }
        Some(TopicRouteData {
            broker_datas,
            filter_server_table,
            order_topic_conf: None,
            queue_datas,
            topic_queue_mapping_by_broker: self.static_topics.get(topic).cloned(),
        })
    }

    fn filter_servers_of(&self, brokers: &[BrokerData]) -> BTreeMap<String, Vec<String>> {
        if self.filter_servers.is_empty() {
            return BTreeMap::new();
        }
        let addrs =
            brokers.iter().flat_map(|broker| broker.broker_addrs.values().map(move |addr| (broker, addr)));
        let found = addrs.filter_map(|(broker, addr)| {
            Some((addr.clone(), self.filter_servers.get(&BrokerAddr::new(&broker.cluster, addr))?.clone()))
        });
        found.collect()
    }

    /// All brokers and clusters. Java: `getAllClusterInfo`.
    pub fn cluster_info(&self) -> ClusterInfo<'_> {
        ClusterInfo {
            broker_addr_table: Cow::Borrowed(&self.brokers),
            cluster_addr_table: Cow::Borrowed(&self.clusters),
        }
    }

    /// The brokers of one name. Java: `getBrokerMemberGroup`.
    pub fn member_group(&self, cluster: Option<&str>, name: Option<&str>) -> BrokerMemberGroup {
        let broker = name.and_then(|name| self.brokers.get(name));
        BrokerMemberGroup {
            broker_addrs: broker.map(|broker| broker.broker_addrs.clone()).unwrap_or_default(),
            broker_name: name.map(str::to_owned),
            cluster: cluster.map(str::to_owned),
        }
    }

    /// Of the broker's last registration. Java: `queryBrokerTopicConfig`.
    pub fn data_version(&self, cluster: &str, addr: &str) -> Option<DataVersion> {
        self.live.get(&BrokerAddr::new(cluster, addr)).map(|live| live.data_version)
    }

    /// All topics. Java: `getAllTopicList`.
    pub fn all_topics(&self) -> TopicList<&str> {
        self.topics_where(|_| true)
    }

    /// Clusters and brokers, which are topics too. Java: `getSystemTopicList`.
    pub fn system_topics(&self) -> TopicList<&str> {
        let names = self.clusters.iter().flat_map(|(cluster, names)| std::iter::once(cluster).chain(names));
        let names: BTreeSet<&str> = names.map(String::as_str).collect();
        let broker_addr = self.brokers.values().find_map(|broker| broker.broker_addrs.values().next());
        TopicList { broker_addr: broker_addr.map(String::as_str), topic_list: names.into_iter().collect() }
    }

    /// The topics that a broker of the cluster has. Java: `getTopicsByCluster`.
    pub fn topics_of_cluster(&self, cluster: &str) -> TopicList<&str> {
        let Some(names) = self.clusters.get(cluster) else { return TopicList::default() };
        self.topics_where(|queues| queues.iter().any(|queues| names.contains(&*queues.broker_name)))
    }

    /// Topics of a unit. Java: `getUnitTopics`.
    pub fn unit_topics(&self) -> TopicList<&str> {
        self.topics_where(|queues| flags(queues) & FLAG_UNIT != 0)
    }

    /// Topics that units subscribe to. Java: `getHasUnitSubTopicList`.
    pub fn has_unit_sub_topics(&self) -> TopicList<&str> {
        self.topics_where(|queues| flags(queues) & FLAG_UNIT_SUB != 0)
    }

    /// Of those, the ones of no unit. Java: `getHasUnitSubUnUnitTopicList`.
    pub fn has_unit_sub_ununit_topics(&self) -> TopicList<&str> {
        self.topics_where(|queues| flags(queues) & (FLAG_UNIT | FLAG_UNIT_SUB) == FLAG_UNIT_SUB)
    }

    fn topics_where(&self, wanted: impl Fn(&[QueueData]) -> bool) -> TopicList<&str> {
        let topics = self.topics.iter().filter(|(_, queues)| wanted(queues));
        TopicList { broker_addr: None, topic_list: topics.map(|(topic, _)| topic.as_str()).collect() }
    }
}

/// Of a topic's first broker; they should agree.
fn flags(queues: &[QueueData]) -> i32 {
    queues.first().map_or(0, |queues| queues.topic_sys_flag)
}

/// The slave with the lowest id is shown as master, so that clients may lock queues and ask for offsets there.
fn appoint_acting_master(broker: &mut BrokerData, queues: &[QueueData]) {
    if broker.broker_addrs.contains_key(&MASTER_ID) || !broker.enable_acting_master {
        return;
    }
    let queues = queues.iter().find(|queues| *queues.broker_name == *broker.broker_name);
    if queues.is_some_and(|queues| queues.perm & PERM_WRITE == 0)
        && let Some((_, addr)) = broker.broker_addrs.pop_first()
    {
        broker.broker_addrs.insert(MASTER_ID, addr);
    }
}

/// Leaves the brokers of a zone, and those that have no master: nearness ends where nobody else is. Java:
/// `ZoneRouteRPCHook.filterByZoneName`.
pub fn keep_zone(route: &mut TopicRouteData, zone_name: &str) {
    let is_kept = |broker: &BrokerData| {
        !broker.broker_addrs.contains_key(&MASTER_ID)
            || broker.zone_name.as_deref().is_some_and(|zone| zone.to_lowercase() == zone_name.to_lowercase())
    };
    let (kept, removed): (Vec<_>, Vec<_>) =
        std::mem::take(&mut route.broker_datas).into_iter().partition(is_kept);
    route.broker_datas = kept;
    route
        .queue_datas
        .retain(|queues| !removed.iter().any(|broker| *broker.broker_name == *queues.broker_name));
    for addr in removed.iter().flat_map(|broker| broker.broker_addrs.values()) {
        route.filter_server_table.remove(addr);
    }
}
