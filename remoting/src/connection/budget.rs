//! One limit for all connections of a process: what they hold of long frames that have begun, and of replies that wait.

use std::fmt;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// What the connections of a process hold at most, beyond what each has free: [`FRAME_FREE_BYTES`], [`OUTBOX_FREE_BYTES`].
pub const HELD_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Of a frame that has begun. Most frames are no longer, and cost no look at the budget.
pub(super) const FRAME_FREE_BYTES: usize = 64 * 1024;

/// Of replies that wait. They are written when there is a quarter of it: more waits for those alone who read slowly.
pub(super) const OUTBOX_FREE_BYTES: usize = 4 * super::WRITE_EARLY_BYTES;

/// Where memory is short, what holds some of it has to be through in so long, at an even pace.
const SHORT_HELD_MAX: Duration = Duration::from_secs(10);

/// It may be so far behind, and stand still for so long.
const SHORT_STALL_MAX: Duration = Duration::from_secs(1);

/// A frame may wait so long for its room. Most clients have given up by then.
const WAIT_MAX: Duration = Duration::from_secs(15);

/// Memory is short where less than this part of it is left.
const SHORT_PART: usize = 16;

static PROCESS: Budget = Budget::new(HELD_BYTES_MAX);

/// Bytes that connections may hold: a half for frames that have begun, a half for replies that wait, so that neither keep the
/// others out.
///
/// A frame that finds no room for the whole of it waits, first come, first served, and holds nothing meanwhile. Replies that
/// find none are dropped, with their connection. As long as little is left, those who are slow are closed.
pub struct Budget {
    pub(super) frames: Pool,
    pub(super) replies: Pool,
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [frames, replies] = [&self.frames, &self.replies].map(Pool::left_bytes);
        write!(f, "{frames} bytes left for frames, {replies} for replies")
    }
}

impl Budget {
    const fn new(bytes_max: usize) -> Budget {
        Budget { frames: Pool::new(bytes_max / 2), replies: Pool::new(bytes_max / 2) }
    }

    /// Of every server and client of this process.
    pub fn of_process() -> &'static Budget {
        &PROCESS
    }

    /// One for a test, whose connections are hurried so.
    #[cfg(test)]
    pub(crate) fn for_test(bytes_max: usize, held_max: Duration, stall_max: Duration) -> &'static Budget {
        let Budget { frames, replies } = Budget::new(bytes_max);
        let [frames, replies] = [frames, replies].map(|pool| Pool { held_max, stall_max, ..pool });
        Box::leak(Box::new(Budget { frames, replies }))
    }

    #[cfg(test)]
    pub(crate) fn left_bytes(&self) -> usize {
        self.frames.left_bytes() + self.replies.left_bytes()
    }
}

/// Half of a [`Budget`].
pub(super) struct Pool {
    bytes_max: usize,
    /// A permit is a byte.
    left: Semaphore,
    held_max: Duration,
    stall_max: Duration,
}

impl Pool {
    const fn new(bytes_max: usize) -> Pool {
        let left = Semaphore::const_new(bytes_max);
        Pool { bytes_max, left, held_max: SHORT_HELD_MAX, stall_max: SHORT_STALL_MAX }
    }

    fn left_bytes(&self) -> usize {
        self.left.available_permits()
    }

    fn is_short(&self) -> bool {
        self.left_bytes() < self.bytes_max / SHORT_PART
    }

    /// Once memory is short and `is_slow` of a connection, which is asked at times.
    pub(super) async fn short_and(&self, is_slow: impl Fn() -> bool) {
        while !(self.is_short() && is_slow()) {
            tokio::time::sleep(self.stall_max).await;
        }
    }

    /// Whether nothing moves since `moved`, or too little of `bytes` has since `since`.
    pub(super) fn is_slow(&self, since: Instant, moved: Instant, moved_bytes: usize, bytes: usize) -> bool {
        if moved.elapsed() >= self.stall_max {
            return true;
        }
        let late = since.elapsed().saturating_sub(self.stall_max);
        let expected_bytes = bytes as f64 * late.as_secs_f64() / self.held_max.as_secs_f64();
        (moved_bytes as f64) < expected_bytes
    }
}

/// What one frame or one outbox holds. Dropped, it gives it back.
pub(super) struct Share {
    pub(super) pool: &'static Pool,
    bytes: usize,
}

impl Share {
    pub(super) fn of(pool: &'static Pool) -> Share {
        Share { pool, bytes: 0 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// False where not so much is left: then it holds what it did.
    pub(super) fn try_grow_to(&mut self, bytes: usize) -> bool {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) else { return true };
        // Of more than 4 GiB there is none left, whatever there is.
        let more_permits = u32::try_from(more).unwrap_or(u32::MAX);
        match self.pool.left.try_acquire_many(more_permits) {
            Ok(permit) => permit.forget(),
            Err(_) => return false,
        }
        self.bytes = bytes;
        true
    }

    /// For who holds nothing yet: waits until so much is left; false where that takes too long. Safe to drop and call again.
    pub(super) async fn take(&mut self, bytes: u32, since: Instant) -> bool {
        let acquire = self.pool.left.acquire_many(bytes);
        match tokio::time::timeout_at((since + WAIT_MAX).into(), acquire).await {
            Ok(Ok(permit)) => permit.forget(),
            _ => return false,
        }
        self.bytes += bytes as usize;
        true
    }

    pub(super) fn release(&mut self) {
        match std::mem::take(&mut self.bytes) {
            0 => {}
            bytes => self.pool.left.add_permits(bytes),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn who_finds_nothing_left_waits_until_others_are_done() {
        let pool = &Budget::for_test(200, LONG, LONG).frames;
        let (mut first, mut second) = (Share::of(pool), Share::of(pool));
        assert!(first.try_grow_to(60) && first.try_grow_to(50));
        assert!(!second.try_grow_to(41));
        assert_eq!((first.bytes(), second.bytes(), pool.left_bytes()), (60, 0, 40));
        let waits = tokio::spawn(async move { second.take(41, Instant::now()).await.then_some(second) });
        while pool.left_bytes() > 0 {
            tokio::task::yield_now().await;
        }
        drop(first);
        let second = waits.await.unwrap().expect("there is room");
        assert_eq!(pool.left_bytes(), 59);
        drop(second);
        assert_eq!(pool.left_bytes(), 100);
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let pool = &Budget::for_test(200, LONG, LONG).frames;
        let began = Instant::now().checked_sub(WAIT_MAX).unwrap();
        assert!(!Share::of(pool).take(101, began).await);
        assert_eq!(pool.left_bytes(), 100);
    }

    #[test]
    fn the_pace_is_even() {
        let pool = &Budget::for_test(200, 10 * LONG, LONG).frames;
        let since = Instant::now().checked_sub(6 * LONG).unwrap();
        let now = Instant::now();
        assert!(pool.is_slow(since, now, 49, 100));
        assert!(!pool.is_slow(since, now, 51, 100));
        assert!(!pool.is_slow(now, now, 0, 100));
        assert!(pool.is_slow(since, since, 99, 100), "it stands still");
    }

    #[tokio::test]
    async fn nobody_is_hurried_while_there_is_room() {
        let pool = &Budget::for_test(320, LONG, Duration::from_millis(1)).frames;
        let mut share = Share::of(pool);
        assert!(share.try_grow_to(150));
        let hurried = pool.short_and(|| true);
        let hurried = tokio::time::timeout(Duration::from_millis(20), hurried).await;
        assert!(hurried.is_err());
        assert!(share.try_grow_to(151));
        pool.short_and(|| true).await;
    }
}
