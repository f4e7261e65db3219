//! Start and stop. Java: `NamesrvStartup`.

use crate::config::NamesrvSettings;
use crate::dispatch::NamesrvPort;
use crate::server::NameServer;
use process::clock::Clock;
use process::config::Config;
use process::files::LoadError;
use process::logs;
use remoting::Codec;
use remoting::netty::{listen_addr, server_config};
use remoting::server::Server;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Connections that do not end by then are left to the process's end.
const SHUTDOWN_PATIENCE: Duration = Duration::from_millis(500);

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
    /// The registrar's thread does not start.
    Thread(io::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::KvConfig(error) => error.fmt(f),
            StartError::BindAddress(text, error) => write!(f, "bindAddress={text}: {error}"),
            StartError::Listen(addr, error) => write!(f, "cannot listen on {addr}: {error}"),
            StartError::Thread(error) => write!(f, "cannot start a thread: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Starts a name server within the tokio runtime of the caller, and says so on stdout as Java does. After an error nothing
/// is left running.
pub fn start(config: Config, settings: NamesrvSettings, clock: Clock) -> Result<Running, StartError> {
    let interval = Duration::from_millis(settings.namesrv.scan_not_active_broker_interval_ms.max(1));
    let name_server = Arc::new(NameServer::new(config, &settings, clock).map_err(StartError::KvConfig)?);
    let addr = listen_addr(&settings.server)
        .map_err(|error| StartError::BindAddress(settings.server.bind_address.clone(), error))?;
    let port = Arc::new(NamesrvPort::new(name_server.clone()));
    name_server.start_registrar().map_err(StartError::Thread)?;
    let server = Server::start(addr, server_config(&settings.server, &settings.environment), port);
    let server = server.map_err(|error| {
        name_server.registrar().stop();
        StartError::Listen(addr, error)
    })?;
    let expiry = tokio::spawn(expire(name_server.clone(), interval));
    let running = Running { name_server, server, expiry };
    let (bind, port) = (&settings.server.bind_address, running.local_addr().port());
    let codec = Codec::of_environment().name();
    let boot = format!("The Name Server boot success. serializeType={codec}, address {bind}:{port}");
    tracing::info!("{boot}");
    logs::say(boot);
    Ok(running)
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
