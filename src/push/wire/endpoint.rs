//! Which endpoints a subscription may name. A push endpoint is a URL that a client makes this server write to, so
//! everything that is not plainly a push service is refused before it is stored.

use std::net::IpAddr;

use aws_lc_rs::agreement;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use url::{Host, Url};

/// Longest endpoint, in bytes.
pub const MAX_ENDPOINT: usize = 1_000;

/// The browser vendors' push services; a leading dot means any host below.
const VENDORS: [&str; 6] = [
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    ".push.services.mozilla.com",
    ".notify.windows.com",
    "web.push.apple.com",
    ".push.apple.com",
];

/// What this installation lets subscriptions name.
#[derive(Debug, Clone, Default)]
pub struct EndpointPolicy {
    /// Hosts beside the browser vendors', such as UnifiedPush servers.
    pub extra_hosts: Vec<String>,
    /// Any public host name.
    pub any_public: bool,
    /// Development: loopback addresses too, also over http.
    pub allow_loopback: bool,
}

/// Why an endpoint or its keys are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error("must be at most {MAX_ENDPOINT} bytes of printable ASCII")]
    TooLong,
    #[error("must be an absolute https URL, as the browser gives it")]
    NotAUrl,
    #[error("must be https")]
    NotHttps,
    #[error("must use port 443 or one from 1024 on")]
    Port,
    #[error("must name no user and no password")]
    UserInfo,
    #[error("must have no fragment")]
    Fragment,
    #[error("must name a push service by host name, not by address")]
    Address,
    #[error(
        "is not at a push service this server writes to; ask its operator to add the host to push.extra_hosts"
    )]
    UnknownHost,
    #[error("must be a point of the curve P-256, uncompressed, in base64url")]
    PublicKey,
    #[error("must be 16 bytes in base64url")]
    AuthSecret,
}

impl EndpointError {
    /// Stable word for `errors[].code`.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLong => "endpoint_too_long",
            Self::NotAUrl => "endpoint_not_a_url",
            Self::NotHttps => "endpoint_not_https",
            Self::Port => "endpoint_port",
            Self::UserInfo => "endpoint_user_info",
            Self::Fragment => "endpoint_fragment",
            Self::Address => "endpoint_address",
            Self::UnknownHost => "endpoint_unknown_host",
            Self::PublicKey => "invalid_public_key",
            Self::AuthSecret => "invalid_auth_secret",
        }
    }
}

/// An endpoint that was checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
}

impl Endpoint {
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Scheme, host and any port that is not the scheme's own: `aud` of VAPID (RFC 8292, section 2).
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The address, where the host is one: names are checked when they are resolved.
    pub fn literal(&self) -> Option<IpAddr> {
        match self.url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            _ => None,
        }
    }
}

/// Checks an endpoint against the policy.
pub fn check_endpoint(text: &str, policy: &EndpointPolicy) -> Result<Endpoint, EndpointError> {
    if text.len() > MAX_ENDPOINT || !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('\\') {
        return Err(EndpointError::TooLong);
    }
    let url = Url::parse(text).map_err(|_| EndpointError::NotAUrl)?;
    if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
        return Err(EndpointError::UserInfo);
    }
    if url.fragment().is_some() {
        return Err(EndpointError::Fragment);
    }
    let port = url.port_or_known_default().ok_or(EndpointError::NotHttps)?;
    let endpoint = Endpoint { url };
    if policy.allow_loopback && endpoint.literal().is_some_and(|address| address.is_loopback()) {
        return if matches!(endpoint.url.scheme(), "http" | "https") {
            Ok(endpoint)
        } else {
            Err(EndpointError::NotHttps)
        };
    }
    if endpoint.url.scheme() != "https" {
        return Err(EndpointError::NotHttps);
    }
    if port != 443 && port < 1024 {
        return Err(EndpointError::Port);
    }
    match endpoint.url.host() {
        Some(Host::Domain(host)) if allowed(host, policy) => Ok(endpoint),
        Some(Host::Domain(_)) => Err(EndpointError::UnknownHost),
        _ => Err(EndpointError::Address),
    }
}

