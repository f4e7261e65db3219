//! Java's Netty settings (`NettyServerConfig`, `NettyClientConfig`, `TlsSystemConfig`) as sockets take them: the one place
//! where configuration meets the wire.

use crate::Codec;
use crate::client::ClientConfig;
use crate::connection::Budget;
use crate::server::ServerConfig;
use crate::tls::{ClientTls, ClientTlsSettings, Tls, TlsSettings};
use process::config::Environment;
use process::config::netty::{NettyClientConfig, NettyServerConfig};
use process::properties::Properties;
use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Where Java looks for TLS properties unless `tls.config.file` says otherwise.
const TLS_CONFIG_FILE: &str = "/etc/rocketmq/tls.properties";

/// Where a server with these settings listens. An error if `bindAddress` does not resolve.
pub fn listen_addr(settings: &NettyServerConfig) -> io::Result<SocketAddr> {
    host_addr(&settings.bind_address, settings.listen_port)
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

/// How a server with these settings listens and serves.
pub fn server_config(settings: &NettyServerConfig, environment: &Environment) -> ServerConfig {
    let tls = TlsProperties::of(environment);
    ServerConfig {
        backlog: i32::try_from(settings.server_socket_backlog).unwrap_or(i32::MAX),
        idle_max: Duration::from_secs(settings.server_channel_max_idle_time_s),
        send_buffer_bytes: settings.server_socket_snd_buf_bytes,
        receive_buffer_bytes: settings.server_socket_rcv_buf_bytes,
        codec: Codec::of_environment(),
        tls: Arc::new(Tls::new(TlsSettings::read(|name| tls.get(name)))),
        budget: Budget::of_process(),
    }
}

/// How a server with these settings calls others.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::TlsMode;

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
