//! The Maven tests of `java-it`, with both client versions, against our name server and broker.

use std::time::Duration;

use compat_tests::checkout;
use compat_tests::counts::Counts;
use compat_tests::lab::{CLIENT_TEST_CONF, Edition, Lab};

/// Groups of `GroupSettingsIT`.
const GROUPS: &str = r#"{
    "dataVersion":{"counter":1,"stateVersion":0,"timestamp":1700000000000},
    "subscriptionGroupTable":{
        "group-off":{"groupName":"group-off","consumeEnable":false},
        "group-no-broadcast":{"groupName":"group-no-broadcast","consumeBroadcastEnable":false}
    }
}
"#;
const WAIT: Duration = Duration::from_secs(900);

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
    lab.seed("broker-a", "store/config/subscriptionGroup.json", GROUPS);
    // Transactions are given up while a test waits: its producers are known before they send.
    let conf = [&CLIENT_TEST_CONF[..], &[("transactionCheckMax", "10")]].concat();
    let _broker = lab.broker(Edition::Ours, "broker-a", &[&name_server], &conf);
    let project = checkout().join("java-it");
    let mut options = vec![
        format!("-Drocketmq.client.version={version}"),
        // All executions run whatever the first one finds; the counts decide.
        "-Dmaven.test.failure.ignore=true".into(),
        format!("-Dnamesrv={}", name_server.addr),
    ];
    // `./test java NAME`: this class alone, by every execution.
    if let Some(class) = std::env::var("JAVA_IT_CLASS").ok().filter(|class| !class.is_empty()) {
        options.push(format!("-Dtest={class}"));
    }
    let spec = lab.maven(&project, &lab.home("maven"), &options);
    let exit = lab.start(&spec).wait_for_exit(WAIT);
    let counts = Counts::of_maven(&exit.stdout);
    counts.report(&format!("java-it with client {version}"));
    assert!(exit.code == 0 && counts.all_passed(), "{counts:?}\n{}\n{}", exit.stdout, exit.stderr);
}
