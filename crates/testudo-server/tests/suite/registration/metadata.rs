//! Tests of the precedence of configured, attested and requested metadata, member by member.

use super::*;

/// The claims that the trust domain of these tests may state.
const ATTESTED: &str =
    "attested_metadata = [\"scope\", \"redirect_uris\", \"contacts\", \"client_name\", \"software_id\"]";
const GRANTS: &str = "grant_types = [\"client_credentials\", \"authorization_code\", \"refresh_token\"]";

pub(super) fn redirecting(more: &str) -> String {
    RULES.replacen(
        "client_name = \"{service} in {namespace}\"",
        &format!("{GRANTS}\n{more}"),
        1,
    )
}

pub(super) async fn register_with(world: &World, claims: Value, more: Value) -> Answer {
    let draft = draft(world, PAY_ID).more_claims(&claims);
    let mut body = more;
    body["software_statement"] = json!(draft.sign());
    post(world, &body).await
}

// Row DR-30.
#[tokio::test]
async fn language_tagged_labels_are_kept_and_bad_tags_refused_or_ignored() {
    let world = open_with("", &redirecting("")).await;
    let asked = json!({ "client_name": "Pay", "client_name#de": "Kasse", "client_name#ja-Jpan-JP": "会計",
        "redirect_uris#de": ["x"], "client_name#d_e": "x", "logo_uri#de": "https://api.pay.apps.example/l" });
    let answer = register(&world, PAY_ID, asked).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let body = answer.json();
    assert_eq!(
        (&body["client_name#de"], &body["client_name#ja-Jpan-JP"]),
        (&json!("Kasse"), &json!("会計"))
    );
    for ignored in ["redirect_uris#de", "client_name#d_e", "logo_uri#de"] {
        assert!(body[ignored].is_null(), "{ignored}");
    }
    for two in [
        json!({ "client_name#DE": "x", "client_name#de": "y" }),
        json!({ "client_name#de": 7 }),
        json!({ "client_name#de": "a\u{202e}b" }),
        json!({ "tos_uri#de": "javascript:alert(1)" }),
    ] {
        assert_eq!(refused(&world, two).await, "invalid_client_metadata");
    }
    // If the rule sets `client_name`, a requested `client_name#de` is ignored.
    let named = open().await;
    let answer = register(&named, PAY_ID, json!({ "client_name#de": "Bank" })).await;
    assert!(answer.json()["client_name#de"].is_null());
}

// Row DR-63.
#[tokio::test]
async fn configured_labels_take_precedence_over_attested_and_those_over_requested() {
    let unnamed = redirecting("");
    let attested = json!({ "client_name": "Attested", "contacts": ["attested@a.example"] });
    let asked = json!({ "client_name": "Asked", "contacts": ["asked@a.example"] });
    let name = |answer: Answer| {
        assert_eq!(answer.status, 201, "{answer:?}");
        (
            answer.json()["client_name"].clone(),
            answer.json()["contacts"].clone(),
        )
    };
    let world = open_with(ATTESTED, &unnamed).await;
    let both = register_with(&world, attested.clone(), asked.clone()).await;
    assert_eq!(name(both), (json!("Attested"), json!(["attested@a.example"])));
    let alone = register_with(&world, json!({}), asked.clone()).await;
    assert_eq!(name(alone), (json!("Asked"), json!(["asked@a.example"])));
    let none = register_with(&world, json!({}), json!({})).await;
    assert_eq!(name(none), (json!(null), json!(null)));
    let named = open_with(ATTESTED, RULES).await;
    let all = register_with(&named, attested, asked).await;
    assert_eq!(name(all).0, "api in pay");
}

