//! One case asked of Java's server and of ours; the transcripts must be equal.
//!
//! A case is a row: a name, the reply codes that Java gives (so that a case which tests nothing cannot pass), and a script.
//! Known differences are rows of `gaps.tsv` with a reason; a gap that starts to pass fails until its row is removed.

mod shown;

use std::collections::BTreeSet;
use std::fs;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::lab::{Edition, JAVA_5, Lab, Running, Server, hex_ip};
use crate::wire::{Command, Connection};
use crate::{checkout, wire};
use shown::{mask, render_body};

pub struct Case {
    pub name: &'static str,
    /// The codes of Java's replies, in the order asked. Checked first: they say what the case is about.
    pub codes: &'static [i32],
    pub script: fn(&mut Script),
}

/// The servers of one edition that a table of cases is put to.
pub struct Side {
    pub edition: Edition,
    pub name_server: Running,
    pub broker: Option<Running>,
}

impl Side {
    /// The server that the table is about.
    fn subject(&self) -> &Running {
        self.broker.as_ref().unwrap_or(&self.name_server)
    }

    /// What differs from side to side by right, and the word to compare instead. Longer texts first.
    fn masks(&self) -> Vec<(String, String)> {
        let mut masks = vec![(self.name_server.addr.to_string(), "<namesrv>".to_string())];
        if let Some(broker) = &self.broker {
            let ip = broker.addr.ip();
            masks.push((broker.addr.to_string(), "<broker>".into()));
            masks.push((format!("{ip}:{}", broker.addr.port() + 1), "<broker-ha>".into()));
            masks.push((format!("{}{:08X}", hex_ip(ip), broker.addr.port()), "<BROKER>".into()));
        }
        masks.push((self.subject().home.display().to_string(), "<home>".into()));
        masks.push((format!("listenPort={}", self.subject().addr.port()), "listenPort=<port>".into()));
        masks.push((self.subject().addr.ip().to_string(), "<ip>".into()));
        masks
    }
}

/// One run of a case against one side.
pub struct Script<'a> {
    side: &'a Side,
    name: &'static str,
    connections: Vec<Connection>,
    current: usize,
    /// Whom new connections go to.
    server: &'a Running,
    transcript: Vec<String>,
    codes: Vec<i32>,
}

impl<'a> Script<'a> {
    fn new(side: &'a Side, name: &'static str) -> Self {
        Script {
            side,
            name,
            connections: vec![],
            current: 0,
            server: side.subject(),
            transcript: vec![],
            codes: vec![],
        }
    }

    /// A name that no other case uses: for topics, groups, brokers, namespaces.
    pub fn unique(&self, prefix: &str) -> String {
        format!("{prefix}_{}", self.name)
    }

    /// The address of the server asked, as clients see it.
    pub fn server_addr(&self) -> String {
        self.side.subject().addr.to_string()
    }

    /// Switches to the client number `n`: a connection of its own, opened at its first use.
    pub fn client(&mut self, n: usize) -> &mut Self {
        self.current = n;
        self
    }

    /// Asks this server from now on; connections to the other are dropped.
    pub fn at(&mut self, server: Server) -> &mut Self {
        self.server = match server {
            Server::NameServer => &self.side.name_server,
            Server::Broker => self.side.subject(),
        };
        self.connections.clear();
        self.current = 0;
        self
    }

    /// Sends bytes as they are on a connection of their own, ends sending, and compares what comes back until the server
    /// closes. A connection reset counts as closed.
    pub fn raw(&mut self, bytes: &[u8]) {
        let mut connection = self.server.connect();
        let sent = connection.send_bytes(bytes).and_then(|()| connection.linger_then_end_sending());
        let mut answers = Vec::new();
        if sent.is_ok() {
            while let Ok(answer) = connection.receive() {
                answers.push(self.render(&answer));
            }
        }
        let mut shown: String = bytes.iter().take(24).map(|b| format!("{b:02x}")).collect();
        if bytes.len() > 24 {
            shown.push_str("...");
        }
        self.note(&format!("{shown} of {} bytes", bytes.len()), &answers.join("\n"));
    }

    fn connection(&mut self) -> &mut Connection {
        while self.connections.len() <= self.current {
            self.connections.push(self.server.connect());
        }
        &mut self.connections[self.current]
    }

    pub fn ask(&mut self, code: i32, ext: &[(&str, &str)]) -> Command {
        self.ask_with(code, ext, b"")
    }

    pub fn ask_with(&mut self, code: i32, ext: &[(&str, &str)], body: &[u8]) -> Command {
        self.ask_command(Command::request(code, ext, body))
    }

    /// Asks, waits for the reply, and puts it into the transcript.
    pub fn ask_command(&mut self, request: Command) -> Command {
        let reply = self.quietly(request);
        self.record_reply(&reply);
        reply
    }

    /// Asks without comparing the reply: for polling until something has happened.
    pub fn quietly(&mut self, request: Command) -> Command {
        let code = request.code;
        self.connection().ask(&request).unwrap_or_else(|e| panic!("request {code}: {e}"))
    }

