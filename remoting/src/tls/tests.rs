use super::*;
use crate::client::{Client, ClientConfig};
use crate::preamble::tests::{PATIENCE, ask, reply, request, start, v2};
use crate::server::{Server, ServerConfig as ListenConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig as RustlsConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion,
};
use std::io;
use std::path::Path;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// As Java's client in test mode: any server will do.
#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

type Version = &'static SupportedProtocolVersion;

/// A client with this self-signed certificate, or without one.
fn connector(versions: &[Version], own: Option<&rcgen::CertifiedKey<rcgen::KeyPair>>) -> TlsConnector {
    let builder = RustlsConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer));
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()).into();
            builder.with_client_auth_cert(vec![own.cert.der().clone()], key).unwrap()
        }
    };
    TlsConnector::from(Arc::new(config))
}

async fn connect_after(
    preamble: &[u8],
    server: &Server,
    connector: &TlsConnector,
) -> io::Result<TlsStream<TcpStream>> {
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(preamble).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    tokio::time::timeout(PATIENCE, connector.connect(name, stream)).await.expect("a handshake or its end")
}

/// Whether a request is answered. A client hears only with its first read that its certificate was refused.
async fn served(server: &Server, connector: &TlsConnector) -> bool {
    let Ok(mut stream) = connect_after(b"", server, connector).await else { return false };
    stream.write_all(&request(0)).await.is_ok() && reply(&mut stream).await.is_some()
}

async fn plain_served(server: &Server) -> bool {
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(&request(0)).await.unwrap();
    reply(&mut stream).await.is_some()
}

fn with(settings: TlsSettings) -> ListenConfig {
    ListenConfig { tls: Arc::new(Tls::new(settings)), ..ListenConfig::default() }
}

#[test]
fn java_property_names() {
    let defaults = TlsSettings::default();
    assert_eq!((defaults.mode, defaults.test_mode), (TlsMode::Permissive, true));
    assert_eq!((defaults.auth_client, defaults.need_client_auth), (false, ClientAuth::None));
    let settings = TlsSettings::read(|name| match name {
        "tls.server.mode" => Some("enforcing"),
        "tls.test.mode.enable" => Some("FALSE"),
        "tls.server.keyPath" => Some("/k"),
        "tls.server.keyPassword" => Some(""),
        "tls.server.authClient" => Some("True"),
        "tls.server.need.client.auth" => Some("Require"),
        "tls.protocols" => Some("TLSv1.2,TLSv1.3"),
        _ => None,
    });
    assert_eq!((settings.mode, settings.test_mode), (TlsMode::Enforcing, false));
    assert_eq!((settings.auth_client, settings.need_client_auth), (true, ClientAuth::Require));
    assert_eq!(settings.key_path.as_deref(), Some(Path::new("/k")));
    assert_eq!((settings.key_password, settings.protocols.len()), (None, 2));
    let unknown = TlsSettings::read(|name| (name == "tls.server.mode").then_some("ENFORCING"));
    assert_eq!(unknown.mode, TlsMode::Permissive);
}

