//! What a sign-in must leave in no log and in no event. Row PF-06.

use crate::binary::{Server, Site, now};
use testudo_testkit::form;
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::person::Person;
use url::Url;

/// [RFC7636 B]
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CLIENT: &str = "spiffe://prod.example/web/shop";

const RULE: &str = r#"
[login]
development = ["alice"]
[[rules]]
name = "web"
identities = ["spiffe://prod.example/web/{name}"]
grant_types = ["authorization_code", "refresh_token"]
redirect_uris = ["https://{name}.apps.example/cb"]
scopes = ["orders.read"]
default_scopes = ["orders.read"]
resources = ["https://orders.example/"]
"#;

struct Shop {
    site: Site,
    issuer: String,
    server: Server,
    /// What must be in no log: the random parts of what was sent and answered.
    secrets: Vec<String>,
}

impl Shop {
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let svid = self.site.issuer.svid("/web/shop", &self.issuer, now());
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
        let own = [("client_assertion_type", kind), ("client_assertion", &*svid)];
        let body = form(&[&own, fields].concat());
        let mut connection = Connection::open(self.server.address).await;
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        connection.send("POST", path, &headers, body).await
    }

    /// The code for a person who agrees, after pages that are kept as secrets too.
    async fn code(&mut self, person: &mut Person) -> String {
        let asked = [
            ("response_type", "code"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let pushed = self.post("/par", &asked).await;
        assert_eq!(pushed.status, 201, "{pushed:?}");
        let request_uri = pushed.json()["request_uri"].as_str().unwrap().to_owned();
        self.secrets
            .extend(request_uri.rsplit(':').next().map(str::to_owned));
        let query = form(&[("client_id", CLIENT), ("request_uri", &request_uri)]);
        let url = person.walk(&format!("/authorize?{query}")).await.unwrap();
        self.secrets.extend(person.cookies.values().cloned());
        let url = Url::parse(&url).unwrap();
        let (_, code) = url.query_pairs().find(|(name, _)| name == "code").unwrap();
        self.secrets.push(code.to_string());
        code.into_owned()
    }

    async fn redeem(&mut self, code: &str, verifier: &str) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", verifier),
        ];
        let answer = self.post("/token", &fields).await;
        self.keep(&answer);
        answer
    }

    async fn refresh(&mut self, token: &str) -> Answer {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        let answer = self.post("/token", &fields).await;
        self.keep(&answer);
        answer
    }

    fn keep(&mut self, answer: &Answer) {
        let body = answer.json();
        let access = body["access_token"].as_str().unwrap_or_default();
        self.secrets.extend(access.split('.').skip(1).map(str::to_owned));
        self.secrets
            .extend(body["refresh_token"].as_str().map(str::to_owned));
    }
}

#[tokio::test]
async fn codes_cookies_request_uris_and_tokens_of_people_are_never_logged() {
    let (site, issuer) = Site::under_its_own_name();
    site.append(RULE);
    let server = Server::start_logging(&site.config(), "trace");
    let mut shop = Shop {
        site,
        issuer,
        server,
        secrets: vec![VERIFIER.to_owned()],
    };
    let mut alice = Person::new(&shop.issuer, shop.server.address);
    // Granted requests, then the same secrets in refused ones.
    let code = shop.code(&mut alice).await;
    let tokens = shop.redeem(&code, VERIFIER).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
    let first = tokens.refresh_token();
    let second = shop.refresh(&first).await.refresh_token();
    let third = shop.refresh(&second).await.refresh_token();
    for token in [&third, &tokens.access_token(), &first] {
        let answer = shop.post("/introspect", &[("token", token)]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let refused = shop.refresh(&first).await;
    assert_eq!(refused.error(), "invalid_grant", "{refused:?}");
    let refused = shop.redeem(&code, VERIFIER).await;
    assert_eq!(refused.error(), "invalid_grant", "{refused:?}");
    let code = shop.code(&mut alice).await;
    let refused = shop.redeem(&code, &"B".repeat(43)).await;
    assert_eq!(refused.error(), "invalid_grant", "{refused:?}");
    let code = shop.code(&mut alice).await;
    let token = shop.redeem(&code, VERIFIER).await.refresh_token();
    let revoked = [("token", token.as_str())];
    let answer = shop.post("/revoke", &revoked).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    alice.cookies.values_mut().for_each(|cookie| cookie.push('x'));
    alice.open("/account").await;

    assert!(
        shop.secrets.iter().all(|secret| secret.len() >= 40),
        "{:?}",
        shop.secrets
    );
    // The log of the last request may not be written yet, so another request follows.
    let events = shop.site.ok(&["event", "list", "--json"]);
    let log = shop.server.log_until_end();
    for seen in [
        "person.signed_in",
        "consent.given",
        "grant.reused",
        "grant.revoked",
    ] {
        assert!(events.contains(seen), "{seen}: {events}");
    }
    assert!(log.contains("client.refused"), "{log}");
    for secret in &shop.secrets {
        assert!(!log.contains(secret), "{secret} is in the log");
        assert!(!events.contains(secret), "{secret} is in an event");
    }
}
