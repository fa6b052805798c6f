//! A reload, setting by setting: each key of the table is changed in a real file below a running server, which must use
//! the new value, or name the key as one that takes effect at the next start or has no effect in this version.

use crate::world::run_in;
use serde_json::{Value as Json, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use testudo_core::Authority;
use testudo_server::config::KEYS;
use testudo_server::{App, Running};
use testudo_testkit::http::{TlsClient, over_socket};
use testudo_testkit::scratch::folder;
use testudo_testkit::x509::{X509Issuer, web_certificate};
use testudo_testkit::{TestIssuer, generate_key};
use toml::{Table, Value};

/// What shows that a new value is used.
#[derive(Clone, Copy)]
enum Shows {
    /// The value in use, of which this is a part only after the reload.
    InUse(fn(&App) -> String, &'static str),
    /// A listener serves the new certificate.
    Certificate(fn(&Running) -> SocketAddr),
    /// The answer names the key as one that takes effect at the next start.
    AtNextStart,
    /// The key has one legal value. Another one is refused, and the answer names the key.
    OtherValueIsRefused,
}
use Shows::{AtNextStart, Certificate, InUse, OtherValueIsRefused};

/// A key with a new value, and other keys that must change with it: `key = value`, or `key` alone to remove it.
type Row = (&'static str, &'static str, &'static [&'static str], Shows);

macro_rules! of_rule {
    ($field:ident) => {
        |app| {
            let in_force = app.in_force.load();
            let rule = in_force.policy.rules.by_name("probe");
            format!("{:?}", rule.map(|rule| &rule.$field))
        }
    };
}
macro_rules! of_client {
    ($($field:ident).+) => {
        |app| format!("{:?}", app.in_force.load().policy.clients.get("batch").map(|client| &client.$($field).+))
    };
}
macro_rules! of_open {
    ($($field:ident).+) => {
        |app| format!("{:?}", app.in_force.load().policy.registration.open.as_ref().map(|open| &open.$($field).+))
    };
}
macro_rules! of_policy {
    ($($field:ident).+) => {
        |app| format!("{:?}", app.in_force.load().policy.$($field).+)
    };
}
macro_rules! of_authority {
    ($key:expr, $field:ident) => {
        |app| {
            let in_force = app.in_force.load();
            let authority = Authority::of_key($key).unwrap();
            let policy = in_force.policy.authorities.get(&authority);
            format!("{:?}", policy.map(|policy| &policy.$field))
        }
    };
}
macro_rules! of_domain {
    ($field:ident) => {
        of_authority!(DOMAIN, $field)
    };
}
macro_rules! of_attester {
    ($field:ident) => {
        of_authority!(ATTESTER, $field)
    };
}
macro_rules! of_source {
    ($key:expr, $field:ident) => {
        |app| {
            let in_force = app.in_force.load();
            let anchor = in_force.anchor(&Authority::of_key($key).unwrap());
            format!("{:?}", anchor.map(|anchor| &anchor.source().$field))
        }
    };
}
macro_rules! of_bundle {
    ($field:ident) => {
        of_source!(DOMAIN, $field)
    };
}
macro_rules! of_connections {
    ($field:ident) => {
        |app| format!("{:?}", app.connection_rules.load().limits.$field)
    };
}
macro_rules! of_proxy {
    ($field:ident) => {
        |app| {
            format!(
                "{:?}",
                app.in_force
                    .load()
                    .arrival
                    .proxy
                    .as_ref()
                    .map(|proxy| &proxy.$field)
            )
        }
    };
}

/// A PNG of one pixel.
const LOGO: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\nIDATx\x9cc`\0\0\0\x02\0\x01H\xaf\xa4q\0\0\0\0IEND\xaeB`\x82";

const DOMAIN: &str = "spiffe://a.example";
const ATTESTER: &str = "at1:";

const BASE: &str = r#"
issuer = "https://as.example"
include = ["first/*.toml"]
[server]
listen = ["127.0.0.1:0"]
tls = { certificate = "tls.crt", private_key = "tls.key" }
mtls = { listen = ["127.0.0.1:0"], url = "https://mtls.as.example" }
proxy = { trusted = ["10.0.0.0/8"], client_certificate_header = "client-cert", client_address_header = "x-first" }
watch = false
[store]
url = "sqlite:test.db"
[admin]
socket = "admin.sock"
listen = "127.0.0.1:0"
tls = { certificate = "tls.crt", private_key = "tls.key" }
[outbound]
[tokens]
[log]
[registration.open]
scopes = ["s1", "s2"]
[[trust_domains]]
name = "a.example"
bundle = { file = "a.json" }
[[issuers]]
name = "at1"
kind = "attester"
use = ["client"]
jwks = { file = "at1.json" }
[[issuers]]
name = "at2"
kind = "attester"
use = ["client"]
jwks = { file = "at1.json" }
[[rules]]
name = "probe"
identities = ["spiffe://a.example/ns/{namespace}/sa/{service}"]
scopes = ["s1", "s2", "admin.write"]
[[clients]]
client_id = "batch"
jwks = { file = "batch.json" }
scopes = ["s1", "s2"]
"#;

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("admin.administrators", "['spiffe://a.example/ops/*']", &[], InUse(of_policy!(administration.administrators), "ops")),
    ("admin.auditors", "['spiffe://a.example/audit/*']", &[], InUse(of_policy!(administration.auditors), "audit")),
    ("admin.listen", "'127.0.0.2:0'", &[], AtNextStart),
    ("admin.socket", "'other.sock'", &[], AtNextStart),
    ("admin.tls.certificate", "'tls2.crt'", &["admin.tls.private_key = 'tls2.key'"], Certificate(|running| running.admin_address.unwrap())),
    ("admin.tls.private_key", "'tls2.key'", &["admin.tls.certificate = 'tls2.crt'"], Certificate(|running| running.admin_address.unwrap())),
    ("clients.access_token_lifetime", "'77s'", &[], InUse(of_client!(rule.access_token_lifetime), "77")),
    ("clients.attested_by", "['at1']", &[], InUse(of_client!(rule.attested_by), "at1")),
    ("clients.authorization_lifetime", "'55s'", &[], InUse(of_client!(rule.people), "Seconds(55)")),
    ("clients.client_id", "'night'", &[], InUse(|app| format!("{:?}", app.in_force.load().policy.clients.keys()), "night")),
    ("clients.client_name", "'Night batch'", &[], InUse(of_client!(rule.labels), "Night batch")),
    ("clients.code_lifetime", "'55s'", &[], InUse(of_client!(rule.people), "Seconds(55)")),
    ("clients.consent", "'trusted'", &[], InUse(of_client!(rule.people), "Trusted")),
    ("clients.default_scopes", "['s2']", &[], InUse(of_client!(rule.default_scopes), "s2")),
    ("clients.grant_types", "['refresh_token']", &[], InUse(of_client!(rule.grant_types), "refresh_token")),
    ("clients.groups", "['corp/probe']", &[], InUse(of_client!(rule.people), "corp/probe")),
    ("clients.introspects", "['https://probe.example/']", &[], InUse(of_client!(rule.people), "probe.example")),
    ("clients.jwks.file", "'night.json'", &[], InUse(of_client!(method), "night")),
    ("clients.jwks.keys", "[NIGHT]", &["clients.jwks.file"], InUse(of_client!(method), "night")),
    ("clients.pushed_authorization", "'required'", &[], InUse(of_client!(rule.people), "Required")),
    ("clients.redirect_uris", "['https://probe.example/cb']", &[], InUse(of_client!(rule.redirect_uris), "probe.example")),
    ("clients.refresh_token_grace", "'55s'", &[], InUse(of_client!(rule.people), "Seconds(55)")),
    ("clients.refresh_token_idle_lifetime", "'55s'", &[], InUse(of_client!(rule.people), "Seconds(55)")),
    ("clients.resources", "['https://api.example/']", &[], InUse(of_client!(rule.resources), "api.example")),
    ("clients.scopes", "['s1', 's2', 's3']", &[], InUse(of_client!(rule.scopes), "s3")),
    ("clients.sender_constraint", "'dpop'", &[], InUse(of_client!(rule.sender_constraint), "Dpop")),
    ("clients.tls_client_auth_san_dns", "'night.example'", TLS_CLIENT, InUse(of_client!(method), "night.example")),
    ("clients.tls_client_auth_san_email", "'night@example.net'", TLS_CLIENT, InUse(of_client!(method), "night@example.net")),
    ("clients.tls_client_auth_san_ip", "'192.0.2.7'", TLS_CLIENT, InUse(of_client!(method), "192.0.2.7")),
    ("clients.tls_client_auth_san_uri", "'urn:x:night'", TLS_CLIENT, InUse(of_client!(method), "urn:x:night")),
    ("clients.tls_client_auth_subject_dn", "'CN=night'", TLS_CLIENT, InUse(of_client!(method), "night")),
    ("clients.tls_client_ca", "'roots.pem'", &["clients.jwks", "clients.token_endpoint_auth_method = 'tls_client_auth'", "clients.tls_client_auth_san_dns = 'night.example'"], InUse(of_client!(method), "ClientAuthorities(1)")),
    ("clients.token_endpoint_auth_method", "'client_secret_basic'", &[], OtherValueIsRefused),
    ("experiments.workload_proof_token", "'draft-02'", &["trust_domains.credentials = ['wit_svid']", "trust_domains.challenge = 'none'"], InUse(of_policy!(experiments.workload_proof_token), "true")),
    ("include", "['second/*.toml']", &[], InUse(|app| format!("{:?}", app.in_force.load().policy.rules.by_name("second").map(|rule| &rule.name)), "second")),
    ("issuer", "'https://other.example'", &[], InUse(of_policy!(issuer), "other.example")),
    ("issuers.accept_audiences", "['x']", AS_JWT, InUse(of_attester!(accept_audiences), "x")),
    ("issuers.attestation_age_max", "'77s'", &[], InUse(of_attester!(attestation_age_max), "77")),
    ("issuers.attested_metadata", "['client_name']", &[], InUse(of_attester!(attested_metadata), "client_name")),
    ("issuers.attesters", "['at2']", CREDENTIALS, InUse(of_attester!(verifiable), "at2")),
    ("issuers.attests", "['client_name']", CREDENTIALS, InUse(of_attester!(attested_metadata), "client_name")),
    ("issuers.captures", "{ r = 'probe_claim' }", &[], InUse(of_policy!(rules), "probe_claim")),
    ("issuers.challenge", "'none'", &[], InUse(of_attester!(challenge), "None")),
    ("issuers.clients_max", "77", &[], InUse(of_attester!(clients_max), "77")),
    ("issuers.default_service_accounts", "true", CLUSTER, InUse(of_attester!(takes_default_accounts), "true")),
    ("issuers.first_use", "'off'", &[], InUse(of_attester!(first_use), "Off")),
    ("issuers.formats", "['vc1-jwt']", CREDENTIALS, InUse(of_attester!(verifiable), "Vc1Jwt")),
    ("issuers.holder_binding", "'none'", CREDENTIALS, InUse(of_attester!(verifiable), "holder_binding: None")),
    ("issuers.issuer", "'https://ci.example'", &[], InUse(of_policy!(reserved_ids), "https://ci.example")),
    ("issuers.jwks.ca", "'roots.pem'", &["issuers.jwks.file", "issuers.jwks.url = 'https://127.0.0.1:1/jwks'"], InUse(of_source!(ATTESTER, origin), "roots: Some")),
    ("issuers.jwks.did", "true", &["issuers.kind = 'verifiable_credential'", "issuers.use = ['registration']", "issuers.types = ['t']", "issuers.jwks.file", "issuers.issuer = 'did:web:issuer.example'"], InUse(of_source!(ATTESTER, origin), "DidWeb")),
    ("issuers.jwks.discovery", "true", &["issuers.jwks.file", "issuers.issuer = 'https://127.0.0.1:1'"], InUse(of_source!(ATTESTER, origin), "Discovery")),
    ("issuers.jwks.file", "'night.json'", &[], InUse(of_source!(ATTESTER, origin), "night.json")),
    ("issuers.jwks.jwt_vc_issuer", "true", &["issuers.kind = 'verifiable_credential'", "issuers.use = ['registration']", "issuers.types = ['t']", "issuers.jwks.file", "issuers.issuer = 'https://issuer.example'"], InUse(of_source!(ATTESTER, origin), "JwtVcIssuer")),
    ("issuers.jwks.key_change", "'hold'", &["issuers.kind = 'verifiable_credential'", "issuers.use = ['registration']", "issuers.types = ['t']", "issuers.jwks.file", "issuers.jwks.url = 'https://127.0.0.1:1/jwks'", "issuers.issuer = 'https://issuer.example'"], InUse(of_source!(ATTESTER, key_changes), "are_held: true")),
    ("issuers.jwks.pin", "['kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k']", &["issuers.kind = 'verifiable_credential'", "issuers.use = ['registration']", "issuers.types = ['t']", "issuers.jwks.file", "issuers.jwks.url = 'https://127.0.0.1:1/jwks'", "issuers.issuer = 'https://issuer.example'"], InUse(of_source!(ATTESTER, key_changes), "pins: [[")),
    ("issuers.jwks.token", "'abc'", &["issuers.jwks.file", "issuers.jwks.url = 'https://127.0.0.1:1/jwks'"], InUse(of_source!(ATTESTER, origin), "token: Some")),
    ("issuers.jwks.url", "'https://127.0.0.1:1/jwks'", &["issuers.jwks.file"], InUse(of_source!(ATTESTER, origin), "HttpsWeb")),
    ("issuers.jwks.x5c.anchors", "'roots.pem'", &["issuers.kind = 'verifiable_credential'", "issuers.use = ['registration']", "issuers.types = ['t']", "issuers.jwks.file", "issuers.jwks.x5c.uri_san = 'https://issuer.example'", "issuers.issuer = 'https://issuer.example'"], InUse(of_source!(ATTESTER, origin), "roots.pem")),
    ("issuers.jwks.x5c.dns_san", "'issuer.example'", &["issuers.kind = 'verifiable_credential'", "issuers.use = ['registration']", "issuers.types = ['t']", "issuers.jwks.file", "issuers.jwks.x5c.anchors = 'roots.pem'", "issuers.issuer = 'https://issuer.example'"], InUse(of_source!(ATTESTER, origin), "Dns(")),
    ("issuers.jwks.x5c.uri_san", "'https://issuer.example'", &["issuers.kind = 'verifiable_credential'", "issuers.use = ['registration']", "issuers.types = ['t']", "issuers.jwks.file", "issuers.jwks.x5c.anchors = 'roots.pem'", "issuers.issuer = 'https://issuer.example'"], InUse(of_source!(ATTESTER, origin), "Uri(")),
    ("issuers.kind", "'jwt'", &["issuers.issuer = 'https://ci.example'"], InUse(of_attester!(credentials), "IssuerJwt")),
    ("issuers.lifetime_max", "'77s'", AS_JWT, InUse(of_attester!(lifetime_max), "77")),
    ("issuers.name", "'ci'", &[], InUse(of_policy!(reserved_ids), "ci:")),
    ("issuers.registrations_per_minute", "77", &[], InUse(of_attester!(registrations), "77")),
    ("issuers.status", "'ignore'", CREDENTIALS, InUse(of_attester!(status), "Ignore")),
    ("issuers.status_max_stale", "'77s'", CREDENTIALS, InUse(of_attester!(status), "77")),
    ("issuers.status_origins", "['https://status.example']", CREDENTIALS, InUse(of_attester!(status), "https://status.example")),
    ("issuers.subject_claim", "'probe_claim'", AS_JWT, InUse(of_attester!(subject_claim), "probe_claim")),
    ("issuers.token_review.accept_for", "'77s'", CLUSTER_IN_OUTAGE, InUse(of_attester!(review), "77")),
    ("issuers.token_review.ca", "'roots.pem'", REVIEWED_CLUSTER, InUse(REVIEWS, "roots: Some")),
    ("issuers.token_review.cache", "'77s'", REVIEWED_CLUSTER, InUse(REVIEWS, "cache: 77s")),
    ("issuers.token_review.on_outage", "'accept'", REVIEWED_CLUSTER, InUse(of_attester!(review), "accept_for: Some")),
    ("issuers.token_review.timeout", "'7s'", REVIEWED_CLUSTER, InUse(REVIEWS, "timeout: 7s")),
    ("issuers.token_review.token", "'abc'", REVIEWED_CLUSTER, InUse(REVIEWS, "token: Some")),
    ("issuers.token_review.url", "'https://127.0.0.1:1/night'", REVIEWED_CLUSTER, InUse(REVIEWS, "/night")),
    ("issuers.types", "['probe_type']", &CREDENTIALS_WITHOUT_TYPES, InUse(of_attester!(verifiable), "probe_type")),
    ("issuers.unbound", "'allow'", CREDENTIALS, InUse(of_attester!(verifiable), "unbound: Allow")),
    ("issuers.use", "['registration']", &[], OtherValueIsRefused),
    ("log.format", "'json'", &[], AtNextStart),
    ("log.token_issued", "true", &[], InUse(|app| format!("{:?}", app.in_force.load().serving.logs_tokens), "true")),
    ("login.development", "['probe']", &["issuer = 'https://localhost'"], InUse(LOGIN, "probe")),
    ("login.passkeys", "true", &[], InUse(LOGIN, "passkeys: Some")),
    ("login.providers.acr", "['urn:probe']", PROVIDER, InUse(LOGIN, "urn:probe")),
    ("login.providers.allow", "{ hd = 'probe.example' }", PROVIDER, InUse(LOGIN, "probe.example")),
    ("login.providers.allow_everyone", "true", PROVIDER_FOR_ALL, InUse(LOGIN, "Everyone")),
    ("login.providers.claims.groups", "'probe'", PROVIDER, InUse(LOGIN, "probe")),
    ("login.providers.client_id", "'probe'", PROVIDER, InUse(LOGIN, "probe")),
    ("login.providers.client_secret", "'probe'", PROVIDER, InUse(LOGIN, "client_secret: Some")),
    ("login.providers.issuer", "'https://probe.example'", PROVIDER, InUse(LOGIN, "probe.example")),
    ("login.providers.label", "'Probe'", PROVIDER, InUse(LOGIN, "Probe")),
    ("login.providers.name", "'probe'", PROVIDER, InUse(LOGIN, "probe")),
    ("login.providers.scopes", "['openid', 'probe']", PROVIDER, InUse(LOGIN, "probe")),
    ("login.session_idle_lifetime", "'77s'", &[], InUse(LOGIN, "77")),
    ("login.session_lifetime", "'7777s'", &[], InUse(LOGIN, "7777")),
    ("outbound.ca", "'roots.pem'", &[], InUse(|app| format!("{:?}", app.outbound.settings.lock().unwrap().extra_roots_pem.is_some()), "true")),
    ("outbound.resolve", "{ 'x.example' = '127.0.0.9' }", &[], InUse(|app| format!("{:?}", app.outbound.settings.lock().unwrap().resolve), "127.0.0.9")),
    ("pages.accent", "'#123456'", &[], InUse(PAGES, "--accent: #123456")),
    ("pages.logo", "'logo.png'", &[], InUse(PAGES, "logo: Some")),
    ("pages.name", "'Probe'", &[], InUse(PAGES, "Probe")),
    ("registration.initial_access_tokens", "true", &[], InUse(of_policy!(registration.takes_initial_access_tokens), "true")),
    ("registration.open", "false", &[], InUse(of_open!(takes_jwks_uri), "None")),
    ("registration.open.access_token_lifetime", "'77s'", &[], InUse(of_open!(rule.access_token_lifetime), "77")),
    ("registration.open.authorization_lifetime", "'55s'", &[], InUse(of_open!(rule.people), "Seconds(55)")),
    ("registration.open.client_idle_lifetime", "'77s'", &[], InUse(of_open!(rule.client_idle_lifetime), "77")),
    ("registration.open.client_lifetime", "'77s'", &[], InUse(of_open!(rule.client_lifetime), "77")),
    ("registration.open.clients_max", "77", &[], InUse(of_open!(rule.clients_max), "77")),
    ("registration.open.default_scopes", "['s2']", &[], InUse(of_open!(rule.default_scopes), "s2")),
    ("registration.open.grant_types", "['client_credentials']", &[], InUse(of_open!(rule.grant_types), "client_credentials")),
    ("registration.open.groups", "['corp/probe']", &[], InUse(of_open!(rule.people), "corp/probe")),
    ("registration.open.jwks_uri", "true", &[], InUse(of_open!(takes_jwks_uri), "true")),
    ("registration.open.pushed_authorization", "'optional'", &[], InUse(of_open!(rule.people), "Optional")),
    ("registration.open.refresh_token_idle_lifetime", "'55s'", &[], InUse(of_open!(rule.people), "Seconds(55)")),
    ("registration.open.registrations_burst", "77", &[], InUse(of_open!(rule.registrations_burst), "77")),
    ("registration.open.registrations_per_minute", "77", &[], InUse(of_open!(rule.registrations_per_minute), "77")),
    ("registration.open.registrations_per_minute_per_address", "77", &[], InUse(of_open!(per_address), "77")),
    ("registration.open.resources", "['https://api.example/']", &[], InUse(of_open!(rule.resources), "api.example")),
    ("registration.open.scopes", "['s3']", &[], InUse(of_open!(rule.scopes), "s3")),
    ("registration.statements", "false", &[], InUse(of_policy!(registration.takes_evidence), "false")),
    ("rules.access_token_lifetime", "'77s'", &[], InUse(of_rule!(access_token_lifetime), "77")),
    ("rules.attested_by", "['at1']", &[], InUse(of_rule!(attested_by), "at1")),
    ("rules.authorities", "['at1']", &["rules.entire_authority = true"], InUse(of_rule!(authorities), "at1")),
    ("rules.authorization_lifetime", "'55s'", &[], InUse(of_rule!(people), "Seconds(55)")),
    ("rules.claims", "{ c = 'probe_claim' }", &["rules.identities = ['at1:x']"], InUse(of_rule!(claims), "probe_claim")),
    ("rules.client", "'instance'", &["rules.identities = ['spiffe://a.example/ns/{namespace}/sa/{instance}']"], InUse(of_rule!(client), "Instance")),
    ("rules.client_id", "'opaque'", &[], InUse(of_rule!(client_id), "Opaque")),
    ("rules.client_idle_lifetime", "'77s'", &[], InUse(of_rule!(client_idle_lifetime), "77")),
    ("rules.client_lifetime", "'77s'", &[], InUse(of_rule!(client_lifetime), "77")),
    ("rules.client_name", "'Night batch'", &[], InUse(of_rule!(labels), "Night batch")),
    ("rules.client_uri", "'https://night.example/'", &[], InUse(of_rule!(labels), "night.example")),
    ("rules.clients_max", "77", &[], InUse(of_rule!(clients_max), "77")),
    ("rules.code_lifetime", "'55s'", &[], InUse(of_rule!(people), "Seconds(55)")),
    ("rules.consent", "'trusted'", &[], InUse(of_rule!(people), "Trusted")),
    ("rules.credentials", "['x509_svid']", &["trust_domains.credentials = ['jwt_svid', 'x509_svid']"], InUse(of_rule!(credentials), "X509Svid")),
    ("rules.default_scopes", "['s2']", &[], InUse(of_rule!(default_scopes), "s2")),
    ("rules.enabled", "false", &[], InUse(of_rule!(enabled), "false")),
    ("rules.entire_authority", "true", &["rules.identities = ['ci:**']"], InUse(of_rule!(patterns), "ci:**")),
    ("rules.entire_trust_domain", "true", &["rules.identities = ['spiffe://a.example/**']"], InUse(of_rule!(patterns), "spiffe://a.example/**")),
    ("rules.first_use", "'off'", &[], InUse(of_rule!(first_use), "Off")),
    ("rules.grant_types", "['refresh_token']", &[], InUse(of_rule!(grant_types), "refresh_token")),
    ("rules.groups", "['corp/probe']", &[], InUse(of_rule!(people), "corp/probe")),
    ("rules.identities", "['spiffe://a.example/other/*']", &[], InUse(of_rule!(patterns), "other")),
    ("rules.introspects", "['https://probe.example/']", &[], InUse(of_rule!(people), "probe.example")),
    ("rules.logo_uri", "'https://night.example/logo.png'", &[], InUse(of_rule!(labels), "logo.png")),
    ("rules.name", "'other'", &[], InUse(|app| format!("{:?}", app.in_force.load().policy.rules.by_name("other").map(|rule| &rule.name)), "other")),
    ("rules.occasions", "['registration']", &[], InUse(of_rule!(occasions), "Registration")),
    ("rules.pushed_authorization", "'optional'", &[], InUse(of_rule!(people), "Optional")),
    ("rules.redirect_uri_hosts", "['{service}.apps.example']", &[], InUse(of_rule!(redirect_uri_hosts), "apps.example")),
    ("rules.redirect_uris", "['https://{service}.apps.example/cb']", &[], InUse(of_rule!(redirect_uris), "apps.example")),
    ("rules.refresh_token_grace", "'55s'", &[], InUse(of_rule!(people), "Seconds(55)")),
    ("rules.refresh_token_idle_lifetime", "'55s'", &[], InUse(of_rule!(people), "Seconds(55)")),
    ("rules.registration", "'fixed'", &[], InUse(of_rule!(registration), "Fixed")),
    ("rules.registrations_burst", "77", &[], InUse(of_rule!(registrations_burst), "77")),
    ("rules.registrations_per_minute", "77", &[], InUse(of_rule!(registrations_per_minute), "77")),
    ("rules.resources", "['https://api.example/']", &[], InUse(of_rule!(resources), "api.example")),
    ("rules.scopes", "['s1', 's3']", &[], InUse(of_rule!(scopes), "s3")),
    ("rules.sender_constraint", "'dpop'", &[], InUse(of_rule!(sender_constraint), "Dpop")),
    ("scopes", "{ s1 = 'probe the orders' }", &[], InUse(of_policy!(scopes), "probe the orders")),
    ("server.body_timeout", "'77s'", &[], InUse(of_connections!(body_timeout), "77s")),
    // A multiple of the number of shards of the memory, which rounds up.
    ("server.clients_in_memory", "768", &[], InUse(|app| app.memory.clients.clients_max().to_string(), "768")),
    ("server.connections_max", "777", &[], AtNextStart),
    ("server.connections_max_per_address", "777", &[], InUse(of_connections!(connections_max_per_address), "777")),
    ("server.connections_max_per_prefix", "7777", &[], InUse(of_connections!(connections_max_per_prefix), "7777")),
    ("server.drain", "'77s'", &[], InUse(|app| format!("{:?}", app.in_force.load().serving.drain), "77s")),
    ("server.first_request_timeout", "'77s'", &[], InUse(of_connections!(first_request_timeout), "77s")),
    ("server.idle_timeout", "'77s'", &[], InUse(of_connections!(idle_timeout), "77s")),
    ("server.listen", "['127.0.0.2:0']", &[], AtNextStart),
    ("server.mtls.listen", "['127.0.0.2:0']", &[], AtNextStart),
    ("server.mtls.url", "'https://m2.as.example'", &[], AtNextStart),
    ("server.proxy.client_address_header", "'x-second'", &[], InUse(of_proxy!(address_field), "x-second")),
    ("server.proxy.client_certificate_header", "'x-second'", &[], InUse(of_proxy!(certificate_fields), "x-second")),
    ("server.proxy.trusted", "['10.7.0.0/16']", &[], InUse(of_proxy!(trusted), "10.7.0.0/16")),
    ("server.streams_max", "77", &[], AtNextStart),
    ("server.tls.certificate", "'tls2.crt'", &["server.tls.private_key = 'tls2.key'"], Certificate(|running| running.addresses[0])),
    ("server.tls.private_key", "'tls2.key'", &["server.tls.certificate = 'tls2.crt'"], Certificate(|running| running.addresses[0])),
    ("server.watch", "true", &[], InUse(|app| format!("{:?}", app.in_force.load().serving.watch), "true")),
    ("server.write_timeout", "'77s'", &[], InUse(of_connections!(write_timeout), "77s")),
    ("store.ca", "'roots.pem'", &[], AtNextStart),
    ("store.key_encryption_key", "'P4DmWGtsyIpx4YFDV-kWotaK7o9RQT54KpalCx2qcl0'", &[], AtNextStart),
    ("store.serve_without_store", "'77s'", &[], InUse(|app| format!("{:?}", app.applied_changes.limit()), "77s")),
    ("store.url", "'sqlite:other.db'", &[], AtNextStart),
    ("tokens.access_token_lifetime", "'77s'", &[], InUse(of_policy!(tokens.access_token_lifetime), "77")),
    ("tokens.dpop_nonce", "'required'", &[], InUse(of_policy!(tokens.dpop_nonce), "Required")),
    ("tokens.signing_algorithm", "'EdDSA'", &[], AtNextStart),
    ("trust_domains.accept_audiences", "['https://old.example']", &[], InUse(of_domain!(accept_audiences), "old.example")),
    ("trust_domains.attested_metadata", "['client_name']", &[], InUse(of_domain!(attested_metadata), "client_name")),
    ("trust_domains.bundle.bootstrap", "'x.json'", &[SPIFFE[0], SPIFFE[1], SPIFFE[2], SPIFFE[3]], InUse(of_bundle!(origin), "Own(")),
    ("trust_domains.bundle.ca", "'roots.pem'", &["trust_domains.bundle.file", "trust_domains.bundle.url = 'https://127.0.0.1:1/'"], InUse(of_bundle!(origin), "roots: Some")),
    ("trust_domains.bundle.endpoint_spiffe_id", "'spiffe://a.example/other'", &[SPIFFE[0], SPIFFE[1], SPIFFE[2], SPIFFE[4]], InUse(of_bundle!(origin), "a.example/other")),
    ("trust_domains.bundle.file", "'b.json'", &[], InUse(of_bundle!(origin), "b.json")),
    ("trust_domains.bundle.max_staleness", "'77s'", &[], InUse(of_bundle!(max_staleness), "77")),
    ("trust_domains.bundle.profile", "'https_spiffe'", &[SPIFFE[0], SPIFFE[1], SPIFFE[3], SPIFFE[4]], InUse(of_bundle!(origin), "HttpsSpiffe")),
    ("trust_domains.bundle.url", "'http://127.0.0.1:1/'", &["trust_domains.bundle.file"], InUse(of_bundle!(origin), "HttpsWeb")),
    ("trust_domains.bundle.workload_api", "'unix:///absent.sock'", &["trust_domains.bundle.file"], InUse(of_bundle!(origin), "absent.sock")),
    ("trust_domains.challenge", "'none'", &["trust_domains.credentials = ['jwt_svid', 'wit_svid']"], InUse(of_domain!(challenge), "None")),
    ("trust_domains.clients_max", "77", &[], InUse(of_domain!(clients_max), "77")),
    ("trust_domains.credentials", "['x509_svid']", &[], InUse(of_domain!(credentials), "X509Svid")),
    ("trust_domains.first_use", "'off'", &[], InUse(of_domain!(first_use), "Off")),
    ("trust_domains.lifetime_max", "'77s'", &[], InUse(of_domain!(lifetime_max), "77")),
    ("trust_domains.name", "'b.example'", &["rules.identities = ['spiffe://b.example/x/*']"], InUse(|app| format!("{:?}", app.in_force.load().policy.authorities.keys()), "b.example")),
    ("trust_domains.registrations_burst", "77", &[], InUse(of_domain!(registrations), "77")),
    ("trust_domains.registrations_burst_per_prefix", "77", &["trust_domains.registrations_per_minute_per_prefix = 5"], InUse(of_domain!(registrations_per_prefix), "77")),
    ("trust_domains.registrations_per_minute", "77", &[], InUse(of_domain!(registrations), "77")),
    ("trust_domains.registrations_per_minute_per_prefix", "77", &[], InUse(of_domain!(registrations_per_prefix), "77")),
    ("trust_domains.single_use", "true", &[], InUse(of_domain!(single_use), "true")),
    ("trust_domains.statement_issuer", "'https://ca.example'", &[], InUse(of_domain!(statement_issuer), "ca.example")),
    ("trust_domains.velocity_prefix_segments", "77", &[], InUse(of_domain!(velocity_prefix_segments), "77")),
];

