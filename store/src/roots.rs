//! The directories over which the log files are spread (`MultiPathMappedFileQueue`, 5.5.0).

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The directories of one sequence of files.
#[derive(Debug)]
pub struct Roots(Vec<Root>);

#[derive(Debug)]
struct Root {
    dir: PathBuf,
    /// Among those that the sequence is kept in, as opposed to those it is read from.
    configured: bool,
    read_only: bool,
    /// Too full for another file, as far as the last look at the disk could tell.
    full: AtomicBool,
}

impl Roots {
    /// `dirs` get new files unless they are in `read_only`, too. Java ignores read-only directories where there is but one
    /// other; whoever reads its configuration leaves them out.
    pub fn new(dirs: &[PathBuf], read_only: &[PathBuf]) -> Self {
        // Java sorts the names as texts.
        let all: BTreeSet<_> = dirs.iter().chain(read_only).map(|dir| dir.as_os_str()).collect();
        let root = |dir: &Path| Root {
            dir: dir.to_owned(),
            configured: dirs.iter().any(|other| other.as_os_str() == dir.as_os_str()),
            read_only: read_only.iter().any(|other| other.as_os_str() == dir.as_os_str()),
            full: AtomicBool::new(false),
        };
        Self(all.into_iter().map(|dir| root(Path::new(dir))).collect())
    }

    pub fn dir(&self, root: u16) -> &Path {
        &self.0[usize::from(root)].dir
    }

    /// Every directory that may hold files, with its number.
    pub fn all(&self) -> impl Iterator<Item = (u16, &Path)> {
        self.0.iter().enumerate().map(|(number, root)| (number as u16, &*root.dir))
    }

    /// The directories whose disks count (`storePathCommitLog`).
    pub fn configured(&self) -> impl Iterator<Item = (u16, &Path)> {
        self.all().filter(|(number, _)| self.0[usize::from(*number)].configured)
    }

    /// Those of `dirs` that are no directory of an earlier one under another name.
    pub fn distinct<'a>(
        dirs: impl Iterator<Item = (u16, &'a Path)>,
    ) -> impl Iterator<Item = (u16, &'a Path)> {
        let mut seen = HashSet::new();
        dirs.filter(move |(_, dir)| seen.insert(fs::canonicalize(dir).unwrap_or_else(|_| dir.to_path_buf())))
    }

    /// Notes whether a directory's disk is too full for another file (`CommitLog.setFullStorePaths`).
    pub fn set_full(&self, root: u16, full: bool) {
        self.0[usize::from(root)].full.store(full, Ordering::Relaxed);
    }

    /// Where the file with this number, counted from the start of the log, should go: in turn to each directory that is
    /// neither read-only nor full, or else not read-only (`tryCreateMappedFile`). Behind the first come those to try if it
    /// fails.
    pub fn for_new_file(&self, number: i64) -> Vec<u16> {
        let numbers = |fits: &dyn Fn(&Root) -> bool| -> Vec<u16> {
            self.all()
                .map(|(number, _)| number)
                .filter(|number| fits(&self.0[usize::from(*number)]))
                .collect()
        };
        let mut candidates = numbers(&|root| !root.read_only && !root.full.load(Ordering::Relaxed));
        if candidates.is_empty() {
            candidates = numbers(&|root| !root.read_only);
        }
        if !candidates.is_empty() {
            let turn = number.rem_euclid(candidates.len() as i64);
            candidates.rotate_left(turn as usize);
        }
        candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    fn picks(roots: &Roots) -> Vec<String> {
        let pick =
            |number| roots.for_new_file(number).first().map(|root| roots.dir(*root).display().to_string());
        (0..4).map(|number| pick(number).unwrap_or_default()).collect()
    }

    #[test]
    fn files_go_to_each_directory_in_turn() {
        let roots = Roots::new(&paths(&["c", "a", "b", "a"]), &[]);
        assert_eq!(picks(&roots), ["a", "b", "c", "a"]);
        assert_eq!(roots.for_new_file(4), [1, 2, 0]);
    }

    #[test]
    fn read_only_and_full_directories_are_left_out() {
        let roots = Roots::new(&paths(&["a", "b", "c"]), &paths(&["b", "old"]));
        assert_eq!(picks(&roots), ["a", "c", "a", "c"]);
        assert_eq!(roots.all().count(), 4);
        assert_eq!(roots.configured().count(), 3);
        roots.set_full(0, true);
        assert_eq!(picks(&roots), ["c", "c", "c", "c"]);
        roots.set_full(2, true);
        assert_eq!(picks(&roots), ["a", "c", "a", "c"], "full ones before none");
        assert!(Roots::new(&paths(&["a"]), &paths(&["a"])).for_new_file(7).is_empty());
    }
}
