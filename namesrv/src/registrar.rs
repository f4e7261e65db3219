//! Brokers that come and go, one after another on a thread of their own: what they bring can take seconds to read, and
//! look-ups must not wait for it. Java: the default executor's threads and `BatchUnregistrationService`.

use crate::server::NameServer;
use parking_lot::{Condvar, Mutex};
use remoting::connection::Peer;
use remoting::table::Handler;
use remoting::{Call, Outcome, Refusal, ResponseCode};
use std::collections::VecDeque;
use std::sync::Arc;

/// Requests that wait, at most, and the bytes of their bodies; further ones are refused.
const REQUESTS_MAX: usize = 10_000;
const BODY_BYTES_MAX: usize = 256 << 20;

/// What the thread is to do.
pub enum Job {
    /// Answer a request of a broker's.
    Request { call: Box<Call>, handler: Handler<NameServer> },
    /// Their brokers leave.
    Lost(Vec<Arc<Peer>>),
    /// Brokers may have been silent for too long.
    Expire,
}

#[derive(Default)]
pub struct Registrar {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    requests: usize,
    body_bytes: usize,
    stopping: bool,
}

impl Registrar {
    /// Has `handler` answer the request in its turn.
    pub fn request(&self, call: &mut Call, handler: Handler<NameServer>) -> Result<Outcome, Refusal> {
        let bytes = call.request.body.len();
        let mut queue = self.queue.lock();
        if queue.requests >= REQUESTS_MAX || queue.body_bytes + bytes > BODY_BYTES_MAX {
            let remark = "too many brokers are waiting to register or to leave";
            return Err(Refusal::new(ResponseCode::SYSTEM_BUSY, remark));
        }
        let (call, taken) = call.take();
        queue.requests += 1;
        queue.body_bytes += bytes;
        queue.jobs.push_back(Job::Request { call: Box::new(call), handler });
        self.changed.notify_one();
        Ok(Outcome::Later(taken))
    }

    /// Connections that are lost one after another leave together: each time all topics are looked through.
    pub fn lost(&self, peer: &Arc<Peer>) {
        let mut queue = self.queue.lock();
        match queue.jobs.back_mut() {
            Some(Job::Lost(peers)) => peers.push(peer.clone()),
            _ => queue.jobs.push_back(Job::Lost(vec![peer.clone()])),
        }
        self.changed.notify_one();
    }

    pub fn expire(&self) {
        let mut queue = self.queue.lock();
        if !matches!(queue.jobs.back(), Some(Job::Expire)) {
            queue.jobs.push_back(Job::Expire);
            self.changed.notify_one();
        }
    }

    /// Waits for the next job; none once it is to end.
    pub fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if queue.stopping {
                return None;
            }
            if let Some(job) = queue.jobs.pop_front() {
                if let Job::Request { call, .. } = &job {
                    queue.requests -= 1;
                    queue.body_bytes -= call.request.body.len();
                }
                return Some(job);
            }
            self.changed.wait(&mut queue);
        }
    }

    /// What waits is not done.
    pub fn stop(&self) {
        self.queue.lock().stopping = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remoting::{Command, ExtFields, RequestCode};

    fn request(registrar: &Registrar, peer: &Arc<Peer>, bytes: usize) -> Result<Outcome, Refusal> {
        let request = Command::request(RequestCode::REGISTER_BROKER, ExtFields::default());
        let mut call = Call::new(peer, request.with_body(vec![0; bytes]));
        registrar.request(&mut call, |_, _| Ok(Outcome::Silent))
    }

    #[test]
    fn what_waits_has_a_limit_and_room_again() {
        let (registrar, peer) = (Registrar::default(), Peer::detached());
        request(&registrar, &peer, BODY_BYTES_MAX).unwrap();
        assert!(request(&registrar, &peer, 1).is_err());
        assert!(matches!(registrar.next(), Some(Job::Request { .. })));
        for _ in 0..REQUESTS_MAX {
            request(&registrar, &peer, 0).unwrap();
        }
        assert!(request(&registrar, &peer, 0).is_err());
    }

    #[test]
    fn lost_connections_leave_together_and_behind_their_requests() {
        let (registrar, peers) = (Registrar::default(), [Peer::detached(), Peer::detached()]);
        request(&registrar, &peers[0], 0).unwrap();
        peers.iter().for_each(|peer| registrar.lost(peer));
        registrar.expire();
        registrar.expire();
        assert!(matches!(registrar.next(), Some(Job::Request { .. })));
        assert!(matches!(registrar.next(), Some(Job::Lost(lost)) if lost.len() == 2));
        assert!(matches!(registrar.next(), Some(Job::Expire)));
        registrar.stop();
        assert!(registrar.next().is_none());
    }
}
