//! What a store is told that is no key of Java's configuration: by those who embed it, and by tests.

use std::fmt;
use std::sync::Arc;

use super::super::disk::Disk;
use super::super::mapped_file;

/// Given when a store is opened, and the same until it is closed.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Which topics have batch consume queues.
    pub batch_topics: BatchTopics,
    /// Asked for each message while there is a queue extension.
    pub filter_bits: FilterBits,
    /// The hour of a moment in milliseconds since the epoch, and what is left of the disks: tests pass their own.
    pub local_hour: fn(i64) -> u32,
    /// See [`Surroundings::local_hour`].
    pub disk: Disk,
    /// Queue files mapped at once, at most; beyond it the longest unused are let go.
    pub queue_mappings_max: usize,
    /// Between several directories of the log. System property `rocketmq.broker.multiPathSplitter`.
    pub path_splitter: String,
    /// From 0 to 1, in place of `diskSpaceWarningLevelRatio`. System property `rocketmq.broker.diskSpaceWarningLevelRatio`.
    pub warning_level_ratio: Option<f64>,
    /// From 0 to 1, in place of `diskSpaceCleanForciblyRatio`. System property `rocketmq.broker.diskSpaceCleanForciblyRatio`.
    pub clean_forcibly_ratio: Option<f64>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            batch_topics: BatchTopics::default(),
            filter_bits: FilterBits::default(),
            local_hour: |ms| mapped_file::local_time(ms)[3].unsigned_abs(),
            disk: Disk::real(),
            queue_mappings_max: 16_384,
            path_splitter: ",".to_owned(),
            warning_level_ratio: None,
            clean_forcibly_ratio: None,
        }
    }
}

/// Says which topics have batch consume queues (`queue.type=BatchCQ`).
#[derive(Clone)]
pub struct BatchTopics(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl BatchTopics {
    /// The topics for which `is_batch_topic` says so; any thread of the store may ask it.
    pub fn new(is_batch_topic: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_batch_topic))
    }

    /// Whether the topic has batch consume queues.
    pub fn contains(&self, topic: &str) -> bool {
        (self.0)(topic)
    }
}

impl Default for BatchTopics {
    fn default() -> Self {
        Self::new(|_| false)
    }
}

impl fmt::Debug for BatchTopics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BatchTopics")
    }
}

/// Says which consumers' filters a message passes, for its queue's extension: a topic and the text of the properties make
/// the bits of a Bloom filter.
#[derive(Clone, Default)]
pub struct FilterBits(Option<Arc<CalcBits>>);

type CalcBits = dyn Fn(&str, &str) -> Option<Vec<u8>> + Send + Sync;

impl FilterBits {
    /// The bits that `calc` makes of a topic and the text of a message's properties; `None` where it has none to make.
    pub fn new(calc: impl Fn(&str, &str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(calc)))
    }

    /// `None` where nobody filters the topic, or nobody asked for bits.
    pub fn of(&self, topic: &str, properties: &str) -> Option<Vec<u8>> {
        self.0.as_ref()?(topic, properties)
    }
}

impl fmt::Debug for FilterBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FilterBits").field(&self.0.is_some()).finish()
    }
}