const TLS_CLIENT: &[&str] = &[
    "clients.jwks",
    "clients.token_endpoint_auth_method = 'tls_client_auth'",
    "clients.tls_client_ca = 'roots.pem'",
];
const CREDENTIALS_WITHOUT_TYPES: [&str; 3] = [
    "issuers.kind = 'verifiable_credential'",
    "issuers.issuer = 'https://issuer.example'",
    "issuers.use = ['registration']",
];
const CREDENTIALS: &[&str] = &[
    CREDENTIALS_WITHOUT_TYPES[0],
    CREDENTIALS_WITHOUT_TYPES[1],
    CREDENTIALS_WITHOUT_TYPES[2],
    "issuers.types = ['t']",
];
const AS_JWT: &[&str] = &["issuers.kind = 'jwt'", "issuers.issuer = 'https://ci.example'"];
const CLUSTER: &[&str] = &[
    "issuers.kind = 'kubernetes'",
    "issuers.issuer = 'https://k.example'",
];
const REVIEWED_CLUSTER: &[&str] = &[
    "issuers.kind = 'kubernetes'",
    "issuers.issuer = 'https://k.example'",
    "issuers.token_review.url = 'https://127.0.0.1:1/reviews'",
    "issuers.token_review.token = 'abc'",
];
const CLUSTER_IN_OUTAGE: &[&str] = &[
    "issuers.kind = 'kubernetes'",
    "issuers.issuer = 'https://k.example'",
    "issuers.token_review.url = 'https://127.0.0.1:1/reviews'",
    "issuers.token_review.token = 'abc'",
    "issuers.token_review.on_outage = 'accept'",
];
const PROVIDER: &[&str] = &[
    "login.providers.name = 'corp'",
    "login.providers.issuer = 'https://login.example'",
    "login.providers.client_id = 'testudo'",
    "login.providers.allow = { hd = 'example.net' }",
];
const PROVIDER_FOR_ALL: &[&str] = &[PROVIDER[0], PROVIDER[1], PROVIDER[2]];
const LOGIN: fn(&App) -> String = |app| format!("{:?}", app.in_force.load().login);
const PAGES: fn(&App) -> String = |app| format!("{:?}", app.in_force.load().look);
const REVIEWS: fn(&App) -> String = |app| format!("{:?}", app.in_force.load().reviews);
const SPIFFE: [&str; 5] = [
    "trust_domains.bundle.file",
    "trust_domains.bundle.url = 'https://127.0.0.1:1/'",
    "trust_domains.bundle.profile = 'https_spiffe'",
    "trust_domains.bundle.endpoint_spiffe_id = 'spiffe://a.example/spire/server'",
    "trust_domains.bundle.bootstrap = 'x.json'",
];

