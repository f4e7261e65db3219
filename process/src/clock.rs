//! The one place that time comes from, so that tests can move it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall time and a time that never jumps back. Cheap to clone; clones of a test clock move together.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    Real { started: Instant },
    Test(Arc<TestTime>),
}

struct TestTime {
    wall_start_ms: i64,
    /// Milliseconds that the test let pass.
    passed_ms: AtomicU64,
}

impl Clock {
    /// The clock of the machine.
    pub fn real() -> Clock {
        Clock(Source::Real { started: Instant::now() })
    }

    /// A clock that stands at `wall_ms` until [`Clock::advance`] moves it.
    pub fn test(wall_ms: i64) -> Clock {
        Clock(Source::Test(Arc::new(TestTime { wall_start_ms: wall_ms, passed_ms: AtomicU64::new(0) })))
    }

    /// Milliseconds since 1970 UTC, as Java's `System.currentTimeMillis`: what goes into messages and files.
    pub fn wall_ms(&self) -> i64 {
        match &self.0 {
            Source::Real { .. } => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since_epoch| since_epoch.as_millis() as i64),
            Source::Test(time) => time.wall_start_ms + time.passed_ms.load(Ordering::Acquire) as i64,
        }
    }

    /// Milliseconds since this clock was made; never runs backwards. For expiries and waits.
    pub fn monotonic_ms(&self) -> u64 {
        match &self.0 {
            Source::Real { started } => started.elapsed().as_millis() as u64,
            Source::Test(time) => time.passed_ms.load(Ordering::Acquire),
        }
    }

    /// Lets time pass on a test clock.
    ///
    /// # Panics
    /// On a real clock, where only a mistake in a test can call it.
    pub fn advance(&self, by: Duration) {
        let Source::Test(time) = &self.0 else {
            panic!("only a test clock can be advanced");
        };
        time.passed_ms.fetch_add(by.as_millis() as u64, Ordering::AcqRel);
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0 {
            Source::Real { .. } => "real",
            Source::Test(_) => "test",
        };
        write!(f, "Clock({kind}, {} ms)", self.wall_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_test_clock_move_together() {
        let clock = Clock::test(1_700_000_000_000);
        let other = clock.clone();
        clock.advance(Duration::from_secs(120));
        assert_eq!(other.wall_ms(), 1_700_000_120_000);
        assert_eq!(other.monotonic_ms(), 120_000);
    }

    #[test]
    fn real_clock_knows_the_century() {
        assert!(Clock::real().wall_ms() > 1_600_000_000_000);
    }
}
