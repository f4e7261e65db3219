//! What Java takes from the JVM's system properties, the environment and the host when it fills in defaults.

use std::collections::BTreeMap;
use std::fs;
use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use super::host_address;

/// The surroundings of the process. The host's name and address are looked up on first use only.
#[derive(Debug)]
pub struct Environment {
    home: PathBuf,
    rocketmq_home: Option<String>,
    namesrv_addr: Option<String>,
    system_properties: BTreeMap<String, String>,
    processors: i32,
    broker_name: OnceLock<String>,
    local_address: OnceLock<String>,
}

impl Environment {
    /// Of this process. `system_properties` are the `-Dname=value` arguments, which Java gives to the JVM; they win over
    /// environment variables.
    pub fn of_process(system_properties: &BTreeMap<String, String>) -> Environment {
        let from = |property: &str, variable: &str| {
            system_properties.get(property).cloned().or_else(|| std::env::var(variable).ok())
        };
        let home = system_properties.get("user.home").map(PathBuf::from).or_else(std::env::home_dir);
        Environment {
            home: home.unwrap_or_else(|| PathBuf::from("/")),
            rocketmq_home: from("rocketmq.home.dir", "ROCKETMQ_HOME"),
            namesrv_addr: from("rocketmq.namesrv.addr", "NAMESRV_ADDR"),
            system_properties: system_properties.clone(),
            processors: thread::available_parallelism().map_or(1, |count| count.get() as i32),
            broker_name: OnceLock::new(),
            local_address: OnceLock::new(),
        }
    }

    /// A fixed one for tests: broker name `broker-a`, address 127.0.0.1, two processors, no variables.
    pub fn fixed(home: impl Into<PathBuf>) -> Environment {
        Environment {
            home: home.into(),
            rocketmq_home: None,
            namesrv_addr: None,
            system_properties: BTreeMap::new(),
            processors: 2,
            broker_name: OnceLock::from("broker-a".to_string()),
            local_address: OnceLock::from("127.0.0.1".to_string()),
        }
    }

    /// Java's `user.home`.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// `-Drocketmq.home.dir`, else `ROCKETMQ_HOME`.
    pub fn rocketmq_home(&self) -> Option<String> {
        self.rocketmq_home.clone()
    }

    /// `-Drocketmq.namesrv.addr`, else `NAMESRV_ADDR`.
    pub fn namesrv_addr(&self) -> Option<String> {
        self.namesrv_addr.clone()
    }

    /// The `-Dname=value` arguments.
    pub fn system_properties(&self) -> &BTreeMap<String, String> {
        &self.system_properties
    }

    /// Whether to call other servers by TLS. Java: `NettyClientConfig.useTLS`, before any file sets it.
    pub fn uses_tls(&self) -> bool {
        let property = |name: &str| self.system_properties.get(name).map(String::as_str);
        match property("tls.enable") {
            Some(enable) => enable.eq_ignore_ascii_case("true"),
            None => property("tls.server.mode") == Some("enforcing"),
        }
    }

    /// Processors that this process may use.
    pub fn processors(&self) -> i32 {
        self.processors
    }

    /// The host's name, or `DEFAULT_BROKER` where it does not resolve (`BrokerIdentity.defaultBrokerName`).
    pub fn broker_name(&self) -> Option<String> {
        let name = self.broker_name.get_or_init(|| {
            let name = host_name();
            let resolves = (name.as_str(), 0).to_socket_addrs().is_ok();
            if name.is_empty() || !resolves { "DEFAULT_BROKER".to_string() } else { name }
        });
        Some(name.clone())
    }

    /// The address that Java's `NetworkUtil.getLocalAddress` picks.
    pub fn local_address(&self) -> Option<String> {
        let address = self.local_address.get_or_init(|| host_address::pick(&host_name()));
        Some(address.clone())
    }
}

fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_string()
}