#[test]
fn every_configuration_key_has_a_row_and_the_row_agrees_with_the_table_of_keys() {
    let listed: Vec<(&str, bool)> = KEYS
        .iter()
        .map(|key| (key.path, key.is_taken_by_reload))
        .collect();
    let rows: Vec<(&str, bool)> = ROWS
        .iter()
        .map(|(path, _, _, shows)| (*path, !matches!(shows, AtNextStart)))
        .collect();
    assert_eq!(rows, listed);
}

/// Sets the key in the table, in the first entry of each list of tables; without a value it is removed.
fn set(table: &mut Table, key: &str, value: Option<Value>) {
    let Some((first, rest)) = key.split_once('.') else {
        match value {
            Some(value) => table.insert(key.to_owned(), value),
            None => table.remove(key),
        };
        return;
    };
    let is_list = ["rules", "trust_domains", "issuers", "clients", "providers"].contains(&first);
    let inner = table.entry(first).or_insert_with(|| match is_list {
        true => Value::Array(vec![Value::Table(Table::new())]),
        false => Value::Table(Table::new()),
    });
    match inner {
        Value::Array(entries) => set(entries[0].as_table_mut().unwrap(), rest, value),
        inner => set(inner.as_table_mut().unwrap(), rest, value),
    }
}

