//! A table of hostile endpoints, each refused for its own reason by a policy that is as open as it can be,
//! and what must pass.

use super::*;

fn policy(extra: &[&str], any_public: bool, allow_loopback: bool) -> EndpointPolicy {
    let extra: Vec<String> = extra.iter().map(|host| (*host).to_owned()).collect();
    EndpointPolicy::new(&extra, any_public, allow_loopback).unwrap()
}

fn refusal(text: &str, policy: &EndpointPolicy) -> Option<EndpointError> {
    check_endpoint(text, policy).err()
}

/// Hosts that are addresses, in every notation that some program understands.
const ADDRESSES: [&str; 66] = [
    "127.0.0.1",
    "127.0.0.2",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0",
    "0.0",
    "00000000",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "0177.1",
    "0X7F.0X0.0X0.0X1",
    "127.0.0.01",
    "127.0.0.0x1",
    "127.00.00.01",
    "10.0.0.1",
    "10.255.255.255",
    "167772161",
    "0xa000001",
    "012.0.0.1",
    "172.16.0.1",
    "172.31.255.254",
    "0xac.16.0.1",
    "192.168.0.1",
    "192.168.1.254",
    "3232235777",
    "0xc0a80101",
    "0300.0250.1.1",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "0xa9.0xfe.0xa9.0xfe",
    "169.254.43518",
    "169.16689662",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "8.8.8.8",
    "134744072",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[2001:4860:4860::8888]",
    "[0000::0001]",
];

/// Texts that some parser reads otherwise than another, with the reason for which they are refused.
const MALFORMED: [(&str, EndpointError); 69] = {
    use EndpointError::{BadHost, Fragment, NotAUrl, NotHttps, Port, PrivateHost, Userinfo};
    [
        ("", NotAUrl),
        ("https", NotAUrl),
        ("https:", NotAUrl),
        ("https://", NotAUrl),
        ("https:///path", NotAUrl),
        ("https:push.example.net/x", NotAUrl),
        ("https:/push.example.net/x", NotAUrl),
        ("//push.example.net/x", NotAUrl),
        ("push.example.net/x", NotAUrl),
        ("https:\\\\push.example.net\\x", NotAUrl),
        ("https://push.example.net\\@127.0.0.1/", NotAUrl),
        ("https://push.example.net\\.evil.net/", NotAUrl),
        (" https://push.example.net/", NotAUrl),
        ("https://push.example.net/ ", NotAUrl),
        ("https://push.example.net/a b", NotAUrl),
        ("https://push.exam\tple.net/", NotAUrl),
        ("https://push.example.net/\r\nHost: inside", NotAUrl),
        ("https://push.example.net/\0", NotAUrl),
        ("https://push.example.net/\u{200b}", NotAUrl),
        ("\u{feff}https://push.example.net/", NotAUrl),
        ("https\u{ff1a}//push.example.net/", NotAUrl),
        ("https://push\u{3002}example\u{3002}net/", NotAUrl),
        ("https://\u{2488}\u{2488}\u{2488}1/", NotAUrl),
        ("https://\u{ff11}27.0.0.1/", NotAUrl),
        ("https://fcm.google\u{430}pis.com/", NotAUrl),
        ("https://xn--fcm-googleapis-8nh.com/", NotAUrl),
        ("https://\u{0440}ush.example.net/", NotAUrl),
        ("https://push.example.net\u{2024}evil.net/", NotAUrl),
        ("http://push.example.net/", NotHttps),
        ("HTTP://push.example.net/", NotHttps),
        ("ftp://push.example.net/", NotHttps),
        ("file:///etc/passwd", NotHttps),
        ("gopher://push.example.net/", NotHttps),
        ("ws://push.example.net/", NotHttps),
        ("javascript://push.example.net/%0aalert(1)", NotHttps),
        ("httpss://push.example.net/", NotHttps),
        ("https://user@push.example.net/", Userinfo),
        ("https://user:secret@push.example.net/", Userinfo),
        ("https://@push.example.net/", Userinfo),
        ("https://:@push.example.net/", Userinfo),
        ("https://fcm.googleapis.com@evil.net/", Userinfo),
        ("https://fcm.googleapis.com:443@127.0.0.1/", Userinfo),
        ("https://a@b@push.example.net/", Userinfo),
        ("https://push.example.net?@127.0.0.1#/", Fragment),
        ("https://push.example.net/#", Fragment),
        ("https://push.example.net/x#y", Fragment),
        ("https://evil.net#fcm.googleapis.com/", Fragment),
        ("https://push.example.net:/", Port),
        ("https://push.example.net:0/", Port),
        ("https://push.example.net:22/", Port),
        ("https://push.example.net:80/", Port),
        ("https://push.example.net:1023/", Port),
        ("https://push.example.net:0443/", Port),
        ("https://push.example.net:+443/", Port),
        ("https://push.example.net:443:443/", Port),
        ("https://push.example.net:8443x/", Port),
        ("https://push.example.net:65536/", NotAUrl),
        ("https://push.example.net./", BadHost),
        ("https://fcm.googleapis.com./", BadHost),
        ("https://push%2eexample%2enet/", BadHost),
        ("https://%31%32%37.example.net/", BadHost),
        ("https://push_1.example.net/", BadHost),
        ("https://-push.example.net/", BadHost),
        ("https://push..example.net/", BadHost),
        ("https://localhost/", PrivateHost),
        ("https://LOCALHOST:8443/", PrivateHost),
        ("https://metadata.google.internal/", PrivateHost),
        ("https://printer.local/", PrivateHost),
        ("https://push/", PrivateHost),
    ]
};

