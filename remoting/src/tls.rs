//! TLS on a server's port, and towards the servers that it calls. Java: `TlsSystemConfig`, `TlsHelper`, `TlsMode`.

mod client;
mod context;

pub use client::{ClientTls, ClientTlsSettings};

use rustls::ServerConfig;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tokio_rustls::TlsAcceptor;

/// Whether clients may, or must, use TLS. Java: `TlsMode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// TLS clients are turned away.
    Disabled,
    /// TLS and plain clients are served.
    #[default]
    Permissive,
    /// Plain clients are turned away.
    Enforcing,
}

/// Whether a client is asked for a certificate. Java: Netty's `ClientAuth`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// Not asked.
    #[default]
    None,
    /// Asked; it may have none.
    Optional,
    /// Asked, and turned away without one.
    Require,
}

/// The server's part of Java's `TlsSystemConfig`.
#[derive(Clone)]
pub struct TlsSettings {
    /// `tls.server.mode`.
    pub mode: TlsMode,
    /// A self-signed certificate instead of the files. `tls.test.mode.enable`.
    pub test_mode: bool,
    /// PEM, of PKCS#8, PKCS#1 or SEC1. `tls.server.keyPath`.
    pub key_path: Option<PathBuf>,
    /// Of an encrypted PKCS#8 key. `tls.server.keyPassword`.
    pub key_password: Option<String>,
    /// PEM, the server's certificate first. `tls.server.certPath`.
    pub cert_path: Option<PathBuf>,
    /// A client's certificate must lead to a trusted one; else any is taken. `tls.server.authClient`.
    pub auth_client: bool,
    /// PEM. `tls.server.trustCertPath`.
    pub trust_cert_path: Option<PathBuf>,
    /// `tls.server.need.client.auth`.
    pub need_client_auth: ClientAuth,
    /// Names of cipher suites as in RFCs; empty leaves the choice to us. `tls.ciphers`.
    pub ciphers: Vec<String>,
    /// `TLSv1.2`, `TLSv1.3`; empty is both. `tls.protocols`.
    pub protocols: Vec<String>,
}

impl Default for TlsSettings {
    fn default() -> TlsSettings {
        TlsSettings::read(|_| None)
    }
}

impl TlsSettings {
    /// From Java's property names. As in Java, a word that it does not know is the default.
    pub fn read<'a>(property: impl Fn(&str) -> Option<&'a str>) -> TlsSettings {
        let read = Read(property);
        TlsSettings {
            mode: TlsMode::of(read.text("tls.server.mode")),
            test_mode: read.truth("tls.test.mode.enable", true),
            key_path: read.path("tls.server.keyPath"),
            key_password: read.text("tls.server.keyPassword").map(str::to_owned),
            cert_path: read.path("tls.server.certPath"),
            auth_client: read.truth("tls.server.authClient", false),
            trust_cert_path: read.path("tls.server.trustCertPath"),
            need_client_auth: match read
                .text("tls.server.need.client.auth")
                .map(str::to_ascii_lowercase)
                .as_deref()
            {
                Some("optional") => ClientAuth::Optional,
                Some("require") => ClientAuth::Require,
                _ => ClientAuth::None,
            },
            ciphers: read.list("tls.ciphers"),
            protocols: read.list("tls.protocols"),
        }
    }
}

impl TlsMode {
    /// By the value of `tls.server.mode`.
    fn of(name: Option<&str>) -> TlsMode {
        match name {
            Some("disabled") => TlsMode::Disabled,
            Some("enforcing") => TlsMode::Enforcing,
            _ => TlsMode::Permissive,
        }
    }
}

/// Reads properties by Java's names.
struct Read<F>(F);

impl<'a, F: Fn(&str) -> Option<&'a str>> Read<F> {
    fn text(&self, name: &str) -> Option<&'a str> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn truth(&self, name: &str, otherwise: bool) -> bool {
        (self.0)(name).map_or(otherwise, |value| value.eq_ignore_ascii_case("true"))
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    fn list(&self, name: &str) -> Vec<String> {
        self.text(name).into_iter().flat_map(|list| list.split(',')).map(str::to_owned).collect()
    }
}

/// What a server's connections need for TLS; the servers of one process may share it.
pub struct Tls {
    settings: TlsSettings,
    /// `None`: it could not be made, which was logged.
    context: OnceLock<Option<Arc<ServerConfig>>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The settings hold a password.
        f.debug_struct("Tls").field("mode", &self.settings.mode).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the certificate that `settings` name. As in Java, one that cannot be used is logged and costs TLS clients
    /// only. The self-signed one is made for the first client that wants it.
    pub fn new(settings: TlsSettings) -> Tls {
        let tls = Tls { settings, context: OnceLock::new() };
        if tls.settings.mode != TlsMode::Disabled && !tls.settings.test_mode {
            tls.context();
        }
        tls
    }

    pub(crate) fn mode(&self) -> TlsMode {
        self.settings.mode
    }

    pub(crate) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.context().map(TlsAcceptor::from)
    }

    fn context(&self) -> Option<Arc<ServerConfig>> {
        let made = || match context::server_config(&self.settings) {
            Ok(config) => Some(Arc::new(config)),
            Err(error) => {
                tracing::error!(target: "remoting", "TLS clients will be turned away: {error}");
                None
            }
        };
        self.context.get_or_init(made).clone()
    }
}

#[cfg(test)]
mod tests;
