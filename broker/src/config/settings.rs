//! All that a broker acts on, in one value.

use std::sync::Arc;

use process::config::netty::{NettyClientConfig, NettyServerConfig};
use process::config::{Config, ConfigError, Environment};

use store::MessageStoreConfig;

use super::{BrokerConfig, BrokerIdentity};

/// All of a broker's settings, as one read of its [`Config`].
#[derive(Clone, Debug)]
pub struct BrokerSettings {
    pub identity: BrokerIdentity,
    pub broker: BrokerConfig,
    pub store: MessageStoreConfig,
    pub server: NettyServerConfig,
    pub client: NettyClientConfig,
    pub environment: Arc<Environment>,
}

impl BrokerSettings {
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
