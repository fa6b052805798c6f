//! People sign in at oidc-provider, an OpenID provider of another project.

use super::{PEOPLE, Pages};
use testudo_testkit::free_port;

const BY_KEY: &str = "client_id = \"by-key\"";
const BY_SECRET: &str = "client_id = \"by-secret\"\nclient_secret = { file = \"provider.key\" }";
const SECRET: &str = "a secret of more than thirty-two bytes, which only this test knows";

/// `client`: how this server is registered at the provider.
#[track_caller]
fn check(walk: &str, client: &str) {
    let provider = format!("http://127.0.0.1:{}", free_port());
    let entry = format!(
        r#"
[[login.providers]]
name = "corp"
label = "Company sign-in"
issuer = "{provider}"
{client}
scopes = ["openid", "profile", "email"]
claims = {{ groups = "groups" }}
allow = {{ hd = "example.net" }}
[pages]"#
    );
    let people = PEOPLE.replacen("[pages]", &entry, 1).replacen(
        "redirect_uris",
        "groups = [\"corp/staff\"]\nredirect_uris",
        1,
    );
    let files = [("provider.key", SECRET)];
    if let Some(pages) = Pages::with_files(&people, &files) {
        pages.walk(
            "provider.mjs",
            walk,
            &[("PROVIDER", &provider), ("SECRET", SECRET)],
        );
    }
}

#[test]
fn person_signs_in_at_a_provider_where_the_server_has_a_key() {
    check("sign_in", BY_KEY);
}

#[test]
fn person_signs_in_at_a_provider_where_the_server_has_a_secret() {
    check("sign_in", BY_SECRET);
}

#[test]
fn provider_asks_again_where_the_application_wants_a_new_sign_in() {
    check("again", BY_KEY);
}

#[test]
fn person_who_is_not_allowed_or_cancels_at_the_provider_is_not_signed_in() {
    check("refused", BY_KEY);
}
