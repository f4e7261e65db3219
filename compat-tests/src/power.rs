//! A disk that loses power: beside a program's live files, an image of only what the program had synced.
//!
//! The program runs under ptrace. When it asks the kernel to sync, what it asked for is copied before the call and enters
//! the image once the call has succeeded: bytes by `msync`, `fsync`, `fdatasync` and `syncfs`, the names in a directory by
//! an `fsync` of the directory. Nothing else does. So the image is the least that a disk may hold after a power cut: a real
//! one holds more, since kernels write of their own accord, and journals order what nobody asked them to order.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, UNIX_EPOCH};

use libc::c_long;
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// A file or directory, also when its number is given to another one later.
type Inode = (u64, Duration);

fn inode(metadata: &fs::Metadata) -> io::Result<Inode> {
    let born = metadata.created()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((metadata.ino(), born))
}

/// What would be left if the power went now.
#[derive(Debug, Default)]
pub struct Image {
    /// Bytes of each file that was ever synced.
    files: HashMap<Inode, Vec<u8>>,
    /// Names in each directory that was ever synced, and whether each is a directory.
    dirs: HashMap<Inode, BTreeMap<OsString, (Inode, bool)>>,
    root: Inode,
}

/// What one system call makes durable.
#[derive(Debug)]
enum Synced {
    Range { file: Inode, file_bytes: u64, at: u64, bytes: Vec<u8> },
    Whole { file: Inode, bytes: Vec<u8> },
    Names { dir: Inode, names: BTreeMap<OsString, (Inode, bool)> },
}

impl Image {
    /// What lies under `root` now is taken to be durable.
    pub fn of(root: &Path) -> io::Result<Self> {
        let mut image = Image { root: inode(&fs::metadata(root)?)?, ..Image::default() };
        everything(root)?.into_iter().for_each(|synced| image.apply(synced));
        Ok(image)
    }

    fn apply(&mut self, synced: Synced) {
        match synced {
            Synced::Range { file, file_bytes, at, bytes } => {
                let content = self.files.entry(file).or_default();
                content.resize(file_bytes as usize, 0);
                content[at as usize..at as usize + bytes.len()].copy_from_slice(&bytes);
            }
            Synced::Whole { file, bytes } => {
                self.files.insert(file, bytes);
            }
            Synced::Names { dir, names } => {
                self.dirs.insert(dir, names);
            }
        }
    }

    /// Writes the image as files into the empty directory `to`.
    pub fn write_to(&self, to: &Path) -> io::Result<()> {
        self.write_dir(self.root, to)
    }

    fn write_dir(&self, dir: Inode, to: &Path) -> io::Result<()> {
        for (name, (inode, is_dir)) in self.dirs.get(&dir).into_iter().flatten() {
            let path = to.join(name);
            if *is_dir {
                fs::create_dir(&path)?;
                self.write_dir(*inode, &path)?;
            } else {
                fs::write(&path, self.files.get(inode).map_or(&[][..], Vec::as_slice))?;
            }
        }
        Ok(())
    }
}

fn names(dir: &Path) -> io::Result<Synced> {
    let mut names = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // Gone again meanwhile: its name is not synced.
        let Ok(metadata) = entry.metadata() else { continue };
        names.insert(entry.file_name(), (inode(&metadata)?, metadata.is_dir()));
    }
    Ok(Synced::Names { dir: inode(&fs::metadata(dir)?)?, names })
}

fn whole(path: &Path) -> io::Result<Synced> {
    Ok(Synced::Whole { file: inode(&fs::metadata(path)?)?, bytes: fs::read(path)? })
}

fn everything(root: &Path) -> io::Result<Vec<Synced>> {
    let mut all = vec![names(root)?];
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        match path.is_dir() {
            true => all.extend(everything(&path)?),
            false => all.extend(whole(&path)),
        }
    }
    Ok(all)
}

/// A program that runs while its syncs are watched.
pub struct Watched {
    pid: Pid,
    tracer: Option<JoinHandle<io::Result<Image>>>,
}

impl Watched {
    /// Starts `command`, which writes under `root`. What lies there already is taken to be durable.
    pub fn start(argv: &[String], env: &[(String, String)], root: &Path) -> io::Result<Self> {
        let (argv, env, root) = (argv.to_vec(), env.to_vec(), root.to_path_buf());
        let (sender, receiver) = mpsc::channel();
        // One thread starts, watches and waits: ptrace knows threads, not processes.
        let tracer = std::thread::spawn(move || {
            let pid = start_stopped(&argv, &env, &root)?;
            let _ = sender.send(pid);
            Tracer { pid, image: Image::of(&root)?, root, pending: HashMap::new() }.run()
        });
        match receiver.recv() {
            Ok(pid) => Ok(Self { pid, tracer: Some(tracer) }),
            Err(_) => {
                Err(tracer.join().expect("the tracer does not panic").expect_err("no process was started"))
            }
        }
    }

    /// Pulls the plug: what had been synced by then.
    pub fn cut(mut self) -> io::Result<Image> {
        let _ = kill(self.pid, Signal::SIGKILL);
        let tracer = self.tracer.take().expect("cut once");
        tracer.join().expect("the tracer does not panic")
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(tracer) = self.tracer.take() {
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = tracer.join();
        }
    }
}

