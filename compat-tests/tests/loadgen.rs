//! The load generator of `bench/` against our broker: every mode gives its line, and what was acknowledged before a kill is
//! there after it.

use std::path::PathBuf;
use std::time::Duration;

use compat_tests::job::{Job, Spec};
use compat_tests::lab::{Edition, Lab, Running, binary_path};
use compat_tests::until;

const WAIT: Duration = Duration::from_secs(60);

#[test]
fn every_mode_gives_its_figures() {
    let lab = Lab::new();
    let load = Load::new(&lab);
    let broker = load.broker(&[]);
    load.run(&broker, &["create"]);
    for (mode, figures) in [
        ("send --seconds 1", "send messages="),
        ("send --seconds 1 --batch 32", "send messages="),
        ("rate --seconds 1 --rate 1000", "rate messages=1000 "),
        ("end-to-end --seconds 1 --rate 1000", "e2e messages=1000 "),
        ("pull", "pull messages="),
    ] {
        let line = load.run(&broker, &mode.split(' ').collect::<Vec<_>>());
        assert!(line.starts_with(figures) && line.contains(" failed=0 "), "{mode}: {line}");
        assert!(!line.starts_with(&format!("{figures}0 ")), "{mode}: {line}");
    }
}

#[test]
fn what_was_acknowledged_before_a_kill_is_there_after_it() {
    let lab = Lab::new();
    let load = Load::new(&lab);
    let ledger = load.home.join("ledger").display().to_string();
    let broker = load.broker(&[("flushDiskType", "SYNC_FLUSH")]);
    load.run(&broker, &["create"]);
    // Far longer than it takes until the kill.
    let running = load.start(&broker, &["ledger", "--seconds", "600", "--file", &ledger]);
    let acknowledged = || std::fs::metadata(&ledger).is_ok_and(|file| file.len() > 20_000);
    until(WAIT, || running.output(), || acknowledged().then_some(()));
    broker.job.stop("KILL", WAIT);
    assert_eq!(running.wait_for_exit(WAIT).code, 0, "the broker's end ends the run: {}", running.output());

    let broker = load.broker(&[("flushDiskType", "SYNC_FLUSH")]);
    let line = load.run(&broker, &["verify", "--file", &ledger]);
    assert!(line.contains(" missing=0 damaged=0 clashes=0 "), "{line}");
    assert!(!line.contains("acknowledged=0 "), "{line}");

    // One more than there is: the check can fail.
    let text = std::fs::read_to_string(&ledger).unwrap();
    std::fs::write(&ledger, format!("{text}1000000 0 1000000 200\n")).unwrap();
    let exit = load.start(&broker, &["verify", "--file", &ledger]).wait_for_exit(WAIT);
    assert!(exit.code == 1 && exit.stdout.contains(" missing=1 "), "{exit:?}");
}

struct Load<'a> {
    lab: &'a Lab,
    name_server: Running,
    home: PathBuf,
}

impl<'a> Load<'a> {
    fn new(lab: &'a Lab) -> Load<'a> {
        Load { lab, name_server: lab.name_server(Edition::Ours, "namesrv"), home: lab.home("loadgen") }
    }

    fn broker(&self, conf: &[(&str, &str)]) -> Running {
        self.lab.broker(Edition::Ours, "broker-a", &[&self.name_server], conf)
    }

    fn start(&self, broker: &Running, mode: &[&str]) -> Job {
        let mut spec: Spec = self.lab.program(&binary_path("loadgen"), &self.home);
        let addr = broker.addr.to_string();
        let target = ["--broker", &addr, "--topic", "Load", "--queues", "8"];
        spec.argv.extend(target.iter().chain(mode).map(|word| word.to_string()));
        self.lab.start(&spec)
    }

    /// What it prints, having ended well.
    fn run(&self, broker: &Running, mode: &[&str]) -> String {
        let exit = self.start(broker, mode).wait_for_exit(WAIT);
        assert_eq!(exit.code, 0, "{mode:?}: {exit:?}");
        exit.stdout
    }
}
