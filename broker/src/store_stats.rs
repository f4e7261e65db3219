//! How fast the store takes and gives messages, and how many it did on which day. Java: `StoreStatsService`, `BrokerStats`.

use parking_lot::Mutex;
use process::clock::Clock;
use std::collections::VecDeque;
use std::time::Duration;
use store::{StoreCounts, local_time};

/// From sample to sample; Java samples each second.
pub const SAMPLE_PERIOD: Duration = Duration::from_secs(5);
/// Java: `getPutTps`, in seconds.
const WINDOWS_S: [u64; 3] = [10, 60, 600];
/// Enough for the longest window.
const SAMPLES_MAX: usize = (WINDOWS_S[2] / SAMPLE_PERIOD.as_secs()) as usize + 1;

/// Samples of the store's counts. Java: `StoreStatsService`, `BrokerStats`.
pub struct StoreStats {
    clock: Clock,
    /// When the broker was started, in milliseconds since the epoch.
    pub boot_ms: i64,
    state: Mutex<State>,
}

struct State {
    /// The oldest first, each with its time on the monotonic clock.
    samples: VecDeque<(u64, StoreCounts)>,
    /// Day of the month of the last sample.
    day: i32,
    days: Days,
}

/// What was counted when days began. Java: `BrokerStats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Days {
    /// When the day before this one began; nothing if the broker is younger.
    pub yesterday_morning: StoreCounts,
    /// When this day began; nothing if the broker is younger.
    pub today_morning: StoreCounts,
}

impl StoreStats {
    /// Begins now, with nothing counted.
    pub fn new(clock: Clock) -> StoreStats {
        let boot_ms = clock.wall_ms();
        let state = State { samples: VecDeque::new(), day: day_of(boot_ms), days: Days::default() };
        StoreStats { clock, boot_ms, state: Mutex::new(state) }
    }

    /// Takes a sample. Each [`SAMPLE_PERIOD`].
    pub fn sample(&self, counts: StoreCounts) {
        let (now_ms, today) = (self.clock.monotonic_ms(), day_of(self.clock.wall_ms()));
        let mut state = self.state.lock();
        if state.day != today {
            state.day = today;
            state.days = Days { yesterday_morning: state.days.today_morning, today_morning: counts };
        }
        if state.samples.len() == SAMPLES_MAX {
            state.samples.pop_front();
        }
        state.samples.push_back((now_ms, counts));
    }

    /// What `count` grew by a second, over 10, 60 and 600 s; as many as there are samples for.
    pub fn per_second(&self, count: impl Fn(&StoreCounts) -> u64) -> Vec<f64> {
        let state = self.state.lock();
        let Some((last_ms, last)) = state.samples.back() else { return Vec::new() };
        let rate = |window_s: &u64| {
            let back = (window_s / SAMPLE_PERIOD.as_secs()) as usize;
            let (first_ms, first) = state.samples.get(state.samples.len().checked_sub(back + 1)?)?;
            let ms = last_ms.saturating_sub(*first_ms).max(1);
            Some(count(last).saturating_sub(count(first)) as f64 * 1000.0 / ms as f64)
        };
        WINDOWS_S.iter().map_while(rate).collect()
    }

    /// What was counted when today and yesterday began.
    pub fn days(&self) -> Days {
        self.state.lock().days
    }
}

fn day_of(wall_ms: i64) -> i32 {
    local_time(wall_ms)[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(put_messages: u64) -> StoreCounts {
        StoreCounts { put_messages, ..StoreCounts::default() }
    }

    #[test]
    fn rates_of_as_many_windows_as_are_full() {
        let clock = Clock::test(1_800_000_000_000);
        let stats = StoreStats::new(clock.clone());
        let rates = || stats.per_second(|counts| counts.put_messages);
        for number in 0..=2 {
            assert_eq!(rates(), [0.0; 0]);
            stats.sample(counts(number * 50));
            clock.advance(SAMPLE_PERIOD);
        }
        assert_eq!(rates(), [10.0]);
        for number in 3..=300 {
            stats.sample(counts(if number < 290 { 100 } else { 100 + (number - 289) * 5 }));
            clock.advance(SAMPLE_PERIOD);
        }
        let expected = [1.0, 55.0 / 60.0, 55.0 / 600.0];
        assert!(
            rates().iter().zip(expected).all(|(rate, expected)| (rate - expected).abs() < 1e-9),
            "{:?}",
            rates()
        );
        assert_eq!(rates().len(), 3);
        assert_eq!(stats.state.lock().samples.len(), SAMPLES_MAX);
    }

    #[test]
    fn days_begin_with_what_was_counted_by_then() {
        let clock = Clock::test(1_800_000_000_000);
        let stats = StoreStats::new(clock.clone());
        stats.sample(counts(7));
        assert_eq!(stats.days(), Days::default());
        for (so_far, yesterday, today) in [(10, 0, 10), (30, 10, 30), (31, 30, 31)] {
            clock.advance(Duration::from_secs(24 * 3600));
            stats.sample(counts(so_far));
            stats.sample(counts(so_far + 1));
            let expected = Days { yesterday_morning: counts(yesterday), today_morning: counts(today) };
            assert_eq!(stats.days(), expected);
        }
    }
}
