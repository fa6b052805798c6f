//! Disclosures of SD-JWTs: each has one meaning, or the whole credential is refused.

use super::{INVALID, ISSUER, Site};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::Duration;
use testudo_protocol::jose::sha256;
use testudo_testkit::http::Answer;
use testudo_testkit::token::{Draft, disclosure};

const URIS: &str = "https://app.example/cb";

// Rows SD-04, SD-12, SD-14.
#[tokio::test]
async fn disclosed_values_at_every_depth_become_metadata() {
    let site = Site::start().await;
    let (name, of_name) = disclosure(&json!(["s1", "client_name", "Disclosed"]));
    let (grant, of_grant) = disclosure(&json!(["s2", "client_credentials"]));
    let (sub, of_sub) = disclosure(&json!(["s3", "sub", super::AGENT]));
    let nested = json!(["s4", "extra", { "_sd": [of_name] }]);
    let (outer, of_outer) = disclosure(&nested);
    let credential = site
        .sd_jwt_vc()
        .without_claim("client_name")
        .without_claim("sub")
        .claim("grant_types", json!([{ "...": of_grant }, { "...": "decoy" }]))
        .claim("_sd", json!([of_sub, of_outer, of_name_at_the_top()]));
    let (top, _) = disclosure(&json!(["s5", "client_name", "Agent 7"]));
    let sent = [grant.as_str(), &sub, &outer, &name, &top];
    let answer = site.register(&site.held(&credential, &sent).await).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let client = answer.json();
    assert_eq!(client["grant_types"], json!(["client_credentials"]));
    assert_eq!(
        (&client["client_name"], &client["client_id"]),
        (&json!("Agent 7"), &json!(super::CLIENT))
    );
    let withheld = site.held(&credential, &[&grant]).await;
    Site::assert_refused(&site.register(&withheld).await, INVALID, "no subject");
}

fn of_name_at_the_top() -> String {
    disclosure(&json!(["s5", "client_name", "Agent 7"])).1
}

