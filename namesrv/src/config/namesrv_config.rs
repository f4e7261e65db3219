//! Java's `NamesrvConfig` (5.5.0), in its order of declaration.

use std::path::PathBuf;

use process::config::{Environment, boolean, computed_text, home_path, int, long, text};
use process::settings;

settings! {
    /// How the name server keeps and answers routes.
    pub struct NamesrvConfig of "NamesrvConfig" {
        [never] computed_text("rocketmqHome", Environment::rocketmq_home),
        /// The JSON file of the key-value table.
        kv_config_path: PathBuf = [never] home_path("kvConfigPath", "namesrv/kvConfig.json"),
        /// Where a config update is kept; the file given with `-c`, where there is one.
        config_store_path: PathBuf = [never] home_path("configStorePath", "namesrv/namesrv.properties"),
        [restart] text("productEnvName", "center"),
        [restart] boolean("clusterTest", false),
        /// Routes carry the order configuration of their topic.
        order_message_enable: bool = [live] boolean("orderMessageEnable", false),
        /// A broker's registration is answered with the order configurations.
        return_order_topic_config_to_broker: bool = [live] boolean("returnOrderTopicConfigToBroker", true),
        [restart] int("clientRequestThreadPoolNums", 8),
        [restart] int("defaultThreadPoolNums", 16),
        [restart] int("clientRequestThreadPoolQueueCapacity", 50_000),
        [restart] int("defaultThreadPoolQueueCapacity", 10_000),
        /// Look for silent brokers this often.
        scan_not_active_broker_interval_ms: u64 = [restart] long("scanNotActiveBrokerInterval", 5000),
        [restart] int("unRegisterBrokerQueueCapacity", 3000),
        /// A slave may stand in for its lost master.
        support_acting_master: bool = [live] boolean("supportActingMaster", false),
        /// Code 206 is answered with the names of all topics.
        enable_all_topic_list: bool = [live] boolean("enableAllTopicList", true),
        /// Codes 224, 311, 312 and 313 are answered with names of topics.
        enable_topic_list: bool = [live] boolean("enableTopicList", true),
        /// Brokers of one name are told when their lowest id changes.
        notify_min_broker_id_changed: bool = [live] boolean("notifyMinBrokerIdChanged", false),
        [never] boolean("enableControllerInNamesrv", false),
        /// Refuse routes until `wait_for_service_s` have passed since the start.
        need_wait_for_service: bool = [live] boolean("needWaitForService", false),
        /// How long that is, in seconds.
        wait_for_service_s: u64 = [live] int("waitSecondsForService", 45),
        /// A registration deletes the topics that it does not name.
        delete_topic_with_broker_registration: bool = [live] boolean("deleteTopicWithBrokerRegistration", false),
        /// Keys, separated by `;`, that a config update may not change.
        config_black_list: String = [never] text("configBlackList", "configBlackList;configStorePath;kvConfigPath"),
    }
}
