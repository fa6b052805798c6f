//! What else ends, or waits, with the credential of a sponsor: the management of the clients that it registered, its initial
//! access tokens, and what `explain` says of requests.

use super::Site;
use super::clients::ask;
use super::sponsors::{ENDPOINT, PORTAL, sponsored, token_of_portal, with_status};
use crate::explain;
use serde_json::{Value, json};
use testudo_protocol::jose::Algorithm;
use testudo_testkit::http::Answer;
use testudo_testkit::{generate_key, key_set};

const SUSPENDED: u8 = 2;
const REVOKED: u8 = 1;

/// The registration of a client at its management endpoint.
struct Managed<'s> {
    site: &'s Site,
    /// What the last answer contained.
    registration: Value,
}

impl Managed<'_> {
    fn id(&self) -> &str {
        self.registration["client_id"].as_str().unwrap()
    }

    async fn send(&self, method: &str) -> Answer {
        let token = self.registration["registration_access_token"].as_str().unwrap();
        let members = ["client_id", "jwks", "grant_types"];
        let body: Value = members
            .map(|name| (name.to_owned(), self.registration[name].clone()))
            .into_iter()
            .collect();
        let path = format!("/register/{}", self.id());
        self.site.world.send_as(token, method, &path, &body).await
    }

    async fn assert_all_refused(&self, reason: &str, case: &str) {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = self.send(method).await;
            assert_eq!(
                (answer.status, answer.error()),
                (403, "access_denied".to_owned()),
                "{case}, {method}: {answer:?}"
            );
            assert_eq!(
                self.site.world.reason_of(&answer).await,
                reason,
                "{case}, {method}"
            );
        }
    }

    async fn assert_read_and_replaced(&mut self, case: &str) {
        for method in ["GET", "PUT"] {
            let answer = self.send(method).await;
            assert_eq!(answer.status, 200, "{case}, {method}: {answer:?}");
            self.registration = answer.json();
        }
    }

    async fn state(&self) -> String {
        let shown = self.site.shown(self.id()).await;
        shown["state"].as_str().unwrap().to_owned()
    }
}

// Row VC-34.
#[tokio::test]
async fn client_of_a_sponsor_does_not_manage_its_registration_while_the_credential_of_the_sponsor_is_refused()
{
    for (case, value, state) in [("suspended", SUSPENDED, "active"), ("revoked", REVOKED, "frozen")] {
        let lists = with_status("").await;
        let (site, key) = (&lists.site, generate_key(Algorithm::ES256, Some("k")));
        let mut managed = Managed {
            site,
            registration: sponsored(site, &key, "1").await,
        };
        managed.assert_read_and_replaced(case).await;
        lists.publish("/1", &[value]);
        lists.later(61);
        managed
            .assert_all_refused("sponsor_credential_refused", case)
            .await;
        assert_eq!(managed.state().await, state, "{case}");
        lists.publish("/1", &[0]);
        lists.later(61);
        if value == REVOKED {
            // The freeze stays until an administrator ends it.
            managed.assert_all_refused("client_frozen", case).await;
            let client = json!({ "client_id": managed.id() });
            site.world.admin("POST", "/admin/v1/clients/thaw", client).await;
        }
        managed.assert_read_and_replaced(case).await;
        assert_eq!(managed.send("DELETE").await.status, 204, "{case}");
    }
}

#[tokio::test]
async fn initial_access_token_is_not_called_invalid_while_the_list_of_its_holder_cannot_be_fetched() {
    let lists = with_status("").await;
    let site = &lists.site;
    let token = token_of_portal(site, "1", "client.register", ENDPOINT).await;
    let key = generate_key(Algorithm::ES256, Some("k"));
    let body = json!({ "jwks": key_set(&[&key]), "grant_types": ["client_credentials"] });
    lists.web.answers_at("/1", 500, "");
    lists.later(61);
    let answer = site.world.send_as(&token, "POST", "/register", &body).await;
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
    let answer = site.world.send_as(&token, "POST", "/register", &body).await;
    assert_eq!((answer.status, answer.error()), (401, "invalid_token".to_owned()));
    lists.publish("/1", &[0]);
    lists.later(61);
    let answer = site.world.send_as(&token, "POST", "/register", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test]
async fn explain_judges_the_credential_of_the_client_and_of_its_sponsor_as_it_is_now() {
    let lists = with_status("").await;
    let (site, key) = (&lists.site, generate_key(Algorithm::ES256, Some("k")));
    let client = sponsored(site, &key, "1").await;
    let id = client["client_id"].as_str().unwrap();
    lists.publish("/1", &[SUSPENDED]);
    lists.later(61);
    let of_sponsor = ask(site, &site.holder, PORTAL, "2", &[]).await;
    let of_client = ask(site, &key, id, "3", &[]).await;
    let today = async |answer: &Answer| {
        let explained = explain::explained(&site.world, answer).await;
        explain::result(&explained, "today").to_owned()
    };
    assert_eq!(today(&of_sponsor).await, "credential_suspended");
    assert_eq!(today(&of_client).await, "sponsor_credential_refused");
    lists.publish("/1", &[0]);
    lists.later(61);
    assert_eq!(today(&of_sponsor).await, "allowed");
    assert_eq!(today(&of_client).await, "allowed");
}
