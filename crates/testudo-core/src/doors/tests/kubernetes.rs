//! Tokens of Kubernetes service accounts: whose keys verify them, and which claims are refused.

use super::*;
use crate::policy::ReviewPolicy;
use crate::rejection::{CredentialReason, ServiceAccountReason};
use testudo_protocol::kubernetes::{ReviewError, ServiceAccountError};

/// The issuer that clusters have by default.
const CLUSTERS: &str = "https://kubernetes.default.svc.cluster.local";
const SUBJECT: &str = "system:serviceaccount:pay:worker";

fn cluster(name: &str) -> Authority {
    Authority::issuer(name).unwrap()
}

/// A server with two clusters of one issuer string, `k1` and `k2`.
struct Clusters {
    policy: Policy,
    k1: SigningKey,
    k2: SigningKey,
    facts: Facts,
}

fn of(name: &str, keys: &[&SigningKey]) -> Cluster {
    Cluster {
        authority: cluster(name),
        keys: AuthorityKeys::Keys(key_set(keys)),
        is_current: true,
    }
}

/// The same cluster with keys that are older than allowed.
fn stale(name: &str, keys: &[&SigningKey]) -> Cluster {
    Cluster {
        is_current: false,
        ..of(name, keys)
    }
}

impl Clusters {
    fn new() -> Clusters {
        let settings = || AuthorityPolicy {
            credentials: vec![CredentialKind::Kubernetes],
            issuer: Some(CLUSTERS.to_owned()),
            ..AuthorityPolicy::of_tests()
        };
        let (k1, k2) = (
            generate_key(Algorithm::ES256, Some("key")),
            generate_key(Algorithm::ES256, Some("key")),
        );
        Clusters {
            policy: Policy {
                issuer: IssuerUrl::parse(ISSUER).unwrap(),
                authorities: ["k1", "k2"].map(|name| (cluster(name), settings())).into(),
                ..Policy::of_tests()
            },
            facts: Facts::Clusters(vec![of("k1", &[&k1]), of("k2", &[&k2])]),
            k1,
            k2,
        }
    }

    fn settings(&mut self, name: &str) -> &mut AuthorityPolicy {
        self.policy.authorities.get_mut(&cluster(name)).unwrap()
    }

    fn draft(&self) -> Draft<'_> {
        Draft::service_account(&self.k1, CLUSTERS, "pay/worker", ISSUER, NOW)
    }

    fn with(&self, facts: &Facts, token: &str) -> Result<AttestedIdentity, Rejection> {
        let presented = Presented::new(CredentialKind::Kubernetes, token.to_owned());
        recognise(&presented)?.verify(facts, terms(&self.policy), &mut Trace::off())
    }

    fn show(&self, token: &str) -> Result<AttestedIdentity, Rejection> {
        self.with(&self.facts, token)
    }

    /// Checks that a valid token is accepted and this one is refused; returns the reason.
    #[track_caller]
    fn refused(&self, token: &str) -> Rejection {
        assert!(
            self.show(&self.draft().sign()).is_ok(),
            "the token without the fault is accepted"
        );
        refusal(self.show(token))
    }
}

// Row H-09.
#[test]
fn identity_of_a_token_is_namespace_and_account_in_the_cluster_whose_key_signed_it() {
    let clusters = Clusters::new();
    for (key, name) in [(&clusters.k1, "k1"), (&clusters.k2, "k2")] {
        let token = Draft::service_account(key, CLUSTERS, "pay/worker", ISSUER, NOW).sign();
        for attempt in ["first", "second"] {
            let identity = clusters.show(&token).unwrap();
            assert_eq!(identity.authority, cluster(name), "{attempt}");
            assert_eq!(&*identity.subject, format!("{name}:pay/worker"), "{attempt}");
            assert!(
                identity.proof.single_use.is_none(),
                "a token is used until it expires"
            );
        }
    }
}

// Row H-10.
#[test]
fn token_for_the_api_server_is_refused_even_if_it_is_also_for_this_server() {
    let clusters = Clusters::new();
    for audience in [
        json!([CLUSTERS]),
        json!([ISSUER, CLUSTERS]),
        json!([]),
        json!("spire-server"),
        json!([format!("{ISSUER}/token")]),
    ] {
        let token = clusters.draft().claim("aud", audience.clone()).sign();
        let reason = clusters.refused(&token);
        assert!(
            matches!(
                reason,
                Rejection::Credential(CredentialReason::AudienceMismatch { .. })
            ),
            "{audience}"
        );
    }
    assert!(
        clusters
            .show(&clusters.draft().claim("aud", ISSUER).sign())
            .is_ok(),
        "a string instead of an array"
    );
}

