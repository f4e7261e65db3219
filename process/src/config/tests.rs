use std::sync::Arc;

use super::netty::{NettyClientConfig, NettyServerConfig};
use super::*;
use crate::properties::Properties;

crate::settings! {
    struct Sample of "Sample" {
        [never] int("listenPort", 6888).important(),
        [live] boolean("isScan", true).set_as("scan"),
        [restart] boolean("fixed", false).no_setter(),
        big: i64 = [live] long("big", 1),
        small: i64 = [restart] long("small", 2),
        port: i64 = [never] long("port", 3),
        [live] double("ratio", 0.8),
        [live] null("absent"),
        [live] text("label", ""),
        [never] home_path("kvConfigPath", "namesrv/kvConfig.json"),
        [live] choice("mode", &["PULL", "POP"], "PULL"),
        [live] numbered_choice("exporter", &["DISABLE", "PROM"], "DISABLE"),
        [live] computed_text("address", Environment::local_address),
        [live] computed_int("threads", |env| 16 + env.processors() * 2),
    }
}

fn sample() -> Config {
    Config::new(
        &[Sample::CLASS, NettyServerConfig::CLASS, NettyClientConfig::CLASS],
        &["Sample", "NettyServerConfig"],
        Arc::new(Environment::fixed("/home/u")),
    )
}

fn with(text: &str) -> Result<Config, ConfigError> {
    let mut config = sample();
    config.set_all("test.conf", &Properties::parse(text.as_bytes()).unwrap())?;
    Ok(config)
}

#[test]
fn defaults_and_java_rendering() {
    let config = sample();
    let printed = ConfigPrinter { config: &config, classes: &["Sample"], important_only: false };
    assert_eq!(
        printed.lines(),
        [
            "listenPort=6888",
            "isScan=true",
            "fixed=false",
            "big=1",
            "small=2",
            "port=3",
            "ratio=0.8",
            "absent=",
            "label=",
            "kvConfigPath=/home/u/namesrv/kvConfig.json",
            "mode=PULL",
            "exporter=DISABLE",
            "address=127.0.0.1",
            "threads=20",
        ]
    );
    let important = ConfigPrinter { config: &config, classes: &["Sample"], important_only: true };
    assert_eq!(important.lines(), ["listenPort=6888"]);
}

#[test]
fn one_key_of_two_classes_is_set_in_both_and_shown_once() {
    let mut config = with("listenPort=10911\nmine=x \n").unwrap();
    config.derive("NettyServerConfig", "listenPort", 7);
    assert_eq!(config.get("Sample", "listenPort").as_deref(), Some("10911"));
    let rendered = config.render();
    assert!(rendered.contains("\nlistenPort=7\n"), "{rendered}");
    assert!(rendered.contains("\nmine=x\n"), "unknown keys are kept: {rendered}");
    assert!(!rendered.contains("absent"), "null is not shown: {rendered}");
    assert!(rendered.lines().map(|line| line.split('=').next()).is_sorted());
}

#[test]
fn classes_that_are_not_shown_show_what_the_user_set() {
    let config = with("connectTimeoutMillis=50").unwrap();
    let rendered = config.render();
    assert!(rendered.contains("\nconnectTimeoutMillis=50\n"), "{rendered}");
    assert!(!rendered.contains("clientWorkerThreads"), "{rendered}");
}

#[test]
fn an_update_is_all_or_nothing_and_drops_unknown_keys() {
    let config = with("mine=1").unwrap();
    let update = |text: &str| config.updated(&Properties::parse(text.as_bytes()).unwrap());
    assert!(update("big=7\nscan=maybe").is_err());
    let updated = update("big=7\nmine=2\nyours=3").unwrap();
    assert_eq!(updated.get("Sample", "big").as_deref(), Some("7"));
    assert!(updated.render().contains("\nmine=2\n"));
    assert!(!updated.render().contains("yours"));
    assert_eq!(config.get("Sample", "big").as_deref(), Some("1"));
}

#[test]
fn bad_values_name_their_origin() {
    for (text, complaint) in [
        ("big=1x", r#"test.conf: big="1x": an integer of 64 bits is expected"#),
        ("scan=yes", r#"test.conf: scan="yes": true or false is expected"#),
        ("scan=true ", r#"test.conf: scan="true ": true or false is expected"#),
        ("mode=PUSH", r#"test.conf: mode="PUSH": one of PULL, POP is expected"#),
        (
            "serverSocketBacklog=3000000000",
            r#"test.conf: serverSocketBacklog="3000000000": an integer of 32 bits is expected"#,
        ),
    ] {
        assert_eq!(with(text).unwrap_err().to_string(), complaint);
    }
    let error = with("listenPort=70000").unwrap().read::<NettyServerConfig>().unwrap_err();
    assert_eq!(error.to_string(), r#"test.conf: listenPort="70000": an integer from 0 to 65535 is expected"#);
}

#[test]
fn typed_structs_read_their_class() {
    let config = with("listenPort=9876\nconnectTimeoutMillis=50").unwrap();
    let server: NettyServerConfig = config.read().unwrap();
    assert_eq!((server.listen_port, server.bind_address.as_str()), (9876, "0.0.0.0"));
    assert_eq!(config.read::<NettyClientConfig>().unwrap().connect_timeout_ms, 50);
}

#[test]
fn an_update_changes_live_keys_alone() {
    let present: Sample = with("big=5\nsmall=6\nport=7").unwrap().read().unwrap();
    let next = Sample { big: 15, small: 16, port: 17 };
    assert_eq!(present.updated(&next), Sample { big: 15, small: 6, port: 7 });
    assert_eq!(Sample::of_defaults(), Sample { big: 1, small: 2, port: 3 });
}

#[test]
fn what_is_never_changed_is_forbidden_by_either_name() {
    let config = sample();
    assert!(["port", "kvConfigPath", "bindAddress"].iter().all(|key| config.forbids(key)));
    assert!(!["big", "small", "scan", "nobody"].iter().any(|key| config.forbids(key)));
    // One of two classes that have it suffices.
    assert!(config.forbids("listenPort"));
}

#[test]
fn warnings_name_unknown_unsettable_and_ignored_keys() {
    let config = with("nobody=1\nfixed=true\nbig=2\nratio=0.8\nexporter=1\nisScan=false").unwrap();
    let warnings = config.warnings(&[]);
    assert_eq!(
        warnings,
        [
            "unknown key nobody: ignored",
            "fixed cannot be set: ignored, as in Java",
            "isScan cannot be set: ignored, as in Java",
            "exporter=PROM is known and has no effect yet (Sample)",
        ]
    );
}

#[test]
fn a_missing_file_is_named() {
    let error = sample().load_file("no/such.conf".as_ref()).unwrap_err();
    assert!(error.to_string().starts_with("cannot read no/such.conf: "), "{error}");
}
