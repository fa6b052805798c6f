//! A reload is one swap: no request is judged by the keys of one configuration and the policy of another.

use crate::world::{ISSUER, World};
use std::time::{Duration, Instant};
use testudo_testkit::{TestIssuer, svid_form};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const RULES: &str = "[[rules]]\nname = \"all\"\nidentities = [\"spiffe://a.example/x/*\"]\n";

/// Configurations of which neither takes the SVIDs of `other`: the first takes JWT-SVIDs and holds other keys, the
/// second holds the keys and takes X.509-SVIDs only.
struct Alternating {
    world: World,
    other: TestIssuer,
}

fn domain(bundle: &str, credentials: &str) -> String {
    format!(
        "[[trust_domains]]\nname = \"a.example\"\nbundle = {{ file = \"{bundle}\" }}\ncredentials = [\"{credentials}\"]\n"
    )
}

impl Alternating {
    async fn start() -> Alternating {
        let world = World::start_with(&domain("a.json", "jwt_svid"), RULES).await;
        let other = TestIssuer::new("a.example");
        std::fs::write(world.folder.join("other.json"), other.bundle().to_string()).unwrap();
        Alternating { world, other }
    }

    async fn first(&self) {
        self.world.reload_with(&domain("a.json", "jwt_svid"), RULES).await;
    }

    async fn second(&self) {
        self.world
            .reload_with(&domain("other.json", "x509_svid"), RULES)
            .await;
    }

    /// A token request that neither configuration grants.
    fn form(&self) -> String {
        svid_form(&self.other.svid("/x/1", ISSUER, self.world.now()), &[])
    }
}

#[tokio::test]
async fn request_whose_body_arrives_after_a_reload_is_judged_by_one_configuration() {
    let alternating = Alternating::start().await;
    let body = alternating.form();
    let mut stream = tokio::net::TcpStream::connect(alternating.world.address())
        .await
        .unwrap();
    let head = format!(
        "POST /token HTTP/1.1\r\nHost: as.example\r\nConnection: close\r\nExpect: 100-continue\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server asks for the body once the request is at its endpoint.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).await.unwrap();
    assert!(
        asked.starts_with(b"HTTP/1.1 100"),
        "{}",
        String::from_utf8_lossy(&asked)
    );
    alternating.second().await;
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.contains("invalid_client"),
        "keys of one and policy of the other: {answer}"
    );
    assert!(alternating.world.clients().await.is_empty());
}

#[tokio::test]
async fn no_request_is_granted_while_reloads_alternate_between_configurations_that_refuse_it() {
    let alternating = Alternating::start().await;
    let granted = async |form: String| {
        let mut connection = alternating.world.connect().await;
        connection.post("/token", form).await.status == 200
    };
    let begun = Instant::now();
    let mut reloads = 0;
    while reloads < 40 || begun.elapsed() < Duration::from_secs(1) {
        let reload = async {
            alternating.second().await;
            alternating.first().await;
        };
        let (form, again) = (alternating.form(), alternating.form());
        let ((), one, two) = tokio::join!(reload, granted(form), granted(again));
        assert!(!one && !two, "after {reloads} reloads");
        reloads += 2;
    }
    // Each of them takes its own: the first the SVIDs of its own keys.
    assert_eq!(alternating.world.ask("/x/1", &[]).await.status, 200);
}

/// A reload opens no listener: metadata must not name one that is not there.
#[tokio::test]
async fn reload_announces_no_listener_for_certificates_and_no_certificates_that_cannot_arrive() {
    let world = World::start_with(&domain("a.json", "jwt_svid"), RULES).await;
    let metadata = async || {
        let path = "/.well-known/oauth-authorization-server";
        world.connect().await.get(path).await.json()
    };
    let path = world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (certificate, _) = testudo_testkit::x509::web_certificate("as.example");
    std::fs::write(world.folder.join("tls.crt"), certificate.chain_pem()).unwrap();
    std::fs::write(world.folder.join("tls.key"), certificate.key_pem()).unwrap();
    let changed = text
        .replace(
            "[store]",
            "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }\n\
             mtls = { listen = [\"127.0.0.1:0\"], url = \"https://mtls.as.example\" }\n[store]",
        )
        .replace("[\"jwt_svid\"]", "[\"jwt_svid\", \"x509_svid\"]");
    std::fs::write(&path, changed).unwrap();
    let before = metadata().await;
    let note = testudo_server::Note::by(&testudo_core::Actor::Signal);
    testudo_server::reload::reload(&world.running.app, note)
        .await
        .expect("a configuration without errors");
    let after = metadata().await;
    assert_eq!(after["mtls_endpoint_aliases"], before["mtls_endpoint_aliases"]);
    let methods = after["token_endpoint_auth_methods_supported"].to_string();
    assert!(!methods.contains("spiffe_x509"), "{methods}");
}
