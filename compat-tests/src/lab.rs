//! One test's own world: a Docker network or loopback ports, home directories, and the servers of all editions in it.

use std::fmt::Display;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use testcontainers::core::AccessMode;

use crate::job::{Job, Spec};
use crate::wire::{Command, Connection};
use crate::{checkout, one_at_a_time, oracle, target, until};

/// Java needs some 7 s for the first accepted request on an idle machine of two cores.
pub const START_WAIT: Duration = Duration::from_secs(90);
/// Name servers hear from a broker at once, clients of Java's brokers after a poll or two.
const REGISTER_WAIT: Duration = Duration::from_secs(60);

/// For a broker under a client's tests: filters by SQL92, recalls, and checks transactions soon, so that tests can wait for it.
/// It gives them up after 50 s: the Go and the Spring client send a heartbeat every 30 s, and a producer that finds its first
/// route after the first one is not known, so cannot be asked, until the second.
pub const CLIENT_TEST_CONF: [(&str, &str); 6] = [
    ("enablePropertyFilter", "true"),
    ("recallMessageEnable", "true"),
    ("transactionTimeOut", "1000"),
    ("transactionCheckInterval", "500"),
    ("transactionCheckMax", "100"),
    ("transactionOpBatchInterval", "200"),
];

const IMAGE_OURS: &str = "rocketmq-compat-ours";
const IMAGE_JAVA: &str = "rocketmq-compat-java";
const BINARIES: [&str; 4] = ["mqnamesrv", "mqbroker", "mqshutdown", "mqstore"];

/// Where programs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Docker,
    Process,
}

impl Place {
    pub fn chosen() -> Place {
        match std::env::var("COMPAT_PLACE").as_deref() {
            Ok("process") => Place::Process,
            Ok("docker") | Err(_) => Place::Docker,
            Ok(other) => panic!("COMPAT_PLACE={other}: docker or process"),
        }
    }
}

/// Whose servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    Ours,
    Java(&'static str),
}

pub const JAVA_5: Edition = Edition::Java("5.5.0");
pub const JAVA_4: Edition = Edition::Java("4.9.7");

/// The programs by the name of their script in Java's `bin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    NameServer,
    Broker,
}

impl Server {
    fn binary(self) -> &'static str {
        match self {
            Server::NameServer => "mqnamesrv",
            Server::Broker => "mqbroker",
        }
    }

    fn java_class(self) -> &'static str {
        match self {
            Server::NameServer => "org.apache.rocketmq.namesrv.NamesrvStartup",
            Server::Broker => "org.apache.rocketmq.broker.BrokerStartup",
        }
    }
}

/// A server that answers.
pub struct Running {
    pub job: Job,
    pub addr: SocketAddr,
    pub home: PathBuf,
}

impl Running {
    pub fn connect(&self) -> Connection {
        Connection::open(self.addr).unwrap_or_else(|e| panic!("{}: {e}\n{}", self.addr, self.job.output()))
    }

    /// Asks on a connection of its own.
    pub fn ask(&self, code: i32, ext: &[(&str, &str)], body: &[u8]) -> Command {
        let asked = self.connect().ask(&Command::request(code, ext, body));
        asked.unwrap_or_else(|e| panic!("code {code} asked of {}: {e}\n{}", self.addr, self.job.output()))
    }

    /// Waits until this name server lists the broker (GET_BROKER_CLUSTER_INFO).
    pub fn wait_for_broker(&self, broker_name: &str) {
        let wanted = format!("\"{broker_name}\"");
        let listed = || String::from_utf8_lossy(&self.ask(106, &[], b"").body).into_owned();
        until(
            REGISTER_WAIT,
            || format!("{broker_name} at the name server: {}", listed()),
            || listed().contains(&wanted).then_some(()),
        );
    }
}

