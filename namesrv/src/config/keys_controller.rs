//! The keys of Java's `ControllerConfig` (5.5.0), which a name server reads when it holds the controller too.

use process::config::{
    Class, Environment, boolean, computed_text, home_path, int, long, null, numbered_choice, text,
};

const METRICS_EXPORTER_TYPE: &[&str] = &["DISABLE", "OTLP_GRPC", "PROM", "LOG"];

pub const CONTROLLER_CONFIG: Class = Class {
    name: "ControllerConfig",
    keys: &[
        computed_text("rocketmqHome", Environment::rocketmq_home),
        home_path("configStorePath", "controller/controller.properties"),
        // An object of its own in Java, not a value.
        null("jraftConfig").no_setter(),
        text("controllerType", "DLedger"),
        long("scanNotActiveBrokerInterval", 5000),
        int("controllerThreadPoolNums", 16),
        int("controllerRequestThreadPoolQueueCapacity", 50_000),
        null("controllerDLegerGroup"),
        null("controllerDLegerPeers"),
        null("controllerDLegerSelfId"),
        int("mappedFileSize", 1_073_741_824),
        text("controllerStorePath", ""),
        int("electMasterMaxRetryCount", 3),
        boolean("enableElectUncleanMaster", false),
        boolean("isProcessReadEvent", false).set_as("processReadEvent"),
        boolean("notifyBrokerRoleChanged", true),
        long("scanInactiveMasterInterval", 5000),
        numbered_choice("metricsExporterType", METRICS_EXPORTER_TYPE, "DISABLE"),
        text("metricsGrpcExporterTarget", ""),
        text("metricsGrpcExporterHeader", ""),
        long("metricGrpcExporterTimeOutInMills", 3000),
        long("metricGrpcExporterIntervalInMills", 60_000),
        long("metricLoggingExporterIntervalInMills", 10_000),
        int("metricsPromExporterPort", 5557),
        text("metricsPromExporterHost", ""),
        text("metricsLabel", ""),
        boolean("metricsInDelta", false),
        text("configBlackList", "configBlackList;configStorePath"),
    ],
};