// Rows H-11, H-16.
#[test]
fn extended_legacy_and_long_lived_tokens_are_refused() {
    let mut clusters = Clusters::new();
    let extended = clusters.draft().claim("kubernetes.io", {
        let mut claim = clusters.draft().claims["kubernetes.io"].clone();
        claim["warnafter"] = json!(NOW + 3607);
        claim
    });
    assert_eq!(
        clusters.refused(&extended.sign()),
        ServiceAccountReason::Claims(ServiceAccountError::Extended).into()
    );
    assert_eq!(
        clusters.refused(&clusters.draft().without_claim("kubernetes.io").sign()),
        ServiceAccountReason::Claims(ServiceAccountError::NoClaim).into()
    );
    let reason = clusters.refused(&clusters.draft().without_claim("exp").sign());
    assert!(matches!(
        reason,
        Rejection::Credential(CredentialReason::Jose(JoseError::Claims(_)))
    ));
    let hour = clusters.draft().claim("exp", NOW + 3600).sign();
    let longer = clusters.draft().claim("exp", NOW + 3601).sign();
    assert!(clusters.show(&hour).is_ok());
    let reason = clusters.refused(&longer);
    assert!(
        matches!(
            reason,
            Rejection::Credential(CredentialReason::LifetimeTooLong { .. })
        ),
        "{reason:?}"
    );
    clusters.settings("k1").lifetime_max = Some(Seconds(86_400));
    assert!(clusters.show(&longer).is_ok());
}

#[test]
fn token_that_expired_or_is_not_yet_valid_is_refused() {
    let clusters = Clusters::new();
    for (claim, value) in [("exp", NOW), ("nbf", NOW + 31), ("iat", NOW + 31)] {
        clusters.refused(&clusters.draft().claim(claim, value).sign());
    }
}

// Row H-12.
#[test]
fn key_of_one_cluster_does_not_verify_tokens_of_another_with_the_same_issuer_and_kid() {
    let clusters = Clusters::new();
    let only_k1 = Facts::Clusters(vec![of("k1", &[&clusters.k1])]);
    let of_k2 = Draft::service_account(&clusters.k2, CLUSTERS, "pay/worker", ISSUER, NOW).sign();
    assert!(clusters.with(&only_k1, &clusters.draft().sign()).is_ok());
    assert_eq!(
        clusters.with(&only_k1, &of_k2).unwrap_err(),
        CredentialReason::Jose(JoseError::BadSignature).into()
    );
    assert_eq!(&*clusters.show(&of_k2).unwrap().subject, "k2:pay/worker");
}

#[test]
fn clusters_with_one_key_are_distinguished_by_the_configured_audience_or_refused() {
    let mut clusters = Clusters::new();
    let both = Facts::Clusters(vec![of("k1", &[&clusters.k1]), of("k2", &[&clusters.k1])]);
    let token = clusters.draft().sign();
    assert_eq!(
        clusters.with(&both, &token).unwrap_err(),
        ServiceAccountReason::SeveralClusters {
            entries: [cluster("k1"), cluster("k2")]
        }
        .into()
    );
    let of_k2 = clusters.draft().claim("aud", "https://as.example/k2").sign();
    assert!(clusters.with(&both, &of_k2).is_err());
    clusters.settings("k2").accept_audiences = vec!["https://as.example/k2".to_owned()];
    assert_eq!(&*clusters.with(&both, &of_k2).unwrap().subject, "k2:pay/worker");
}

#[test]
fn cluster_with_the_same_key_is_recognised_also_while_its_keys_are_too_old_to_be_used() {
    let clusters = Clusters::new();
    let token = clusters.draft().sign();
    let with = |facts: Vec<Cluster>| clusters.with(&Facts::Clusters(facts), &token);
    assert_eq!(
        with(vec![of("k1", &[&clusters.k1]), stale("k2", &[&clusters.k1])]).unwrap_err(),
        ServiceAccountReason::SeveralClusters {
            entries: [cluster("k1"), cluster("k2")]
        }
        .into()
    );
    let other_key = with(vec![of("k1", &[&clusters.k1]), stale("k2", &[&clusters.k2])]);
    assert_eq!(&*other_key.unwrap().subject, "k1:pay/worker");
    // Keys that are too old verify no token of their own cluster either.
    assert_eq!(
        with(vec![of("k1", &[&clusters.k2]), stale("k2", &[&clusters.k1])]).unwrap_err(),
        CredentialReason::BundleUnavailable {
            authority: cluster("k2")
        }
        .into()
    );
}

