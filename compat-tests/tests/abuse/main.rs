//! Hostile clients beside a healthy load: the healthy one hardly notices, nothing acknowledged is lost, and memory has an end.
//!
//! `ABUSE_SECONDS=n` makes it n seconds long, with the sizes that once brought us down; `SOAK_SECONDS=n` the soak.

mod healthy;
mod hostile;
mod soak;

use std::io::Write as _;
use std::time::Duration;

use compat_tests::lab::{Edition, Lab};
use compat_tests::mqstore_check;

use healthy::{Figures, Healthy};
use hostile::{HOSTILE, Sizes};

const STOP_WAIT: Duration = Duration::from_secs(20);
/// The healthy load's p99 may be so much slower than when all is calm ...
const SLOWER_MAX: u32 = 20;
/// ... or so slow: the machine has other work too.
const SLOW_MAX: Duration = Duration::from_millis(400);
/// Beyond what the broker had when all was calm: its budget for frames and replies, and what the tables may take.
const MEMORY_GROWTH_BYTES_MAX: u64 = 768 << 20;

#[test]
fn the_healthy_go_on() {
    let sizes = seconds("ABUSE_SECONDS").map_or(Sizes::SHORT, Sizes::long);
    let lab = Lab::new();
    let name_server = lab.name_server(Edition::Ours, "namesrv");
    let broker = lab.broker(Edition::Ours, "broker", &[&name_server], &[]);
    let healthy = Healthy::new(broker.addr, name_server.addr);
    let [broker_pid, name_server_pid] = [&broker, &name_server].map(|server| server.job.pid());
    let (before, mut slow) = (memory_bytes(broker_pid), Vec::new());
    healthy.beside(|| {
        // The first sends make the topic and its files.
        healthy.during("warm-up", || std::thread::sleep(Duration::from_secs(1)));
        let calm = healthy.during("calm", || std::thread::sleep(sizes.phase));
        for (what, attack) in HOSTILE {
            let figures = healthy.during(what, || attack(&broker, &name_server, &sizes));
            let (broker_bytes, name_server_bytes) = (memory_bytes(broker_pid), memory_bytes(name_server_pid));
            say(&format!("    memory: {} MiB, {} MiB", broker_bytes >> 20, name_server_bytes >> 20));
            assert_eq!((broker.job.exit_code(), name_server.job.exit_code()), (None, None), "{what}");
            assert!(broker_bytes < before + MEMORY_GROWTH_BYTES_MAX, "{what}: {broker_bytes} bytes");
            slow.extend(is_slow(&calm, &figures).then(|| format!("{what}: {figures}, calm: {calm}")));
        }
    });
    assert!(slow.is_empty(), "{slow:#?}");
    assert!(healthy.ledger.len() > 100);
    healthy.ledger.verify_queues(&mut broker.connect(), i64::MAX);
    assert_eq!(broker.job.stop("TERM", STOP_WAIT).code, 0);
    let (status, said) = mqstore_check(&broker.home.join("store"));
    assert_eq!(status, 0, "{said}");
}

fn is_slow(calm: &Figures, figures: &Figures) -> bool {
    let is_slow = |calm: Duration, now: Duration| now > SLOW_MAX.max(calm * SLOWER_MAX);
    is_slow(calm.sends.p99, figures.sends.p99) || is_slow(calm.look_ups.p99, figures.look_ups.p99)
}

/// Of the environment: how long, where it is said.
fn seconds(name: &str) -> Option<Duration> {
    let text = std::env::var(name).ok()?;
    Some(Duration::from_secs(text.parse().unwrap_or_else(|_| panic!("{name}={text}: no number of seconds"))))
}

/// What is no file's.
fn memory_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("it runs");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// To the log, also of a test that passes.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
