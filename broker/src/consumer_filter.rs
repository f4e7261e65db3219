//! The expressions that consumer groups filter with, and `config/consumerFilter.json`. Java: `ConsumerFilterManager`,
//! `ConsumerFilterData`.

mod file;
mod matching;
mod recent;
#[cfg(test)]
mod tests;

pub use matching::{PropertyText, SqlFilter};

use crate::config::{BrokerConfig, BrokerSettings};
use crate::persister::ConfigTable;
use crate::table_file::TableFile;
use file::{FilterDataByTopic, StoredFilters};
use filter::bloom::{BloomError, BloomFilter, BloomFilterData};
use filter::{CompileError, Expression};
use parking_lot::RwLock;
use process::clock::Clock;
use process::config::Live;
use process::files::{FileError, LoadError};
use recent::RecentExpressions;
use remoting::body::{SubscriptionData, is_tag_type};
use remoting::json;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// Java: `ExpressionType.SQL92`, the only kind besides tags.
pub const SQL92: &str = "SQL92";
/// A group of the file that was alive counts as dead for so long already. Java: `ConsumerFilterManager.decode`.
const DEAD_BEFORE_LOAD_MS: i64 = 30_000;

/// What one group wants of one topic, for as long as its expression is this one.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupFilter {
    /// The topic that is filtered.
    pub topic: String,
    /// The consumer group that filters it.
    pub group: String,
    /// As the consumer wrote it.
    pub expression: String,
    /// `SQL92`, as the consumer wrote it; tags are not filtered here.
    pub expression_type: String,
    /// None where a file holds what does not compile: then all messages are wanted.
    pub compiled: Option<Arc<Expression>>,
    /// Messages stored later than this have this group's bits, if bits are kept. Milliseconds since 1970.
    pub born_ms: i64,
    /// None for a pull that brought its expression along.
    pub bloom: Option<BloomFilterData>,
}

impl GroupFilter {
    /// Java: `ConsumerFilterManager.build`. None if the expression is no good.
    fn build(
        topic: &str,
        group: &str,
        expression: &str,
        kind: &str,
        now_ms: i64,
        compile: impl FnOnce(&str) -> Result<Arc<Expression>, CompileError>,
    ) -> Option<GroupFilter> {
        if kind != SQL92 {
            tracing::error!("{group} filters {topic} by {kind}, which is unknown");
            return None;
        }
        let compiled = compile(expression).inspect_err(|error| {
            tracing::error!("{group} filters {topic} by {expression:?}, which is no expression: {error}");
        });
        Some(GroupFilter {
            topic: topic.to_owned(),
            group: group.to_owned(),
            expression: expression.to_owned(),
            expression_type: kind.to_owned(),
            compiled: Some(compiled.ok()?),
            born_ms: now_ms,
            bloom: None,
        })
    }
}

/// A group's filter and what changes about it.
#[derive(Clone, Debug)]
struct Registered {
    filter: Arc<GroupFilter>,
    /// Of the subscription, as the client counts.
    client_version: i64,
    /// When its last client left; dead if not before its birth.
    dead_ms: i64,
}

impl Registered {
    fn is_dead(&self) -> bool {
        self.dead_ms >= self.filter.born_ms
    }

    /// The clock may have gone back since the birth.
    fn die(&mut self, now_ms: i64) {
        self.dead_ms = now_ms.max(self.filter.born_ms);
    }
}

/// What a subscription changes.
enum Step {
    Nothing,
    Renew,
    Replace,
}

/// By topic, then by group.
type Table = HashMap<String, HashMap<String, Registered>>;

/// The Bloom filter that `maxErrorRateOfBloomFilter` and `expectConsumerNumUseFilter` ask for.
pub fn bloom(broker: &BrokerConfig) -> Result<BloomFilter, BloomError> {
    BloomFilter::new(broker.max_error_rate_of_bloom_filter, broker.expect_consumer_num_use_filter)
}

/// Filters by topic and group, kept in `consumerFilter.json`. Java: `ConsumerFilterManager`.
pub struct ConsumerFilters {
    settings: Live<BrokerSettings>,
    bloom: BloomFilter,
    clock: Clock,
    table: RwLock<Table>,
    recent: RecentExpressions,
    file: TableFile,
}

impl ConsumerFilters {
    /// Reads the file at `path`; a missing one is an empty table. An error if neither it nor its backup can be read.
    pub fn load(
        path: &Path,
        settings: Live<BrokerSettings>,
        bloom: BloomFilter,
        clock: Clock,
    ) -> Result<ConsumerFilters, LoadError> {
        let (file, stored) = TableFile::open::<StoredFilters>(path)?;
        let table = stored.and_then(|stored| loaded(stored, &bloom, clock.wall_ms())).unwrap_or_default();
        let (table, recent) = (RwLock::new(table), RecentExpressions::default());
        Ok(ConsumerFilters { settings, bloom, clock, table, recent, file })
    }

