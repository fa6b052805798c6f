//! What an application gets for the code of a person, and how it ends.

use super::world::{CLIENT, ISSUER, People, WEB_RULE, asking, parameter};
use serde_json::{Value, json};
use testudo_core::records::{AuthorizationCode, Client, Grant};
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::token::claims;
use testudo_testkit::{form, svid_form};

/// [RFC7636 B]
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A resource server, which may ask about tokens for `orders.example`.
const API_RULE: &str = r#"
[[rules]]
name = "api"
identities = ["spiffe://a.example/api"]
introspects = ["https://orders.example/"]
"#;

async fn people() -> People {
    People::start(&WEB_RULE.replace("[scopes]", &format!("{API_RULE}[scopes]"))).await
}

/// The code that the application gets for `alice`.
async fn code(people: &People) -> String {
    let mut alice = people.signed_in("alice").await;
    let url = alice.walk(&asking(&[])).await.unwrap();
    parameter(&url, "code").unwrap()
}

async fn send(people: &People, path: &str, body: String) -> Answer {
    let mut connection = Connection::open(people.running.addresses[0]).await;
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("host", "localhost:8080"),
    ];
    connection.send("POST", path, &headers, body).await
}

fn svid(people: &People, path: &str) -> String {
    people.issuer.svid(path, ISSUER, people.running.app.now().0)
}

/// A request of this workload with its SVID.
async fn send_as(people: &People, workload: &str, path: &str, more: &[(&str, &str)]) -> Answer {
    let body = svid_form(&svid(people, workload), more);
    send(people, path, body.replace("grant_type=client_credentials&", "")).await
}

async fn redeem(people: &People, workload: &str, code: &str) -> Answer {
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("code_verifier", VERIFIER),
    ];
    send_as(people, workload, "/token", &grant).await
}

async fn refresh(people: &People, token: &Value) -> Answer {
    let token = token.as_str().unwrap();
    let grant = [("grant_type", "refresh_token"), ("refresh_token", token)];
    send_as(people, "/web/shop", "/token", &grant).await
}

async fn asked(people: &People, workload: &str, token: &Value) -> Value {
    let token = [("token", token.as_str().unwrap())];
    let answer = send_as(people, workload, "/introspect", &token).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn tokens_of_a_person_are_valid_until_the_application_revokes_one_of_them() {
    let people = people().await;
    let answer = redeem(&people, "/web/shop", &code(&people).await).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let first = answer.json();
    let [client] = people.records::<Client>().await.try_into().unwrap();
    assert_eq!(
        client.client_id, CLIENT,
        "the application is registered with its code"
    );
    let access = claims(&answer.access_token());
    assert_eq!(access["sub_type"], "user");
    let shown = asked(&people, "/api", &first["access_token"]).await;
    assert_eq!(shown["active"], true, "{shown}");
    for member in ["sub", "client_id", "grant_id", "exp", "scope"] {
        assert_eq!(shown[member], access[member], "{member}");
    }
    let answer = refresh(&people, &first["refresh_token"]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let second = answer.json();
    assert_eq!(claims(&answer.access_token())["grant_id"], access["grant_id"]);
    let of_refresh = asked(&people, "/web/shop", &second["refresh_token"]).await;
    assert_eq!(of_refresh["sub"], access["sub"]);
    assert_eq!(of_refresh["refresh_token_timeout"], 14 * 86_400);
    let earlier = asked(&people, "/web/shop", &first["refresh_token"]).await;
    assert_eq!(earlier, json!({ "active": false }));

    let sent = [("token", second["refresh_token"].as_str().unwrap())];
    let revoked = send_as(&people, "/web/shop", "/revoke", &sent).await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    assert_eq!(people.records::<Grant>().await, []);
    for token in [&first["access_token"], &second["access_token"]] {
        assert_eq!(asked(&people, "/api", token).await, json!({ "active": false }));
    }
    let refused = refresh(&people, &second["refresh_token"]).await;
    assert_eq!(refused.error(), "invalid_grant", "{refused:?}");
    assert_eq!(people.events("grant.revoked").await.len(), 1);
}

// Rows RF-86, RF-87.
#[tokio::test]
async fn code_that_is_sent_without_authentication_or_by_another_workload_is_burnt() {
    let people = people().await;
    let grant = |code: &str| {
        form(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", VERIFIER),
            ("client_id", CLIENT),
        ])
    };
    let for_another = people
        .issuer
        .svid("/web/shop", "https://other.example", people.running.app.now().0);
    for case in [
        "no credential",
        "a credential for another server",
        "another workload",
        "no rule",
    ] {
        let code = code(&people).await;
        let (answer, error) = match case {
            "no credential" => (send(&people, "/token", grant(&code)).await, "invalid_client"),
            "a credential for another server" => {
                let type_of = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
                let credential = form(&[
                    ("client_assertion_type", type_of),
                    ("client_assertion", &for_another),
                ]);
                let body = format!("{}&{credential}", grant(&code));
                (send(&people, "/token", body).await, "invalid_client")
            }
            "another workload" => (redeem(&people, "/web/other", &code).await, "invalid_grant"),
            _ => (redeem(&people, "/nowhere", &code).await, "invalid_client"),
        };
        assert_eq!(answer.error(), error, "{case}: {answer:?}");
        assert_eq!(people.records::<AuthorizationCode>().await, [], "{case}");
        let late = redeem(&people, "/web/shop", &code).await;
        assert_eq!(late.error(), "invalid_grant", "{case}: {late:?}");
        assert_eq!(people.records::<Client>().await, [], "{case}");
    }
    // The same request of the application to which the code was sent.
    let good = redeem(&people, "/web/shop", &code(&people).await).await;
    assert_eq!(good.status, 200, "{good:?}");
}
