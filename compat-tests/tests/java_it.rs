//! The Maven tests of `java-it`, with both client versions, against our name server and broker.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use compat_tests::lab::{Edition, Lab};
use compat_tests::{checkout, target};

const WAIT: Duration = Duration::from_secs(900);

/// Transactions are checked soon and given up soon, so that tests can wait for it.
const CONF: [(&str, &str); 6] = [
    ("enablePropertyFilter", "true"),
    ("recallMessageEnable", "true"),
    ("transactionTimeOut", "1000"),
    ("transactionCheckInterval", "500"),
    ("transactionCheckMax", "3"),
    ("transactionOpBatchInterval", "200"),
];

#[test]
fn client_4_9_8() {
    run_with("4.9.8");
}

#[test]
fn client_5_5_0() {
    run_with("5.5.0");
}

fn run_with(version: &str) {
    let lab = Lab::new();
    let name_server = lab.name_server(Edition::Ours, "namesrv");
    let _broker = lab.broker(Edition::Ours, "broker-a", &[&name_server], &CONF);
    let project = checkout().join("java-it");
    let options = [
        format!("-Drocketmq.client.version={version}"),
        // Both executions run whatever the first one finds; the counts decide.
        "-Dmaven.test.failure.ignore=true".into(),
        format!("-Dnamesrv={}", name_server.addr),
    ];
    let spec = lab.maven(&project, &lab.home("maven"), &options);
    let exit = lab.start(&spec).wait_for_exit(WAIT);
    let counts = count(&exit.stdout);
    report(version, &counts);
    let executions = exit.stdout.matches("Tests run:").count();
    assert!(exit.code == 0 && executions > 0, "{}\n{}", exit.stdout, exit.stderr);
    assert!(counts.passed > 0 && counts.failed == 0 && counts.skipped == 0, "{counts:?}\n{}", exit.stdout);
}

#[derive(Debug, Default)]
struct Counts {
    passed: u32,
    failed: u32,
    skipped: u32,
}

/// Adds up surefire's closing lines, one an execution: "Tests run: 9, Failures: 0, Errors: 0, Skipped: 0".
/// A line of a single class has more behind it.
fn count(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in output.lines() {
        let Some((_, numbers)) = line.split_once("Tests run:") else { continue };
        if numbers.contains("Time elapsed") {
            continue;
        }
        let numbers: Vec<u32> = numbers
            .split(|c: char| !c.is_ascii_digit())
            .filter(|digits| !digits.is_empty())
            .map(|digits| digits.parse().expect("digits"))
            .collect();
        if let [run, failures, errors, skipped] = numbers[..] {
            counts.failed += failures + errors;
            counts.skipped += skipped;
            counts.passed += run - failures - errors - skipped;
        }
    }
    counts
}

/// Leaves the counts for `./test`, which adds them to its closing line.
fn report(version: &str, counts: &Counts) {
    let directory: PathBuf = target().join("java-it");
    fs::create_dir_all(&directory).expect("the target directory is writable");
    let line = format!("{} {} {}\n", counts.passed, counts.failed, counts.skipped);
    fs::write(directory.join(format!("{version}.count")), line).expect("the target directory is writable");
}

#[test]
fn closing_lines_are_counted_once() {
    let output = "[INFO] Tests run: 2, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.1 s -- in A\n\
                  [INFO] Tests run: 2, Failures: 0, Errors: 0, Skipped: 0\n\
                  [ERROR] Tests run: 9, Failures: 1, Errors: 2, Skipped: 1\n";
    let counts = count(output);
    assert_eq!((counts.passed, counts.failed, counts.skipped), (7, 3, 1));
}
