//! Start and stop. Java: `NamesrvStartup`.

use crate::config::NamesrvSettings;
use crate::server::NameServer;
use process::clock::Clock;
use process::config::netty::{NettyClientConfig, NettyServerConfig};
use process::config::{Config, Environment};
use process::files::LoadError;
use process::logs;
use process::properties::Properties;
use remoting::Codec;
use remoting::client::ClientConfig;
use remoting::server::{Server, ServerConfig};
use remoting::tls::{ClientTls, ClientTlsSettings, Tls, TlsSettings};
use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Connections that do not end by then are left to the process's end.
const SHUTDOWN_PATIENCE: Duration = Duration::from_millis(500);

/// Where Java looks for TLS properties unless `tls.config.file` says otherwise.
const TLS_CONFIG_FILE: &str = "/etc/rocketmq/tls.properties";

/// A name server at work. Dropping it leaves it at work: [`Running::shutdown`] ends it.
pub struct Running {
    name_server: Arc<NameServer>,
    server: Server,
    expiry: JoinHandle<()>,
}

/// Why a name server does not start; its text is one line for a human.
#[derive(Debug)]
pub enum StartError {
    /// The file of the key-value table, which must not be taken for an empty one.
    KvConfig(LoadError),
    /// `bindAddress` is neither an address nor the name of one.
    BindAddress(String, io::Error),
    /// The address is taken or not ours.
    Listen(SocketAddr, io::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::KvConfig(error) => error.fmt(f),
            StartError::BindAddress(text, error) => write!(f, "bindAddress={text}: {error}"),
            StartError::Listen(addr, error) => write!(f, "cannot listen on {addr}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Starts a name server within the tokio runtime of the caller, and says so on stdout as Java does. After an error nothing
/// is left running.
pub fn start(config: Config, settings: NamesrvSettings, clock: Clock) -> Result<Running, StartError> {
    let interval = Duration::from_millis(settings.namesrv.scan_not_active_broker_interval_ms.max(1));
    let name_server = Arc::new(NameServer::new(config, &settings, clock).map_err(StartError::KvConfig)?);
    let addr = listen_addr(&settings.server)?;
    let server =
        Server::start(addr, server_config(&settings.server, &settings.environment), name_server.clone())
            .map_err(|error| StartError::Listen(addr, error))?;
    let expiry = tokio::spawn(expire(name_server.clone(), interval));
    let running = Running { name_server, server, expiry };
    let (bind, port) = (&settings.server.bind_address, running.local_addr().port());
    let codec = Codec::of_environment().name();
    let boot = format!("The Name Server boot success. serializeType={codec}, address {bind}:{port}");
    tracing::info!("{boot}");
    logs::say(boot);
    Ok(running)
}

/// Where a server with these settings listens; the broker's too. [`StartError::BindAddress`] if `bindAddress` does not
/// resolve.
pub fn listen_addr(settings: &NettyServerConfig) -> Result<SocketAddr, StartError> {
    let bind = settings.bind_address.as_str();
    host_addr(bind, settings.listen_port).map_err(|error| StartError::BindAddress(bind.to_owned(), error))
}

/// Resolves a host. As in Java an IPv6 address may stand in brackets and name its interface; so does the one that a broker
/// finds for itself where the machine has no other. An error if it does not resolve.
pub fn host_addr(host: &str, port: u16) -> io::Result<SocketAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    // The system resolves the interface of link-local addresses only.
    let bare = bare.and_then(|host| host.split('%').next()).unwrap_or(host);
    let mut addrs = (bare, port).to_socket_addrs()?;
    addrs.next().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

/// The settings that sockets take; the broker's too.
pub fn server_config(settings: &NettyServerConfig, environment: &Environment) -> ServerConfig {
    let tls = TlsProperties::of(environment);
    ServerConfig {
        backlog: i32::try_from(settings.server_socket_backlog).unwrap_or(i32::MAX),
        idle_max: Duration::from_secs(settings.server_channel_max_idle_time_s),
        send_buffer_bytes: settings.server_socket_snd_buf_bytes,
        receive_buffer_bytes: settings.server_socket_rcv_buf_bytes,
        codec: Codec::of_environment(),
        tls: Arc::new(Tls::new(TlsSettings::read(|name| tls.get(name)))),
    }
}

/// How a server with these settings calls others; the broker's too.
pub fn client_config(settings: &NettyClientConfig, environment: &Environment) -> ClientConfig {
    let tls = || {
        let properties = TlsProperties::of(environment);
        ClientTls::new(&ClientTlsSettings::read(|name| properties.get(name)))
    };
    ClientConfig {
        connect_timeout: Duration::from_millis(settings.connect_timeout_ms),
        codec: Codec::of_environment(),
        tls: settings.use_tls.then(|| Arc::new(tls())),
    }
}

/// The `tls.*` system properties, under those of the file that `tls.config.file` names: all but the mode, which is a
/// system property only. Java: `TlsHelper.extractTlsConfigFromFile`.
struct TlsProperties<'e> {
    file: Properties,
    system: &'e BTreeMap<String, String>,
}

impl<'e> TlsProperties<'e> {
    fn of(environment: &'e Environment) -> TlsProperties<'e> {
        let system = environment.system_properties();
        let path = system.get("tls.config.file").map_or(TLS_CONFIG_FILE, String::as_str);
        let file = tls_config_file(Path::new(path)).unwrap_or_else(|reason| {
            tracing::error!("{path} has no effect: {reason}");
            Properties::default()
        });
        TlsProperties { file, system }
    }

    fn get(&self, name: &str) -> Option<&str> {
        let in_file = self.file.get(name).filter(|_| name != "tls.server.mode");
        in_file.or_else(|| self.system.get(name).map(String::as_str))
    }
}

/// Empty where there is none.
fn tls_config_file(path: &Path) -> Result<Properties, Box<dyn Error>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Properties::parse(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Properties::default()),
        Err(error) => Err(error.into()),
    }
}

async fn expire(name_server: Arc<NameServer>, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    loop {
        ticks.tick().await;
        name_server.expire_silent_brokers();
    }
}

impl Running {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Returns once all connections are closed, or soon.
    pub async fn shutdown(self) {
        self.expiry.abort();
        self.server.shutdown(SHUTDOWN_PATIENCE).await;
        self.name_server.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remoting::tls::TlsMode;

    #[test]
    fn hosts_as_java_writes_them() {
        let v6 = SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, 2], 10911));
        for host in ["[fd00:0:0:0:0:0:0:2%eth0]", "[fd00::2]", "fd00::2"] {
            assert_eq!(host_addr(host, 10911).unwrap(), v6);
        }
        assert_eq!(host_addr("10.0.0.1", 1).unwrap(), SocketAddr::from(([10, 0, 0, 1], 1)));
        assert!(host_addr("[", 1).is_err());
    }

    #[test]
    fn the_tls_file_is_over_system_properties_but_for_the_mode() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tls.properties");
        let text = "tls.server.mode=disabled\ntls.test.mode.enable=false\ntls.server.keyPath=/of/file\n";
        std::fs::write(&file, text).unwrap();
        let mut system = BTreeMap::from([
            ("tls.config.file".to_owned(), file.display().to_string()),
            ("tls.server.mode".to_owned(), "enforcing".to_owned()),
            ("tls.server.keyPath".to_owned(), "/of/system".to_owned()),
            ("tls.server.certPath".to_owned(), "/of/system".to_owned()),
        ]);
        let settings = |system: &BTreeMap<String, String>| {
            let environment = Environment::of_process(system);
            let properties = TlsProperties::of(&environment);
            TlsSettings::read(|name| properties.get(name))
        };
        let of_file = settings(&system);
        assert_eq!((of_file.mode, of_file.test_mode), (TlsMode::Enforcing, false));
        assert_eq!(of_file.key_path.as_deref(), Some(Path::new("/of/file")));
        assert_eq!(of_file.cert_path.as_deref(), Some(Path::new("/of/system")));

        system.insert("tls.config.file".to_owned(), folder.path().join("none").display().to_string());
        assert_eq!(settings(&system).key_path.as_deref(), Some(Path::new("/of/system")));
    }
}
