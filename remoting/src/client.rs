//! Calls other servers: one connection an address, opened when first needed. Java: `NettyRemotingClient`.

use crate::command::{Codec, Command};
use crate::connection::{self, Budget, Call, CallError, Outcome, Peer, Service};
use crate::refusal::Refusal;
use crate::tls::ClientTls;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A client that serves no requests from the servers that it calls.
pub struct NoService;

impl Service for NoService {
    fn handle(&self, call: &mut Call) -> Result<Outcome, Refusal> {
        Err(Refusal::unsupported(call.request.request_code()))
    }
}

/// How to call other servers.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Connecting may take so long. Java: `connectTimeoutMillis`.
    pub connect_timeout: Duration,
    /// The encoding of the headers that are sent.
    pub codec: Codec,
    /// Connect by TLS. Java: `useTLS`.
    pub tls: Option<Arc<ClientTls>>,
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        ClientConfig {
            connect_timeout: Duration::from_millis(3000),
            codec: Codec::of_environment(),
            tls: None,
        }
    }
}

/// Connections by `host:port`.
pub struct Client<S: Service = NoService> {
    config: ClientConfig,
    service: Arc<S>,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

/// Where those who need the same address wait for one of them to connect.
type Slot = tokio::sync::Mutex<Option<Arc<Peer>>>;

impl<S: Service> Client<S> {
    /// Connects to nobody yet. `service` answers what the other servers ask on our connections.
    pub fn new(config: ClientConfig, service: Arc<S>) -> Client<S> {
        Client { config, service, slots: Mutex::default() }
    }

    /// Sends a request to `addr` and waits for the response. Connecting and waiting have `timeout` each at most. Any
    /// [`CallError`] can come of it.
    pub async fn call(&self, addr: &str, request: Command, timeout: Duration) -> Result<Command, CallError> {
        let peer = self.peer(addr, timeout).await?;
        let response = peer.call(request, timeout).await;
        // Java closes a connection that let a call time out (clientCloseSocketIfTimeout).
        if response == Err(CallError::Timeout) {
            peer.close();
        }
        response
    }

    /// Sends a request that wants no response. [`CallError::Connect`] if there is no connection; what becomes of the request
    /// afterwards nobody learns.
    pub async fn send_oneway(&self, addr: &str, request: Command) -> Result<(), CallError> {
        self.peer(addr, self.config.connect_timeout).await?.send_oneway(request);
        Ok(())
    }

    /// Closes every connection.
    pub async fn shutdown(&self) {
        let slots: Vec<_> = self.slots.lock().drain().map(|(_, slot)| slot).collect();
        for slot in slots {
            if let Some(peer) = slot.lock().await.take() {
                peer.close();
            }
        }
    }

    async fn peer(&self, addr: &str, timeout: Duration) -> Result<Arc<Peer>, CallError> {
        let slot = self.slots.lock().entry(addr.to_owned()).or_default().clone();
        let mut slot = slot.lock().await;
        if let Some(peer) = slot.as_ref().filter(|peer| peer.is_open()) {
            return Ok(peer.clone());
        }
        let opened = tokio::time::timeout(self.config.connect_timeout.min(timeout), self.connect(addr)).await;
        let opened = opened.map_err(|_| CallError::Connect(format!("{addr}: connecting took too long")))?;
        let peer = opened.map_err(|error| CallError::Connect(format!("{addr}: {error}")))?;
        *slot = Some(peer.clone());
        Ok(peer)
    }

    async fn connect(&self, addr: &str) -> io::Result<Arc<Peer>> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let (remote, local) = (stream.peer_addr()?, stream.local_addr()?);
        let Some(tls) = &self.config.tls else { return Ok(self.open(stream, remote, local)) };
        let connector = tls.connector().map_err(|error| io::Error::other(format!("TLS: {error}")))?;
        // Like Java's it names no host to the server.
        let stream = connector.connect(remote.ip().into(), stream).await?;
        Ok(self.open(stream, remote, local))
    }

    fn open<T>(&self, stream: T, remote: SocketAddr, local: SocketAddr) -> Arc<Peer>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer =
            Peer::socket(remote, local, self.config.codec, self.service.observer(), Budget::of_process());
        let (task_peer, service) = (peer.clone(), self.service.clone());
        tokio::spawn(async move { connection::run(stream, &task_peer, &*service).await });
        peer
    }
}
