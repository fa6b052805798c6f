//! Tests of redirect URIs: which a client may register, and which a request may name.

use super::*;

// Rows DR-33 to DR-41, DR-44.
#[test]
fn dangerous_redirect_uris_are_refused() {
    for uri in [
        "javascript:alert(1)//",
        "JaVaScRiPt:alert(1)//",
        "\u{1}javascript:alert(1)",
        " javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "blob:https://a.example/1",
        "file:///etc/passwd",
        "about:blank",
        "view-source:https://a.example/",
        "intent://scan/#Intent;end",
        "intent:x",
        "mailto:a@b.example",
        "myapp:/cb",
        "https://a.example/cb#x",
        "https://a.example/cb#",
        "https://a.example@evil.example/cb",
        "https://:p@evil.example/cb",
        "https://evil.example\\@a.example/cb",
        "https://a.example/call\tback",
        "https://a.example/call\nback",
        "https://evil.example%2f.apps.example/",
        "https://a.example/a/%2e%2e/cb",
        "https://a.example/a/%2E/cb",
        "https://a.example/a/../cb",
        "https://a.example./cb",
        "https://b\u{fc}cher.example/cb",
        "https://a\u{ff0e}example/cb",
        "https://A.example/cb",
        "HTTPS://a.example/cb",
        "https://*.a.example/cb",
        "https://a.example:0/cb",
        "https://a.example:65536/cb",
        "https://a.example:/cb",
        "https://a.example:443/cb",
        "https://a.example/%zz",
        "https://a.example/%a",
        "https:///cb",
        "https://",
        "//a.example/cb",
        "/cb",
        "",
        "http://a.example/cb",
        "https://a.example",
        "http://a.example",
        "http://127.0.0.1:",
        "http://127.0.0.1:80",
        "http://127.0.0.1:x",
        "http:127.0.0.1",
        "http://127.0.0.1#",
        "http://LOCALHOST:8080",
        "http://127.0.0.1:33418?code=x",
        "http://localhost.evil.example/cb",
        "http://127.0.0.1.nip.io/cb",
        "http://2130706433/cb",
        "http://127.1/cb",
        "http://[::ffff:127.0.0.1]/cb",
        "http://127.0.0.2/cb",
        "https://localhost/cb",
        "https://127.0.0.1/cb",
        "com.example.app:/a/../cb",
        "com.example.app:",
        "com.example.app:?x=1",
        "com.example.app://",
        "https://[::ffff:7f00:1]/",
        "https://[::ffff:808:808]/cb",
        "https://[::7f00:1]/cb",
        "https://[64:ff9b::7f00:1]/cb",
        "https://[2002:7f00:1::]/cb",
        "https://[::]/cb",
        "https://[::1]/cb",
        "https://0.0.0.0/cb",
        "https://127.0.0.2/cb",
        "https://x.localhost/cb",
        "http://x.localhost/cb",
        "https://a.example/cb?code=x",
        "https://a.example/cb?x=1&state=x",
        "https://a.example/cb?%63ode=x",
        "https://a.example/cb?iss",
        "https://a.example/cb?error=",
        "https://a.example/cb?response=x",
        "https://a.example/cb?access_token=x",
        "http://127.0.0.1/cb?code=x",
        "com.example.app:/cb?code=x",
        &format!("https://a.example/{}", "x".repeat(2048)),
    ] {
        assert!(form(uri).is_err(), "{uri:?}");
    }
}

// Rows DR-34, DR-42.
#[test]
fn https_loopback_and_private_use_redirect_uris_are_recognised() {
    for (uri, expected) in [
        ("https://a.example/", Form::Https),
        ("https://a.example:8443/cb?x=1&y=%2F", Form::Https),
        ("https://xn--bcher-kva.example/cb", Form::Https),
        ("http://127.0.0.1/cb", Form::Loopback),
        ("http://127.0.0.1:33418/cb", Form::Loopback),
        ("http://127.0.0.1:33418", Form::Loopback),
        ("http://127.0.0.1", Form::Loopback),
        ("http://localhost:8080", Form::Loopback),
        ("http://[::1]:8080", Form::Loopback),
        ("http://127.0.0.1:33418?x=1", Form::Loopback),
        ("http://[::1]/cb", Form::Loopback),
        ("http://localhost:33418/callback", Form::Loopback),
        ("https://a.example/cb?Code=1&codes=2&x=code", Form::Https),
        ("https://[2001:db8::1]/cb", Form::Https),
        ("com.example.app:/cb", Form::PrivateUse),
        ("com.example.app:/", Form::PrivateUse),
        ("com.example.app://callback", Form::PrivateUse),
    ] {
        assert_eq!(form(uri), Ok(expected), "{uri}");
    }
}

