#![no_main]
//! Tokens of `[[issuers]]` entries, of the kinds `jwt` and `kubernetes`: the input is a header and claims, which the
//! issuer signed. What is accepted is an identity of the entry of its issuer, for this server.

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use testudo_core::doors::{AuthorityKeys, Cluster, Facts, Lookup, Presented, Purpose, Terms, recognise};
use testudo_core::policy::Policy;
use testudo_core::rejection::Endpoint;
use testudo_core::{Authority, CredentialKind, Trace};
use testudo_protocol::Timestamp;
use testudo_protocol::jose::{Algorithm, KeySet, PublicKey, SigningKey};

const NOW: Timestamp = Timestamp(1_795_636_000);
const ISSUER: &str = "https://as.example";

const CONFIGURATION: &str = r#"
issuer = "https://as.example"
[store]
url = "memory:"
[[issuers]]
name = "ci"
kind = "jwt"
use = ["client", "registration"]
issuer = "https://ci.example"
jwks = { discovery = true }
subject_claim = "/project/id"
captures = { path = "/project/path" }
attested_metadata = ["client_name", "redirect_uris", "scope"]
[[issuers]]
name = "k1"
kind = "kubernetes"
use = ["client"]
issuer = "https://k1.example"
jwks = { discovery = true }
[[rules]]
name = "ci"
authorities = ["ci"]
claims = { environment = "production" }
client_name = "{path}"
"#;

struct World {
    policy: Policy,
    key: SigningKey,
    keys: AuthorityKeys,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let parsed = testudo_server::config::parse(CONFIGURATION, Path::new("/nowhere"), 1);
    let (configuration, _) = parsed.unwrap_or_else(|report| panic!("{report}"));
    let key = testudo_issuer::generate_key(Algorithm::ES256, Some("k"));
    let jwk = serde_json::from_value(key.public_jwk("sig", true)).expect("a JWK");
    let mut set = KeySet::default();
    set.push(PublicKey::from_jwk(&jwk).expect("a public key"));
    World {
        policy: configuration.policy,
        key,
        keys: AuthorityKeys::Keys(Arc::new(set)),
    }
});

fn issuer(name: &str) -> Authority {
    Authority::issuer(name).expect("a name")
}

fuzz_target!(|parts: (bool, &str, &str)| {
    let (is_statement, header, claims) = parts;
    let world = &*WORLD;
    let Ok(token) = world.key.sign_compact(header.as_bytes(), claims.as_bytes()) else {
        return;
    };
    let purpose = match is_statement {
        true => Purpose::Statement { endpoint: "https://as.example/register" },
        false => Purpose::Authentication,
    };
    for (kind, name) in [(CredentialKind::IssuerJwt, "ci"), (CredentialKind::Kubernetes, "k1")] {
        let Ok(credential) = recognise(&Presented::new(kind, token.clone())) else {
            continue;
        };
        let facts = match credential.lookups() {
            Lookup::Issuer { unverified_issuer: "https://ci.example", .. } => {
                Facts::Issuer(issuer("ci"), Box::new(Facts::Keys(world.keys.clone())))
            }
            Lookup::Clusters { unverified_issuer: "https://k1.example", .. } => {
                Facts::Clusters(vec![Cluster { authority: issuer("k1"), keys: world.keys.clone() }])
            }
            _ => Facts::Nothing,
        };
        let terms = Terms { policy: &world.policy, purpose, now: NOW };
        match credential.verify(&facts, terms, &mut Trace::off()) {
            Err(rejection) => assert_eq!(rejection.answer(Endpoint::None).status, 400),
            Ok(identity) => {
                assert_eq!(identity.authority, issuer(name));
                assert!(identity.subject.starts_with(&format!("{name}:")));
                let claims: Value = serde_json::from_str(claims).expect("accepted claims are JSON");
                assert!(claims["aud"].to_string().contains(ISSUER));
                assert!(claims.get("cnf").is_none());
            }
        }
    }
});
