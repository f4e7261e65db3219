//! How many messages each topic has in some state: a file and nobody's rule. Java: `TransactionMetrics`, `TimerMetrics`.

use crate::persister::ConfigTable;
use crate::table_file::TableFile;
use parking_lot::Mutex;
use process::clock::Clock;
use process::files::LoadError;
use remoting::body::{TopicCounts, TopicMetric};
use remoting::json;
use std::collections::BTreeMap;
use std::path::Path;

/// The counts, in the JSON of `T`.
pub struct TopicMetrics<T> {
    clock: Clock,
    file: TableFile,
    table: Mutex<T>,
}

impl<T: TopicCounts> TopicMetrics<T> {
    /// Reads the file at `path`; a missing one counts nothing. An error if neither it nor its backup can be read.
    pub fn load(path: &Path, clock: Clock) -> Result<TopicMetrics<T>, LoadError> {
        let (file, stored) = TableFile::open::<T>(path)?;
        let new = || {
            let mut table = T::default();
            table.data_version().timestamp = clock.wall_ms();
            table
        };
        let table = Mutex::new(stored.unwrap_or_else(new));
        Ok(TopicMetrics { clock, file, table })
    }

    /// Java: `addAndGet`.
    pub fn add(&self, topic: &str, count: i64) {
        let now_ms = self.clock.wall_ms();
        {
            let mut table = self.table.lock();
            table.data_version().next(0, now_ms);
            let counts = table.counts();
            match counts.get_mut(topic) {
                Some(metric) => *metric = TopicMetric { count: metric.count + count, time_stamp: now_ms },
                None => drop(counts.insert(topic.to_owned(), TopicMetric { count, time_stamp: now_ms })),
            }
        }
        self.file.note_change();
    }

    pub fn counts(&self) -> BTreeMap<String, TopicMetric> {
        self.table.lock().counts().clone()
    }

    #[cfg(test)]
    pub fn count(&self, topic: &str) -> i64 {
        self.counts().get(topic).map_or(0, |metric| metric.count)
    }

    /// Forgets a topic. Java: `removeTimingCount`.
    pub fn remove(&self, topic: &str) {
        if self.table.lock().counts().remove(topic).is_some() {
            self.file.note_change();
        }
    }

    /// Corrects counts; topics that have none meanwhile stay away.
    pub fn set(&self, corrected: impl IntoIterator<Item = (String, i64)>) {
        let now_ms = self.clock.wall_ms();
        {
            let mut table = self.table.lock();
            for (topic, count) in corrected {
                if let Some(metric) = table.counts().get_mut(&topic) {
                    *metric = TopicMetric { count, time_stamp: now_ms };
                }
            }
        }
        self.file.note_change();
    }

    /// The file's text.
    pub fn to_json(&self) -> Vec<u8> {
        json::to_bytes(&*self.table.lock())
    }
}

impl<T: TopicCounts + Send> ConfigTable for TopicMetrics<T> {
    fn file(&self) -> &TableFile {
        &self.file
    }

    fn encode(&self) -> Vec<u8> {
        self.to_json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;
    use remoting::body::{TimerMetricsSerializeWrapper, TransactionMetricsSerializeWrapper};

    fn java_s_file_is_read_and_written_as_it_is<T: TopicCounts + Send>(store: &str, name: &str) {
        let golden = golden::config_file("5.5.0", store, name);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, &golden).unwrap();
        let metrics = TopicMetrics::<T>::load(&path, Clock::test(0)).unwrap();
        assert!(!metrics.counts().is_empty());
        metrics.file.note_change();
        metrics.persist();
        assert_eq!(std::fs::read(&path).unwrap(), golden);
    }

    #[test]
    fn transactions() {
        java_s_file_is_read_and_written_as_it_is::<TransactionMetricsSerializeWrapper>(
            "flow",
            "transactionMetrics",
        );
    }

    #[test]
    fn timed_messages() {
        java_s_file_is_read_and_written_as_it_is::<TimerMetricsSerializeWrapper>("five", "timermetrics");
    }

    #[test]
    fn counts_go_up_and_down_and_can_be_corrected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config/timermetrics");
        let load = || TopicMetrics::<TimerMetricsSerializeWrapper>::load(&path, Clock::test(7)).unwrap();
        let metrics = load();
        metrics.add("A", 3);
        metrics.add("A", -1);
        metrics.add("B", 1);
        metrics.set([("A".to_owned(), 5), ("C".to_owned(), 1)]);
        metrics.persist();
        let counts = load().counts().into_iter().map(|(topic, metric)| (topic, metric.count));
        assert_eq!(counts.collect::<Vec<_>>(), [("A".to_owned(), 5), ("B".to_owned(), 1)]);
    }
}