#[test]
fn token_without_iat_is_refused_although_it_expires_soon() {
    let clusters = Clusters::new();
    let soon = || clusters.draft().claim("exp", NOW + 60);
    assert_eq!(
        clusters.refused(&soon().without_claim("iat").sign()),
        CredentialReason::IssuedAtMissing.into()
    );
    assert!(clusters.show(&soon().sign()).is_ok());
}

#[test]
fn forged_token_costs_at_most_eight_verifications() {
    let clusters = Clusters::new();
    let names: Vec<String> = (0..20).map(|number| format!("c{number}")).collect();
    let mut policy = Policy {
        issuer: IssuerUrl::parse(ISSUER).unwrap(),
        ..Policy::of_tests()
    };
    for name in &names {
        let settings = clusters.policy.authorities[&cluster("k1")].clone();
        policy.authorities.insert(cluster(name), settings);
    }
    let crowd = Clusters {
        policy,
        ..Clusters::new()
    };
    // The right key is that of the cluster at this position.
    let facts = |position: usize| {
        let at = |(number, name): (usize, &String)| match number == position {
            true => of(name, &[&clusters.k1]),
            false => of(name, &[&clusters.k2]),
        };
        Facts::Clusters(names.iter().enumerate().map(at).collect())
    };
    let token = clusters.draft().sign();
    assert_eq!(&*crowd.with(&facts(7), &token).unwrap().subject, "c7:pay/worker");
    assert!(
        crowd.with(&facts(8), &token).is_err(),
        "the ninth key is not tried"
    );
}

#[test]
fn token_without_kid_or_with_other_header_parameters_is_refused() {
    let clusters = Clusters::new();
    assert_eq!(
        clusters.refused(&clusters.draft().without_header("kid").sign()),
        ServiceAccountReason::NoKeyId.into()
    );
    clusters.refused(&clusters.draft().header("kid", "other").sign());
    for (name, value) in [
        ("typ", json!("at+jwt")),
        ("typ", json!("client-authentication+jwt")),
        ("typ", json!("dpop+jwt")),
        ("jku", json!("https://evil.example/jwks")),
        ("jwk", clusters.k2.public_jwk("sig", true)),
        ("x5c", json!(["AA"])),
        ("x5u", json!("https://evil.example/x5u")),
        ("b64", json!(false)),
        ("crit", json!(["exp"])),
        ("alg", json!("none")),
        ("alg", json!("RS256")),
    ] {
        clusters.refused(&clusters.draft().header(name, value).sign());
    }
    clusters.refused(&clusters.draft().mac(b"secret").sign());
    assert!(
        clusters
            .show(&clusters.draft().header("typ", "JWT").sign())
            .is_ok()
    );
}

#[test]
fn token_that_is_bound_to_a_key_is_refused() {
    let clusters = Clusters::new();
    for cnf in [json!({ "jkt": "AA" }), json!({}), json!(null)] {
        assert_eq!(
            clusters.refused(&clusters.draft().claim("cnf", cnf).sign()),
            CredentialReason::BoundToKey.into()
        );
    }
}

// Row H-13.
#[test]
fn subject_that_disagrees_with_the_private_claim_is_refused() {
    let clusters = Clusters::new();
    for subject in [
        "system:serviceaccount:pay:other",
        "system:serviceaccount:other:worker",
        "system:serviceaccount:pay:worker:x",
        "system:serviceaccount:pay:",
        "system:serviceaccount::worker",
        "system:node:worker",
        "k1:pay/worker",
    ] {
        let reason = clusters.refused(&clusters.draft().claim("sub", subject).sign());
        assert_eq!(
            reason.name(),
            "kubernetes_claims_refused",
            "{subject}: {reason:?}"
        );
    }
    assert_eq!(clusters.draft().claims["sub"], SUBJECT);
}

// Row H-14.
#[test]
fn account_default_is_refused_unless_the_cluster_accepts_it() {
    let mut clusters = Clusters::new();
    let token = Draft::service_account(&clusters.k1, CLUSTERS, "pay/default", ISSUER, NOW).sign();
    assert_eq!(
        clusters.refused(&token),
        ServiceAccountReason::DefaultAccount {
            cluster: cluster("k1"),
            namespace: "pay".to_owned()
        }
        .into()
    );
    clusters.settings("k2").takes_default_accounts = true;
    assert!(
        clusters.show(&token).is_err(),
        "the setting is that of another cluster"
    );
    clusters.settings("k1").takes_default_accounts = true;
    assert_eq!(&*clusters.show(&token).unwrap().subject, "k1:pay/default");
}

