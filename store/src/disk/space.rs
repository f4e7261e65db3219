//! How full a disk is, as Java counts it.

use std::io;
use std::path::Path;

/// Bytes of the file system that holds a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Of the whole file system.
    pub total: u64,
    /// Not used by any file.
    pub free: u64,
    /// Of those, what others than root may use.
    pub usable: u64,
}

impl DiskSpace {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let stat = nix::sys::statvfs::statvfs(path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.fragment_size());
        Ok(Self {
            total: bytes(stat.blocks()),
            free: bytes(stat.blocks_free()),
            usable: bytes(stat.blocks_available()),
        })
    }

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

#[test]
fn percent_is_rounded_up_and_leaves_out_what_is_root_s() {
    let ratio = |total, free, usable| DiskSpace { total, free, usable }.used_ratio();
    assert_eq!([ratio(100, 50, 50), ratio(1000, 499, 499)], [0.5, 0.51]);
    assert_eq!([ratio(100, 20, 10), ratio(100, 100, 100), ratio(0, 0, 0)], [0.89, 0.0, -1.0]);
}
