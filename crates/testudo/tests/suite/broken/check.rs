//! `testudo check` of configurations that cannot be used or are dangerous.

use super::{Broken, all_good, edit};
use crate::binary::Site;

pub fn names() -> impl Iterator<Item = String> {
    BROKEN.iter().map(|broken| format!("check-{}", broken.name))
}

#[test]
fn check_names_fault_and_remedy_of_each_broken_configuration() {
    all_good(BROKEN.iter().map(|broken| {
        let site = Site::new();
        (broken.set_up)(&site);
        let output = site.run(&["check"]);
        broken.check("testudo check", &output, &site)
    }));
}

const BROKEN: &[Broken] = &[
    Broken {
        name: "no-file",
        how: "There is no configuration file.",
        set_up: |site| std::fs::remove_file(site.config()).unwrap(),
        fault: "testudo.toml: the file cannot be read",
        remedy: "testudo init",
    },
    Broken {
        name: "unclosed-string",
        how: "A closing quote is missing: the file is not TOML.",
        set_up: |site| edit(site, "url = \"sqlite:testudo.db\"", "url = \"sqlite:testudo.db"),
        fault: "testudo.toml:7:25",
        remedy: "expected `\"`",
    },
    Broken {
        name: "unknown-key",
        how: "`listen` is misspelt.",
        set_up: |site| edit(site, "[server]\nlisten", "[server]\nlisen"),
        fault: "lisen",
        remedy: "listen",
    },
    Broken {
        name: "unknown-section",
        how: "`[[rules]]` is misspelt.",
        set_up: |site| edit(site, "[[rules]]", "[[rule]]"),
        fault: "rule",
        remedy: "rules",
    },
    Broken {
        name: "wrong-type",
        how: "`listen` is one address where a list is expected.",
        set_up: |site| edit(site, "listen = [\"127.0.0.1:0\"]", "listen = \"127.0.0.1:0\""),
        fault: "server.listen",
        remedy: "expected: a list",
    },
    Broken {
        name: "no-issuer",
        how: "The issuer is missing.",
        set_up: |site| edit(site, "issuer = \"https://as.example\"\n", ""),
        fault: "issuer",
        remedy: "https://",
    },
    Broken {
        name: "issuer-without-tls",
        how: "The issuer is an http URL of another machine.",
        set_up: |site| edit(site, "https://as.example", "http://as.example"),
        fault: "issuer",
        remedy: "https",
    },
    Broken {
        name: "duration-without-unit",
        how: "A duration has no unit.",
        set_up: |site| {
            edit(
                site,
                "client_idle_lifetime = \"30d\"",
                "client_idle_lifetime = \"30\"",
            )
        },
        fault: "client_idle_lifetime",
        remedy: "30d",
    },
    Broken {
        name: "domain-written-as-id",
        how: "The name of a trust domain is written as a SPIFFE ID.",
        set_up: |site| {
            edit(
                site,
                "name = \"prod.example\"",
                "name = \"spiffe://prod.example\"",
            )
        },
        fault: "trust_domains[0].name",
        remedy: "prod.example",
    },
    Broken {
        name: "rule-of-unknown-domain",
        how: "A rule names a trust domain that is not configured.",
        set_up: |site| edit(site, "spiffe://prod.example/ns", "spiffe://prd.example/ns"),
        fault: "prd.example",
        remedy: "[[trust_domains]]",
    },
    Broken {
        name: "rule-for-a-whole-domain",
        how: "A rule admits every workload of a trust domain.",
        set_up: |site| edit(site, "/ns/{namespace}/sa/{service}\"]", "/**\"]"),
        fault: "rules[0].identities",
        remedy: "entire_trust_domain = true",
    },
    Broken {
        name: "default-scope-outside-scopes",
        how: "A default scope is not one of the scopes of its rule.",
        set_up: |site| {
            edit(
                site,
                "default_scopes = [\"orders.read\"]",
                "default_scopes = [\"orders.raed\"]",
            )
        },
        fault: "orders.raed",
        remedy: "scopes",
    },
    Broken {
        name: "two-bundle-sources",
        how: "A trust domain has two sources for its bundle.",
        set_up: |site| {
            edit(
                site,
                "{ file = \"bundle.json\" }",
                "{ file = \"bundle.json\", url = \"https://spire.prod.example\" }",
            );
        },
        fault: "trust_domains[0].bundle",
        remedy: "exactly one",
    },
    Broken {
        name: "spiffe-id-without-profile",
        how: "The source of a trust domain names the SPIFFE ID of the endpoint's server, and no profile.",
        set_up: |site| {
            edit(
                site,
                "{ file = \"bundle.json\" }",
                "{ url = \"https://spire.prod.example:8443\", endpoint_spiffe_id = \"spiffe://prod.example/spire/server\" }",
            );
        },
        fault: "trust_domains[0].bundle.endpoint_spiffe_id",
        remedy: "set profile = \"https_spiffe\"",
    },
    Broken {
        name: "endpoint-of-an-unknown-trust-domain",
        how: "The server of a bundle endpoint has an SVID of a trust domain that is not configured.",
        set_up: |site| {
            edit(
                site,
                "{ file = \"bundle.json\" }",
                "{ url = \"https://hub.example:8443\", profile = \"https_spiffe\", endpoint_spiffe_id = \"spiffe://hub.example/federation\" }",
            );
        },
        fault: "trust domain hub.example, which has no entry",
        remedy: "add [[trust_domains]] for it",
    },
    Broken {
        name: "plain-listener-for-all",
        how: "The server listens without TLS on every address.",
        set_up: |site| edit(site, "127.0.0.1:0", "0.0.0.0:8080"),
        fault: "0.0.0.0:8080",
        remedy: "tls",
    },
    Broken {
        name: "header-of-envoy",
        how: "The configured header for client certificates is the header of Envoy.",
        set_up: |site| {
            edit(
                site,
                "[store]",
                "proxy = { trusted = [\"127.0.0.1\"], client_certificate_header = \"X-Forwarded-Client-Cert\" }\n[store]",
            );
        },
        fault: "server.proxy.client_certificate_header",
        remedy: "base64 between colons (RFC 9440)",
    },
    Broken {
        name: "weak-key-encryption-key",
        how: "The key-encryption key is the same byte 32 times.",
        set_up: |site| {
            edit(
                site,
                "[admin]",
                "key_encryption_key = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"\n[admin]",
            );
        },
        fault: "key_encryption_key",
        remedy: "random",
    },
    Broken {
        name: "private-key-for-all",
        how: "Every user of the machine can read the private key of the server.",
        set_up: |site| {
            use std::os::unix::fs::PermissionsExt as _;
            site.certify("as.example");
            let key = site.folder.join("tls.key");
            std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
            edit(
                site,
                "[store]",
                "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }\n[store]",
            );
        },
        fault: "tls.key",
        remedy: "chmod",
    },
    Broken {
        name: "socket-path-too-long",
        how: "The path of the admin socket is longer than the operating system allows.",
        set_up: |site| {
            let socket = format!("socket = \"/run/{}/testudo.sock\"", "tenant".repeat(16));
            edit(site, "socket = \"testudo.sock\"", &socket);
        },
        fault: "admin.socket",
        remedy: "shorter path",
    },
    Broken {
        name: "workload-api-path-too-long",
        how: "The path of the Workload API socket is longer than the operating system allows.",
        set_up: |site| {
            let socket = format!(
                "workload_api = \"unix:///run/{}/agent.sock\"",
                "tenant".repeat(16)
            );
            edit(site, "file = \"bundle.json\"", &socket);
        },
        fault: "trust_domains[0].bundle.workload_api",
        remedy: "shorter path",
    },
    Broken {
        name: "several-problems",
        how: "The configuration has several problems.",
        set_up: |site| {
            edit(site, "sqlite:testudo.db", "mysql://db/testudo");
            edit(site, "\"orders.write\"]\n", "\"orders write\"]\n");
            edit(site, "socket = \"testudo.sock\"", "socket = 7");
        },
        fault: "store.url",
        remedy: "sqlite:",
    },
    Broken {
        name: "one-address-for-two-listeners",
        how: "The admin listener has the address of the public listener.",
        set_up: |site| {
            edit(site, "[\"127.0.0.1:0\"]", "[\"127.0.0.1:8443\"]");
            edit(site, "listen = \"127.0.0.1:0\"", "listen = \"127.0.0.1:8443\"");
        },
        fault: "is also the address of server.listen[0]",
        remedy: "give each listener a port of its own",
    },
    Broken {
        name: "admin-socket-at-the-database",
        how: "The path of the admin socket is that of the database.",
        set_up: |site| edit(site, "socket = \"testudo.sock\"", "socket = \"testudo.db\""),
        fault: "is a file of the database",
        remedy: "name another path",
    },
    Broken {
        name: "rules-for-ci-systems",
        how: "The rules for two CI systems admit more jobs than the administrator expects.",
        set_up: |site| {
            let entry = |name: &str, issuer: &str, more: &str| {
                format!(
                    "[[issuers]]\nname = \"{name}\"\nkind = \"jwt\"\nuse = [\"client\"]\nissuer = \"{issuer}\"\njwks = {{ discovery = true }}\n{more}\n"
                )
            };
            let rule = |name: &str, ci: &str, claims: &str| {
                format!("[[rules]]\nname = \"{name}\"\nauthorities = [\"{ci}\"]\nclaims = {{ {claims} }}\n")
            };
            let github = "https://token.actions.githubusercontent.com";
            site.append(&entry("github", github, "subject_claim = \"repository_id\""));
            site.append(&entry("gitlab", "https://gitlab.com", ""));
            site.append(&rule("deploy", "github", "environment = \"production\""));
            site.append(&rule("build", "gitlab", "project_path = \"acme/app\""));
        },
        fault: "names projects by `project_path`",
        remedy: "subject_claim = \"project_id\"",
    },
];
