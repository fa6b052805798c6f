//! A server on loopback that accepts every kind of client, and at which `alice` signs in without proof.

use super::kinds::{Binding, Kind};
use crate::client_certificates::{dns_name, jwk, leaf, pem, self_signed};
use crate::matrix::credentials::Credential;
use crate::matrix::places::{Place, Request};
use crate::world::{MutualTls, TLS, run_in};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_server::Running;
use testudo_testkit::http::Answer;
use testudo_testkit::kubernetes::DEFAULT_ISSUER;
use testudo_testkit::person::Person;
use testudo_testkit::scratch::folder;
use testudo_testkit::token::Draft;
use testudo_testkit::x509::{X509Chain, X509Issuer};
use testudo_testkit::{TestIssuer, form, generate_key, key_set};
use tokio::sync::Mutex;

const ISSUER: &str = "https://localhost:8443";
const HOST: &str = "localhost:8443";
pub const CALLBACK: &str = "https://app.example/cb";

/// The members of every rule and client of a flow.
const OF_PEOPLE: &str = r#"
grant_types = ["authorization_code", "refresh_token"]
scopes = ["r"]
default_scopes = ["r"]
resources = ["https://api.example/"]
"#;

const AUTHORITIES: &str = r#"
[[trust_domains]]
name = "a.example"
bundle = { file = "a.json" }
credentials = ["jwt_svid", "x509_svid", "wit_svid"]
challenge = "none"
[[issuers]]
name = "at1"
kind = "attester"
use = ["client"]
issuer = "https://at1.example"
jwks = { file = "at1.json" }
challenge = "none"
[[issuers]]
name = "k1"
kind = "kubernetes"
use = ["client"]
issuer = "https://kubernetes.default.svc.cluster.local"
jwks = { file = "k1.json" }
[[issuers]]
name = "j1"
kind = "jwt"
use = ["client"]
issuer = "https://j1.example"
jwks = { file = "j1.json" }
[[issuers]]
name = "v1"
kind = "verifiable_credential"
use = ["registration"]
issuer = "https://v1.example"
jwks = { file = "v1.json" }
types = ["Flow"]
attesters = ["at1"]
[[rules]]
name = "api"
identities = ["spiffe://a.example/api"]
introspects = ["https://api.example/"]
"#;

/// The two clients of a kind, and the one whose tokens must be bound to its certificate.
const NAMES: [&str; 3] = ["one", "two", "bound"];

/// The configuration of the clients, with the files that it names.
fn entries() -> String {
    let people = |head: &str| format!("{head}\nredirect_uris = [\"{CALLBACK}\"]{OF_PEOPLE}");
    let rules = people(
        "[[rules]]\nname = \"flows\"\nidentities = [\"spiffe://a.example/one/*\", \"spiffe://a.example/two/*\", \
         \"at1:*\", \"k1:flows/*\", \"j1:*\", \"v1:*\"]",
    );
    let bound = people(
        "[[rules]]\nname = \"bound\"\nidentities = [\"spiffe://a.example/bound/*\"]\nsender_constraint = \"mtls\"",
    );
    let clients = NAMES.map(|name| {
        let constraint = match name {
            "bound" => "sender_constraint = \"mtls\"\n",
            _ => "",
        };
        let key = format!("[[clients]]\nclient_id = \"key-{name}\"\njwks = {{ file = \"key-{name}.json\" }}");
        let dns = format!(
            "[[clients]]\nclient_id = \"dns-{name}\"\ntoken_endpoint_auth_method = \"tls_client_auth\"\n\
             tls_client_ca = \"ca.pem\"\ntls_client_auth_san_dns = \"{name}.example\"\n{constraint}"
        );
        let own = format!(
            "[[clients]]\nclient_id = \"own-{name}\"\ntoken_endpoint_auth_method = \"self_signed_tls_client_auth\"\n\
             jwks = {{ file = \"own-{name}.json\" }}\n{constraint}"
        );
        let app = format!(
            "[[clients]]\nclient_id = \"app-{name}\"\ntoken_endpoint_auth_method = \"none\"\n{constraint}"
        );
        [key, dns, own, app].map(|head| people(&head)).concat()
    });
    format!(
        "[login]\npasskeys = false\ndevelopment = [\"alice\"]\n[registration]\n[registration.open]\n\
         registrations_per_minute_per_address = 1000{OF_PEOPLE}{AUTHORITIES}{rules}{bound}{}",
        clients.concat()
    )
}

/// The keys or certificates of one client: those of its two instances, or the old and the new ones.
type Pair<T> = [T; 2];

