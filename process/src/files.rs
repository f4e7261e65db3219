//! Small files that must never be found half written: config JSON, `broker.properties`.
//!
//! Java's `ConfigManager` moves the file to `.bak` and writes a new one in place; a crash between the two leaves only
//! the `.bak`. We leave the same two files behind, but the name always holds a whole content.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A step on a file that failed. Its text names the step, the path and the cause in one line.
#[derive(Debug)]
pub struct FileError {
    /// What was tried: a verb that fits before the path.
    pub step: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub cause: io::Error,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.step, self.path.display(), self.cause)
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        Self::new(error.cause.kind(), error)
    }
}

fn failed<'a>(step: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FileError + 'a {
    move |cause| FileError { step, path: path.to_path_buf(), cause }
}

/// `<path>.bak`: Java's name for the previous content.
pub fn backup_path(path: &Path) -> PathBuf {
    with_suffix(path, ".bak")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Asked before each step: a test has one fail.
type May<'a> = &'a mut dyn FnMut(&'static str) -> io::Result<()>;

fn always(_step: &'static str) -> io::Result<()> {
    Ok(())
}

fn run<T>(
    may: May<'_>,
    step: &'static str,
    path: &Path,
    work: impl FnOnce() -> io::Result<T>,
) -> Result<T, FileError> {
    may(step).and_then(|()| work()).map_err(failed(step, path))
}

/// Replaces the content of `path` durably; the previous content stays in `<path>.bak`. Makes missing parent folders.
///
/// At every moment, power cut included, `path` holds the old or the new content whole. So it does after an error, which
/// names the step that failed.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), FileError> {
    replace_in_steps(path, content, &mut always)
}

fn replace_in_steps(path: &Path, content: &[u8], may: May<'_>) -> Result<(), FileError> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    create_folder_in_steps(folder, may)?;
    let fresh = with_suffix(path, ".tmp");
    write_synced(&fresh, content, may)?;
    keep_backup(path, may)?;
    run(may, "replace", path, || fs::rename(&fresh, path))?;
    sync(folder, may)
}

/// Makes a folder and its parents where they are missing, durably: a power cut does not take them away again. An error
/// names the step that failed.
pub fn create_folder(folder: &Path) -> Result<(), FileError> {
    create_folder_in_steps(folder, &mut always)
}

fn create_folder_in_steps(folder: &Path, may: May<'_>) -> Result<(), FileError> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let missing: Vec<_> = folder.ancestors().take_while(is_missing).collect();
    run(may, "create folder", folder, || fs::create_dir_all(folder))?;
    let parents = missing.iter().filter_map(|made| made.parent());
    let synced = parents.into_iter().try_for_each(|parent| match parent.as_os_str().is_empty() {
        true => sync(Path::new("."), may),
        false => sync(parent, may),
    });
    if synced.is_err() {
        // Where they stayed the next attempt would take them for durable.
        missing.iter().take_while(|made| fs::remove_dir(made).is_ok()).for_each(drop);
    }
    synced
}

fn write_synced(path: &Path, content: &[u8], may: May<'_>) -> Result<(), FileError> {
    let mut file = run(may, "create", path, || File::create(path))?;
    run(may, "write", path, || file.write_all(content))?;
    run(may, "sync", path, || file.sync_all())
}

/// Lets the backup's name point at the current content, without a moment in which either name is missing.
fn keep_backup(path: &Path, may: May<'_>) -> Result<(), FileError> {
    let link = with_suffix(path, ".bak.tmp");
    run(may, "remove", &link, || match fs::remove_file(&link) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    })?;
    match may("link").and_then(|()| fs::hard_link(path, &link)) {
        Ok(()) => {}
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        // Some file systems know no hard links.
        Err(_) => match run(may, "back up", path, || fs::copy(path, &link)) {
            Err(error) if error.cause.kind() == io::ErrorKind::NotFound => return Ok(()),
            copied => copied.map(drop)?,
        },
    }
    run(may, "back up", path, || fs::rename(&link, backup_path(path)))
}

/// Makes names that were added to or removed from a folder survive a power cut. An error if the folder cannot be opened or
/// synced.
pub fn sync_folder(folder: &Path) -> Result<(), FileError> {
    sync(folder, &mut always)
}

fn sync(folder: &Path, may: May<'_>) -> Result<(), FileError> {
    let handle = run(may, "open folder", folder, || OpenOptions::new().read(true).open(folder))?;
    run(may, "sync folder", folder, || handle.sync_all())
}

/// Content that was read, and whether the file itself was usable.
#[derive(Debug, PartialEq, Eq)]
pub enum Loaded<T> {
    /// Neither the file nor its backup exists with any content: a first start.
    Nothing,
    /// What the file holds.
    Main(T),
    /// The file was missing, empty or did not decode (then why); the backup served.
    Backup(T, Option<String>),
}

impl<T> Loaded<T> {
    /// What was read, from wherever it was.
    pub fn into_content(self) -> Option<T> {
        match self {
            Loaded::Nothing => None,
            Loaded::Main(content) | Loaded::Backup(content, _) => Some(content),
        }
    }
}

