//! Tokens of `[[issuers]]` entries with changed bytes, signed by the issuer or not: a small form of the fuzz target
//! `issued_tokens`.

use super::changed::Numbers;
use super::*;
use crate::identity::ClaimSource;

const CI: &str = "https://ci.example";
const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";

/// How often each token is changed.
const CHANGES: usize = 3_000;

/// A server with an entry `ci` of the kind `jwt` and an entry `k1` of the kind `kubernetes`, which have one key.
struct Issuers {
    policy: Policy,
    key: SigningKey,
}

impl Issuers {
    fn new() -> Issuers {
        let settings = |kind: CredentialKind, issuer: &str| AuthorityPolicy {
            credentials: vec![kind],
            issuer: Some(issuer.to_owned()),
            ..AuthorityPolicy::of_tests()
        };
        let ci = AuthorityPolicy {
            subject_claim: Some(ClaimSource::parse("/project/id").unwrap()),
            attested_metadata: vec!["client_name".to_owned(), "redirect_uris".to_owned()],
            ..settings(CredentialKind::IssuerJwt, CI)
        };
        Issuers {
            policy: Policy {
                issuer: IssuerUrl::parse(ISSUER).unwrap(),
                authorities: HashMap::from([
                    (Authority::issuer("ci").unwrap(), ci),
                    (
                        Authority::issuer("k1").unwrap(),
                        settings(CredentialKind::Kubernetes, CLUSTER),
                    ),
                ]),
                ..Policy::of_tests()
            },
            key: generate_key(Algorithm::ES256, Some("k")),
        }
    }

    /// The identity, if the token is accepted as one of this kind.
    fn show(&self, kind: CredentialKind, token: &str) -> Result<AttestedIdentity, Rejection> {
        let keys = AuthorityKeys::Keys(key_set(&[&self.key]));
        let credential = recognise(&Presented::new(kind, token.to_owned()))?;
        let facts = match credential.lookups() {
            Lookup::Issuer {
                unverified_issuer: CI,
                ..
            } => Facts::Issuer(Authority::issuer("ci").unwrap(), Box::new(Facts::Keys(keys))),
            Lookup::Clusters {
                unverified_issuer: CLUSTER,
                ..
            } => Facts::Clusters(vec![Cluster {
                authority: Authority::issuer("k1").unwrap(),
                keys,
                is_current: true,
            }]),
            Lookup::Issuer { .. }
            | Lookup::CertificateIssuer { .. }
            | Lookup::Clusters { .. }
            | Lookup::Authority { .. }
            | Lookup::Attester { .. }
            | Lookup::Certificates { .. }
            | Lookup::Public { .. }
            | Lookup::Client { .. } => Facts::Nothing,
        };
        credential.verify(&facts, terms(&self.policy), &mut Trace::off())
    }
}

/// A refusal tells the caller nothing, and an accepted token is one of its own entry for this server.
#[track_caller]
fn check(entry: &str, shown: Result<AttestedIdentity, Rejection>, claims: &str) -> bool {
    let identity = match shown {
        Ok(identity) => identity,
        Err(rejection) => {
            let answer = rejection.answer(Endpoint::None);
            assert_eq!(
                (answer.status, &*answer.sentence),
                (400, "client authentication failed"),
                "{claims}"
            );
            return false;
        }
    };
    let claims: Value = serde_json::from_str(claims).unwrap();
    assert_eq!(identity.authority, Authority::issuer(entry).unwrap());
    assert!(identity.subject.starts_with(&format!("{entry}:")), "{claims}");
    assert!(
        claims["aud"] == ISSUER || claims["aud"] == json!([ISSUER]),
        "{claims}"
    );
    assert!(claims["exp"].as_f64().unwrap() > NOW as f64 - 31.0, "{claims}");
    assert!(claims.get("cnf").is_none(), "{claims}");
    true
}

#[test]
fn signed_token_with_changed_claims_names_its_own_entry_or_is_refused_and_causes_no_panic() {
    let issuers = Issuers::new();
    let job = Draft::svid(&issuers.key, "project:7:branch:main", ISSUER, NOW)
        .claim("iss", CI)
        .claim("nbf", NOW)
        .claim("project", json!({ "id": 7, "path": "group/app" }))
        .claim("client_name", "App");
    let account = Draft::service_account(&issuers.key, CLUSTER, "pay/worker", ISSUER, NOW);
    let mut numbers = Numbers(11);
    for (entry, kind, draft) in [
        ("ci", CredentialKind::IssuerJwt, job),
        ("k1", CredentialKind::Kubernetes, account),
    ] {
        let (header, claims) = (draft.header.to_string(), draft.claims.to_string());
        assert!(
            check(entry, issuers.show(kind, &draft.sign()), &claims),
            "{entry}"
        );
        let mut accepted = 0;
        for round in 0..CHANGES {
            let mut changed = [header.clone().into_bytes(), claims.clone().into_bytes()];
            // The header is changed in one of four rounds.
            numbers.change(&mut changed[usize::from(round % 4 != 0)]);
            let [header, claims] = changed.map(|part| String::from_utf8_lossy(&part).into_owned());
            let signed = draft.sign_text(&header, &claims);
            accepted += usize::from(check(entry, issuers.show(kind, &signed), &claims));
            // The same bytes with the signature of another token.
            let (input, _) = signed.rsplit_once('.').unwrap();
            let (_, signature) = draft
                .sign_text(&header, "{}")
                .rsplit_once('.')
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
                .unwrap();
            let forged = format!("{input}.{signature}");
            assert!(!check(entry, issuers.show(kind, &forged), &claims), "{claims}");
        }
        // Changes of claims that are not looked at leave the token acceptable.
        assert!(accepted > 0 && accepted < CHANGES / 2, "{entry}: {accepted}");
    }
}
