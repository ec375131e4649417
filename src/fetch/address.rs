//! Which addresses are public: those of hosts on the internet, and of nothing nearer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks of IPv4 in which no public host is, with the lengths of their prefixes.
const CLOSED_V4: [(Ipv4Addr, u32); 16] = [
    // This network, and "any address".
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    // Private (RFC 1918).
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    // Shared by the customers of a carrier (RFC 6598).
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    // Loopback.
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local: among others where clouds keep their machines' credentials.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // The hosts beneath virtual machines in one large cloud: a public number, and not a public host.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    // For protocols (RFC 6890), and the relays of 6to4.
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    // For documents, and for benchmarks.
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    // Multicast; reserved, with the broadcast address.
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The networks of IPv6 in which public hosts are at all. Loopback, link-local, site-local, unique local, multicast,
/// discarded and IPv4-compatible addresses are outside of it.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Networks within [`GLOBAL_V6`] in which no public host is.
const CLOSED_V6: [(Ipv6Addr, u32); 4] = [
    // For protocols: Teredo, which has an IPv4 address in it, benchmarks, and identifiers that are no addresses.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // 6to4, which has an IPv4 address in it.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    // For documents.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// The translation of IPv4 to IPv6 (NAT64, RFC 6052), by which networks without IPv4 reach public hosts.
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Whether an address is one of a public host: not private, loopback, link-local, shared by a carrier, multicast,
/// unspecified, broadcast, reserved, for documents or for benchmarks. An IPv6 address that stands for an IPv4 one
/// (mapped, NAT64) is as public as that; those of 6to4 and Teredo, and the IPv4-compatible ones, never are.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match stands_for(address) {
            Some(address) => is_public_v4(address),
            None => within_v6(address, GLOBAL_V6) && !CLOSED_V6.iter().any(|net| within_v6(address, *net)),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !CLOSED_V4.iter().any(|net| within_v4(address, *net))
}

/// The IPv4 address to which packets for an IPv6 address go in truth.
fn stands_for(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., a, b, c, d] = address.octets();
    let embedded = within_v6(address, NAT64).then(|| Ipv4Addr::new(a, b, c, d));
    address.to_ipv4_mapped().or(embedded)
}

/// The length of a prefix is at least 1.
fn within_v4(address: Ipv4Addr, (net, length): (Ipv4Addr, u32)) -> bool {
    (u32::from(address) ^ u32::from(net)) >> (32 - length) == 0
}

fn within_v6(address: Ipv6Addr, (net, length): (Ipv6Addr, u32)) -> bool {
    (u128::from(address) ^ u128::from(net)) >> (128 - length) == 0
}
