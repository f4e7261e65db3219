//! Start and stop. Java: `BrokerStartup`, `BrokerController.start` and `shutdown`.

mod parts;
#[cfg(test)]
mod tests;

use crate::arrivals;
use crate::broadcast_offsets::BroadcastOffsets;
use crate::broker::Broker;
use crate::calls::Calls;
use crate::clients::Clients;
use crate::cold_data::ColdDataFlowCtr;
use crate::config::BrokerSettings;
use crate::configuration::Configuration;
use crate::consumer_filter::{self, ConsumerFilters};
use crate::delays::Delays;
use crate::dispatch::BrokerPort;
use crate::groups::Groups;
use crate::locks::Locks;
use crate::long_poll::{LongPoll, LongPollLimits};
use crate::offsets::ConsumerOffsets;
use crate::persister::{ConfigTable, Persister};
use crate::registration::Registration;
use crate::request_modes::MessageRequestModes;
use crate::schedule::Schedule;
use crate::store_stats::{self, StoreStats};
use crate::timer::{Timer, TimerError};
use crate::topics::Topics;
use crate::transaction::{self, Transactions};
use filter::bloom::BloomError;
use message::uniq_key::UniqKeys;
use process::clock::Clock;
use process::config::Live;
use process::files::LoadError;
use process::logs;
use process::threads::caught;
use remoting::netty::{client_config, host_addr, listen_addr, server_config};
use remoting::server::{Listener, Server};
use remoting::table::Port;
use remoting::{Codec, DiskPool};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::{self, BatchTopics, FilterBits, MessageStore, OpenError, WaitingRoom};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Clients connect here for sends alone: this many ports below `listenPort`. Java: `BrokerController.initialize`.
const FAST_PORT_BELOW: u16 = 2;
/// Connections that do not end by then are left to the process's end.
const SHUTDOWN_PATIENCE: Duration = Duration::from_millis(200);
/// The name servers are told first, but a dead one delays the start no longer. The attempt goes on.
const FIRST_REGISTRATION_PATIENCE: Duration = Duration::from_millis(100);
/// How often parked pulls are looked at whose time may be up.
const LONG_POLL_TICK: Duration = Duration::from_millis(200);
/// A pull whose tags no new message had goes on behind those messages this often. Java: `PullRequestHoldService.run`.
const GROWN_QUEUES_PERIOD: Duration = Duration::from_secs(5);
/// Java: `BrokerController.initializeBrokerScheduledTasks`.
const FILTERS_PERSIST_PERIOD: Duration = Duration::from_secs(10);
/// Java: `BroadcastOffsetManager.run`.
const BROADCAST_OFFSETS_PERIOD: Duration = Duration::from_secs(5);
/// How often it is asked whether groups are to be told of changes.
const NOTICE_TICK: Duration = Duration::from_secs(1);
/// Java: `ClientHousekeepingService`.
const CLIENT_SCAN_PERIOD: Duration = Duration::from_secs(10);

/// A broker at work. Dropping it leaves it at work: [`Running::shutdown`] ends it.
pub struct Running {
    broker: Arc<Broker>,
    failed: oneshot::Receiver<String>,
    servers: Vec<Server>,
    tasks: Vec<JoinHandle<()>>,
}

/// Why a broker does not start; its text is one line for a human.
#[derive(Debug)]
pub enum StartError {
    /// `bindAddress` or `brokerIP1` is no address.
    Address {
        /// Which of the two.
        key: &'static str,
        /// What it says.
        value: String,
    },
    /// The port is taken, or not ours to take.
    Listen(SocketAddr, io::Error),
    /// The store does not open or start: it is in use, or its files cannot be read.
    Store(OpenError),
    /// Of messages with a delivery time of their own.
    Timer(TimerError),
    /// A config file that must not be taken for an empty one.
    Table(LoadError),
    /// The system has no thread left.
    Thread(io::Error),
    /// `maxErrorRateOfBloomFilter` or `expectConsumerNumUseFilter` is out of range.
    Bloom(BloomError),
    /// A `-Dname=value` that is no number.
    SystemProperty {
        /// Its name.
        name: &'static str,
        /// What it says.
        value: String,
    },
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::Address { key, value } => write!(f, "{key}={value} is no address of a host"),
            StartError::Listen(addr, error) => write!(f, "cannot listen on {addr}: {error}"),
            StartError::Store(error) => error.fmt(f),
            StartError::Table(error) => error.fmt(f),
            StartError::Timer(error) => error.fmt(f),
            StartError::Thread(error) => write!(f, "cannot start a thread: {error}"),
            StartError::Bloom(error) => write!(f, "the Bloom filter of consumer filters: {error}"),
            StartError::SystemProperty { name, value } => write!(f, "-D{name}={value} is no number"),
        }
    }
}

