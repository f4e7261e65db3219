//! Ways out: what leaves through a responder, what an observer sees of it, and peers without a socket.

use super::*;
use crate::{ExtFields, RequestCode, ResponseCode};
use parking_lot::Mutex;
use std::time::Duration;

const ASK: RequestCode = RequestCode(10);
const PATIENCE: Duration = Duration::from_secs(10);

type Told = (RequestCode, Option<ResponseCode>, bool);

/// Notes how requests end.
#[derive(Default)]
struct Notes(Mutex<Vec<Told>>);

impl Observer for Notes {
    fn exchanged(&self, exchange: &Exchange<'_>) {
        assert!(exchange.received.elapsed() < PATIENCE);
        self.0.lock().push((exchange.code, exchange.response_code, exchange.oneway));
    }
}

/// A client of this process, what it was sent, and how its requests ended.
struct Lab {
    peer: Arc<Peer>,
    sent: Arc<Mutex<Vec<Command>>>,
    notes: Arc<Notes>,
}

impl Lab {
    fn new() -> Lab {
        let (sent, notes) = (Arc::<Mutex<Vec<Command>>>::default(), Arc::<Notes>::default());
        let sink = sent.clone();
        let sink = Box::new(move |command| sink.lock().push(command));
        let peer = Peer::in_process(([10, 0, 0, 1], 7).into(), sink, Some(notes.clone()));
        Lab { peer, sent, notes }
    }

    fn call(&self, opaque: i32) -> Call {
        Call::new(&self.peer, Command { opaque, ..Command::request(ASK, ExtFields::default()) })
    }

    fn oneway(&self) -> Call {
        let mut request = Command::request(ASK, ExtFields::default());
        request.mark_oneway();
        Call::new(&self.peer, request)
    }

    /// Opaque and code of each reply.
    fn replies(&self) -> Vec<(i32, ResponseCode)> {
        self.sent.lock().iter().map(|reply| (reply.opaque, reply.response_code())).collect()
    }

    fn notes(&self) -> Vec<Told> {
        std::mem::take(&mut self.notes.0.lock())
    }
}

#[test]
fn now_and_refused() {
    let lab = Lab::new();
    lab.call(1).end(Ok(Outcome::Now(Command::success())));
    let mut ext = ExtFields::empty();
    ext.push("k", "v");
    let refusal = Refusal::new(ResponseCode::NO_PERMISSION, "no").with_ext(ext);
    lab.call(2).end(Err(refusal));
    assert_eq!(lab.replies(), [(1, ResponseCode::SUCCESS), (2, ResponseCode::NO_PERMISSION)]);
    assert_eq!(lab.sent.lock()[1].ext.get("k"), Some("v"));
    assert_eq!(
        lab.notes(),
        [(ASK, Some(ResponseCode::SUCCESS), false), (ASK, Some(ResponseCode::NO_PERMISSION), false)]
    );
}

#[test]
fn later_from_another_thread() {
    let lab = Lab::new();
    let mut call = lab.call(3);
    let (responder, taken) = call.take_responder();
    assert_eq!(call.peer().id(), lab.peer.id(), "the peer is known still");
    call.end(Ok(Outcome::Later(taken)));
    assert_eq!((lab.replies(), lab.notes()), (vec![], vec![]));
    std::thread::spawn(move || responder.respond(Command::success())).join().unwrap();
    assert_eq!(lab.replies(), [(3, ResponseCode::SUCCESS)]);
    assert_eq!(lab.notes(), [(ASK, Some(ResponseCode::SUCCESS), false)]);
}

#[test]
fn later_with_the_request() {
    let lab = Lab::new();
    let mut call = lab.call(4);
    let (whole, taken) = call.take();
    call.end(Ok(Outcome::Later(taken)));
    let work = Work::new(whole, |call| {
        assert_eq!(call.request.request_code(), ASK);
        Ok(Outcome::Now(Command::success()))
    });
    assert!(lab.replies().is_empty());
    let Err(work) = work.run_on_connection() else { panic!("it has no task") };
    work.run();
    assert_eq!(lab.replies(), [(4, ResponseCode::SUCCESS)]);
}

#[test]
fn without_a_reply() {
    let lab = Lab::new();
    lab.call(5).end(Ok(Outcome::Silent));
    assert_eq!(lab.notes(), [(ASK, None, false)]);
    let (responder, taken) = lab.call(6).take_responder();
    drop((responder, taken));
    assert_eq!(lab.notes(), [(ASK, None, false)]);
    let work = Work::new(lab.call(7), |_| panic!("as asked"));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work.run())).is_err());
    assert_eq!(lab.notes(), [(ASK, None, false)]);
    assert!(lab.replies().is_empty());
}

#[test]
fn a_oneway_request_is_counted_and_not_answered() {
    let lab = Lab::new();
    lab.oneway().end(Ok(Outcome::Now(Command::success())));
    let (responder, taken) = lab.oneway().take_responder();
    drop(taken);
    responder.respond(Refusal::overload().into());
    assert!(lab.replies().is_empty());
    let codes = [ResponseCode::SUCCESS, ResponseCode::SYSTEM_BUSY];
    assert_eq!(lab.notes(), codes.map(|code| (ASK, Some(code), true)));
}

#[tokio::test]
async fn a_peer_of_this_process_is_called_and_closed() {
    let lab = Lab::new();
    assert_eq!(lab.peer.remote_addr().to_string(), "10.0.0.1:7");
    lab.peer.send_oneway(Command::request(ASK, ExtFields::default()));
    assert!(lab.sent.lock()[0].is_oneway());

    let caller = lab.peer.clone();
    let call =
        tokio::spawn(async move { caller.call(Command::request(ASK, ExtFields::default()), PATIENCE).await });
    while lab.sent.lock().len() < 2 {
        tokio::task::yield_now().await;
    }
    let opaque = lab.sent.lock()[1].opaque;
    lab.peer.answered(Command { opaque, ..Command::success() });
    assert_eq!(call.await.unwrap().unwrap().response_code(), ResponseCode::SUCCESS);

    let caller = lab.peer.clone();
    let call =
        tokio::spawn(async move { caller.call(Command::request(ASK, ExtFields::default()), PATIENCE).await });
    while lab.sent.lock().len() < 3 {
        tokio::task::yield_now().await;
    }
    assert!(lab.peer.is_open());
    lab.peer.close();
    assert!(!lab.peer.is_open());
    assert_eq!(call.await.unwrap(), Err(CallError::Closed));
    let late = lab.peer.call(Command::request(ASK, ExtFields::default()), PATIENCE).await;
    assert_eq!(late, Err(CallError::Closed));
    lab.call(8).end(Ok(Outcome::Now(Command::success())));
    assert_eq!(lab.sent.lock().len(), 3, "nothing is sent to who has left");
}
