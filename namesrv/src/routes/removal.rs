//! Brokers that leave, fall silent or lose their connection; topics that are deleted.

use super::{Begun, BrokerAddr, MASTER_ID, MinBrokerIdChange, PARTS, PERM_WRITE, Routes, Rules, Topics};
use remoting::connection::Peer;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// A broker that goes, its name and its id. Java: `UnRegisterBrokerRequestHeader` in its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "said at the struct")]
pub struct Leaving {
    pub broker: BrokerAddr,
    pub name: String,
    pub id: i64,
}

/// Brokers that left, whose topics are yet to be looked through: one part of the table after another.
#[derive(Debug, Default)]
pub struct Left {
    /// Names of which no broker is left.
    gone: HashSet<String>,
    /// Names without a master.
    masterless: HashSet<String>,
    /// Whom to tell.
    pub notices: Vec<MinBrokerIdChange>,
}

impl Left {
    /// Whether topics are to be taken out.
    pub fn has_topics(&self) -> bool {
        !self.gone.is_empty() || !self.masterless.is_empty()
    }
}

impl Routes {
    /// All of it at once; returns whom to tell. Java: `unRegisterBroker`.
    pub fn unregister(&mut self, leaving: &[Leaving], rules: Rules) -> Vec<MinBrokerIdChange> {
        let left = self.begin_unregistration(leaving, rules);
        (0..PARTS).for_each(|part| self.take_out(&left, part));
        left.notices
    }

    /// The brokers are gone, and their queues still in the table; nobody is shown those without a broker.
    pub fn begin_unregistration(&mut self, leaving: &[Leaving], rules: Rules) -> Left {
        let (mut gone, mut reduced) = (HashSet::new(), BTreeSet::new());
        let mut notices = BTreeMap::new();
        for Leaving { broker: key, name, id } in leaving {
            let was_live = self.live.contains_key(key);
            tracing::info!(
                "broker {name} {id} {} of cluster {} leaves, live: {was_live}",
                key.addr,
                key.cluster
            );
            let Some(broker) = self.brokers.get_mut(name) else {
                self.forget_unless_held(key);
                continue;
            };
            let was_lowest = broker.broker_addrs.first_key_value().is_some_and(|(lowest, _)| lowest == id);
            broker.broker_addrs.retain(|_, addr| *addr != key.addr);
            if broker.broker_addrs.is_empty() {
                self.brokers.remove(name);
                self.remove_from_clusters(name);
                gone.insert(name.clone());
            } else {
                reduced.insert(name.as_str());
                if was_lowest && broker.enable_acting_master {
                    let notice = self.min_broker_id_change(name, Some(&key.addr), None);
                    notices.insert(name.as_str(), notice);
                }
            }
            self.forget_unless_held(key);
        }
        if !gone.is_empty() {
            self.removals += 1;
        }
        let masterless = reduced.into_iter().filter(|name| self.is_masterless(name));
        let masterless = masterless.map(str::to_owned).collect();
        let notices = match rules.notify_min_broker_id_changed {
            true => notices.into_values().flatten().collect(),
            false => Vec::new(),
        };
        Left { gone, masterless, notices }
    }

    /// Without a master nobody takes messages, though a slave may act for it otherwise.
    fn is_masterless(&self, name: &str) -> bool {
        self.brokers.get(name).is_some_and(|broker| {
            broker.enable_acting_master
                && broker.broker_addrs.first_key_value().is_none_or(|(lowest, _)| *lowest > MASTER_ID)
        })
    }

    /// Takes the queues of brokers that left out of one of the [`PARTS`].
    pub fn take_out(&mut self, left: &Left, part: usize) {
        let Left { gone, masterless, .. } = left;
        if !left.has_topics() {
            return;
        }
        self.topics.part_mut(part).retain(|_, queues| {
            if !gone.is_empty() {
                queues.retain(|queues| !gone.contains(&*queues.broker_name));
            }
            if !masterless.is_empty() {
                for queues in queues.iter_mut().filter(|queues| masterless.contains(&*queues.broker_name)) {
                    queues.perm &= !PERM_WRITE;
                }
            }
            !queues.is_empty()
        });
    }

    /// A broker may have come to another cluster under its old name.
    fn remove_from_clusters(&mut self, name: &str) {
        self.clusters.retain(|_, names| {
            names.remove(name);
            !names.is_empty()
        });
    }

    /// An address is alive as long as a broker has it: when its connection ends, all of them go. Java forgets it with the
    /// first one, and the others stay for good.
    pub(super) fn forget_unless_held(&mut self, key: &BrokerAddr) {
        if self.holders(key).next().is_none() {
            self.live.remove(key);
            self.filter_servers.remove(key);
        }
    }

    /// Brokers that have registered this address, by name and id: one that is renamed leaves its old name behind.
    fn holders<'a>(&'a self, key: &'a BrokerAddr) -> impl Iterator<Item = (&'a str, i64)> {
        let names = self.clusters.get(&key.cluster).into_iter().flatten();
        let brokers = names.filter_map(|name| self.brokers.get(name));
        brokers.filter_map(|broker| {
            let (id, _) = broker.broker_addrs.iter().find(|(_, addr)| **addr == key.addr)?;
            Some((&*broker.broker_name, *id))
        })
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

    /// Removes brokers by address alone, whatever they are called. Java: `setupUnRegisterRequest`, which takes the first.
    pub fn begin_drop(&mut self, keys: &[BrokerAddr], rules: Rules) -> Left {
        let leaving_from = |key: &BrokerAddr| {
            let leaving =
                |(name, id): (&str, i64)| Leaving { broker: key.clone(), name: name.to_owned(), id };
            self.holders(key).map(leaving).collect::<Vec<_>>()
        };
        let leaving: Vec<_> = keys.iter().flat_map(leaving_from).collect();
        let left = self.begin_unregistration(&leaving, rules);
        // Nobody has them now.
        keys.iter().for_each(|key| self.forget_unless_held(key));
        left
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

    /// Takes the broker away from topics that its registration does not name, in one of the [`PARTS`], if so configured.
    pub fn remove_topics_beyond(&mut self, begun: &Begun, topics: &Topics, part: usize) {
        let Topics::Table(table) = topics else { return };
        if !begun.removes {
            return;
        }
        let named = &table.topic_config_table;
        self.topics.part_mut(part).retain(|topic, queues| {
            if !named.contains_key(topic) {
                queues.retain(|queues| queues.broker_name != begun.name);
            }
            !queues.is_empty()
        });
    }
}
