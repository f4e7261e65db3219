//! Touching mapped memory so that a fault is an error and not the end of the process.
//!
//! A page that the disk does not give, or that lies behind the end of a file which was cut meanwhile, raises SIGBUS when it
//! is touched, and there is no way to ask before. So a few instructions of a known place do all the touching, as in a kernel's
//! `copy_from_user`: a handler that finds the fault in one of them has the routine return the address at which it stopped,
//! where it returns 0 otherwise. A fault anywhere else is left to the handler before this one. Nothing is patched: as
//! soon as the disk gives the page again, it can be read.

use std::arch::global_asm;
use std::sync::{Once, OnceLock};

/// Each routine is a leaf that leaves the stack alone, so that it can return from anywhere.
macro_rules! routines {
    ($($line:literal),+ $(,)?) => {
        global_asm!(
            ".text",
            ".globl store_guarded_begin, store_guarded_end, store_guarded_return",
            ".hidden store_guarded_begin, store_guarded_end, store_guarded_return",
            ".globl store_guarded_copy, store_guarded_load32, store_guarded_load64",
            ".hidden store_guarded_copy, store_guarded_load32, store_guarded_load64",
            ".globl store_guarded_store32, store_guarded_store64",
            ".hidden store_guarded_store32, store_guarded_store64",
            ".p2align 4",
            "store_guarded_begin:",
            $($line,)+
            "store_guarded_end:",
            "store_guarded_return:",
            "ret",
        );
    };
}

#[cfg(target_arch = "x86_64")]
routines!(
    "store_guarded_copy:",
    "cmp rdx, 64",
    "jb 3f",
    "2:",
    "movups xmm0, [rsi]",
    "movups xmm1, [rsi + 16]",
    "movups xmm2, [rsi + 32]",
    "movups xmm3, [rsi + 48]",
    "movups [rdi], xmm0",
    "movups [rdi + 16], xmm1",
    "movups [rdi + 32], xmm2",
    "movups [rdi + 48], xmm3",
    "add rsi, 64",
    "add rdi, 64",
    "sub rdx, 64",
    "cmp rdx, 64",
    "jae 2b",
    "3:",
    "cmp rdx, 8",
    "jb 4f",
    "mov rax, [rsi]",
    "mov [rdi], rax",
    "add rsi, 8",
    "add rdi, 8",
    "sub rdx, 8",
    "jmp 3b",
    "4:",
    "test rdx, rdx",
    "jz 5f",
    "mov al, [rsi]",
    "mov [rdi], al",
    "inc rsi",
    "inc rdi",
    "dec rdx",
    "jmp 4b",
    "5:",
    "xor eax, eax",
    "ret",
    "store_guarded_load32:",
    "mov eax, [rdi]",
    "mov [rsi], eax",
    "xor eax, eax",
    "ret",
    "store_guarded_load64:",
    "mov rax, [rdi]",
    "mov [rsi], rax",
    "xor eax, eax",
    "ret",
    "store_guarded_store32:",
    "mov [rdi], esi",
    "xor eax, eax",
    "ret",
    "store_guarded_store64:",
    "mov [rdi], rsi",
    "xor eax, eax",
    "ret",
);

#[cfg(target_arch = "aarch64")]
routines!(
    "store_guarded_copy:",
    "cmp x2, #32",
    "b.lo 3f",
    "2:",
    "ldp q0, q1, [x1], #32",
    "stp q0, q1, [x0], #32",
    "sub x2, x2, #32",
    "cmp x2, #32",
    "b.hs 2b",
    "3:",
    "cmp x2, #8",
    "b.lo 4f",
    "ldr x3, [x1], #8",
    "str x3, [x0], #8",
    "sub x2, x2, #8",
    "b 3b",
    "4:",
    "cbz x2, 5f",
    "ldrb w3, [x1], #1",
    "strb w3, [x0], #1",
    "sub x2, x2, #1",
    "b 4b",
    "5:",
    "mov x0, #0",
    "ret",
    "store_guarded_load32:",
    "ldar w2, [x0]",
    "str w2, [x1]",
    "mov x0, #0",
    "ret",
    "store_guarded_load64:",
    "ldar x2, [x0]",
    "str x2, [x1]",
    "mov x0, #0",
    "ret",
    "store_guarded_store32:",
    "stlr w1, [x0]",
    "mov x0, #0",
    "ret",
    "store_guarded_store64:",
    "stlr x1, [x0]",
    "mov x0, #0",
    "ret",
);

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("the guarded routines are written for x86_64 and aarch64: this processor needs its own");

// SAFETY: the routines above have these signatures. Loads acquire and stores release (x86 does so by itself).
unsafe extern "C" {
    fn store_guarded_begin();
    fn store_guarded_end();
    fn store_guarded_return();
    fn store_guarded_copy(to: *mut u8, from: *const u8, bytes: usize) -> usize;
    fn store_guarded_load32(from: *const u32, to: *mut u32) -> usize;
    fn store_guarded_load64(from: *const u64, to: *mut u64) -> usize;
    fn store_guarded_store32(to: *mut u32, value: u32) -> usize;
    fn store_guarded_store64(to: *mut u64, value: u64) -> usize;
}