/// The certificates of the clients with one name.
struct Certificates {
    svids: Pair<X509Chain>,
    of_ca: Pair<X509Chain>,
    own: Pair<X509Chain>,
}

/// The request of a client.
#[derive(Clone, Copy)]
pub struct Sender {
    pub kind: Kind,
    /// What the tokens of its flow are bound to.
    pub binding: Binding,
    /// `one` is the client of the flow, `two` another client.
    pub name: &'static str,
    pub has_credential: bool,
    /// Which of its keys the credential names.
    pub key: usize,
    /// Which key the request proves beside the credential, to bind the tokens.
    pub bound: Option<usize>,
}

impl Sender {
    /// The client of a flow, as it sends its own requests.
    pub fn of(kind: Kind, binding: Binding) -> Sender {
        let is_beside = match binding {
            Binding::Bearer => false,
            Binding::Dpop => true,
            Binding::Certificate => !kind.is_certificate(),
        };
        Sender {
            kind,
            binding,
            name: match binding {
                Binding::Certificate => "bound",
                Binding::Bearer | Binding::Dpop => "one",
            },
            has_credential: !kind.is_public(),
            key: 0,
            bound: is_beside.then_some(0),
        }
    }
}

pub struct Site {
    running: Running,
    tls: MutualTls,
    a: TestIssuer,
    wit: SigningKey,
    at1: SigningKey,
    k1: SigningKey,
    j1: SigningKey,
    /// The keys in attestations and WIT-SVIDs.
    own: Pair<SigningKey>,
    /// The keys of DPoP proofs.
    dpop: Pair<SigningKey>,
    /// The keys of the clients with `private_key_jwt`, by name.
    assertion: BTreeMap<&'static str, Pair<SigningKey>>,
    certificates: BTreeMap<&'static str, Certificates>,
    /// The certificates that public clients create.
    apps: Pair<X509Chain>,
    /// The ids of the clients that registered without evidence.
    registered: Vec<(Kind, &'static str, String)>,
    alice: Mutex<Person>,
    count: AtomicUsize,
}

impl Site {
    pub async fn start() -> Site {
        let folder = folder("flows");
        let tls = MutualTls::new();
        tls.write(&folder);
        let key = |kid: Option<&str>| generate_key(Algorithm::ES256, kid);
        let (a, wit) = (TestIssuer::new("a.example"), key(Some("wit")));
        let [at1, k1, j1, v1] = ["at1", "k1", "j1", "v1"].map(|name| key(Some(name)));
        for key in [&at1, &k1, &j1, &v1] {
            write(&folder, key.kid(), &key_set(&[key]));
        }
        let mut bundle = a.bundle();
        let of_others = [tls.a.jwk(), wit.public_jwk("wit-svid", true)];
        bundle["keys"].as_array_mut().unwrap().extend(of_others);
        write(&folder, "a", &bundle);
        let ca = X509Issuer::new("ca");
        std::fs::write(folder.join("ca.pem"), pem(ca.der())).unwrap();
        let assertion = NAMES.map(|name| (name, [key(Some("first")), key(Some("second"))]));
        let certificates = NAMES.map(|name| (name, certificates(&tls, &ca, name)));
        for (name, [first, second]) in &assertion {
            write(&folder, &format!("key-{name}"), &key_set(&[first, second]));
        }
        for (name, known) in &certificates {
            let keys = json!({ "keys": known.own.each_ref().map(jwk) });
            write(&folder, &format!("own-{name}"), &keys);
        }
        let text = format!(
            "issuer = \"{ISSUER}\"\n[server]\nlisten = [\"127.0.0.1:0\"]\n{TLS}\n[store]\nurl = \"sqlite:test.db\"\n\
             [admin]\nsocket = \"admin.sock\"\n{}",
            entries()
        );
        std::fs::write(folder.join("testudo.toml"), text).unwrap();
        let running = run_in(&folder).await.unwrap();
        let alice = Person::new(ISSUER, running.addresses[0]).over_tls(tls.browser());
        let mut site = Site {
            running,
            tls,
            a,
            wit,
            at1,
            k1,
            j1,
            own: [key(None), key(None)],
            dpop: [key(None), key(None)],
            assertion: assertion.into(),
            certificates: certificates.into(),
            apps: [self_signed(|_| {}), self_signed(|_| {})],
            registered: Vec::new(),
            alice: Mutex::new(alice),
            count: AtomicUsize::new(0),
        };
        site.register_all(&v1).await;
        site
    }

