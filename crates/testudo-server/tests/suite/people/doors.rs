//! The endpoints of clients accept the same methods of authentication as the token endpoint. Row J-13.

use super::world::CHALLENGE;
use crate::world::{ISSUER, RULES, World, domains};
use testudo_core::records::PushedRequest;
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::token::Draft;
use testudo_testkit::{assertion_form, form, svid_form};

const PATH: &str = "/people/web";
const ID: &str = "spiffe://a.example/people/web";

const PEOPLE: &str = r#"
[[rules]]
name = "people"
identities = ["spiffe://a.example/people/{service}"]
scopes = ["r"]
default_scopes = ["r"]
resources = ["https://api.example/"]
redirect_uris = ["https://{service}.apps.example/cb"]
grant_types = ["authorization_code", "refresh_token", "client_credentials"]
[[clients]]
client_id = "web-app"
jwks = { file = "c6.json" }
scopes = ["r"]
default_scopes = ["r"]
resources = ["https://api.example/"]
redirect_uris = ["https://app.example/cb"]
grant_types = ["authorization_code", "refresh_token", "client_credentials"]
"#;

/// Path, fields, and the status of success.
type EndpointCase = (&'static str, &'static [(&'static str, &'static str)], u16);

const ENDPOINTS: [EndpointCase; 3] = [
    (
        "/par",
        &[
            ("response_type", "code"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ],
        201,
    ),
    ("/introspect", &[("token", "unknown")], 200),
    ("/revoke", &[("token", "unknown")], 200),
];

async fn post(connection: &mut Connection, path: &str, body: String) -> Answer {
    // These helpers make token requests, whose grant type the other endpoints do not have.
    let body = body.replace("grant_type=client_credentials&", "");
    connection.post(path, body).await
}

#[tokio::test]
async fn jwt_svid_and_private_key_jwt_authenticate_at_par_introspect_and_revoke() {
    let world = World::start_with(&format!("[login]\n{}", domains("")), &format!("{RULES}{PEOPLE}")).await;
    let mut connection = world.connect().await;
    for (number, (path, fields, status)) in ENDPOINTS.into_iter().enumerate() {
        let by_svid = svid_form(&world.svid(PATH), fields);
        let answer = post(&mut connection, path, by_svid).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        let jti = number.to_string();
        let assertion =
            |audience: &str, jti: &str| Draft::assertion(&world.c6, "web-app", audience, jti, world.now());
        let by_key = assertion_form(&assertion(ISSUER, &jti).sign(), fields);
        let answer = post(&mut connection, path, by_key.clone()).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        // The same assertion again, one for another server, an SVID that another key signed, and no credential.
        let elsewhere = assertion("https://other.example", &format!("{jti}x")).sign();
        let svid = world.svid(PATH);
        let forged = format!("{}AAAA", &svid[..svid.len() - 4]);
        for refused in [
            by_key,
            assertion_form(&elsewhere, fields),
            svid_form(&forged, fields),
            form(&[&[("client_id", "web-app")], fields].concat()),
        ] {
            let answer = post(&mut connection, path, refused).await;
            assert_eq!(answer.error(), "invalid_client", "{path}: {answer:?}");
        }
    }
    let pushed = world.running.app.store.read_all::<PushedRequest>().await.unwrap();
    assert_eq!(pushed.len(), 2);
}

#[tokio::test]
async fn x509_svid_authenticates_at_par_introspect_and_revoke() {
    let server = format!("{}\n[login]\n", crate::world::TLS);
    let (world, tls) = World::start_with_tls(&format!("{RULES}{PEOPLE}"), &server).await;
    for (path, fields, status) in ENDPOINTS {
        let body = form(&[&[("client_id", ID)], fields].concat());
        let svid = tls.a.svid(PATH);
        let mut connection = tls.connect(world.address(), Some(&svid)).await.unwrap();
        let answer = connection.post(path, body.clone()).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        let foreign = tls.b.svid(PATH);
        let mut connection = tls.connect(world.address(), Some(&foreign)).await.unwrap();
        let answer = connection.post(path, body.clone()).await;
        assert_eq!(answer.error(), "invalid_client", "{path}: {answer:?}");
        let mut connection = tls.connect(world.address(), None).await.unwrap();
        let answer = connection.post(path, body).await;
        assert_eq!(answer.error(), "invalid_client", "{path}: {answer:?}");
    }
}
