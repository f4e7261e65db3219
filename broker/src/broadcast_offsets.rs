//! How far the clients of broadcasting groups have pulled, each for itself. The least of a group is committed for the group
//! `<group>@broadcast`, where a client would begin that comes back by way of a proxy. Java: `BroadcastOffsetManager`.

use crate::config::BrokerSettings;
use parking_lot::Mutex;
use process::clock::Clock;
use process::config::Live;
use std::collections::HashMap;

/// What a group's name has behind it where the least offset is committed.
pub const BROADCAST_SUFFIX: &str = "@broadcast";

/// The least offset of a group's clients in one queue.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeastOffset {
    /// `<group>@broadcast`
    pub group: String,
    /// The topic that the group reads.
    pub topic: String,
    /// The queue within the topic.
    pub queue_id: i32,
    /// The least that any of the group's clients has pulled from.
    pub offset: i64,
}

/// How far each client of a broadcasting group has pulled; in memory only. Java: `BroadcastOffsetManager`.
pub struct BroadcastOffsets {
    clock: Clock,
    settings: Live<BrokerSettings>,
    /// By topic and group, then by client id.
    pulled: Mutex<HashMap<(String, String), HashMap<String, Pulled>>>,
}

struct Pulled {
    /// The last pull, on the monotonic clock.
    updated_ms: u64,
    /// By queue id.
    offsets: HashMap<i32, i64>,
}

impl BroadcastOffsets {
    /// Knows no client yet.
    pub fn new(settings: Live<BrokerSettings>, clock: Clock) -> BroadcastOffsets {
        BroadcastOffsets { clock, settings, pulled: Mutex::default() }
    }

    /// A client pulls at this offset; it counts if it is beyond the last one. Java: `updateOffset`.
    pub fn update(&self, topic: &str, group: &str, client_id: String, queue_id: i32, offset: i64) {
        let updated_ms = self.clock.monotonic_ms();
        let mut pulled = self.pulled.lock();
        let clients = pulled.entry((topic.to_owned(), group.to_owned())).or_default();
        let client =
            clients.entry(client_id).or_insert_with(|| Pulled { updated_ms, offsets: HashMap::new() });
        client.updated_ms = updated_ms;
        let known = client.offsets.entry(queue_id).or_insert(offset);
        *known = offset.max(*known);
    }

    /// Forgets the group's clients.
    pub fn remove_group(&self, group: &str) {
        self.pulled.lock().retain(|(_, of_group), _| of_group != group);
    }

    /// What to commit now; clients that have not pulled for long are forgotten. `is_online` takes a group and a client id.
    /// Java: `scanOffsetData`.
    pub fn scan(&self, is_online: impl Fn(&str, &str) -> bool) -> Vec<LeastOffset> {
        let now_ms = self.clock.monotonic_ms();
        let (expire_ms, expire_max_ms) = {
            let broker = &self.settings.load().broker;
            let ms = |seconds: u64| seconds.saturating_mul(1000);
            (ms(broker.broadcast_offset_expire_s), ms(broker.broadcast_offset_expire_max_s))
        };
        let mut least = Vec::new();
        self.pulled.lock().retain(|(topic, group), clients| {
            let mut of_queue = HashMap::new();
            clients.retain(|client_id, pulled| {
                let (online, idle_ms) =
                    (is_online(group, client_id), now_ms.saturating_sub(pulled.updated_ms));
                if online || idle_ms < expire_ms {
                    for (queue_id, offset) in &pulled.offsets {
                        let known = of_queue.entry(*queue_id).or_insert(*offset);
                        *known = (*known).min(*offset);
                    }
                }
                idle_ms < if online { expire_max_ms } else { expire_ms }
            });
            least.extend(of_queue.into_iter().map(|(queue_id, offset)| LeastOffset {
                group: [group, BROADCAST_SUFFIX].concat(),
                topic: topic.clone(),
                queue_id,
                offset,
            }));
            !clients.is_empty()
        });
        least
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_slowest_client_counts_until_it_is_gone_for_long() {
        let clock = Clock::test(0);
        let offsets = BroadcastOffsets::new(Live::new(BrokerSettings::of_defaults()), clock.clone());
        let update =
            |client: &str, queue_id, offset| offsets.update("t", "g", client.into(), queue_id, offset);
        let scan = |online: &[&str]| {
            let mut least = offsets.scan(|_, client| online.contains(&client));
            least.sort();
            least
        };
        let least = |queue_id, offset| LeastOffset {
            group: "g@broadcast".into(),
            topic: "t".into(),
            queue_id,
            offset,
        };
        update("c1", 0, 7);
        update("c1", 0, 5);
        update("c1", 1, 3);
        update("c2", 0, 2);
        assert_eq!(scan(&["c1", "c2"]), [least(0, 2), least(1, 3)]);

        clock.advance(Duration::from_secs(119));
        update("c1", 0, 9);
        assert_eq!(scan(&["c1"]), [least(0, 2), least(1, 3)], "c2 may come back");
        clock.advance(Duration::from_secs(1));
        assert_eq!(scan(&["c1"]), [least(0, 9), least(1, 3)]);

        clock.advance(Duration::from_secs(298));
        assert_eq!(scan(&["c1"]).len(), 2);
        clock.advance(Duration::from_secs(1));
        assert_eq!(scan(&["c1"]).len(), 2, "once more");
        assert_eq!(scan(&["c1"]), []);
        assert!(offsets.pulled.lock().is_empty());
    }
}
