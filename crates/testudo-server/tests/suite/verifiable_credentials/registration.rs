//! What a registration with a verifiable credential results in.

use super::{AGENT, AGENTS, CLIENT, INVALID, ISSUER, Site, UNAPPROVED, VCT};
use serde_json::{Value, json};
use testudo_testkit::http::Connection;
use testudo_testkit::token::{Draft, assemble, disclosure};

// Rows SD-01, SD-03, DR-80, DR-133, DR-134.
#[tokio::test]
async fn sd_jwt_vc_registers_a_client_with_the_key_of_its_holder_and_without_a_secret() {
    let site = Site::start().await;
    let (text, digest) = disclosure(&json!(["salt", "redirect_uris", ["https://app.example/cb"]]));
    let credential = site
        .sd_jwt_vc()
        .claim("scope", "r")
        .claim("grant_types", json!(["client_credentials", "authorization_code"]))
        .claim("tier", "silver")
        .claim("_sd", json!([digest]));
    let statement = site.held(&credential, &[&text]).await;
    let answer = site.register(&statement).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let client = answer.json();
    let jwk: Value = serde_json::from_str(&site.holder.proof_jwk()).unwrap();
    let keys = client["jwks"]["keys"].as_array().unwrap();
    assert!(keys.len() == 1 && keys[0]["x"] == jwk["x"] && keys[0]["y"] == jwk["y"]);
    // [RFC7591 §3.2.1] The statement is unchanged, but without the proof that was used.
    let presented = statement[..=statement.rfind('~').unwrap()].to_owned();
    for (member, expected) in [
        ("client_id", json!(CLIENT)),
        ("client_name", json!("Agent 7")),
        ("redirect_uris", json!(["https://app.example/cb"])),
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("client_secret", Value::Null),
        ("registration_access_token", Value::Null),
        ("software_statement", json!(presented)),
    ] {
        assert_eq!(client[member], expected, "{member}");
    }
    // Without disclosures the members in the payload remain.
    let again = site.register(&site.held(&credential, &[]).await).await.json();
    assert_eq!(
        (&again["client_id"], &again["redirect_uris"]),
        (&json!(CLIENT), &Value::Null)
    );
    assert_eq!(site.world.client_ids().await, [CLIENT]);
}

// Rows VC-01, VC-05, VC-06, VC-07.
#[tokio::test]
async fn presentation_of_a_credential_of_data_model_2_registers_its_subject() {
    let site = Site::start().await;
    for (case, credential) in [
        ("plain", site.vc_jwt()),
        ("long type", site.vc_jwt().header("typ", "application/vc+jwt")),
        (
            "issuer as object",
            site.vc_jwt()
                .claim("issuer", json!({ "id": AGENTS, "name": "x" })),
        ),
        (
            "unknown members",
            site.vc_jwt()
                .claim("evidence", json!({ "id": "https://evil.example/e" }))
                .claim("type", json!(["VerifiableCredential", "Other", super::TYPE])),
        ),
        ("iss as well", site.vc_jwt().claim("iss", AGENTS)),
    ] {
        let answer = site.register(&site.presented(&credential).await).await;
        assert_eq!(answer.status, 201, "{case}: {answer:?}");
        let client = answer.json();
        let found = (
            &client["client_id"],
            &client["redirect_uris"],
            &client["client_secret"],
        );
        assert_eq!(
            found,
            (&json!(CLIENT), &json!(["https://app.example/cb"]), &Value::Null),
            "{case}"
        );
    }
}

/// A credential of data model 1.1, whose members `inside` are also in `vc`.
fn first_model<'k>(site: &'k Site, inside: &Value) -> Draft<'k> {
    let mut vc = json!({
        "@context": ["https://www.w3.org/2018/credentials/v1"],
        "type": ["VerifiableCredential", super::TYPE],
        "credentialSubject": { "client_name": "Agent 7" },
    });
    for (name, value) in inside.as_object().unwrap() {
        vc[name] = value.clone();
    }
    Draft::attestation(&site.issuer, AGENT, &site.holder, site.now())
        .header("typ", "JWT")
        .claim("iss", AGENTS)
        .claim("nbf", site.now())
        .claim("vc", vc)
}

