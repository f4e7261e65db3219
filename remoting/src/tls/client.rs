//! TLS towards the servers that one calls: brokers call name servers, name servers tell brokers.

use super::Read;
use super::context::{TlsError, certificates, private_key, provider, roots, versions};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// The client's part of Java's `TlsSystemConfig`.
#[derive(Clone)]
pub struct ClientTlsSettings {
    /// Any server will do, and we show no certificate. `tls.test.mode.enable`.
    pub test_mode: bool,
    /// PEM, as a server's. `tls.client.keyPath`.
    pub key_path: Option<PathBuf>,
    /// Of an encrypted PKCS#8 key. `tls.client.keyPassword`.
    pub key_password: Option<String>,
    /// PEM, our own certificate first. `tls.client.certPath`.
    pub cert_path: Option<PathBuf>,
    /// The server's certificate must lead to a trusted one, whatever host it names; else any is taken.
    /// `tls.client.authServer`.
    pub auth_server: bool,
    /// PEM. `tls.client.trustCertPath`.
    pub trust_cert_path: Option<PathBuf>,
    /// As a server's. `tls.ciphers`.
    pub ciphers: Vec<String>,
    /// As a server's. `tls.protocols`.
    pub protocols: Vec<String>,
}

impl ClientTlsSettings {
    /// From Java's property names.
    pub fn read<'a>(property: impl Fn(&str) -> Option<&'a str>) -> ClientTlsSettings {
        let read = Read(property);
        ClientTlsSettings {
            test_mode: read.truth("tls.test.mode.enable", true),
            key_path: read.path("tls.client.keyPath"),
            key_password: read.text("tls.client.keyPassword").map(str::to_owned),
            cert_path: read.path("tls.client.certPath"),
            auth_server: read.truth("tls.client.authServer", false),
            trust_cert_path: read.path("tls.client.trustCertPath"),
            ciphers: read.list("tls.ciphers"),
            protocols: read.list("tls.protocols"),
        }
    }
}

/// What a client's connections need for TLS.
pub struct ClientTls(Result<Arc<ClientConfig>, String>);

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ClientTls").field(&self.0.is_ok()).finish()
    }
}

impl ClientTls {
    /// Reads the files that `settings` name. If they cannot be used each connection fails for that reason, which is also
    /// logged once; Java would go on without TLS.
    pub fn new(settings: &ClientTlsSettings) -> ClientTls {
        let config = client_config(settings).map(Arc::new).map_err(|error| error.to_string());
        if let Err(error) = &config {
            tracing::error!(target: "remoting", "no connection to other servers, which is to use TLS: {error}");
        }
        ClientTls(config)
    }

    pub(crate) fn connector(&self) -> Result<TlsConnector, String> {
        self.0.clone().map(TlsConnector::from)
    }
}

fn client_config(settings: &ClientTlsSettings) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(provider(&settings.ciphers)?);
    let verifier = AnyHost { roots: trusted(settings)?, provider: provider.clone() };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(&settings.protocols)?)
        .map_err(TlsError::Rustls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match (&settings.cert_path, &settings.key_path) {
        _ if settings.test_mode => Ok(builder.with_no_client_auth()),
        (None, None) => Ok(builder.with_no_client_auth()),
        (None, Some(_)) => Err(TlsError::Missing("tls.client.certPath")),
        (Some(_), None) => Err(TlsError::Missing("tls.client.keyPath")),
        (Some(cert_path), Some(key_path)) => {
            let key = private_key(key_path, settings.key_password.as_deref(), "tls.client.keyPassword")?;
            builder.with_client_auth_cert(certificates(cert_path)?, key).map_err(TlsError::Rustls)
        }
    }
}

/// None where any server will do.
fn trusted(settings: &ClientTlsSettings) -> Result<Option<RootCertStore>, TlsError> {
    if settings.test_mode || !settings.auth_server {
        return Ok(None);
    }
    // Java falls back on the trust store of its JVM, which has no match here.
    let path = settings.trust_cert_path.as_deref().ok_or(TlsError::Missing("tls.client.trustCertPath"))?;
    roots(path).map(Some)
}

/// Looks at the certificate's chain, if at anything, and as Java's never at the host that it names.
#[derive(Debug)]
struct AnyHost {
    roots: Option<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(certificate)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
