//! Which WIT-SVIDs are accepted, and that no other door takes them, nor this door another credential.

use super::{POP, WIT, WORKLOAD, Wits};
use crate::attestation::ICA;
use crate::world::{ISSUER, RULES, World, assert_granted, assert_refused, domains};
use testudo_protocol::jose::Algorithm;
use testudo_testkit::token::{Draft, claims};
use testudo_testkit::{generate_key, key_set};

// Rows E-01, E-22, E-26.
#[tokio::test]
async fn spiffe_auth_3_3_instances_of_a_workload_get_tokens_with_one_wit_svid_and_their_own_proofs() {
    let wits = Wits::start().await;
    let wit = wits.wit().claim("jti", "same");
    for jti in ["1", "2"] {
        let answer = wits.show(&wit, jti).await;
        assert_granted(&answer, jti);
        assert_eq!(answer.json()["token_type"], "Bearer");
        assert_eq!(claims(&answer.access_token())["client_id"], WORKLOAD);
    }
    let (wit, pop) = (wit.sign(), wits.pop("3").sign());
    let mixed = [
        ("oauth-CLIENT-attestation", wit.as_str()),
        ("OAUTH-client-attestation-pop", &pop),
    ];
    let answer = wits.send(&mixed, &[("client_id", WORKLOAD)]).await;
    assert_granted(&answer, "client_id and field names in mixed case");
}

#[tokio::test]
async fn wit_svid_2_1_keys_of_all_nine_algorithms_sign_wit_svids_and_proofs() {
    let wits = Wits::start().await;
    let algorithms = Algorithm::ALL
        .into_iter()
        .filter(|known| known.is_legal_in_svid());
    for algorithm in algorithms {
        let issuer = generate_key(algorithm, Some("wa2"));
        let workload = generate_key(algorithm, None);
        wits.publish("a", &[&issuer]).await;
        let wit = Draft::wit_svid(&issuer, WORKLOAD, &workload, wits.world.now());
        let pop = Draft::attestation_pop(&workload, ISSUER, "1", wits.world.now());
        let dpop = wits.dpop(&workload, "2");
        for (field, proof) in [(POP, &pop), ("DPoP", &dpop)] {
            let answer = wits.prove(&wit, &[(field, proof)]).await;
            assert_granted(&answer, &format!("{algorithm} {field}"));
        }
    }
}

// Rows E-23, E-24, B-50.
#[tokio::test]
async fn wit_svid_5_wit_svid_without_proof_or_in_another_place_authenticates_nothing() {
    let wits = Wits::start().await;
    let wit = wits.wit().sign();
    let pop = wits.pop("1").sign();
    let alone = [(WIT, wit.as_str())];
    assert_refused(&wits.send(&alone, &[]).await, ICA, "no proof");
    let bearer = format!("Bearer {wit}");
    let answer = wits.send(&[("authorization", &bearer)], &[]).await;
    assert_eq!(
        (answer.status, answer.error()),
        (401, "invalid_client".to_owned())
    );
    for kind in ["jwt-bearer", "jwt-spiffe"] {
        let kind = format!("urn:ietf:params:oauth:client-assertion-type:{kind}");
        let assertion = [
            ("client_assertion_type", kind.as_str()),
            ("client_assertion", &wit),
        ];
        assert_refused(&wits.send(&[], &assertion).await, "invalid_client", &kind);
    }
    let both = [alone[0], (POP, &pop)];
    for parameter in [("client_secret", "x"), ("client_assertion", "x")] {
        let answer = wits.send(&both, &[parameter]).await;
        assert_refused(&answer, "invalid_request", parameter.0);
    }
    assert_granted(&wits.send(&both, &[]).await, "both fields");
}