    /// Sends without waiting; the reply is fetched with [`Script::reply_to`].
    pub fn send(&mut self, request: Command) -> i32 {
        self.connection().send(&request).expect("the connection is open")
    }

    pub fn reply_to(&mut self, opaque: i32) -> Command {
        let reply = self.connection().reply_to(opaque).unwrap_or_else(|e| panic!("parked request: {e}"));
        self.record_reply(&reply);
        reply
    }

    /// The next reply, whichever request it answers, not compared.
    pub fn any_reply(&mut self) -> Command {
        self.connection().receive().unwrap_or_else(|e| panic!("no reply: {e}"))
    }

    /// Asks and compares the reply by its code only: where the remark is a Java library's own text.
    pub fn ask_code(&mut self, request: Command) {
        let code = self.quietly(request).code;
        self.note_code(code);
    }

    /// What [`ask_code`](Self::ask_code) compares, of a reply that is at hand.
    pub fn note_code(&mut self, code: i32) {
        self.codes.push(code);
        self.note("code", &code.to_string());
    }

    /// Waits for a request of the server's own on this connection.
    pub fn call_from_server(&mut self, wait: Duration) -> Command {
        let call = self.quiet_call_from_server(wait);
        self.record_call(&call);
        call
    }

    /// Compares how many requests of the server's own came before the last reply.
    pub fn note_calls_waiting(&mut self) {
        let count = self.connection().calls_waiting();
        self.note("calls", &count.to_string());
    }

    /// As [`Script::call_from_server`], not compared.
    pub fn quiet_call_from_server(&mut self, wait: Duration) -> Command {
        let call = self.connection().call_from_server(wait);
        call.unwrap_or_else(|e| panic!("no request from the server: {e}"))
    }

    /// Waits for the server's next request of that code, not compared; those of other codes are dropped.
    pub fn call_of(&mut self, code: i32, wait: Duration) -> Command {
        loop {
            let call = self.quiet_call_from_server(wait);
            if call.code == code {
                return call;
            }
        }
    }

    /// Answers a request of the server's own.
    pub fn answer(&mut self, call: &Command, mut answer: Command) {
        answer.flag |= wire::FLAG_RESPONSE;
        answer.opaque = call.opaque;
        self.connection().send_bytes(&answer.encode()).expect("the connection is open");
    }

    /// Compares a request of the server's own.
    pub fn record_call(&mut self, call: &Command) {
        let text = self.render(call);
        self.note("call", &text);
    }

    /// Drops the current client's connection.
    pub fn disconnect(&mut self) {
        self.connection();
        self.connections.remove(self.current);
    }

    /// Compares a further fact.
    pub fn note(&mut self, what: &str, fact: &str) {
        let fact = mask(fact, &self.side.masks());
        self.transcript.push(format!("{what}: {fact}"));
    }

    fn record_reply(&mut self, reply: &Command) {
        self.codes.push(reply.code);
        let text = self.render(reply);
        self.note("reply", &text);
    }

    fn render(&mut self, command: &Command) -> String {
        let local = self.connection().local_addr().to_string();
        let ext: Vec<_> =
            command.ext.iter().map(|(key, value)| format!("  {key}={}", shown(key, value))).collect();
        let text = format!(
            "code={} flag={} version={} language={} codec={:?} remark={:?}\n{}\n  body {}",
            command.code,
            command.flag,
            command.version,
            command.language,
            command.codec,
            command.remark,
            ext.join("\n"),
            render_body(&command.body)
        );
        // Before the client's IP address, which may be the server's too.
        let mut text = text.replace(&local, "<client>");
        for (from, to) in self.side.masks() {
            text = text.replace(&from, &to);
        }
        text.replace(local.split(':').next().unwrap_or(""), "<client-ip>")
    }
}

/// The value of an ext field, unless it is a place in the log: that depends on all that was stored before.
fn shown<'a>(key: &str, value: &'a str) -> &'a str {
    match key {
        "indexLastUpdatePhyoffset" => "<offset>",
        _ => value,
    }
}

/// A table of cases and the servers it is put to.
pub struct Table {
    pub area: &'static str,
    pub cases: &'static [&'static [Case]],
    pub start: fn(&Lab, Edition) -> Side,
    /// After each case: puts the server back where the next case expects it.
    pub settle: fn(&Side),
}

impl Table {
    fn all(&self) -> impl Iterator<Item = &'static Case> {
        self.cases.iter().copied().flatten()
    }
}

struct World {
    java: Side,
    ours: Side,
    _labs: [Lab; 2],
}

impl World {
    fn start(table: &Table) -> World {
        let labs = [Lab::new(), Lab::new()];
        let ours = subject();
        let start = table.start;
        let (java, ours) = thread::scope(|scope| {
            let java = scope.spawn(|| start(&labs[0], JAVA_5));
            let ours = start(&labs[1], ours);
            (java.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), ours)
        });
        World { java, ours, _labs: labs }
    }
}