impl std::error::Error for StartError {}

/// Starts a broker within the tokio runtime of the caller, and says so on stdout as Java does. The settings were read from the
/// configuration. An error names what
/// keeps it from starting.
pub async fn start(
    configuration: Configuration,
    settings: BrokerSettings,
    clock: Clock,
) -> Result<Running, StartError> {
    let listeners = bind(&settings)?;
    let broker = build(configuration, settings, clock)?;
    let weak = Arc::downgrade(&broker);
    let on_arrived = move |arrived: &[store::Arrived<'_>]| {
        if let Some(broker) = weak.upgrade() {
            arrivals::messages_arrived(&broker, arrived);
        }
    };
    let (tell_failure, failed) = oneshot::channel();
    broker.store.when_failed(Box::new(move |why| drop(tell_failure.send(why.to_owned()))));
    broker.store.start(Box::new(on_arrived)).map_err(StartError::Store)?;
    if !broker.is_slave() {
        broker.delays.schedule.start().map_err(StartError::Thread)?;
        if let Some(timer) = &broker.delays.timer {
            timer.start().map_err(StartError::Thread)?;
        }
        broker.transactions.start(asking(&broker)).map_err(StartError::Thread)?;
    }
    let mut listeners = listeners.into_iter();
    let mut servers: Vec<_> = listeners
        .next()
        .map(|main| main.serve(Arc::new(BrokerPort::new(broker.clone(), Port::Main))))
        .into_iter()
        .collect();
    servers.extend(listeners.map(|fast| fast.serve(Arc::new(BrokerPort::new(broker.clone(), Port::Fast)))));
    let tasks = housekeeping(&broker);
    broker.registration.start();
    broker.registration.when_registered(FIRST_REGISTRATION_PATIENCE).await;
    announce(&broker.settings());
    Ok(Running { broker, failed, servers, tasks })
}

/// The main port, then the fast one.
fn bind(settings: &BrokerSettings) -> Result<Vec<Listener>, StartError> {
    let main = listen_addr(&settings.server).map_err(|_| StartError::Address {
        key: "bindAddress",
        value: settings.server.bind_address.clone(),
    })?;
    let mut addrs = vec![main];
    // A port of 0 is any free one, for tests; it has no neighbours.
    if let Some(fast) = main.port().checked_sub(FAST_PORT_BELOW).filter(|port| *port > 0) {
        addrs.push(SocketAddr::new(main.ip(), fast));
    }
    let config = server_config(&settings.server, &settings.environment);
    let bind = |addr| Listener::bind(addr, config.clone()).map_err(|error| StartError::Listen(addr, error));
    addrs.into_iter().map(bind).collect()
}

