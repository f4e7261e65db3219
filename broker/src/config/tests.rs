use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use process::config::{ConfigPrinter, Environment, Key, Kind, Mutability};
use process::properties::Properties;

use super::*;
use crate::golden;
use store::{FlushDiskType, Hours};

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
    assert_eq!(settings.store.delete_when, Hours(vec![4]));
    assert_eq!(settings.store.consume_queue_file_bytes(), 6_000_000);
    assert_eq!(settings.store.flush_disk_type, FlushDiskType::AsyncFlush);
    assert!(settings.broker.namesrv_addrs().is_empty());
    let delays = settings.store.message_delay_level.0;
    assert_eq!((delays.len(), delays[0], delays[17]), (18, 1_000, 7_200_000));
}

#[test]
fn hours_of_removal() {
    assert_eq!(loaded("deleteWhen=04;16;").unwrap().store.delete_when, Hours(vec![4, 16]));
    let error = loaded("deleteWhen=at night").unwrap_err();
    assert!(error.contains("deleteWhen") && error.contains("at night"), "{error}");
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
            "namesrvAddr=http://10.0.0.1:9876",
            "The Name Server Address[http://10.0.0.1:9876] illegal, please set it as follows, \"127.0.0.1:9876;192.168.0.1:9876\"",
        ),
        (
            "messageDelayLevel=1s 5x",
            r#"command line: messageDelayLevel="1s 5x": delays such as "1s 5s 10m 2h 1d" is expected"#,
        ),
    ] {
        assert_eq!(loaded(arguments).unwrap_err(), complaint);
    }
}

/// Java's broker keeps the others out.
#[test]
fn a_broker_that_is_to_keep_others_out_does_not_start_open() {
    for key in ["aclEnable", "authenticationEnabled", "authorizationEnabled"] {
        let complaint = loaded(&format!("{key}=true")).unwrap_err();
        assert!(complaint.starts_with(&format!("{key}=true has no effect yet")), "{complaint}");
        assert!(!complaint.contains('\n') && loaded(&format!("{key}=false")).is_ok());
    }
}

