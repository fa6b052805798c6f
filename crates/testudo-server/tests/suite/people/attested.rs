//! Clients that authenticate with an attestation, for people: codes and refresh tokens belong to the instance whose key is
//! attested. [ABCA §10.3] [ABCA §10.4]

use super::world::{CALLBACK, ISSUER, People, VERIFIER, parameter, requested};
use serde_json::json;
use testudo_core::records::{AuthorizationCode, Grant};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::token::Draft;
use testudo_testkit::{form, generate_key, key_set};

const ENTRIES: &str = r#"
[[issuers]]
name = "at1"
kind = "attester"
use = ["client"]
issuer = "https://at1.example"
jwks = { file = "at1.json" }
challenge = "none"
[[rules]]
name = "attested"
identities = ["at1:c5"]
grant_types = ["authorization_code", "refresh_token"]
redirect_uris = ["https://shop.apps.example/cb"]
scopes = ["orders.read"]
default_scopes = ["orders.read"]
resources = ["https://orders.example/"]
"#;

const CLIENT: &str = "c5";

struct Attested {
    people: People,
    attester: SigningKey,
    /// Two instances of the client.
    one: SigningKey,
    other: SigningKey,
}

impl Attested {
    async fn start() -> Attested {
        let people = People::start(ENTRIES).await;
        let attester = generate_key(Algorithm::ES256, Some("at1-key"));
        let keys = key_set(&[&attester]).to_string();
        std::fs::write(people.folder.join("at1.json"), keys).unwrap();
        people
            .admin("POST", "/admin/v1/trust/at1/refresh", json!({}))
            .await;
        let key = || generate_key(Algorithm::ES256, None);
        Attested {
            people,
            attester,
            one: key(),
            other: key(),
        }
    }

    /// A request of the instance with this key; `None`: without attestation.
    async fn send(&self, path: &str, instance: Option<&SigningKey>, fields: &[(&str, &str)]) -> Answer {
        let now = self.people.running.app.now().0;
        let mut headers = vec![
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("host", "localhost:8080".to_owned()),
        ];
        if let Some(key) = instance {
            let attestation = Draft::attestation(&self.attester, CLIENT, key, now);
            let jti = self.people.running.app.clock.request_id();
            headers.push((
                "oauth-client-attestation",
                attestation.claim("iss", "https://at1.example").sign(),
            ));
            headers.push((
                "oauth-client-attestation-pop",
                Draft::attestation_pop(key, ISSUER, &jti, now).sign(),
            ));
        }
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
        let body = form(&[&[("client_id", CLIENT)], fields].concat());
        let mut connection = Connection::open(self.people.running.addresses[0]).await;
        connection.send("POST", path, &headers, body).await
    }

    /// The code for a request that this instance pushed.
    async fn code(&self, instance: &SigningKey) -> String {
        let fields = requested(&[("client_id", "")]);
        let pushed = self.send("/par", Some(instance), &fields).await;
        assert_eq!(pushed.status, 201, "{pushed:?}");
        let request_uri = pushed.json()["request_uri"].as_str().unwrap().to_owned();
        let visit = form(&[("client_id", CLIENT), ("request_uri", &request_uri)]);
        let mut alice = self.people.person();
        let url = alice.walk(&format!("/authorize?{visit}")).await.unwrap();
        parameter(&url, "code").unwrap_or_else(|| panic!("{url}"))
    }

    async fn redeem(&self, instance: Option<&SigningKey>, code: &str) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.send("/token", instance, &fields).await
    }

    async fn refresh(&self, instance: Option<&SigningKey>, tokens: &Answer) -> Answer {
        let token = tokens.refresh_token();
        let fields = [("grant_type", "refresh_token"), ("refresh_token", &*token)];
        self.send("/token", instance, &fields).await
    }
}

#[track_caller]
fn assert_refused(answer: &Answer, error: &str) {
    assert_eq!(answer.error(), error, "{answer:?}");
    assert!((400..500).contains(&answer.status), "{answer:?}");
}

// Row F-28.
#[tokio::test]
async fn code_of_a_pushed_request_is_redeemed_by_the_instance_that_pushed_it_only() {
    let attested = Attested::start().await;
    let code = attested.code(&attested.one).await;
    let [stored] = attested
        .people
        .records::<AuthorizationCode>()
        .await
        .try_into()
        .unwrap();
    assert!(stored.bound_to.instance_key.is_some(), "{:?}", stored.bound_to);
    assert_refused(
        &attested.redeem(Some(&attested.other), &code).await,
        "invalid_grant",
    );
    // The refused redemption used the code up.
    assert_refused(
        &attested.redeem(Some(&attested.one), &code).await,
        "invalid_grant",
    );
    let code = attested.code(&attested.one).await;
    let tokens = attested.redeem(Some(&attested.one), &code).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
}

// Rows F-25, F-26.
#[tokio::test]
async fn refresh_token_of_an_attested_instance_is_refused_to_another_one_and_without_attestation() {
    let attested = Attested::start().await;
    let code = attested.code(&attested.one).await;
    let tokens = attested.redeem(Some(&attested.one), &code).await;
    assert_refused(
        &attested.refresh(Some(&attested.other), &tokens).await,
        "invalid_grant",
    );
    assert_refused(&attested.refresh(None, &tokens).await, "invalid_client");
    assert_eq!(
        attested.people.records::<Grant>().await.len(),
        1,
        "the grant ended"
    );
    let refreshed = attested.refresh(Some(&attested.one), &tokens).await;
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
}
