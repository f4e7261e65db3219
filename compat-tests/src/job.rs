//! One running program, in a container or as a plain process, behind one set of verbs.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use testcontainers::core::{AccessMode, Mount};
use testcontainers::runners::SyncRunner;
use testcontainers::{Container, GenericImage, ImageExt};

use crate::until;

/// Every container carries it, so that `./test` can clear away what a killed run left behind.
const LABEL: &str = "rocketmq-compat";
/// The user of the image of our servers, for Java's too: both then work on one store directory.
const CONTAINER_USER: &str = "3000:3000";

/// What to run. Paths are the host's; in a container they are mounted at the same place, so they mean the same.
pub struct Spec {
    /// Image name without tag; a plain process ignores it.
    pub image: &'static str,
    pub argv: Vec<String>,
    pub env: Vec<(String, String)>,
    /// Written by the program: its home directory.
    pub home: PathBuf,
    /// Further directories, with the right to write there or not.
    pub mounts: Vec<(PathBuf, AccessMode)>,
    /// In a container: host directories at places that the image names.
    pub volumes: Vec<(PathBuf, &'static str)>,
    /// In a container: as root, not as the servers' user. For mounts that belong to whoever runs the tests.
    pub as_root: bool,
}

/// How a program ended.
#[derive(Debug)]
pub struct Exit {
    /// Exit code; of a signal 128 + its number.
    pub code: i64,
    pub stdout: String,
    pub stderr: String,
    /// From the signal (or the start of waiting) to the end.
    pub took: Duration,
}

/// A running program. Dropped: killed, and its container removed.
pub enum Job {
    Container { container: Box<Container<GenericImage>>, ip: IpAddr },
    Process { child: Mutex<Child>, home: PathBuf },
}

impl Job {
    pub fn in_container(spec: &Spec, network: &str) -> Job {
        let mut request = GenericImage::new(spec.image, "latest")
            .with_cmd(spec.argv.clone())
            .with_label(LABEL, "1")
            .with_user(if spec.as_root { "0:0" } else { CONTAINER_USER })
            .with_working_dir(spec.home.display().to_string())
            .with_mount(same_path(&spec.home, AccessMode::ReadWrite))
            .with_startup_timeout(Duration::from_secs(60))
            .with_host_config_modifier(|host| host.publish_all_ports = Some(false));
        if network.starts_with("container:") {
            let network = network.to_string();
            request = request.with_host_config_modifier(move |host| {
                host.publish_all_ports = Some(false);
                host.network_mode = Some(network.clone());
            });
        } else {
            request = request.with_network(network);
        }
        for (directory, mode) in &spec.mounts {
            request = request.with_mount(same_path(directory, *mode));
        }
        for (directory, inside) in &spec.volumes {
            request = request.with_mount(Mount::bind_mount(directory.display().to_string(), *inside));
        }
        for (key, value) in &spec.env {
            request = request.with_env_var(key, value);
        }
        let container = request.start().unwrap_or_else(|e| panic!("{:?}: {e}", spec.argv));
        let ip = container_ip(container.id()).unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        Job::Container { container: Box::new(container), ip }
    }

    pub fn as_process(spec: &Spec) -> Job {
        let log = |name: &str| File::create(spec.home.join(name)).expect("the home directory is writable");
        let child = Command::new(&spec.argv[0])
            .args(&spec.argv[1..])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(spec.env.iter().cloned())
            .current_dir(&spec.home)
            .stdin(Stdio::null())
            .stdout(log("stdout"))
            .stderr(log("stderr"))
            .spawn()
            .unwrap_or_else(|e| panic!("{:?}: {e}", spec.argv));
        Job::Process { child: Mutex::new(child), home: spec.home.clone() }
    }