    /// The filter that makes the bits of messages and of groups.
    pub fn bloom(&self) -> &BloomFilter {
        &self.bloom
    }

    /// A group's filter and its version. Java: `get(topic, group)`.
    pub fn get(&self, topic: &str, group: &str) -> Option<(Arc<GroupFilter>, i64)> {
        let table = self.table.read();
        table.get(topic)?.get(group).map(|known| (known.filter.clone(), known.client_version))
    }

    /// A group's filter as JSON for people, `null` if it has none.
    pub fn to_json(&self, topic: &str, group: &str) -> String {
        let table = self.table.read();
        let known = table.get(topic).and_then(|groups| groups.get(group)).map(file::FilterData::from);
        String::from_utf8_lossy(&json::to_pretty(&known)).into_owned()
    }

    /// The filter that a pull brings along; it is kept nowhere. None if the expression is no good.
    pub fn brought(
        &self,
        topic: &str,
        group: &str,
        expression: &str,
        kind: &str,
    ) -> Option<Arc<GroupFilter>> {
        let now_ms = self.clock.wall_ms();
        GroupFilter::build(topic, group, expression, kind, now_ms, |sql| self.recent.compile(sql))
            .map(Arc::new)
    }

    /// All that a heartbeat says a group subscribes: expressions are noted, topics that are gone are dead.
    pub fn register_all(&self, group: &str, subscriptions: &[SubscriptionData]) {
        for subscription in subscriptions {
            let SubscriptionData { topic, sub_string, expression_type, sub_version, .. } = subscription;
            self.register(topic, group, sub_string, expression_type, *sub_version);
        }
        // Most groups filter by tags alone.
        let gone: Vec<String> = {
            let table = self.table.read();
            let subscribed: HashSet<_> = subscriptions.iter().map(|s| s.topic.as_str()).collect();
            let groups = table.iter().filter_map(|(topic, groups)| Some((topic, groups.get(group)?)));
            let gone =
                groups.filter(|(topic, known)| !known.is_dead() && !subscribed.contains(topic.as_str()));
            gone.map(|(topic, _)| topic.clone()).collect()
        };
        for topic in gone {
            tracing::info!("{group} filters {topic} no longer");
            self.change(&topic, group, |known| known.die(self.clock.wall_ms()));
        }
    }

    /// False where nothing has changed, or the expression is no good; then one that it would have replaced is gone too.
    /// Java: `register(topic, group, expression, type, version)`.
    pub fn register(&self, topic: &str, group: &str, expression: &str, kind: &str, version: i64) -> bool {
        if is_tag_type(Some(kind)) || expression.is_empty() {
            return false;
        }
        match self.step(topic, group, expression, kind, version) {
            Step::Nothing => false,
            Step::Replace => self.replace(topic, group, expression, kind, version),
            Step::Renew => {
                self.change(topic, group, |known| {
                    known.client_version = known.client_version.max(version);
                    if known.is_dead() {
                        known.dead_ms = 0;
                    }
                });
                true
            }
        }
    }

    fn step(&self, topic: &str, group: &str, expression: &str, kind: &str, version: i64) -> Step {
        let table = self.table.read();
        let Some(known) = table.get(topic).and_then(|groups| groups.get(group)) else { return Step::Replace };
        let is_same = known.filter.expression == expression && known.filter.expression_type == kind;
        match version.cmp(&known.client_version) {
            Ordering::Equal if known.is_dead() => Step::Renew,
            Ordering::Greater if is_same => Step::Renew,
            Ordering::Greater => Step::Replace,
            _ => {
                if !is_same {
                    tracing::info!("{group} filters {topic} by no newer version, which changes nothing");
                }
                Step::Nothing
            }
        }
    }

    /// Notes a new expression. It is compiled without holding up others.
    fn replace(&self, topic: &str, group: &str, expression: &str, kind: &str, version: i64) -> bool {
        let compile = |sql: &str| Expression::compile(sql).map(Arc::new);
        let built = GroupFilter::build(topic, group, expression, kind, self.clock.wall_ms(), compile);
        let mut table = self.table.write();
        let is_outdated = |known: &Registered| known.client_version >= version;
        if table.get(topic).and_then(|groups| groups.get(group)).is_some_and(is_outdated) {
            return false;
        }
        let Some(mut filter) = built else {
            if let Some(groups) = table.get_mut(topic) {
                groups.remove(group);
            }
            self.file.note_change();
            return false;
        };
        tracing::info!("{group} filters {topic} by {expression:?}");
        filter.bloom = Some(self.bloom.generate(&format!("{group}#{topic}")));
        // Not when the compilation began: a message stored meanwhile may have been derived without this group's bits.
        filter.born_ms = self.clock.wall_ms();
        let registered = Registered { filter: Arc::new(filter), client_version: version, dead_ms: 0 };
        table.entry(topic.to_owned()).or_default().insert(group.to_owned(), registered);
        self.file.note_change();
        true
    }

