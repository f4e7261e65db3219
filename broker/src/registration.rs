//! Tells name servers which topics this broker has. Java: `BrokerController.registerBrokerAll` and its kin,
//! `BrokerOuterAPI`.
//!
//! One task makes rounds: one at the start, one each period, and one whenever topics have changed, which holds just
//! those. Each name server has a task of its own that sends them, so that one that is dead or slow holds up no other. A
//! name server that missed a round gets the whole table with the next. Which name servers there are is looked up at each
//! period: an operator may change it.

mod round;
#[cfg(test)]
mod tests;

use crate::config::BrokerSettings;
use crate::topics::Topics;
use parking_lot::Mutex;
use process::config::Live;
use remoting::body::{DataVersion, KVTable};
use remoting::client::{Client, ClientConfig, NoService};
use remoting::header::namesrv::{
    QueryDataVersionRequestHeader, QueryDataVersionResponseHeader, RegisterBrokerResponseHeader,
    UnRegisterBrokerRequestHeader,
};
use remoting::{CallError, Command, RequestCode, ResponseCode, json};
use round::Round;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};

/// Until the first periodic round. Java: in `BrokerController.start`.
const FIRST_PERIOD: Duration = Duration::from_secs(10);
const PERIOD_MIN: Duration = Duration::from_secs(10);
const PERIOD_MAX: Duration = Duration::from_secs(60);
/// For all name servers together, so that a dead one does not keep a broker from stopping.
const UNREGISTER_TIMEOUT: Duration = Duration::from_millis(900);

/// What a name server says of this broker's master. Both are absent if it knows none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MasterAddrs {
    /// `host:port` for clients.
    pub master_addr: Option<String>,
    /// `host:port` for slaves.
    pub ha_server_addr: Option<String>,
}

/// Why a name server does not have the table.
#[derive(Debug)]
enum RegisterError {
    Call(CallError),
    /// The name server answered so.
    Refused(ResponseCode, String),
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegisterError::Call(error) => error.fmt(f),
            RegisterError::Refused(code, remark) => write!(f, "code {}: {remark}", code.0),
        }
    }
}

impl From<CallError> for RegisterError {
    fn from(error: CallError) -> RegisterError {
        RegisterError::Call(error)
    }
}

/// Tells every name server of this broker and its topics, now and then and when they change.
pub struct Registration {
    shared: Arc<Shared>,
    rounds: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    settings: Live<BrokerSettings>,
    /// One for each name server of the last round. As many as `namesrvAddr` names.
    followers: Mutex<Vec<Follower>>,
    client: Client<NoService>,
    topics: Arc<Topics>,
    /// The latest round.
    rounds: watch::Sender<Arc<Round>>,
    /// A round of everything is wanted before its time.
    wanted: Notify,
    master: watch::Sender<MasterAddrs>,
}

/// The task that serves one name server.
struct Follower {
    addr: String,
    /// The number of the last round that the name server has had, or has failed to have.
    done: watch::Sender<u64>,
    task: JoinHandle<()>,
}

impl Registration {
    /// Tells nobody yet: see [`start`](Self::start).
    pub fn new(settings: Live<BrokerSettings>, client: ClientConfig, topics: Arc<Topics>) -> Registration {
        let shared = Shared {
            settings,
            followers: Mutex::default(),
            client: Client::new(client, Arc::new(NoService)),
            topics,
            rounds: watch::Sender::new(Arc::new(Round::none())),
            wanted: Notify::new(),
            master: watch::Sender::default(),
        };
        Registration { shared: Arc::new(shared), rounds: Mutex::default() }
    }

    /// Starts to register. Called once, within a tokio runtime.
    pub fn start(&self) {
        *self.rounds.lock() = Some(tokio::spawn(make_rounds(self.shared.clone())));
    }

    /// Has every name server told all that there is to tell, at once.
    pub fn register_soon(&self) {
        self.shared.wanted.notify_one();
    }

    /// Waits until every name server has the topics changed before the call, or has failed to take them; false if that
    /// takes longer than `patience`.
    pub async fn when_registered(&self, patience: Duration) -> bool {
        let wanted = *self.shared.topics.changes().borrow();
        let registered = async {
            let mut rounds = self.shared.rounds.subscribe();
            let has_changes = |round: &Arc<Round>| round.number > 0 && round.changes >= wanted;
            // Neither channel closes: this holds both of its senders.
            let number = rounds.wait_for(has_changes).await.map_or(0, |round| round.number);
            for mut done in self.done() {
                let _ = done.wait_for(|done| *done >= number).await;
            }
        };
        timeout(patience, registered).await.is_ok()
    }