fn build(
    configuration: Configuration,
    settings: BrokerSettings,
    clock: Clock,
) -> Result<Arc<Broker>, StartError> {
    let live = Live::new(settings);
    let settings = live.load();
    let store_host = store_host(&settings)?;
    let file = |name| settings.store.config_file(name);
    let topics = Topics::load(&file("topics.json"), live.clone(), clock.clone());
    let topics = Arc::new(topics.map_err(StartError::Table)?);
    let of_store = topics.clone();
    let batch_topics = BatchTopics::new(move |topic| of_store.has_batch_queues(topic));
    let bloom = consumer_filter::bloom(&settings.broker).map_err(StartError::Bloom)?;
    let filters = ConsumerFilters::load(&file("consumerFilter.json"), live.clone(), bloom, clock.clone());
    let filters = Arc::new(filters.map_err(StartError::Table)?);
    let store_clock = clock.clone();
    let surroundings = parts::store_surroundings(&settings, batch_topics, filter_bits(&live, &filters))?;
    let store =
        MessageStore::open(settings.store.clone(), surroundings, store_clock).map_err(StartError::Store)?;
    let request_modes =
        MessageRequestModes::load(&file("messageRequestMode.json")).map_err(StartError::Table)?;
    let groups = Groups::load(&file("subscriptionGroup.json"), live.clone(), clock.clone());
    let offsets_file =
        if settings.store.enable_lmq { "lmqConsumerOffset.json" } else { "consumerOffset.json" };
    let offsets = ConsumerOffsets::load(&file(offsets_file), live.clone(), clock.clone());
    let offsets = Arc::new(offsets.map_err(StartError::Table)?);
    let schedule = Schedule::load(&file("delayOffset.json"), live.clone(), store.clone(), clock.clone());
    let schedule = Arc::new(schedule.map_err(StartError::Table)?);
    let timer = timer(&settings, store.clone(), clock.clone()).map_err(StartError::Timer)?;
    let delays = Delays { schedule, timer };
    let transactions = Transactions::load(
        &file("transactionMetrics"),
        live.clone(),
        store_host,
        transaction::Collaborators {
            store: store.clone(),
            delays: delays.clone(),
            topics: topics.clone(),
            offsets: offsets.clone(),
        },
        clock.clone(),
    );
    let groups = Arc::new(groups.map_err(StartError::Table)?);
    let persister = Arc::new(Persister::start().map_err(StartError::Thread)?);
    leave_to(&persister, &topics);
    leave_to(&persister, &groups);
    Ok(Arc::new(Broker {
        runtime: Handle::current(),
        store_host,
        uniq_keys: UniqKeys::new(store_host.ip()),
        waiting: WaitingRoom::new(&store),
        store,
        registration: Registration::new(
            live.clone(),
            client_config(&settings.client, &settings.environment),
            topics.clone(),
        ),
        topics,
        groups,
        request_modes: Arc::new(request_modes),
        persister,
        offsets,
        delays,
        transactions: Arc::new(transactions.map_err(StartError::Table)?),
        clients: Clients::new(live.clone(), clock.clone()),
        calls: Calls::default(),
        store_stats: StoreStats::new(clock.clone()),
        cold_data: ColdDataFlowCtr::default(),
        consumer_filters: filters,
        broadcast_offsets: BroadcastOffsets::new(live.clone(), clock.clone()),
        locks: Locks::new(clock.clone(), parts::lock_live_ms_max(&settings)?),
        long_poll: LongPoll::new(clock.clone(), Handle::current(), LongPollLimits::default()),
        disk_pool: DiskPool::default(),
        clock,
        settings: live.clone(),
        configuration,
    }))
}

fn timer(
    settings: &BrokerSettings,
    store: Arc<MessageStore>,
    clock: Clock,
) -> Result<Option<Arc<Timer>>, TimerError> {
    if !settings.store.timer_wheel_enable {
        return Ok(None);
    }
    let metrics = settings.store.config_file("timermetrics");
    Timer::load(&metrics, store, clock).map(Arc::new).map(Some)
}

/// Has a table's changes written by the persister.
fn leave_to<T: ConfigTable + 'static>(persister: &Arc<Persister>, table: &Arc<T>) {
    let (persister, weak) = (persister.clone(), Arc::downgrade(table));
    table.file().leave_to(move || {
        if let Some(table) = weak.upgrade() {
            persister.want(table);
        }
    });
}

/// Only an extension of the queues has a place for the bits.
fn filter_bits(settings: &Live<BrokerSettings>, filters: &Arc<ConsumerFilters>) -> FilterBits {
    if !settings.load().store.enable_consume_queue_ext {
        return FilterBits::default();
    }
    let (settings, filters) = (settings.clone(), filters.clone());
    FilterBits::new(move |topic, properties| {
        let is_enabled = settings.load().broker.enable_calc_filter_bit_map;
        if is_enabled { filters.bit_map(topic, properties) } else { None }
    })
}

