use super::*;
use crate::golden;
use tempfile::TempDir;

const NOW_MS: i64 = 1_800_000_000_000;

struct Lab {
    folder: TempDir,
    settings: BrokerSettings,
}

impl Lab {
    fn new() -> Lab {
        Lab { folder: tempfile::tempdir().unwrap(), settings: BrokerSettings::of_defaults() }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("subscriptionGroup.json")
    }

    fn load(&self) -> Groups {
        Groups::load(&self.path(), Live::new(self.settings.clone()), Clock::test(NOW_MS)).unwrap()
    }
}

#[test]
fn a_new_broker_has_the_groups_of_javas() {
    let java = golden::config_file("5.5.0", "core", "subscriptionGroup.json");
    let mut java: SubscriptionGroupWrapper = json::from_slice(&java).unwrap();
    java.subscription_group_table.retain(|name, _| !name.starts_with("Sh_"));
    let groups = Lab::new().load();
    assert_eq!(groups.to_wrapper().subscription_group_table, java.subscription_group_table);
    assert_eq!(groups.data_version(), DataVersion { counter: 0, state_version: 0, timestamp: NOW_MS });
}

#[test]
fn javas_files_come_back_as_they_were() {
    for version in golden::VERSIONS {
        for scenario in golden::SCENARIOS {
            let java = golden::config_file(version, scenario, "subscriptionGroup.json");
            let lab = Lab::new();
            std::fs::write(lab.path(), &java).unwrap();
            let groups = lab.load();
            let read: SubscriptionGroupWrapper = json::from_slice(&java).unwrap();
            assert_eq!(groups.data_version(), read.data_version);
            for (name, config) in &read.subscription_group_table {
                assert_eq!(groups.find(name).as_ref(), Some(config), "{version} {scenario}");
            }
            if version == "5.5.0" {
                groups.file.note_change();
                groups.persist();
                let ours = std::fs::read(lab.path()).unwrap();
                assert_eq!(golden::lines(&ours), golden::lines(&java), "{scenario}");
            }
        }
    }
}

#[test]
fn a_named_group_comes_into_being() {
    let lab = Lab::new();
    let groups = lab.load();
    assert!(!groups.contains("g"));
    let made = groups.find("g").unwrap();
    assert_eq!(*made, named("g"));
    assert!(Arc::ptr_eq(&made, &groups.find("g").unwrap()));
    assert_eq!(groups.data_version().counter, 1);
    assert!(lab.load().contains("g"));
    for bad in ["", "a b", &"x".repeat(121)] {
        assert_eq!(groups.find(bad), None);
    }
    assert_eq!(groups.data_version().counter, 1);
}

#[test]
fn unless_the_settings_forbid_it() {
    let mut lab = Lab::new();
    lab.settings.broker.auto_create_subscription_group = false;
    let groups = lab.load();
    assert_eq!(groups.find("g"), None);
    assert!(groups.find("CID_RMQ_SYS_own").is_some());
    lab.settings.broker.enable_create_sys_group = false;
    assert_eq!(lab.load().find("CID_RMQ_SYS_other"), None);
}

#[test]
fn update_disable_delete() {
    let lab = Lab::new();
    let groups = lab.load();
    groups.update(SubscriptionGroupConfig { retry_max_times: 3, ..named("g") }).unwrap();
    assert_eq!(lab.load().find("g").unwrap().retry_max_times, 3);
    let unknown = [("+message.type".to_owned(), "FIFO".to_owned())].into();
    assert!(groups.update(SubscriptionGroupConfig { attributes: unknown, ..named("h") }).is_err());
    assert!(!groups.contains("h"));
    assert!(groups.disable_consume("g") && !groups.disable_consume("h"));
    assert!(!groups.find("g").unwrap().consume_enable);
    assert!(groups.delete("g") && !groups.delete("g"));
    assert_eq!(groups.data_version().counter, 3);
    assert!(!lab.load().contains("g"));
}

#[test]
fn a_list_is_made_whole_or_not_at_all() {
    let lab = Lab::new();
    let groups = lab.load();
    let unknown = [("+no.such".to_owned(), "1".to_owned())].into();
    let bad = SubscriptionGroupConfig { attributes: unknown, ..named("b") };
    assert_eq!(groups.update_list(vec![named("a"), bad, named("c")]).unwrap_err().0, "b");
    assert!(["a", "b", "c"].iter().all(|name| !groups.contains(name)));
    groups.update_list(vec![named("a"), named("c")]).unwrap();
    assert!(lab.load().contains("a") && lab.load().contains("c"));
    groups.update_forbidden("c", "t", 2, true);
    let (page, total) = groups.page(Some(groups.data_version()), SYSTEM_GROUPS.len(), 1);
    assert_eq!((page.subscription_group_table.len(), total), (1, SYSTEM_GROUPS.len() + 2));
    assert!(page.forbidden_table.keys().all(|group| page.subscription_group_table.contains_key(group)));
}

#[test]
fn forbidden_topics() {
    let lab = Lab::new();
    let groups = lab.load();
    assert!(!groups.forbidden("g", "t", 0));
    groups.update_forbidden("g", "t", 0, true);
    groups.update_forbidden("g", "t", 2, true);
    groups.update_forbidden("g", "u", 1, true);
    groups.update_forbidden("g", "t", 0, false);
    let groups = lab.load();
    let bits = |topic: &str| [0, 1, 2].map(|index| groups.forbidden("g", topic, index));
    assert_eq!(bits("t"), [false, false, true]);
    assert_eq!(bits("u"), [false, true, false]);
    groups.update_forbidden("g", "t", 2, false);
    assert_eq!(bits("u"), [false; 3]);
}
