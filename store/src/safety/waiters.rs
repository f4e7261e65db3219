//! Who waits for what: no threads, no lock, no clock.
//!
//! A waiter stands in one line at a time: first in the line of those who wait for the disk, then, if slaves are to have the
//! bytes too, in the line of those who wait for so many slaves. Each line is in order of offset, so that one step of progress
//! ends a piece of its front; what is slow in one line holds up nobody in another.

use std::collections::VecDeque;

use super::{Policy, Replicated, WaitOutcome};

/// Waiters at a time, at most. Further ones are told at once that it took too long. At 100,000 sends a second, a disk that
/// hangs for more than 2 seconds.
pub const WAITERS_MAX: usize = 1 << 18;
/// Room for so many waiters is kept while nobody waits.
const KEPT_WAITERS_MAX: usize = 4096;
/// No deadline.
pub const NEVER_MS: u64 = u64::MAX;

/// How far the log is safe.
pub trait Progress {
    /// Everything before it is on this disk.
    fn flushed_where(&self) -> i64;

    /// Everything before it is on so many slaves.
    fn replicated_to(&self, slaves: u8) -> i64;

    /// How many slaves are less than `gap_max` bytes behind `end`.
    fn in_sync(&self, end: i64, gap_max: i64) -> usize;
}

/// All who wait, and for what.
#[derive(Debug)]
pub struct Waiters<W> {
    for_disk: Line<W>,
    /// The first line waits for one slave, the next for two, and so on.
    for_slaves: Vec<Line<W>>,
    len: usize,
}

#[derive(Debug)]
struct Line<W> {
    /// By `end`; those of one end in the order in which they came.
    waiting: VecDeque<Waiting<W>>,
    /// No deadline in the line is earlier.
    first_deadline_ms: u64,
}

#[derive(Debug)]
struct Waiting<W> {
    /// First byte that need not be safe.
    end: i64,
    disk_deadline_ms: u64,
    /// None: the disk is enough.
    slaves: u8,
    slaves_deadline_ms: u64,
    so_far: WaitOutcome,
    waiter: W,
}

impl<W> Default for Waiters<W> {
    fn default() -> Self {
        Self { for_disk: Line::default(), for_slaves: Vec::new(), len: 0 }
    }
}

impl<W> Default for Line<W> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), first_deadline_ms: NEVER_MS }
    }
}

impl<W> Waiters<W> {
    /// Has `waiter` wait until everything before `end` is as safe as `policy` says, or gives it back with the outcome that is
    /// known already.
    pub fn wait(
        &mut self,
        end: i64,
        policy: Policy,
        now_ms: u64,
        progress: &impl Progress,
        waiter: W,
    ) -> Option<(W, WaitOutcome)> {
        let deadline = |limit: std::time::Duration| now_ms.saturating_add(limit.as_millis() as u64);
        let is_full = self.len >= WAITERS_MAX;
        let mut waiting = Waiting {
            end,
            disk_deadline_ms: policy.flushed_within.map_or(NEVER_MS, deadline),
            slaves: policy.replicated.map_or(0, |replicated| replicated.slaves),
            slaves_deadline_ms: policy.replicated.map_or(NEVER_MS, |replicated| deadline(replicated.within)),
            so_far: WaitOutcome::Safe,
            waiter,
        };
        if policy.replicated.is_some_and(|replicated| !replicated.can_be(end, progress)) {
            (waiting.slaves, waiting.so_far) = (0, WaitOutcome::SlaveNotAvailable);
        }
        if policy.flushed_within.is_none() || progress.flushed_where() >= end {
            return self.wait_for_slaves(waiting, now_ms, progress, is_full);
        }
        if is_full {
            return self.wait_for_slaves(waiting.without_disk(), now_ms, progress, is_full);
        }
        self.len += 1;
        self.for_disk.insert(waiting.disk_deadline_ms, waiting);
        None
    }

    /// The disk's part is over.
    fn wait_for_slaves(
        &mut self,
        waiting: Waiting<W>,
        now_ms: u64,
        progress: &impl Progress,
        is_full: bool,
    ) -> Option<(W, WaitOutcome)> {
        let Some(line) = waiting.slaves.checked_sub(1).map(usize::from) else {
            return Some((waiting.waiter, waiting.so_far));
        };
        if progress.replicated_to(waiting.slaves) >= waiting.end {
            return Some((waiting.waiter, waiting.so_far));
        }
        if is_full || waiting.slaves_deadline_ms <= now_ms {
            return Some((waiting.waiter, WaitOutcome::FlushSlaveTimeout));
        }
        if self.for_slaves.len() <= line {
            self.for_slaves.resize_with(line + 1, Line::default);
        }
        self.len += 1;
        self.for_slaves[line].insert(waiting.slaves_deadline_ms, waiting);
        None
    }

    /// Ends the waits that progress has ended; adds them to `done`.
    pub fn progressed(&mut self, progress: &impl Progress, now_ms: u64, done: &mut Vec<(W, WaitOutcome)>) {
        let flushed_where = progress.flushed_where();
        while let Some(waiting) = self.for_disk.take_first(flushed_where) {
            self.len -= 1;
            done.extend(self.wait_for_slaves(waiting, now_ms, progress, false));
        }
        for slaves in 1..=self.for_slaves.len() {
            let line = &mut self.for_slaves[slaves - 1];
            if line.waiting.is_empty() {
                continue;
            }
            let replicated_to = progress.replicated_to(slaves as u8);
            while let Some(waiting) = line.take_first(replicated_to) {
                self.len -= 1;
                done.push((waiting.waiter, waiting.so_far));
            }
        }
        self.let_memory_go();
    }