    async fn register_all(&mut self, v1: &SigningKey) {
        for name in NAMES {
            let [first, second] = &self.assertion[name];
            let keys = key_set(&[first, second]);
            for (kind, metadata) in [
                (Kind::RegisteredKey, json!({ "jwks": keys })),
                (
                    Kind::RegisteredPublic,
                    json!({
                        "token_endpoint_auth_method": "none",
                        "tls_client_certificate_bound_access_tokens": name == "bound",
                    }),
                ),
            ] {
                let mut metadata = metadata;
                metadata["redirect_uris"] = json!([CALLBACK]);
                metadata["grant_types"] = json!(["authorization_code", "refresh_token"]);
                let answer = self.register(Request::default(), &metadata).await;
                let id = answer["client_id"].as_str().unwrap().to_owned();
                self.registered.push((kind, name, id));
            }
            let subject = format!("v-{name}");
            let names = ["https://v1.example", "Flow", &*subject];
            let credential = Draft::vc_jwt(v1, names, &self.own[0], self.now()).sign();
            let sender = Sender {
                name,
                ..Sender::of(Kind::CredentialWithPop, Binding::Bearer)
            };
            let request = self.request(sender, "/register");
            let answer = self
                .register(request, &json!({ "software_statement": credential }))
                .await;
            assert_eq!(answer["client_id"], self.client_id(Kind::CredentialWithPop, name));
        }
    }

    async fn register(&self, request: Request, metadata: &Value) -> Value {
        let mut fields = vec![("content-type", "application/json"), ("host", HOST)];
        fields.extend(request.fields.iter().map(|(name, value)| (*name, value.as_str())));
        let mut connection = self.tls.connect(self.running.addresses[0], None).await.unwrap();
        let answer = connection
            .send("POST", "/register", &fields, metadata.to_string())
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()
    }

    fn now(&self) -> i64 {
        self.running.app.now().0
    }

