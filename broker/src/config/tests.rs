use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use process::config::{ConfigPrinter, Environment};
use process::properties::Properties;

use super::*;

fn overrides(arguments: &str) -> Overrides {
    Overrides { settings: Properties::parse(arguments.as_bytes()).unwrap(), ..Overrides::default() }
}

fn loaded(arguments: &str) -> Result<BrokerSettings, String> {
    let environment = Arc::new(Environment::fixed("/home/u"));
    load(environment, &overrides(arguments)).map(|(_, settings)| settings).map_err(|error| error.to_string())
}

#[test]
fn java_defaults() {
    let settings = loaded("").unwrap();
    assert_eq!(settings.broker_addr(), "127.0.0.1:10911");
    assert_eq!(settings.ha_server_addr(), "127.0.0.1:10912");
    assert_eq!(settings.identity.broker_name, "broker-a");
    assert_eq!(settings.store.commit_log_dir(), PathBuf::from("/home/u/store/commitlog"));
    assert_eq!(settings.store.consume_queue_file_bytes(), 6_000_000);
    assert_eq!(settings.store.flush_disk_type, FlushDiskType::AsyncFlush);
    assert!(settings.broker.namesrv_addrs().is_empty());
    let delays = settings.store.delay_levels_ms().unwrap();
    assert_eq!((delays.len(), delays[0], delays[17]), (18, 1_000, 7_200_000));
}

#[test]
fn the_command_line_wins_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broker.conf");
    fs::write(&file, "listenPort=20911\nbrokerName = b1\nnamesrvAddr=10.0.0.1:9876\n").unwrap();
    let overrides = Overrides {
        config_file: Some(file),
        namesrv_addr: Some("127.0.0.1:9876;127.0.0.1:9877".to_string()),
        settings: Properties::parse(b"brokerName=b2").unwrap(),
    };
    let (config, settings) = load(Arc::new(Environment::fixed("/h")), &overrides).unwrap();
    assert_eq!(settings.identity.broker_name, "b2");
    assert_eq!(settings.server.listen_port, 20911);
    assert_eq!(settings.store.ha_listen_port, 20912);
    assert_eq!(settings.broker.namesrv_addrs(), ["127.0.0.1:9876", "127.0.0.1:9877"]);
    assert_eq!(warnings(&config), Vec::<String>::new());
}

#[test]
fn the_role_decides_the_broker_id() {
    assert_eq!(loaded("brokerId=3").unwrap().identity.broker_id, 0);
    assert_eq!(loaded("brokerId=3\nbrokerRole=SLAVE").unwrap().identity.broker_id, 3);
    assert_eq!(loaded("brokerRole=SLAVE").unwrap_err(), "Slave's brokerId must be > 0, and is 0");
}

#[test]
fn bad_values_are_one_clear_line() {
    for (arguments, complaint) in [
        ("listenPort=abc", r#"command line: listenPort="abc": an integer of 32 bits is expected"#),
        (
            "flushDiskType=NEVER",
            r#"command line: flushDiskType="NEVER": one of SYNC_FLUSH, ASYNC_FLUSH is expected"#,
        ),
        (
            "maxMessageSize=-1",
            r#"command line: maxMessageSize="-1": an integer that is not negative is expected"#,
        ),
        (
            "namesrvAddr=nowhere",
            "The Name Server Address[nowhere] illegal, please set it as follows, \"127.0.0.1:9876;192.168.0.1:9876\"",
        ),
        (
            "messageDelayLevel=1s 5x",
            r#"configuration: messageDelayLevel="5x": a number with s, m, h or d after it, such as 10s, is expected"#,
        ),
    ] {
        assert_eq!(loaded(arguments).unwrap_err(), complaint);
    }
}

#[test]
fn keys_without_effect_are_named_once() {
    let given =
        overrides("sendMessageThreadPoolNums=16\nenableDLegerCommitLog=true\nnoSuchKey=1\nlistenPort=10911");
    let (config, _) = load(Arc::new(Environment::fixed("/h")), &given).unwrap();
    assert_eq!(
        warnings(&config),
        [
            "unknown key noSuchKey: ignored",
            "sendMessageThreadPoolNums=16 is known and has no effect yet (BrokerConfig)",
            "enableDLegerCommitLog=true is known and has no effect yet (MessageStoreConfig)",
        ]
    );
}

/// Counts of Java 5.5.0's `mqbroker -p` and `-m`, and of its classes' fields.
#[test]
fn every_java_key_is_known() {
    let config = values(Arc::new(Environment::fixed("/h")), &Overrides::default()).unwrap();
    let printed =
        |important_only| ConfigPrinter { config: &config, classes: PRINTED, important_only }.lines();
    assert_eq!(printed(false).len(), 302);
    assert_eq!(
        printed(true).iter().map(|line| line.split_once('=').unwrap().0).collect::<Vec<_>>(),
        [
            "namesrvAddr",
            "listenPort",
            "brokerIP1",
            "recoverConcurrently",
            "autoCreateTopicEnable",
            "autoCreateSubscriptionGroup",
            "msgTraceTopicName",
            "traceTopicEnable",
            "rejectTransactionMessage",
            "fetchNameSrvAddrByDnsLookup",
            "fetchNamesrvAddrByAddressServer",
            "transactionTimeOut",
            "transactionCheckMax",
            "transactionCheckInterval",
            "aclEnable",
        ]
    );
    let keys: usize = CLASSES.iter().map(|class| class.keys.len()).sum();
    assert_eq!(keys, 5 + 238 + 18 + 20 + 219 + 26 + 2);
}