/// Hosts that only look like the vendors'.
const LOOK_ALIKES: [&str; 26] = [
    "fcm.googleapis.com.evil.net",
    "evil-fcm.googleapis.com.net",
    "xfcm.googleapis.com",
    "fcm-googleapis.com",
    "fcm.googleapis.co",
    "fcm.googleapis.com.br",
    "fcm.googleapls.com",
    "a.fcm.googleapis.com",
    "googleapis.com",
    "storage.googleapis.com",
    "push.services.mozilla.com",
    "push.services.mozilla.com.evil.net",
    "evilpush.services.mozilla.com",
    "services.mozilla.com",
    "notify.windows.com",
    "evilnotify.windows.com",
    "x.notify.windows.com.evil.net",
    "windows.com",
    "push.apple.com",
    "evilpush.apple.com",
    "web.push.apple.com.evil.net",
    "apple.com",
    "xn--bcher-kva.com",
    "xn--80ak6aa92e.com",
    "web-push-apple.com",
    "fcm.googleapis.com-evil.net",
];

#[test]
fn n1_hostile_endpoints_are_refused() {
    let mut count = 0;
    let open = policy(&[], true, false);
    for host in ADDRESSES {
        for text in [format!("https://{host}/push"), format!("https://{host}:8443/push")] {
            let refused = refusal(&text, &open).unwrap_or_else(|| panic!("{text} passed"));
            // What no address can be is not a URL; everything else must be recognised as an address.
            assert!(
                matches!(refused, EndpointError::IpAddress | EndpointError::NotAUrl),
                "{text}: {refused:?}"
            );
            count += 1;
        }
    }
    for (text, reason) in MALFORMED {
        assert_eq!(refusal(text, &open), Some(reason), "{text:?}");
        count += 1;
    }
    let usual = policy(&[], false, false);
    for host in LOOK_ALIKES {
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
    for host in ADDRESSES {
        if ["127.0.0.1", "127.0.0.2", "127.255.255.254", "[::1]"].contains(&host) {
            continue;
        }
        let refused = refusal(&format!("http://{host}:8080/"), &open);
        assert!(
            matches!(refused, Some(EndpointError::IpAddress | EndpointError::NotAUrl)),
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
