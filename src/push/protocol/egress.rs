//! Which addresses may be connected to. Names are filtered where they are resolved, so that a name which
//! changes its address between the check and the connection (rebinding) leads nowhere; a resolver is not
//! asked about IP literals, so those are checked on the URL; and the peer that was in fact reached is checked
//! before its answer is believed.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// An address that must not be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the host has no public address")]
pub struct NotPublic;

/// Whether an address is reachable for everybody on the internet, after the IANA special-purpose registries
/// (RFC 6890). Everything of private, shared, link-local, documentation, benchmark, multicast and reserved
/// use is not, nor is an IPv6 form that carries such an IPv4 address.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    // Azure answers its machines' metadata questions on an address in the public range.
    if address == Ipv4Addr::new(168, 63, 129, 16) {
        return false;
    }
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127, _, _)            // this network, private, loopback
            | (100, 64..=127, _)        // carrier-grade NAT (RFC 6598)
            | (169, 254, _)             // link-local, cloud metadata
            | (172, 16..=31, _)         // private
            | (192, 0, 0 | 2)           // IETF protocols, documentation
            | (192, 88, 99)             // 6to4 relays
            | (192, 168, _)             // private
            | (198, 18..=19, _)         // benchmarks
            | (198, 51, 100)            // documentation
            | (203, 0, 113)             // documentation
            | (224..=255, _, _) // multicast, reserved, broadcast
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let carried = || {
        let [a, b] = segments[6].to_be_bytes();
        let [c, d] = segments[7].to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        // IPv4-mapped (RFC 4291) and NAT64 (RFC 6052): as public as what they carry.
        [0, 0, 0, 0, 0, 0xffff, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => is_public_v4(carried()),
        // IETF protocols with Teredo, benchmarks and ORCHID; 6to4; documentation (RFC 3849, RFC 9637). Push
        // services live behind none of them, whatever IPv4 address they carry.
        [0x2001, 0..=0x1ff, ..] | [0x2002, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Only global unicast is left: not unique local, link-local, multicast, unspecified, loopback,
        // IPv4-compatible.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// The address filter as configured.
#[derive(Debug, Clone, Copy, Default)]
pub struct AddressFilter {
    allow_loopback: bool,
}

impl AddressFilter {
    /// `allow_loopback` opens 127.0.0.0/8 and ::1 for development; nothing else changes.
    pub fn new(allow_loopback: bool) -> Self {
        Self { allow_loopback }
    }

    /// Whether this address may be connected to.
    pub fn permits(self, address: IpAddr) -> bool {
        is_public(address) || (self.allow_loopback && address.is_loopback())
    }

    /// Whether the answer of this peer may be believed. One that is not known may not.
    pub fn permits_peer(self, peer: Option<SocketAddr>) -> bool {
        peer.is_some_and(|peer| self.permits(peer.ip()))
    }

    /// Whether the URL's host is a name (which the resolver will filter) or a permitted address.
    pub fn permits_literal(self, url: &Url) -> bool {
        match url.host() {
            Some(Host::Domain(_)) => true,
            Some(Host::Ipv4(address)) => self.permits(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => self.permits(IpAddr::V6(address)),
            None => false,
        }
    }

    /// The permitted ones among the addresses of a name.
    pub fn keep(self, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, NotPublic> {
        let kept: Vec<_> = found.filter(|address| self.permits(address.ip())).collect();
        if kept.is_empty() { Err(NotPublic) } else { Ok(kept) }
    }
}

/// A question to name servers under way.
pub type Finding<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// Where addresses of names come from.
pub trait Names: Send + Sync {
    /// All addresses of a host, each with port 0.
    fn find<'a>(&'a self, host: &'a str) -> Finding<'a>;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy)]
pub struct SystemNames;

impl Names for SystemNames {
    fn find<'a>(&'a self, host: &'a str) -> Finding<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) })
    }
}

/// Gives out permitted addresses only. What it gives out is what is connected to: a name is not resolved again in
/// between.
#[derive(Clone)]
pub struct GuardedResolver {
    filter: AddressFilter,
    names: Arc<dyn Names>,
}

impl GuardedResolver {
    /// A resolver behind this filter.
    pub fn new(filter: AddressFilter, names: Arc<dyn Names>) -> Self {
        Self { filter, names }
    }

    /// The permitted addresses of a host, each with port 0. Fails with [`NotPublic`] inside the error when
    /// there is none.
    pub async fn lookup(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        let found = self.names.find(host).await?;
        self.filter
            .keep(found.into_iter())
            .map_err(|error| io::Error::new(io::ErrorKind::PermissionDenied, error))
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = resolver.lookup(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    const INSIDE: [&str; 62] = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.0.1",
        "169.254.169.254",
        "169.254.170.2",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0.0.0.0",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:1ff::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a9fe:a9fe::1",
        "2002:808:808::1",
        "3fff::1",
        "3fff:fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "5f00::1",
    ];

    const OUTSIDE: [&str; 18] = [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.169.0.0",
        "198.20.0.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2001:4860:4860::8888",
        "2a00:1450:4001::1",
    ];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_public_addresses_pass() {
        for text in INSIDE {
            assert!(!is_public(ip(text)), "{text} passed");
        }
        for text in OUTSIDE {
            assert!(is_public(ip(text)), "{text} was refused");
        }
    }

    #[test]
    fn the_development_switch_opens_loopback_and_nothing_else() {
        let open = AddressFilter::new(true);
        for text in INSIDE {
            let loopback = text.starts_with("127.") || text == "::1";
            assert_eq!(open.permits(ip(text)), loopback, "{text}");
        }
    }

    #[test]
    fn an_unknown_peer_is_not_believed() {
        let filter = AddressFilter::new(false);
        assert!(!filter.permits_peer(None));
        assert!(!filter.permits_peer(Some("10.0.0.1:443".parse().unwrap())));
        assert!(filter.permits_peer(Some("1.1.1.1:443".parse().unwrap())));
    }

    #[test]
    fn literals_are_checked_on_the_url() {
        let filter = AddressFilter::new(false);
        for text in [
            "https://127.0.0.1/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "data:x",
        ] {
            assert!(!filter.permits_literal(&Url::parse(text).unwrap()), "{text}");
        }
        assert!(filter.permits_literal(&Url::parse("https://1.1.1.1/").unwrap()));
    }

    #[test]
    fn a_name_with_mixed_addresses_keeps_its_public_ones() {
        let found = ["10.0.0.1:0", "1.1.1.1:0", "[::1]:0"].map(|text| text.parse().unwrap());
        let kept = AddressFilter::new(false).keep(found.into_iter()).unwrap();
        assert_eq!(kept, ["1.1.1.1:0".parse().unwrap()]);
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_loopback_is_refused() {
        let localhost = || Name::from_str("localhost").unwrap();
        let closed = GuardedResolver::new(AddressFilter::new(false), Arc::new(SystemNames));
        let error = closed.resolve(localhost()).await.err().unwrap();
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref).unwrap();
        assert!(inner.is::<NotPublic>());
        let open = GuardedResolver::new(AddressFilter::new(true), Arc::new(SystemNames));
        assert!(open.resolve(localhost()).await.unwrap().all(|address| address.ip().is_loopback()));
    }
}
