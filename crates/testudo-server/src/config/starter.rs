//! What `testudo init` writes.

/// A commented configuration that `testudo check` accepts as it is.
pub const STARTER: &str = r#"# Testudo: workloads present the credential of their platform and get an OAuth token.
# `testudo check --config testudo.toml` reports all problems of this file at once.

# Our issuer identifier, and the only audience that a workload's credential may have.
issuer = "http://127.0.0.1:8080"     # http is for trials on this machine; in production https://as.example.net

[server]
listen = ["127.0.0.1:8080"]
# tls = { certificate = "tls.crt", private_key = "tls.key" }

[store]
url = "sqlite:testudo.db"            # with "memory:" all records are lost when the server stops
key_encryption_key = { file = "kek" }

[admin]
socket = "testudo.sock"              # mode 0600: a process that may open it acts as an administrator
# listen = "127.0.0.1:8081"          # metrics and probes

[tokens]
signing_algorithm = "ES256"
access_token_lifetime = "5m"

# The trusted authorities: one entry per SPIFFE trust domain. The keys of a domain verify only its own identities.
[[trust_domains]]
name = "prod.example"
# bundle = { url = "https://spire.prod.example:8443", profile = "https_web" }
# bundle = { workload_api = "unix:///run/spire/sockets/agent.sock" }
bundle = { file = "bundle.json" }    # `spire-server bundle show -format spiffe > bundle.json`
credentials = ["jwt_svid"]
first_use = "on"                     # off | observe | on
registrations_per_minute = 600
clients_max = 100000

# Registration at /register (RFC 7591) with the same credentials; closed where this section is absent.
# [registration]

# Who may have what. The first rule that matches governs; no match means no client and no token.
[[rules]]
name = "payments"
identities = ["spiffe://prod.example/ns/{namespace}/sa/{service}"]
scopes = ["orders.read", "orders.write"]
default_scopes = ["orders.read"]
resources = ["https://api.example.net/orders"]
client_name = "{service} in {namespace}"
client_idle_lifetime = "30d"
"#;
