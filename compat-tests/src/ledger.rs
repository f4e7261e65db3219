//! Who sent what and was told that it is kept: the account against which a store is held after a stop, a kill, a power cut
//! or a change of owner.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::client::{Pull, Send, batch_item, physical_offset};
use crate::record::{self, Record};
use crate::until;
use crate::wire::{Command, Connection};

const QUERY_MESSAGE: i32 = 12;
const VIEW_MESSAGE_BY_ID: i32 = 33;
const GET_MAX_OFFSET: i32 = 30;
/// Sends are acknowledged before queues and index know the message.
const DERIVE_WAIT: Duration = Duration::from_secs(20);

/// Queue and offset in it.
pub type Place = (i32, i64);

/// An acknowledged message.
#[derive(Clone, Debug)]
pub struct Sent {
    pub body: String,
    pub key: String,
    pub unique_key: String,
    pub physical_offset: i64,
}

/// The acknowledged messages of one topic.
pub struct Ledger {
    pub topic: String,
    queues: i32,
    sent: Mutex<BTreeMap<Place, Sent>>,
    next: AtomicUsize,
}

impl Ledger {
    pub fn new(topic: &str, queues: i32) -> Self {
        Self { topic: topic.to_owned(), queues, sent: Mutex::default(), next: AtomicUsize::new(0) }
    }

    pub fn len(&self) -> usize {
        self.sent.lock().expect("no sender panics").len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Physical offset behind the start of the last message that was acknowledged.
    pub fn physical_end(&self) -> i64 {
        let sent = self.sent.lock().expect("no sender panics");
        sent.values().map(|sent| sent.physical_offset + 1).max().unwrap_or(0)
    }

    /// Sends one message. An error: the broker went away, and nobody knows whether the message is there.
    pub fn send(&self, connection: &mut Connection, queue_id: i32) -> io::Result<()> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let body = format!("{}/{index} {}", self.topic, "x".repeat(index * 37 % 900));
        let (key, unique_key) = (format!("key{index}"), format!("7F000001{index:024X}"));
        let tag = format!("Tag{}", index % 3);
        let message = Send::plain(&self.topic)
            .queue_nums(self.queues)
            .queue(queue_id)
            .property("KEYS", &key)
            .property("UNIQ_KEY", &unique_key)
            .property("TAGS", &tag)
            .body(body.as_bytes());
        let reply = connection.ask(&message.v1())?;
        if reply.code != 0 {
            return Err(io::Error::other(format!("{reply:?}")));
        }
        let physical_offset = physical_offset(&reply.ext["msgId"]);
        let place = (reply.ext["queueId"].parse().unwrap(), reply.ext["queueOffset"].parse().unwrap());
        let sent = Sent { body, key, unique_key, physical_offset };
        let before = self.sent.lock().expect("no sender panics").insert(place, sent);
        assert!(before.is_none(), "{place:?} was acknowledged twice");
        Ok(())
    }

    /// Sends one batch. Errors as [`send`](Self::send)'s.
    pub fn send_batch(&self, connection: &mut Connection, queue_id: i32, count: usize) -> io::Result<()> {
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        let sent = (first..first + count).map(|index| Sent {
            body: format!("{}/{index}", self.topic),
            key: format!("key{index}"),
            unique_key: format!("7F000001{index:024X}"),
            physical_offset: 0,
        });
        let mut sent: Vec<_> = sent.collect();
        let item = |sent: &Sent| {
            batch_item(sent.body.as_bytes(), &[("KEYS", &sent.key), ("UNIQ_KEY", &sent.unique_key)])
        };
        let items: Vec<u8> = sent.iter().flat_map(item).collect();
        let batch = Send::plain(&self.topic).queue_nums(self.queues).queue(queue_id).body(&items).batch();
        let reply = connection.ask(&batch)?;
        if reply.code != 0 {
            return Err(io::Error::other(format!("{reply:?}")));
        }
        let offset: i64 = reply.ext["queueOffset"].parse().unwrap();
        let ids: Vec<_> = reply.ext["msgId"].split(',').collect();
        assert_eq!(ids.len(), count, "{reply:?}");
        let mut all = self.sent.lock().expect("no sender panics");
        for (index, mut sent) in sent.drain(..).enumerate() {
            sent.physical_offset = physical_offset(ids[index]);
            let place = (queue_id, offset + index as i64);
            assert!(all.insert(place, sent).is_none(), "{place:?} was acknowledged twice");
        }
        Ok(())
    }

    /// Sends `count` messages, to one queue after another.
    pub fn send_all(&self, connection: &mut Connection, count: usize) {
        for index in 0..count {
            self.send(connection, index as i32 % self.queues).expect("an acknowledgement");
        }
    }

    /// Sends to all queues at once until `stop` or until the broker goes away.
    pub fn send_until(&self, addr: SocketAddr, stop: &AtomicBool) {
        self.until(addr, stop, |connection, queue_id| self.send(connection, queue_id));
    }

    /// As [`send_until`](Self::send_until), in batches of `count`.
    pub fn send_batches_until(&self, addr: SocketAddr, stop: &AtomicBool, count: usize) {
        self.until(addr, stop, |connection, queue_id| self.send_batch(connection, queue_id, count));
    }