// Row E-25.
#[tokio::test]
async fn wit_svid_is_one_header_field_with_one_token() {
    let wits = Wits::start().await;
    let (wit, pop) = (wits.wit().sign(), wits.pop("1").sign());
    let joined = format!("{wit},{wit}");
    let with_parameter = format!("{wit};p=1");
    let rows: [(&str, &[(&str, &str)]); 3] = [
        ("two lines", &[(WIT, &wit), (WIT, &wit), (POP, &pop)]),
        ("joined", &[(WIT, &joined), (POP, &pop)]),
        ("parameter", &[(WIT, &with_parameter), (POP, &pop)]),
    ];
    for (name, headers) in rows {
        assert_refused(&wits.send(headers, &[]).await, "invalid_request", name);
    }
    assert_granted(&wits.send(&[(WIT, &wit), (POP, &pop)], &[]).await, "one");
}

// Rows E-04, E-06.
#[tokio::test]
async fn door_of_wit_svids_takes_no_other_token_and_its_keys_sign_no_other() {
    let wits = Wits::start().await;
    let now = wits.world.now();
    let jwt_key = wits.world.a.key();
    let svid = |key| Draft::svid(key, WORKLOAD, ISSUER, now);
    let rows = [
        ("JWT-SVID", svid(jwt_key)),
        ("JWT-SVID with the type", svid(jwt_key).header("typ", "wit+jwt")),
        ("WIT-SVID by a key for JWT-SVIDs", wits.signed_by(jwt_key)),
        ("attestation by a WIT key", {
            Draft::attestation(&wits.a, WORKLOAD, &wits.key, now)
        }),
        ("PoP in its place", wits.pop("9")),
        ("DPoP proof in its place", wits.dpop(&wits.key, "9")),
    ];
    for (name, draft) in rows {
        assert_refused(&wits.show(&draft, "1").await, ICA, name);
    }
    assert_granted(&wits.show(&wits.wit(), "1").await, "WIT-SVID");
    for (name, kid) in [
        ("its own kid", wits.a.kid()),
        ("the kid of a key for JWT-SVIDs", jwt_key.kid()),
    ] {
        let svid = svid(&wits.a).header("kid", kid).sign();
        let answer = wits.world.send(&testudo_testkit::svid_form(&svid, &[])).await;
        assert_refused(&answer, "invalid_client", name);
    }
    assert_eq!(wits.world.ask("/x/4", &[]).await.status, 200, "JWT-SVID");
}

// Row E-04.
#[tokio::test]
async fn attester_issues_no_wit_svids_and_a_trust_domain_no_attestations() {
    let attester = "[[issuers]]\nname = \"at1\"\nkind = \"attester\"\nuse = [\"client\"]\nissuer = \"https://at1.example\"\njwks = { file = \"at1.json\" }\nchallenge = \"none\"\n";
    let rules = format!("{RULES}[[rules]]\nname = \"attested\"\nidentities = [\"at1:c5\"]\n");
    let accepted = "credentials = [\"wit_svid\"]\nchallenge = \"none\"";
    let world = World::start_with(&format!("{attester}{}", domains(accepted)), &rules).await;
    let wits = Wits::over(world).await;
    let at1 = generate_key(Algorithm::ES256, Some("at1-key"));
    let set = key_set(&[&at1]);
    std::fs::write(wits.world.folder.join("at1.json"), set.to_string()).unwrap();
    let path = "/admin/v1/trust/at1/refresh";
    wits.world.admin("POST", path, serde_json::json!({})).await;
    let now = wits.world.now();
    let attestation = || Draft::attestation(&at1, "c5", &wits.key, now);
    assert_granted(&wits.show(&attestation(), "1").await, "attestation");
    assert_granted(&wits.show(&wits.wit(), "2").await, "WIT-SVID");
    let rows = [
        (
            "attestation with the type of a WIT-SVID",
            attestation().header("typ", "wit+jwt"),
        ),
        ("WIT-SVID by the attester", wits.signed_by(&at1)),
        ("WIT-SVID with the type of an attestation", {
            wits.wit().header("typ", "oauth-client-attestation+jwt")
        }),
        ("the same with iss of the attester", {
            let wit = wits.wit().header("typ", "oauth-client-attestation+jwt");
            wit.claim("iss", "https://at1.example")
        }),
        ("attestation of a SPIFFE ID", attestation().claim("sub", WORKLOAD)),
    ];
    for (name, draft) in rows {
        let answer = wits.show(&draft, "3").await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.json());
    }
}
