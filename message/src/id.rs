//! The offset message id: where a message lies, as hex (`MessageDecoder.createMessageId`).
//!
//! `ip (4 or 16 bytes) | port i32 | physical offset i64`, upper case: 32 characters for IPv4, 56 for IPv6.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Characters of an id with an IPv4 host.
pub const IPV4_CHARS: usize = 32;
/// Characters of an id with an IPv6 host.
pub const IPV6_CHARS: usize = 56;

/// The id of the record at `physical_offset` of the broker at `store_host`.
pub fn offset_message_id(store_host: SocketAddr, physical_offset: i64) -> String {
    let mut id = String::with_capacity(IPV6_CHARS);
    push_offset_message_id(&mut id, store_host, physical_offset);
    id
}

/// As [`offset_message_id`], at the end of `out` (a batch reply joins ids with commas).
pub fn push_offset_message_id(out: &mut String, store_host: SocketAddr, physical_offset: i64) {
    let written = match store_host.ip().to_canonical() {
        IpAddr::V4(ip) => write!(out, "{:08X}", u32::from(ip)),
        IpAddr::V6(ip) => write!(out, "{:032X}", u128::from(ip)),
    };
    // Writing to a String cannot fail.
    let _ = written.and_then(|()| write!(out, "{:08X}{physical_offset:016X}", store_host.port()));
}

/// Host and physical offset of an id, or `None` if it is not one (`MessageDecoder.decodeMessageId`).
pub fn parse_offset_message_id(id: &str) -> Option<(SocketAddr, i64)> {
    if !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let ip_chars = match id.len() {
        IPV4_CHARS => 8,
        IPV6_CHARS => 32,
        _ => return None,
    };
    let (ip, rest) = id.split_at(ip_chars);
    let ip = match ip_chars {
        8 => IpAddr::V4(Ipv4Addr::from(u32::from_str_radix(ip, 16).ok()?)),
        _ => IpAddr::V6(Ipv6Addr::from(u128::from_str_radix(ip, 16).ok()?)),
    };
    let (port, offset) = rest.split_at(8);
    let port = u16::try_from(u32::from_str_radix(port, 16).ok()?).ok()?;
    let offset = u64::from_str_radix(offset, 16).ok()? as i64;
    Some((SocketAddr::new(ip, port), offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_as_seen_live() {
        let host = "127.0.0.1:10911".parse().unwrap();
        let id = offset_message_id(host, 0x26ab8243);
        assert_eq!(id, "7F00000100002A9F0000000026AB8243");
        assert_eq!(parse_offset_message_id(&id), Some((host, 0x26ab8243)));
    }

    #[test]
    fn ipv6_and_mapped_ipv4() {
        let host = "[fd99::2]:10911".parse().unwrap();
        let id = offset_message_id(host, 7);
        assert_eq!(id.len(), IPV6_CHARS);
        assert_eq!(parse_offset_message_id(&id), Some((host, 7)));
        let mapped = "[::ffff:10.0.0.1]:1".parse().unwrap();
        assert_eq!(offset_message_id(mapped, 0), "0A000001000000010000000000000000");
    }

    #[test]
    fn what_is_not_an_id() {
        for bad in ["", "7F", "7F00000100002A9F0000000026AB824Z", "7F00000101002A9F0000000026AB8243", "+é"] {
            assert_eq!(parse_offset_message_id(bad), None, "{bad}");
        }
    }
}
