//! `testudo explain` of requests that the built binary refused.

use super::{Broken, all_good, edit};
use crate::binary::{ISSUER, Server, Site, now};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::Connection;
use testudo_testkit::kubernetes::DEFAULT_ISSUER;
use testudo_testkit::token::Draft;
use testudo_testkit::x509::{X509Chain, X509Issuer};
use testudo_testkit::{TestIssuer, assertion_form, form, generate_key, key_set, svid_form};

const PAY: &str = "/ns/shop/sa/pay";
const PAY_ID: &str = "spiffe://prod.example/ns/shop/sa/pay";

pub fn names() -> impl Iterator<Item = String> {
    REFUSED.iter().map(|refused| format!("explain-{}", refused.name))
}

/// A token request that is refused.
struct Refused {
    name: &'static str,
    how: &'static str,
    /// Commands that an administrator runs before the request, and after it.
    before: &'static [&'static str],
    after: &'static [&'static str],
    request: fn(&Fixture) -> Request,
    fault: &'static str,
    remedy: &'static str,
}

/// The form of the request, and the certificate header that the proxy adds.
struct Request {
    form: String,
    certificate: Option<String>,
    /// Name of the certificate header.
    header: &'static str,
}

struct Fixture {
    site: Site,
    x509: X509Issuer,
    /// The key of a cluster and of a CI system.
    key: SigningKey,
    server: Server,
}

const ISSUERS: &str = r#"
[[issuers]]
name = "cluster"
kind = "kubernetes"
use = ["client"]
issuer = "https://kubernetes.default.svc.cluster.local"
jwks = { file = "keys.json" }
[[issuers]]
name = "ci"
kind = "jwt"
use = ["client"]
issuer = "https://ci.example"
jwks = { file = "keys.json" }
subject_claim = "project_id"
[[rules]]
name = "shop"
identities = ["cluster:shop/{account}"]
[[rules]]
name = "deploy"
identities = ["ci:*"]
claims = { ref = "refs/heads/main" }
"#;

impl Fixture {
    /// A server that accepts both kinds of SVID, behind a proxy that forwards client certificates.
    fn new() -> Fixture {
        let site = Site::new();
        let x509 = X509Issuer::new("prod.example");
        let mut bundle = site.issuer.bundle();
        bundle["keys"].as_array_mut().unwrap().push(x509.jwk());
        site.write("bundle.json", &bundle.to_string());
        let proxy = "proxy = { trusted = [\"127.0.0.1\"], client_certificate_header = \"client-cert\" }";
        edit(&site, "[store]", &format!("{proxy}\n[store]"));
        let kinds = "credentials = [\"jwt_svid\", \"x509_svid\"]\nbundle = { file";
        edit(&site, "bundle = { file", kinds);
        let key = generate_key(Algorithm::ES256, Some("key"));
        let keys = key_set(&[&key]);
        site.write("keys.json", &keys.to_string());
        site.append(ISSUERS);
        let server = site.serve();
        Fixture {
            site,
            x509,
            key,
            server,
        }
    }

