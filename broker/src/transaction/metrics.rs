//! How many transactions each topic has open: a file and nobody's rule. Java: `TransactionMetrics`.

use crate::table_file::TableFile;
use parking_lot::Mutex;
use process::clock::Clock;
use process::files::LoadError;
use remoting::body::{DataVersion, TransactionMetricsSerializeWrapper};
use remoting::json;
use std::path::Path;

pub(super) struct TransactionMetrics {
    clock: Clock,
    file: TableFile,
    table: Mutex<TransactionMetricsSerializeWrapper>,
}

impl TransactionMetrics {
    pub(super) fn load(path: &Path, clock: Clock) -> Result<TransactionMetrics, LoadError> {
        let (file, stored) = TableFile::open::<TransactionMetricsSerializeWrapper>(path)?;
        let new = || TransactionMetricsSerializeWrapper {
            data_version: DataVersion { timestamp: clock.wall_ms(), ..DataVersion::default() },
            ..TransactionMetricsSerializeWrapper::default()
        };
        let table = Mutex::new(stored.unwrap_or_else(new));
        Ok(TransactionMetrics { clock, file, table })
    }

    /// Java: `addAndGet`.
    pub(super) fn add(&self, topic: &str, count: i64) {
        let now_ms = self.clock.wall_ms();
        {
            let mut table = self.table.lock();
            table.data_version.next(0, now_ms);
            if !table.transaction_count.contains_key(topic) {
                table.transaction_count.insert(topic.to_owned(), Default::default());
            }
            if let Some(metric) = table.transaction_count.get_mut(topic) {
                metric.count += count;
                metric.time_stamp = now_ms;
            }
        }
        self.file.note_change();
    }

    #[cfg(test)]
    pub(super) fn count(&self, topic: &str) -> i64 {
        self.table.lock().transaction_count.get(topic).map_or(0, |metric| metric.count)
    }

    /// Writes `transactionMetrics` if something has changed since the last time; blocks.
    pub(super) fn persist(&self) {
        self.file.persist_or_log(|| json::to_bytes(&*self.table.lock()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    #[test]
    fn java_s_file_is_read_and_written_as_it_is() {
        let golden = golden::config_file("5.5.0", "flow", "transactionMetrics");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("transactionMetrics");
        std::fs::write(&path, &golden).unwrap();
        let metrics = TransactionMetrics::load(&path, Clock::test(0)).unwrap();
        assert!(!metrics.table.lock().transaction_count.is_empty());
        metrics.file.note_change();
        metrics.persist();
        assert_eq!(std::fs::read(&path).unwrap(), golden);
    }
}
