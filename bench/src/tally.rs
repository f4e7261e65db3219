//! What a run counts, and the line that it prints.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Longer ones count as this long.
const LATENCY_MAX_US: u64 = 120_000_000;
/// Linux counts CPU time in hundredths of a second, whatever its own tick.
const TICKS_PER_S: f64 = 100.0;

pub struct Tally {
    latency_us: Option<Histogram<u64>>,
    /// Messages.
    pub done: u64,
    pub failed: u64,
    /// Of the responses' bodies.
    pub bytes: u64,
}

impl Tally {
    pub fn new() -> Tally {
        // There is none only where the bounds make no sense.
        let latency_us = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).ok();
        Tally { latency_us, done: 0, failed: 0, bytes: 0 }
    }

    pub fn took(&mut self, latency: Duration) {
        if let Some(histogram) = &mut self.latency_us {
            histogram.saturating_record(latency.as_micros() as u64);
        }
    }

    pub fn add(&mut self, other: Tally) {
        if let (Some(histogram), Some(others)) = (&mut self.latency_us, other.latency_us) {
            // Both have the same bounds.
            let _ = histogram.add(others);
        }
        self.done += other.done;
        self.failed += other.failed;
        self.bytes += other.bytes;
    }

    fn quantile_us(&self, quantile: f64) -> u64 {
        self.latency_us.as_ref().map_or(0, |histogram| histogram.value_at_quantile(quantile))
    }
}

/// The broker's process, looked at from outside.
pub struct Server {
    pid: Option<u32>,
    cpu_s_before: f64,
    begun: Instant,
}

impl Server {
    pub fn before_run(pid: Option<u32>) -> Server {
        Server { pid, cpu_s_before: pid.map_or(0.0, cpu_s), begun: Instant::now() }
    }

    pub fn figures(&self, mode: &'static str, tally: Tally) -> Figures {
        Figures {
            mode,
            wall_s: self.begun.elapsed().as_secs_f64(),
            server_cpu_s: self.pid.map_or(0.0, cpu_s) - self.cpu_s_before,
            server_anon_mib: self.pid.map_or(0.0, anon_mib),
            tally,
        }
    }
}

/// User and system time of a process so far; 0 where there is none.
fn cpu_s(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, which may hold spaces, ends at the last bracket.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS_PER_S
}

/// Anonymous resident memory: that of mapped files is the page cache's.
fn anon_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()).and_then(|text| text.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

pub struct Figures {
    mode: &'static str,
    wall_s: f64,
    server_cpu_s: f64,
    server_anon_mib: f64,
    tally: Tally,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { done, failed, bytes, .. } = self.tally;
        write!(f, "{} messages={done} failed={failed} wall_s={:.2}", self.mode, self.wall_s)?;
        write!(f, " per_s={:.0}", done as f64 / self.wall_s)?;
        write!(f, " mib_per_s={:.1}", bytes as f64 / self.wall_s / f64::from(1 << 20))?;
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)] {
            write!(f, " {name}_us={}", self.tally.quantile_us(quantile))?;
        }
        write!(f, " server_cpu_us_per_message={:.2}", self.server_cpu_s * 1e6 / done.max(1) as f64)?;
        write!(f, " server_anon_mib={:.0}", self.server_anon_mib)
    }
}
