//! Which endpoints are accepted. Whoever registers a device chooses where this server will connect to, so the
//! text is checked twice: as it is written, and as the URL parser understands it. What the parser would have
//! mended (an address in octal, an escaped host, an empty port) is refused, so that no other program can read
//! the same text differently.

use std::fmt;

use url::{Host, Url};

/// Longest endpoint in bytes.
pub const MAX_ENDPOINT_BYTES: usize = 1_000;

/// The push services of the browser vendors. `*.` stands for one or more labels.
const VENDOR_HOSTS: [&str; 6] = [
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "*.push.services.mozilla.com",
    "*.notify.windows.com",
    "web.push.apple.com",
    "*.push.apple.com",
];

/// Last labels of names that never belong to a public push service (RFC 6761, RFC 6762, RFC 7686, RFC 8375,
/// RFC 9476, and what home and company networks use).
const PRIVATE_SUFFIXES: [&str; 15] = [
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "arpa",
    "onion",
    "alt",
    "test",
    "invalid",
    "example",
];

/// Why an endpoint is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// More than [`MAX_ENDPOINT_BYTES`].
    #[error("the endpoint is longer than 1,000 bytes; send it exactly as the push service gave it")]
    TooLong,
    /// No absolute URL in printable ASCII.
    #[error("the endpoint is not a URL; send it exactly as the push service gave it")]
    NotAUrl,
    /// Another scheme than https.
    #[error("the endpoint must begin with https://")]
    NotHttps,
    /// A user name or password before the host.
    #[error("the endpoint must not contain a user name or password")]
    Userinfo,
    /// A `#` and what follows.
    #[error("the endpoint must not contain a fragment; leave out the # and what follows")]
    Fragment,
    /// A port of another service.
    #[error("the endpoint's port must be 443 or at least 1024")]
    Port,
    /// An address instead of a name.
    #[error("the endpoint must name its host; an IP address is not accepted")]
    IpAddress,
    /// Not a host name in its plain ASCII form.
    #[error(
        "the endpoint's host is not a plain name; write it in ASCII, without escapes and without a final dot"
    )]
    BadHost,
    /// A name of a local network.
    #[error("the endpoint's host belongs to a private network; use a public push service")]
    PrivateHost,
    /// Not on the list.
    #[error("the endpoint's host is not a known push service; the operator can add it to push.extra_hosts")]
    HostNotAllowed,
}

impl EndpointError {
    /// A stable name for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::NotAUrl => "not_a_url",
            Self::NotHttps => "not_https",
            Self::Userinfo => "userinfo",
            Self::Fragment => "fragment",
            Self::Port => "port",
            Self::IpAddress => "ip_address",
            Self::BadHost => "bad_host",
            Self::PrivateHost => "private_host",
            Self::HostNotAllowed => "host_not_allowed",
        }
    }
}

/// An entry of the operator's host list that is no host name. Holds the entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host name; write it as push.example.org, or *.example.org for all names below it")]
pub struct BadHostRule(pub String);

#[derive(Debug, Clone)]
enum HostRule {
    Exactly(String),
    // With the dot in front, so that a look-alike that only ends alike does not match.
    Below(String),
}

impl HostRule {
    fn parse(text: &str) -> Option<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let (below, name) = match lower.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, lower.as_str()),
        };
        if !is_plain_name(name) || !name.contains('.') {
            return None;
        }
        Some(if below { Self::Below(format!(".{name}")) } else { Self::Exactly(name.to_owned()) })
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exactly(name) => host == name,
            Self::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        }
    }
}

/// Which hosts may be pushed to.
#[derive(Debug, Clone)]
pub struct EndpointPolicy {
    rules: Vec<HostRule>,
    any_public: bool,
    allow_loopback: bool,
}

impl EndpointPolicy {
    /// The browser vendors' hosts and `extra_hosts` (`push.example.org`, or `*.example.org` for the names
    /// below it). `any_public` accepts every public name; `allow_loopback` accepts loopback, there also over
    /// http, and is for development only. Fails with the first entry that is not a host name.
    pub fn new(extra_hosts: &[String], any_public: bool, allow_loopback: bool) -> Result<Self, BadHostRule> {
        let extra = extra_hosts.iter().map(String::as_str);
        let rules = VENDOR_HOSTS
            .into_iter()
            .chain(extra)
            .map(|text| HostRule::parse(text).ok_or_else(|| BadHostRule(text.to_owned())))
            .collect::<Result<_, _>>()?;
        Ok(Self { rules, any_public, allow_loopback })
    }