// Rows DR-96, DR-97, DR-146.
#[tokio::test]
async fn attested_value_takes_precedence_over_the_requested_one_for_each_member() {
    let every = "attested_metadata = [\"client_name\", \"client_uri\", \"logo_uri\", \"tos_uri\", \"policy_uri\", \
         \"contacts\", \"software_id\", \"software_version\", \"redirect_uris\", \"scope\", \"grant_types\"]";
    let world = open_with(every, &redirecting("")).await;
    let at = |page: &str| format!("https://api.pay.apps.example/{page}");
    let members = [
        ("client_name", json!("Attested"), json!("Asked")),
        ("client_uri", json!(at("a")), json!(at("b"))),
        ("logo_uri", json!(at("a")), json!(at("b"))),
        ("tos_uri", json!(at("a")), json!(at("b"))),
        ("policy_uri", json!(at("a")), json!(at("b"))),
        ("contacts", json!(["a"]), json!(["b"])),
        ("software_version", json!("1"), json!("2")),
        ("scope", json!("r"), json!("r w")),
        (
            "grant_types",
            json!(["client_credentials"]),
            json!(["client_credentials", "authorization_code"]),
        ),
    ];
    for (member, attested, asked) in members {
        let answer = register_with(&world, json!({ member: attested }), json!({ member: asked })).await;
        assert_eq!(
            (answer.status, &answer.json()[member]),
            (201, &attested),
            "{member}"
        );
    }
    // A claim that is not listed has no effect, but removes the requested member (DR-97).
    let unlisted = open_with("", &redirecting("")).await;
    for (member, attested, asked) in [
        ("client_name", json!("Attested"), json!("Asked")),
        ("contacts", json!(["a"]), json!(["b"])),
        ("software_id", json!("A"), json!("B")),
        ("scope", json!("w"), json!("r")),
        (
            "grant_types",
            json!(["client_credentials"]),
            json!(["authorization_code"]),
        ),
    ] {
        let answer = register_with(&unlisted, json!({ member: attested }), json!({ member: asked })).await;
        assert_eq!(answer.status, 201);
        assert!(
            answer.json()[member] != asked && answer.json()[member] != attested,
            "{member}"
        );
    }
    // Other redirect URIs and another software_id are refused and not replaced (DR-146).
    let evil = json!({ "redirect_uris": ["https://evil.example/cb"] });
    let good = json!({ "redirect_uris": [at("cb")] });
    assert_eq!(
        register_with(&world, good, evil).await.error(),
        "invalid_redirect_uri"
    );
    let software = register_with(
        &world,
        json!({ "software_id": "A" }),
        json!({ "software_id": "B" }),
    )
    .await;
    assert_eq!(software.error(), "invalid_client_metadata");
    let same = register_with(
        &world,
        json!({ "software_id": "A" }),
        json!({ "software_id": "A" }),
    )
    .await;
    assert_eq!((same.status, &same.json()["software_id"]), (201, &json!("A")));
}

// Row DR-99.
#[tokio::test]
async fn malformed_attested_claims_are_refused() {
    let world = open_with(ATTESTED, &redirecting("")).await;
    for claims in [
        json!({ "scope": ["r"] }),
        json!({ "scope": "r  w" }),
        json!({ "contacts": "team" }),
        json!({ "client_name": "a\nb" }),
        json!({ "software_id": 7 }),
    ] {
        let answer = register_with(&world, claims.clone(), json!({})).await;
        assert_eq!(answer.error(), "invalid_client_metadata", "{claims}");
    }
    for claims in [
        json!({ "redirect_uris": "https://api.pay.apps.example/cb" }),
        json!({ "redirect_uris": ["javascript:alert(1)//"] }),
        json!({ "redirect_uris": ["https://evil.example/cb"] }),
    ] {
        let answer = register_with(&world, claims.clone(), json!({})).await;
        assert_eq!(answer.error(), "invalid_redirect_uri", "{claims}");
    }
    assert!(world.client_ids().await.is_empty());
}

// Row DR-87.
#[tokio::test]
async fn statement_must_have_the_configured_statement_issuer() {
    let world = open().await;
    for issuer in [json!(null), json!("https://oidc.a.example")] {
        assert_eq!(
            register_with(&world, json!({ "iss": issuer }), json!({}))
                .await
                .status,
            201
        );
    }
    let strict = open_with("statement_issuer = \"https://oidc.a.example\"", RULES).await;
    for (issuer, status) in [
        (json!(null), 400),
        (json!("https://oidc.a.example/"), 400),
        (json!("a.example"), 400),
        (json!(7), 400),
        (json!("https://oidc.a.example"), 201),
    ] {
        let answer = register_with(&strict, json!({ "iss": issuer }), json!({})).await;
        assert_eq!(answer.status, status, "{issuer}");
        if status == 400 {
            assert_eq!(answer.error(), "invalid_software_statement");
        }
    }
    // The setting applies only to statements: the token endpoint does not check `iss`. [SPIFFE-AUTH §3.1]
    assert_eq!(strict.ask(PAY, &[]).await.status, 200);
}

