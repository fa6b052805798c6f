//! Validates the path from a leaf to an authority of its trust domain, in the order in which the client sent it. No
//! other path is searched. [RFC5280 §6.1]
//!
//! A client's certificates come in order, each issued by the subject of the next. Signatures are verified from the
//! authority down, so a forged chain is refused after one verification, however many certificates it has. The content
//! of a certificate is read after its signature was verified.

use super::error::{ChainCertificate, PathError, X509Error};
use super::parse;
use super::scan::Scan;
use super::signing::{self, X509Authorities, X509Authority};
use crate::der::{self, Reader};
use crate::jose::{KeyOwner, PublicKey};
use crate::limits::AUTHORITIES_TRIED_MAX;
use crate::time::Timestamp;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use std::time::Duration;
use x509_parser::prelude::X509Certificate;

/// What the holder of a leaf authenticates as.
#[derive(Clone, Copy)]
pub(super) enum Role {
    Client,
    Server,
}

/// Checks that a chain is in order: the leaf first, and each certificate issued by the subject of the next one.
pub(super) fn scan(chain: &[Vec<u8>]) -> Result<Vec<Scan<'_>>, X509Error> {
    let scans: Vec<Scan<'_>> = chain.iter().map(|der| Scan::new(der)).collect::<Result<_, _>>()?;
    let is_in_order = scans
        .iter()
        .zip(scans.iter().skip(1))
        .all(|(lower, upper)| lower.issuer == upper.subject);
    match is_in_order {
        true => Ok(scans),
        false => Err(X509Error::Path(PathError::OutOfOrder)),
    }
}

/// Validates a path to one of `authorities`; returns when the first certificate of the path expires.
pub(super) fn validate(
    chain: &[Scan<'_>],
    authorities: &X509Authorities,
    now: Timestamp,
    role: Role,
) -> Result<Timestamp, PathError> {
    let valid: Vec<&X509Authority> = authorities.iter().filter(|known| known.is_valid(now)).collect();
    // If the client sent a certificate that is an authority of the bundle, the path ends there, and the certificates
    // after it are ignored.
    let sent = |scan: &Scan<'_>| {
        let is_it = |known: &&X509Authority| {
            *known.anchor.subject == *scan.subject && *known.anchor.subject_public_key_info == *scan.spki
        };
        let same: Vec<&X509Authority> = valid.iter().copied().filter(is_it).collect();
        (!same.is_empty()).then_some(same)
    };
    let end = chain.iter().enumerate().skip(1);
    let (path, mut candidates) = match end.filter_map(|(at, scan)| Some((at, sent(scan)?))).next() {
        Some((at, same)) => (chain.get(..at).unwrap_or_default(), same),
        None => (chain, issuers(chain, &valid)),
    };
    check_distinct(path)?;
    candidates.truncate(AUTHORITIES_TRIED_MAX);
    let tried = candidates.len();
    let outcome = first_that_signed(path, &candidates, now, role);
    // A self-signed root at the end that is not in the bundle is ignored. Its signature shows whether it is
    // self-signed, or a certificate for a new key, issued by an authority with the same name.
    match (outcome, path.split_last()) {
        (
            Err(PathError::BadSignature | PathError::UnknownAlgorithm | PathError::NoAuthority),
            Some((last, rest)),
        ) if last.is_self_issued() && !rest.is_empty() => {
            let mut candidates = issuers(rest, &valid);
            candidates.truncate(AUTHORITIES_TRIED_MAX.saturating_sub(tried));
            first_that_signed(rest, &candidates, now, role)
        }
        (outcome, _) => outcome,
    }
}