pub struct Lab {
    place: Place,
    network: String,
    directory: TempDir,
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Lab {
    pub fn new() -> Lab {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let place = Place::chosen();
        prepare(place);
        let directory = tempfile::Builder::new().prefix("compat-").tempdir().expect("a temporary directory");
        open_to_all(directory.path());
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let network = format!("rocketmq-compat-{}-{count}", std::process::id());
        Lab { place, network, directory }
    }

    pub fn place(&self) -> Place {
        self.place
    }

    /// A directory of the lab, made when it is not there yet: the home of one server through all its restarts.
    pub fn home(&self, name: &str) -> PathBuf {
        let home = self.directory.path().join(name);
        fs::create_dir_all(&home).expect("the lab's directory is writable");
        open_to_all(&home);
        home
    }

    /// A file that a server finds in its home when it starts, and may replace.
    pub fn seed(&self, name: &str, path: &str, text: &str) {
        let mut folder = self.home(name);
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            folder.push(part);
            match parts.peek() {
                Some(_) => fs::create_dir_all(&folder),
                None => fs::write(&folder, text),
            }
            .expect("the lab's directory is writable");
            open_to_all(&folder);
        }
    }

    /// How to start a server with these arguments and nothing else.
    pub fn spec(&self, edition: Edition, server: Server, home: &Path, args: &[&str]) -> Spec {
        let mut spec = match edition {
            Edition::Ours => self.ours(server.binary(), home),
            Edition::Java(version) => self.java(version, home, server.java_class()),
        };
        spec.argv.extend(args.iter().map(|a| a.to_string()));
        spec
    }

    /// How to start one of our binaries.
    pub fn ours(&self, binary: &str, home: &Path) -> Spec {
        let program = match self.place {
            Place::Docker => binary.to_string(),
            Place::Process => binary_path(binary).display().to_string(),
        };
        Spec {
            image: IMAGE_OURS,
            argv: vec![program],
            env: environment(home),
            home: home.to_path_buf(),
            mounts: vec![],
            volumes: vec![],
            as_root: false,
        }
    }

    /// How to start a program of the host that needs no other libraries than a Debian has.
    pub fn program(&self, program: &Path, home: &Path) -> Spec {
        let directory = program.parent().expect("a program lies in a directory").to_path_buf();
        Spec {
            image: IMAGE_OURS,
            argv: vec![program.display().to_string()],
            env: environment(home),
            home: home.to_path_buf(),
            mounts: vec![(directory, AccessMode::ReadOnly)],
            volumes: vec![],
            as_root: false,
        }
    }

    /// How to start a class of RocketMQ's jars of one version.
    pub fn java(&self, version: &str, home: &Path, class: &str) -> Spec {
        let jars = oracle::jars(version);
        quiet_logback(home);
        let mut argv = vec!["java".to_string()];
        argv.extend(oracle::JAVA_FLAGS.map(String::from));
        argv.push(format!("-Duser.home={}", home.display()));
        argv.push("-cp".into());
        argv.push(format!("{}/*", jars.display()));
        argv.push(class.into());
        Spec {
            image: IMAGE_JAVA,
            argv,
            env: environment(home),
            home: home.to_path_buf(),
            mounts: vec![(jars, AccessMode::ReadOnly)],
            volumes: vec![],
            as_root: false,
        }
    }

    /// Starts a program in a Java container or here, without waiting for anything.
    pub fn start(&self, spec: &Spec) -> Job {
        match self.place {
            Place::Docker => Job::in_container(spec, &self.network),
            Place::Process => Job::as_process(spec),
        }
    }

    /// The same, on the network interfaces of another job: its ports are taken there.
    pub fn start_beside(&self, spec: &Spec, other: &Job) -> Job {
        match other {
            Job::Container { container, .. } => {
                Job::in_container(spec, &format!("container:{}", container.id()))
            }
            Job::Process { .. } => Job::as_process(spec),
        }
    }