struct Site {
    folder: PathBuf,
    running: Running,
    /// The root of the second certificate.
    root: Vec<Vec<u8>>,
    night: String,
}

impl Site {
    async fn start() -> Site {
        let folder = folder("settings");
        let write = |name: &str, text: &str| write_private(&folder.join(name), text);
        let (first, _) = web_certificate("as.example");
        let (second, root) = web_certificate("as.example");
        for (name, pair) in [("tls", &first), ("tls2", &second)] {
            write(&format!("{name}.crt"), &pair.chain_pem());
            write(&format!("{name}.key"), &pair.key_pem());
        }
        write("roots.pem", &root.chain_pem());
        let bundle = TestIssuer::new("a.example").bundle().to_string();
        write("a.json", &bundle);
        write("b.json", &bundle);
        write("x.json", &X509Issuer::new("a.example").bundle().to_string());
        let key = |kid| {
            let key = generate_key(testudo_protocol::jose::Algorithm::ES256, Some(kid));
            key.public_jwk("sig", true)
        };
        let night = key("night");
        write("batch.json", &json!({ "keys": [key("batch")] }).to_string());
        write("night.json", &json!({ "keys": [night] }).to_string());
        write("at1.json", &json!({ "keys": [key("at1")] }).to_string());
        for name in ["first", "second"] {
            std::fs::create_dir(folder.join(name)).unwrap();
            let rule =
                format!("[[rules]]\nname = \"{name}\"\nidentities = [\"spiffe://a.example/{name}/*\"]\n");
            write(&format!("{name}/rules.toml"), &rule);
        }
        std::fs::write(folder.join("logo.png"), LOGO).unwrap();
        write("testudo.toml", BASE);
        Site {
            running: run_in(&folder).await.unwrap(),
            folder,
            root: root.chain,
            night: night.to_string(),
        }
    }

