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

/// Replaces the content of `path` durably; the previous content stays in `<path>.bak`. Makes missing parent folders.
///
/// At every moment, power cut included, `path` holds the old or the new content whole. So it does after an error, which
/// names the step that failed.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    create_folder(folder)?;
    let fresh = with_suffix(path, ".tmp");
    write_synced(&fresh, content)?;
    keep_backup(path)?;
    fs::rename(&fresh, path).map_err(failed("replace", path))?;
    sync_folder(folder)
}

/// Makes a folder and its parents where they are missing, durably: a power cut does not take them away again. An error
/// names the step that failed.
pub fn create_folder(folder: &Path) -> Result<(), FileError> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let missing: Vec<_> = folder.ancestors().take_while(is_missing).collect();
    fs::create_dir_all(folder).map_err(failed("create folder", folder))?;
    let parents = missing.iter().filter_map(|made| made.parent());
    parents.into_iter().try_for_each(|parent| match parent.as_os_str().is_empty() {
        true => sync_folder(Path::new(".")),
        false => sync_folder(parent),
    })
}

fn write_synced(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let mut file = File::create(path).map_err(failed("create", path))?;
    file.write_all(content).map_err(failed("write", path))?;
    file.sync_all().map_err(failed("sync", path))
}

/// Lets the backup's name point at the current content, without a moment in which either name is missing.
fn keep_backup(path: &Path) -> Result<(), FileError> {
    let link = with_suffix(path, ".bak.tmp");
    match fs::remove_file(&link) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &link)(cause)),
        _ => {}
    }
    match fs::hard_link(path, &link) {
        Ok(()) => fs::rename(&link, backup_path(path)).map_err(failed("back up", path)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        // Some file systems know no hard links.
        Err(_) => {
            fs::copy(path, &link).map_err(failed("back up", path))?;
            fs::rename(&link, backup_path(path)).map_err(failed("back up", path))
        }
    }
}

/// Makes names that were added to or removed from a folder survive a power cut. An error if the folder cannot be opened or
/// synced.
pub fn sync_folder(folder: &Path) -> Result<(), FileError> {
    let handle = OpenOptions::new().read(true).open(folder).map_err(failed("open folder", folder))?;
    handle.sync_all().map_err(failed("sync folder", folder))
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
