//! The parts of a name server, put together. Java: `NamesrvController`.

use crate::config::{NamesrvConfig, NamesrvSettings};
use crate::kv_config::KvConfig;
use crate::registrar::{Job, Registrar};
use crate::routes::removal::{Leaving, Left};
use crate::routes::{
    BrokerAddr, MinBrokerIdChange, NotRegistered, PARTS, REGISTERED_TOPICS_MAX, Registered, Registration,
    Routes, Rules, Topics,
};
use parking_lot::{RwLock, RwLockWriteGuard};
use process::clock::Clock;
use process::config::{Config, Live, Settings, Snapshot};
use process::files::{self, LoadError};
use process::properties::Properties;
use process::threads::caught;
use remoting::body::DataVersion;
use remoting::client::{Client, NoService};
use remoting::connection::Peer;
use remoting::header::namesrv::NotifyMinBrokerIdChangeRequestHeader;
use remoting::netty::client_config;
use remoting::{Command, RequestCode};
use std::io;
use std::sync::Arc;
use tokio::runtime::Handle;

/// What handlers work on. Locks are taken one at a time, or in the order of the fields.
pub struct NameServer {
    routes: RwLock<Routes>,
    kv: RwLock<KvConfig>,
    config: RwLock<Config>,
    settings: Live<NamesrvConfig>,
    clock: Clock,
    started_ms: u64,
    /// Tells brokers of changes.
    client: Arc<Client>,
    registrar: Registrar,
}

impl NameServer {
    /// Reads the file of the key-value table; starts nothing. An error if that file cannot be used.
    pub fn new(config: Config, settings: &NamesrvSettings, clock: Clock) -> Result<NameServer, LoadError> {
        Ok(NameServer {
            routes: RwLock::default(),
            kv: RwLock::new(KvConfig::load(settings.namesrv.kv_config_path.clone())?),
            config: RwLock::new(config),
            settings: Live::new(settings.namesrv.clone()),
            started_ms: clock.monotonic_ms(),
            clock,
            client: Arc::new(Client::new(
                client_config(&settings.client, &settings.environment),
                Arc::new(NoService),
            )),
            registrar: Registrar::default(),
        })
    }

    /// Starts the thread that takes in and dismisses brokers. It belongs to the runtime of the caller.
    pub fn start_registrar(self: &Arc<Self>) -> io::Result<()> {
        let (server, runtime) = (self.clone(), Handle::current());
        let work = move || {
            let _of_runtime = runtime.enter();
            while let Some(job) = server.registrar.next() {
                server.work_off(job);
            }
        };
        std::thread::Builder::new().name("registrar".to_owned()).spawn(work).map(drop)
    }

    /// A panic ends the job, and not the thread.
    fn work_off(self: &Arc<Self>, job: Job) {
        let done = match job {
            Job::Request { mut call, handler } => {
                caught(|| handler(self, &mut call)).map(|outcome| call.end(outcome))
            }
            Job::Lost(peers) => caught(|| self.dismiss(&peers)),
            Job::Expire => caught(|| self.dismiss_silent()),
        };
        if let Err(panic) = done {
            tracing::error!("the registrar has panicked and goes on with the next broker: {panic}");
        }
    }

    /// Where brokers wait to come or to go.
    pub fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    /// Which brokers there are and which topics they hold.
    pub fn routes(&self) -> &RwLock<Routes> {
        &self.routes
    }

    /// Settings that tools keep here.
    pub fn kv(&self) -> &RwLock<KvConfig> {
        &self.kv
    }

    /// As they are now: code 318 changes them.
    pub fn settings(&self) -> Snapshot<NamesrvConfig> {
        self.settings.load()
    }

    /// The settings that [`Routes`] goes by, as they are now.
    pub fn rules(&self) -> Rules {
        let settings = self.settings();
        Rules {
            delete_topic_with_broker_registration: settings.delete_topic_with_broker_registration,
            notify_min_broker_id_changed: settings.notify_min_broker_id_changed,
            support_acting_master: settings.support_acting_master,
        }
    }

    /// Milliseconds of a clock that does not jump.
    pub fn now_ms(&self) -> i64 {
        self.clock.monotonic_ms() as i64
    }

    /// Milliseconds since the start.
    pub fn age_ms(&self) -> u64 {
        self.clock.monotonic_ms() - self.started_ms
    }

    /// A registration that brings no news: none if it does.
    pub fn repeat_registration(
        &self,
        registration: &Registration,
        version: DataVersion,
    ) -> Option<Registered> {
        let rules = self.rules();
        if !self.routes.read().holds(registration, version, rules) {
            return None;
        }
        let mut routes = self.routes.write();
        // Asked again: the broker may have been dismissed meanwhile.
        if !routes.holds(registration, version, rules) {
            return None;
        }
        let topics = Topics::Unchanged(version);
        let registered =
            routes.register(registration, topics, Some(Vec::new()), rules, self.now_ms()).ok()?;
        drop(routes);
        self.notify(registered.notice.iter().cloned().collect());
        Some(registered)
    }

