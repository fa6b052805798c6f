//! Tests of the responses to authorization requests.

use super::super::*;
use crate::oauth::{ErrorCode, IssuerUrl, RedirectUri};

fn issuer() -> IssuerUrl {
    IssuerUrl::parse("https://as.example/t").unwrap()
}

fn delivered(
    uri: &str,
    mode: ResponseMode,
    outcome: AuthorizationOutcome<'_>,
    state: Option<&str>,
) -> Delivery {
    let to = RedirectUri::find(None, [uri]).unwrap();
    AuthorizationResponse {
        outcome,
        state,
        issuer: &issuer(),
    }
    .deliver(&to, mode)
}

fn redirected(
    uri: &str,
    mode: ResponseMode,
    outcome: AuthorizationOutcome<'_>,
    state: Option<&str>,
) -> String {
    match delivered(uri, mode, outcome, state) {
        Delivery::Redirect(uri) => uri,
        Delivery::Form { action, .. } => panic!("{action} gets a form"),
    }
}

// Row AZ-06.
#[test]
fn rfc9207_2_code_and_error_are_sent_with_state_and_issuer() {
    let denied = AuthorizationOutcome::Error {
        code: ErrorCode::AccessDenied,
        description: "the \"person\"\\ d\u{e9}clined\n",
    };
    let code = AuthorizationOutcome::Code("SplxlOBeZQQYbYS6WxSbIA");
    for (uri, mode, outcome, state, expected) in [
        (
            "https://a.example/cb",
            ResponseMode::Query,
            code,
            Some("s 1&x=\u{7e}"),
            "https://a.example/cb?code=SplxlOBeZQQYbYS6WxSbIA&state=s+1%26x%3D%7E&iss=https%3A%2F%2Fas.example%2Ft",
        ),
        (
            "https://a.example/cb?x=%2F&y",
            ResponseMode::Query,
            code,
            None,
            "https://a.example/cb?x=%2F&y&code=SplxlOBeZQQYbYS6WxSbIA&iss=https%3A%2F%2Fas.example%2Ft",
        ),
        (
            "https://a.example/cb?",
            ResponseMode::Query,
            code,
            None,
            "https://a.example/cb?code=SplxlOBeZQQYbYS6WxSbIA&iss=https%3A%2F%2Fas.example%2Ft",
        ),
        (
            "https://a.example/cb?x=1",
            ResponseMode::Fragment,
            code,
            Some("s"),
            "https://a.example/cb?x=1#code=SplxlOBeZQQYbYS6WxSbIA&state=s&iss=https%3A%2F%2Fas.example%2Ft",
        ),
        (
            "http://127.0.0.1:33418",
            ResponseMode::Query,
            code,
            None,
            "http://127.0.0.1:33418?code=SplxlOBeZQQYbYS6WxSbIA&iss=https%3A%2F%2Fas.example%2Ft",
        ),
        (
            "com.example.app:/cb",
            ResponseMode::Query,
            denied,
            Some("s"),
            "com.example.app:/cb?error=access_denied&error_description=the+%27person%27%3F+d%3Fclined%3F&state=s&iss=https%3A%2F%2Fas.example%2Ft",
        ),
    ] {
        assert_eq!(redirected(uri, mode, outcome, state), expected, "{uri}");
    }
    match delivered(
        "https://a.example/cb?x=1",
        ResponseMode::FormPost,
        code,
        Some("\"><script>"),
    ) {
        Delivery::Form { action, fields } => {
            assert_eq!(action, "https://a.example/cb?x=1");
            let expected = [
                ("code", "SplxlOBeZQQYbYS6WxSbIA"),
                ("state", "\"><script>"),
                ("iss", "https://as.example/t"),
            ];
            assert_eq!(fields, expected.map(|(name, value)| (name, value.to_owned())));
        }
        Delivery::Redirect(uri) => panic!("a redirect to {uri}"),
    }
}

proptest::proptest! {
    #[test]
    fn response_changes_nothing_of_the_redirect_uri_but_its_query_or_fragment(
        uri in "(https://[a-z]{1,5}\\.example(:[1-9][0-9]{1,3})?|http://127\\.0\\.0\\.1(:[1-9][0-9]{1,3})?|com\\.example:)/[!-~]{0,20}(\\?[!-~]{0,20})?",
        code in "[A-Za-z0-9_-]{1,40}",
        state in proptest::option::of("[ -~]{0,40}"),
        is_fragment: bool,
        is_error: bool,
    ) {
        let Ok(_) = crate::oauth::redirect_uri::form(&uri) else { return Ok(()) };
        let mode = if is_fragment { ResponseMode::Fragment } else { ResponseMode::Query };
        let outcome = match is_error {
            true => AuthorizationOutcome::Error { code: ErrorCode::AccessDenied, description: &code },
            false => AuthorizationOutcome::Code(&code),
        };
        let (before, after) = (
            url::Url::parse(&uri).unwrap(),
            url::Url::parse(&redirected(&uri, mode, outcome, state.as_deref())).unwrap(),
        );
        proptest::prop_assert_eq!(before.scheme(), after.scheme());
        proptest::prop_assert_eq!(before.host(), after.host());
        proptest::prop_assert_eq!(before.port(), after.port());
        proptest::prop_assert_eq!(before.path(), after.path());
        proptest::prop_assert_eq!(after.username(), "");
        let pairs = |text: &str| -> Vec<(String, String)> {
            url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
        };
        let (kept, added) = match is_fragment {
            true => (pairs(after.query().unwrap_or_default()), pairs(after.fragment().unwrap())),
            false => {
                let mut kept = pairs(after.query().unwrap());
                let added = kept.split_off(pairs(before.query().unwrap_or_default()).len());
                (kept, added)
            }
        };
        proptest::prop_assert_eq!(pairs(before.query().unwrap_or_default()), kept);
        let mut expected = match is_error {
            true => vec![("error", "access_denied"), ("error_description", code.as_str())],
            false => vec![("code", code.as_str())],
        };
        expected.extend(state.as_deref().map(|state| ("state", state)));
        expected.push(("iss", "https://as.example/t"));
        let expected: Vec<(String, String)> = expected.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
        proptest::prop_assert_eq!(added, expected);
    }
}
