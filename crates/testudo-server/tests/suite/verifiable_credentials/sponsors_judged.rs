//! What else ends, or waits, with the credential of a sponsor: its initial access tokens.

use super::sponsors::{ENDPOINT, send, token_of_portal, with_status};
use serde_json::json;
use testudo_protocol::jose::Algorithm;
use testudo_testkit::{generate_key, key_set};

const SUSPENDED: u8 = 2;

#[tokio::test]
async fn initial_access_token_is_not_called_invalid_while_the_list_of_its_holder_cannot_be_fetched() {
    let lists = with_status("").await;
    let site = &lists.site;
    let token = token_of_portal(site, "1", "client.register", ENDPOINT).await;
    let key = generate_key(Algorithm::ES256, Some("k"));
    let body = json!({ "jwks": key_set(&[&key]), "grant_types": ["client_credentials"] });
    lists.web.answers_at("/1", 500, "");
    lists.later(61);
    let answer = send(site, "POST", "/register", &token, &body).await;
    assert_eq!(
        (answer.status, answer.error()),
        (503, "temporarily_unavailable".to_owned()),
        "{answer:?}"
    );
    let wait: i64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let reason = site.world.reason_of(&answer).await;
    assert_eq!(reason, "initial_access_token_status_unavailable");
    lists.publish("/1", &[SUSPENDED]);
    lists.later(wait);
    let answer = send(site, "POST", "/register", &token, &body).await;
    assert_eq!((answer.status, answer.error()), (401, "invalid_token".to_owned()));
    lists.publish("/1", &[0]);
    lists.later(61);
    let answer = send(site, "POST", "/register", &token, &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}
