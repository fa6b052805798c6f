//! The proofs of possession beside a credential.

use super::credentials::{Door, Site};
use super::places::Request;
use testudo_protocol::jose::SigningKey;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    None,
    Pop,
    PopOfOtherKey,
    PopForOtherServer,
    PopUsed,
    DpopOfOwnKey,
    Dpop,
    DpopForOtherUri,
    DpopUsed,
    PopAndDpop,
    Certificate,
}

impl Proof {
    pub const ALL: [Proof; 11] = [
        Proof::None,
        Proof::Pop,
        Proof::PopOfOtherKey,
        Proof::PopForOtherServer,
        Proof::PopUsed,
        Proof::DpopOfOwnKey,
        Proof::Dpop,
        Proof::DpopForOtherUri,
        Proof::DpopUsed,
        Proof::PopAndDpop,
        Proof::Certificate,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Proof::None => "no proof",
            Proof::Pop => "PoP",
            Proof::PopOfOtherKey => "PoP of another key",
            Proof::PopForOtherServer => "PoP for another server",
            Proof::PopUsed => "PoP used before",
            Proof::DpopOfOwnKey => "DPoP with the key of the credential",
            Proof::Dpop => "DPoP",
            Proof::DpopForOtherUri => "DPoP for another URI",
            Proof::DpopUsed => "DPoP used before",
            Proof::PopAndDpop => "PoP and DPoP",
            Proof::Certificate => "certificate of another workload",
        }
    }

    /// Adds the proof to a request with a credential of this kind.
    pub async fn add(self, site: &Site, door: Door, request: &mut Request) -> Result<(), &'static str> {
        let own = site.own_key(door);
        // A PoP beside a credential that has no key is one of any key.
        let attested = own.unwrap_or(&site.other);
        let pop =
            |key: &SigningKey, audience: &str| ("oauth-client-attestation-pop", site.pop(key, audience));
        let dpop = |key: &SigningKey, uri: &str| ("dpop", site.dpop(key, uri));
        match self {
            Proof::None => {}
            Proof::Pop => request.fields.push(pop(attested, super::credentials::ISSUER)),
            Proof::PopOfOtherKey => request.fields.push(pop(&site.third, super::credentials::ISSUER)),
            Proof::PopForOtherServer => request.fields.push(pop(attested, "https://other.example")),
            Proof::PopUsed => {
                let key = own.ok_or("a PoP is used only beside a credential that has a key")?;
                let pop = pop(key, super::credentials::ISSUER);
                site.use_up(door, pop.clone()).await;
                request.fields.push(pop);
            }
            Proof::DpopOfOwnKey => {
                let key = own
                    .ok_or("the credential has no key, or has one that proves itself in the TLS handshake")?;
                request.fields.push(dpop(key, super::credentials::URI));
            }
            Proof::Dpop => request.fields.push(dpop(&site.other, super::credentials::URI)),
            Proof::DpopForOtherUri => request
                .fields
                .push(dpop(&site.other, "https://as.example/register")),
            Proof::DpopUsed => {
                let proof = dpop(&site.other, super::credentials::URI);
                site.use_up(door, proof.clone()).await;
                request.fields.push(proof);
            }
            Proof::PopAndDpop => {
                request.fields.push(pop(attested, super::credentials::ISSUER));
                request.fields.push(dpop(&site.other, super::credentials::URI));
            }
            Proof::Certificate => {
                if request.certificate.is_some() {
                    return Err("a connection has one client certificate");
                }
                request.certificate = Some(site.certificate_of_other());
            }
        }
        Ok(())
    }
}
