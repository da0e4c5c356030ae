//! A table of hostile endpoints, each refused for its own reason by a policy that is as open as it can be,
//! and what must pass.

use proptest::prelude::*;

use super::*;

fn policy(extra: &[&str], any_public: bool, allow_loopback: bool) -> EndpointPolicy {
    let extra: Vec<String> = extra.iter().map(|host| (*host).to_owned()).collect();
    EndpointPolicy::new(&extra, any_public, allow_loopback).unwrap()
}

fn refusal(text: &str, policy: &EndpointPolicy) -> Option<EndpointError> {
    check_endpoint(text, policy).err()
}

/// Endpoints of attackers, also for the tests from outside.
#[derive(serde::Deserialize)]
struct Corpus {
    /// Hosts that are addresses, in every notation that some program understands.
    addresses: Vec<String>,
    /// Texts that some parser reads otherwise than another, with the reason for which they are refused.
    malformed: Vec<(String, String)>,
    /// Hosts that only look like the vendors'.
    look_alikes: Vec<String>,
}

fn corpus() -> Corpus {
    serde_json::from_str(include_str!("../../../tests/hostile_endpoints.json")).unwrap()
}

#[test]
fn n1_hostile_endpoints_are_refused() {
    let mut count = 0;
    let open = policy(&[], true, false);
    for host in &corpus().addresses {
        for text in [format!("https://{host}/push"), format!("https://{host}:8443/push")] {
            let refused = refusal(&text, &open).unwrap_or_else(|| panic!("{text} passed"));
            // What no address can be is not a URL or not a name; everything else must be recognised as an address.
            assert!(
                matches!(refused, EndpointError::IpAddress | EndpointError::NotAUrl | EndpointError::BadHost),
                "{text}: {refused:?}"
            );
            count += 1;
        }
    }
    for (text, reason) in &corpus().malformed {
        assert_eq!(refusal(text, &open).map(EndpointError::code), Some(reason.as_str()), "{text:?}");
        count += 1;
    }
    let usual = policy(&[], false, false);
    for host in &corpus().look_alikes {
        let text = format!("https://{host}/fcm/send/x");
        assert_eq!(refusal(&text, &usual), Some(EndpointError::HostNotAllowed), "{text}");
        count += 1;
    }
    assert!(count >= 150, "{count}");
}

#[test]
fn the_development_switch_opens_loopback_as_written_and_nothing_else() {
    let open = policy(&[], true, true);
    for text in [
        "http://127.0.0.1:8080/push/x",
        "http://127.9.8.7:1024/",
        "http://[::1]:8080/",
        "http://localhost:8080/",
        "https://127.0.0.1:8443/",
        "https://localhost/",
    ] {
        assert!(check_endpoint(text, &open).unwrap().is_loopback(), "{text}");
    }
    for host in &corpus().addresses {
        if ["127.0.0.1", "127.0.0.2", "127.255.255.254", "[::1]"].contains(&host.as_str()) {
            continue;
        }
        let refused = refusal(&format!("http://{host}:8080/"), &open);
        assert!(
            matches!(
                refused,
                Some(EndpointError::IpAddress | EndpointError::NotAUrl | EndpointError::BadHost)
            ),
            "{host}: {refused:?}"
        );
    }
    for (text, reason) in [
        ("http://push.example.net:8080/", EndpointError::NotHttps),
        ("http://127.0.0.1/", EndpointError::Port),
        ("http://127.0.0.1:80/", EndpointError::Port),
        ("http://127.0.0.1:443/", EndpointError::Port),
        ("http://localhost.:8080/", EndpointError::BadHost),
        ("http://sub.localhost:8080/", EndpointError::PrivateHost),
    ] {
        assert_eq!(refusal(text, &open), Some(reason), "{text}");
    }
}

