//! Java's `ControllerConfig` (5.5.0), which a name server reads when it holds the controller too.

use process::config::{
    Environment, boolean, computed_text, home_path, int, long, null, numbered_choice, text,
};
use process::settings;

const METRICS_EXPORTER_TYPE: &[&str] = &["DISABLE", "OTLP_GRPC", "PROM", "LOG"];

settings! {
    /// How masters are elected.
    pub struct ControllerConfig of "ControllerConfig" {
        [never] computed_text("rocketmqHome", Environment::rocketmq_home),
        [never] home_path("configStorePath", "controller/controller.properties"),
        // An object of its own in Java, not a value.
        [restart] null("jraftConfig").no_setter(),
        [restart] text("controllerType", "DLedger"),
        [restart] long("scanNotActiveBrokerInterval", 5000),
        [restart] int("controllerThreadPoolNums", 16),
        [restart] int("controllerRequestThreadPoolQueueCapacity", 50_000),
        [never] null("controllerDLegerGroup"),
        [never] null("controllerDLegerPeers"),
        [never] null("controllerDLegerSelfId"),
        [restart] int("mappedFileSize", 1_073_741_824),
        [never] text("controllerStorePath", ""),
        [restart] int("electMasterMaxRetryCount", 3),
        [restart] boolean("enableElectUncleanMaster", false),
        [restart] boolean("isProcessReadEvent", false).set_as("processReadEvent"),
        [restart] boolean("notifyBrokerRoleChanged", true),
        [restart] long("scanInactiveMasterInterval", 5000),
        [restart] numbered_choice("metricsExporterType", METRICS_EXPORTER_TYPE, "DISABLE"),
        [restart] text("metricsGrpcExporterTarget", ""),
        [restart] text("metricsGrpcExporterHeader", ""),
        [restart] long("metricGrpcExporterTimeOutInMills", 3000),
        [restart] long("metricGrpcExporterIntervalInMills", 60_000),
        [restart] long("metricLoggingExporterIntervalInMills", 10_000),
        [never] int("metricsPromExporterPort", 5557),
        [never] text("metricsPromExporterHost", ""),
        [restart] text("metricsLabel", ""),
        [restart] boolean("metricsInDelta", false),
        [never] text("configBlackList", "configBlackList;configStorePath"),
    }
}