#[tokio::test]
async fn rule_with_registration_fixed_is_not_narrowed_by_a_client() {
    let fixed = RULES.replacen(
        "[[rules]]\nname = \"R1\"",
        "[[rules]]\nname = \"R1\"\nregistration = \"fixed\"",
        1,
    );
    let world = open_with("", &fixed).await;
    let asked = json!({ "scope": "r", "token_endpoint_auth_method": "spiffe_x509", "contacts": ["a"] });
    let answer = register(&world, PAY_ID, asked).await;
    assert_eq!((answer.status, &answer.json()["scope"]), (201, &json!("r w")));
    assert_eq!(answer.json()["token_endpoint_auth_method"], "spiffe_jwt");
    assert_eq!(answer.json()["contacts"], json!(["a"]));
    assert_eq!(world.ask(PAY, &[("scope", "w")]).await.status, 200);
    // Invalid metadata is still refused.
    assert_eq!(
        refused(&world, json!({ "scope": "admin" })).await,
        "invalid_client_metadata"
    );
    assert_eq!(
        refused(&world, json!({ "token_endpoint_auth_method": "none" })).await,
        "invalid_client_metadata"
    );
}

// Rows DR-32, DR-47.
#[tokio::test]
async fn only_redirect_uris_that_the_rule_derives_are_registered() {
    let world = open_with("", &redirecting("")).await;
    let derived = "https://api.pay.apps.example/cb";
    let answer = register(&world, PAY_ID, json!({ "redirect_uris": [derived] })).await;
    assert_eq!(
        (answer.status, &answer.json()["redirect_uris"]),
        (201, &json!([derived]))
    );
    assert_eq!(answer.json()["response_types"], json!(["code"]));
    let bad = json!({ "redirect_uris": [derived, "https://evil.example/cb"], "scope": "r" });
    assert_eq!(refused(&world, bad).await, "invalid_redirect_uri");
    assert_eq!(
        register(&world, PAY_ID, json!({})).await.json()["scope"],
        "r w",
        "a refused registration must not be stored"
    );
    let without = json!({ "redirect_uris": [derived], "grant_types": ["client_credentials"] });
    assert_eq!(refused(&world, without).await, "invalid_client_metadata");
    // Only a grant with a redirect can give a refresh token.
    let answer = register(
        &world,
        PAY_ID,
        json!({ "grant_types": ["client_credentials", "refresh_token"] }),
    )
    .await;
    assert_eq!(answer.json()["grant_types"], json!(["client_credentials"]));
}

// Rows DR-91, DR-92.
#[tokio::test]
async fn redirect_uri_hosts_of_a_rule_need_a_client_certificate() {
    let hosts =
        redirecting("redirect_uri_hosts = [\"{service}.{namespace}.apps.example\", \"shared.example\"]");
    let (world, tls) = World::start_with_tls(&hosts, &format!("{TLS}\n[registration]")).await;
    let asked =
        |uri: &str| json!({ "redirect_uris": [uri], "software_statement": statement(&world, PAY_ID) });
    let on_a_host = "https://api.pay.apps.example/other";
    let mut bearer = tls.connect(world.address(), None).await.unwrap();
    let answer = bearer
        .send("POST", "/register", &[JSON], asked(on_a_host).to_string())
        .await;
    assert_eq!(answer.error(), "invalid_redirect_uri", "DR-91");
    let svid = tls.a.svid(PAY);
    let mut proven = tls.connect(world.address(), Some(&svid)).await.unwrap();
    for (uri, status) in [
        (on_a_host, 201),
        ("https://shared.example/cb?x=1", 201),
        ("https://other.pay.apps.example/cb", 400),
        ("https://api.pay.apps.example.evil.example/cb", 400),
        ("http://api.pay.apps.example/cb", 400),
        ("https://api.pay.apps.example/a/../cb", 400),
        ("https://api.pay.apps.example@evil.example/cb", 400),
    ] {
        let answer = proven
            .send("POST", "/register", &[JSON], asked(uri).to_string())
            .await;
        assert_eq!(answer.status, status, "{uri}: {answer:?}");
    }
    // [SPIFFE-AUTH §5.1] A spiffe_id that is a prefix of the identity is accepted too; the answer has the spiffe_id of
    // the rule.
    for (id, status) in [
        ("spiffe://a.example/ns/pay/*", 201),
        ("spiffe://a.example/ns/pay/sa/ap*", 400),
        ("spiffe://a.example/ns/other/*", 400),
        ("spiffe://a.example/ns/pay/sa/api/*", 400),
        ("spiffe://a.example/*", 400),
        ("*", 400),
    ] {
        let named = json!({ "spiffe_id": id }).to_string();
        let answer = proven.send("POST", "/register", &[JSON], named).await;
        assert_eq!(answer.status, status, "{id}");
        if status == 201 {
            assert_eq!(answer.json()["spiffe_id"], PAY_ID);
        }
    }
    let by_bearer = json!({ "spiffe_id": "spiffe://a.example/ns/pay/*", "software_statement": statement(&world, PAY_ID) });
    let answer = bearer
        .send("POST", "/register", &[JSON], by_bearer.to_string())
        .await;
    assert_eq!(answer.error(), "invalid_client_metadata");
}