    fn jti(&self) -> String {
        format!("flow-{}", self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// The `client_id` of a client.
    pub fn client_id(&self, kind: Kind, name: &str) -> String {
        match kind {
            Kind::JwtSvid | Kind::X509Svid | Kind::WitWithPop | Kind::WitWithDpop => {
                format!("spiffe://a.example{}", path_of(kind, name))
            }
            Kind::AttestationWithPop | Kind::AttestationWithDpop => name.to_owned(),
            Kind::CredentialWithPop | Kind::CredentialWithDpop => format!("v1:v-{name}"),
            Kind::Kubernetes => format!("k1:flows/{name}"),
            Kind::IssuerJwt => format!("j1:{name}"),
            Kind::ConfiguredKey => format!("key-{name}"),
            Kind::TlsClientAuth => format!("dns-{name}"),
            Kind::SelfSigned => format!("own-{name}"),
            Kind::ConfiguredPublic => format!("app-{name}"),
            Kind::RegisteredKey | Kind::RegisteredPublic => {
                let mut all = self.registered.iter();
                let found = all.find(|(of, known, _)| *of == kind && *known == name);
                found.map(|(_, _, id)| id.clone()).unwrap()
            }
        }
    }

    /// A request with everything that proves this client, for an endpoint.
    fn request(&self, sender: Sender, path: &str) -> Request {
        let Sender {
            kind, name, bound, ..
        } = sender;
        let mut request = if sender.has_credential && !kind.is_certificate() {
            self.with_jwt(sender, path)
        } else {
            Request {
                parameters: vec![("client_id", self.client_id(kind, name))],
                certificate: sender.has_credential.then(|| self.certificate(sender).clone()),
                ..Request::default()
            }
        };
        let Some(which) = bound.filter(|_| !kind.is_combined()) else {
            return request;
        };
        match sender.binding {
            Binding::Bearer => {}
            Binding::Dpop => request.fields.push(("dpop", self.proof(&self.dpop[which], path))),
            Binding::Certificate => request.certificate = Some(self.apps[which].clone()),
        }
        request
    }

    fn certificate(&self, sender: Sender) -> &X509Chain {
        let known = &self.certificates[sender.name];
        let pair = match sender.kind {
            Kind::X509Svid => &known.svids,
            Kind::TlsClientAuth => &known.of_ca,
            _ => &known.own,
        };
        &pair[sender.key]
    }

    /// A request with the JWT of this client, and with the proof of its key.
    fn with_jwt(&self, sender: Sender, path: &str) -> Request {
        let Sender { kind, name, key, .. } = sender;
        let (id, now) = (self.client_id(kind, name), self.now());
        let (place, credential) = match kind {
            Kind::JwtSvid => (
                Place::SpiffeAssertion,
                Draft::svid(self.a.key(), &id, ISSUER, now),
            ),
            Kind::Kubernetes => {
                let account = format!("flows/{name}");
                let token = Draft::service_account(&self.k1, DEFAULT_ISSUER, &account, ISSUER, now);
                (Place::BearerAssertion, token)
            }
            Kind::IssuerJwt => {
                let token = Draft::svid(&self.j1, name, ISSUER, now).claim("iss", "https://j1.example");
                (Place::BearerAssertion, token)
            }
            Kind::ConfiguredKey | Kind::RegisteredKey => {
                let signed = Draft::assertion(&self.assertion[name][key], &id, ISSUER, &self.jti(), now);
                (Place::BearerAssertion, signed)
            }
            Kind::WitWithPop | Kind::WitWithDpop => {
                let svid = Draft::wit_svid(&self.wit, &id, &self.own[key], now);
                (Place::Attestation, svid)
            }
            Kind::AttestationWithPop
            | Kind::AttestationWithDpop
            | Kind::CredentialWithPop
            | Kind::CredentialWithDpop => {
                let attestation = Draft::attestation(&self.at1, &id, &self.own[key], now)
                    .claim("iss", "https://at1.example");
                (Place::Attestation, attestation)
            }
            Kind::X509Svid
            | Kind::TlsClientAuth
            | Kind::SelfSigned
            | Kind::ConfiguredPublic
            | Kind::RegisteredPublic => unreachable!("{kind:?} has no JWT"),
        };
        let mut request = place.put(Credential::jwt(credential.sign())).unwrap();
        if place != Place::Attestation {
            return request;
        }
        match (kind.is_combined(), sender.bound) {
            (true, None) => {}
            (true, Some(_)) => request.fields.push(("dpop", self.proof(&self.own[key], path))),
            (false, _) => {
                let pop = Draft::attestation_pop(&self.own[key], ISSUER, &self.jti(), now).sign();
                request.fields.push(("oauth-client-attestation-pop", pop));
            }
        }
        request
    }

    fn proof(&self, key: &SigningKey, path: &str) -> String {
        Draft::dpop(key, &format!("{ISSUER}{path}"), &self.jti(), self.now()).sign()
    }

    /// Sends a form of a client.
    pub async fn send(&self, sender: Sender, path: &str, parameters: &[(&str, &str)]) -> Answer {
        self.post(self.request(sender, path), path, parameters).await
    }

    /// Sends a request as a form, with these parameters as well.
    async fn post(&self, request: Request, path: &str, parameters: &[(&str, &str)]) -> Answer {
        let mut fields = vec![
            ("content-type", "application/x-www-form-urlencoded"),
            ("host", HOST),
        ];
        fields.extend(request.fields.iter().map(|(name, value)| (*name, value.as_str())));
        let own = request
            .parameters
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let all: Vec<(&str, &str)> = parameters.iter().copied().chain(own).collect();
        let address = self.running.addresses[0];
        let connection = self.tls.connect(address, request.certificate.as_ref()).await;
        let mut connection = connection.expect("the handshake succeeds");
        connection.send("POST", path, &fields, form(&all)).await
    }

    /// What the API learns of a token.
    pub async fn introspected(&self, token: &str) -> Value {
        let api = Draft::svid(self.a.key(), "spiffe://a.example/api", ISSUER, self.now());
        let credential = Credential::jwt(api.sign());
        let request = Place::SpiffeAssertion.put(credential).unwrap();
        let answer = self.post(request, "/introspect", &[("token", token)]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// `alice` signs in if she is not yet, consents if she has not yet, and the client receives this URL.
    pub async fn walk(&self, client_id: &str, request_uri: &str) -> String {
        let visit = form(&[("client_id", client_id), ("request_uri", request_uri)]);
        let mut alice = self.alice.lock().await;
        alice.walk(&format!("/authorize?{visit}")).await.unwrap()
    }
}

/// The path of a workload: those with different kinds of SVIDs are different clients.
fn path_of(kind: Kind, name: &str) -> String {
    let workload = match kind {
        Kind::JwtSvid => "jwt",
        Kind::X509Svid => "x509",
        Kind::WitWithDpop => "wit-with-dpop",
        _ => "wit",
    };
    format!("/{name}/{workload}")
}

fn certificates(tls: &MutualTls, ca: &X509Issuer, name: &str) -> Certificates {
    let of_ca = || {
        leaf(ca, |parameters| {
            parameters.subject_alt_names = vec![dns_name(&format!("{name}.example"))];
        })
    };
    let svid = || tls.a.svid(&path_of(Kind::X509Svid, name));
    Certificates {
        svids: [svid(), svid()],
        of_ca: [of_ca(), of_ca()],
        own: [self_signed(|_| {}), self_signed(|_| {})],
    }
}

fn write(folder: &Path, name: &str, document: &Value) {
    std::fs::write(folder.join(format!("{name}.json")), document.to_string()).unwrap();
}