    /// For each name server, the number of the last round that it has had, or has failed to have.
    fn done(&self) -> Vec<watch::Receiver<u64>> {
        self.shared.followers.lock().iter().map(|follower| follower.done.subscribe()).collect()
    }

    /// The master's addresses as a name server last gave them. For slaves.
    pub fn master(&self) -> watch::Receiver<MasterAddrs> {
        self.shared.master.subscribe()
    }

    /// Unregisters everywhere, within a second. Java: `unregisterBrokerAll`.
    pub async fn shutdown(&self) {
        if let Some(rounds) = self.rounds.lock().take() {
            rounds.abort();
        }
        let mut calls = JoinSet::new();
        for follower in std::mem::take(&mut *self.shared.followers.lock()) {
            follower.task.abort();
            let shared = self.shared.clone();
            calls.spawn(async move { shared.unregister(&follower.addr).await });
        }
        let all = async { while calls.join_next().await.is_some() {} };
        if timeout(UNREGISTER_TIMEOUT, all).await.is_err() {
            tracing::warn!("not every name server knows that this broker goes");
            calls.shutdown().await;
        }
        self.shared.client.shutdown().await;
    }
}

/// Publishes rounds for the name servers' tasks.
async fn make_rounds(shared: Arc<Shared>) {
    let mut changes = shared.topics.changes();
    follow_all(&shared);
    shared.rounds.send_replace(Arc::new(Round::full(1, true, &shared)));
    let period = Duration::from_millis(shared.settings.load().broker.register_name_server_period_ms);
    let period = period.clamp(PERIOD_MIN, PERIOD_MAX);
    let mut next_period = Instant::now() + FIRST_PERIOD;
    for number in 2.. {
        let round = tokio::select! {
            changed = changes.changed() => match changed {
                Ok(()) => Round::increment(number, *changes.borrow_and_update(), &shared),
                Err(_) => return,
            },
            () = shared.wanted.notified() => {
                follow_all(&shared);
                Round::full(number, true, &shared)
            }
            () = tokio::time::sleep_until(next_period) => {
                next_period = Instant::now() + period;
                follow_all(&shared);
                Round::full(number, shared.is_forced(), &shared)
            }
        };
        shared.rounds.send_replace(Arc::new(round));
    }
}

/// Brings the followers in line with `namesrvAddr`, which may have changed. A new one has missed every round so far, and
/// gets the whole table with the next. Java: `updateNamesrvAddr`.
fn follow_all(shared: &Arc<Shared>) {
    let addrs = shared.settings.load().broker.namesrv_addrs();
    let mut followers = shared.followers.lock();
    for gone in followers.extract_if(.., |follower| !addrs.contains(&follower.addr)) {
        tracing::info!("name server {} is no longer told", gone.addr);
        gone.task.abort();
    }
    for addr in addrs {
        if !followers.iter().any(|follower| follower.addr == addr) {
            followers.push(follow(shared, addr));
        }
    }
}

fn follow(shared: &Arc<Shared>, addr: String) -> Follower {
    let done = watch::Sender::new(0);
    let name_server = NameServer {
        addr: addr.clone(),
        shared: shared.clone(),
        rounds: shared.rounds.subscribe(),
        done: done.clone(),
        has_table: false,
    };
    Follower { addr, done, task: tokio::spawn(name_server.follow()) }
}

/// One name server, as its task sees it.
struct NameServer {
    addr: String,
    shared: Arc<Shared>,
    rounds: watch::Receiver<Arc<Round>>,
    done: watch::Sender<u64>,
    /// Whether it has had every round so far, and a part of the table is enough for it.
    has_table: bool,
}

impl NameServer {
    async fn follow(mut self) {
        let mut is_reachable = true;
        while self.rounds.changed().await.is_ok() {
            let round = self.rounds.borrow_and_update().clone();
            let result = self.take(&round).await;
            match &result {
                Err(error) if is_reachable => {
                    tracing::warn!("name server {} does not have this broker's topics: {error}", self.addr);
                }
                Ok(()) if !is_reachable => tracing::info!("name server {} is back", self.addr),
                _ => {}
            }
            is_reachable = result.is_ok();
            self.has_table = result.is_ok();
            self.done.send_replace(round.number);
        }
    }