// Row DR-42.
#[test]
fn rfc8252_7_3_only_the_port_of_a_loopback_redirect_uri_may_differ_from_the_registered_one() {
    for (registered, requested) in [
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"),
        ("http://127.0.0.1:33418", "http://127.0.0.1:33418"),
        ("http://127.0.0.1:33418", "http://127.0.0.1:33418/"),
        ("http://127.0.0.1:33418/", "http://127.0.0.1:51004"),
        ("http://127.0.0.1", "http://127.0.0.1:51004/"),
        ("http://[::1]/cb", "http://[::1]:51004/cb"),
        (
            "http://localhost:3118/callback",
            "http://localhost:49152/callback",
        ),
        ("http://127.0.0.1:1?x=1", "http://127.0.0.1:2/?x=1"),
        ("https://a.example/cb", "https://a.example/cb"),
        ("com.example.app:/cb", "com.example.app:/cb"),
    ] {
        assert!(is_same(registered, requested), "{registered} {requested}");
    }
    for (registered, requested) in [
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/other"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb/"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb?x=1"),
        ("http://127.0.0.1/cb", "http://localhost:51004/cb"),
        ("http://127.0.0.1/cb", "http://[::1]/cb"),
        ("http://127.0.0.1/cb", "https://127.0.0.1/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:0/cb"),
        ("http://127.0.0.1:33418", "http://127.0.0.1:33418/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:80@evil.example/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb"),
        ("https://a.example/cb", "https://a.example:8443/cb"),
        ("https://a.example/", "https://a.example"),
        ("com.example.app:/cb", "com.example.app:/cb/"),
    ] {
        assert!(!is_same(registered, requested), "{registered} {requested}");
    }
}

// Rows AZ-01, AZ-02, AZ-03, AZ-04.
#[test]
fn redirect_uri_of_a_request_is_one_that_is_registered() {
    let several = ["https://a.example/cb", "http://127.0.0.1/cb"];
    let of = |requested, registered: &[&'static str]| {
        RedirectUri::find(requested, registered.iter().copied()).map(|uri| uri.as_str().to_owned())
    };
    for requested in [
        "https://a.example/cb",
        "http://127.0.0.1/cb",
        "http://127.0.0.1:51004/cb",
    ] {
        assert_eq!(of(Some(requested), &several), Ok(requested.to_owned()));
    }
    assert_eq!(of(None, &several[..1]), Ok(several[0].to_owned()));
    let moved = Some("http://localhost:9/cb");
    assert_eq!(
        of(moved, &["http://localhost/cb"]),
        Ok("http://localhost:9/cb".to_owned())
    );
    for (requested, registered, why) in [
        (None, &several[..], RedirectUriMismatch::Missing),
        (None, &[], RedirectUriMismatch::NoneRegistered),
        (
            Some("https://a.example/cb"),
            &[],
            RedirectUriMismatch::NoneRegistered,
        ),
        (
            Some("https://a.example/cb/"),
            &several,
            RedirectUriMismatch::NotRegistered,
        ),
        (
            Some("https://a.example/cb?x=1"),
            &several,
            RedirectUriMismatch::NotRegistered,
        ),
        (
            Some("https://a.example:8443/cb"),
            &several,
            RedirectUriMismatch::NotRegistered,
        ),
        (
            Some("https://A.example/cb"),
            &several,
            RedirectUriMismatch::NotRegistered,
        ),
        (
            Some("https://evil.example/cb"),
            &several,
            RedirectUriMismatch::NotRegistered,
        ),
        // Row AZ-04: `localhost` is accepted only where it is registered.
        (moved, &several, RedirectUriMismatch::NotRegistered),
    ] {
        assert_eq!(
            of(requested, registered),
            Err(why),
            "{requested:?} {registered:?}"
        );
    }
}

#[test]
fn rfc8252_8_6_only_an_https_redirect_uri_cannot_be_received_by_another_application() {
    for (uri, is_on_the_device, origin) in [
        ("https://a.example/cb", false, "https://a.example"),
        ("https://a.example:8443/cb?x", false, "https://a.example:8443"),
        ("http://127.0.0.1:9/cb", true, "http://127.0.0.1:9"),
        ("http://[::1]:9/cb", true, "http://[::1]:9"),
        ("http://localhost/cb", true, "http://localhost"),
        ("com.example.app:/cb", true, "com.example.app:"),
    ] {
        let found = RedirectUri::find(None, [uri]).unwrap();
        assert_eq!(found.is_on_the_device(), is_on_the_device, "{uri}");
        assert_eq!(found.origin(), origin);
    }
}

proptest::proptest! {
    #[test]
    fn accepted_redirect_uri_is_unchanged_by_a_url_parser(uri in "(https?|[a-z.]{1,9})://?[!-~]{0,40}") {
        if form(&uri).is_ok() {
            let read = Url::parse(&uri).unwrap();
            let is_whole = read.as_str() == uri || is_loopback_without_path(&uri, &read);
            proptest::prop_assert!(is_whole, "{} is read as {}", uri, read);
            proptest::prop_assert!(!uri.contains(['#', '\\', '*']));
        }
    }
}