#[tokio::test]
async fn a_permissive_server_speaks_tls_and_plain() {
    let server = start(with(TlsSettings::default()));
    for version in [&TLS12, &TLS13] {
        let mut stream = connect_after(b"", &server, &connector(&[version], None)).await.unwrap();
        let mine = stream.get_ref().0.local_addr().unwrap().to_string();
        for _ in 0..3 {
            assert_eq!(ask(&mut stream).await, mine);
        }
    }
    assert!(plain_served(&server).await);
    server.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn a_plain_server_makes_no_certificate() {
    let config = with(TlsSettings::default());
    let tls = config.tls.clone();
    let server = start(config);
    assert!(plain_served(&server).await && tls.context.get().is_none());
    assert!(served(&server, &connector(&[&TLS13], None)).await && tls.context.get().is_some());
    server.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn modes_turn_clients_away() {
    let any = connector(&[&TLS12, &TLS13], None);
    for (mode, tls, plain) in [(TlsMode::Disabled, false, true), (TlsMode::Enforcing, true, false)] {
        let server = start(with(TlsSettings { mode, ..TlsSettings::default() }));
        assert_eq!((served(&server, &any).await, plain_served(&server).await), (tls, plain), "{mode:?}");
        server.shutdown(PATIENCE).await;
    }
}

#[tokio::test]
async fn tls_follows_a_proxy_preamble() {
    let server = start(with(TlsSettings { mode: TlsMode::Enforcing, ..TlsSettings::default() }));
    let v2 = v2(1, 0x11, &[1, 2, 3, 4, 5, 6, 7, 8, 0x04, 0x57, 0x08, 0xae]);
    for preamble in [&b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n"[..], &v2] {
        let mut stream = connect_after(preamble, &server, &connector(&[&TLS13], None)).await.unwrap();
        assert_eq!(ask(&mut stream).await, "1.2.3.4:1111");
    }
    server.shutdown(PATIENCE).await;
}

/// The end of a session is said, not only happens: Java's client logs an error otherwise.
#[tokio::test]
async fn the_end_is_told() {
    let server = start(with(TlsSettings::default()));
    let mut stream = connect_after(b"", &server, &connector(&[&TLS13], None)).await.unwrap();
    ask(&mut stream).await;
    server.shutdown(PATIENCE).await;
    let mut byte = [0];
    let end = tokio::time::timeout(PATIENCE, tokio::io::AsyncReadExt::read(&mut stream, &mut byte)).await;
    assert_eq!(end.expect("an end").expect("no broken one"), 0);
}

fn testdata(name: &str) -> Option<PathBuf> {
    Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tls/testdata").join(name))
}

/// Of files that OpenSSL made; the key's password is `secret`.
fn from_files() -> TlsSettings {
    TlsSettings {
        test_mode: false,
        key_path: testdata("encrypted-key.pem"),
        key_password: Some("secret".to_owned()),
        cert_path: testdata("certificate.pem"),
        ..TlsSettings::default()
    }
}

#[tokio::test]
async fn the_configured_certificate_is_shown() {
    let server = start(with(from_files()));
    let stream = connect_after(b"", &server, &connector(&[&TLS13], None)).await.unwrap();
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let expected: CertificateDer =
        rustls::pki_types::pem::PemObject::from_pem_file(testdata("certificate.pem").unwrap()).unwrap();
    assert_eq!(shown, expected);
    server.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_costs_tls_clients_only() {
    let cases = [
        (TlsSettings { key_path: None, ..from_files() }, "tls.server.keyPath is not set"),
        (TlsSettings { cert_path: testdata("none.pem"), ..from_files() }, "cannot read"),
        (TlsSettings { cert_path: testdata("encrypted-key.pem"), ..from_files() }, "no items found"),
        (TlsSettings { key_path: testdata("certificate.pem"), ..from_files() }, "no items found"),
        (TlsSettings { key_password: None, ..from_files() }, "keyPassword is not set"),
        (TlsSettings { key_password: Some("x".to_owned()), ..from_files() }, "cannot be decrypted"),
        (TlsSettings { key_path: testdata("encrypted-key-pbes1.pem"), ..from_files() }, "PBES2"),
        (TlsSettings { ciphers: vec!["TLS_RSA_WITH_NULL_MD5".to_owned()], ..from_files() }, "tls.ciphers"),
        (TlsSettings { protocols: vec!["SSLv3".to_owned()], ..from_files() }, "tls.protocols"),
        (
            TlsSettings { need_client_auth: ClientAuth::Require, auth_client: true, ..from_files() },
            "tls.server.trustCertPath is not set",
        ),
    ];
    for (settings, reason) in cases {
        let error = context::server_config(&settings).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        let server = start(with(settings));
        assert!(!served(&server, &connector(&[&TLS13], None)).await && plain_served(&server).await);
        server.shutdown(PATIENCE).await;
    }
}

#[tokio::test]
async fn ciphers_and_protocols_are_kept_to() {
    let settings = TlsSettings {
        ciphers: vec![
            "TLS_AES_256_GCM_SHA384".to_owned(),
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256".to_owned(),
        ],
        protocols: vec!["TLSv1.2".to_owned(), "TLSv1.1".to_owned()],
        ..TlsSettings::default()
    };
    let server = start(with(settings));
    assert!(!served(&server, &connector(&[&TLS13], None)).await);
    let stream = connect_after(b"", &server, &connector(&[&TLS12], None)).await.unwrap();
    let suite = stream.get_ref().1.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, rustls::CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
    server.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn clients_are_asked_for_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let own = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
    let stranger = rcgen::generate_simple_self_signed(["stranger".to_owned()]).unwrap();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, pem_of("CERTIFICATE", own.cert.der())).unwrap();
    // Whether asked, whether checked: who is served of one without, with the trusted and with another certificate.
    let cases = [
        (ClientAuth::None, true, [true, true, true]),
        (ClientAuth::Optional, false, [true, true, true]),
        (ClientAuth::Optional, true, [true, true, false]),
        (ClientAuth::Require, false, [false, true, true]),
        (ClientAuth::Require, true, [false, true, false]),
    ];
    for (need_client_auth, auth_client, expected) in cases {
        let trust_cert_path = Some(trusted.clone());
        let server =
            start(with(TlsSettings { need_client_auth, auth_client, trust_cert_path, ..from_files() }));
        for (certificate, expected) in [None, Some(&own), Some(&stranger)].into_iter().zip(expected) {
            for version in [&TLS12, &TLS13] {
                let found = served(&server, &connector(&[version], certificate)).await;
                assert_eq!(found, expected, "{need_client_auth:?} {auth_client} {version:?}");
            }
        }
        server.shutdown(PATIENCE).await;
    }
}

/// A certificate for this name that is not to be used for others, and its key, as files.
struct Identity {
    cert_path: Option<PathBuf>,
    key_path: Option<PathBuf>,
}

fn identity(folder: &Path, name: &str) -> Identity {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let (cert_path, key_path) = (folder.join(name), folder.join(format!("{name}.key")));
    std::fs::write(&cert_path, pem_of("CERTIFICATE", made.cert.der())).unwrap();
    std::fs::write(&key_path, pem_of("PRIVATE KEY", &made.signing_key.serialize_der())).unwrap();
    Identity { cert_path: Some(cert_path), key_path: Some(key_path) }
}

/// What becomes of a call by our own client.
async fn called(server: &Server, settings: Option<ClientTlsSettings>) -> Result<(), String> {
    let tls = settings.map(|settings| Arc::new(ClientTls::new(&settings)));
    let client =
        Client::new(ClientConfig { tls, ..ClientConfig::default() }, Arc::new(crate::client::NoService));
    let request = crate::Command::request(crate::RequestCode(0), crate::ExtFields::empty());
    let called = client.call(&server.local_addr().to_string(), request, PATIENCE).await;
    client.shutdown().await;
    called.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn our_client_calls_by_tls() {
    let server = start(with(TlsSettings { mode: TlsMode::Enforcing, ..TlsSettings::default() }));
    assert!(called(&server, None).await.is_err());
    called(&server, Some(ClientTlsSettings::read(|_| None))).await.unwrap();
    server.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn our_client_and_the_server_check_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let [server_s, client_s, stranger_s] =
        ["localhost", "client", "stranger"].map(|name| identity(folder.path(), name));
    let server = start(with(TlsSettings {
        mode: TlsMode::Enforcing,
        test_mode: false,
        cert_path: server_s.cert_path.clone(),
        key_path: server_s.key_path,
        need_client_auth: ClientAuth::Require,
        auth_client: true,
        trust_cert_path: client_s.cert_path.clone(),
        ..TlsSettings::default()
    }));
    let trusting = ClientTlsSettings {
        test_mode: false,
        cert_path: client_s.cert_path.clone(),
        key_path: client_s.key_path.clone(),
        auth_server: true,
        trust_cert_path: server_s.cert_path,
        ..ClientTlsSettings::read(|_| None)
    };
    called(&server, Some(trusting.clone())).await.unwrap();
    // Whoever the server is.
    let blind = ClientTlsSettings { auth_server: false, trust_cert_path: None, ..trusting.clone() };
    called(&server, Some(blind)).await.unwrap();
    let of_stranger = ClientTlsSettings {
        cert_path: stranger_s.cert_path.clone(),
        key_path: stranger_s.key_path,
        ..trusting.clone()
    };
    let refused = [
        ClientTlsSettings { trust_cert_path: stranger_s.cert_path, ..trusting.clone() },
        ClientTlsSettings { cert_path: None, key_path: None, ..trusting.clone() },
        of_stranger,
    ];
    for settings in refused {
        called(&server, Some(settings)).await.unwrap_err();
    }
    let unusable = [
        (
            ClientTlsSettings { trust_cert_path: None, ..trusting.clone() },
            "tls.client.trustCertPath is not set",
        ),
        (ClientTlsSettings { key_path: None, ..trusting.clone() }, "tls.client.keyPath is not set"),
        (ClientTlsSettings { cert_path: None, ..trusting.clone() }, "tls.client.certPath is not set"),
        (
            ClientTlsSettings { key_path: testdata("encrypted-key.pem"), ..trusting },
            "tls.client.keyPassword is not set",
        ),
    ];
    for (settings, reason) in unusable {
        let error = called(&server, Some(settings)).await.unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
    server.shutdown(PATIENCE).await;
}

fn pem_of(label: &str, der: &[u8]) -> String {
    use pkcs8::der::pem::{LineEnding, encode_string};
    encode_string(label, LineEnding::LF, der).unwrap()
}
