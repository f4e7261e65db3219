//! One row a request code: its handler, the ports that serve it, and where it runs. A code that is refused is a row too;
//! a code without a row is unknown. Both are answered the same.

use crate::code::RequestCode;
use crate::connection::{Call, Outcome};
use crate::disk_pool::DiskPool;
use crate::refusal::Refusal;
use std::sync::Arc;

/// What a handler is, of a server whose parts are an `S`.
pub type Handler<S> = fn(&Arc<S>, &mut Call) -> Result<Outcome, Refusal>;

/// A port of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// `listenPort`.
    Main,
    /// Two below it, for those who must not wait behind pulls. Java: `fastRemotingServer`.
    Fast,
}

/// Which ports serve a code.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    Both,
    Main,
}

/// Where a handler runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Runs {
    /// On the connection's task: it never waits.
    Here,
    /// On the [`DiskPool`]: it may wait for the disk.
    OnDiskPool,
}

/// What a server does with one request code.
pub struct Row<S> {
    code: RequestCode,
    /// None: not served yet.
    handler: Option<Handler<S>>,
    lane: Lane,
    runs: Runs,
}

impl<S> Row<S> {
    /// See [`served!`](crate::served).
    #[doc(hidden)]
    pub const fn served(code: RequestCode, code_name: &str, path: &str, handler: Handler<S>) -> Row<S> {
        assert!(is_lower_case_of(path, code_name), "a handler is named as its code, in lower case");
        Row { code, handler: Some(handler), lane: Lane::Both, runs: Runs::Here }
    }

    /// A code that is known and not served.
    pub const fn refused(code: RequestCode) -> Row<S> {
        Row { code, handler: None, lane: Lane::Both, runs: Runs::Here }
    }

    /// The fast port does not serve it.
    pub const fn on_main_only(self) -> Row<S> {
        Row { lane: Lane::Main, ..self }
    }

    /// The handler may wait for the disk. Replies to requests of one connection may overtake each other then.
    pub const fn on_disk_pool(self) -> Row<S> {
        Row { runs: Runs::OnDiskPool, ..self }
    }
}

/// A row whose code has a handler, of the same name in lower case: the compiler sees to that.
///
/// `served!(PULL_MESSAGE => pull::pull_message)`
#[macro_export]
macro_rules! served {
    ($code:ident => $($handler:ident)::+) => {
        $crate::table::Row::served(
            $crate::RequestCode::$code,
            stringify!($code),
            stringify!($($handler)::+),
            $($handler)::+,
        )
    };
}

/// Whether `path` ends in `name`, in lower case.
const fn is_lower_case_of(path: &str, name: &str) -> bool {
    let (path, name) = (path.as_bytes(), name.as_bytes());
    let Some(start) = path.len().checked_sub(name.len()) else { return false };
    let mut at = 0;
    while at < name.len() {
        if path[start + at] != name[at].to_ascii_lowercase() {
            return false;
        }
        at += 1;
    }
    start == 0 || !(path[start - 1].is_ascii_alphanumeric() || path[start - 1] == b'_')
}

/// The codes that a server knows.
pub struct Table<S: 'static> {
    /// In the order of the codes.
    rows: &'static [Row<S>],
}

impl<S: Send + Sync> Table<S> {
    /// The rows stand in the order of their codes: the compiler sees to that where the table is a static.
    pub const fn new(rows: &'static [Row<S>]) -> Table<S> {
        let mut at = 1;
        while at < rows.len() {
            assert!(rows[at - 1].code.0 < rows[at].code.0, "rows stand in the order of their codes");
            at += 1;
        }
        Table { rows }
    }

    /// Has a request served that came in on `port`.
    pub fn handle(
        &self,
        server: &Arc<S>,
        port: Port,
        disk_pool: &DiskPool,
        call: &mut Call,
    ) -> Result<Outcome, Refusal> {
        let code = call.request.request_code();
        let Some((handler, runs)) = self.find(code, port) else {
            tracing::warn!("{} asked for {code:?}, not supported", call.peer().remote_addr());
            return Err(Refusal::unsupported(code));
        };
        match runs {
            Runs::Here => handler(server, call),
            Runs::OnDiskPool => {
                let server = server.clone();
                disk_pool.run(call, move |call| handler(&server, call))
            }
        }
    }