fn allowed(host: &str, policy: &EndpointPolicy) -> bool {
    let listed = |rule: &str| match rule.strip_prefix('.') {
        Some(_) => host.ends_with(rule) && host.len() > rule.len(),
        None => host == rule,
    };
    let plausible = host.contains('.')
        && !host.ends_with('.')
        && !host.ends_with(".localhost")
        && !host.ends_with(".local");
    VENDORS.iter().any(|rule| listed(rule))
        || policy.extra_hosts.iter().any(|rule| listed(rule))
        || (policy.any_public && plausible)
}

/// The keys of a subscription, decoded: the 65-byte public key and the 16-byte secret.
pub fn check_keys(p256dh: &str, auth: &str) -> Result<(Vec<u8>, Vec<u8>), EndpointError> {
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
    let point = decode(p256dh)
        .filter(|point| point.len() == 65 && point[0] == 4 && on_curve(point))
        .ok_or(EndpointError::PublicKey)?;
    let secret = decode(auth).filter(|secret| secret.len() == 16).ok_or(EndpointError::AuthSecret)?;
    Ok((point, secret))
}

/// An agreement with a key of our own succeeds only with a point of the curve.
fn on_curve(point: &[u8]) -> bool {
    let Ok(own) = agreement::PrivateKey::generate(&agreement::ECDH_P256) else { return false };
    let peer = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, point);
    agreement::agree(&own, peer, (), |_| Ok(())).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict() -> EndpointPolicy {
        EndpointPolicy {
            extra_hosts: vec!["push.example.org".into(), ".up.example.net".into()],
            ..Default::default()
        }
    }

    #[test]
    fn endpoints_of_push_services_are_taken_and_keep_their_port_in_the_origin() {
        for (text, origin) in [
            ("https://fcm.googleapis.com/fcm/send/abc", "https://fcm.googleapis.com"),
            (
                "https://updates.push.services.mozilla.com/wpush/v2/x",
                "https://updates.push.services.mozilla.com",
            ),
            ("https://wns2-par02p.notify.windows.com/w/?token=1", "https://wns2-par02p.notify.windows.com"),
            ("https://web.push.apple.com/Q", "https://web.push.apple.com"),
            ("https://push.example.org:8443/x", "https://push.example.org:8443"),
            ("https://a.up.example.net/x", "https://a.up.example.net"),
        ] {
            assert_eq!(
                check_endpoint(text, &strict()).unwrap_or_else(|error| panic!("{text}: {error}")).origin(),
                origin
            );
        }
    }

    #[test]
    fn n1_hostile_endpoints_are_refused() {
        let hosts = [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "017700000001",
            "0",
            "0.0.0.0",
            "10.0.0.1",
            "10.255.255.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "169.254.170.2",
            "100.64.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "8.8.8.8",
            "1.1.1.1",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[2001:db8::1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[2001:0:7f00:1::]",
            "[ff02::1]",
            "[2606:4700:4700::1111]",
            "localhost",
            "localhost.",
            "LOCALHOST",
            "a.localhost",
            "metadata.google.internal",
            "internal",
            "router.local",
            "fcm.googleapis.com.evil.example",
            "evilfcm.googleapis.com.example.org",
            "xfcm.googleapis.com",
            "fcm-googleapis.com",
            "fcm.googleapis.com.",
            "push.services.mozilla.com",
            "evilpush.services.mozilla.com",
            "notify.windows.com",
            "notify.windows.com.evil.example",
            "push.apple.com.evil.example",
            "fcm.googleapis.c\u{43e}m",
            "\u{ff46}cm.googleapis.com",
            "f\u{441}m.googleapis.com",
            "up.example.net",
            "example.org",
            "xn--fcm-googleapis-.com",
            "updates.push.services.mozilla.com.localhost",
        ];
        let shapes: [&dyn Fn(&str) -> String; 3] =
            [&|host| format!("https://{host}/x"), &|host| format!("https://{host}:8443/x"), &|host| {
                format!("https://user@{host}/x")
            }];
        let mut hostile: Vec<String> =
            hosts.iter().flat_map(|host| shapes.iter().map(|shape| shape(host))).collect();
        hostile.extend(
            [
                "http://fcm.googleapis.com/x",
                "ftp://fcm.googleapis.com/x",
                "file:///etc/passwd",
                "//fcm.googleapis.com/x",
                "fcm.googleapis.com/x",
                "",
                " ",
                "https://",
                "https:///x",
                "javascript:alert(1)",
                "data:,x",
                "gopher://a/x",
                "https://fcm.googleapis.com:22/x",
                "https://fcm.googleapis.com:80/x",
                "https://fcm.googleapis.com:0/x",
                "https://fcm.googleapis.com:65536/x",
                "https://fcm.googleapis.com#@127.0.0.1/",
                "https://fcm.googleapis.com/#x",
                "https://127.0.0.1\\@fcm.googleapis.com/",
                "https://fcm.googleapis.com\\.evil.example/x",
                "https://fcm.googleapis.com@127.0.0.1/x",
                "https://a:b@fcm.googleapis.com/x",
                "https://fcm.googleapis.com /x",
                "https://fcm.googleapis.com\t/x",
                "https://fcm.googleapis.com\n/x",
                "https://fcm.googleapis.com\r\nHost: a/x",
            ]
            .map(str::to_owned),
        );
        hostile.push(format!("https://fcm.googleapis.com/{}", "a".repeat(1_000)));
        assert!(hostile.len() >= 150, "{}", hostile.len());
        for text in &hostile {
            assert!(check_endpoint(text, &strict()).is_err(), "{text}");
        }
    }

    #[test]
    fn any_public_still_refuses_addresses_and_local_names() {
        let policy = EndpointPolicy { any_public: true, ..EndpointPolicy::default() };
        assert!(check_endpoint("https://ntfy.example.org/up", &policy).is_ok());
        for text in [
            "https://127.0.0.1/x",
            "https://localhost/x",
            "https://8.8.8.8/x",
            "https://printer.local/x",
            "https://intranet/x",
        ] {
            assert!(check_endpoint(text, &policy).is_err(), "{text}");
        }
    }

    #[test]
    fn loopback_is_for_development_only() {
        let policy = EndpointPolicy { allow_loopback: true, ..EndpointPolicy::default() };
        assert!(check_endpoint("http://127.0.0.1:4000/push/x", &policy).is_ok());
        assert!(check_endpoint("http://[::1]:4000/push/x", &policy).is_ok());
        assert!(check_endpoint("http://10.0.0.1:4000/push/x", &policy).is_err());
        assert!(check_endpoint("http://example.org/push/x", &policy).is_err());
    }

    #[test]
    fn keys_must_be_a_point_of_the_curve_and_sixteen_bytes() {
        let point = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
        let auth = "BTBZMqHH6r4Tts7J_aSIgg";
        assert!(check_keys(point, auth).is_ok());
        assert!(check_keys(&format!("{point}="), &format!("{auth}==")).is_ok());
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(point).unwrap();
        bytes[64] ^= 1;
        assert_eq!(check_keys(&BASE64_URL_SAFE_NO_PAD.encode(&bytes), auth), Err(EndpointError::PublicKey));
        assert_eq!(check_keys(&point[2..], auth), Err(EndpointError::PublicKey));
        assert_eq!(check_keys("", auth), Err(EndpointError::PublicKey));
        assert_eq!(check_keys(point, "BTBZMqHH"), Err(EndpointError::AuthSecret));
        assert_eq!(check_keys(point, "not base64!"), Err(EndpointError::AuthSecret));
    }
}
