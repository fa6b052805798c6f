//! The keys of `[[issuers]]`.

use super::{AUDIENCE, CLAIM, DURATION, FIRST_USE, HTTPS, PATH, SWITCH, TEXT};
use crate::config::key::{Key, count, key};

pub(super) const KEYS: &[Key] = &[
    key(
        "issuers.accept_audiences",
        AUDIENCE,
        "\"https://old.example.net\"",
    )
    .list(),
    key("issuers.attestation_age_max", DURATION, "\"24h\""),
    key(
        "issuers.attested_metadata",
        "a member of client metadata",
        "\"client_name\"",
    )
    .list(),
    key("issuers.attesters", "the name of an attester", "\"wallets\"").list(),
    key(
        "issuers.attests",
        "a member of client metadata",
        "\"client_name\"",
    )
    .list(),
    key(
        "issuers.captures",
        "names, each with the name of a claim or a JSON Pointer",
        "{ repository = \"repository\" }",
    ),
    key(
        "issuers.challenge",
        "one of \"required\", \"none\"",
        "\"required\"",
    ),
    count("issuers.clients_max", "clients", "100000"),
    key("issuers.default_service_accounts", SWITCH, "false"),
    key("issuers.first_use", FIRST_USE, "\"on\""),
    key(
        "issuers.formats",
        "one of \"dc+sd-jwt\", \"vc+jwt\", \"vc1-jwt\"",
        "\"dc+sd-jwt\"",
    )
    .list(),
    key(
        "issuers.holder_binding",
        "one of \"required\", \"none\"",
        "\"required\"",
    ),
    key(
        "issuers.issuer",
        "the `iss` of its credentials",
        "\"https://token.actions.example\"",
    ),
    key("issuers.jwks.ca", PATH, "\"roots.pem\""),
    key("issuers.jwks.did", SWITCH, "true"),
    key("issuers.jwks.discovery", SWITCH, "true"),
    key("issuers.jwks.file", PATH, "\"jwks.json\""),
    key("issuers.jwks.jwt_vc_issuer", SWITCH, "true"),
    key(
        "issuers.jwks.key_change",
        "one of \"alarm\", \"hold\"",
        "\"hold\"",
    ),
    key(
        "issuers.jwks.pin",
        "a JWK thumbprint (RFC 7638): SHA-256 in base64url",
        "\"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k\"",
    )
    .list(),
    key(
        "issuers.jwks.token",
        "a bearer token, or the file or the variable that contains it",
        "{ file = \"token\" }",
    )
    .secret(),
    key(
        "issuers.jwks.url",
        HTTPS,
        "\"https://attester.example.net/jwks.json\"",
    ),
    key("issuers.jwks.x5c.anchors", PATH, "\"ca.pem\""),
    key("issuers.jwks.x5c.dns_san", "a host name", "\"issuer.example\""),
    key("issuers.jwks.x5c.uri_san", "a URI", "\"https://issuer.example\""),
    key(
        "issuers.kind",
        "one of \"kubernetes\", \"attester\", \"verifiable_credential\", \"jwt\"",
        "\"kubernetes\"",
    ),
    key("issuers.lifetime_max", DURATION, "\"24h\""),
    key(
        "issuers.name",
        "lower-case letters, digits and -, a letter first",
        "\"cluster-a\"",
    ),
    count("issuers.registrations_per_minute", "clients per minute", "600"),
    key(
        "issuers.status",
        "one of \"required\", \"if_present\", \"ignore\"",
        "\"required\"",
    ),
    key("issuers.status_max_stale", DURATION, "\"1h\""),
    key(
        "issuers.status_origins",
        "the origin of an https URL",
        "\"https://status.example\"",
    )
    .list(),
    key("issuers.subject_claim", CLAIM, "\"repository_id\""),
    key("issuers.token_review.accept_for", DURATION, "\"5m\""),
    key("issuers.token_review.ca", PATH, "\"cluster-ca.pem\""),
    key("issuers.token_review.cache", DURATION, "\"10s\""),
    key(
        "issuers.token_review.on_outage",
        "one of \"refuse\", \"accept\"",
        "\"refuse\"",
    ),
    key("issuers.token_review.timeout", DURATION, "\"2s\""),
    key(
        "issuers.token_review.token",
        "a bearer token, or the file or the variable that contains it",
        "{ file = \"token\" }",
    )
    .secret(),
    key(
        "issuers.token_review.url",
        HTTPS,
        "\"https://cluster-a.example.net:6443/apis/authentication.k8s.io/v1/tokenreviews\"",
    ),
    key("issuers.types", TEXT, "\"https://vct.example/oauth-client/1\"").list(),
    key("issuers.unbound", "\"refuse\" or \"allow\"", "\"allow\""),
    key(
        "issuers.use",
        "one of \"client\", \"registration\", \"grant\"",
        "\"client\"",
    )
    .list(),
];