    /// When to have waits [`expire`](Self::expire) at the latest, in milliseconds of the same clock; [`NEVER_MS`] if nobody
    /// waits. May be early, for one who does not wait any more.
    pub fn first_deadline_ms(&self) -> u64 {
        let of_slaves = self.for_slaves.iter().map(|line| line.first_deadline_ms);
        of_slaves.fold(self.for_disk.first_deadline_ms, u64::min)
    }

    /// Ends the waits whose time is over.
    pub fn expire(&mut self, progress: &impl Progress, now_ms: u64, done: &mut Vec<(W, WaitOutcome)>) {
        if self.for_disk.first_deadline_ms <= now_ms {
            for late in self.for_disk.take_late(now_ms, |waiting| waiting.disk_deadline_ms) {
                self.disk_failed(late, progress, now_ms, done);
            }
        }
        for line in &mut self.for_slaves {
            if line.first_deadline_ms <= now_ms {
                let late = line.take_late(now_ms, |waiting| waiting.slaves_deadline_ms);
                self.len -= late.len();
                done.extend(late.into_iter().map(|late| (late.waiter, WaitOutcome::FlushSlaveTimeout)));
            }
        }
        self.let_memory_go();
    }

    /// The disk has failed: nobody need wait for it any longer. Those who wait for slaves, too, go on doing so.
    pub fn fail_disk(&mut self, progress: &impl Progress, now_ms: u64, done: &mut Vec<(W, WaitOutcome)>) {
        for waiting in std::mem::take(&mut self.for_disk).waiting {
            self.disk_failed(waiting, progress, now_ms, done);
        }
    }

    /// Nothing at `offset` and behind it will ever be safe: ends all waits for it. With `i64::MIN`, all waits.
    pub fn fail_from(&mut self, offset: i64, done: &mut Vec<(W, WaitOutcome)>) {
        let before = done.len();
        done.extend(self.for_disk.take_behind(offset, WaitOutcome::FlushDiskTimeout));
        for line in &mut self.for_slaves {
            done.extend(line.take_behind(offset, WaitOutcome::FlushSlaveTimeout));
        }
        self.len -= done.len() - before;
        self.let_memory_go();
    }

    fn disk_failed(
        &mut self,
        waiting: Waiting<W>,
        progress: &impl Progress,
        now_ms: u64,
        done: &mut Vec<(W, WaitOutcome)>,
    ) {
        self.len -= 1;
        done.extend(self.wait_for_slaves(waiting.without_disk(), now_ms, progress, false));
    }

    fn let_memory_go(&mut self) {
        if self.len == 0 {
            self.for_disk.let_memory_go();
            self.for_slaves.iter_mut().for_each(Line::let_memory_go);
        }
    }
}

impl Replicated {
    /// Whether it is worth waiting for (`isSlaveOK`).
    fn can_be(&self, end: i64, progress: &impl Progress) -> bool {
        let slaves = usize::from(self.slaves);
        self.available_within.is_none_or(|gap_max| progress.in_sync(end, gap_max) >= slaves)
    }
}

impl<W> Waiting<W> {
    /// The disk has not got it in time. What the slaves say counts more.
    fn without_disk(mut self) -> Self {
        if self.so_far == WaitOutcome::Safe {
            self.so_far = WaitOutcome::FlushDiskTimeout;
        }
        self
    }
}

impl<W> Line<W> {
    /// Nearly always at the back: producers come from the append lock in no strict order, but close to it.
    fn insert(&mut self, deadline_ms: u64, waiting: Waiting<W>) {
        self.first_deadline_ms = self.first_deadline_ms.min(deadline_ms);
        match self.waiting.iter().rposition(|other| other.end <= waiting.end) {
            Some(before) if before + 1 < self.waiting.len() => self.waiting.insert(before + 1, waiting),
            None if !self.waiting.is_empty() => self.waiting.push_front(waiting),
            _ => self.waiting.push_back(waiting),
        }
    }

    /// The first of the line, if it waits for no more than `safe_to`.
    fn take_first(&mut self, safe_to: i64) -> Option<Waiting<W>> {
        self.waiting.front().filter(|first| first.end <= safe_to)?;
        self.waiting.pop_front()
    }

    fn take_late(&mut self, now_ms: u64, deadline_ms: impl Fn(&Waiting<W>) -> u64) -> Vec<Waiting<W>> {
        let mut late = Vec::new();
        self.first_deadline_ms = NEVER_MS;
        for _ in 0..self.waiting.len() {
            let Some(waiting) = self.waiting.pop_front() else { break };
            match deadline_ms(&waiting) {
                over if over <= now_ms => late.push(waiting),
                to_come => {
                    self.first_deadline_ms = self.first_deadline_ms.min(to_come);
                    self.waiting.push_back(waiting);
                }
            }
        }
        late
    }

    fn take_behind(&mut self, offset: i64, outcome: WaitOutcome) -> impl Iterator<Item = (W, WaitOutcome)> {
        let kept = self.waiting.partition_point(|waiting| waiting.end <= offset);
        let of = move |waiting: &Waiting<W>| match waiting.so_far {
            WaitOutcome::SlaveNotAvailable => waiting.so_far,
            _ => outcome,
        };
        self.waiting
            .split_off(kept)
            .into_iter()
            .map(move |waiting| (of(&waiting), waiting))
            .map(|(outcome, waiting)| (waiting.waiter, outcome))
    }

    fn let_memory_go(&mut self) {
        self.first_deadline_ms = NEVER_MS;
        if self.waiting.capacity() > KEPT_WAITERS_MAX {
            self.waiting.shrink_to(KEPT_WAITERS_MAX);
        }
    }
}
