//! What a name server is told: Java's `NamesrvConfig`, `NettyServerConfig`, `NettyClientConfig` and `ControllerConfig`.

mod controller_config;
mod namesrv_config;

use std::path::PathBuf;
use std::sync::Arc;

use process::config::netty::{NettyClientConfig, NettyServerConfig};
use process::config::{Class, Config, ConfigError, Environment, Settings};
use process::properties::Properties;

pub use controller_config::ControllerConfig;
pub use namesrv_config::NamesrvConfig;

/// The classes whose keys a name server knows. Java reads the controller's only with `enableControllerInNamesrv`.
pub const CLASSES: &[&Class] =
    &[NamesrvConfig::CLASS, NettyServerConfig::CLASS, NettyClientConfig::CLASS, ControllerConfig::CLASS];

/// What Java's `NamesrvController` registers with its `Configuration`.
const SHOWN: &[&str] = &["NamesrvConfig", "NettyServerConfig"];

/// What `mqnamesrv -p` prints.
pub const PRINTED: &[&str] = &["NamesrvConfig", "NettyServerConfig", "NettyClientConfig"];

const DEFAULT_LISTEN_PORT: u16 = 9876;

/// All of a name server's settings, as one read of its [`Config`].
#[derive(Clone, Debug)]
pub struct NamesrvSettings {
    /// How routes are kept and answered.
    pub namesrv: NamesrvConfig,
    /// What it listens on.
    pub server: NettyServerConfig,
    /// How it calls brokers.
    pub client: NettyClientConfig,
    /// Where the process runs.
    pub environment: Arc<Environment>,
}

impl NamesrvSettings {
    /// Reads the typed structs. [`ConfigError::BadValue`] if a value does not fit.
    pub fn read(config: &Config) -> Result<NamesrvSettings, ConfigError> {
        Ok(NamesrvSettings {
            namesrv: config.read()?,
            server: config.read()?,
            client: config.read()?,
            environment: config.environment().clone(),
        })
    }
}

/// What the command line says over the configuration file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `-c`.
    pub config_file: Option<PathBuf>,
    /// `key=value` arguments.
    pub settings: Properties,
}

/// The values as the user gave them, by the rules of Java's `NamesrvStartup`. An error if the file or a value cannot
/// be used.
pub fn values(environment: Arc<Environment>, overrides: &Overrides) -> Result<Config, ConfigError> {
    let mut config = Config::new(CLASSES, SHOWN, environment);
    config.derive("NettyServerConfig", "listenPort", DEFAULT_LISTEN_PORT);
    if let Some(path) = &overrides.config_file {
        config.load_file(path)?;
        config.derive("NamesrvConfig", "configStorePath", path.display());
    }
    config.set_all("command line", &overrides.settings)?;
    Ok(config)
}

/// The values, and the settings read from them. An error as of [`values`].
pub fn load(
    environment: Arc<Environment>,
    overrides: &Overrides,
) -> Result<(Config, NamesrvSettings), ConfigError> {
    let config = values(environment, overrides)?;
    let settings = NamesrvSettings::read(&config)?;
    Ok((config, settings))
}

/// What to log once at start: keys without effect and unknown keys.
pub fn warnings(config: &Config) -> Vec<String> {
    config.warnings(&[
        ("NamesrvConfig", &["rocketmqHome"]),
        // `scanNotActiveBrokerInterval` and `configBlackList` reach the controller's class too.
        (
            "ControllerConfig",
            &["configStorePath", "configBlackList", "scanNotActiveBrokerInterval", "rocketmqHome"],
        ),
    ])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn java_defaults() {
        let (config, settings) = load(Arc::new(Environment::fixed("/h")), &Overrides::default()).unwrap();
        assert_eq!(settings.server.listen_port, 9876);
        assert_eq!(settings.namesrv.kv_config_path, PathBuf::from("/h/namesrv/kvConfig.json"));
        assert_eq!(settings.namesrv.config_store_path, PathBuf::from("/h/namesrv/namesrv.properties"));
        assert!(config.render().contains("\nlistenPort=9876\n"));
        assert_eq!(CLASSES.iter().map(|class| class.keys.len()).sum::<usize>(), 22 + 18 + 20 + 28);
    }

    #[test]
    fn the_config_file_becomes_the_place_for_updates() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("namesrv.conf");
        std::fs::write(&file, "listenPort=19876\nscanNotActiveBrokerInterval=1000\nserverWorkerThreads=2\n")
            .unwrap();
        let overrides = Overrides { config_file: Some(file.clone()), settings: Properties::default() };
        let (config, settings) = load(Arc::new(Environment::fixed("/h")), &overrides).unwrap();
        assert_eq!(settings.namesrv.config_store_path, file);
        assert_eq!(settings.server.listen_port, 19876);
        assert_eq!(
            warnings(&config),
            ["serverWorkerThreads=2 is known and has no effect yet (NettyServerConfig)"]
        );
    }

    /// Java 5.5.0's reply to GET_NAMESRV_CONFIG (319), byte for byte.
    #[test]
    fn rendered_as_java_does() {
        let frame = "../compat-tests/golden/wire/5.5.0/json/frames/03947-319-GET_NAMESRV_CONFIG-resp.bin";
        let frame = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(frame)).unwrap();
        let header_bytes = u32::from_be_bytes(frame[4..8].try_into().unwrap()) & 0x00ff_ffff;
        let java = &frame[8 + header_bytes as usize..];

        let mut settings = Properties::parse(java).unwrap();
        let given = ["configStorePath", "kvConfigPath", "listenPort", "rocketmqHome"];
        settings.0.retain(|name, _| given.contains(&name.as_str()));
        let overrides = Overrides { settings, ..Overrides::default() };
        let (config, _) = load(Arc::new(Environment::fixed("/h")), &overrides).unwrap();
        assert_eq!(config.render(), str::from_utf8(java).unwrap());
    }

    #[test]
    fn the_shipped_file_is_understood() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/namesrv.conf");
        let overrides = Overrides { config_file: Some(file), ..Overrides::default() };
        let (config, _) = load(Arc::new(Environment::fixed("/h")), &overrides).unwrap();
        assert_eq!(warnings(&config), Vec::<String>::new());
    }
}