/// How the check of transactions reaches producers.
fn asking(broker: &Arc<Broker>) -> transaction::Ask {
    let weak = Arc::downgrade(broker);
    Box::new(move |group, question| {
        match weak.upgrade().and_then(|broker| broker.clients.available_producer(group)) {
            Some(producer) => producer.send_oneway(question),
            None => tracing::warn!("a transaction of {group} is open and no producer of it is there"),
        }
    })
}

/// Java makes a socket address of the two, which resolves a name.
fn store_host(settings: &BrokerSettings) -> Result<SocketAddr, StartError> {
    let ip = settings.broker.broker_ip1.as_str();
    host_addr(ip, settings.server.listen_port)
        .map_err(|_| StartError::Address { key: "brokerIP1", value: ip.to_owned() })
}

/// What is done now and then.
fn housekeeping(broker: &Arc<Broker>) -> Vec<JoinHandle<()>> {
    let settings = &broker.settings().broker;
    let persist_period = Duration::from_millis(settings.flush_consumer_offset_interval_ms.max(1));
    let expired_ms = settings.channel_expired_timeout_ms;
    vec![
        every(broker, LONG_POLL_TICK, |broker| broker.long_poll.wake_expired(broker)),
        every(broker, store_stats::SAMPLE_PERIOD, |broker| broker.store_stats.sample(broker.store.counts())),
        every(broker, GROWN_QUEUES_PERIOD, arrivals::wake_grown_queues),
        every(broker, CLIENT_SCAN_PERIOD, move |broker| broker.clients.close_expired(expired_ms)),
        every(broker, BROADCAST_OFFSETS_PERIOD, |broker| broker.commit_broadcast_offsets()),
        every(broker, NOTICE_TICK, |broker| broker.clients.tell_changes()),
        every(broker, persist_period, |broker| broker.persister.want(broker.offsets.clone())),
        every(broker, FILTERS_PERSIST_PERIOD, |broker| {
            broker.persister.want(broker.consumer_filters.clone())
        }),
    ]
}

fn every(
    broker: &Arc<Broker>,
    period: Duration,
    work: impl Fn(&Arc<Broker>) + Send + 'static,
) -> JoinHandle<()> {
    let broker = broker.clone();
    tokio::spawn(async move {
        // There is nothing to do yet.
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(panic) = caught(|| work(&broker)) {
                tracing::error!("housekeeping has panicked, it goes on: {panic}");
            }
        }
    })
}

fn announce(settings: &BrokerSettings) {
    let codec = Codec::of_environment().name();
    let (name, addr) = (&settings.identity.broker_name, settings.broker_addr());
    let mut boot = format!("The broker[{name}, {addr}] boot success. serializeType={codec}");
    if let Some(namesrv) = &settings.broker.namesrv_addr {
        boot.push_str(" and name server is ");
        boot.push_str(namesrv);
    }
    tracing::info!("{boot}");
    logs::say(boot);
}

impl Running {
    /// What its handlers work on.
    pub fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    /// The main port's address.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.servers.first().map(Server::local_addr)
    }

    /// Waits until the broker cannot go on, which is for ever as a rule; why, in one line. Messages are refused from then on, and
    /// what there is to do is [`shutdown`](Self::shutdown), and not to take it for a good end.
    pub async fn failed(&mut self) -> String {
        match (&mut self.failed).await {
            Ok(why) => why,
            Err(_) => std::future::pending().await,
        }
    }

    /// Leaves the name servers, ends all connections, and puts everything on the disk.
    pub async fn shutdown(self) {
        self.broker.registration.shutdown().await;
        for server in self.servers {
            server.shutdown(SHUTDOWN_PATIENCE).await;
        }
        for task in &self.tasks {
            task.abort();
        }
        let broker = self.broker;
        broker.long_poll.drop_all();
        let saved = tokio::task::spawn_blocking(move || {
            broker.delays.schedule.shutdown();
            if let Some(timer) = &broker.delays.timer {
                timer.shutdown();
            }
            broker.transactions.shutdown();
            broker.store.shutdown();
            broker.persister.stop();
            broker.offsets.persist();
            broker.consumer_filters.persist();
            broker.topics.persist();
            broker.groups.persist();
        });
        if let Err(error) = saved.await {
            tracing::error!("the shutdown was not finished: {error}");
        }
    }
}
