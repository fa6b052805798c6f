//! Members of a request, one by one.

use super::requested::Requested;
use serde_json::{Map, Value, json};

/// The members of a request that are judged, in the order in which they are. A number is wrong for each of them.
const JUDGED: [&str; 26] = [
    "software_statement",
    "client_id",
    "spiffe_id",
    "spiffe_bundle_endpoint",
    "application_type",
    "redirect_uris",
    "token_endpoint_auth_method",
    "token_endpoint_auth_signing_alg",
    "grant_types",
    "response_types",
    "scope",
    "client_name",
    "client_uri",
    "logo_uri",
    "tos_uri",
    "policy_uri",
    "client_name#de",
    "contacts",
    "software_id",
    "software_version",
    "jwks",
    "jwks_uri",
    "dpop_bound_access_tokens",
    "tls_client_certificate_bound_access_tokens",
    "require_pushed_authorization_requests",
    "require_signed_request_object",
];

#[test]
fn first_malformed_member_is_the_one_that_is_reported() {
    let mut members: Map<String, Value> = JUDGED.iter().map(|name| ((*name).to_owned(), json!(7))).collect();
    for name in JUDGED {
        let reported = Requested::of(members.clone()).unwrap_err().to_string();
        let member = name.split('#').next().unwrap_or_default();
        let words: Vec<&str> = reported.split([' ', ':']).collect();
        assert!(words.contains(&member), "{name}: {reported}");
        members.remove(name);
    }
    assert_eq!(Requested::of(members), Ok(Requested::default()));
}