#[test]
fn the_vendors_hosts_pass_and_are_normalised() {
    let usual = policy(&[], false, false);
    for (text, origin) in [
        ("https://fcm.googleapis.com/fcm/send/a:B-_c", "https://fcm.googleapis.com"),
        (
            "https://updates.push.services.mozilla.com/wpush/v2/gAAA",
            "https://updates.push.services.mozilla.com",
        ),
        ("https://eu.push.services.mozilla.com/x", "https://eu.push.services.mozilla.com"),
        (
            "https://wns2-par02p.notify.windows.com/w/?token=BQYA%2b@x",
            "https://wns2-par02p.notify.windows.com",
        ),
        ("https://web.push.apple.com/QGJ", "https://web.push.apple.com"),
    ] {
        let endpoint = check_endpoint(text, &usual).unwrap();
        assert_eq!((endpoint.as_str(), endpoint.origin()), (text, origin));
        assert!(!endpoint.is_loopback());
    }
    let spelled = check_endpoint("HTTPS://FCM.googleapis.com:443/x", &usual).unwrap();
    assert_eq!(spelled.as_str(), "https://fcm.googleapis.com/x");
    assert_eq!(spelled, check_endpoint("https://fcm.googleapis.com/x", &usual).unwrap());
}

#[test]
fn the_origin_keeps_a_port_of_its_own() {
    let endpoint = check_endpoint("https://push.example.net:8443/x", &policy(&[], true, false)).unwrap();
    assert_eq!(endpoint.origin(), "https://push.example.net:8443");
    let local = check_endpoint("http://[::1]:9000/x", &policy(&[], false, true)).unwrap();
    assert_eq!(local.origin(), "http://[::1]:9000");
}

#[test]
fn operators_add_hosts_and_wildcards() {
    let extended = policy(&["Push.Clinic.org", "*.up.clinic.org"], false, false);
    for host in ["push.clinic.org", "a.up.clinic.org", "a.b.up.clinic.org"] {
        assert!(check_endpoint(&format!("https://{host}/x"), &extended).is_ok(), "{host}");
    }
    for host in ["up.clinic.org", "clinic.org", "a.push.clinic.org", "evilup.clinic.org"] {
        let refused = refusal(&format!("https://{host}/x"), &extended);
        assert_eq!(refused, Some(EndpointError::HostNotAllowed), "{host}");
    }
    for rule in [
        "",
        "*",
        "*.",
        "https://push.clinic.org",
        "push.clinic.org/x",
        "push.clinic.org:8443",
        "org",
        "a.*.org",
    ] {
        let refused = EndpointPolicy::new(&[rule.to_owned()], false, false).err();
        assert_eq!(refused, Some(BadHostRule(rule.to_owned())), "{rule}");
    }
}

#[test]
fn a_thousand_bytes_pass_and_one_more_does_not_even_after_escaping() {
    let open = policy(&[], true, false);
    let start = "https://push.example.net/";
    let of = |length: usize, fill: &str| format!("{start}{}", fill.repeat(length - start.len()));
    assert!(check_endpoint(&of(MAX_ENDPOINT_BYTES, "a"), &open).is_ok());
    assert_eq!(refusal(&of(MAX_ENDPOINT_BYTES + 1, "a"), &open), Some(EndpointError::TooLong));
    // A quotation mark becomes three characters.
    assert_eq!(refusal(&of(MAX_ENDPOINT_BYTES, "\""), &open), Some(EndpointError::TooLong));
}

#[test]
fn an_endpoint_does_not_show_when_printed_nor_in_errors() {
    let endpoint = check_endpoint("https://push.example.net/secret", &policy(&[], true, false)).unwrap();
    assert_eq!(format!("{endpoint:?}"), "Endpoint(secret)");
    let error = refusal("https://push.example.net/secret", &policy(&[], false, false)).unwrap();
    assert_eq!(error.code(), "host_not_allowed");
    assert!(!error.to_string().contains("example"));
}

proptest! {
    #[test]
    fn what_passes_leads_to_a_name_outside_and_reads_the_same_again(
        text in "https?:/{0,3}(\\PC{0,8}@)?[A-Za-z0-9.:%\\[\\]_-]{0,24}(:[0-9]{0,5})?(/\\PC{0,12})?|https://[a-z0-9.]{1,16}(:[0-9]{2,5})?/[a-zA-Z0-9_?=%-]{0,16}",
    ) {
        let open = policy(&[], true, false);
        if let Ok(endpoint) = check_endpoint(&text, &open) {
            let url = endpoint.url();
            prop_assert_eq!(url.scheme(), "https");
            prop_assert!(matches!(url.host(), Some(Host::Domain(name)) if name.contains('.')), "{}", text);
            prop_assert!(url.port().is_none_or(|port| port >= 1024));
            prop_assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
            let again = check_endpoint(endpoint.as_str(), &open).unwrap();
            prop_assert_eq!(again.as_str(), endpoint.as_str());
        }
    }
}