    async fn take(&mut self, round: &Round) -> Result<(), RegisterError> {
        let has_missed = *self.done.borrow() + 1 != round.number;
        if has_missed || !self.has_table {
            return self.shared.register(&self.addr, &Round::full(round.number, true, &self.shared)).await;
        }
        if !round.is_forced && !self.shared.need_register(&self.addr).await? {
            return Ok(());
        }
        self.shared.register(&self.addr, round).await
    }
}

impl Shared {
    /// Whether name servers that have the table get it all the same.
    fn is_forced(&self) -> bool {
        let broker = &self.settings.load().broker;
        // Java does not ask for the version either where the table is split.
        broker.force_register || broker.enable_split_registration
    }

    /// Java: `BrokerOuterAPI.registerBroker`.
    async fn register(&self, addr: &str, round: &Round) -> Result<(), RegisterError> {
        for request in round.requests(self) {
            let response = self.call(addr, request.clone()).await?;
            if request.request_code() == RequestCode::REGISTER_BROKER {
                self.learn(addr, &response).await;
            }
        }
        Ok(())
    }

    /// What the answer to a registration says. Java: `BrokerController.handleRegisterBrokerResult`.
    async fn learn(&self, addr: &str, response: &Command) {
        let header = RegisterBrokerResponseHeader::decode(&response.ext);
        let master = MasterAddrs {
            master_addr: header.master_addr.map(str::to_owned),
            ha_server_addr: header.ha_server_addr.map(str::to_owned),
        };
        self.master.send_if_modified(|known| {
            let is_news = *known != master;
            *known = master;
            is_news
        });
        if !response.body.is_empty() {
            match json::from_slice::<KVTable>(&response.body.bytes()) {
                Ok(ordered) => tokio::task::spawn_blocking({
                    let topics = self.topics.clone();
                    move || topics.update_order_topics(&ordered)
                })
                .await
                .unwrap_or_default(),
                Err(error) => tracing::warn!("name server {addr} lists ordered topics unreadably: {error}"),
            }
        }
    }

    /// Whether the name server has another version of the table. Java: `BrokerOuterAPI.needRegister`.
    async fn need_register(&self, addr: &str) -> Result<bool, RegisterError> {
        let version = self.topics.data_version();
        let ext = {
            let settings = self.settings.load();
            let identity = &settings.identity;
            let header = QueryDataVersionRequestHeader {
                broker_name: Some(&identity.broker_name),
                broker_addr: Some(&settings.broker_addr()),
                cluster_name: Some(&identity.broker_cluster_name),
                broker_id: Some(identity.broker_id),
                ..Default::default()
            };
            header.encode()
        };
        let request = Command::request(RequestCode::QUERY_DATA_VERSION, ext);
        let response = self.call(addr, request.with_body(json::to_bytes(&version))).await?;
        let changed = QueryDataVersionResponseHeader::decode(&response.ext).changed;
        let known = json::from_slice::<DataVersion>(&response.body.bytes());
        let has_other = !response.body.is_empty() && known.is_ok_and(|known| known != version);
        Ok(changed.unwrap_or(true) || has_other)
    }

    async fn unregister(&self, addr: &str) {
        let ext = {
            let settings = self.settings.load();
            let identity = &settings.identity;
            let header = UnRegisterBrokerRequestHeader {
                broker_name: Some(&identity.broker_name),
                broker_addr: Some(&settings.broker_addr()),
                cluster_name: Some(&identity.broker_cluster_name),
                broker_id: Some(identity.broker_id),
                ..Default::default()
            };
            header.encode()
        };
        match self.call(addr, Command::request(RequestCode::UNREGISTER_BROKER, ext)).await {
            Ok(_) => tracing::info!("name server {addr} knows that this broker goes"),
            Err(error) => tracing::warn!("name server {addr} does not know that this broker goes: {error}"),
        }
    }

    async fn call(&self, addr: &str, request: Command) -> Result<Command, RegisterError> {
        let patience = Duration::from_millis(self.settings.load().broker.register_broker_timeout_ms);
        let response = self.client.call(addr, request, patience).await?;
        match response.response_code() {
            ResponseCode::SUCCESS => Ok(response),
            code => Err(RegisterError::Refused(code, response.remark.unwrap_or_default().into_owned())),
        }
    }
}
