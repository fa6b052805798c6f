//! `testudo explain` of requests that the built binary refused.

use super::{Broken, all_good, edit};
use crate::binary::{ISSUER, Server, Site, now};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use testudo_testkit::http::Connection;
use testudo_testkit::token::Draft;
use testudo_testkit::x509::{X509Chain, X509Issuer};
use testudo_testkit::{TestIssuer, form, svid_form};

const PAY: &str = "/ns/shop/sa/pay";
const PAY_ID: &str = "spiffe://prod.example/ns/shop/sa/pay";

pub fn names() -> impl Iterator<Item = String> {
    REFUSED.iter().map(|refused| format!("explain-{}", refused.name))
}

/// A token request that is refused.
struct Refused {
    name: &'static str,
    how: &'static str,
    /// What an administrator does before it, and after it.
    before: &'static [&'static str],
    after: &'static [&'static str],
    ask: fn(&World) -> Request,
    fault: &'static str,
    remedy: &'static str,
}

/// What is sent: the form, and the certificate header of the proxy.
struct Request {
    form: String,
    certificate: Option<String>,
}

struct World {
    site: Site,
    x509: X509Issuer,
    server: Server,
}

impl World {
    /// A server behind a proxy that forwards client certificates, which takes both kinds of SVID.
    fn new() -> World {
        let site = Site::new();
        let x509 = X509Issuer::new("prod.example");
        let mut bundle = site.issuer.bundle();
        bundle["keys"].as_array_mut().unwrap().push(x509.jwk());
        site.write("bundle.json", &bundle.to_string());
        let proxy = "proxy = { trusted = [\"127.0.0.1\"], client_certificate_header = \"client-cert\" }";
        edit(&site, "[store]", &format!("{proxy}\n[store]"));
        let kinds = "credentials = [\"jwt_svid\", \"x509_svid\"]\nbundle = { file";
        edit(&site, "bundle = { file", kinds);
        let server = site.serve();
        World { site, x509, server }
    }

    /// A JWT-SVID that can be changed before it is signed.
    fn draft(&self) -> Draft<'_> {
        Draft::svid(self.site.issuer.key(), PAY_ID, ISSUER, now())
    }

    async fn judge(&self, refused: &Refused) -> Result<(), String> {
        if !refused.before.is_empty() {
            self.site.ok(refused.before);
        }
        let Request { form, certificate } = (refused.ask)(self);
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.extend(certificate.as_ref().map(|value| ("client-cert", value.as_str())));
        let mut connection = Connection::open(self.server.address).await;
        let answer = connection.send("POST", "/token", &headers, form).await;
        assert!(answer.status >= 400, "{}: {answer:?}", refused.name);
        let output = self.site.run(&["explain", answer.header("request-id").unwrap()]);
        if !refused.after.is_empty() {
            self.site.ok(refused.after);
        }
        let broken = Broken {
            name: refused.name,
            how: refused.how,
            set_up: |_| {},
            fault: refused.fault,
            remedy: refused.remedy,
        };
        broken.check("testudo explain ID", &output, &self.site)
    }
}

#[tokio::test]
async fn explain_names_fault_and_remedy_of_each_refused_request() {
    let world = World::new();
    // The client is known.
    let known = Connection::open(world.server.address)
        .await
        .post("/token", svid_form(&world.site.svid(PAY), &[]))
        .await;
    assert_eq!(known.status, 200, "{known:?}");
    let mut judged = Vec::new();
    for refused in REFUSED {
        judged.push(world.judge(refused).await);
    }
    all_good(judged.into_iter());
}

fn token(svid: &str, more: &[(&str, &str)]) -> Request {
    Request {
        form: svid_form(svid, more),
        certificate: None,
    }
}

fn certificate(header: String) -> Request {
    Request {
        form: form(&[("grant_type", "client_credentials"), ("client_id", PAY_ID)]),
        certificate: Some(header),
    }
}

/// RFC 9440 §2.1
fn field(chain: &X509Chain) -> String {
    format!(":{}:", STANDARD.encode(&chain.chain[0]))
}

const NOTHING: &[&str] = &[];

