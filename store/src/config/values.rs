//! Values that are more than a number or a text.

use process::config::FromText;

/// Hours of the day, in the process's time zone, such as `04;16`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours(pub Vec<i32>);

impl Hours {
    /// Whether one of them is `hour`.
    pub fn contains(&self, hour: u32) -> bool {
        self.0.iter().any(|of_these| u32::try_from(*of_these) == Ok(hour))
    }
}

impl FromText for Hours {
    const EXPECTED: &'static str = "hours such as \"04;16\"";

    fn from_text(text: Option<&str>) -> Option<Self> {
        let hours = text?.trim_end_matches(';').split(';');
        hours.map(|hour| hour.parse().ok()).collect::<Option<_>>().map(Hours)
    }
}

/// How long messages of the levels 1, 2, ... are held back, in milliseconds; as text such as `1s 5s 10m`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelayLevels(pub Vec<i64>);

impl DelayLevels {
    /// How many levels there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Of a level from 1 on.
    pub fn delay_ms(&self, level: i32) -> Option<i64> {
        self.0.get(usize::try_from(level).ok()?.checked_sub(1)?).copied()
    }

    /// Deliver time of a message of a level that was stored at `store_timestamp_ms`
    /// (`DefaultMessageStore.computeDeliverTimestamp`); levels beyond the table count as its last.
    pub fn deliver_timestamp_ms(&self, level: i32, store_timestamp_ms: i64) -> Option<i64> {
        let last = i32::try_from(self.count()).unwrap_or(i32::MAX);
        self.delay_ms(level.min(last)).map(|delay_ms| store_timestamp_ms + delay_ms)
    }
}

impl FromText for DelayLevels {
    const EXPECTED: &'static str = "delays such as \"1s 5s 10m 2h 1d\"";

    fn from_text(text: Option<&str>) -> Option<Self> {
        let words = text?.split(' ').filter(|word| !word.is_empty());
        words.map(delay_ms).collect::<Option<_>>().map(DelayLevels)
    }
}

fn delay_ms(word: &str) -> Option<i64> {
    let unit_ms = match word.chars().last()? {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    word[..word.len() - 1].parse::<i64>().ok()?.checked_mul(unit_ms)
}

/// Java's `FlushDiskType`: what an acknowledged send has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushDiskType {
    /// The disk.
    SyncFlush,
    /// The page cache.
    AsyncFlush,
}

impl FlushDiskType {
    /// In Java's order.
    pub const NAMES: &[&str] = &["SYNC_FLUSH", "ASYNC_FLUSH"];
}

impl FromText for FlushDiskType {
    const EXPECTED: &'static str = "SYNC_FLUSH or ASYNC_FLUSH";

    fn from_text(text: Option<&str>) -> Option<Self> {
        match text? {
            "SYNC_FLUSH" => Some(FlushDiskType::SyncFlush),
            "ASYNC_FLUSH" => Some(FlushDiskType::AsyncFlush),
            _ => None,
        }
    }
}

/// Java's `BrokerRole`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerRole {
    /// Acknowledges without its slaves.
    AsyncMaster,
    /// Acknowledges once a slave has the message.
    SyncMaster,
    /// Takes no messages but its master's.
    Slave,
}

impl BrokerRole {
    /// In Java's order.
    pub const NAMES: &[&str] = &["ASYNC_MASTER", "SYNC_MASTER", "SLAVE"];
}

impl FromText for BrokerRole {
    const EXPECTED: &'static str = "ASYNC_MASTER, SYNC_MASTER or SLAVE";

    fn from_text(text: Option<&str>) -> Option<Self> {
        match text? {
            "ASYNC_MASTER" => Some(BrokerRole::AsyncMaster),
            "SYNC_MASTER" => Some(BrokerRole::SyncMaster),
            "SLAVE" => Some(BrokerRole::Slave),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_and_delays_of_text() {
        assert_eq!(Hours::from_text(Some("04;16;")), Some(Hours(vec![4, 16])));
        assert_eq!(Hours::from_text(Some("at night")), None);
        let levels = DelayLevels::from_text(Some(" 1s  2h")).unwrap();
        assert_eq!(levels, DelayLevels(vec![1_000, 7_200_000]));
        assert_eq!(
            [-1, 0, 1, 2, 3].map(|level| levels.delay_ms(level)),
            [None, None, Some(1_000), Some(7_200_000), None]
        );
        assert_eq!(levels.deliver_timestamp_ms(9, 1), Some(7_200_001));
        assert_eq!(DelayLevels(Vec::new()).deliver_timestamp_ms(1, 1), None);
        assert_eq!(DelayLevels::from_text(Some("1s 5x")), None);
    }
}