#[test]
fn cluster_without_keys_is_answered_as_a_fault_of_this_server() {
    let clusters = Clusters::new();
    let missing = Facts::NoKeysOf(cluster("k1"));
    let rejection = clusters.with(&missing, &clusters.draft().sign()).unwrap_err();
    assert_eq!(rejection.answer(Endpoint::None).status, 503);
    assert!(
        clusters
            .with(&Facts::Clusters(Vec::new()), &clusters.draft().sign())
            .is_err()
    );
    assert!(clusters.with(&Facts::Nothing, &clusters.draft().sign()).is_err());
}

// Row H-18.
#[test]
fn token_is_refused_without_a_review_except_in_an_outage_that_the_cluster_accepts() {
    let mut clusters = Clusters::new();
    let presented = Presented::new(CredentialKind::Kubernetes, clusters.draft().sign());
    let identity = clusters.show(&clusters.draft().sign()).unwrap();
    assert!(
        ReviewNeeded::of(&presented, &identity, &clusters.policy)
            .unwrap()
            .is_none()
    );
    let outage = Reviewed::Outage {
        why: "no complete answer within 2 s".to_owned(),
    };
    let failed = Reviewed::Failed {
        why: "the API server answers 403".to_owned(),
    };
    let decide = |clusters: &Clusters, reviewed: &Reviewed, seconds: i64| {
        let review = ReviewNeeded::of(&presented, &identity, &clusters.policy)
            .unwrap()
            .unwrap();
        review.decide(reviewed, Seconds(seconds))
    };
    clusters.settings("k1").review = Some(ReviewPolicy { accept_for: None });
    let good = Reviewed::Answered(Ok(()));
    let gone = Reviewed::Answered(Err(ReviewError::NotAuthenticated { error: None }));
    assert_eq!(decide(&clusters, &good, 0), Ok(Acceptance::Reviewed));
    for refused in [&outage, &failed, &gone] {
        let rejection = decide(&clusters, refused, 0).unwrap_err();
        assert_eq!(
            rejection.answer(Endpoint::None).code.name(),
            "invalid_client",
            "{refused:?}"
        );
    }
    clusters.settings("k1").review = Some(ReviewPolicy {
        accept_for: Some(Seconds(300)),
    });
    assert_eq!(decide(&clusters, &outage, 300), Ok(Acceptance::InOutage));
    assert!(
        decide(&clusters, &outage, 301).is_err(),
        "the outage lasts too long"
    );
    for refused in [&failed, &gone] {
        assert!(decide(&clusters, refused, 0).is_err(), "{refused:?} is no outage");
    }
}

// Row H-17.
#[test]
fn review_asks_for_the_audiences_of_this_server_and_reads_the_answer_for_them() {
    let mut clusters = Clusters::new();
    let settings = clusters.settings("k1");
    settings.review = Some(ReviewPolicy { accept_for: None });
    settings.accept_audiences = vec!["https://as.example/k1".to_owned()];
    let token = clusters.draft().sign();
    let presented = Presented::new(CredentialKind::Kubernetes, token.clone());
    let identity = clusters.show(&token).unwrap();
    let review = ReviewNeeded::of(&presented, &identity, &clusters.policy)
        .unwrap()
        .unwrap();
    let question = review.question().unwrap();
    let request: Value = serde_json::from_slice(&question.document).unwrap();
    assert_eq!(request["spec"]["token"], *token);
    assert_eq!(
        request["spec"]["audiences"],
        json!([ISSUER, "https://as.example/k1"])
    );
    let answer = |audiences: Value| {
        json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "status": {
                "authenticated": true, "audiences": audiences,
                "user": { "username": SUBJECT, "uid": clusters.draft().claims["kubernetes.io"]["serviceaccount"]["uid"] },
            },
        })
        .to_string()
    };
    assert_eq!(question.read(answer(json!([ISSUER])).as_bytes()), Ok(()));
    assert_eq!(
        question.read(answer(json!(["https://as.example/k1"])).as_bytes()),
        Ok(())
    );
    let other = question.read(answer(json!([])).as_bytes());
    assert!(
        matches!(other, Err(ReviewError::OtherAudience { .. })),
        "{other:?}"
    );
}