// Rows DR-142, DR-144, DR-145.
#[tokio::test]
async fn urls_of_keys_are_not_fetched_and_conflicting_bindings_are_refused() {
    let world = open().await;
    let elsewhere = "https://127.0.0.1:9/bundle";
    let answer = register_with(
        &world,
        json!({ "jwks_uri": elsewhere, "jwks_url": elsewhere }),
        json!({ "spiffe_bundle_endpoint": elsewhere, "sector_identifier_uri": elsewhere,
            "request_uris": [elsewhere], "backchannel_logout_uri": elsewhere }),
    )
    .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let body = answer.json();
    for absent in [
        "jwks_uri",
        "jwks_url",
        "sector_identifier_uri",
        "request_uris",
        "backchannel_logout_uri",
    ] {
        assert!(body[absent].is_null(), "{absent}");
    }
    assert_eq!(
        body["spiffe_bundle_endpoint"], elsewhere,
        "the endpoint must be recorded"
    );
    assert_eq!(world.ask(PAY, &[]).await.status, 200);
    for asked in [
        json!({ "dpop_bound_access_tokens": true, "tls_client_certificate_bound_access_tokens": true }),
        json!({ "tls_client_auth_san_uri": "spiffe://a.example/x" }),
        json!({ "jwks": { "keys": [] }, "jwks_uri": elsewhere }),
        json!({ "token_endpoint_auth_signing_alg": "none" }),
        json!({ "application_type": "desktop" }),
        json!({ "require_pushed_authorization_requests": "true" }),
    ] {
        assert_eq!(
            refused(&world, asked.clone()).await,
            "invalid_client_metadata",
            "{asked}"
        );
    }
    // A stricter requirement of the client is registered and returned.
    let raised =
        json!({ "require_pushed_authorization_requests": true, "require_signed_request_object": true });
    let body = register(&world, PAY_ID, raised).await.json();
    assert_eq!(body["require_pushed_authorization_requests"], true);
    assert_eq!(body["require_signed_request_object"], true);
}

