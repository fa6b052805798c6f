//! Every key of the configuration: its form, an example, and whether a reload applies it. Its meaning is the comment of
//! its field in the section.

mod issuers;

use super::key::{Key, count, key};

const ADDRESS: &str = "an address with a port";
const AUDIENCE: &str = "a text that `aud` may be";
const CLAIM: &str = "the name of a claim, or a JSON Pointer";
const CONSENT: &str = "\"explicit\" or \"trusted\"";
const DURATION: &str = "a number with its unit (s, m, h or d)";
const DURATION_OR_NONE: &str = "a number with its unit (s, m, h or d), or \"none\"";
const FIRST_USE: &str = "one of \"off\", \"observe\", \"on\"";
const GRANT: &str = "a grant type";
const GROUP: &str = "PROVIDER/GROUP, or the name of a group of this server";
const HEADER: &str = "the name of a header field";
const HTTPS: &str = "an https URL";
const PATH: &str = "the path of a file, from the folder of the configuration file";
const PATTERN: &str =
    "a pattern of identities: whole segments, each a literal, {name} or *, the last may be **";
const PUSHED: &str = "\"required\" or \"optional\"";
const RESOURCE: &str = "an absolute URI without a fragment";
const SCOPE: &str = "a scope value without spaces";
const SVID: &str = "one of \"jwt_svid\", \"x509_svid\", \"wit_svid\"";
const SWITCH: &str = "true or false";
const TEXT: &str = "a text";

/// All keys, in the order of their paths.
pub const KEYS: &[Key] = &joined::<{ FIRST.len() + issuers::KEYS.len() + LAST.len() }>();

/// The tables as one.
const fn joined<const N: usize>() -> [Key; N] {
    let tables = [FIRST, issuers::KEYS, LAST];
    let mut all = [FIRST[0]; N];
    let (mut table, mut row, mut next) = (0, 0, 0);
    while next < N {
        if row == tables[table].len() {
            (table, row) = (table + 1, 0);
        } else {
            all[next] = tables[table][row];
            (row, next) = (row + 1, next + 1);
        }
    }
    all
}

/// The keys before `issuers`.
const FIRST: &[Key] = &[
    key("admin.administrators", PATTERN, "\"spiffe://prod.example/ops/*\"").list(),
    key("admin.auditors", PATTERN, "\"spiffe://prod.example/audit/*\"").list(),
    key("admin.listen", ADDRESS, "\"127.0.0.1:8081\"").at_start(),
    key("admin.socket", "the path of a Unix socket", "\"testudo.sock\"").at_start(),
    key("admin.tls.certificate", PATH, "\"tls.crt\""),
    key("admin.tls.private_key", PATH, "\"tls.key\""),
    key("clients.access_token_lifetime", DURATION, "\"5m\""),
    key("clients.attested_by", "the name of an attester", "\"agents\"").list(),
    key("clients.authorization_lifetime", DURATION_OR_NONE, "\"90d\""),
    key(
        "clients.client_id",
        "1 to 2048 printable ASCII characters, neither a SPIFFE ID nor a URL, and not beginning with c_, u_ or vc:",
        "\"batch\"",
    ),
    key("clients.client_name", TEXT, "\"Nightly batch\""),
    key("clients.code_lifetime", DURATION, "\"60s\""),
    key("clients.consent", CONSENT, "\"explicit\""),
    key("clients.default_scopes", SCOPE, "\"orders.read\"").list(),
    key("clients.grant_types", GRANT, "\"client_credentials\"").list(),
    key("clients.groups", GROUP, "\"corp/staff\"").list(),
    key("clients.introspects", RESOURCE, "\"https://api.example.net\"").list(),
    key("clients.jwks.file", PATH, "\"batch.jwks.json\""),
    key(
        "clients.jwks.keys",
        "a public key as a JWK",
        "{ kty = \"OKP\", crv = \"Ed25519\", x = \"…\" }",
    )
    .list(),
    key("clients.pushed_authorization", PUSHED, "\"optional\""),
    key(
        "clients.redirect_uris",
        "an https URL",
        "\"https://shop.example.net/callback\"",
    )
    .list(),
    key("clients.refresh_token_grace", DURATION, "\"30s\""),
    key("clients.refresh_token_idle_lifetime", DURATION, "\"14d\""),
    key(
        "clients.resources",
        RESOURCE,
        "\"https://api.example.net/orders\"",
    )
    .list(),
    key("clients.scopes", SCOPE, "\"orders.read\"").list(),
    key(
        "clients.sender_constraint",
        "one of \"none\", \"dpop\", \"mtls\", \"any\"",
        "\"mtls\"",
    ),
    key(
        "clients.tls_client_auth_san_dns",
        "a DNS name without wildcard",
        "\"batch.example.net\"",
    ),
    key(
        "clients.tls_client_auth_san_email",
        "an email address",
        "\"batch@example.net\"",
    ),
    key("clients.tls_client_auth_san_ip", "an IP address", "\"192.0.2.7\""),
    key(
        "clients.tls_client_auth_san_uri",
        "a URI other than a SPIFFE ID",
        "\"urn:example:batch\"",
    ),
    key(
        "clients.tls_client_auth_subject_dn",
        "a distinguished name as in RFC 4514",
        "\"CN=batch,O=Example\"",
    ),
    key("clients.tls_client_ca", PATH, "\"batch-ca.pem\""),
    key(
        "clients.token_endpoint_auth_method",
        "one of \"private_key_jwt\", \"tls_client_auth\", \"self_signed_tls_client_auth\", \"none\"",
        "\"private_key_jwt\"",
    ),
    key("experiments.workload_proof_token", "\"draft-02\"", "\"draft-02\""),
    key(
        "include",
        "a path from the folder of the configuration file, with * and ? in names",
        "\"rules.d/*.toml\"",
    )
    .list(),
    key(
        "issuer",
        "https://host or https://host/path, without a trailing slash",
        "\"https://as.example.net\"",
    ),
];

