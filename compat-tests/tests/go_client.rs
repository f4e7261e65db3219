//! The Go application of `clients/go` against our name server and broker.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use compat_tests::counts::Counts;
use compat_tests::lab::{CLIENT_TEST_CONF, Edition, Lab};
use compat_tests::{checkout, target};

const WAIT: Duration = Duration::from_secs(300);

#[test]
fn application_runs_unchanged() {
    let lab = Lab::new();
    let name_server = lab.name_server(Edition::Ours, "namesrv");
    let conf = [&CLIENT_TEST_CONF[..], &[("traceTopicEnable", "true")]].concat();
    let broker = lab.broker(Edition::Ours, "broker-a", &[&name_server], &conf);
    let mut spec = lab.program(&build(), &lab.home("go"));
    // Most of a test is waiting for a client's timers.
    spec.argv.extend(["-test.v", "-test.parallel=64"].map(String::from));
    spec.env.push(("NAMESRV".into(), name_server.addr.to_string()));
    spec.env.push(("BROKER".into(), broker.addr.to_string()));
    let exit = lab.start(&spec).wait_for_exit(WAIT);
    let counts = Counts::of_go(&exit.stdout);
    counts.report("clients-go");
    assert!(exit.code == 0 && counts.all_passed(), "{counts:?}\n{}\n{}", exit.stdout, exit.stderr);
}

/// Compiles the tests into one program that needs nothing else: a lab's network leads to no module proxy.
fn build() -> PathBuf {
    let program = target().join("clients/go.test");
    let output = Command::new("go")
        .current_dir(checkout().join("clients/go"))
        .env("CGO_ENABLED", "0")
        .args(["test", "-c", "-o"])
        .args([program.as_os_str(), ".".as_ref()])
        .output()
        .expect("go starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}