/// Starts a program that waits, stopped, to be watched from its first instruction on.
fn start_stopped(argv: &[String], env: &[(String, String)], root: &Path) -> io::Result<Pid> {
    let output = |name: &str| File::options().create(true).append(true).open(root.with_extension(name));
    let child = Command::new("sh")
        .args(["-c", "kill -STOP $$; exec \"$@\"", "sh"])
        .args(argv)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(env.iter().cloned())
        .stdin(Stdio::null())
        .stdout(output("stdout")?)
        .stderr(output("stderr")?)
        .spawn()?;
    let pid = Pid::from_raw(child.id() as i32);
    waitpid(pid, Some(WaitPidFlag::WUNTRACED))?;
    ptrace::seize(
        pid,
        Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL,
    )?;
    kill(pid, Signal::SIGCONT)?;
    Ok(pid)
}

struct Tracer {
    pid: Pid,
    root: PathBuf,
    image: Image,
    /// By thread: what its present system call will have synced if it succeeds.
    pending: HashMap<Pid, Vec<Synced>>,
}

impl Tracer {
    /// Until the program ends.
    fn run(mut self) -> io::Result<Image> {
        loop {
            // Of this thread's children only: the tests of this process have others.
            let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
            let (thread, signal) = match waitpid(None, Some(flags))? {
                WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..) if pid == self.pid => {
                    return Ok(self.image);
                }
                WaitStatus::PtraceSyscall(thread) => {
                    self.at_system_call(thread);
                    (thread, None)
                }
                WaitStatus::PtraceEvent(thread, ..) => (thread, None),
                WaitStatus::Stopped(_, Signal::SIGKILL) => continue,
                WaitStatus::Stopped(thread, signal) => (thread, Some(signal)),
                _ => continue,
            };
            match ptrace::syscall(thread, signal) {
                // Killed meanwhile: its end is reported next.
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn at_system_call(&mut self, thread: Pid) {
        let Ok(registers) = ptrace::getregs(thread) else { return };
        let call = Call::of(&registers);
        if call.is_entry {
            let synced = self.about_to_sync(&call);
            if !synced.is_empty() {
                self.pending.insert(thread, synced);
            }
        } else if let Some(synced) = self.pending.remove(&thread)
            && call.result >= 0
        {
            synced.into_iter().for_each(|synced| self.image.apply(synced));
        }
    }

    fn about_to_sync(&self, call: &Call) -> Vec<Synced> {
        let [first, second, third] = call.arguments;
        let of_descriptor = || {
            let path = format!("/proc/{}/fd/{first}", self.pid);
            let target = fs::read_link(&path)?;
            if !target.starts_with(&self.root) {
                return Ok(Vec::new());
            }
            Ok::<_, io::Error>(match fs::metadata(&path)?.is_dir() {
                true => vec![names(&target)?],
                false => vec![whole(Path::new(&path))?],
            })
        };
        let synced = match call.number {
            libc::SYS_fsync | libc::SYS_fdatasync => of_descriptor(),
            libc::SYS_syncfs => everything(&self.root),
            libc::SYS_msync if third & libc::MS_SYNC as u64 != 0 => self.mapped_range(first, second),
            _ => Ok(Vec::new()),
        };
        // A file that went away while it was looked at: not synced.
        synced.unwrap_or_default()
    }

    fn mapped_range(&self, address: u64, bytes: u64) -> io::Result<Vec<Synced>> {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.pid))?;
        let mapping =
            maps.lines().find_map(|line| Mapping::parse(line).filter(|mapping| mapping.holds(address)));
        let Some(mapping) = mapping else { return Ok(Vec::new()) };
        // Leads to the file even if it has been renamed or removed.
        let link = format!("/proc/{}/map_files/{:x}-{:x}", self.pid, mapping.start, mapping.end);
        if !fs::read_link(&link)?.starts_with(&self.root) {
            return Ok(Vec::new());
        }
        let file = File::open(link)?;
        let metadata = file.metadata()?;
        let at = mapping.file_offset + (address - mapping.start);
        let mut content = vec![0; bytes.min(metadata.len().saturating_sub(at)) as usize];
        file.read_exact_at(&mut content, at)?;
        Ok(vec![Synced::Range { file: inode(&metadata)?, file_bytes: metadata.len(), at, bytes: content }])
    }
}

/// A line of `/proc/PID/maps`.
struct Mapping {
    start: u64,
    end: u64,
    file_offset: u64,
}

impl Mapping {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let file_offset = fields.nth(1)?;
        let hex = |text| u64::from_str_radix(text, 16).ok();
        Some(Self { start: hex(start)?, end: hex(end)?, file_offset: hex(file_offset)? })
    }

    fn holds(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address)
    }
}

/// A system call as a thread enters or leaves it.
struct Call {
    number: c_long,
    arguments: [u64; 3],
    result: i64,
    is_entry: bool,
}

impl Call {
    #[cfg(target_arch = "x86_64")]
    fn of(registers: &libc::user_regs_struct) -> Self {
        let result = registers.rax as i64;
        Self {
            number: registers.orig_rax as c_long,
            arguments: [registers.rdi, registers.rsi, registers.rdx],
            result,
            // The kernel puts it there before it calls.
            is_entry: result == -i64::from(libc::ENOSYS),
        }
    }
}
