//! The Spring Boot application of `clients/spring` against our name server and broker.

use std::time::Duration;

use compat_tests::checkout;
use compat_tests::counts::Counts;
use compat_tests::lab::{CLIENT_TEST_CONF, Edition, Lab};

const WAIT: Duration = Duration::from_secs(300);

#[test]
fn application_runs_unchanged() {
    let lab = Lab::new();
    let name_server = lab.name_server(Edition::Ours, "namesrv");
    let _broker = lab.broker(Edition::Ours, "broker-a", &[&name_server], &CLIENT_TEST_CONF);
    let options = [format!("-Dnamesrv={}", name_server.addr)];
    let spec = lab.maven(&checkout().join("clients/spring"), &lab.home("maven"), &options);
    let exit = lab.start(&spec).wait_for_exit(WAIT);
    let counts = Counts::of_maven(&exit.stdout);
    counts.report("clients-spring");
    assert!(exit.code == 0 && counts.all_passed(), "{counts:?}\n{}\n{}", exit.stdout, exit.stderr);
}