    fn find(&self, code: RequestCode, port: Port) -> Option<(Handler<S>, Runs)> {
        let row = &self.rows[self.rows.binary_search_by_key(&code, |row| row.code).ok()?];
        let is_here = port == Port::Main || row.lane == Lane::Both;
        row.handler.filter(|_| is_here).map(|handler| (handler, row.runs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ResponseCode;
    use crate::command::Command;
    use crate::connection::{Peer, Service, dispatch};
    use parking_lot::Mutex;
    use std::thread::ThreadId;

    struct Server;

    fn where_it_runs(_: &Arc<Server>, _: &mut Call) -> Result<Outcome, Refusal> {
        let thread = format!("{:?}", std::thread::current().id());
        Ok(Outcome::Now(Command::success().with_remark(thread)))
    }

    use where_it_runs as send_message;
    use where_it_runs as pull_message;
    use where_it_runs as query_message;

    static TABLE: Table<Server> = Table::new(&[
        served!(SEND_MESSAGE => send_message),
        served!(PULL_MESSAGE => pull_message).on_main_only(),
        served!(QUERY_MESSAGE => query_message).on_disk_pool(),
        Row::refused(RequestCode::QUERY_BROKER_OFFSET),
    ]);

    struct At(Port, Arc<Server>, DiskPool);

    impl Service for At {
        fn handle(&self, call: &mut Call) -> Result<Outcome, Refusal> {
            TABLE.handle(&self.1, self.0, &self.2, call)
        }
    }

    /// Code and remark of the answer.
    fn ask(port: Port, code: RequestCode) -> (ResponseCode, String) {
        let (sender, answers) = std::sync::mpsc::channel();
        let sender = Mutex::new(sender);
        let sink = move |reply| sender.lock().send(reply).unwrap();
        let peer = Peer::in_process(([127, 0, 0, 1], 0).into(), Box::new(sink), None);
        let service = At(port, Arc::new(Server), DiskPool::default());
        dispatch(&service, &peer, Command::request(code, crate::ExtFields::default()));
        let reply: Command = answers.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
        (reply.response_code(), reply.remark.unwrap_or_default().into_owned())
    }

    #[test]
    fn a_code_runs_where_its_row_says() {
        let here: ThreadId = std::thread::current().id();
        let is_here = |answer: (ResponseCode, String)| {
            assert_eq!(answer.0, ResponseCode::SUCCESS);
            answer.1 == format!("{here:?}")
        };
        assert!(is_here(ask(Port::Main, RequestCode::SEND_MESSAGE)));
        assert!(is_here(ask(Port::Fast, RequestCode::SEND_MESSAGE)));
        assert!(is_here(ask(Port::Main, RequestCode::PULL_MESSAGE)));
        assert!(!is_here(ask(Port::Main, RequestCode::QUERY_MESSAGE)));
        for (port, code) in [
            (Port::Fast, RequestCode::PULL_MESSAGE),
            (Port::Main, RequestCode::QUERY_BROKER_OFFSET),
            (Port::Main, RequestCode(-1)),
        ] {
            let remark = format!(" request type {} not supported", code.0);
            assert_eq!(ask(port, code), (ResponseCode::REQUEST_CODE_NOT_SUPPORTED, remark));
        }
    }

    #[test]
    fn names_are_those_of_the_codes() {
        assert!(is_lower_case_of("pull::pull_message", "PULL_MESSAGE"));
        assert!(is_lower_case_of("pull_message", "PULL_MESSAGE"));
        assert!(!is_lower_case_of("pull::lite_pull_message", "PULL_MESSAGE"));
        assert!(!is_lower_case_of("message", "PULL_MESSAGE"));
        assert!(!is_lower_case_of("pull::pull_massage", "PULL_MESSAGE"));
    }
}
