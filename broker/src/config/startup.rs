//! From files, arguments and surroundings to checked settings, by the rules of Java's `BrokerStartup`.

use filter::bloom::{BloomError, BloomFilter};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use process::config::netty::{NettyClientConfig, NettyServerConfig};
use process::config::{Class, Config, ConfigError, Environment, Settings};
use process::properties::Properties;

use store::{BrokerRole, MessageStoreConfig};

use super::settings::DEFAULT_LISTEN_PORT;
use super::{AuthConfig, BrokerConfig, BrokerIdentity, BrokerSettings, BrokerStartup, name_servers};

/// The classes whose keys a broker knows.
pub const CLASSES: &[&Class] = &[
    BrokerIdentity::CLASS,
    BrokerConfig::CLASS,
    NettyServerConfig::CLASS,
    NettyClientConfig::CLASS,
    MessageStoreConfig::CLASS,
    AuthConfig::CLASS,
    BrokerStartup::CLASS,
];

/// What Java's `BrokerController` registers with its `Configuration`, in that order.
const SHOWN: &[&str] =
    &["BrokerIdentity", "BrokerConfig", "NettyServerConfig", "NettyClientConfig", "MessageStoreConfig"];

/// What `mqbroker -p` and `-m` print.
pub const PRINTED: &[&str] = &["BrokerConfig", "NettyServerConfig", "NettyClientConfig", "AuthConfig"];

/// Why a broker cannot start with its configuration; its text is one line for a human.
#[derive(Debug)]
pub enum BrokerConfigError {
    /// A file that cannot be read, or a key whose value does not fit.
    Config(ConfigError),
    /// Not `host:port;host:port`.
    NamesrvAddr(String),
    /// A slave needs an id above the master's 0.
    SlaveBrokerId(i64),
    /// Two ways of electing a master at once.
    ControllerAndDLedger,
    /// A key that asks for access control, of which there is none yet.
    AccessControl(&'static str),
}

impl fmt::Display for BrokerConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BrokerConfigError::Config(error) => error.fmt(f),
            BrokerConfigError::NamesrvAddr(address) => write!(
                f,
                "The Name Server Address[{address}] illegal, please set it as follows, \
                 \"127.0.0.1:9876;192.168.0.1:9876\""
            ),
            BrokerConfigError::SlaveBrokerId(id) => write!(f, "Slave's brokerId must be > 0, and is {id}"),
            BrokerConfigError::ControllerAndDLedger => {
                f.write_str("The config enableControllerMode and enableDLegerCommitLog cannot both be true.")
            }
            BrokerConfigError::AccessControl(key) => write!(
                f,
                "{key}=true has no effect yet: this broker would serve everybody. Take the key out to start it so"
            ),
        }
    }
}

impl std::error::Error for BrokerConfigError {}

impl From<ConfigError> for BrokerConfigError {
    fn from(error: ConfigError) -> Self {
        BrokerConfigError::Config(error)
    }
}

/// What the command line says over the configuration file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `-c`.
    pub config_file: Option<PathBuf>,
    /// `-n`.
    pub namesrv_addr: Option<String>,
    /// `key=value` arguments.
    pub settings: Properties,
}

/// The values, and the settings read from them, after all of `BrokerStartup`'s checks. An error for the first thing
/// that is wrong: a file, a value, or values that do not fit each other.
pub fn load(
    environment: Arc<Environment>,
    overrides: &Overrides,
) -> Result<(Config, BrokerSettings), BrokerConfigError> {
    checked(values(environment, overrides)?)
}

/// The values with an update over them, and the settings read from them, after the same checks: all of the update or
/// nothing of it. What the update may not change is for whoever offers it ([`Config::forbids`]). Errors are those of
/// [`load`].
pub fn updated(config: &Config, update: &Properties) -> Result<(Config, BrokerSettings), BrokerConfigError> {
    checked(config.updated(update)?)
}

fn checked(mut config: Config) -> Result<(Config, BrokerSettings), BrokerConfigError> {
    check_namesrv_addr(config.read::<BrokerConfig>()?.namesrv_addr.as_deref())?;
    check_access_control(&config)?;
    derive_broker_id(&mut config)?;
    derive_ha_port(&mut config)?;
    derive_bit_map_length(&mut config)?;
    let settings = BrokerSettings::read(&config)?;
    Ok((config, settings))
}

