//! IP networks, and which one a request came from. The network, never the address, is what limits are counted by:
//! one household or one phone owns a whole IPv6 /64, so counting single addresses there would count nothing.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use axum::http::HeaderMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const FORWARDED_FOR: &str = "x-forwarded-for";
// A chain of honest proxies is short; a longer header is somebody playing.
const MAX_HOPS: usize = 32;

/// A range of addresses such as `10.0.0.0/8`; host bits are zero. IPv4-mapped IPv6 addresses count as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpNetwork {
    address: IpAddr,
    prefix: u8,
}

/// A text that is no IP network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an IP address or network such as 10.0.0.0/8 or fd00::/8")]
pub struct NotANetwork;

impl IpNetwork {
    /// The network of `prefix` bits around `address`; a prefix longer than the address is cut to it.
    pub fn around(address: IpAddr, prefix: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let prefix = prefix.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                Self { address: Ipv4Addr::from_bits(v4.to_bits() & mask).into(), prefix }
            }
            IpAddr::V6(v6) => {
                let prefix = prefix.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                Self { address: Ipv6Addr::from_bits(v6.to_bits() & mask).into(), prefix }
            }
        }
    }

    /// Whether `address` lies in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && Self::around(address, self.prefix) == *self
    }

    /// Length of the fixed part, in bits.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The lowest address of the network.
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for IpNetwork {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| NotANetwork)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(most);
        if prefix > most {
            return Err(NotANetwork);
        }
        // ::ffff:10.0.0.0/104 is 10.0.0.0/8 in other clothes; shorter prefixes reach beyond IPv4.
        match address {
            IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
                prefix.checked_sub(96).map(|prefix| Self::around(address, prefix)).ok_or(NotANetwork)
            }
            _ => Ok(Self::around(address, prefix)),
        }
    }
}

impl Serialize for IpNetwork {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IpNetwork {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The network a request came from: the IPv4 address itself, or the /64 around an IPv6 address.
///
/// `X-Forwarded-For` is read only when the peer is one of `trusted_proxies`, and from its right end: the first
/// address that is not a trusted proxy is the client. What stands further left was written by the client.
/// RFC 7239's `Forwarded` is never read: a proxy that knows only one of the two passes the other on unchecked.
pub fn client_network(peer: SocketAddr, headers: &HeaderMap, trusted_proxies: &[IpNetwork]) -> IpNetwork {
    let trusted = |address: IpAddr| trusted_proxies.iter().any(|network| network.contains(address));
    let mut client = peer.ip();
    let hops = headers.get_all(FORWARDED_FOR).iter().rev();
    // A header that is not text gives one unreadable hop, at which the walk stops.
    let hops = hops.flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
    for hop in hops.take(MAX_HOPS) {
        if !trusted(client) {
            break;
        }
        let Some(address) = hop_address(hop.trim()) else { break };
        client = address;
    }
    IpNetwork::around(client, if client.to_canonical().is_ipv4() { 32 } else { 64 })
}

/// One entry of the header: an address, with a port behind it from some proxies.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    bare.parse::<IpAddr>().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn network(text: &str) -> IpNetwork {
        text.parse().unwrap()
    }

    fn client(peer: &str, lines: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        let trusted: Vec<_> = trusted.iter().map(|text| network(text)).collect();
        client_network(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn networks_are_read_and_written() {
        for (text, canonical) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("fd12:3456::1/16", "fd12::/16"),
            ("::1", "::1/128"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ] {
            assert_eq!(network(text).to_string(), canonical);
        }
        for text in
            ["", "10.0.0.0/33", "::/129", "10.0.0/8", "host", "10.0.0.0/", "10.0.0.0/-1", "::ffff:0:0/95"]
        {
            assert_eq!(text.parse::<IpNetwork>(), Err(NotANetwork), "{text}");
        }
    }

    #[test]
    fn containment_keeps_the_families_apart() {
        assert!(network("10.0.0.0/8").contains("10.255.0.1".parse().unwrap()));
        assert!(network("10.0.0.0/8").contains("::ffff:10.1.1.1".parse().unwrap()));
        assert!(!network("10.0.0.0/8").contains("11.0.0.1".parse().unwrap()));
        assert!(!network("::/0").contains("10.0.0.1".parse().unwrap()));
        assert!(!network("0.0.0.0/0").contains("::1".parse().unwrap()));
    }

    #[test]
    fn strangers_cannot_choose_their_network() {
        assert_eq!(client("198.51.100.7:1", &["203.0.113.9"], &[]), "198.51.100.7/32");
        assert_eq!(client("198.51.100.7:1", &["203.0.113.9"], &["10.0.0.0/8"]), "198.51.100.7/32");
        // The client wrote 1.1.1.1 itself; the proxy appended what it saw.
        assert_eq!(client("10.0.0.1:1", &["1.1.1.1, 203.0.113.9"], &["10.0.0.0/8"]), "203.0.113.9/32");
        assert_eq!(
            client("10.0.0.1:1", &["1.1.1.1", "203.0.113.9, 10.0.0.2"], &["10.0.0.0/8"]),
            "203.0.113.9/32"
        );
    }

    #[test]
    fn unreadable_hops_stop_the_walk() {
        assert_eq!(client("10.0.0.1:1", &["1.1.1.1, unknown"], &["10.0.0.0/8"]), "10.0.0.1/32");
        assert_eq!(client("10.0.0.1:1", &[], &["10.0.0.0/8"]), "10.0.0.1/32");
        assert_eq!(client("10.0.0.1:1", &["10.0.0.3"], &["10.0.0.0/8"]), "10.0.0.3/32");
    }

    #[test]
    fn ipv6_is_cut_to_its_64_and_ports_are_dropped() {
        assert_eq!(client("[2001:db8:1:2:3:4:5:6]:443", &[], &[]), "2001:db8:1:2::/64");
        assert_eq!(client("[::ffff:192.0.2.1]:443", &[], &[]), "192.0.2.1/32");
        assert_eq!(client("10.0.0.1:1", &["[2001:db8::5]:80"], &["10.0.0.0/8"]), "2001:db8::/64");
        assert_eq!(client("10.0.0.1:1", &["[2001:db8::5]"], &["10.0.0.0/8"]), "2001:db8::/64");
        assert_eq!(client("10.0.0.1:1", &["192.0.2.4:80"], &["10.0.0.0/8"]), "192.0.2.4/32");
    }
}