    /// Takes in a broker and tells others of it; [`NotRegistered`] as of [`Routes::register`]. Only on the registrar's thread: the lock is given away between parts of the topics.
    pub fn register(
        &self,
        registration: &Registration,
        topics: Topics,
        filter_servers: Option<Vec<String>>,
    ) -> Result<Registered, NotRegistered> {
        let rules = self.rules();
        let begun = self.routes.write().begin_registration(registration, &topics, rules)?;
        let Some(begun) = begun else { return Ok(Registered::default()) };
        if begun.removes() {
            self.in_parts(PARTS, |routes, part| routes.remove_topics_beyond(&begun, &topics, part));
        }
        {
            let parts = topics.configs().count().div_ceil(REGISTERED_TOPICS_MAX);
            let mut configs = topics.configs();
            self.in_parts(parts, |routes, _| {
                routes.register_topics(&begun, configs.by_ref().take(REGISTERED_TOPICS_MAX));
            });
        }
        let registered = self.routes.write().finish_registration(
            registration,
            begun,
            topics,
            filter_servers,
            rules,
            self.now_ms(),
        );
        if !registration.connection.is_open() {
            // Lost meanwhile, when nobody knew yet that there is a broker at its end.
            self.dismiss(std::slice::from_ref(registration.connection));
        }
        self.notify(registered.notice.iter().cloned().collect());
        Ok(registered)
    }

    /// A broker goes; others are told. Only on the registrar's thread.
    pub fn unregister(&self, leaving: Leaving) {
        let left = self.routes.write().begin_unregistration(&[leaving], self.rules());
        self.take_out(left);
    }

    /// Writes to the routes part by part; whoever waits for them has his turn in between.
    fn in_parts(&self, parts: usize, mut write: impl FnMut(&mut Routes, usize)) {
        for part in 0..parts {
            let mut routes = self.routes.write();
            write(&mut routes, part);
            RwLockWriteGuard::unlock_fair(routes);
        }
    }

    fn take_out(&self, left: Left) {
        if left.has_topics() {
            self.in_parts(PARTS, |routes, part| routes.take_out(&left, part));
        }
        self.notify(left.notices);
    }

    /// Takes or gives the write permission of a broker's topics; returns their number.
    pub fn set_write_perm(&self, broker_name: &str, writes: bool) -> i32 {
        let mut count = 0;
        self.in_parts(PARTS, |routes, part| count += routes.set_write_perm(broker_name, writes, part));
        count
    }

    /// All brokers that registered on this connection are gone.
    pub fn connection_lost(&self, peer: &Arc<Peer>) {
        // Most connections are clients'.
        if !self.routes.read().connected_by(peer.id()).is_empty() {
            self.registrar.lost(peer);
        }
    }

    fn dismiss(&self, peers: &[Arc<Peer>]) {
        let mut routes = self.routes.write();
        // Asked again: a broker may have come back on another connection meanwhile.
        let brokers: Vec<BrokerAddr> = peers.iter().flat_map(|peer| routes.connected_by(peer.id())).collect();
        if brokers.is_empty() {
            return;
        }
        tracing::info!("connections lost, their brokers leave: {brokers:?}");
        let left = routes.begin_drop(&brokers, self.rules());
        drop(routes);
        self.take_out(left);
    }

    /// Brokers that fell silent are gone, and their connections with them. Java: `scanNotActiveBroker`.
    pub fn expire_silent_brokers(&self) {
        if !self.routes.read().silent(self.now_ms()).is_empty() {
            self.registrar.expire();
        }
    }

    fn dismiss_silent(&self) {
        let mut routes = self.routes.write();
        // Asked again: a broker may have said something meanwhile.
        let silent = routes.silent(self.now_ms());
        let keys: Vec<_> = silent.iter().map(|(key, _)| key.clone()).collect();
        if keys.is_empty() {
            return;
        }
        tracing::warn!("brokers were silent for too long: {keys:?}");
        let left = routes.begin_drop(&keys, self.rules());
        drop(routes);
        silent.iter().for_each(|(_, connection)| connection.close());
        self.take_out(left);
    }

    fn notify(&self, notices: Vec<MinBrokerIdChange>) {
        for notice in notices {
            tracing::info!("lowest broker id changed: {notice:?}");
            let header = NotifyMinBrokerIdChangeRequestHeader {
                min_broker_id: Some(notice.min_broker_id),
                min_broker_addr: Some(&notice.min_broker_addr),
                offline_broker_addr: notice.offline_broker_addr.as_deref(),
                ha_broker_addr: notice.ha_broker_addr.as_deref(),
                ..Default::default()
            };
            let request = Command::request(RequestCode::NOTIFY_MIN_BROKER_ID_CHANGE, header.encode());
            for addr in notice.recipients {
                let (client, request) = (self.client.clone(), request.clone());
                tokio::spawn(async move {
                    if let Err(error) = client.send_oneway(&addr, request).await {
                        tracing::warn!("{addr} is not told of the lowest broker id: {error}");
                    }
                });
            }
        }
    }

    /// The body of the answer to code 319. Java: `Configuration.getAllConfigsFormatString`.
    pub fn config_text(&self) -> String {
        self.config.read().render()
    }

    /// Whether no update may change the key. Java: `DefaultRequestProcessor.initConfigBlackList`, and what an update could
    /// do harm with or nothing.
    pub fn forbids_update_of(&self, key: &str) -> bool {
        self.config.read().forbids_with(&self.settings().config_black_list, key)
    }

    /// Code 318: takes the values over and keeps them in the file. Java answers success whatever becomes of it, so
    /// failures are logged. Java: `Configuration.update`.
    pub fn update_config(&self, update: &Properties) {
        let mut config = self.config.write();
        let next = config.updated(update).and_then(|next| Ok((NamesrvSettings::read(&next)?.namesrv, next)));
        let (settings, next) = match next {
            Ok(read) => read,
            Err(error) => {
                tracing::error!("configuration is not updated: {error}");
                return;
            }
        };
        if let Err(error) = files::replace(&settings.config_store_path, next.render().as_bytes()) {
            tracing::error!("configuration is not kept: {error}");
        }
        let at_work = self.settings().updated(&settings);
        self.settings.replace(at_work);
        *config = next;
    }

    /// Closes the connections to brokers.
    pub async fn shutdown(&self) {
        self.registrar.stop();
        self.client.shutdown().await;
    }
}