    fn until(
        &self,
        addr: SocketAddr,
        stop: &AtomicBool,
        send: impl Fn(&mut Connection, i32) -> io::Result<()> + Sync,
    ) {
        let send = &send;
        thread::scope(|scope| {
            for queue_id in 0..self.queues {
                scope.spawn(move || {
                    let Ok(mut connection) = Connection::open(addr) else { return };
                    while !stop.load(Ordering::Relaxed) && send(&mut connection, queue_id).is_ok() {}
                });
            }
        });
    }

    /// Pulls the queues, each from `back` messages before its last acknowledged one, and finds every one acknowledged.
    pub fn verify_queues(&self, connection: &mut Connection, back: i64) {
        for queue_id in 0..self.queues {
            let wanted = self.of_queue(queue_id, back);
            let (Some(first), Some(last)) = (wanted.keys().next(), wanted.keys().next_back()) else {
                continue;
            };
            let found = self.pull(connection, queue_id, first.1, last.1);
            for (place, sent) in &wanted {
                let found = found.get(&place.1).map(|record| String::from_utf8_lossy(&record.body));
                assert_eq!(found.as_deref(), Some(sent.body.as_str()), "acknowledged at {place:?}");
            }
        }
    }

    fn of_queue(&self, queue_id: i32, back: i64) -> BTreeMap<Place, Sent> {
        let sent = self.sent.lock().expect("no sender panics");
        let last = sent.range((queue_id, 0)..(queue_id + 1, 0)).next_back().map_or(0, |(place, _)| place.1);
        let from = (last - back).max(0);
        sent.range((queue_id, from)..(queue_id + 1, 0)).map(|(place, sent)| (*place, sent.clone())).collect()
    }

    fn pull(
        &self,
        connection: &mut Connection,
        queue_id: i32,
        from: i64,
        last: i64,
    ) -> BTreeMap<i64, Record> {
        let mut found = BTreeMap::new();
        let mut offset = from;
        while offset <= last {
            let reply = until(
                DERIVE_WAIT,
                || format!("queue {queue_id} of {} at {offset}", self.topic),
                || {
                    let reply = pull(connection, &self.topic, queue_id, offset);
                    (reply.code == 0).then_some(reply)
                },
            );
            for record in record::decode_all(&reply.body).unwrap() {
                found.insert(record.queue_offset, record);
            }
            offset = reply.ext["nextBeginOffset"].parse().unwrap();
        }
        found
    }

    /// Asks for every `step`th message by its key, its unique key and its offset id.
    pub fn verify_queries(&self, connection: &mut Connection, step: usize) {
        self.verify_queries_from(connection, 0, step);
    }

    /// As [`verify_queries`](Self::verify_queries), of the messages at physical offset `from` and behind it.
    pub fn verify_queries_from(&self, connection: &mut Connection, from: i64, step: usize) {
        let mut sent: Vec<_> = self.sent.lock().expect("no sender panics").values().cloned().collect();
        sent.retain(|sent| sent.physical_offset >= from);
        for sent in sent.into_iter().step_by(step) {
            let ask = |connection: &mut Connection, command: &Command| -> Vec<String> {
                let reply = connection.ask(command).unwrap();
                let records = record::decode_all(&reply.body).unwrap_or_default();
                records.iter().map(|record| String::from_utf8_lossy(&record.body).into_owned()).collect()
            };
            for (what, key, unique) in [("key", &sent.key, "false"), ("unique key", &sent.unique_key, "true")]
            {
                let ext = [
                    ("topic", self.topic.as_str()),
                    ("key", key.as_str()),
                    ("maxNum", "32"),
                    ("beginTimestamp", "0"),
                    ("endTimestamp", "9223372036854775807"),
                    ("_UNIQUE_KEY_QUERY", unique),
                ];
                let query = Command::request(QUERY_MESSAGE, &ext, b"");
                until(
                    DERIVE_WAIT,
                    || format!("{what} {key} finds {sent:?}"),
                    || ask(connection, &query).contains(&sent.body).then_some(()),
                );
            }
            let offset = sent.physical_offset.to_string();
            let view = Command::request(VIEW_MESSAGE_BY_ID, &[("offset", &offset)], b"");
            assert_eq!(ask(connection, &view), [sent.body.as_str()], "by offset {offset}");
        }
    }
}

/// One pull that does not wait.
pub fn pull(connection: &mut Connection, topic: &str, queue_id: i32, offset: i64) -> Command {
    let pull = Pull::of("CID_Ledger", topic).set("queueId", queue_id).set("queueOffset", offset);
    connection.ask(&pull.set("suspendTimeoutMillis", 0).command()).expect("an answer to a pull")
}

/// Max offset of a queue.
pub fn max_offset(connection: &mut Connection, topic: &str, queue_id: i32) -> i64 {
    let ext = [("topic", topic), ("queueId", &queue_id.to_string())];
    let reply = connection.ask(&Command::request(GET_MAX_OFFSET, &ext, b"")).expect("a max offset");
    reply.ext["offset"].parse().unwrap()
}
