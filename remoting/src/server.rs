//! Listens, and serves each connection on a task of its own. Java: `NettyRemotingServer`.

use crate::command::Codec;
use crate::connection::{self, Budget, Peer, Service};
use crate::preamble::{self, PreambleError, Stream};
use crate::tls::{Tls, TlsSettings};
use parking_lot::Mutex;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::server::TlsStream;

/// Pause after an accept failed, as it does while no file descriptors are left.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// A TLS peer is told of the end as long as this; one that has stopped reading is not waited for.
const TLS_CLOSE_PATIENCE: Duration = Duration::from_millis(50);

/// Of replies that the kernel has taken and not sent. Its own buffer grows to megabytes for a peer that does not read; what is
/// sent and not acknowledged is not counted, so that no long way gets slower.
pub const UNSENT_BYTES_MAX: u32 = 256 * 1024;

/// How to listen and to keep connections.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Java: `serverSocketBacklog`.
    pub backlog: i32,
    /// A connection on which nothing is read or written for this long is closed. What comes before the first frame,
    /// a TLS handshake say, may take this long as a whole.
    /// Java: `serverChannelMaxIdleTimeSeconds`.
    pub idle_max: Duration,
    /// 0 leaves it to the kernel, which holds no more than [`UNSENT_BYTES_MAX`] unsent. Java: `serverSocketSndBufSize`.
    pub send_buffer_bytes: usize,
    /// 0 leaves it to the kernel. Java: `serverSocketRcvBufSize`.
    pub receive_buffer_bytes: usize,
    /// The encoding of the headers that are sent.
    pub codec: Codec,
    /// TLS on the same port.
    pub tls: Arc<Tls>,
    /// What its connections' long frames and waiting replies are counted in.
    pub budget: &'static Budget,
}

impl Default for ServerConfig {
    fn default() -> ServerConfig {
        ServerConfig {
            backlog: 1024,
            idle_max: Duration::from_secs(120),
            send_buffer_bytes: 0,
            receive_buffer_bytes: 0,
            codec: Codec::of_environment(),
            tls: Arc::new(Tls::new(TlsSettings::default())),
            budget: Budget::of_process(),
        }
    }
}

type Peers = Arc<Mutex<HashMap<u64, Arc<Peer>>>>;

/// A bound socket that accepts nobody yet: a server that finds its port taken has changed nothing.
pub struct Listener {
    listener: TcpListener,
    local_addr: SocketAddr,
    config: ServerConfig,
}

