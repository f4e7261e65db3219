//! How full a disk is, as Java counts it.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Bytes of the file system that holds a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    pub total: u64,
    /// Not used by any file.
    pub free: u64,
    /// Of those, what others than root may use.
    pub usable: u64,
}

impl DiskSpace {
    /// The used part in whole percent, rounded up, as a fraction (`UtilAll.getDiskPartitionSpaceUsedPercent`).
    pub fn used_ratio(&self) -> f64 {
        let used = self.total.saturating_sub(self.free);
        let entire = used + self.usable;
        if self.total == 0 || entire == 0 {
            return -1.0;
        }
        (u128::from(used) * 100).div_ceil(u128::from(entire)) as f64 / 100.0
    }
}

type Look = dyn Fn(&Path) -> io::Result<DiskSpace> + Send + Sync;

/// Where the sizes of disks come from; tests pass their own.
#[derive(Clone)]
pub struct Disk(Arc<Look>);

impl Disk {
    pub fn new(look: impl Fn(&Path) -> io::Result<DiskSpace> + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }

    /// The disks there are.
    pub fn real() -> Self {
        Self::new(|path| {
            let stat = nix::sys::statvfs::statvfs(path)?;
            let bytes = |blocks: u64| blocks.saturating_mul(stat.fragment_size());
            Ok(DiskSpace {
                total: bytes(stat.blocks()),
                free: bytes(stat.blocks_free()),
                usable: bytes(stat.blocks_available()),
            })
        })
    }

    pub fn space(&self, path: &Path) -> io::Result<DiskSpace> {
        (self.0)(path)
    }

    /// The used part of the disk that holds `path`, from 0 to 1; -1 if the path is missing or the disk does not say.
    pub fn used_ratio(&self, path: &Path) -> f64 {
        self.space(path).map_or(-1.0, |space| space.used_ratio())
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_rounded_up_and_leaves_out_what_is_root_s() {
        let ratio = |total, free, usable| DiskSpace { total, free, usable }.used_ratio();
        assert_eq!([ratio(100, 50, 50), ratio(1000, 499, 499)], [0.5, 0.51]);
        assert_eq!([ratio(100, 20, 10), ratio(100, 100, 100), ratio(0, 0, 0)], [0.89, 0.0, -1.0]);
    }

    #[test]
    fn a_real_disk_says_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let space = Disk::real().space(dir.path()).unwrap();
        assert!(space.usable <= space.free && space.free < space.total, "{space:?}");
        assert_eq!(Disk::real().used_ratio(&dir.path().join("none")), -1.0);
    }
}
