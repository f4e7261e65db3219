//! The keys of Java's `NamesrvConfig` (5.5.0), in its order of declaration.

use process::config::{Class, Environment, boolean, computed_text, home_path, int, long, text};

pub const NAMESRV_CONFIG: Class = Class {
    name: "NamesrvConfig",
    keys: &[
        computed_text("rocketmqHome", Environment::rocketmq_home),
        home_path("kvConfigPath", "namesrv/kvConfig.json"),
        home_path("configStorePath", "namesrv/namesrv.properties"),
        text("productEnvName", "center"),
        boolean("clusterTest", false),
        boolean("orderMessageEnable", false),
        boolean("returnOrderTopicConfigToBroker", true),
        int("clientRequestThreadPoolNums", 8),
        int("defaultThreadPoolNums", 16),
        int("clientRequestThreadPoolQueueCapacity", 50_000),
        int("defaultThreadPoolQueueCapacity", 10_000),
        long("scanNotActiveBrokerInterval", 5000),
        int("unRegisterBrokerQueueCapacity", 3000),
        boolean("supportActingMaster", false),
        boolean("enableAllTopicList", true),
        boolean("enableTopicList", true),
        boolean("notifyMinBrokerIdChanged", false),
        boolean("enableControllerInNamesrv", false),
        boolean("needWaitForService", false),
        int("waitSecondsForService", 45),
        boolean("deleteTopicWithBrokerRegistration", false),
        text("configBlackList", "configBlackList;configStorePath;kvConfigPath"),
    ],
};
