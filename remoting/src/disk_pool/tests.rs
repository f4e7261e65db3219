use super::*;
use crate::connection::Peer;
use crate::{Command, ExtFields, RequestCode, ResponseCode};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

const PATIENCE: Duration = Duration::from_secs(10);

fn limits(threads_max: usize, queued_max: usize) -> DiskPoolLimits {
    DiskPoolLimits { threads_max, queued_max, ..DiskPoolLimits::default() }
}

struct Client {
    peer: Arc<Peer>,
    replies: Receiver<Command>,
}

impl Client {
    fn new() -> Client {
        let (sender, replies) = channel();
        let sender = Mutex::new(sender);
        let sink = move |reply| sender.lock().send(reply).unwrap();
        Client { peer: Peer::in_process(([127, 0, 0, 1], 0).into(), Box::new(sink), None), replies }
    }

    /// Runs `work`, whose outcome is success, on the pool.
    fn run(&self, pool: &DiskPool, work: impl FnOnce() + Send + 'static) -> Result<(), ResponseCode> {
        let mut call = self.call(0);
        let outcome = pool.run(&mut call, move |_| {
            work();
            Ok(Outcome::Now(Command::success()))
        });
        outcome.map(drop).map_err(|refusal| refusal.code)
    }

    fn call(&self, body_bytes: usize) -> Call {
        let request = Command::request(RequestCode::QUERY_MESSAGE, ExtFields::default());
        Call::new(&self.peer, request.with_body(vec![0; body_bytes]))
    }

    fn wait(&self, replies: usize) {
        for _ in 0..replies {
            let reply = self.replies.recv_timeout(PATIENCE).unwrap();
            assert_eq!(reply.response_code(), ResponseCode::SUCCESS);
        }
    }
}

/// Work that says when it runs, and runs until it is let go.
struct Held {
    started: Receiver<String>,
    let_go: Sender<()>,
}

impl Held {
    fn on(client: &Client, pool: &DiskPool) -> Held {
        let (running, started) = channel();
        let (let_go, wait) = channel();
        let work = move || {
            running.send(thread::current().name().unwrap().to_owned()).unwrap();
            let _ = wait.recv();
        };
        client.run(pool, work).unwrap();
        Held { started, let_go }
    }

    /// The name of the thread that runs it.
    fn started(&self) -> String {
        self.started.recv_timeout(PATIENCE).unwrap()
    }
}

#[test]
fn threads_have_names_and_come_when_needed() {
    let (pool, client) = (DiskPool::new(limits(2, 10)), Client::new());
    assert_eq!(pool.shared.state.lock().threads, 0);
    let held = [Held::on(&client, &pool), Held::on(&client, &pool)];
    let mut names = held.each_ref().map(Held::started);
    names.sort();
    assert_eq!(names, ["DiskThread_1", "DiskThread_2"]);
    let third = Held::on(&client, &pool);
    assert_eq!(pool.shared.state.lock().threads, 2);
    drop(held);
    third.started();
    third.let_go.send(()).unwrap();
    client.wait(3);
    for _ in 0..100 {
        client.run(&pool, || {}).unwrap();
        client.wait(1);
    }
    assert_eq!(pool.shared.state.lock().started, 2, "threads are used again");
}

#[test]
fn a_full_pool_refuses() {
    let (pool, client) = (DiskPool::new(limits(1, 2)), Client::new());
    let held = Held::on(&client, &pool);
    held.started();
    client.run(&pool, || {}).unwrap();
    client.run(&pool, || {}).unwrap();
    assert_eq!(client.run(&pool, || {}), Err(ResponseCode::SYSTEM_BUSY));
    held.let_go.send(()).unwrap();
    client.wait(3);
    client.run(&pool, || {}).unwrap();
    client.wait(1);
    assert_eq!(pool.shared.state.lock().queued_bytes, 0);
}

#[test]
fn what_waits_is_bounded_in_bytes_too() {
    let bytes = client_bytes();
    let limits = DiskPoolLimits { queued_bytes_max: 2 * bytes, ..limits(1, 100) };
    let (pool, client) = (DiskPool::new(limits), Client::new());
    let held = Held::on(&client, &pool);
    held.started();
    let run = |body_bytes| {
        let mut call = client.call(body_bytes);
        pool.run(&mut call, |_| Ok(Outcome::Silent)).map(drop).map_err(|refusal| refusal.code)
    };
    assert_eq!(run(2 * bytes), Err(ResponseCode::SYSTEM_BUSY));
    assert_eq!([run(0), run(0)], [Ok(()), Ok(())]);
    assert_eq!(run(0), Err(ResponseCode::SYSTEM_BUSY));
    drop(held);
}

/// Of a request without a body.
fn client_bytes() -> usize {
    Client::new().call(0).request.memory_bytes()
}

#[test]
fn a_panic_ends_the_connection_and_not_the_thread() {
    let (pool, bad, good) = (DiskPool::new(limits(1, 10)), Client::new(), Client::new());
    bad.run(&pool, || panic!("as asked")).unwrap();
    good.run(&pool, || {}).unwrap();
    good.wait(1);
    assert!(!bad.peer.is_open());
    assert!(good.peer.is_open());
    assert_eq!(pool.shared.state.lock().started, 1);
}

#[test]
fn a_dropped_pool_ends_its_threads() {
    let (pool, client) = (DiskPool::new(limits(2, 10)), Client::new());
    client.run(&pool, || {}).unwrap();
    client.wait(1);
    let shared = pool.shared.clone();
    drop(pool);
    let deadline = Instant::now() + PATIENCE;
    while shared.state.lock().threads > 0 {
        assert!(Instant::now() < deadline);
        thread::yield_now();
    }
}