    /// As this machine counts: what `/proc` says of it can be read, where the Docker daemon is this machine's.
    pub fn pid(&self) -> u32 {
        match self {
            Job::Container { container, .. } => {
                let shown = ["inspect", "-f", "{{.State.Pid}}", container.id()];
                let output = Command::new("docker").args(shown).output().expect("docker starts");
                String::from_utf8_lossy(&output.stdout).trim().parse().expect("it runs")
            }
            Job::Process { child, .. } => child.lock().expect("no holder panics").id(),
        }
    }

    /// Where its sockets are reached, from the tests and from other jobs of the lab.
    pub fn ip(&self) -> IpAddr {
        match self {
            Job::Container { ip, .. } => *ip,
            Job::Process { .. } => Ipv4Addr::LOCALHOST.into(),
        }
    }

    pub fn stdout(&self) -> String {
        match self {
            Job::Container { container, .. } => {
                String::from_utf8_lossy(&container.stdout_to_vec().unwrap_or_default()).into_owned()
            }
            Job::Process { home, .. } => fs::read_to_string(home.join("stdout")).unwrap_or_default(),
        }
    }

    pub fn stderr(&self) -> String {
        match self {
            Job::Container { container, .. } => {
                String::from_utf8_lossy(&container.stderr_to_vec().unwrap_or_default()).into_owned()
            }
            Job::Process { home, .. } => fs::read_to_string(home.join("stderr")).unwrap_or_default(),
        }
    }

    /// The exit code once it has ended.
    pub fn exit_code(&self) -> Option<i64> {
        match self {
            Job::Container { container, .. } => {
                if container.is_running().unwrap_or(false) {
                    return None;
                }
                Some(container.exit_code().expect("the daemon answers").unwrap_or(-1))
            }
            Job::Process { child, .. } => {
                use std::os::unix::process::ExitStatusExt;
                let status = child.lock().expect("no holder panics").try_wait().expect("our own child")?;
                Some(status.code().or(status.signal().map(|s| 128 + s)).unwrap_or(-1).into())
            }
        }
    }

    /// Sends a signal by name ("TERM", "INT", "KILL") to the program itself.
    pub fn signal(&self, name: &str) {
        let status = match self {
            Job::Container { container, .. } => Command::new("docker")
                .args(["kill", "--signal", name, container.id()])
                .stdout(Stdio::null())
                .status(),
            Job::Process { child, .. } => {
                let pid = child.lock().expect("no holder panics").id();
                Command::new("kill").args(["-s", name, &pid.to_string()]).status()
            }
        };
        assert!(status.expect("kill starts").success(), "signal {name} was not taken");
    }

    /// Signals and waits for the end. `took` includes up to 0.3 s of Docker's own when in a container.
    pub fn stop(&self, signal: &str, wait: Duration) -> Exit {
        let asked = Instant::now();
        self.signal(signal);
        let exit = self.wait_for_exit(wait);
        Exit { took: asked.elapsed(), ..exit }
    }

    pub fn wait_for_exit(&self, wait: Duration) -> Exit {
        let begun = Instant::now();
        let code = until(wait, || format!("still running\n{}", self.output()), || self.exit_code());
        Exit { code, stdout: self.stdout(), stderr: self.stderr(), took: begun.elapsed() }
    }

    /// Both outputs, for the text of a failure.
    pub fn output(&self) -> String {
        format!("--- stdout\n{}\n--- stderr\n{}", self.stdout(), self.stderr())
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // A container removes itself.
        if let Job::Process { child, .. } = self {
            let child = child.get_mut().unwrap_or_else(|broken| broken.into_inner());
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn same_path(path: &std::path::Path, mode: AccessMode) -> Mount {
    let path = path.display().to_string();
    Mount::bind_mount(path.clone(), path).with_access_mode(mode)
}

/// The address on the lab's network; a container that has ended already has none.
fn container_ip(id: &str) -> Option<IpAddr> {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let output = Command::new("docker").args(["inspect", "-f", format, id]).output().expect("docker starts");
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}
