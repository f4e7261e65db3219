//! Which of the host's addresses a broker gives to its clients, as `NetworkUtil.getLocalAddress` of Java 5.5.0 chooses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::Path;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

/// One address of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub interface: String,
    pub address: IpAddr,
}

/// The address as text; an IPv6 address in brackets, written Java's way with its scope.
pub fn pick(host_name: &str) -> String {
    match choose(&java_order(candidates())) {
        Some(candidate) => render(candidate),
        None => resolve(host_name).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)).to_string(),
    }
}

/// Addresses of the interfaces that Java considers, as the kernel lists them.
fn candidates() -> Vec<Candidate> {
    let Ok(interfaces) = getifaddrs() else { return Vec::new() };
    interfaces
        .filter(|interface| {
            let flags = interface.flags;
            flags.contains(InterfaceFlags::IFF_UP) && !flags.contains(InterfaceFlags::IFF_POINTOPOINT)
        })
        .filter_map(|interface| {
            let storage = interface.address?;
            let address = match (storage.as_sockaddr_in(), storage.as_sockaddr_in6()) {
                (Some(v4), _) => IpAddr::V4(v4.ip()),
                (_, Some(v6)) => IpAddr::V6(v6.ip()),
                _ => return None,
            };
            // An alias such as eth0:1 belongs to its parent.
            let name = interface.interface_name.split(':').next().unwrap_or_default().to_string();
            Some(Candidate { interface: name, address })
        })
        .filter(|candidate| !is_bridge(&candidate.interface))
        .collect()
}

fn is_bridge(interface: &str) -> bool {
    Path::new("/sys/class/net").join(interface).join("bridge").exists()
}

/// `java.net.NetworkInterface` pushes each interface and each address to the front of a list, so that the last listed
/// by the kernel comes first. The IPv4 pass runs before the IPv6 pass.
fn java_order(kernel_order: Vec<Candidate>) -> Vec<Candidate> {
    let (v4, v6): (Vec<_>, Vec<_>) =
        kernel_order.into_iter().partition(|candidate| candidate.address.is_ipv4());
    let mut interfaces: Vec<String> = Vec::new();
    let mut addresses = Vec::new();
    for candidate in v4.into_iter().chain(v6) {
        if !interfaces.contains(&candidate.interface) {
            interfaces.insert(0, candidate.interface.clone());
        }
        addresses.insert(0, candidate);
    }
    let rank = |name: &str| interfaces.iter().position(|interface| interface == name);
    addresses.sort_by_key(|candidate| rank(&candidate.interface));
    addresses
}

/// IPv4 before IPv6, public before private; among private ones Java takes the last IPv4 but the first IPv6.
fn choose(candidates: &[Candidate]) -> Option<&Candidate> {
    let outward = || candidates.iter().filter(|candidate| !candidate.address.is_loopback());
    let v4 = || outward().filter(|candidate| candidate.address.is_ipv4());
    let v6 = || outward().filter(|candidate| candidate.address.is_ipv6());
    let public = |candidate: &&Candidate| !is_internal(candidate.address);
    v4().find(public).or_else(|| v4().next_back()).or_else(|| v6().find(public)).or_else(|| v6().next())
}

/// `UtilAll.isInternalIP` and `isInternalV6IP`.
fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback(),
        IpAddr::V6(v6) => {
            let site_local = v6.segments()[0] & 0xffc0 == 0xfec0;
            v6.is_unspecified() || v6.is_loopback() || v6.is_unicast_link_local() || site_local
        }
    }
}

fn render(candidate: &Candidate) -> String {
    match candidate.address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{}%{}]", java_v6(v6), candidate.interface),
    }
}

/// Java never shortens a run of zeros.
fn java_v6(address: Ipv6Addr) -> String {
    address.segments().map(|segment| format!("{segment:x}")).join(":")
}

fn resolve(host_name: &str) -> Option<IpAddr> {
    let addresses: Vec<SocketAddr> = (host_name, 0).to_socket_addrs().ok()?.collect();
    let v4 = addresses.iter().find(|address| address.is_ipv4());
    v4.or(addresses.first()).map(SocketAddr::ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(interface: &str, address: &str) -> Candidate {
        Candidate { interface: interface.to_string(), address: address.parse().unwrap() }
    }

    fn chosen(kernel_order: &[Candidate]) -> Option<String> {
        choose(&java_order(kernel_order.to_vec())).map(render)
    }

    #[test]
    fn public_before_private_before_loopback() {
        let lo = at("lo", "127.0.0.1");
        let private = at("eth0", "10.1.2.3");
        let public = at("eth1", "203.0.113.9");
        assert_eq!(chosen(&[lo.clone(), private.clone(), public]).as_deref(), Some("203.0.113.9"));
        assert_eq!(chosen(&[lo.clone(), private]).as_deref(), Some("10.1.2.3"));
        assert_eq!(chosen(&[lo]), None);
    }

    /// Java reverses the kernel's order and then takes the last private address: the kernel's first.
    #[test]
    fn first_listed_private_address() {
        let addresses = [at("eth0", "10.0.0.1"), at("eth0", "10.0.0.2"), at("eth1", "192.168.0.1")];
        assert_eq!(chosen(&addresses).as_deref(), Some("10.0.0.1"));
    }

    #[test]
    fn v6_is_written_as_java_does() {
        let addresses = [at("lo", "::1"), at("eth0", "fd00::2"), at("eth0", "fe80::1")];
        assert_eq!(chosen(&addresses).as_deref(), Some("[fd00:0:0:0:0:0:0:2%eth0]"));
    }

    #[test]
    fn this_host_has_an_address() {
        assert!(!pick("localhost").is_empty());
    }
}
