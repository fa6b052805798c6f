//! `self_signed_tls_client_auth` of clients that registered without evidence. [RFC8705 §2.2.2]

use super::*;

const OPEN: &str = "[registration]\nopen = { grant_types = [\"client_credentials\"], scopes = [\"r\"] }";
const METHOD: &str = "token_endpoint_auth_method";

async fn start() -> Site {
    Site::start_with(&format!("{TLS}\n{OPEN}")).await
}

impl Site {
    async fn register(&self, body: &Value) -> Answer {
        let mut connection = self.tls.connect(self.world.address(), None).await.unwrap();
        let headers = [("content-type", "application/json")];
        connection
            .send("POST", "/register", &headers, body.to_string())
            .await
    }
}

fn request(client: &X509Chain) -> Value {
    json!({
        METHOD: "self_signed_tls_client_auth", "jwks": { "keys": [jwk(client)] },
        "grant_types": ["client_credentials"],
    })
}

#[tokio::test]
async fn client_registers_its_certificate_and_authenticates_with_it() {
    let site = start().await;
    let own = self_signed(|_| {});
    let mut asked = request(&own);
    asked["tls_client_certificate_bound_access_tokens"] = json!(true);
    let answer = site.register(&asked).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let body = answer.json();
    assert_eq!(
        (&body[METHOD], &body["tls_client_certificate_bound_access_tokens"]),
        (&json!("self_signed_tls_client_auth"), &json!(true))
    );
    assert_eq!(body["jwks"]["keys"][0]["x5c"], jwk(&own)["x5c"]);
    assert!(body["client_secret"].is_null());
    let id = body["client_id"].as_str().unwrap();
    let answer = site.ask(&own, id).await;
    assert_granted(&answer, "its certificate");
    assert_eq!(
        claims(&answer.access_token())["cnf"]["x5t#S256"],
        thumbprint(&own)
    );
    for (case, certificate) in [
        ("another certificate", &self_signed(|_| {})),
        ("that of a configured client", &site.own),
        ("an X.509-SVID", &site.tls.a.svid("/x/1")),
    ] {
        assert_refused(&site.ask(certificate, id).await, "invalid_client", case);
    }
    let none = site.send(None, &[("client_id", id)]).await;
    assert_refused(&none, "invalid_client", "no certificate");
    let invented = format!("c_{}", "A".repeat(32));
    assert_refused(
        &site.ask(&own, &invented).await,
        "invalid_client",
        "an invented id",
    );
    // The client replaces its certificate.
    let next = self_signed(|_| {});
    let mut replaced = request(&next);
    replaced["client_id"] = json!(id);
    let uri = body["registration_client_uri"].as_str().unwrap();
    let path = uri.strip_prefix(ISSUER).unwrap();
    let bearer = format!("Bearer {}", body["registration_access_token"].as_str().unwrap());
    let headers = [
        ("content-type", "application/json"),
        ("authorization", bearer.as_str()),
    ];
    let mut connection = site.tls.connect(site.world.address(), None).await.unwrap();
    let answer = connection.send("PUT", path, &headers, replaced.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_refused(
        &site.ask(&own, id).await,
        "invalid_client",
        "the replaced certificate",
    );
    assert_granted(&site.ask(&next, id).await, "the new certificate");
}

#[tokio::test]
async fn registration_without_a_usable_certificate_is_refused() {
    let site = start().await;
    let (own, other) = (self_signed(|_| {}), self_signed(|_| {}));
    let with_key = |key: Value| {
        let mut body = request(&own);
        body["jwks"] = json!({ "keys": [key] });
        body
    };
    let with_x5c = |x5c: Value| {
        let mut key = jwk(&own);
        key["x5c"] = x5c;
        with_key(key)
    };
    let mut without = jwk(&own);
    without.as_object_mut().unwrap().remove("x5c");
    let without_keys =
        json!({ METHOD: "self_signed_tls_client_auth", "grant_types": ["client_credentials"] });
    let mut elsewhere = without_keys.clone();
    elsewhere["jwks_uri"] = json!("https://app.example/jwks");
    let mut by_ca = request(&own);
    by_ca[METHOD] = json!("tls_client_auth");
    let mut named = request(&own);
    named["tls_client_auth_san_dns"] = json!("batch.example");
    let mut both = request(&own);
    both["tls_client_certificate_bound_access_tokens"] = json!(true);
    both["dpop_bound_access_tokens"] = json!(true);
    for (case, body) in [
        ("no x5c", with_key(without)),
        ("x5c empty", with_x5c(json!([]))),
        ("x5c of another key", with_x5c(jwk(&other)["x5c"].clone())),
        ("x5c not base64", with_x5c(json!(["?"]))),
        ("x5c no certificate", with_x5c(json!(["AAAA"]))),
        ("x5c in PEM", with_x5c(json!([own.chain_pem()]))),
        ("no keys", without_keys),
        ("jwks_uri", elsewhere),
        ("tls_client_auth", by_ca),
        ("tls_client_auth_san_dns", named),
        ("two bindings", both),
    ] {
        let answer = site.register(&body).await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, "invalid_client_metadata".to_owned()),
            "{case}: {answer:?}"
        );
    }
    assert_eq!(site.register(&request(&own)).await.status, 201);
    // A client that registered keys uses them, and not the certificate of a key.
    let mut keys = request(&own);
    keys[METHOD] = json!("private_key_jwt");
    let answer = site.register(&keys).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let id = answer.json()["client_id"].as_str().unwrap().to_owned();
    assert_refused(&site.ask(&own, &id).await, "invalid_client", "private_key_jwt");
}

#[tokio::test]
async fn certificate_cannot_be_registered_where_none_arrives() {
    let world = World::start_with_files(&format!("{OPEN}\n{RULES}"), |_| {}).await;
    let mut connection = world.connect().await;
    let headers = [("content-type", "application/json")];
    let body = request(&self_signed(|_| {}));
    let answer = connection
        .send("POST", "/register", &headers, body.to_string())
        .await;
    assert_eq!(
        (answer.status, answer.error()),
        (400, "invalid_client_metadata".to_owned()),
        "{answer:?}"
    );
    let metadata = connection
        .get("/.well-known/oauth-authorization-server")
        .await
        .json();
    let listed = metadata["token_endpoint_auth_methods_supported"].to_string();
    assert!(!listed.contains("self_signed"), "{listed}");
}
