//! All that a broker acts on, in one value.

use std::sync::Arc;

use process::config::netty::{NettyClientConfig, NettyServerConfig};
use process::config::{Config, ConfigError, Environment, Settings};

use store::MessageStoreConfig;

use super::{BrokerConfig, BrokerIdentity};

/// `listenPort` where the user gives none.
pub(super) const DEFAULT_LISTEN_PORT: u16 = 10911;

/// All of a broker's settings, as one read of its [`Config`].
#[derive(Clone, Debug)]
pub struct BrokerSettings {
    /// Who the broker is in its cluster.
    pub identity: BrokerIdentity,
    /// How it serves its clients.
    pub broker: BrokerConfig,
    /// How it stores messages.
    pub store: MessageStoreConfig,
    /// How it listens.
    pub server: NettyServerConfig,
    /// How it connects to name servers.
    pub client: NettyClientConfig,
    /// Home, host name and what else the process was started with.
    pub environment: Arc<Environment>,
}

impl BrokerSettings {
    /// Java's defaults on a host of 127.0.0.1 that is called `broker-a`, with relative paths: for tests.
    pub fn of_defaults() -> BrokerSettings {
        BrokerSettings {
            identity: BrokerIdentity::of_defaults(),
            broker: BrokerConfig::of_defaults(),
            store: MessageStoreConfig::of_defaults(),
            server: NettyServerConfig {
                listen_port: DEFAULT_LISTEN_PORT,
                ..NettyServerConfig::of_defaults()
            },
            client: NettyClientConfig::of_defaults(),
            environment: Arc::new(Environment::fixed("")),
        }
    }

    /// What is at work once `next` has been put over these in a running broker.
    pub fn updated(&self, next: &BrokerSettings) -> BrokerSettings {
        BrokerSettings {
            identity: self.identity.updated(&next.identity),
            broker: self.broker.updated(&next.broker),
            store: self.store.updated(&next.store),
            server: self.server.updated(&next.server),
            client: self.client.updated(&next.client),
            environment: self.environment.clone(),
        }
    }

    /// An error for the first key whose value does not fit.
    pub fn read(config: &Config) -> Result<BrokerSettings, ConfigError> {
        Ok(BrokerSettings {
            identity: config.read()?,
            broker: config.read()?,
            store: config.read()?,
            server: config.read()?,
            client: config.read()?,
            environment: config.environment().clone(),
        })
    }

    /// `brokerIP1:listenPort`, under which the broker registers (`BrokerController.getBrokerAddr`).
    pub fn broker_addr(&self) -> String {
        format!("{}:{}", self.broker.broker_ip1, self.server.listen_port)
    }

    /// `brokerIP2:haListenPort`, to which slaves connect (`BrokerController.getHAServerAddr`).
    pub fn ha_server_addr(&self) -> String {
        format!("{}:{}", self.broker.broker_ip2, self.store.ha_listen_port)
    }
}
