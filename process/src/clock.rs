//! The one place that time comes from, so that tests can move it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::{Condvar, MutexGuard};

/// Whoever waits by a test clock looks this often whether the test has moved it.
const TEST_STEP: Duration = Duration::from_millis(1);

/// Wall time and a time that never jumps back. Cheap to clone; clones of a test clock move together.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    Real { started: Instant },
    Test(Arc<TestTime>),
}

struct TestTime {
    wall_ms: AtomicI64,
    /// Milliseconds that the test let pass.
    passed_ms: AtomicU64,
}

impl Clock {
    /// The clock of the machine.
    pub fn real() -> Clock {
        Clock(Source::Real { started: Instant::now() })
    }

    /// A clock that stands at `wall_ms` until [`Clock::advance`] or [`Clock::set_wall_ms`] moves it.
    pub fn test(wall_ms: i64) -> Clock {
        let (wall_ms, passed_ms) = (AtomicI64::new(wall_ms), AtomicU64::new(0));
        Clock(Source::Test(Arc::new(TestTime { wall_ms, passed_ms })))
    }

    /// Milliseconds since 1970 UTC, as Java's `System.currentTimeMillis`: what goes into messages and files.
    pub fn wall_ms(&self) -> i64 {
        match &self.0 {
            Source::Real { .. } => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since_epoch| since_epoch.as_millis() as i64),
            Source::Test(time) => time.wall_ms.load(Ordering::Acquire),
        }
    }

    /// Milliseconds since this clock was made; never runs backwards. For expiries and waits.
    pub fn monotonic_ms(&self) -> u64 {
        match &self.0 {
            Source::Real { started } => started.elapsed().as_millis() as u64,
            Source::Test(time) => time.passed_ms.load(Ordering::Acquire),
        }
    }

    /// Sleeps until it is notified or this clock's [`monotonic_ms`](Self::monotonic_ms) comes to `deadline_ms`, which
    /// `u64::MAX` never does; or less long, for no reason.
    pub fn wait_until<T>(&self, condvar: &Condvar, guard: &mut MutexGuard<'_, T>, deadline_ms: u64) {
        let rest = Duration::from_millis(deadline_ms.saturating_sub(self.monotonic_ms()));
        match &self.0 {
            _ if deadline_ms == u64::MAX => condvar.wait(guard),
            Source::Real { .. } => drop(condvar.wait_for(guard, rest)),
            Source::Test(_) => drop(condvar.wait_for(guard, TEST_STEP.min(rest))),
        }
    }

    /// Lets time pass on a test clock.
    ///
    /// # Panics
    /// On a real clock, where only a mistake in a test can call it.
    pub fn advance(&self, by: Duration) {
        let time = self.test_time();
        time.wall_ms.fetch_add(by.as_millis() as i64, Ordering::AcqRel);
        time.passed_ms.fetch_add(by.as_millis() as u64, Ordering::AcqRel);
    }

    /// Sets the wall time of a test clock, as an administrator does: no time passes.
    ///
    /// # Panics
    /// On a real clock, where only a mistake in a test can call it.
    pub fn set_wall_ms(&self, wall_ms: i64) {
        self.test_time().wall_ms.store(wall_ms, Ordering::Release);
    }

    fn test_time(&self) -> &TestTime {
        let Source::Test(time) = &self.0 else {
            panic!("only a test clock can be moved");
        };
        time
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
        clock.set_wall_ms(1_600_000_000_000);
        assert_eq!((other.wall_ms(), other.monotonic_ms()), (1_600_000_000_000, 120_000));
    }

    #[test]
    fn real_clock_knows_the_century() {
        assert!(Clock::real().wall_ms() > 1_600_000_000_000);
    }
}