// Rows VC-03, VC-04, VC-10, VC-15.
#[tokio::test]
async fn credential_of_data_model_1_is_accepted_where_the_entry_names_it() {
    let site = Site::start().await;
    let presented_text = async |credential: String| {
        let nonce = site.nonce().await;
        let vp = json!({ "verifiableCredential": [credential] });
        let proof = Draft::svid(&site.holder, AGENT, ISSUER, site.now())
            .without_header("kid")
            .claim("iss", AGENT)
            .claim("aud", ISSUER)
            .claim("nonce", nonce)
            .claim("vp", vp);
        site.register(&proof.sign()).await
    };
    let presented = async |credential: &Draft<'_>| presented_text(credential.sign()).await;
    // A `proof` inside the credential is never evaluated, so it does not take the place of the signature.
    let embedded = first_model(&site, &json!({})).claim(
        "proof",
        json!({ "type": "JsonWebSignature2020", "verificationMethod": "https://issuer.example#k1", "jws": "e30..AA" }),
    );
    for algorithm in ["none", "None"] {
        let header = json!({ "alg": algorithm, "typ": "JWT" }).to_string();
        let unsigned = assemble(header.as_bytes(), embedded.claims.to_string().as_bytes(), b"");
        let answer = presented_text(unsigned.clone()).await;
        Site::assert_refused(&answer, INVALID, algorithm);
        let answer = site.register(&unsigned).await;
        Site::assert_refused(&answer, INVALID, algorithm);
    }
    assert!(site.world.client_ids().await.is_empty());
    let signed = presented(&embedded).await;
    assert_eq!(signed.status, 201, "signed, with a proof inside: {signed:?}");
    for (case, inside) in [
        ("claims outside only", json!({})),
        ("issuer inside as well", json!({ "issuer": AGENTS })),
    ] {
        let answer = presented(&first_model(&site, &inside)).await;
        assert_eq!(answer.status, 201, "{case}: {answer:?}");
        assert_eq!(answer.json()["client_name"], "Agent 7");
    }
    for (case, credential) in [
        (
            "other issuer inside",
            first_model(&site, &json!({ "issuer": "https://b.example" })),
        ),
        (
            "other end inside",
            first_model(&site, &json!({ "expirationDate": "2020-01-01T00:00:00Z" })),
        ),
        (
            "other subject inside",
            first_model(
                &site,
                &json!({ "credentialSubject": { "id": "urn:example:agent:8" } }),
            ),
        ),
    ] {
        Site::assert_refused(&presented(&credential).await, INVALID, case);
    }
    // The entry `papers` names only the other formats.
    let papers = Draft::attestation(&site.others, AGENT, &site.holder, site.now())
        .header("typ", "JWT")
        .claim("iss", "https://papers.example")
        .claim("vc", first_model(&site, &json!({})).claims["vc"].clone());
    let answer = site.register(&papers.sign()).await;
    Site::assert_refused(&answer, INVALID, "format not named");
    assert_eq!(
        site.world.reason_of(&answer).await,
        "credential_format_not_allowed"
    );
}

// Rows VC-39, VC-40, DR-96.
#[tokio::test]
async fn only_listed_members_are_taken_and_they_beat_the_request() {
    let site = Site::start().await;
    let credential = site
        .sd_jwt_vc()
        .claim("scope", "r")
        .claim("client_secret", "s3cret")
        .claim("spiffe_id", "spiffe://a.example/x")
        .claim("client_id", "https://evil.example")
        .claim("registration_client_uri", "https://evil.example")
        .claim("software_version", "7");
    let asked = json!({ "client_name": "Other", "scope": "r w admin", "software_version": "8" });
    let answer = site
        .register_with(&site.held(&credential, &[]).await, asked)
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let client = answer.json();
    for (member, expected) in [
        ("client_id", json!(CLIENT)),
        ("client_name", json!("Agent 7")),
        ("scope", json!("r")),
        ("client_secret", Value::Null),
        ("spiffe_id", Value::Null),
        ("registration_client_uri", Value::Null),
        // A claim that `attests` does not list takes the member from the request as well.
        ("software_version", Value::Null),
    ] {
        assert_eq!(client[member], expected, "{member}");
    }
}