/// The authorities that may have signed the last certificate: their name is its issuer. First come those with the key
/// identifier that the certificate names, then those without a key identifier; among equals, the newest first.
fn issuers<'a>(path: &[Scan<'_>], valid: &[&'a X509Authority]) -> Vec<&'a X509Authority> {
    let Some(last) = path.last() else {
        return Vec::new();
    };
    let may_have_signed = |known: &&&X509Authority| {
        *known.anchor.subject == *last.issuer
            && algorithm(last, &known.anchor.subject_public_key_info).is_some()
    };
    let mut issuers: Vec<&X509Authority> = valid.iter().filter(may_have_signed).copied().collect();
    issuers.sort_by_key(|known| {
        let fit = match (last.issuer_key_id, known.key_id.as_deref()) {
            (Some(wanted), Some(own)) if wanted == own => 0,
            (Some(_), Some(_)) => 2,
            (None, _) | (_, None) => 1,
        };
        (fit, std::cmp::Reverse(known.valid_from()))
    });
    issuers
}

/// Refuses two authorities with the same name and two certificates with the same key: a valid path has neither.
fn check_distinct(path: &[Scan<'_>]) -> Result<(), PathError> {
    for (at, upper) in path.iter().enumerate() {
        for (below, lower) in path.iter().enumerate().take(at) {
            if below > 0 && lower.subject == upper.subject {
                return Err(PathError::SameSubject);
            }
            if lower.spki == upper.spki {
                return Err(PathError::SameKey);
            }
        }
    }
    Ok(())
}

/// The first of the authorities that signed the last certificate.
fn first_that_signed(
    path: &[Scan<'_>],
    candidates: &[&X509Authority],
    now: Timestamp,
    role: Role,
) -> Result<Timestamp, PathError> {
    let last = path.last().ok_or(PathError::NoAuthority)?;
    let mut outcome = PathError::NoAuthority;
    for authority in candidates {
        match verify_signature(last, &authority.anchor.subject_public_key_info) {
            Ok(()) => return descend(path, authority, now, role),
            Err(fault) => outcome = fault,
        }
    }
    Err(outcome)
}

/// Validates each certificate, from the one that the authority signed down to the leaf.
fn descend(
    path: &[Scan<'_>],
    authority: &X509Authority,
    now: Timestamp,
    role: Role,
) -> Result<Timestamp, PathError> {
    check_depth(authority.path_length, path)?;
    let mut ends = authority.valid_until();
    let mut issuer: Option<&Scan<'_>> = None;
    for (at, scan) in path.iter().enumerate().rev() {
        if let Some(issuer) = issuer {
            verify_signature(scan, issuer.spki)?;
        }
        // [RFC5280 §6.1.4 (o)] webpki refuses unknown critical extensions; the other parsers that are used here ignore
        // them.
        let der = CertificateDer::from(scan.der);
        webpki::EndEntityCert::try_from(&der).map_err(refused)?;
        let certificate = parse(scan.der).map_err(|fault| PathError::Refused(fault.to_string()))?;
        ends = ends.min(check_validity(ChainCertificate::at(at), &certificate, now)?);
        check_extended_key_usage(&certificate, role)?;
        PublicKey::from_spki(scan.spki, KeyOwner::Client).map_err(PathError::Key)?;
        if at > 0 {
            let path_length = signing::check(&certificate).map_err(PathError::NotAuthority)?;
            check_depth(path_length, path.get(..at).unwrap_or_default())?;
        }
        issuer = Some(scan);
    }
    let has_constraints = |scan: &Scan<'_>| scan.has_name_constraints;
    if authority.anchor.name_constraints.is_some() || path.iter().skip(1).any(has_constraints) {
        check_name_constraints(path, authority, now, role)?;
    }
    Ok(ends)
}

/// [RFC5280 §6.1.4 (l) (m)] Counts the intermediates below, without the leaf and self-issued certificates.
fn check_depth(path_length: Option<u32>, below: &[Scan<'_>]) -> Result<(), PathError> {
    let counted = below.iter().skip(1).filter(|scan| !scan.is_self_issued()).count();
    match path_length {
        Some(allowed) if counted > allowed as usize => Err(PathError::TooDeep),
        Some(_) | None => Ok(()),
    }
}

fn check_validity(
    certificate: ChainCertificate,
    parsed: &X509Certificate<'_>,
    now: Timestamp,
) -> Result<Timestamp, PathError> {
    let (valid_from, expired) = signing::validity(parsed);
    if now < valid_from {
        return Err(PathError::NotYetValid {
            certificate,
            valid_from,
        });
    }
    if now > expired {
        return Err(PathError::Expired { certificate, expired });
    }
    Ok(expired)
}

/// [X509-SVID §4.4] Extended key usage may be absent; if present, it must contain clientAuth for a client and serverAuth
/// for a server. The extended key usage of an intermediate limits the certificates below it.
fn check_extended_key_usage(certificate: &X509Certificate<'_>, role: Role) -> Result<(), PathError> {
    let malformed = |_| PathError::Refused(X509Error::Malformed.to_string());
    let usage = certificate.extended_key_usage().map_err(malformed)?;
    match (usage, role) {
        (Some(usage), Role::Client) if !usage.value.client_auth => Err(PathError::NotForClients),
        (Some(usage), Role::Server) if !usage.value.server_auth => Err(PathError::NotForServers),
        (Some(_) | None, _) => Ok(()),
    }
}

fn verify_signature(scan: &Scan<'_>, issuer_spki: &[u8]) -> Result<(), PathError> {
    let (known, key) = algorithm(scan, issuer_spki).ok_or(PathError::UnknownAlgorithm)?;
    known
        .verify_signature(key, scan.tbs, scan.signature)
        .map_err(|_| PathError::BadSignature)
}

/// The algorithm of a certificate's signature, if it is supported and fits the issuer's key; and the issuer's key.
fn algorithm<'a>(
    scan: &Scan<'_>,
    issuer_spki: &'a [u8],
) -> Option<(&'static dyn SignatureVerificationAlgorithm, &'a [u8])> {
    let mut fields = Reader::new(issuer_spki);
    let of_key = fields.expect(der::SEQUENCE)?;
    let key = der::whole_bytes(fields.expect(der::BIT_STRING)?)?;
    let fits = |known: &&&dyn SignatureVerificationAlgorithm| {
        known.signature_alg_id().as_ref() == scan.signature_algorithm
            && known.public_key_alg_id().as_ref() == of_key
    };
    let known = webpki::ALL_VERIFICATION_ALGS.iter().find(fits)?;
    Some((*known, key))
}

/// Name constraints are checked by webpki, for this one path, after every signature was verified. webpki refuses
/// constraints on URI names.
fn check_name_constraints(
    path: &[Scan<'_>],
    authority: &X509Authority,
    now: Timestamp,
    role: Role,
) -> Result<(), PathError> {
    let ders: Vec<CertificateDer<'_>> = path.iter().map(|scan| CertificateDer::from(scan.der)).collect();
    let (leaf, intermediates) = ders.split_first().ok_or(PathError::NoAuthority)?;
    let leaf = webpki::EndEntityCert::try_from(leaf).map_err(refused)?;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.0).unwrap_or(0)));
    leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        std::slice::from_ref(&authority.anchor),
        intermediates,
        time,
        match role {
            Role::Client => webpki::KeyUsage::client_auth(),
            Role::Server => webpki::KeyUsage::server_auth(),
        },
        None,
        None,
    )
    .map(drop)
    .map_err(refused)
}

fn refused(error: webpki::Error) -> PathError {
    // webpki's own text is the name of the variant.
    let is = |word: &str| format!("{error:?}").contains(word);
    let why = if is("UnsupportedCriticalExtension") {
        "a certificate of the chain has a critical extension that is not supported: have it issued without"
    } else if is("NameConstraint") || is("UnsupportedNameType") {
        "a name of the leaf is outside the name constraints of an authority, or of a kind that cannot be compared with \
         them: URI name constraints are not supported"
    } else if is("CaUsedAsEndEntity") {
        "the leaf is a certificate authority: show the certificate of a workload"
    } else if is("UnsupportedCertVersion") {
        "a certificate of the chain is not of X.509 version 3"
    } else {
        return PathError::Refused(format!(
            "a certificate of the chain cannot be used (webpki: {error})"
        ));
    };
    PathError::Refused(why.to_owned())
}
