//! The issuers of verifiable credentials that are found by their certificate. An SD-JWT VC may leave `iss` out; then the
//! names of the certificate in its header lead to the entry, whose authorities must have issued the certificate.
//! [SD-JWT-VC §2.2.2.3]

use super::anchor::Anchor;
use crate::config::BundleOrigin;
use std::collections::HashMap;
use std::sync::Arc;
use testudo_core::Authority;
use testudo_protocol::client_certificate::ExpectedName;

/// The entries with `jwks.x5c`, by the name that the certificate of the issuer has.
pub struct CertificateIssuers(HashMap<ExpectedName, Vec<Authority>>);

/// Which entries have one of the names of a certificate.
pub(crate) enum Found<'a> {
    None,
    One(&'a Authority),
    /// Two of them.
    Several([&'a Authority; 2]),
}

impl CertificateIssuers {
    /// The issuers among these anchors.
    pub(crate) fn of(anchors: &HashMap<Authority, Arc<Anchor>>) -> CertificateIssuers {
        let mut named: HashMap<ExpectedName, Vec<Authority>> = HashMap::new();
        for (authority, anchor) in anchors {
            if let BundleOrigin::Certificates { name, .. } = &anchor.source().origin {
                let name = match name {
                    ExpectedName::Dns(host) => ExpectedName::Dns(host.to_ascii_lowercase()),
                    exact @ (ExpectedName::Subject(_)
                    | ExpectedName::Uri(_)
                    | ExpectedName::Ip(_)
                    | ExpectedName::Email(_)) => exact.clone(),
                };
                named.entry(name).or_default().push(authority.clone());
            }
        }
        CertificateIssuers(named)
    }

    /// The entry of a certificate with these names. Where there are several, none is chosen: the content of a credential
    /// must not determine whose authorities verify it. [SD-JWT-VC §7.3]
    pub(crate) fn named(&self, unverified_names: &[ExpectedName]) -> Found<'_> {
        let entries = unverified_names.iter().filter_map(|name| self.0.get(name));
        let mut found: Vec<&Authority> = entries.flatten().collect();
        found.sort();
        found.dedup();
        match found.as_slice() {
            [] => Found::None,
            [one] => Found::One(one),
            [one, other, ..] => Found::Several([one, other]),
        }
    }
}