    /// Writes the file with these changes, and reloads.
    async fn reload(&self, changes: &[(&str, Option<&str>)]) -> (u16, Json) {
        let mut table: Table = BASE.parse().unwrap();
        for (key, text) in changes {
            set(&mut table, key, text.map(|text| self.value(text)));
        }
        write_private(
            &self.folder.join("testudo.toml"),
            &toml::to_string(&table).unwrap(),
        );
        let socket = self.folder.join("admin.sock");
        over_socket(&socket, "POST", "/admin/v1/reload", json!({})).await
    }

    fn value(&self, text: &str) -> Value {
        if text == "[NIGHT]" {
            let key: Json = serde_json::from_str(&self.night).unwrap();
            return Value::try_from(vec![key]).unwrap();
        }
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    async fn serves_the_second_certificate(&self, address: SocketAddr) -> bool {
        let client = TlsClient::new(&self.root, None);
        client.connect(address).await.is_some()
    }

    /// Reloads with the new value, then with the values of the start; the error states what was missing.
    async fn check(&self, (path, value, with, shows): Row) -> Result<(), String> {
        let mut changes: Vec<(&str, Option<&str>)> = with
            .iter()
            .map(|change| match change.split_once(" = ") {
                Some((key, value)) => (key, Some(value)),
                None => (*change, None),
            })
            .collect();
        changes.push((path, Some(value)));
        let app = &self.running.app;
        let before = match shows {
            InUse(of, _) => of(app),
            Certificate(of) => self
                .serves_the_second_certificate(of(&self.running))
                .await
                .to_string(),
            AtNextStart | OtherValueIsRefused => String::new(),
        };
        let (status, answer) = self.reload(&changes).await;
        let text = answer.to_string();
        let is_refused = matches!(shows, OtherValueIsRefused);
        if status != if is_refused { 400 } else { 200 } {
            return Err(format!("{path}: {status} {text}"));
        }
        let warning = answer["warning"].as_str().unwrap_or_default();
        let mut after = String::new();
        let is_shown = match shows {
            InUse(of, new) => {
                after = of(app);
                !before.contains(new) && after.contains(new)
            }
            Certificate(of) => {
                before == "false" && self.serves_the_second_certificate(of(&self.running)).await
            }
            AtNextStart => {
                warning.contains(&format!("{path} changed: takes effect at the next start"))
                    && answer["configuration"]["at_next_start"]
                        .to_string()
                        .contains(path)
            }
            OtherValueIsRefused => text.contains(&format!(".{}", path.rsplit('.').next().unwrap())),
        };
        let is_named = is_refused || names_the_change(path, &answer["configuration"]);
        let (status, back) = self.reload(&[]).await;
        if status != 200 || back["configuration"]["at_next_start"] != Json::Null {
            return Err(format!("{path}: the values of the start again: {status} {back}"));
        }
        match (is_shown, is_named, shows) {
            (true, true, _) => Ok(()),
            (true, false, _) => Err(format!("{path}: the change is not named: {text}")),
            (false, _, InUse(_, new)) => Err(format!("{path}: no {new} in {after}, before {before}: {text}")),
            (false, ..) => Err(format!("{path}: {text}")),
        }
    }
}

/// The record of the change has the key, or the entry of the list in which the key stands.
fn names_the_change(path: &str, change: &Json) -> bool {
    match path.split('.').next().unwrap() {
        "include" => change["settings"].is_object() && change["rules"].is_object(),
        list @ ("rules" | "trust_domains" | "issuers" | "clients") => change[list].is_object(),
        // A list in a section is compared as a whole.
        "login" if path.starts_with("login.providers.") => {
            change["settings"].to_string().contains("\"login.providers\"")
        }
        _ => change["settings"].to_string().contains(&format!("\"{path}\"")),
    }
}

fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_setting_that_is_changed_is_used_after_a_reload_or_named_in_the_answer() {
    let site = Site::start().await;
    let mut faults = Vec::new();
    for row in ROWS {
        faults.extend(site.check(*row).await.err());
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    site.running.stop().await;
}
