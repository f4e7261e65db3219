//! Java's `NettyServerConfig` and `NettyClientConfig`, which both servers have.

use super::{Environment, boolean, computed_boolean, computed_int, int, long, text};
use crate::settings;

settings! {
    /// What a server listens on, and when it drops a connection. `listenPort` is 0 here, as in Java; each server sets its own
    /// (9876, 10911).
    pub struct NettyServerConfig of "NettyServerConfig" {
        /// The local address to listen on; `0.0.0.0` is every one.
        bind_address: String = [never] text("bindAddress", "0.0.0.0"),
        /// TCP port.
        listen_port: u16 = [never] int("listenPort", 0),
        [restart] int("serverWorkerThreads", 8),
        [restart] int("serverCallbackExecutorThreads", 0),
        [restart] int("serverSelectorThreads", 3),
        [restart] int("serverOnewaySemaphoreValue", 256),
        [restart] int("serverAsyncSemaphoreValue", 64),
        /// A connection without a byte in either direction for so long is closed.
        server_channel_max_idle_time_s: u64 = [restart] int("serverChannelMaxIdleTimeSeconds", 120),
        /// SO_SNDBUF, 0 for the kernel's own choice.
        server_socket_snd_buf_bytes: usize = [restart] int("serverSocketSndBufSize", 0),
        /// SO_RCVBUF, 0 for the kernel's own choice.
        server_socket_rcv_buf_bytes: usize = [restart] int("serverSocketRcvBufSize", 0),
        [restart] int("writeBufferHighWaterMark", 0),
        [restart] int("writeBufferLowWaterMark", 0),
        /// Connections that the kernel may hold before we accept them.
        server_socket_backlog: u32 = [restart] int("serverSocketBacklog", 1024),
        [restart] boolean("serverNettyWorkerGroupEnable", true),
        [restart] boolean("serverPooledByteBufAllocatorEnable", true),
        [restart] boolean("enableShutdownGracefully", false),
        [restart] int("shutdownWaitTimeSeconds", 30),
        [restart] boolean("useEpollNativeSelector", false),
    }
}

settings! {
    /// How a server calls other servers (brokers call name servers, slaves call their master).
    pub struct NettyClientConfig of "NettyClientConfig" {
        [restart] int("clientWorkerThreads", 4),
        [restart] computed_int("clientCallbackExecutorThreads", |env| env.processors()),
        [restart] int("clientOnewaySemaphoreValue", 65_535),
        [restart] int("clientAsyncSemaphoreValue", 65_535),
        /// Connecting may take so long.
        connect_timeout_ms: u64 = [restart] int("connectTimeoutMillis", 3000),
        [restart] long("channelNotActiveInterval", 60_000),
        [restart] boolean("isScanAvailableNameSrv", true).set_as("scanAvailableNameSrv"),
        [restart] int("clientChannelMaxIdleTimeSeconds", 120),
        [restart] int("clientSocketSndBufSize", 0),
        [restart] int("clientSocketRcvBufSize", 0),
        [restart] boolean("clientPooledByteBufAllocatorEnable", false),
        [restart] boolean("clientCloseSocketIfTimeout", true),
        /// By TLS, as the `tls.client.*` properties say.
        use_tls: bool = [never] computed_boolean("useTLS", Environment::uses_tls),
        [restart] text("socksProxyConfig", "{}"),
        [restart] int("writeBufferHighWaterMark", 0),
        [restart] int("writeBufferLowWaterMark", 0),
        [restart] boolean("disableCallbackExecutor", false),
        [restart] boolean("disableNettyWorkerGroup", false),
        [restart] long("maxReconnectIntervalTimeSeconds", 60),
        [restart] boolean("enableReconnectForGoAway", true),
    }
}