impl Listener {
    /// Must be called within a tokio runtime, like [`Listener::serve`]. An error if the address is taken or not ours.
    pub fn bind(addr: SocketAddr, config: ServerConfig) -> io::Result<Listener> {
        let listener = listen(addr, &config)?;
        Ok(Listener { local_addr: listener.local_addr()?, listener, config })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Starts to accept.
    pub fn serve<S: Service>(self, service: Arc<S>) -> Server {
        let Listener { listener, local_addr, config } = self;
        let peers = Peers::default();
        let idle_max = config.idle_max;
        let tasks = [
            tokio::spawn(accept(listener, config, service, peers.clone())),
            tokio::spawn(close_idle(peers.clone(), idle_max)),
        ];
        Server { local_addr, peers, tasks }
    }
}

/// A listening socket and its connections. Dropping it leaves them running: [`Server::shutdown`] ends them.
pub struct Server {
    local_addr: SocketAddr,
    peers: Peers,
    tasks: [JoinHandle<()>; 2],
}

impl Server {
    /// Binds and starts to accept. Must be called within a tokio runtime. An error as of [`Listener::bind`].
    pub fn start<S: Service>(addr: SocketAddr, config: ServerConfig, service: Arc<S>) -> io::Result<Server> {
        Ok(Listener::bind(addr, config)?.serve(service))
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Stops accepting and closes every connection. Returns when the last is gone, at most after `patience`.
    pub async fn shutdown(self, patience: Duration) {
        for task in &self.tasks {
            task.abort();
        }
        let deadline = tokio::time::Instant::now() + patience;
        while tokio::time::Instant::now() < deadline {
            let peers: Vec<_> = self.peers.lock().values().cloned().collect();
            if peers.is_empty() {
                return;
            }
            peers.iter().for_each(|peer| peer.close());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// `0.0.0.0` is every address of the host, IPv6 ones too where there are any, as in Java.
fn listen(addr: SocketAddr, config: &ServerConfig) -> io::Result<TcpListener> {
    if addr.ip() == Ipv4Addr::UNSPECIFIED {
        match listen_on(SocketAddr::from((Ipv6Addr::UNSPECIFIED, addr.port())), config) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                tracing::info!(target: "remoting", "no listening on IPv6: {error}");
            }
            listening => return listening,
        }
    }
    listen_on(addr, config)
}

fn listen_on(addr: SocketAddr, config: &ServerConfig) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if config.receive_buffer_bytes > 0 {
        socket.set_recv_buffer_size(config.receive_buffer_bytes)?;
    }
    socket.bind(&addr.into())?;
    socket.listen(config.backlog)?;
    TcpListener::from_std(socket.into())
}

async fn accept<S: Service>(listener: TcpListener, config: ServerConfig, service: Arc<S>, peers: Peers) {
    let (codec, tls, budget) = (config.codec, config.tls.clone(), config.budget);
    let shared = Arc::new(Shared { service, peers, codec, tls, budget });
    loop {
        match listener.accept().await {
            Ok((stream, remote_addr)) => {
                if let Err(error) = set_up(&stream, &config) {
                    tracing::info!(target: "remoting", "connection {remote_addr} lost at once: {error}");
                    continue;
                }
                tokio::spawn(serve(stream, canonical(remote_addr), shared.clone()));
            }
            Err(error) => {
                tracing::error!(target: "remoting", "accept failed: {error}");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// An IPv4 address that an IPv6 socket shows in its own form: messages keep the hosts that they come from.
fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::from((v4, addr.port())),
        IpAddr::V6(_) => addr,
    }
}

fn set_up(stream: &TcpStream, config: &ServerConfig) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    match config.send_buffer_bytes {
        0 => socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX),
        bytes => socket.set_send_buffer_size(bytes),
    }
}

/// What the connections of one listening socket share.
struct Shared<S> {
    service: Arc<S>,
    peers: Peers,
    codec: Codec,
    tls: Arc<Tls>,
    budget: &'static Budget,
}

async fn serve<S: Service>(stream: TcpStream, socket_addr: SocketAddr, shared: Arc<Shared<S>>) {
    let Ok(local_addr) = stream.local_addr() else { return };
    let observer = shared.service.observer();
    let peer = Peer::socket(socket_addr, canonical(local_addr), shared.codec, observer, shared.budget);
    shared.peers.lock().insert(peer.id(), peer.clone());
    let _listed = Listed { peers: &shared.peers, id: peer.id() };
    let opened = tokio::select! {
        opened = preamble::open(stream, &peer, &shared.tls) => Some(opened),
        () = peer.closed() => None,
    };
    match opened {
        Some(Ok(Stream::Plain(stream))) => {
            peer.set_on_plain_socket();
            connection::run(stream, &peer, &*shared.service).await;
        }
        Some(Ok(Stream::Tls(stream))) => Box::pin(serve_tls(stream, &peer, &*shared.service)).await,
        Some(Err(error @ PreambleError::Closed)) => {
            tracing::info!(target: "remoting", "connection {}: {error}", peer.remote_addr());
        }
        Some(Err(error)) => {
            tracing::warn!(target: "remoting", "connection {} closed: {error}", peer.remote_addr());
        }
        None => tracing::info!(target: "remoting", "connection {} closed", peer.remote_addr()),
    }
}

/// A connection among the server's, until its task ends.
struct Listed<'a> {
    peers: &'a Peers,
    id: u64,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.peers.lock().remove(&self.id);
    }
}

async fn serve_tls<S: Service>(mut stream: Box<TlsStream<TcpStream>>, peer: &Arc<Peer>, service: &S) {
    connection::run(&mut stream, peer, service).await;
    // Without a last word the client would take the end for an attack.
    let _ = tokio::time::timeout(TLS_CLOSE_PATIENCE, stream.shutdown()).await;
}

async fn close_idle(peers: Peers, idle_max: Duration) {
    // Java's timer is exact; ours looks 20 times a period, and costs an idle server next to nothing.
    let mut ticks = tokio::time::interval((idle_max / 20).max(Duration::from_millis(10)));
    loop {
        ticks.tick().await;
        for peer in peers.lock().values().filter(|peer| peer.idle() >= idle_max) {
            tracing::warn!(target: "remoting", "connection {} was idle for {idle_max:?}", peer.remote_addr());
            peer.close();
        }
    }
}

#[cfg(test)]
mod tests;
