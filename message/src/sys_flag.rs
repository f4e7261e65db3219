//! Bits of a message's `sysFlag` (`org.apache.rocketmq.common.sysflag.MessageSysFlag`).

/// The body is compressed; further bits say how.
pub const COMPRESSED: i32 = 0x1;
/// The message may have several tags.
pub const MULTI_TAGS: i32 = 0x2;

/// The two transaction bits; one of the four values below.
pub const TRANSACTION_MASK: i32 = 0xc;
/// No transaction.
pub const TRANSACTION_NOT: i32 = 0;
/// A half message.
pub const TRANSACTION_PREPARED: i32 = 0x4;
/// A message whose transaction was committed.
pub const TRANSACTION_COMMIT: i32 = 0x8;
/// A message whose transaction was rolled back.
pub const TRANSACTION_ROLLBACK: i32 = 0xc;

/// The born host is an IPv6 address.
pub const BORN_HOST_V6: i32 = 0x10;
/// The store host is an IPv6 address.
pub const STORE_HOST_V6: i32 = 0x20;
/// The consumer has to take the messages of a batch apart.
pub const NEED_UNWRAP: i32 = 0x40;
/// The record is a batch.
pub const INNER_BATCH: i32 = 0x80;

/// One of the four `TRANSACTION_*` values.
pub const fn transaction(sys_flag: i32) -> i32 {
    sys_flag & TRANSACTION_MASK
}

/// The flag with another of the four.
pub const fn with_transaction(sys_flag: i32, transaction: i32) -> i32 {
    (sys_flag & !TRANSACTION_MASK) | transaction
}
