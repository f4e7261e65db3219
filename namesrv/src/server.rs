//! The parts of a name server, put together. Java: `NamesrvController`.

use crate::config::{NamesrvConfig, NamesrvSettings};
use crate::kv_config::KvConfig;
use crate::routes::removal::Leaving;
use crate::routes::{MinBrokerIdChange, NotRegistered, Registered, Registration, Routes, Rules, Topics};
use parking_lot::RwLock;
use process::clock::Clock;
use process::config::{Config, Live, Settings, Snapshot};
use process::files::{self, LoadError};
use process::properties::Properties;
use remoting::client::{Client, NoService};
use remoting::connection::Peer;
use remoting::header::namesrv::NotifyMinBrokerIdChangeRequestHeader;
use remoting::netty::client_config;
use remoting::{Command, RequestCode};
use std::sync::Arc;

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
        })
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

    /// Takes in a broker and tells others of it. [`NotRegistered`] as of [`Routes::register`].
    pub fn register(
        &self,
        registration: &Registration,
        topics: Topics,
        filter_servers: Option<Vec<String>>,
    ) -> Result<Registered, NotRegistered> {
        let mut routes = self.routes.write();
        let registered = routes.register(registration, topics, filter_servers, self.rules(), self.now_ms());
        drop(routes);
        if let Ok(Registered { notice: Some(notice), .. }) = &registered {
            self.notify(vec![notice.clone()]);
        }
        registered
    }

    /// A broker goes; others are told.
    pub fn unregister(&self, leaving: Leaving) {
        let notices = self.routes.write().unregister(&[leaving], self.rules());
        self.notify(notices);
    }

    /// All brokers that registered on this connection are gone.
    pub fn connection_lost(&self, peer: &Peer) {
        // Most connections are clients': they need no write lock.
        if self.routes.read().connected_by(peer.id()).is_empty() {
            return;
        }
        let mut routes = self.routes.write();
        // Asked again: a broker may have come back on another connection meanwhile.
        let brokers = routes.connected_by(peer.id());
        tracing::info!("connection {} lost, its brokers leave: {brokers:?}", peer.remote_addr());
        let notices = routes.drop_brokers(&brokers, self.rules());
        drop(routes);
        self.notify(notices);
    }

    /// Brokers that fell silent are gone, and their connections with them. Java: `scanNotActiveBroker`.
    pub fn expire_silent_brokers(&self) {
        if self.routes.read().silent(self.now_ms()).is_empty() {
            return;
        }
        let mut routes = self.routes.write();
        // Asked again: a broker may have said something meanwhile.
        let silent = routes.silent(self.now_ms());
        let keys: Vec<_> = silent.iter().map(|(key, _)| key.clone()).collect();
        tracing::warn!("brokers were silent for too long: {keys:?}");
        let notices = routes.drop_brokers(&keys, self.rules());
        drop(routes);
        silent.iter().for_each(|(_, connection)| connection.close());
        self.notify(notices);
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
        let listed = self.settings().config_black_list.split(';').any(|listed| listed.trim() == key);
        listed || self.config.read().forbids(key)
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
        self.client.shutdown().await;
    }
}