    /// How to run Maven on a project below the checkout. Everything it needs is fetched here first: a lab's network leads
    /// nowhere.
    pub fn maven(&self, project: &Path, home: &Path, options: &[String]) -> Spec {
        let mut argv = vec!["mvn".to_string(), "-B".into(), "-f".into(), project.display().to_string()];
        argv.extend_from_slice(options);
        let user_home = PathBuf::from(std::env::var_os("HOME").expect("HOME is set"));
        let mut env = environment(home);
        if self.place == Place::Docker {
            oracle::fetch_for_maven(&argv);
            let repository = user_home.join(".m2/repository").display().to_string();
            // Offline, whatever repository a file once came from.
            argv.extend(["-o".into(), "-llr".into(), format!("-Dmaven.repo.local={repository}")]);
        } else {
            env = vec![("HOME".into(), user_home.display().to_string())];
        }
        argv.push("test".into());
        let mounts = vec![
            (project.to_path_buf(), AccessMode::ReadWrite),
            (user_home.join(".m2"), AccessMode::ReadWrite),
        ];
        Spec {
            image: IMAGE_JAVA,
            argv,
            env,
            home: home.to_path_buf(),
            mounts,
            volumes: vec![],
            as_root: true,
        }
    }

    pub fn name_server(&self, edition: Edition, name: &str) -> Running {
        let home = self.home(name);
        let port = match self.place {
            Place::Docker => 9876,
            Place::Process => free_ports(),
        };
        let conf = write_conf(&home.join("namesrv.conf"), &[("listenPort", &port)], &[]);
        let job = self.start(&self.spec(edition, Server::NameServer, &home, &["-c", &conf]));
        // Get config: every version answers it.
        self.answering(job, port, home, &Command::request(319, &[], b""))
    }

    /// A broker that has registered with all of `name_servers`. `conf` overrides what the lab sets.
    pub fn broker(
        &self,
        edition: Edition,
        name: &str,
        name_servers: &[&Running],
        conf: &[(&str, &str)],
    ) -> Running {
        let home = self.home(name);
        let port = match self.place {
            Place::Docker => 10911,
            Place::Process => free_ports(),
        };
        let list: Vec<_> = name_servers.iter().map(|server| server.addr.to_string()).collect();
        let (list, loopback) = (list.join(";"), Ipv4Addr::LOCALHOST);
        let mut defaults: Vec<(&str, &dyn Display)> = vec![
            ("listenPort", &port),
            ("brokerName", &name),
            ("namesrvAddr", &list),
            ("mappedFileSizeCommitLog", &(16 << 20)),
            ("mappedFileSizeConsumeQueue", &60_000),
            // Java refuses what waits for its threads longer, which on a busy machine is no matter of the cases.
            ("waitTimeMillsInSendQueue", &10_000),
        ];
        if self.place == Place::Process {
            defaults.push(("brokerIP1", &loopback));
        }
        let file = write_conf(&home.join("broker.conf"), &defaults, conf);
        let job = self.start(&self.spec(edition, Server::Broker, &home, &["-c", &file]));
        let offset = Command::request(30, &[("topic", "TBW102"), ("queueId", "0")], b"");
        let running = self.answering(job, port, home, &offset);
        for server in name_servers {
            server.wait_for_broker(name);
        }
        running
    }

    fn answering(&self, job: Job, port: u16, home: PathBuf, question: &Command) -> Running {
        let addr = SocketAddr::new(job.ip(), port);
        until(
            START_WAIT,
            || format!("no answer from {addr}\n{}", job.output()),
            || {
                let ended = job.exit_code();
                assert!(ended.is_none(), "ended with {ended:?} before it answered\n{}", job.output());
                Connection::open(addr).and_then(|mut connection| connection.ask(question)).ok()
            },
        );
        Running { job, addr, home }
    }
}

/// A port `p` for which `p - 2` (fast port) and `p + 1` (replication) are free as well.
pub fn free_ports() -> u16 {
    // Below the range from which the kernel picks ports for outgoing connections.
    const FIRST: u16 = 12_000;
    const STEPS: u16 = 4_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Far from those of a test program that was started right before or after.
    let start = (std::process::id() * 7919 % u32::from(STEPS)) as u16;
    let free = |port: u16| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
    for _ in 0..STEPS {
        let step = (start + NEXT.fetch_add(1, Ordering::Relaxed)) % STEPS;
        let port = FIRST + 2 + step * 5;
        if free(port - 2) && free(port) && free(port + 1) {
            return port;
        }
    }
    panic!("no free ports on loopback");
}