/// The address that could not be touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FaultAt(pub usize);

fn outcome(address: usize) -> Result<(), FaultAt> {
    if address == 0 { Ok(()) } else { Err(FaultAt(address)) }
}

/// Copies as `memcpy` does. After a fault a part may have been copied.
///
/// # Safety
/// `from` and `to` are memory of that many bytes, of which one may be mapped without there being a page; they do not overlap;
/// nothing in the language refers to what is written.
pub(super) unsafe fn copy(to: *mut u8, from: *const u8, bytes: usize) -> Result<(), FaultAt> {
    // SAFETY: as above.
    outcome(unsafe { store_guarded_copy(to, from, bytes) })
}

/// Loads a number at once, with acquire.
///
/// # Safety
/// `from` is aligned and mapped.
pub(super) unsafe fn load32(from: *const u32) -> Result<u32, FaultAt> {
    let mut value = 0;
    // SAFETY: as above; `value` takes four bytes.
    outcome(unsafe { store_guarded_load32(from, &raw mut value) }).map(|()| value)
}

/// As [`load32`].
///
/// # Safety
/// `from` is aligned and mapped.
pub(super) unsafe fn load64(from: *const u64) -> Result<u64, FaultAt> {
    let mut value = 0;
    // SAFETY: as above; `value` takes eight bytes.
    outcome(unsafe { store_guarded_load64(from, &raw mut value) }).map(|()| value)
}

/// Stores a number at once, with release.
///
/// # Safety
/// `to` is aligned and mapped, and nothing in the language refers to it.
pub(super) unsafe fn store32(to: *mut u32, value: u32) -> Result<(), FaultAt> {
    // SAFETY: as above.
    outcome(unsafe { store_guarded_store32(to, value) })
}

/// As [`store32`].
///
/// # Safety
/// `to` is aligned and mapped, and nothing in the language refers to it.
pub(super) unsafe fn store64(to: *mut u64, value: u64) -> Result<(), FaultAt> {
    // SAFETY: as above.
    outcome(unsafe { store_guarded_store64(to, value) })
}

/// Who handled SIGBUS before.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs the handler, once a process. Before the first mapping is touched.
pub(super) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: plain data, for which all zeros is a valid value.
        let mut ours: libc::sigaction = unsafe { std::mem::zeroed() };
        ours.sa_sigaction = on_bus_error as *const () as usize;
        // On the stack for signals, where there is one: std gives its threads such.
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: as above.
        let mut previous: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: both structs outlive the call, and the handler keeps to what a handler may do.
        if unsafe { libc::sigaction(libc::SIGBUS, &raw const ours, &raw mut previous) } == 0 {
            let _ = PREVIOUS.set(previous);
        }
    });
}

/// Reads and changes registers of the interrupted thread; allocates, locks and calls nothing.
extern "C" fn on_bus_error(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes both, valid until we return, and a context of this type.
    let (address, registers) =
        unsafe { ((*info).si_addr() as usize, &mut *context.cast::<libc::ucontext_t>()) };
    if !end_routine(registers, address) {
        leave_to_previous(signal, info, context);
    }
}

/// Has the thread go on at the end of the routine that it is in, with `answer`. False if it is in none.
fn end_routine(registers: &mut libc::ucontext_t, answer: usize) -> bool {
    let routines = store_guarded_begin as *const () as usize..store_guarded_end as *const () as usize;
    let (program_counter, result) = program_counter_and_result(registers);
    if !routines.contains(&(*program_counter as usize)) {
        return false;
    }
    *program_counter = store_guarded_return as *const () as _;
    *result = answer as _;
    true
}

#[cfg(target_arch = "x86_64")]
fn program_counter_and_result(registers: &mut libc::ucontext_t) -> (&mut i64, &mut i64) {
    const _: () = assert!(libc::REG_RAX < libc::REG_RIP);
    let (before, from) = registers.uc_mcontext.gregs.split_at_mut(libc::REG_RIP as usize);
    (&mut from[0], &mut before[libc::REG_RAX as usize])
}

#[cfg(target_arch = "aarch64")]
fn program_counter_and_result(registers: &mut libc::ucontext_t) -> (&mut u64, &mut u64) {
    (&mut registers.uc_mcontext.pc, &mut registers.uc_mcontext.regs[0])
}

/// A fault that is none of ours, as it would have gone without us.
fn leave_to_previous(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    type WithInfo = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
    match PREVIOUS.get() {
        Some(previous)
            if previous.sa_flags & libc::SA_SIGINFO != 0
                && !matches!(previous.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) =>
        {
            // SAFETY: with this flag it is the address of such a function.
            let handler = unsafe { std::mem::transmute::<usize, WithInfo>(previous.sa_sigaction) };
            handler(signal, info, context);
        }
        // The access is made again when we return, and then ends the process.
        // SAFETY: sets the disposition that there was before.
        _ => unsafe {
            libc::signal(signal, libc::SIG_DFL);
        },
    }
}
