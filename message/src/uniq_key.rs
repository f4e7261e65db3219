//! The unique key that a sender without one gets (`MessageClientIDSetter.createUniqID`).
//!
//! `ip (4 or 16 bytes) | process id u16 | random u32 | milliseconds of this month u32 | counter u16`, upper case hex.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU16, Ordering};

/// Makes keys for one process.
pub struct UniqKeys {
    /// The part that stays.
    prefix: String,
    counter: AtomicU16,
}

impl UniqKeys {
    /// For a process on the host with this address.
    pub fn new(ip: IpAddr) -> UniqKeys {
        let mut prefix = String::new();
        let written = match ip.to_canonical() {
            IpAddr::V4(ip) => write!(prefix, "{:08X}", u32::from(ip)),
            IpAddr::V6(ip) => write!(prefix, "{:032X}", u128::from(ip)),
        };
        // Java takes the hash code of a class loader: a number that tells processes apart.
        let random = fastrand::u32(..);
        // Writing to a String cannot fail.
        let _ = written.and_then(|()| write!(prefix, "{:04X}{random:08X}", std::process::id() as u16));
        UniqKeys { prefix, counter: AtomicU16::new(0) }
    }

    /// `now_ms`: milliseconds since the epoch.
    pub fn next(&self, now_ms: i64) -> String {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed);
        let of_month_ms = (now_ms - month_start_ms(now_ms)) as u32;
        format!("{}{of_month_ms:08X}{counter:04X}", self.prefix)
    }
}

/// Start of the month in UTC (Java: in local time; its readers allow for a month's difference).
fn month_start_ms(now_ms: i64) -> i64 {
    const DAY_MS: i64 = 86_400_000;
    let days = now_ms.div_euclid(DAY_MS);
    // Days since 1 March of year 0, in eras of 400 years: Hinnant's civil calendar.
    let of_era = (days + 719_468).rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5;
    (days - of_month) * DAY_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months() {
        let day = |day: i64| day * 86_400_000;
        assert_eq!(month_start_ms(0), 0);
        assert_eq!(month_start_ms(day(31) - 1), 0);
        assert_eq!(month_start_ms(day(31)), day(31));
        // 29 February 2024 and 1 March 2024.
        assert_eq!(month_start_ms(1_709_164_800_000 + 5), 1_706_745_600_000);
        assert_eq!(month_start_ms(1_709_251_200_000), 1_709_251_200_000);
        assert_eq!(month_start_ms(-1), day(-31));
    }

    #[test]
    fn keys_differ_and_have_java_s_length() {
        let keys = UniqKeys::new([10, 0, 0, 1].into());
        let (one, two) = (keys.next(1000), keys.next(1000));
        assert!(one.starts_with("0A000001") && one.ends_with("000003E80000"), "{one}");
        assert_ne!(one, two);
        assert_eq!(one.len(), 32);
        assert_eq!(UniqKeys::new("::1".parse().unwrap()).next(0).len(), 56);
    }
}