/// Each bound, at the limit and one past it.
#[tokio::test]
async fn each_metadata_member_is_bounded_at_its_limit_and_one_past() {
    let world = super::open::wide_open().await;
    let uris = |count: usize| {
        let uris = (0..count).map(|number| json!(format!("https://app.example/{number}")));
        Value::Array(uris.collect())
    };
    let texts = |count: usize, length: usize| {
        let texts = (0..count).map(|number| json!(format!("{number:0length$}")));
        Value::Array(texts.collect())
    };
    let url = |length: usize| {
        let start = "https://app.example/";
        json!(format!("{start}{}", "x".repeat(length - start.len())))
    };
    let tagged = |count: usize| {
        let mut members = json!({});
        for number in 0..count {
            members[format!("client_name#x-{number}")] = json!("n");
        }
        members
    };
    let one = |member: &str, value: Value| json!({ member: value });
    let bounds = [
        (one("redirect_uris", uris(20)), one("redirect_uris", uris(21))),
        (
            one("redirect_uris", json!([url(2048)])),
            one("redirect_uris", json!([url(2049)])),
        ),
        (
            one("client_name", json!("é".repeat(120))),
            one("client_name", json!("é".repeat(121))),
        ),
        (one("client_uri", url(2048)), one("client_uri", url(2049))),
        (one("tos_uri", url(2048)), one("tos_uri", url(2049))),
        (one("policy_uri", url(2048)), one("policy_uri", url(2049))),
        (one("logo_uri", url(2048)), one("logo_uri", url(2049))),
        (one("contacts", texts(10, 9)), one("contacts", texts(11, 9))),
        (one("contacts", texts(1, 254)), one("contacts", texts(1, 255))),
        (
            one("software_id", json!("x".repeat(255))),
            one("software_id", json!("x".repeat(256))),
        ),
        (
            one("software_version", json!("x".repeat(255))),
            one("software_version", json!("x".repeat(256))),
        ),
        (tagged(20), tagged(21)),
    ];
    for (within, past) in bounds {
        for (asked, is_within) in [(within, true), (past, false)] {
            let mut body = asked.clone();
            if body["redirect_uris"].is_null() {
                body["redirect_uris"] = json!(["https://app.example/cb"]);
            }
            let answer = super::open::join(&world, body).await;
            let short: String = asked.to_string().chars().take(60).collect();
            assert_eq!(
                answer.status,
                if is_within { 201 } else { 400 },
                "{short}: {answer:?}"
            );
            if is_within {
                for (member, value) in asked.as_object().unwrap() {
                    let is_kept = answer.json()[member] == *value;
                    assert!(is_kept || member == "logo_uri", "{member}");
                }
            }
        }
    }
    for contacts in [
        json!([""]),
        json!([" "]),
        json!(["a\nb"]),
        json!(["a\u{202e}b"]),
        json!([7]),
    ] {
        let asked = json!({ "redirect_uris": ["https://app.example/cb"], "contacts": contacts });
        assert_eq!(
            super::open::join(&world, asked).await.error(),
            "invalid_client_metadata"
        );
    }
}

#[tokio::test]
async fn label_template_that_the_captures_of_an_identity_cannot_fill_is_left_out() {
    let labels = "client_uri = \"https://{service}.{namespace}.apps.example/\"\nlogo_uri = \"https://apps.example/{service}.png\"";
    let labels = labels.replace("{service}.png", "{service}/logo.png");
    let rules = RULES.replacen("name = \"R1\"", &format!("name = \"R1\"\n{labels}"), 1);
    let world = open_with("", &rules).await;
    let asked = json!({ "client_uri": "https://evil.example/" });
    let filled = register(&world, PAY_ID, asked.clone()).await.json();
    assert_eq!(filled["client_uri"], "https://api.pay.apps.example/");
    assert_eq!(filled["logo_uri"], "https://apps.example/api/logo.png");
    let odd = register(&world, "spiffe://a.example/ns/pay/sa/evil.example", asked).await;
    assert_eq!(odd.status, 201);
    assert!(odd.json()["client_uri"].is_null(), "{odd:?}");
    assert_eq!(
        odd.json()["logo_uri"],
        "https://apps.example/evil.example/logo.png"
    );
}

#[tokio::test]
async fn attested_label_does_not_replace_a_template_that_the_captures_cannot_fill() {
    let labels = "client_uri = \"https://{service}.{namespace}.apps.example/\"";
    let rules = RULES.replacen("name = \"R1\"", &format!("name = \"R1\"\n{labels}"), 1);
    let world = open_with("attested_metadata = [\"client_uri\", \"client_name\"]", &rules).await;
    let odd = "spiffe://a.example/ns/pay/sa/evil.example";
    let claims = [
        ("client_uri", "https://evil.example/"),
        ("client_uri#de", "https://evil.example/de"),
    ];
    let signed = claims
        .into_iter()
        .fold(draft(&world, odd), |draft, (name, value)| {
            draft.claim(name, value)
        })
        .sign();
    let answer = post(&world, &json!({ "software_statement": signed })).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert!(answer.json()["client_uri"].is_null(), "{answer:?}");
    assert_eq!(
        answer.json()["client_uri#de"],
        "https://evil.example/de",
        "a rule sets no labels with language tags"
    );
}