    /// The token of a pod with this account.
    fn pod(&self, account: &str) -> Draft<'_> {
        Draft::service_account(&self.key, DEFAULT_ISSUER, account, ISSUER, now())
    }

    /// The token of a CI job.
    fn job(&self) -> Draft<'_> {
        let draft = Draft::svid(&self.key, "project:app:ref:main", ISSUER, now());
        draft
            .claim("iss", "https://ci.example")
            .claim("project_id", "7")
            .claim("ref", "refs/heads/main")
    }

    /// A JWT-SVID that can be changed before it is signed.
    fn draft(&self) -> Draft<'_> {
        Draft::svid(self.site.issuer.key(), PAY_ID, ISSUER, now())
    }

    async fn check(&self, refused: &Refused) -> Result<(), String> {
        if !refused.before.is_empty() {
            self.site.ok(refused.before);
        }
        let Request {
            form,
            certificate,
            header,
        } = (refused.request)(self);
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.extend(certificate.as_ref().map(|value| (header, value.as_str())));
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
    let fixture = Fixture::new();
    // The first token request registers the client.
    let known = Connection::open(fixture.server.address)
        .await
        .post("/token", svid_form(&fixture.site.svid(PAY), &[]))
        .await;
    assert_eq!(known.status, 200, "{known:?}");
    for good in [fixture.pod("shop/cart"), fixture.job()] {
        let Request { form, .. } = assertion(&good);
        let answer = fixture.server.token(form).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let mut outcomes = Vec::new();
    for refused in REFUSED {
        outcomes.push(fixture.check(refused).await);
    }
    all_good(outcomes.into_iter());
}

fn token(svid: &str, more: &[(&str, &str)]) -> Request {
    Request {
        form: svid_form(svid, more),
        certificate: None,
        header: "client-cert",
    }
}

fn assertion(token: &Draft<'_>) -> Request {
    Request {
        form: assertion_form(&token.sign(), &[]),
        certificate: None,
        header: "client-cert",
    }
}

fn certificate(header: String) -> Request {
    Request {
        form: form(&[("grant_type", "client_credentials"), ("client_id", PAY_ID)]),
        certificate: Some(header),
        header: "client-cert",
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
        how: "The SVID is issued for another audience.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| {
            token(
                &fixture.site.issuer.svid(PAY, "https://as.example/token", now()),
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
        request: |fixture| {
            token(
                &fixture
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
        how: "The trust domain of the SVID is not configured.",
        before: NOTHING,
        after: NOTHING,
        request: |_| token(&TestIssuer::new("staging.example").svid(PAY, ISSUER, now()), &[]),
        fault: "staging.example",
        remedy: "[[trust_domains]]",
    },
    Refused {
        name: "no-rule",
        how: "No pattern of a rule matches the identity.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| token(&fixture.site.svid("/ns/shop/pay"), &[]),
        fault: "no_rule",
        remedy: "add a [[rules]] entry",
    },
    Refused {
        name: "scope",
        how: "The client requests a scope that its rule does not contain.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| token(&fixture.site.svid(PAY), &[("scope", "orders.delete")]),
        fault: "orders.delete",
        remedy: "scopes of rule `payments`",
    },
    Refused {
        name: "resource",
        how: "The client requests a resource that its rule does not contain.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| {
            token(
                &fixture.site.svid(PAY),
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
        request: |fixture| token(&fixture.site.svid(PAY), &[("client_id", "pay")]),
        fault: "client_id in the request is pay",
        remedy: "leave client_id out",
    },
    Refused {
        name: "blocked",
        how: "An administrator blocked the identity.",
        before: &["identity", "block", PAY_ID, "--reason", "incident 7"],
        after: &["identity", "unblock", PAY_ID],
        request: |fixture| token(&fixture.site.svid(PAY), &[]),
        fault: "blocked",
        remedy: "testudo identity unblock",
    },
    Refused {
        name: "frozen",
        how: "An administrator froze the client.",
        before: &["client", "freeze", PAY_ID],
        after: &["client", "thaw", PAY_ID],
        request: |fixture| token(&fixture.site.svid(PAY), &[]),
        fault: "frozen",
        remedy: "testudo client thaw",
    },
    Refused {
        name: "trust-domain-disabled",
        how: "An administrator disabled the trust domain.",
        before: &["trust", "disable", "prod.example"],
        after: &["trust", "enable", "prod.example"],
        request: |fixture| token(&fixture.site.svid(PAY), &[]),
        fault: "the trust domain `prod.example` is disabled",
        remedy: "testudo trust enable spiffe://prod.example",
    },
    Refused {
        name: "altered",
        how: "The signature of the SVID was changed.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| {
            let svid = fixture.site.svid(PAY);
            let (signed, signature) = svid.rsplit_once('.').unwrap();
            let other = if signature.starts_with('A') { 'B' } else { 'A' };
            token(&format!("{signed}.{other}{}", &signature[1..]), &[])
        },
        fault: "token_malformed_or_forged",
        remedy: "Workload API",
    },
    Refused {
        name: "key-not-in-bundle",
        how: "The SVID is signed with a key that is not in the bundle.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| token(&fixture.draft().header("kid", "rotated-2").sign(), &[]),
        fault: "kid \"rotated-2\"",
        remedy: "testudo trust refresh",
    },
    Refused {
        name: "header-parameter",
        how: "The SVID has a header parameter with a URL of keys.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| {
            let draft = fixture.draft().header("jku", "https://keys.example/jwks");
            token(&draft.sign(), &[])
        },
        fault: "`jku`",
        remedy: "leave the header parameter",
    },
    Refused {
        name: "claim-of-another-type",
        how: "The claim `exp` of the SVID is a string.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| token(&fixture.draft().claim("exp", "tomorrow").sign(), &[]),
        fault: "member `exp`",
        remedy: "a JWT-SVID as the Workload API returns it",
    },
    Refused {
        name: "svid-as-jwt-bearer",
        how: "The SVID has no fault, but `client_assertion_type` is that of clients with keys of their own.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| {
            let svid = fixture.draft().sign();
            Request {
                form: assertion_form(&svid, &[]),
                ..token(&svid, &[])
            }
        },
        fault: "the member `iss` is missing",
        remedy: "is sent with the type that ends in jwt-spiffe",
    },
    Refused {
        name: "client-secret",
        how: "The client sends a client secret.",
        before: NOTHING,
        after: NOTHING,
        request: |_| Request {
            form: form(&[
                ("grant_type", "client_credentials"),
                ("client_id", "pay"),
                ("client_secret", "hunter2"),
            ]),
            certificate: None,
            header: "client-cert",
        },
        fault: "unsupported_mechanism",
        remedy: "instead of client_secret",
    },
    Refused {
        name: "self-signed-certificate",
        how: "The client uses a self-signed certificate that it made with `openssl req -x509`.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| {
            let own = fixture.x509.leaf(PAY_ID, |parameters| {
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
        request: |_| certificate(field(&X509Issuer::new("prod.example").svid(PAY))),
        fault: "authority of the trust domain",
        remedy: "testudo trust show",
    },
    Refused {
        name: "certificate-expired",
        how: "The certificate of the client has expired.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| {
            certificate(field(&fixture.x509.leaf(PAY_ID, |parameters| {
                parameters.not_before = rcgen::date_time_ymd(2024, 5, 1);
                parameters.not_after = rcgen::date_time_ymd(2024, 6, 1);
            })))
        },
        fault: "the leaf expired at TIME",
        remedy: "must renew its SVID",
    },
    Refused {
        name: "other-certificate-header",
        how: "The proxy sends the certificate in the header of ingress-nginx.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| Request {
            header: "ssl-client-cert",
            ..certificate(field(&fixture.x509.svid(PAY)))
        },
        fault: "it has the header ssl-client-cert, and the configured one is client-cert",
        remedy: "into client-cert in the form of RFC 9440, and not into ssl-client-cert",
    },
    Refused {
        name: "two-mechanisms",
        how: "The client sends an SVID, and the proxy forwards its certificate.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| Request {
            certificate: Some(field(&fixture.x509.svid(PAY))),
            ..token(&fixture.site.svid(PAY), &[])
        },
        fault: "client_assertion and a client certificate",
        remedy: "a trusted proxy forwards it",
    },
    Refused {
        name: "grant-type",
        how: "The client requests a grant that is not supported.",
        before: NOTHING,
        after: NOTHING,
        request: |_| Request {
            form: form(&[("grant_type", "pass\u{202e}word")]),
            certificate: None,
            header: "client-cert",
        },
        fault: "\"pass\\u{202e}word\"",
        remedy: "grant_types_supported",
    },
    Refused {
        name: "header-of-envoy",
        how: "The proxy sends the certificate header in the format of Envoy.",
        before: NOTHING,
        after: NOTHING,
        request: |_| {
            certificate(format!(
                "By=spiffe://prod.example/as;Hash=ab;Subject=\"\";URI={PAY_ID}"
            ))
        },
        fault: "client-cert is in the form of Envoy",
        remedy: "base64 between colons",
    },
    Refused {
        name: "cluster-audience",
        how: "The token of a pod is for the API server of its cluster.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| assertion(&fixture.pod("shop/cart").claim("aud", DEFAULT_ISSUER)),
        fault: "https://kubernetes.default.svc.cluster.local",
        remedy: "the projected volume of a pod",
    },
    Refused {
        name: "cluster-default-account",
        how: "The pod names no service account.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| assertion(&fixture.pod("shop/default")),
        fault: "account default",
        remedy: "give the workload an own service account",
    },
    Refused {
        name: "cluster-lifetime",
        how: "The token of a pod is valid for a day.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| assertion(&fixture.pod("shop/cart").claim("exp", now() + 86_400)),
        fault: "at most 3600 s are allowed",
        remedy: "lifetime_max of issuer `cluster`",
    },
    Refused {
        name: "cluster-namespace-without-rule",
        how: "No rule is for the namespace of the pod.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| assertion(&fixture.pod("billing/cart")),
        fault: "no_rule",
        remedy: "testudo rule list",
    },
    Refused {
        name: "ci-other-branch",
        how: "The job runs for another branch than the one that the rule names.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| assertion(&fixture.job().claim("ref", "refs/heads/test")),
        fault: "requires the claim ref = \"refs/heads/main\"",
        remedy: "change `claims` of rule `deploy`",
    },
    Refused {
        name: "ci-not-configured",
        how: "The token is of a CI system that is not configured.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| assertion(&fixture.job().claim("iss", "https://other-ci.example")),
        fault: "unknown_client",
        remedy: "whose issuer is the iss of the token",
    },
    Refused {
        name: "ci-forged",
        how: "The token is signed with a key that the CI system does not publish.",
        before: NOTHING,
        after: NOTHING,
        request: |fixture| assertion(&fixture.job().header("kid", "unpublished")),
        fault: "kid \"unpublished\"",
        remedy: "testudo trust refresh",
    },
];