/// Why neither the file nor its backup could be used.
#[derive(Debug)]
pub enum LoadError {
    /// The file or its backup is there and cannot be read.
    Read(FileError),
    /// The file exists with content, and neither it nor a backup decodes.
    Undecodable {
        /// The file, or its backup where that is all there is.
        path: PathBuf,
        /// What the decoder said.
        why: String,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Read(error) => error.fmt(f),
            LoadError::Undecodable { path, why } => {
                write!(f, "cannot understand {} or its backup: {why}", path.display())
            }
        }
    }
}

impl std::error::Error for LoadError {}

/// Reads and decodes `path`, or else `<path>.bak`, as Java's `ConfigManager.load`.
///
/// Unlike Java it deletes nothing, and content that `decode` does not understand is [`LoadError::Undecodable`] instead of
/// an empty table.
pub fn load<T, E: fmt::Display>(
    path: &Path,
    decode: impl Fn(&[u8]) -> Result<T, E>,
) -> Result<Loaded<T>, LoadError> {
    let main_failure = match read_if_present(path)?.map(|bytes| decode(&bytes)) {
        Some(Ok(content)) => return Ok(Loaded::Main(content)),
        Some(Err(why)) => Some(why.to_string()),
        None => None,
    };
    match (read_if_present(&backup_path(path))?.map(|bytes| decode(&bytes)), main_failure) {
        (Some(Ok(content)), why) => Ok(Loaded::Backup(content, why)),
        (None, None) => Ok(Loaded::Nothing),
        (_, Some(why)) => Err(LoadError::Undecodable { path: path.to_path_buf(), why }),
        (Some(Err(why)), None) => {
            Err(LoadError::Undecodable { path: backup_path(path), why: why.to_string() })
        }
    }
}

/// The bytes of a file; `None` if it is missing or empty (Java treats both alike).
fn read_if_present(path: &Path) -> Result<Option<Vec<u8>>, LoadError> {
    match fs::read(path) {
        Ok(bytes) if bytes.is_empty() => Ok(None),
        Ok(bytes) => Ok(Some(bytes)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(LoadError::Read(failed("read", path)(cause))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_number(bytes: &[u8]) -> Result<u32, String> {
        let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
        text.parse().map_err(|e| format!("{text}: {e}"))
    }

    #[test]
    fn replace_keeps_the_previous_content_as_backup() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config/topics.json");
        for content in ["1", "2", "3"] {
            replace(&path, content.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "3");
        assert_eq!(fs::read_to_string(backup_path(&path)).unwrap(), "2");
        let names: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(names.len(), 2, "no temporary file stays behind");
    }

    #[test]
    fn replace_names_the_path_when_it_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let error = replace(&folder.path().join("file/topics.json"), b"x").unwrap_err();
        assert!(error.to_string().starts_with("cannot create folder"), "{error}");
    }

    #[test]
    fn whichever_step_fails_the_old_or_the_new_content_is_there() {
        let write_thrice = |failing: usize| {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join("config/n.json");
            let mut steps = 0;
            let mut may = |_| {
                steps += 1;
                if steps == failing { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
            };
            let mut before = None;
            for number in 1..4 {
                let written = replace_in_steps(&path, number.to_string().as_bytes(), &mut may);
                let found = load(&path, as_number).unwrap();
                assert!(!matches!(found, Loaded::Backup(..)), "step {failing}: {found:?}");
                let found = found.into_content();
                let may_be_old = written.is_err() && found == before;
                assert!(found == Some(number) || may_be_old, "step {failing}: {found:?} for {number}");
                before = found;
            }
            replace(&path, b"9").unwrap();
            assert_eq!(load(&path, as_number).unwrap(), Loaded::Main(9), "goes on after step {failing}");
            steps
        };
        let steps = write_thrice(0);
        assert!(steps > 25, "{steps}");
        for failing in 1..=steps {
            write_thrice(failing);
        }
    }

    #[test]
    fn load_falls_back_to_the_backup() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n.json");
        assert_eq!(load(&path, as_number).unwrap(), Loaded::Nothing);
        fs::write(&path, "7").unwrap();
        assert_eq!(load(&path, as_number).unwrap(), Loaded::Main(7));
        fs::write(backup_path(&path), "6").unwrap();
        fs::write(&path, "").unwrap();
        assert_eq!(load(&path, as_number).unwrap(), Loaded::Backup(6, None));
        fs::write(&path, "seven").unwrap();
        let loaded = load(&path, as_number).unwrap();
        assert!(matches!(&loaded, Loaded::Backup(6, Some(why)) if why.contains("seven")));
    }

    #[test]
    fn undecodable_content_is_never_an_empty_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n.json");
        fs::write(&path, "seven").unwrap();
        assert!(matches!(load(&path, as_number), Err(LoadError::Undecodable { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "seven", "left for a human to look at");
    }
}