    fn check_name(&self, host: &str) -> Result<(), EndpointError> {
        let last = host.rsplit('.').next().unwrap_or(host);
        if PRIVATE_SUFFIXES.contains(&last) || !host.contains('.') {
            return Err(EndpointError::PrivateHost);
        }
        if self.any_public || self.rules.iter().any(|rule| rule.matches(host)) {
            Ok(())
        } else {
            Err(EndpointError::HostNotAllowed)
        }
    }
}

/// A checked endpoint. Its text is a secret: whoever knows it can push to the device.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    origin: String,
    loopback: bool,
}

impl Endpoint {
    /// The normalised text: what is stored, indexed and posted to.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Scheme, host and a port that is not the scheme's own (RFC 6454 section 6.2): what VAPID's `aud` names,
    /// and what breakers and bounds are kept for.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The parsed form.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether it leads to this machine.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoint(secret)")
    }
}

/// The endpoint in `text`, if the policy accepts it. Called when a device registers and again before each
/// send, so that a host taken off the list is no longer sent to.
pub fn check_endpoint(text: &str, policy: &EndpointPolicy) -> Result<Endpoint, EndpointError> {
    if text.len() > MAX_ENDPOINT_BYTES {
        return Err(EndpointError::TooLong);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Err(EndpointError::NotAUrl);
    }
    if text.contains('#') {
        return Err(EndpointError::Fragment);
    }
    let written = Written::read(text)?;
    let url = Url::parse(text).map_err(|_| EndpointError::NotAUrl)?;
    let loopback = check_host(&written, &url, policy)?;
    let https = url.scheme() == "https";
    // `Written` admits no scheme besides http and https.
    if !https && !loopback {
        return Err(EndpointError::NotHttps);
    }
    // `port()` is absent for the scheme's own port, which for https is the one below 1024 that is accepted.
    if url.port().map_or(!https, |port| port < 1024) {
        return Err(EndpointError::Port);
    }
    if url.as_str().len() > MAX_ENDPOINT_BYTES {
        return Err(EndpointError::TooLong);
    }
    let origin = url.origin().ascii_serialization();
    Ok(Endpoint { url, origin, loopback })
}

/// The host as it was typed, in lower case.
struct Written {
    host: String,
}

impl Written {
    fn read(text: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = text.split_once("://").ok_or(EndpointError::NotAUrl)?;
        if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
            return Err(EndpointError::NotHttps);
        }
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(EndpointError::Userinfo);
        }
        let (host, port) = match authority.find(']') {
            Some(end) => authority.split_at(end + 1),
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        if host.is_empty() {
            return Err(EndpointError::NotAUrl);
        }
        let well_formed = port.is_empty()
            || port.strip_prefix(':').is_some_and(|digits| {
                !digits.is_empty()
                    && !digits.starts_with('0')
                    && digits.bytes().all(|digit| digit.is_ascii_digit())
            });
        if !well_formed {
            return Err(EndpointError::Port);
        }
        Ok(Self { host: host.to_ascii_lowercase() })
    }
}

/// Whether the host is this machine; an error if it is not accepted.
fn check_host(written: &Written, url: &Url, policy: &EndpointPolicy) -> Result<bool, EndpointError> {
    let (loopback, plain) = match url.host() {
        None => return Err(EndpointError::NotAUrl),
        Some(Host::Ipv4(address)) => (address.is_loopback(), address.to_string()),
        Some(Host::Ipv6(address)) => (address.is_loopback(), format!("[{address}]")),
        Some(Host::Domain("localhost")) if policy.allow_loopback => (true, "localhost".to_owned()),
        Some(Host::Domain(host)) => {
            if host != written.host || !is_plain_name(host) {
                return Err(EndpointError::BadHost);
            }
            return policy.check_name(host).map(|()| false);
        }
    };
    if loopback && policy.allow_loopback && plain == written.host {
        Ok(true)
    } else {
        Err(EndpointError::IpAddress)
    }
}

/// Letters, digits and inner hyphens in labels of 1 to 63, at most 253 in all (RFC 1123 section 2.1), in
/// lower case.
fn is_plain_name(host: &str) -> bool {
    let label = |text: &str| {
        (1..=63).contains(&text.len())
            && !text.starts_with('-')
            && !text.ends_with('-')
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
