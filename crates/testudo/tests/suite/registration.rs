//! The registration endpoint of the built binary, under attack by a caller who has obtained one SVID.

use crate::binary::{RULES, Server, Site, now, stderr};
use serde_json::{Value, json};
use std::process::Command;
use testudo_testkit::svid_form;
use testudo_testkit::token::Draft;

const IDENTITY: &str = "spiffe://prod.example/ns/shop/sa/pay";

/// A site with a registration endpoint, its server, and its issuer URL.
struct Target {
    site: Site,
    server: Server,
    issuer: String,
    scheme: &'static str,
}

impl Target {
    /// The trust domain accepts only JWT-SVIDs.
    fn plain() -> Target {
        let site = Site::new();
        site.configure("", &format!("{RULES}\n[registration]"));
        let server = site.serve();
        Target {
            site,
            server,
            issuer: crate::binary::ISSUER.to_owned(),
            scheme: "http://127.0.0.1",
        }
    }

    /// The trust domain also accepts X.509-SVIDs.
    fn with_certificates() -> Target {
        let (site, issuer) = Site::with_mutual_tls("");
        let text = std::fs::read_to_string(site.config()).unwrap();
        std::fs::write(site.config(), format!("{text}\n[registration]\n")).unwrap();
        let server = site.serve();
        Target {
            site,
            server,
            issuer,
            scheme: "https://localhost",
        }
    }

    fn svid(&self, audience: &str, jti: &str) -> String {
        Draft::svid(self.site.issuer.key(), IDENTITY, audience, now())
            .claim("jti", jti)
            .sign()
    }

    /// Sends a request with curl, with or without the certificate of the workload.
    fn post(&self, path: &str, (media, body): (&str, &str), has_certificate: bool) -> (u16, Value) {
        let file = |name: &str| self.site.folder.join(name);
        let mut command = Command::new("curl");
        command.args(["-s", "-w", "\n%{http_code}", "-H"]);
        command.arg(format!("content-type: {media}"));
        if self.scheme.starts_with("https") {
            command.arg("--cacert").arg(file("root.pem"));
        }
        if has_certificate {
            command.arg("--cert").arg(file("svid.pem"));
            command.arg("--key").arg(file("svid.key"));
        }
        let url = format!("{}:{}{path}", self.scheme, self.server.address.port());
        let output = command
            .args(["-d", body, &url])
            .output()
            .expect("curl can be run");
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text
            .rsplit_once('\n')
            .expect("curl prints the status after the body");
        (
            status.parse().unwrap(),
            serde_json::from_str(body).unwrap_or_default(),
        )
    }

    fn register(&self, mut more: Value, audience: &str, has_certificate: bool) -> (u16, Value) {
        more["software_statement"] = json!(self.svid(audience, "seen"));
        self.post(
            "/register",
            ("application/json", &more.to_string()),
            has_certificate,
        )
    }

    /// A token request of one instance of the workload, with its own SVID.
    #[track_caller]
    fn instance_gets_a_token(&self, instance: &str, scope: &str) {
        let form = svid_form(&self.svid(&self.issuer, instance), &[("scope", scope)]);
        let (status, body) = self.post("/token", ("application/x-www-form-urlencoded", &form), false);
        assert_eq!(status, 200, "{instance}: {body}");
    }
}

#[test]
fn leaked_statement_does_not_block_any_instance() {
    for target in [Target::plain(), Target::with_certificates()] {
        target.instance_gets_a_token("first", "orders.write");
        let endpoint = format!("{}/register", target.issuer);
        for audience in [&endpoint, &target.issuer] {
            for more in [
                json!({ "token_endpoint_auth_method": "spiffe_x509" }),
                json!({ "token_endpoint_auth_method": "spiffe_wit" }),
                json!({ "tls_client_certificate_bound_access_tokens": true }),
            ] {
                let (status, body) = target.register(more.clone(), audience, false);
                assert_eq!(status, 400, "{more}: {body}");
                assert_eq!(body["error"], "invalid_client_metadata", "{more}");
            }
        }
        // An attacker uses the SVID of a token request to register a narrower scope.
        let (status, body) = target.register(json!({ "scope": "orders.read" }), &target.issuer, false);
        assert_eq!((status, &body["error"]), (400, &json!("invalid_client_metadata")));
        let (status, body) = target.register(json!({}), &target.issuer, false);
        assert_eq!(
            (status, &body["scope"]),
            (201, &json!("orders.read orders.write"))
        );
        for instance in ["first", "second"] {
            target.instance_gets_a_token(instance, "orders.write");
        }
    }
}

#[test]
fn client_can_register_only_the_authentication_method_that_it_uses() {
    let target = Target::with_certificates();
    let endpoint = format!("{}/register", target.issuer);
    let method = json!({ "token_endpoint_auth_method": "spiffe_x509" });
    let (status, body) = target.register(method, &endpoint, true);
    assert_eq!(
        (status, &body["token_endpoint_auth_method"]),
        (201, &json!("spiffe_x509")),
        "{body}"
    );
    let form = svid_form(&target.svid(&target.issuer, "bearer"), &[]);
    let (status, body) = target.post("/token", ("application/x-www-form-urlencoded", &form), false);
    assert_eq!((status, &body["error"]), (400, &json!("invalid_client")));
    let form = format!("grant_type=client_credentials&client_id={IDENTITY}");
    let (status, body) = target.post("/token", ("application/x-www-form-urlencoded", &form), true);
    assert_eq!(status, 200, "{body}");
}

#[test]
fn check_refuses_templates_with_adjacent_captures_and_shows_what_to_write() {
    let site = Site::new();
    let rule = |id: &str| {
        RULES.replace(
            "name = \"payments\"",
            &format!("name = \"payments\"\nclient_id = \"{id}\""),
        )
    };
    site.configure("", &rule("{namespace}-{service}"));
    let output = site.run(&["check"]);
    assert!(!output.status.success());
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(&output));
    assert!(
        printed.contains("client_id") && printed.contains("\"{namespace}/{service}\""),
        "{printed}"
    );
    site.configure("", &rule("{namespace}/{service}"));
    site.ok(&["check"]);
}

/// The block applies before and after the first use, by the name of the trust domain with and without the scheme.
#[tokio::test]
async fn block_of_a_trust_domain_refuses_all_its_identities() {
    let site = Site::new();
    let server = site.serve();
    let ask = async |path: &str| server.token(svid_form(&site.svid(path), &[])).await.status;
    assert_eq!(ask("/ns/shop/sa/pay").await, 200);
    for name in ["prod.example", "spiffe://prod.example"] {
        let printed = site.ok(&["identity", "block", name]);
        assert!(!printed.contains("error"), "{printed}");
        let listed = site.json(&["identity", "list"]);
        assert_eq!(listed[0]["identity"], "spiffe://prod.example/**", "{listed}");
        assert_eq!(ask("/ns/shop/sa/pay").await, 400, "{name}");
        assert_eq!(ask("/ns/shop/sa/never-seen").await, 400, "{name}");
        site.ok(&["identity", "unblock", name]);
        assert_eq!(ask("/ns/shop/sa/pay").await, 200);
    }
    // A block of a trust domain that is not configured is refused.
    let output = site.run(&["identity", "block", "prod.exmaple"]);
    assert!(!output.status.success());
    assert!(stderr(&output).contains("trust domain"), "{}", stderr(&output));
}