#[test]
fn a_comma_between_name_servers_is_taken_for_a_semicolon_and_told() {
    let settings = loaded("namesrvAddr=10.0.0.1:9876, 10.0.0.2:9876").unwrap();
    assert_eq!(settings.broker.namesrv_addrs(), ["10.0.0.1:9876", "10.0.0.2:9876"]);
    let notices = notices(&settings);
    assert!(notices.len() == 1 && notices[0].contains("10.0.0.1:9876, 10.0.0.2:9876"), "{notices:?}");
    assert!(super::notices(&loaded("namesrvAddr=10.0.0.1:9876;10.0.0.2:9876").unwrap()).is_empty());
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

/// A value of the key's kind that is not its default, and with which a broker starts.
fn another(key: &Key, default: &str) -> String {
    match (key.name, key.kind) {
        ("namesrvAddr", _) => "127.0.0.1:9876".to_owned(),
        ("deleteWhen", _) => "05".to_owned(),
        ("messageDelayLevel", _) => "2s".to_owned(),
        (_, Kind::Bool) => (default == "false").to_string(),
        (_, Kind::Int | Kind::Long) if default == i32::MAX.to_string() => "7".to_owned(),
        (_, Kind::Int | Kind::Long) => (default.parse::<i64>().unwrap() + 1).to_string(),
        (_, Kind::Double) => "0.5".to_owned(),
        (_, Kind::Text) => format!("{default}x"),
        (_, Kind::Choice(of) | Kind::NumberedChoice(of)) => {
            of.iter().find(|name| **name != default).unwrap().to_string()
        }
    }
}

/// Each key that we act on, changed alone: a live one is at work after an update, any other is not.
#[test]
fn an_update_changes_live_keys_and_no_others() {
    let environment = || Arc::new(Environment::fixed("/h"));
    let loaded = |given: &Overrides| load(environment(), given).unwrap();
    // Only a slave's id is its own.
    let slave = || overrides("brokerRole=SLAVE\nbrokerId=5");
    let shown =
        |s: &BrokerSettings| format!("{:?}", (&s.identity, &s.broker, &s.store, &s.server, &s.client));
    let (config, present) = loaded(&slave());
    let mut live = 0;
    for (class, key) in CLASSES.iter().flat_map(|class| class.keys.iter().map(move |key| (class, key))) {
        let (Some(_), Some(name)) = (key.field, key.set_as) else { continue };
        let mut given = slave();
        let value = another(key, &config.get(class.name, key.name).unwrap_or_default());
        given.settings.insert(name, value);
        if key.name == "brokerRole" {
            given.settings.insert("brokerId", "0");
        }
        let (_, next) = loaded(&given);
        assert_ne!(shown(&next), shown(&present), "{} is read", key.name);
        let is_live = key.mutability == Mutability::Live;
        let expected = if is_live { &next } else { &present };
        assert_eq!(shown(&present.updated(&next)), shown(expected), "{}: {:?}", key.name, key.mutability);
        live += usize::from(is_live);
    }
    assert!(live > 60, "{live}");
}

/// Paths, ports, identity, role, access control and TLS.
#[test]
fn what_nobody_may_set_from_afar() {
    let (config, _) = load(Arc::new(Environment::fixed("/h")), &Overrides::default()).unwrap();
    for key in [
        "brokerConfigPath",
        "rocketmqHome",
        "configBlackList",
        "messageStorePlugIn",
        "listenPort",
        "haListenPort",
        "bindAddress",
        "brokerIP1",
        "brokerIP2",
        "brokerName",
        "brokerClusterName",
        "brokerId",
        "brokerRole",
        "storePathRootDir",
        "storePathCommitLog",
        "readOnlyCommitLogStorePaths",
        "aclEnable",
        "authenticationEnabled",
        "authorizationEnabled",
        "authConfigPath",
        "useTLS",
    ] {
        assert!(config.forbids(key), "{key}");
    }
    for key in ["fileReservedTime", "brokerPermission", "namesrvAddr", "flushDiskType"] {
        assert!(!config.forbids(key), "{key}");
    }
}

/// Every file that we ship starts a broker and sets nothing that we do not know.
#[test]
fn shipped_files_are_understood() {
    let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf");
    let folders = ["2m-noslave", "2m-2s-async", "2m-2s-sync"].map(|name| conf.join(name));
    let in_folders =
        folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = in_folders.collect();
    files.push(conf.join("broker.conf"));
    assert_eq!(files.len(), 11);
    for file in files {
        let overrides = Overrides { config_file: Some(file.clone()), ..Overrides::default() };
        let (config, _) = load(Arc::new(Environment::fixed("/h")), &overrides).unwrap();
        let unknown: Vec<_> =
            warnings(&config).into_iter().filter(|line| line.starts_with("unknown")).collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", file.display());
    }
}

/// The keys that the golden broker was given; all other lines of its reply are Java's defaults or derived values.
const GOLDEN_KEYS_GIVEN: &[&str] = &[
    "authConfigPath",
    "authenticationMetadataProvider",
    "authorizationMetadataProvider",
    "brokerClusterName",
    "brokerIP1",
    "brokerIP2",
    "brokerName",
    "compactionCqMappedFileSize",
    "compactionMappedFileSize",
    "enableLmq",
    "enableMultiDispatch",
    "enablePropertyFilter",
    "fileReservedTime",
    "listenPort",
    "mappedFileSizeCommitLog",
    "mappedFileSizeConsumeQueue",
    "mappedFileSizeTimerLog",
    "mapperFileSizeBatchConsumeQueue",
    "maxHashSlotNum",
    "maxIndexNum",
    "namesrvAddr",
    "osPageCacheBusyTimeOutMills",
    "recallMessageEnable",
    "reviveAckWaitMs",
    "rocketmqHome",
    "storePathCommitLog",
    "storePathRootDir",
    "timerRollWindowSlot",
    "transactionCheckInterval",
    "transactionTimeOut",
    "waitTimeMillsInSendQueue",
];

/// Java 5.5.0's reply to GET_BROKER_CONFIG (26), byte for byte.
#[test]
fn rendered_as_java_does() {
    let frame = golden::frame("5.5.0", "json", "04033-26-GET_BROKER_CONFIG-resp.bin");
    let header_bytes = u32::from_be_bytes(frame[4..8].try_into().unwrap()) & 0x00ff_ffff;
    let java = &frame[8 + header_bytes as usize..];

    let mut settings = Properties::parse(java).unwrap();
    settings.0.retain(|name, _| GOLDEN_KEYS_GIVEN.contains(&name.as_str()));
    assert_eq!(settings.0.len(), GOLDEN_KEYS_GIVEN.len());
    let given = Overrides { settings, ..Overrides::default() };
    let (config, _) = load(Arc::new(Environment::fixed("/h")), &given).unwrap();
    for (ours, java) in config.render().lines().zip(str::from_utf8(java).unwrap().lines()) {
        assert_eq!(ours, java);
    }
    assert_eq!(config.render().as_bytes(), java);
}