/// `COMPAT_SUBJECT=java5|java4` puts a Java server in our place: the check of the cases themselves.
fn subject() -> Edition {
    match std::env::var("COMPAT_SUBJECT").as_deref() {
        Err(_) | Ok("ours") => Edition::Ours,
        Ok("java5") => JAVA_5,
        Ok("java4") => crate::lab::JAVA_4,
        Ok(other) => panic!("COMPAT_SUBJECT={other}: ours, java5 or java4"),
    }
}

/// The `main` of a table: one trial a case, the servers shared, one case at a time (they share topics' home).
pub fn run(table: &'static Table) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    // What goes wrong in a script becomes the text of its case.
    std::panic::set_hook(Box::new(|_| ()));
    let world: Arc<Mutex<Option<Arc<World>>>> = Arc::default();
    let gaps = if subject() == Edition::Ours { gaps(table) } else { vec![] };
    let trials = table.all().map(|case| {
        let world = world.clone();
        let gap = gaps.iter().find(|(name, _)| name == case.name).map(|(_, reason)| reason.clone());
        Trial::test(format!("{}::{}", table.area, case.name), move || {
            let started = world.lock().map_err(|_| Failed::from("the servers did not start"))?.clone();
            let running = match started {
                Some(running) => running,
                None => {
                    // Poisoned when it panics: then every further case fails at once instead of trying again.
                    let mut slot = world.lock().map_err(|_| Failed::from("the servers did not start"))?;
                    slot.insert(Arc::new(World::start(table))).clone()
                }
            };
            judge(table, case, &running, gap.as_deref())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    // Before the process ends: dropping stops the servers.
    if let Ok(mut world) = world.lock() {
        world.take();
    }
    conclusion.exit_code()
}

fn judge(table: &Table, case: &Case, world: &World, gap: Option<&str>) -> Result<(), Failed> {
    let (java, ours) = thread::scope(|scope| {
        let java = scope.spawn(|| run_script(&world.java, case, table.settle));
        let ours = run_script(&world.ours, case, table.settle);
        (java.join().expect("run_script catches panics"), ours)
    });
    let java = java.map_err(|e| format!("against Java's server: {e}"))?;
    if java.codes != case.codes {
        let text = format!("the table says {:?}, Java replied {:?}", case.codes, java.codes);
        return Err(format!("{text}\n{}", java.transcript.join("\n")).into());
    }
    let verdict = match ours {
        Ok(ours) => differences(&java.transcript, &ours.transcript),
        Err(e) => Some(format!("against ours: {e}")),
    };
    match (verdict, gap) {
        (None, None) => Ok(()),
        (Some(difference), None) => Err(difference.into()),
        (Some(_), Some(reason)) => {
            println!("gap {}::{}: {reason}", table.area, case.name);
            Ok(())
        }
        (None, Some(_)) => Err("passes: take its row out of compat-tests/gaps.tsv".into()),
    }
}

struct Outcome {
    transcript: Vec<String>,
    codes: Vec<i32>,
}

fn run_script(side: &Side, case: &Case, settle: fn(&Side)) -> Result<Outcome, String> {
    let run = || {
        let mut script = Script::new(side, case.name);
        (case.script)(&mut script);
        let outcome = Outcome { transcript: script.transcript, codes: script.codes };
        drop(script.connections);
        settle(side);
        outcome
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string())).unwrap_or_default()
    })
}

fn differences(java: &[String], ours: &[String]) -> Option<String> {
    if java == ours {
        return None;
    }
    let mut text = String::new();
    for i in 0..java.len().max(ours.len()) {
        let (a, b) = (java.get(i), ours.get(i));
        if a != b {
            let none = "nothing".to_string();
            text.push_str(&format!(
                "answer {} of {}\n- Java {}\n+ ours {}\n",
                i + 1,
                java.len(),
                a.unwrap_or(&none),
                b.unwrap_or(&none)
            ));
        }
    }
    Some(text)
}

/// The rows of `gaps.tsv` of this area: case and reason. A row for a case that does not exist is an error.
fn gaps(table: &Table) -> Vec<(String, String)> {
    let path = checkout().join("compat-tests/gaps.tsv");
    let text = fs::read_to_string(&path).expect("gaps.tsv is there");
    let known: BTreeSet<_> = table.all().map(|case| case.name).collect();
    assert_eq!(known.len(), table.all().count(), "two cases of {} have one name", table.area);
    let mut rows = Vec::new();
    for line in text.lines().skip(1).filter(|line| !line.is_empty()) {
        let mut columns = line.split('\t');
        let (area, case, reason) = (columns.next(), columns.next(), columns.next());
        let (Some(area), Some(case), Some(reason)) = (area, case, reason) else {
            panic!("gaps.tsv: three columns wanted: {line:?}");
        };
        assert!(!reason.trim().is_empty(), "gaps.tsv: {case} has no reason");
        if area == table.area {
            assert!(known.contains(case), "gaps.tsv: no case {case} in {area}");
            rows.push((case.to_string(), reason.to_string()));
        }
    }
    rows
}
