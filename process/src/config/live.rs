//! A value that can be replaced while others read it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

/// Settings at work. Cheap to clone; clones hold the same value, and a replaced one is everybody's from the next
/// [`load`](Live::load) on.
///
/// A part keeps the `Live` and loads where it needs a setting, once a request. What it copies at its start does not change
/// with it.
pub struct Live<T>(Arc<ArcSwap<T>>);

/// The value as it was when it was loaded, however long this is held. For the length of a request or a round.
pub struct Snapshot<T>(Guard<Arc<T>>);

impl<T> Live<T> {
    /// Holds `value` until another replaces it.
    pub fn new(value: T) -> Live<T> {
        Live(Arc::new(ArcSwap::from_pointee(value)))
    }

    /// Takes some nanoseconds: no lock, no count that other threads write too.
    pub fn load(&self) -> Snapshot<T> {
        Snapshot(self.0.load())
    }

    /// Puts another value in place of the present one. Snapshots stay what they are.
    pub fn replace(&self, value: T) {
        self.0.store(Arc::new(value));
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Live<T> {
        Live(self.0.clone())
    }
}

impl<T> Deref for Snapshot<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Live").field(&*self.load()).finish()
    }
}

impl<T: fmt::Debug> fmt::Debug for Snapshot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_value_is_everybodys_and_a_snapshot_stays() {
        let live = Live::new(1);
        let other = live.clone();
        let before = other.load();
        live.replace(2);
        assert_eq!((*before, *other.load()), (1, 2));
    }

    /// Readers see whole values, and never an older one after a newer one.
    #[test]
    fn readers_see_whole_values_in_order() {
        const LAST: u64 = 10_000;
        let live = Live::new([0u64; 4]);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut seen = 0;
                    while seen < LAST {
                        let snapshot = live.load();
                        assert_eq!(*snapshot, [snapshot[0]; 4]);
                        assert!(snapshot[0] >= seen);
                        seen = snapshot[0];
                    }
                });
            }
            (1..=LAST).for_each(|value| live.replace([value; 4]));
        });
    }
}