/// The values as the user gave them: what `-p` shows, before any check. An error for a file that cannot be read or an
/// argument that is none.
pub fn values(environment: Arc<Environment>, overrides: &Overrides) -> Result<Config, ConfigError> {
    let mut config = Config::new(CLASSES, SHOWN, environment);
    config.derive("NettyServerConfig", "listenPort", DEFAULT_LISTEN_PORT);
    config.derive("MessageStoreConfig", "haListenPort", 0);
    if let Some(path) = &overrides.config_file {
        config.load_file(path)?;
    }
    let mut arguments = overrides.settings.clone();
    if let Some(addresses) = &overrides.namesrv_addr {
        arguments.insert("namesrvAddr", addresses.as_str());
    }
    config.set_all("command line", &arguments)?;
    Ok(config)
}

/// What to log once at start: keys without effect and unknown keys.
pub fn warnings(config: &Config) -> Vec<String> {
    // A file's `listenPort` reaches Java's BrokerConfig too, where nothing reads it.
    config.warnings(&[("BrokerConfig", &["listenPort", "rocketmqHome"])])
}

/// What to tell on stderr, each in a line: the start goes on.
pub fn notices(settings: &BrokerSettings) -> Vec<String> {
    settings.broker.namesrv_addr.as_deref().and_then(name_servers::spelling).into_iter().collect()
}

fn check_namesrv_addr(addresses: Option<&str>) -> Result<(), BrokerConfigError> {
    match addresses {
        Some(addresses) if !name_servers::are_well_formed(addresses) => {
            Err(BrokerConfigError::NamesrvAddr(addresses.to_string()))
        }
        _ => Ok(()),
    }
}

/// Whoever locks his door must not find it open.
fn check_access_control(config: &Config) -> Result<(), BrokerConfigError> {
    for (class, key) in [
        ("BrokerConfig", "aclEnable"),
        ("AuthConfig", "authenticationEnabled"),
        ("AuthConfig", "authorizationEnabled"),
    ] {
        if config.typed(class, key)? {
            return Err(BrokerConfigError::AccessControl(key));
        }
    }
    Ok(())
}

/// Without an elected master the role decides the id.
fn derive_broker_id(config: &mut Config) -> Result<(), BrokerConfigError> {
    let controller_mode: bool = config.typed("BrokerConfig", "enableControllerMode")?;
    let dledger: bool = config.typed("MessageStoreConfig", "enableDLegerCommitLog")?;
    let role: BrokerRole = config.typed("MessageStoreConfig", "brokerRole")?;
    let id: i64 = config.typed("BrokerIdentity", "brokerId")?;
    if controller_mode && dledger {
        return Err(BrokerConfigError::ControllerAndDLedger);
    }
    match role {
        _ if controller_mode => {}
        BrokerRole::Slave if id <= 0 => return Err(BrokerConfigError::SlaveBrokerId(id)),
        BrokerRole::Slave => {}
        BrokerRole::AsyncMaster | BrokerRole::SyncMaster => config.derive("BrokerIdentity", "brokerId", 0),
    }
    Ok(())
}

/// Slaves connect one port above the clients, unless the user says otherwise. A `listenPort` of 0 (any free port, for
/// tests) makes this one any free port too.
fn derive_ha_port(config: &mut Config) -> Result<(), BrokerConfigError> {
    let given: i32 = config.typed("MessageStoreConfig", "haListenPort")?;
    let listen_port: u16 = config.typed("NettyServerConfig", "listenPort")?;
    if given <= 0 && listen_port > 0 {
        config.derive("MessageStoreConfig", "haListenPort", u32::from(listen_port) + 1);
    }
    Ok(())
}

/// As long as the Bloom filter that `ConsumerFilterManager` makes of the two keys.
fn derive_bit_map_length(config: &mut Config) -> Result<(), ConfigError> {
    let error_rate: i32 = config.typed("BrokerConfig", "maxErrorRateOfBloomFilter")?;
    let expected: i32 = config.typed("BrokerConfig", "expectConsumerNumUseFilter")?;
    let bloom = BloomFilter::new(error_rate, expected).map_err(|error| match error {
        BloomError::ErrorRate(_) => {
            config.bad_value("BrokerConfig", "maxErrorRateOfBloomFilter", "an integer from 1 to 99")
        }
        BloomError::Expected(_) => {
            config.bad_value("BrokerConfig", "expectConsumerNumUseFilter", "an integer above 0")
        }
    })?;
    config.derive("MessageStoreConfig", "bitMapLengthConsumeQueueExt", bloom.bits());
    Ok(())
}
