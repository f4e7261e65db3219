//! Java's `NettyServerConfig` and `NettyClientConfig`, which both servers have.

use super::{Class, Environment, boolean, computed_boolean, computed_int, int, long, text};
use crate::settings;

settings! {
    /// What a server listens on, and when it drops a connection.
    pub struct NettyServerConfig of "NettyServerConfig" {
        /// The local address to listen on; `0.0.0.0` is every one.
        pub bind_address: String = "bindAddress",
        /// TCP port.
        pub listen_port: u16 = "listenPort",
        /// A connection without a byte in either direction for so long is closed.
        pub server_channel_max_idle_time_s: u64 = "serverChannelMaxIdleTimeSeconds",
        /// Connections that the kernel may hold before we accept them.
        pub server_socket_backlog: u32 = "serverSocketBacklog",
        /// SO_SNDBUF, 0 for the kernel's own choice.
        pub server_socket_snd_buf_bytes: usize = "serverSocketSndBufSize",
        /// SO_RCVBUF, 0 for the kernel's own choice.
        pub server_socket_rcv_buf_bytes: usize = "serverSocketRcvBufSize",
    }
}

settings! {
    /// How a server calls other servers (brokers call name servers, slaves call their master).
    pub struct NettyClientConfig of "NettyClientConfig" {
        /// Connecting may take so long.
        pub connect_timeout_ms: u64 = "connectTimeoutMillis",
        /// By TLS, as the `tls.client.*` properties say.
        pub use_tls: bool = "useTLS",
    }
}

/// `listenPort` is 0 here, as in Java; each server sets its own (9876, 10911).
pub const NETTY_SERVER_CONFIG: Class = Class {
    name: "NettyServerConfig",
    keys: &[
        text("bindAddress", "0.0.0.0"),
        int("listenPort", 0),
        int("serverWorkerThreads", 8),
        int("serverCallbackExecutorThreads", 0),
        int("serverSelectorThreads", 3),
        int("serverOnewaySemaphoreValue", 256),
        int("serverAsyncSemaphoreValue", 64),
        int("serverChannelMaxIdleTimeSeconds", 120),
        int("serverSocketSndBufSize", 0),
        int("serverSocketRcvBufSize", 0),
        int("writeBufferHighWaterMark", 0),
        int("writeBufferLowWaterMark", 0),
        int("serverSocketBacklog", 1024),
        boolean("serverNettyWorkerGroupEnable", true),
        boolean("serverPooledByteBufAllocatorEnable", true),
        boolean("enableShutdownGracefully", false),
        int("shutdownWaitTimeSeconds", 30),
        boolean("useEpollNativeSelector", false),
    ],
};

/// Java's keys of a server that calls others.
pub const NETTY_CLIENT_CONFIG: Class = Class {
    name: "NettyClientConfig",
    keys: &[
        int("clientWorkerThreads", 4),
        computed_int("clientCallbackExecutorThreads", |env| env.processors()),
        int("clientOnewaySemaphoreValue", 65_535),
        int("clientAsyncSemaphoreValue", 65_535),
        int("connectTimeoutMillis", 3000),
        long("channelNotActiveInterval", 60_000),
        boolean("isScanAvailableNameSrv", true).set_as("scanAvailableNameSrv"),
        int("clientChannelMaxIdleTimeSeconds", 120),
        int("clientSocketSndBufSize", 0),
        int("clientSocketRcvBufSize", 0),
        boolean("clientPooledByteBufAllocatorEnable", false),
        boolean("clientCloseSocketIfTimeout", true),
        computed_boolean("useTLS", Environment::uses_tls),
        text("socksProxyConfig", "{}"),
        int("writeBufferHighWaterMark", 0),
        int("writeBufferLowWaterMark", 0),
        boolean("disableCallbackExecutor", false),
        boolean("disableNettyWorkerGroup", false),
        long("maxReconnectIntervalTimeSeconds", 60),
        boolean("enableReconnectForGoAway", true),
    ],
};