// Rows SD-05 to SD-12.
#[tokio::test]
async fn changed_repeated_or_misplaced_disclosure_is_refused() {
    let site = Site::start().await;
    let good = || disclosure(&json!(["salt", "redirect_uris", [URIS]]));
    let other = disclosure(&json!(["salt", "redirect_uris", ["https://app.example/other"]])).0;
    let (text, digest) = good();
    let of = |digests: Value| site.sd_jwt_vc().claim("_sd", digests);
    let decoded = json!(["salt", "redirect_uris", [URIS]]).to_string();
    let of_json = URL_SAFE_NO_PAD.encode(sha256(decoded.as_bytes()));
    let of_hex = URL_SAFE_NO_PAD.encode(hex_of(&sha256(text.as_bytes())));
    let named = |name: &str| disclosure(&json!(["salt", name, "x"]));
    let (clash, of_clash) = named("client_name");
    let (sd, of_sd) = named("_sd");
    let (dots, of_dots) = named("...");
    let (two, of_two) = disclosure(&json!(["salt", "x"]));
    let (four, of_four) = disclosure(&json!(["salt", "a", "b", "c"]));
    for (case, credential, sent) in [
        ("changed value", of(json!([digest])), vec![&other]),
        ("digest of the JSON", of(json!([of_json])), vec![&text]),
        ("digest in hexadecimal", of(json!([of_hex])), vec![&text]),
        ("digest twice", of(json!([digest, digest])), vec![&text]),
        (
            "digest nested as well",
            of(json!([digest])).claim("x", json!({ "_sd": [digest] })),
            vec![&text],
        ),
        ("not referenced", of(json!([digest])), vec![&text, &other]),
        ("sent twice", of(json!([digest])), vec![&text, &text]),
        ("name clash", of(json!([of_clash])), vec![&clash]),
        ("_sd", of(json!([of_sd])), vec![&sd]),
        ("...", of(json!([of_dots])), vec![&dots]),
        ("two elements for a member", of(json!([of_two])), vec![&two]),
        ("four elements", of(json!([of_four])), vec![&four]),
        (
            "three elements for an array",
            site.sd_jwt_vc().claim("x", json!([{ "...": digest }])),
            vec![&text],
        ),
        ("md5", of(json!([digest])).claim("_sd_alg", "md5"), vec![&text]),
        (
            "upper case",
            of(json!([digest])).claim("_sd_alg", "SHA-256"),
            vec![&text],
        ),
        (
            "nested _sd_alg",
            of(json!([digest])).claim("x", json!({ "_sd_alg": "sha-256" })),
            vec![&text],
        ),
    ] {
        let sent: Vec<&str> = sent.into_iter().map(String::as_str).collect();
        let answer = site.register(&site.held(&credential, &sent).await).await;
        Site::assert_refused(&answer, INVALID, case);
    }
    let answer = site
        .register(&site.held(&of(json!([digest])), &[&text]).await)
        .await;
    assert_eq!(
        (answer.status, &answer.json()["redirect_uris"]),
        (201, &json!([URIS]))
    );
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// Row SD-13.
#[tokio::test]
async fn disclosure_cannot_deliver_what_the_issuer_must_sign_openly() {
    let site = Site::start().await;
    let whole = site.sd_jwt_vc().claims;
    for member in ["iss", "exp", "vct", "cnf", "nbf", "status"] {
        let value = match member {
            "nbf" => json!(site.now()),
            "status" => json!({ "status_list": { "idx": 0, "uri": "https://status.example/1" } }),
            _ => whole[member].clone(),
        };
        let (text, digest) = disclosure(&json!(["salt", member, value]));
        let credential = site.sd_jwt_vc().claim("_sd", json!([digest]));
        let credential = if whole[member].is_null() {
            credential
        } else {
            credential.without_claim(member)
        };
        let answer = site.register(&site.held(&credential, &[&text]).await).await;
        Site::assert_refused(&answer, INVALID, member);
    }
    let jwk = whole["cnf"]["jwk"].clone();
    let (text, digest) = disclosure(&json!(["salt", "jwk", jwk]));
    let inside = site.sd_jwt_vc().claim("cnf", json!({ "_sd": [digest] }));
    let answer = site.register(&site.held(&inside, &[&text]).await).await;
    Site::assert_refused(&answer, INVALID, "jwk in cnf");
    site.registered().await;
}

// Row SD-31.
#[tokio::test]
async fn text_of_another_form_than_a_jwt_with_disclosures_and_a_proof_is_refused() {
    let site = Site::start().await;
    let (one, digest) = disclosure(&json!(["salt", "redirect_uris", [URIS]]));
    let credential = site.sd_jwt_vc().claim("_sd", json!([digest]));
    let held = site.held(&credential, &[&one]).await;
    let (jwt, rest) = held.split_once('~').unwrap();
    let (_, proof) = rest.split_once('~').unwrap();
    // The proof covers what is before it, so that of the changed text is made anew.
    let proved = async |sd_jwt: String| {
        let nonce = site.nonce().await;
        let proof = Draft::key_binding(&site.holder, &sd_jwt, ISSUER, &nonce, site.now());
        format!("{sd_jwt}{}", proof.sign())
    };
    let many = (0..65).map(|number| disclosure(&json!(["s", format!("m{number}"), 1])));
    let (texts, digests): (Vec<String>, Vec<String>) = many.unzip();
    let of_many = |count: usize| site.sd_jwt_vc().claim("_sd", json!(digests[..count])).sign();
    let with_many = |count: usize| format!("{}~{}~", of_many(count), texts[..count].join("~"));
    for (case, statement) in [
        ("no last tilde and no proof", jwt.to_owned()),
        ("no last tilde after the disclosure", format!("{jwt}~{one}")),
        ("two proofs", format!("{held}~{proof}")),
        ("two proofs with a tilde", format!("{held}~{proof}~")),
        ("empty disclosure", proved(format!("{jwt}~~")).await),
        (
            "empty disclosure before another",
            proved(format!("{jwt}~~{one}~")).await,
        ),
        ("tilde first", proved(format!("~{jwt}~{one}~")).await),
        ("65 disclosures", proved(with_many(65)).await),
    ] {
        Site::assert_refused(&site.register(&statement).await, INVALID, case);
    }
    assert!(site.world.client_ids().await.is_empty());
    let answer = site.register(&held).await;
    assert_eq!(answer.status, 201, "none of them used up the nonce: {answer:?}");
    let most = proved(with_many(64)).await;
    assert_eq!(site.register(&most).await.status, 201, "64 disclosures");
}

// Row SD-32.
#[tokio::test]
async fn disclosures_that_are_nested_deeply_or_refer_to_each_other_cost_no_more_than_others() {
    let site = Site::start().await;
    let statement = async |root: String, texts: &[String]| {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let credential = site.sd_jwt_vc().claim("_sd", json!([root]));
        site.held(&credential, &texts).await
    };
    // A chain: each disclosure has the digest of the one before.
    let chain = |count: usize| {
        let (mut texts, mut inner) = (Vec::new(), json!(1));
        for _ in 0..count {
            let (text, digest) = disclosure(&json!(["s", "x", inner]));
            texts.push(text);
            inner = json!({ "_sd": [digest] });
        }
        (inner["_sd"][0].as_str().unwrap().to_owned(), texts)
    };
    // A tree in which each disclosure refers twice to the one below: 2^63 values if it were followed.
    let doubling = {
        let (mut texts, mut inner) = (Vec::new(), json!(1));
        for _ in 0..63 {
            let (text, digest) = disclosure(&json!(["s", "x", inner]));
            texts.push(text);
            inner = json!({ "a": { "_sd": [digest] }, "b": { "_sd": [digest] } });
        }
        let (text, digest) = disclosure(&json!(["s", "x", inner]));
        texts.push(text);
        (digest, texts)
    };
    let (of_flat, flat) = {
        let leaves = (0..63).map(|number| disclosure(&json!(["s", format!("m{number}"), 1])));
        let (mut texts, digests): (Vec<String>, Vec<String>) = leaves.unzip();
        let (text, digest) = disclosure(&json!(["s", "x", { "_sd": digests }]));
        texts.push(text);
        (digest, texts)
    };
    let accepted = statement(of_flat, &flat).await;
    assert_eq!(site.register(&accepted).await.status, 201);
    // From now on it is refused at the end, since its proof was used.
    let usual = cost_of(async || site.register(&accepted).await.status == 400).await;
    for (case, (root, texts)) in [("64 deep", chain(64)), ("twice each", doubling)] {
        let refused = statement(root, &texts).await;
        let answer = site.register(&refused).await;
        Site::assert_refused(&answer, INVALID, case);
        let cost = cost_of(async || site.register(&refused).await.status == 400).await;
        println!("{case}: {cost:?}, 64 disclosures in two levels: {usual:?}");
        assert!(
            cost < usual * 2 + Duration::from_millis(5),
            "{case}: {cost:?}, usual {usual:?}"
        );
    }
    let (root, texts) = chain(3);
    let answer = site.register(&statement(root, &texts).await).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// The CPU time of one of 20 requests, on the thread on which both sides of the test run.
async fn cost_of(mut request: impl AsyncFnMut() -> bool) -> Duration {
    let before = cpu();
    for _ in 0..20 {
        assert!(request().await);
    }
    (cpu() - before) / 20
}

/// The CPU time of this thread so far.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

const CONCEALED: &str = "credential_claim_concealed";

/// Checks that the answer names the claim that the holder must disclose.
#[track_caller]
fn assert_names(answer: &Answer, claim: &str) {
    let sentence = format!("software_statement must disclose {claim}");
    assert_eq!(answer.json()["error_description"], json!(sentence), "{answer:?}");
}

#[tokio::test]
async fn limit_that_the_issuer_may_attest_cannot_be_withheld() {
    let site = Site::start().await;
    let grants = json!(["client_credentials"]);
    let whole = || {
        site.sd_jwt_vc()
            .claim("tier", "silver")
            .claim("scope", "r")
            .claim("grant_types", grants.clone())
    };
    for (member, value) in [("scope", json!("r")), ("grant_types", grants.clone())] {
        let (text, digest) = disclosure(&json!(["salt", member, value]));
        let credential = whole().without_claim(member).claim("_sd", json!([digest]));
        let answer = site.register(&site.held(&credential, &[]).await).await;
        Site::assert_refused(&answer, INVALID, member);
        assert_eq!(site.world.reason_of(&answer).await, CONCEALED, "{member}");
        assert_names(&answer, member);
        assert_eq!(
            site.register(&site.held(&credential, &[&text]).await)
                .await
                .status,
            201,
            "{member}"
        );
    }
    // A member on which no right depends may be withheld, and without digests nothing is concealed.
    let (_, digest) = disclosure(&json!(["salt", "birthdate", "1990-01-01"]));
    let credential = whole().claim("_sd", json!([digest]));
    let answer = site.register(&site.held(&credential, &[]).await).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    site.registered().await;
}

#[tokio::test]
async fn holder_cannot_withhold_a_label_that_the_issuer_may_attest_and_state_another_one() {
    let site = Site::start().await;
    let register = async |digests: Value, disclosed: &[&str]| {
        let credential = site
            .sd_jwt_vc()
            .without_claim("client_name")
            .claim("tier", "silver")
            .claim("scope", "r")
            .claim("grant_types", json!(["client_credentials"]));
        let credential = match digests.is_null() {
            true => credential,
            false => credential.claim("_sd", digests),
        };
        let named = json!({ "client_name": "Bank", "client_name#de": "Sparkasse", "software_version": "7" });
        let statement = site.held(&credential, disclosed).await;
        let answer = site.register_with(&statement, named).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let client = answer.json();
        // A label that the entry does not let the issuer attest is the client's own.
        assert_eq!(client["software_version"], "7");
        ["client_name", "client_name#de"].map(|name| client[name].clone())
    };
    let (name, of_name) = disclosure(&json!(["salt", "client_name", "Agent 7"]));
    assert_eq!(register(json!([of_name]), &[]).await, [json!(null), json!(null)]);
    assert_eq!(
        register(json!([of_name, "decoy"]), &[&name]).await,
        [json!("Agent 7"), json!(null)]
    );
    // Nothing is concealed, so the issuer states no name, and the client may.
    assert_eq!(
        register(json!(null), &[]).await,
        [json!("Bank"), json!("Sparkasse")]
    );
}

#[tokio::test]
async fn claim_by_which_an_earlier_rule_governs_cannot_be_withheld() {
    let site = Site::start().await;
    let rule = |name: &str, more: &str| {
        format!(
            "[[rules]]\nname = \"{name}\"\nidentities = [\"agents:*\"]\ndefault_scopes = [\"r\"]\n{more}\n"
        )
    };
    let rules = [
        rule(
            "sandbox",
            "claims = { environment = \"sandbox\" }\nscopes = [\"r\"]",
        ),
        rule(
            "nested",
            "claims = { \"/place/zone\" = \"outer\" }\nscopes = [\"r\"]",
        ),
        rule("all", "scopes = [\"r\", \"w\"]"),
        rule("never reached", "claims = { never = \"x\" }\nscopes = [\"r\"]"),
        crate::world::RULES.to_owned(),
    ];
    let sections = format!("[registration]\n{}{}", crate::world::domains(""), super::ISSUERS);
    site.world.reload_with(&sections, &rules.concat()).await;
    let whole = || {
        site.sd_jwt_vc()
            .claim("tier", "silver")
            .claim("scope", "r w")
            .claim("grant_types", json!(["client_credentials"]))
    };
    let (of_sandbox, sandbox) = disclosure(&json!(["salt", "environment", "sandbox"]));
    let (of_zone, zone) = disclosure(&json!(["salt", "zone", "outer"]));
    let (of_tier, tier) = disclosure(&json!(["salt", "tier", "silver"]));
    for (case, credential, disclosures) in [
        (
            "environment",
            whole()
                .claim("place", json!({ "zone": "inner" }))
                .claim("_sd", json!([sandbox])),
            [of_sandbox],
        ),
        (
            "/place/zone",
            whole()
                .claim("environment", "live")
                .claim("place", json!({ "_sd": [zone] })),
            [of_zone],
        ),
        (
            "tier",
            whole()
                .without_claim("tier")
                .claim("environment", "sandbox")
                .claim("_sd", json!([tier])),
            [of_tier],
        ),
    ] {
        let withheld = site.register(&site.held(&credential, &[]).await).await;
        Site::assert_refused(&withheld, INVALID, case);
        assert_eq!(site.world.reason_of(&withheld).await, CONCEALED, "{case}");
        assert_names(&withheld, case);
        let shown = site.held(&credential, &[&disclosures[0]]).await;
        let answer = site.register(&shown).await;
        assert_eq!(
            (answer.status, &answer.json()["scope"]),
            (201, &json!("r")),
            "{case}"
        );
    }
    // The rule `all` governs in any case, so the claim of the rule behind it may be concealed.
    let (_, never) = disclosure(&json!(["salt", "never", "x"]));
    let open = whole()
        .claim("environment", "live")
        .claim("place", json!({ "zone": "inner" }))
        .claim("_sd", json!([never]));
    let answer = site.register(&site.held(&open, &[]).await).await;
    assert_eq!(
        (answer.status, &answer.json()["scope"]),
        (201, &json!("r w")),
        "{answer:?}"
    );
}