    /// The group's last client has left. Java: `unRegister`.
    pub fn unregister(&self, group: &str) {
        let is_alive = |groups: &HashMap<String, Registered>| groups.get(group).is_some_and(|g| !g.is_dead());
        let topics: Vec<String> = {
            let table = self.table.read();
            table.iter().filter(|(_, groups)| is_alive(groups)).map(|(topic, _)| topic.clone()).collect()
        };
        for topic in topics {
            self.change(&topic, group, |known| known.die(self.clock.wall_ms()));
        }
    }

    fn change(&self, topic: &str, group: &str, change: impl FnOnce(&mut Registered)) {
        let mut table = self.table.write();
        if let Some(known) = table.get_mut(topic).and_then(|groups| groups.get_mut(group)) {
            change(known);
            self.file.note_change();
        }
    }

    /// The bits of the groups that want a message, for the queue's extension; none where no group filters the topic.
    /// `properties` is the record's text. Java: `CommitLogDispatcherCalcBitMap`.
    pub fn bit_map(&self, topic: &str, properties: &str) -> Option<Vec<u8>> {
        let table = self.table.read();
        let groups = table.get(topic).filter(|groups| !groups.is_empty())?;
        let mut map = vec![0; self.bloom.bytes()];
        for known in groups.values() {
            let (Some(compiled), Some(bits)) = (&known.filter.compiled, &known.filter.bloom) else {
                continue;
            };
            match compiled.matches(&PropertyText(properties)) {
                Ok(true) => self.bloom.hash_to(bits, &mut map),
                Ok(false) => {}
                Err(error) => tracing::warn!("no bits for {} in {topic}: {error}", known.filter.group),
            }
        }
        Some(map)
    }

    fn clean(&self) {
        let span_ms = self.settings.load().broker.filter_data_clean_time_span_ms;
        let long_ago = self.clock.wall_ms().saturating_sub(span_ms);
        let is_over = |known: &Registered| known.is_dead() && known.dead_ms <= long_ago;
        let has_over = self.table.read().values().any(|g| g.is_empty() || g.values().any(is_over));
        if !has_over {
            return;
        }
        self.table.write().retain(|topic, groups| {
            groups.retain(|group, known| {
                if is_over(known) {
                    tracing::info!("{group} left long ago, its filter of {topic} is forgotten");
                }
                !is_over(known)
            });
            !groups.is_empty()
        });
        self.file.note_change();
    }

    fn to_stored(&self) -> StoredFilters {
        let mut stored = StoredFilters::default();
        for (topic, groups) in &*self.table.read() {
            let of_topic = FilterDataByTopic {
                group_filter_data: groups
                    .iter()
                    .map(|(group, known)| (group.clone(), known.into()))
                    .collect(),
                topic: topic.clone(),
            };
            stored.filter_data_by_topic.insert(topic.clone(), of_topic);
        }
        stored
    }
}

/// What a file holds; nothing of it if its bits are those of another filter.
fn loaded(stored: StoredFilters, bloom: &BloomFilter, now_ms: i64) -> Option<Table> {
    let mut table = Table::new();
    for (topic, of_topic) in stored.filter_data_by_topic {
        let groups = table.entry(topic).or_default();
        for (group, data) in of_topic.group_filter_data {
            if !data.bloom_filter_data.as_ref().is_some_and(|data| bloom.is_valid(data)) {
                tracing::info!("the bloom filter has changed, all persisted filters are left out");
                return None;
            }
            let mut known = Registered::from(data);
            if known.dead_ms == 0 {
                known.die(now_ms - DEAD_BEFORE_LOAD_MS);
            }
            groups.insert(group, known);
        }
    }
    Some(table)
}

impl ConfigTable for ConsumerFilters {
    fn file(&self) -> &TableFile {
        &self.file
    }

    fn encode(&self) -> Vec<u8> {
        json::to_pretty(&self.to_stored())
    }

    /// Forgets groups that left long ago first. Java: `encode`.
    fn write(&self) -> Result<(), FileError> {
        self.clean();
        self.file.persist(|| self.encode())
    }
}
