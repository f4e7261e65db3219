//! What only the C library says.

/// Year, month, day, hour, minute and second of a moment in the time zone of the process (`TZ`, `/etc/localtime`).
pub fn local_time(ms: i64) -> [i32; 6] {
    let seconds: libc::time_t = ms.div_euclid(1000);
    // SAFETY: plain data, for which all zeros is a valid value; the call reads one number and fills the struct.
    let time = unsafe {
        let mut time: libc::tm = std::mem::zeroed();
        libc::localtime_r(&raw const seconds, &raw mut time);
        time
    };
    [time.tm_year + 1900, time.tm_mon + 1, time.tm_mday, time.tm_hour, time.tm_min, time.tm_sec]
}

/// Bytes of memory of the machine.
pub fn physical_memory_bytes() -> u64 {
    // SAFETY: asks for two numbers.
    let (pages, page_bytes) =
        unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    u64::try_from(pages).unwrap_or(0) * u64::try_from(page_bytes).unwrap_or(0)
}

/// What memory is fetched by.
pub const CACHE_LINE_BYTES: usize = 64;

/// A hint, which may be of any address.
pub fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: faults are not raised, nothing is read or written as the language sees it.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
}