/// Writes a properties file and returns its path as an argument.
pub fn write_conf(path: &Path, defaults: &[(&str, &dyn Display)], overrides: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (key, value) in defaults.iter().filter(|(key, _)| overrides.iter().all(|(o, _)| o != key)) {
        text.push_str(&format!("{key}={value}\n"));
    }
    for (key, value) in overrides {
        text.push_str(&format!("{key}={value}\n"));
    }
    fs::write(path, text).expect("the home directory is writable");
    path.display().to_string()
}

/// Containers run as another user than the tests.
fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("our own");
}

/// 4.9's servers do not start without their logback files; 5.x has them in its jars.
fn quiet_logback(home: &Path) {
    let conf = home.join("conf");
    fs::create_dir_all(&conf).expect("the home directory is writable");
    for file in ["logback_broker.xml", "logback_namesrv.xml"] {
        fs::write(conf.join(file), "<configuration/>\n").expect("the home directory is writable");
    }
}

fn environment(home: &Path) -> Vec<(String, String)> {
    let home = home.display().to_string();
    vec![("HOME".into(), home.clone()), ("ROCKETMQ_HOME".into(), home)]
}

/// A program of this workspace, as `./test` built it.
pub fn binary_path(binary: &str) -> PathBuf {
    let path = target().join("release").join(binary);
    assert!(path.exists(), "{} is missing: run `cargo build --release` first", path.display());
    path
}

/// Builds both images, unless another test program has since what goes into them changed.
fn prepare(place: Place) {
    static DONE: OnceLock<()> = OnceLock::new();
    if place == Place::Process {
        return;
    }
    DONE.get_or_init(|| {
        let _held = one_at_a_time("images");
        let (stamp, changed) = (target().join("images-built"), images_changed());
        if fs::metadata(&stamp).and_then(|built| built.modified()).is_ok_and(|built| built > changed) {
            return;
        }
        // The Dockerfile takes binaries from the checkout; Cargo may have put them elsewhere.
        let release = checkout().join("target/release");
        if release != target().join("release") {
            fs::create_dir_all(&release).expect("the checkout is writable");
            for binary in BINARIES {
                fs::copy(binary_path(binary), release.join(binary)).expect("the checkout is writable");
            }
        }
        build_image(IMAGE_OURS, &checkout(), &[]);
        // Only the host's network reaches the Debian archive everywhere.
        let proxy = ["--build-arg", "http_proxy", "--build-arg", "https_proxy"];
        let network = [&["--network", "host"], &proxy[..]].concat();
        build_image(IMAGE_JAVA, &checkout().join("compat-tests/java"), &network);
        fs::write(stamp, "").expect("the target directory is writable");
    });
}

/// When what goes into the images was last written.
fn images_changed() -> SystemTime {
    let mut paths: Vec<_> = BINARIES.map(binary_path).into();
    paths.extend(["Dockerfile", "conf", "compat-tests/java"].map(|path| checkout().join(path)));
    let mut changed = SystemTime::UNIX_EPOCH;
    while let Some(path) = paths.pop() {
        let data = fs::metadata(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        changed = changed.max(data.modified().expect("Linux has it"));
        if data.is_dir() {
            paths.extend(fs::read_dir(&path).expect("just seen").flatten().map(|entry| entry.path()));
        }
    }
    changed
}

fn build_image(name: &str, context: &Path, options: &[&str]) {
    // BuildKit is a plug-in that Debian's docker.io does not bring.
    let output = Program::new("docker")
        .env("DOCKER_BUILDKIT", "0")
        .args(["build", "-t", name])
        .args(options)
        .arg(context)
        .output()
        .expect("docker starts");
    assert!(
        output.status.success(),
        "docker build {name} (`./test` makes the base image and starts the daemon)\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The IPv4 address as RocketMQ writes it into offset message ids: eight hex digits, upper case.
pub fn hex_ip(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.octets().iter().map(|b| format!("{b:02X}")).collect(),
        IpAddr::V6(v6) => v6.octets().iter().map(|b| format!("{b:02X}")).collect(),
    }
}