/// The keys behind `issuers`.
const LAST: &[Key] = &[
    key("log.format", "\"json\" or \"text\"", "\"json\"").at_start(),
    key("log.token_issued", SWITCH, "true"),
    key(
        "login.development",
        "lower-case letters, digits, ., _ and -",
        "\"alice\"",
    )
    .list(),
    key("login.passkeys", SWITCH, "true"),
    key(
        "login.providers.acr",
        "a value of the claim acr",
        "\"urn:example:mfa\"",
    )
    .list(),
    key(
        "login.providers.allow",
        "names of claims or JSON Pointers, each with a text, a whole number or a switch",
        "{ hd = \"example.net\" }",
    ),
    key("login.providers.allow_everyone", SWITCH, "false"),
    key("login.providers.claims.groups", CLAIM, "\"groups\""),
    key("login.providers.client_id", TEXT, "\"testudo\""),
    key(
        "login.providers.client_secret",
        "a client secret, or the file or the variable that contains it",
        "{ file = \"client-secret\" }",
    )
    .secret(),
    key(
        "login.providers.issuer",
        "an https URL without query and fragment",
        "\"https://login.example.net\"",
    ),
    key("login.providers.label", TEXT, "\"Company sign-in\""),
    key(
        "login.providers.name",
        "lower-case letters, digits and -, a letter first",
        "\"corp\"",
    ),
    key("login.providers.scopes", SCOPE, "\"openid\"").list(),
    key(
        "login.session_idle_lifetime",
        "a time from \"1m\" to `session_lifetime`",
        "\"1h\"",
    ),
    key(
        "login.session_lifetime",
        "a time from \"1m\" to \"90d\"",
        "\"12h\"",
    ),
    key("outbound.ca", PATH, "\"extra-roots.pem\""),
    key(
        "outbound.resolve",
        "a table of host names with an IP address each",
        "{ \"spire.prod.example\" = \"127.0.0.1\" }",
    ),
    key("pages.accent", "# and six hexadecimal digits", "\"#1d4ed8\""),
    key("pages.logo", PATH, "\"logo.png\""),
    key("pages.name", TEXT, "\"Example Corporation\""),
    key("registration.initial_access_tokens", SWITCH, "false"),
    key(
        "registration.open",
        "true, false, or a table of settings",
        "false",
    ),
    key("registration.open.access_token_lifetime", DURATION, "\"5m\""),
    key(
        "registration.open.authorization_lifetime",
        DURATION_OR_NONE,
        "\"90d\"",
    ),
    key("registration.open.client_idle_lifetime", DURATION, "\"7d\""),
    key("registration.open.client_lifetime", DURATION, "\"30d\""),
    count("registration.open.clients_max", "clients", "1000"),
    key("registration.open.default_scopes", SCOPE, "\"orders.read\"").list(),
    key("registration.open.grant_types", GRANT, "\"client_credentials\"").list(),
    key("registration.open.groups", GROUP, "\"corp/staff\"").list(),
    key("registration.open.jwks_uri", SWITCH, "false"),
    key("registration.open.pushed_authorization", PUSHED, "\"required\""),
    key(
        "registration.open.refresh_token_idle_lifetime",
        DURATION,
        "\"14d\"",
    ),
    count("registration.open.registrations_burst", "clients", "60"),
    count(
        "registration.open.registrations_per_minute",
        "clients per minute",
        "60",
    ),
    count(
        "registration.open.registrations_per_minute_per_address",
        "clients per minute",
        "10",
    ),
    key(
        "registration.open.resources",
        RESOURCE,
        "\"https://api.example.net/orders\"",
    )
    .list(),
    key("registration.open.scopes", SCOPE, "\"orders.read\"").list(),
    key("registration.statements", SWITCH, "true"),
    key("rules.access_token_lifetime", DURATION, "\"5m\""),
    key("rules.attested_by", "the name of an attester", "\"agents\"").list(),
    key(
        "rules.authorities",
        "the name of an [[issuers]] entry",
        "\"github\"",
    )
    .list(),
    key("rules.authorization_lifetime", DURATION_OR_NONE, "\"90d\""),
    key(
        "rules.claims",
        "names of claims or JSON Pointers, each with a text, a whole number or a switch",
        "{ repository_id = \"12345\" }",
    ),
    key("rules.client", "\"workload\" or \"instance\"", "\"workload\""),
    key(
        "rules.client_id",
        "\"identity\", \"opaque\", or a template of literals and captures",
        "\"{namespace}/{service}\"",
    ),
    key("rules.client_idle_lifetime", DURATION, "\"30d\""),
    key("rules.client_lifetime", DURATION, "\"365d\""),
    key(
        "rules.client_name",
        "a text; {name} inserts a capture",
        "\"{service} in {namespace}\"",
    ),
    key(
        "rules.client_uri",
        HTTPS,
        "\"https://{service}.apps.example.net/\"",
    ),
    count("rules.clients_max", "clients", "1000"),
    key("rules.code_lifetime", DURATION, "\"60s\""),
    key("rules.consent", CONSENT, "\"explicit\""),
    key("rules.credentials", SVID, "\"jwt_svid\"").list(),
    key(
        "rules.default_scopes",
        "one of the values in `scopes`",
        "\"orders.read\"",
    )
    .list(),
    key("rules.enabled", SWITCH, "true"),
    key("rules.entire_authority", SWITCH, "false"),
    key("rules.entire_trust_domain", SWITCH, "false"),
    key("rules.first_use", FIRST_USE, "\"on\""),
    key("rules.grant_types", GRANT, "\"client_credentials\"").list(),
    key("rules.groups", GROUP, "\"corp/staff\"").list(),
    key(
        "rules.identities",
        PATTERN,
        "\"spiffe://prod.example/ns/{namespace}/sa/{service}\"",
    )
    .list(),
    key("rules.introspects", RESOURCE, "\"https://api.example.net\"").list(),
    key(
        "rules.logo_uri",
        HTTPS,
        "\"https://{service}.apps.example.net/logo.png\"",
    ),
    key("rules.name", "a name that no other rule has", "\"payments\""),
    key(
        "rules.occasions",
        "one of \"token\", \"registration\", \"pushed_authorization\", \"authorization\"",
        "\"token\"",
    )
    .list(),
    key("rules.pushed_authorization", PUSHED, "\"required\""),
    key(
        "rules.redirect_uri_hosts",
        "a host name; {name} stands for a whole label",
        "\"{service}.apps.example.net\"",
    )
    .list(),
    key(
        "rules.redirect_uris",
        "an https URL whose last host labels are literal",
        "\"https://{service}.apps.example.net/callback\"",
    )
    .list(),
    key("rules.refresh_token_grace", DURATION, "\"30s\""),
    key("rules.refresh_token_idle_lifetime", DURATION, "\"14d\""),
    key("rules.registration", "\"narrowing\" or \"fixed\"", "\"fixed\""),
    count("rules.registrations_burst", "clients", "60"),
    count("rules.registrations_per_minute", "clients per minute", "60"),
    key("rules.resources", RESOURCE, "\"https://api.example.net/orders\"").list(),
    key("rules.scopes", SCOPE, "\"orders.read\"").list(),
    key(
        "rules.sender_constraint",
        "one of \"none\", \"dpop\", \"mtls\", \"any\"",
        "\"none\"",
    ),
    key(
        "scopes",
        "names of scopes, each with a text, or with a table of text and authorization_lifetime",
        "{ \"orders.read\" = \"see your orders\" }",
    ),
    key("server.body_timeout", DURATION, "\"10s\""),
    count("server.clients_in_memory", "clients", "100000"),
    count("server.connections_max", "connections", "10000").at_start(),
    count("server.connections_max_per_address", "connections", "2500"),
    count("server.connections_max_per_prefix", "connections", "5000"),
    key("server.drain", DURATION, "\"10s\""),
    key("server.first_request_timeout", DURATION, "\"10s\""),
    key("server.idle_timeout", DURATION, "\"60s\""),
    key("server.listen", ADDRESS, "\"127.0.0.1:8080\"")
        .list()
        .at_start(),
    key("server.mtls.listen", ADDRESS, "\"127.0.0.1:8444\"")
        .list()
        .at_start(),
    key(
        "server.mtls.url",
        "an https URL without a trailing slash",
        "\"https://mtls.as.example.net\"",
    )
    .at_start(),
    key(
        "server.proxy.client_address_header",
        HEADER,
        "\"x-forwarded-for\"",
    ),
    key(
        "server.proxy.client_certificate_header",
        HEADER,
        "\"client-cert\"",
    ),
    key(
        "server.proxy.trusted",
        "a network: an address, / and the length of its prefix",
        "\"10.0.0.0/8\"",
    )
    .list(),
    count("server.streams_max", "requests", "128").at_start(),
    key("server.tls.certificate", PATH, "\"tls.crt\""),
    key("server.tls.private_key", PATH, "\"tls.key\""),
    key("server.watch", SWITCH, "true"),
    key("server.write_timeout", DURATION, "\"20s\""),
    key("store.ca", PATH, "\"database-roots.pem\"").at_start(),
    key(
        "store.key_encryption_key",
        "32 bytes, raw in a file or as base64url: { file = … }, { env = … } or the text",
        "{ file = \"kek\" }",
    )
    .at_start()
    .secret(),
    key("store.serve_without_store", DURATION, "\"5m\""),
    key(
        "store.url",
        "sqlite:PATH, postgres://host/database or memory:, as { file = … }, { env = … } or the text",
        "\"sqlite:testudo.db\"",
    )
    .at_start()
    .secret(),
    key(
        "tokens.access_token_lifetime",
        "a time from \"10s\" to \"1h\"",
        "\"5m\"",
    ),
    key(
        "tokens.dpop_nonce",
        "\"optional\" or \"required\"",
        "\"optional\"",
    ),
    key(
        "tokens.signing_algorithm",
        "one of \"ES256\", \"EdDSA\", \"ES384\", \"RS256\", \"PS256\"",
        "\"ES256\"",
    )
    .at_start(),
    key(
        "trust_domains.accept_audiences",
        AUDIENCE,
        "\"https://old.example.net\"",
    )
    .list(),
    key(
        "trust_domains.attested_metadata",
        "a member of client metadata",
        "\"client_name\"",
    )
    .list(),
    key("trust_domains.bundle.bootstrap", PATH, "\"bundle.json\""),
    key("trust_domains.bundle.ca", PATH, "\"roots.pem\""),
    key(
        "trust_domains.bundle.endpoint_spiffe_id",
        "a SPIFFE ID",
        "\"spiffe://prod.example/spire/server\"",
    ),
    key("trust_domains.bundle.file", PATH, "\"bundle.json\""),
    key("trust_domains.bundle.max_staleness", DURATION, "\"1h\""),
    key(
        "trust_domains.bundle.profile",
        "\"https_web\" or \"https_spiffe\"",
        "\"https_web\"",
    ),
    key(
        "trust_domains.bundle.url",
        HTTPS,
        "\"https://spire.prod.example:8443\"",
    ),
    key(
        "trust_domains.bundle.workload_api",
        "a Unix socket",
        "\"unix:///run/spire/sockets/agent.sock\"",
    ),
    key(
        "trust_domains.challenge",
        "one of \"required\", \"none\"",
        "\"required\"",
    ),
    count("trust_domains.clients_max", "clients", "100000"),
    key("trust_domains.credentials", SVID, "\"jwt_svid\"").list(),
    key("trust_domains.first_use", FIRST_USE, "\"on\""),
    key("trust_domains.lifetime_max", DURATION, "\"24h\""),
    key(
        "trust_domains.name",
        "a bare name, without spiffe://",
        "\"prod.example\"",
    ),
    count("trust_domains.registrations_burst", "clients", "600"),
    count("trust_domains.registrations_burst_per_prefix", "clients", "60"),
    count(
        "trust_domains.registrations_per_minute",
        "clients per minute",
        "600",
    ),
    count(
        "trust_domains.registrations_per_minute_per_prefix",
        "clients per minute",
        "60",
    ),
    key("trust_domains.single_use", SWITCH, "false"),
    key(
        "trust_domains.statement_issuer",
        "the `iss` of a software statement",
        "\"https://ca.example\"",
    ),
    count("trust_domains.velocity_prefix_segments", "path segments", "2"),
];
