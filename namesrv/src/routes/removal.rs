//! Brokers that leave, fall silent or lose their connection; topics that are deleted.

use super::{BrokerAddr, MASTER_ID, MinBrokerIdChange, PERM_WRITE, Routes, Rules};
use remoting::body::TopicConfig;
use remoting::connection::Peer;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A broker that goes, its name and its id. Java: `UnRegisterBrokerRequestHeader` in its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "said at the struct")]
pub struct Leaving {
    pub broker: BrokerAddr,
    pub name: String,
    pub id: i64,
}

impl Routes {
    /// Returns whom to tell. Java: `unRegisterBroker`.
    pub fn unregister(&mut self, leaving: &[Leaving], rules: Rules) -> Vec<MinBrokerIdChange> {
        let (mut gone, mut reduced) = (BTreeSet::new(), BTreeSet::new());
        let mut notices = BTreeMap::new();
        for Leaving { broker: key, name, id } in leaving {
            let was_live = self.live.remove(key).is_some();
            tracing::info!(
                "broker {name} {id} {} of cluster {} leaves, live: {was_live}",
                key.addr,
                key.cluster
            );
            self.filter_servers.remove(key);
            let Some(broker) = self.brokers.get_mut(name) else { continue };
            let was_lowest = broker.broker_addrs.first_key_value().is_some_and(|(lowest, _)| lowest == id);
            broker.broker_addrs.retain(|_, addr| *addr != key.addr);
            if broker.broker_addrs.is_empty() {
                self.brokers.remove(name);
                self.remove_from_cluster(&key.cluster, name);
                gone.insert(name.as_str());
            } else {
                reduced.insert(name.as_str());
                if was_lowest && broker.enable_acting_master {
                    let notice = self.min_broker_id_change(name, Some(&key.addr), None);
                    notices.insert(name.as_str(), notice);
                }
            }
        }
        self.remove_queues(&gone);
        self.make_read_only(&reduced);
        if rules.notify_min_broker_id_changed {
            notices.into_values().flatten().collect()
        } else {
            Vec::new()
        }
    }

    fn remove_from_cluster(&mut self, cluster: &str, name: &str) {
        if let Some(names) = self.clusters.get_mut(cluster) {
            names.remove(name);
            if names.is_empty() {
                self.clusters.remove(cluster);
            }
        }
    }

    fn remove_queues(&mut self, brokers: &BTreeSet<&str>) {
        if brokers.is_empty() {
            return;
        }
        self.removals += 1;
        self.topics.retain(|_, queues| {
            queues.retain(|queues| !brokers.contains(&*queues.broker_name));
            !queues.is_empty()
        });
    }

    /// Without a master nobody takes messages, though a slave may act for it otherwise.
    fn make_read_only(&mut self, brokers: &BTreeSet<&str>) {
        let masterless = |name: &str| {
            self.brokers.get(name).is_some_and(|broker| {
                broker.enable_acting_master
                    && broker.broker_addrs.first_key_value().is_none_or(|(lowest, _)| *lowest > MASTER_ID)
            })
        };
        let masterless: BTreeSet<&str> = brokers.iter().copied().filter(|name| masterless(name)).collect();
        if masterless.is_empty() {
            return;
        }
        for queues in self.topics.values_mut().flatten().filter(|q| masterless.contains(&*q.broker_name)) {
            queues.perm &= !PERM_WRITE;
        }
    }

    /// Brokers that said nothing for longer than they promised, and their connections. Java: `scanNotActiveBroker`.
    pub fn silent(&self, now_ms: i64) -> Vec<(BrokerAddr, Arc<Peer>)> {
        let silent = self
            .live
            .iter()
            .filter(|(_, live)| live.last_update_ms.saturating_add(live.silence_max_ms) < now_ms);
        silent.map(|(key, live)| (key.clone(), live.connection.clone())).collect()
    }

    /// Brokers that registered over a connection. Java: `onChannelDestroy`, which knows one broker a connection.
    pub fn connected_by(&self, connection_id: u64) -> Vec<BrokerAddr> {
        let theirs = self.live.iter().filter(|(_, live)| live.connection.id() == connection_id);
        theirs.map(|(key, _)| key.clone()).collect()
    }

    /// Removes brokers by address alone. Java: `setupUnRegisterRequest`.
    pub fn drop_brokers(&mut self, keys: &[BrokerAddr], rules: Rules) -> Vec<MinBrokerIdChange> {
        let mut leaving = Vec::new();
        for key in keys {
            match self.find(key) {
                Some((name, id)) => leaving.push(Leaving { broker: key.clone(), name: name.to_owned(), id }),
                None => drop(self.live.remove(key)),
            }
        }
        if leaving.is_empty() { Vec::new() } else { self.unregister(&leaving, rules) }
    }

    fn find(&self, key: &BrokerAddr) -> Option<(&str, i64)> {
        let in_cluster = self.brokers.values().filter(|broker| broker.cluster == key.cluster);
        let mut named =
            in_cluster.flat_map(|broker| broker.broker_addrs.iter().map(move |addr| (broker, addr)));
        let (broker, (id, _)) = named.find(|(_, (_, addr))| **addr == key.addr)?;
        Some((&broker.broker_name, *id))
    }

    /// Java: `deleteTopic(topic)`.
    pub fn delete_topic(&mut self, topic: &str) {
        self.removals += 1;
        self.topics.remove(topic);
    }

    /// Java: `deleteTopic(topic, clusterName)`.
    pub fn delete_topic_of_cluster(&mut self, topic: &str, cluster: &str) {
        let (Some(names), Some(queues)) = (self.clusters.get(cluster), self.topics.get_mut(topic)) else {
            return;
        };
        self.removals += 1;
        queues.retain(|queues| !names.contains(&*queues.broker_name));
        if queues.is_empty() {
            self.topics.remove(topic);
        }
    }

    /// Takes the broker away from topics that its registration does not name.
    pub(super) fn remove_topics_beyond(&mut self, name: &str, named: &BTreeMap<String, Arc<TopicConfig>>) {
        self.removals += 1;
        self.topics.retain(|topic, queues| {
            if !named.contains_key(topic) {
                queues.retain(|queues| &*queues.broker_name != name);
            }
            !queues.is_empty()
        });
    }
}
