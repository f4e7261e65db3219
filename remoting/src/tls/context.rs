//! From the settings to what rustls takes. Java: `TlsHelper.buildSslContext`.

use super::{ClientAuth, TlsSettings};
use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name in the self-signed certificate, as in Netty's.
const SELF_SIGNED_NAME: &str = "localhost";
const ENCRYPTED_KEY_LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// Why there can be no TLS; its text is one line for a human.
#[derive(Debug)]
pub(super) enum TlsError {
    /// A property without which the others make no sense.
    Missing(&'static str),
    Unreadable(PathBuf, std::io::Error),
    Pem(PathBuf, pem::Error),
    /// The password is wrong or missing, or the encryption is not PBES2.
    EncryptedKey(PathBuf, String),
    /// `tls.ciphers` or `tls.protocols` names none that we have.
    NoneKnown(&'static str),
    SelfSigned(rcgen::Error),
    ClientAuth(String),
    Rustls(rustls::Error),
}

/// The property that holds the password of a key.
pub(super) const SERVER_KEY_PASSWORD: &str = "tls.server.keyPassword";

impl std::fmt::Display for TlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TlsError::Missing(name) => write!(f, "{name} is not set"),
            TlsError::Unreadable(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            TlsError::Pem(path, error) => write!(f, "{}: {error}", path.display()),
            TlsError::EncryptedKey(path, reason) => {
                write!(f, "{}: the key cannot be decrypted: {reason}", path.display())
            }
            TlsError::NoneKnown(name) => write!(f, "{name} names nothing that is supported"),
            TlsError::SelfSigned(error) => write!(f, "no self-signed certificate: {error}"),
            TlsError::ClientAuth(reason) => write!(f, "tls.server.trustCertPath: {reason}"),
            TlsError::Rustls(error) => error.fmt(f),
        }
    }
}

pub(super) fn server_config(settings: &TlsSettings) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(provider(&settings.ciphers)?);
    let versions = versions(&settings.protocols)?;
    // In test mode Java asks for client certificates and ignores that there is none: not asking is the same.
    let client_auth = if settings.test_mode { ClientAuth::None } else { settings.need_client_auth };
    let (chain, key) = if settings.test_mode { self_signed()? } else { from_files(settings)? };
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_protocol_versions(&versions).map_err(TlsError::Rustls)?;
    let builder = match client_auth {
        ClientAuth::None => builder.with_no_client_auth(),
        asked => builder.with_client_cert_verifier(verifier(settings, asked, provider)?),
    };
    builder.with_single_cert(chain, key).map_err(TlsError::Rustls)
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn self_signed() -> Result<Identity, TlsError> {
    let made =
        rcgen::generate_simple_self_signed([SELF_SIGNED_NAME.to_owned()]).map_err(TlsError::SelfSigned)?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Ok((vec![made.cert.into()], key.into()))
}

fn from_files(settings: &TlsSettings) -> Result<Identity, TlsError> {
    let cert_path = settings.cert_path.as_deref().ok_or(TlsError::Missing("tls.server.certPath"))?;
    let key_path = settings.key_path.as_deref().ok_or(TlsError::Missing("tls.server.keyPath"))?;
    let key = private_key(key_path, settings.key_password.as_deref(), SERVER_KEY_PASSWORD)?;
    Ok((certificates(cert_path)?, key))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Unreadable(path.to_owned(), error))
}

pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bad = |error| TlsError::Pem(path.to_owned(), error);
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    match found {
        Ok(found) if found.is_empty() => Err(bad(pem::Error::NoItemsFound)),
        found => found.map_err(bad),
    }
}

/// `property` names where the password would stand.
pub(super) fn private_key(
    path: &Path,
    password: Option<&str>,
    property: &str,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path)?;
    let undecrypted = |reason: String| TlsError::EncryptedKey(path.to_owned(), reason);
    let document = str::from_utf8(&text).ok().and_then(|text| SecretDocument::from_pem(text).ok());
    let Some((_, document)) = document.filter(|(label, _)| *label == ENCRYPTED_KEY_LABEL) else {
        return PrivateKeyDer::from_pem_slice(&text).map_err(|error| TlsError::Pem(path.to_owned(), error));
    };
    let password = password.ok_or_else(|| undecrypted(format!("{property} is not set")))?;
    let key = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes())
        .and_then(|encrypted| encrypted.decrypt(password))
        .map_err(|error| undecrypted(format!("{error} (PBES2 is understood)")))?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}

pub(super) fn provider(ciphers: &[String]) -> Result<CryptoProvider, TlsError> {
    let mut provider = ring::default_provider();
    if !ciphers.is_empty() {
        provider.cipher_suites.retain(|suite| {
            // rustls says TLS13_ where the RFC says TLS_.
            let name = format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1);
            ciphers.iter().any(|cipher| cipher.trim() == name)
        });
        if provider.cipher_suites.is_empty() {
            return Err(TlsError::NoneKnown("tls.ciphers"));
        }
    }
    Ok(provider)
}

pub(super) fn versions(protocols: &[String]) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let known = [("TLSv1.3", &TLS13), ("TLSv1.2", &TLS12)];
    let asked = |name: &str| protocols.is_empty() || protocols.iter().any(|protocol| protocol.trim() == name);
    let versions: Vec<_> =
        known.into_iter().filter(|(name, _)| asked(name)).map(|(_, version)| version).collect();
    if versions.is_empty() { Err(TlsError::NoneKnown("tls.protocols")) } else { Ok(versions) }
}

fn verifier(
    settings: &TlsSettings,
    asked: ClientAuth,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    if !settings.auth_client {
        return Ok(Arc::new(AnyClient { mandatory: asked == ClientAuth::Require, provider }));
    }
    // Java falls back on the trust store of its JVM, which has no match here.
    let path = settings.trust_cert_path.as_deref().ok_or(TlsError::Missing("tls.server.trustCertPath"))?;
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path)?), provider);
    let builder = if asked == ClientAuth::Require { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| TlsError::ClientAuth(error.to_string()))
}

pub(super) fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(TlsError::Rustls)?;
    }
    Ok(roots)
}

/// Takes whatever certificate a client has. Java: Netty's `InsecureTrustManagerFactory`.
#[derive(Debug)]
struct AnyClient {
    mandatory: bool,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
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
