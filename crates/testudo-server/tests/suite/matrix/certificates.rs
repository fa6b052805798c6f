//! The certificates of the table: X.509-SVIDs, and certificates of clients that have no SPIFFE ID, with every fault.

use super::credentials::{Certificate, Credential, WORKLOAD};
use super::faults::Fault;
use crate::client_certificates::{dns_name, jwk, leaf, pem, self_signed};
use crate::world::MutualTls;
use rcgen::{CertificateParams, date_time_ymd};
use serde_json::{Value, json};
use testudo_testkit::x509::{X509Chain, X509Issuer};

pub const CLIENTS: &str = r#"
[[clients]]
client_id = "dns"
token_endpoint_auth_method = "tls_client_auth"
tls_client_ca = "ca.pem"
tls_client_auth_san_dns = "batch.example"
[[clients]]
client_id = "elsewhere"
token_endpoint_auth_method = "tls_client_auth"
tls_client_ca = "other.pem"
tls_client_auth_san_dns = "batch.example"
[[clients]]
client_id = "own"
token_endpoint_auth_method = "self_signed_tls_client_auth"
jwks = { file = "own.json" }
[[clients]]
client_id = "own-of-other"
token_endpoint_auth_method = "self_signed_tls_client_auth"
jwks = { file = "own-of-other.json" }
"#;

/// The authorities of clients, and certificates that are themselves configured.
pub struct Certificates {
    ca: X509Issuer,
    other: X509Issuer,
    own: X509Chain,
    own_expired: X509Chain,
    own_not_yet_valid: X509Chain,
    own_of_other: X509Chain,
}

impl Certificates {
    pub fn new() -> Certificates {
        Certificates {
            ca: X509Issuer::new("ca"),
            other: X509Issuer::new("other"),
            own: self_signed(|_| {}),
            own_expired: self_signed(|own| own.not_after = date_time_ymd(2020, 1, 1)),
            own_not_yet_valid: self_signed(|own| own.not_before = date_time_ymd(2100, 1, 1)),
            own_of_other: self_signed(|_| {}),
        }
    }

    /// The files that [`CLIENTS`] names.
    pub fn files(&self) -> [(&'static str, String); 4] {
        let set = |chains: &[&X509Chain]| {
            let keys: Vec<Value> = chains.iter().map(|chain| jwk(chain)).collect();
            json!({ "keys": keys }).to_string()
        };
        [
            ("ca.pem", pem(self.ca.der())),
            ("other.pem", pem(self.other.der())),
            (
                "own.json",
                set(&[&self.own, &self.own_expired, &self.own_not_yet_valid]),
            ),
            ("own-of-other.json", set(&[&self.own_of_other])),
        ]
    }

    /// The credential of a kind that is a certificate. The error is why there is none with this fault.
    pub fn credential(
        &self,
        tls: &MutualTls,
        kind: Certificate,
        fault: Fault,
    ) -> Result<Credential, &'static str> {
        match fault {
            Fault::Unsigned => return Err("a certificate has a signature"),
            Fault::TypeOfProof => return Err("a certificate has no `typ`"),
            Fault::OtherAudience => return Err("a certificate has no audience"),
            Fault::WithoutExpiry => return Err("a certificate has an expiry"),
            Fault::UnknownKid => return Err("a certificate names its authority, not a `kid`"),
            _ => {}
        }
        let (chain, client_id) = match kind {
            Certificate::TlsClientAuth => (self.of_ca(&tls.a, fault), "dns"),
            Certificate::SelfSigned => (self.self_signed(fault)?, "own"),
            Certificate::X509Svid if fault == Fault::UnknownAuthority => {
                let chain = X509Issuer::new("unknown.example").svid("/x/matrix");
                (chain, "spiffe://unknown.example/x/matrix")
            }
            Certificate::X509Svid => (self.svid(tls, fault), WORKLOAD),
        };
        Ok(Credential::certificate(chain, client_id))
    }

    fn svid(&self, tls: &MutualTls, fault: Fault) -> X509Chain {
        match fault {
            Fault::OtherKey => X509Issuer::new("a.example").leaf(WORKLOAD, |_| {}),
            Fault::OtherAuthority => tls.b.leaf(WORKLOAD, |_| {}),
            Fault::KeyOfOtherKind => self.ca.leaf(WORKLOAD, |_| {}),
            Fault::NoSubject => tls.a.leaf("https://a.example/x/matrix", |_| {}),
            _ => spoiled(fault, |change| tls.a.leaf(WORKLOAD, change)),
        }
    }

    /// `of_svids` is an authority for another kind of credential.
    fn of_ca(&self, of_svids: &X509Issuer, fault: Fault) -> X509Chain {
        let named = |authority: &X509Issuer, change: &dyn Fn(&mut CertificateParams)| {
            leaf(authority, |parameters| {
                parameters.subject_alt_names = vec![dns_name("batch.example")];
                change(parameters);
            })
        };
        match fault {
            Fault::OtherKey => named(&X509Issuer::new("ca"), &|_| {}),
            Fault::OtherAuthority => named(&self.other, &|_| {}),
            Fault::KeyOfOtherKind => named(of_svids, &|_| {}),
            Fault::UnknownAuthority => named(&X509Issuer::new("unknown"), &|_| {}),
            Fault::NoSubject => leaf(&self.ca, |_| {}),
            _ => spoiled(fault, |change| named(&self.ca, change)),
        }
    }

    fn self_signed(&self, fault: Fault) -> Result<X509Chain, &'static str> {
        Ok(match fault {
            Fault::OtherKey => self_signed(|_| {}),
            Fault::Expired => self.own_expired.clone(),
            Fault::NotYetValid => self.own_not_yet_valid.clone(),
            Fault::OtherAuthority => self.own_of_other.clone(),
            Fault::KeyOfOtherKind => self.of_ca(&self.ca, Fault::None),
            Fault::UnknownAuthority => return Err("a self-signed certificate has no authority"),
            Fault::NoSubject => return Err("the names in a self-signed certificate have no meaning"),
            _ => spoiled(fault, |_| self.own.clone()),
        })
    }
}

/// A certificate with a fault that is in itself.
fn spoiled(fault: Fault, make: impl Fn(&dyn Fn(&mut CertificateParams)) -> X509Chain) -> X509Chain {
    match fault {
        Fault::Expired => make(&|leaf| leaf.not_after = date_time_ymd(2020, 1, 1)),
        Fault::NotYetValid => make(&|leaf| leaf.not_before = date_time_ymd(2100, 1, 1)),
        Fault::Changed => {
            let mut chain = make(&|_| {});
            *chain.chain[0].last_mut().unwrap() ^= 1;
            chain
        }
        _ => make(&|_| {}),
    }
}