const REFUSED: &[Refused] = &[
    Refused {
        name: "audience",
        how: "The workload asked for an SVID for another audience.",
        before: NOTHING,
        after: NOTHING,
        ask: |world| {
            token(
                &world.site.issuer.svid(PAY, "https://as.example/token", now()),
                &[],
            )
        },
        fault: "https://as.example/token",
        remedy: "audience `https://as.example`",
    },
    Refused {
        name: "expired",
        how: "The SVID has expired.",
        before: NOTHING,
        after: NOTHING,
        ask: |world| {
            token(
                &world
                    .draft()
                    .claim("exp", now() - 60)
                    .claim("iat", now() - 360)
                    .sign(),
                &[],
            )
        },
        fault: "expired at TIME",
        remedy: "fetch a new credential",
    },
    Refused {
        name: "unknown-trust-domain",
        how: "The SVID is of a trust domain that is not configured.",
        before: NOTHING,
        after: NOTHING,
        ask: |_| token(&TestIssuer::new("staging.example").svid(PAY, ISSUER, now()), &[]),
        fault: "staging.example",
        remedy: "[[trust_domains]]",
    },
    Refused {
        name: "no-rule",
        how: "No rule has a pattern for the identity.",
        before: NOTHING,
        after: NOTHING,
        ask: |world| token(&world.site.svid("/ns/shop/pay"), &[]),
        fault: "no_rule",
        remedy: "add a [[rules]] entry",
    },
    Refused {
        name: "scope",
        how: "The client asks for a scope that its rule does not give.",
        before: NOTHING,
        after: NOTHING,
        ask: |world| token(&world.site.svid(PAY), &[("scope", "orders.delete")]),
        fault: "orders.delete",
        remedy: "scopes of rule `payments`",
    },
    Refused {
        name: "resource",
        how: "The client asks for a resource that its rule does not give.",
        before: NOTHING,
        after: NOTHING,
        ask: |world| {
            token(
                &world.site.svid(PAY),
                &[("resource", "https://api.example.net/stock")],
            )
        },
        fault: "resource https://api.example.net/stock",
        remedy: "rule `payments`",
    },
    Refused {
        name: "other-client-id",
        how: "The client sends a `client_id` that is not its SPIFFE ID.",
        before: NOTHING,
        after: NOTHING,
        ask: |world| token(&world.site.svid(PAY), &[("client_id", "pay")]),
        fault: "client_id in the request is pay",
        remedy: "leave client_id out",
    },
    Refused {
        name: "blocked",
        how: "An administrator blocked the identity.",
        before: &["identity", "block", PAY_ID, "--reason", "incident 7"],
        after: &["identity", "unblock", PAY_ID],
        ask: |world| token(&world.site.svid(PAY), &[]),
        fault: "blocked",
        remedy: "testudo identity unblock",
    },
    Refused {
        name: "frozen",
        how: "An administrator froze the client.",
        before: &["client", "freeze", PAY_ID],
        after: &["client", "thaw", PAY_ID],
        ask: |world| token(&world.site.svid(PAY), &[]),
        fault: "frozen",
        remedy: "testudo client thaw",
    },
    Refused {
        name: "trust-domain-disabled",
        how: "An administrator disabled the trust domain.",
        before: &["trust", "disable", "prod.example"],
        after: &["trust", "enable", "prod.example"],
        ask: |world| token(&world.site.svid(PAY), &[]),
        fault: "the trust domain `prod.example` is disabled",
        remedy: "testudo trust enable spiffe://prod.example",
    },
    Refused {
        name: "altered",
        how: "The SVID was altered on its way.",
        before: NOTHING,
        after: NOTHING,
        ask: |world| {
            let svid = world.site.svid(PAY);
            let (signed, signature) = svid.rsplit_once('.').unwrap();
            let other = if signature.starts_with('A') { 'B' } else { 'A' };
            token(&format!("{signed}.{other}{}", &signature[1..]), &[])
        },
        fault: "token_malformed_or_forged",
        remedy: "Workload API",
    },
    Refused {
        name: "key-not-in-bundle",
        how: "The SVID is signed with a key that the bundle does not have.",
        before: NOTHING,
        after: NOTHING,
        ask: |_| {
            let mut issuer = TestIssuer::new("prod.example");
            issuer.rotate();
            token(&issuer.svid(PAY, ISSUER, now()), &[])
        },
        fault: "kid",
        remedy: "testudo trust refresh",
    },
    Refused {
        name: "header-parameter",
        how: "The SVID has a header parameter that names a place of keys.",
        before: NOTHING,
        after: NOTHING,
        ask: |world| {
            let draft = world.draft().header("jku", "https://keys.example/jwks");
            token(&draft.sign(), &[])
        },
        fault: "`jku`",
        remedy: "leave the header parameter",
    },
    Refused {
        name: "claim-of-another-type",
        how: "`exp` of the SVID is a text.",
        before: NOTHING,
        after: NOTHING,
        ask: |world| token(&world.draft().claim("exp", "tomorrow").sign(), &[]),
        fault: "member `exp`",
        remedy: "testudo explain --credential",
    },
    Refused {
        name: "client-secret",
        how: "The client sends a client secret.",
        before: NOTHING,
        after: NOTHING,
        ask: |_| Request {
            form: form(&[
                ("grant_type", "client_credentials"),
                ("client_id", "pay"),
                ("client_secret", "hunter2"),
            ]),
            certificate: None,
        },
        fault: "unsupported_mechanism",
        remedy: "instead of a secret",
    },
    Refused {
        name: "self-signed-certificate",
        how: "The client shows a certificate that it made with `openssl req -x509`.",
        before: NOTHING,
        after: NOTHING,
        ask: |world| {
            let own = world.x509.leaf(PAY_ID, |parameters| {
                parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            });
            certificate(field(&own))
        },
        fault: "certificate authority",
        remedy: "openssl req -x509",
    },
    Refused {
        name: "certificate-of-another-root",
        how: "The certificate of the client was issued by a root that is not in the bundle.",
        before: NOTHING,
        after: NOTHING,
        ask: |_| certificate(field(&X509Issuer::new("prod.example").svid(PAY))),
        fault: "authority of the trust domain",
        remedy: "testudo trust show",
    },
    Refused {
        name: "header-of-envoy",
        how: "The proxy writes the certificate header in Envoy's form.",
        before: NOTHING,
        after: NOTHING,
        ask: |_| {
            certificate(format!(
                "By=spiffe://prod.example/as;Hash=ab;Subject=\"\";URI={PAY_ID}"
            ))
        },
        fault: "client-cert is in the form of Envoy",
        remedy: "base64 between colons",
    },
];