// Row DR-139.
#[tokio::test]
async fn one_subject_of_two_issuers_is_two_clients() {
    let site = Site::start().await;
    site.registered().await;
    let of_loose = site.of(["https://loose.example", VCT, AGENT]);
    let answer = site.register(&site.held(&of_loose, &[]).await).await;
    assert_eq!(
        answer.json()["client_id"],
        "loose:urn:example:agent:7",
        "{answer:?}"
    );
    let mut ids = site.world.client_ids().await;
    ids.sort();
    assert_eq!(ids, [CLIENT, "loose:urn:example:agent:7"]);
}

// Row VC-42.
#[tokio::test]
async fn fifty_registrations_of_one_subject_at_once_create_one_client() {
    let site = Site::start().await;
    let mut statements = Vec::new();
    for _ in 0..50 {
        statements.push(site.held(&site.sd_jwt_vc(), &[]).await);
    }
    let address = site.world.address();
    let racers: Vec<_> = statements
        .into_iter()
        .map(|statement| {
            let body = json!({ "software_statement": statement }).to_string();
            let fields = [("content-type", "application/json")];
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await;
                connection.send("POST", "/register", &fields, body).await
            })
        })
        .collect();
    for racer in racers {
        let answer = racer.await.unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    assert_eq!(site.world.client_ids().await, [CLIENT]);
    assert_eq!(site.world.events("client.registered").await.len(), 1);
}

// Rows VC-38, DR-88.
#[tokio::test]
async fn credential_of_another_type_or_without_a_rule_is_not_approved() {
    let site = Site::start().await;
    for (case, credential, reason) in [
        (
            "other vct",
            site.sd_jwt_vc().claim("vct", "https://vct.example/diploma"),
            "credential_type_not_allowed",
        ),
        (
            "other vct with the type as another name",
            site.sd_jwt_vc()
                .claim("vct", "https://vct.example/diploma")
                .claim("aka_vcts", json!([VCT])),
            "credential_type_not_allowed",
        ),
        (
            "claim of the rule differs",
            site.of([AGENTS, VCT, "gold/1"]).claim("tier", "silver"),
            "claim_differs",
        ),
        (
            "another client id",
            site.of([AGENTS, VCT, "renamed/1"]),
            "credential_client_id_not_identity",
        ),
    ] {
        let answer = site.register(&site.held(&credential, &[]).await).await;
        Site::assert_refused(&answer, UNAPPROVED, case);
        assert_eq!(site.world.reason_of(&answer).await, reason, "{case}");
    }
    let gold = site
        .of([AGENTS, VCT, "gold/2"])
        .claim("tier", "gold")
        .without_claim("client_name");
    let answer = site.register(&site.held(&gold, &[]).await).await;
    assert_eq!(answer.json()["client_name"], "gold agent", "{answer:?}");
}

#[tokio::test]
async fn bearer_of_a_credential_cannot_state_labels_of_its_client() {
    let site = Site::start().await;
    let redirects = json!(["https://app.example/cb"]);
    let papers = site
        .of(["https://papers.example", VCT, AGENT])
        .claim("redirect_uris", redirects.clone());
    for (member, value) in [
        ("client_uri", json!("https://app.example/other")),
        ("contacts", json!(["other@other.example"])),
        ("software_id", json!("x")),
        ("policy_uri", json!("https://app.example/policy")),
    ] {
        let answer = site
            .register_with(&Site::bare(&papers, &[]), json!({ member: value }))
            .await;
        Site::assert_refused(&answer, "invalid_client_metadata", member);
        assert_eq!(site.world.reason_of(&answer).await, "label_needs_key", "{member}");
    }
    assert!(site.world.client_ids().await.is_empty());
    assert_eq!(site.register(&Site::bare(&papers, &[])).await.status, 201);
    // With a proof of the holder it is the client itself that states them.
    let agents = site.sd_jwt_vc().claim("redirect_uris", redirects);
    let members = json!({ "client_uri": "https://app.example/about" });
    let answer = site.register_with(&site.held(&agents, &[]).await, members).await;
    assert_eq!(
        (answer.status, &answer.json()["client_uri"]),
        (201, &json!("https://app.example/about"))
    );
}
