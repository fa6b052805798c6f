//! X.509-SVIDs: the rules of the leaf certificate, and the path to an authority of its trust domain. [X509-SVID]
//! [RFC5280 §6]
//!
//! The rules of leaf certificates are in this file, those of signing certificates in `signing`, those of the path in
//! `path`.
//! Chains with URI name constraints are refused, although [X509-SVID §4.2] allows them: webpki does not implement
//! them.

mod error;
mod path;
mod scan;
mod signing;

pub use error::{ChainCertificate, PathError, SigningCertificateError, X509Error};
pub use signing::{X509Authorities, X509Authority};

use super::id::SpiffeId;
use crate::jose::{KeyOwner, PublicKey, sha256};
use crate::limits::CHAIN_CERTIFICATES_MAX;
use crate::time::Timestamp;
use path::Role;
use scan::Scan;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A client's chain whose leaf meets the rules of an X.509-SVID. Its signatures are not verified yet.
pub struct X509Svid {
    chain: Vec<Vec<u8>>,
    spiffe_id: SpiffeId,
}

impl X509Svid {
    /// Reads a chain, leaf first, and checks the leaf by the rules of [X509-SVID §5.2].
    pub fn parse(chain: &[Vec<u8>]) -> Result<X509Svid, X509Error> {
        if chain.len() > CHAIN_CERTIFICATES_MAX {
            return Err(X509Error::TooLong);
        }
        // The sizes and the order of the certificates are checked first: they bound the work of the parser below.
        path::scan(chain)?;
        let leaf = parse(chain.first().ok_or(X509Error::Empty)?)?;
        let spiffe_id = spiffe_id(&leaf)?;
        check_leaf(&leaf)?;
        Ok(X509Svid {
            chain: chain.to_vec(),
            spiffe_id,
        })
    }

    /// The identity that the leaf claims.
    pub fn unverified_spiffe_id(&self) -> &SpiffeId {
        &self.spiffe_id
    }

    /// True if the chain has at most two certificates: verifying it costs no more signatures than verifying a token.
    pub fn is_short(&self) -> bool {
        self.chain.len() <= 2
    }

    /// SHA-256 of the leaf: `x5t#S256`. [RFC8705 §3.1]
    pub fn thumbprint(&self) -> [u8; 32] {
        self.chain.first().map(|leaf| sha256(leaf)).unwrap_or_default()
    }

    /// Validates the path of a client to one of `authorities` at the time `now`; returns when the first certificate of
    /// the path expires. [X509-SVID §5.1] [RFC5280 §6]
    pub fn verify(&self, authorities: &X509Authorities, now: Timestamp) -> Result<Timestamp, X509Error> {
        self.verify_as(Role::Client, authorities, now)
    }

    /// The same for a server.
    pub fn verify_server(
        &self,
        authorities: &X509Authorities,
        now: Timestamp,
    ) -> Result<Timestamp, X509Error> {
        self.verify_as(Role::Server, authorities, now)
    }

    fn verify_as(
        &self,
        role: Role,
        authorities: &X509Authorities,
        now: Timestamp,
    ) -> Result<Timestamp, X509Error> {
        path::validate(&path::scan(&self.chain)?, authorities, now, role).map_err(X509Error::Path)
    }
}

/// Checks what a verification with the key of a client's certificate would cost, before any signature is verified with
/// it.
pub fn check_client_key(certificate: &[u8]) -> Result<(), X509Error> {
    let scan = Scan::new(certificate)?;
    PublicKey::check_cost(scan.spki, KeyOwner::Client).map_err(X509Error::Key)
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, X509Error> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(X509Error::Malformed),
    }
}

/// [X509-SVID §2] Exactly one URI name; names of other kinds are allowed.
fn spiffe_id(leaf: &X509Certificate<'_>) -> Result<SpiffeId, X509Error> {
    let names = leaf
        .subject_alternative_name()
        .map_err(|_| X509Error::Malformed)?
        .ok_or(X509Error::NoUriName)?;
    let mut found = None;
    for name in &names.value.general_names {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the kinds of names are those of x509-parser"
        )]
        match name {
            GeneralName::URI(_) if found.is_some() => return Err(X509Error::SeveralUriNames),
            GeneralName::URI(uri) => found = Some(*uri),
            GeneralName::Invalid(..) => return Err(X509Error::Malformed),
            _ => {}
        }
    }
    let id = SpiffeId::parse(found.ok_or(X509Error::NoUriName)?).map_err(X509Error::NotSpiffeId)?;
    // [X509-SVID §3.1] The SPIFFE ID of a leaf must have a path.
    if id.path().is_empty() {
        return Err(X509Error::NoPath);
    }
    // [X509-SVID §3.1] Without a subject, the names must be critical.
    if leaf.subject().iter().next().is_none() && !names.critical {
        return Err(X509Error::EmptySubjectNameNotCritical);
    }
    Ok(id)
}

fn check_leaf(leaf: &X509Certificate<'_>) -> Result<(), X509Error> {
    // [X509-SVID §4.1] cA is false; absent counts as false.
    let constraints = leaf.basic_constraints().map_err(|_| X509Error::Malformed)?;
    if constraints.is_some_and(|constraints| constraints.value.ca) {
        return Err(X509Error::LeafIsAuthority);
    }
    // [X509-SVID §4.3] Key usage is present and critical, has digitalSignature, and has neither keyCertSign nor
    // cRLSign.
    let usage = leaf
        .key_usage()
        .map_err(|_| X509Error::Malformed)?
        .ok_or(X509Error::KeyUsageMissing)?;
    if !usage.critical {
        return Err(X509Error::KeyUsageNotCritical);
    }
    if !usage.value.digital_signature() {
        return Err(X509Error::KeyUsageNoSignature);
    }
    if usage.value.key_cert_sign() || usage.value.crl_sign() {
        return Err(X509Error::KeyUsageSigns);
    }
    Ok(())
}
