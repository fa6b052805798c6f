//! The settings of bundle endpoints with the profile `https_spiffe`. [SPIFFE-FED §5.2.2]

use super::bundle_origin::{BundleOrigin, BundleSource};
use super::checker::Checker;
use super::spiffe_endpoint::{EndpointKeys, SpiffeEndpoint};
use super::trust::BundleSection;
use std::collections::HashMap;
use testudo_core::Authority;
use testudo_protocol::limits::BUNDLE_BYTES_MAX;
use testudo_protocol::spiffe::{Bundle, SpiffeId};

impl Checker<'_> {
    /// `url` with the profile `https_spiffe`.
    pub(super) fn spiffe_endpoint(
        &mut self,
        key: &str,
        authority: &Authority,
        (text, section): (&str, &BundleSection),
    ) -> Option<BundleOrigin> {
        let BundleOrigin::HttpsWeb { url, .. } = self.keys_url(key, text)? else {
            return None;
        };
        if url.scheme() != "https" {
            let problem = "is http: the profile https_spiffe verifies the certificate of the server";
            self.report.error(format!("{key}.url"), problem, None);
            return None;
        }
        let spiffe_id = self.endpoint_spiffe_id(key, section.endpoint_spiffe_id.as_deref())?;
        let of_server = Authority::from(&spiffe_id);
        let verified_with = match of_server == *authority {
            true => EndpointKeys::Own {
                bootstrap: self.bootstrap(key, section.bootstrap.as_deref())?,
            },
            false => {
                if section.bootstrap.is_some() {
                    self.report.error(
                        format!("{key}.bootstrap"),
                        format!("is not used: the server is verified with the bundle of the trust domain {}, which has a source of its own", of_server.name()),
                        Some("remove it"),
                    );
                    return None;
                }
                EndpointKeys::Of(of_server)
            }
        };
        Some(BundleOrigin::HttpsSpiffe(SpiffeEndpoint {
            url,
            spiffe_id,
            verified_with,
        }))
    }

    fn endpoint_spiffe_id(&mut self, key: &str, text: Option<&str>) -> Option<SpiffeId> {
        let key = format!("{key}.endpoint_spiffe_id");
        let Some(text) = text else {
            let problem = "is missing: the profile https_spiffe verifies the server by it";
            let hint = "ask the operator of the trust domain; of a SPIRE server it is spiffe://TRUST_DOMAIN/spire/server";
            self.report.error(key, problem, Some(hint));
            return None;
        };
        match SpiffeId::parse(text) {
            Ok(id) if id.path().is_empty() => {
                let problem = format!("{text:?} has no path, and a server has one");
                self.report.error(key, problem, None);
                None
            }
            Ok(id) => Some(id),
            Err(fault) => {
                self.report.error(key, format!("{text:?} {fault}"), None);
                None
            }
        }
    }

    /// The document with which the server is verified for the first time.
    fn bootstrap(&mut self, key: &str, file: Option<&str>) -> Option<Vec<u8>> {
        let key = format!("{key}.bootstrap");
        let Some(file) = file else {
            let problem = "is missing: the server has an SVID of the same trust domain, so a first bundle must verify it";
            let hint = "write the bundle into a file, as its operator gave it to you over a channel that you trust: `spire-server bundle show -format spiffe` prints it";
            self.report.error(key, problem, Some(hint));
            return None;
        };
        let path = self.path(file);
        let document = self.file(&key, &path)?;
        let problem = match Bundle::parse(&document) {
            _ if document.len() > BUNDLE_BYTES_MAX => format!("is larger than {BUNDLE_BYTES_MAX} bytes"),
            Err(error) => error.to_string(),
            Ok(bundle) if bundle.x509_authorities.is_empty() => {
                "has no X.509 authority, and only such a key verifies the certificate of the server"
                    .to_owned()
            }
            Ok(_) => return Some(document),
        };
        let hint = "`spire-server bundle show -format spiffe` at the other trust domain prints the document";
        self.report
            .refuse(key, format!("{}: {problem}", path.display()), Some(hint));
        None
    }

    /// Checks that the bundle of each trust domain that verifies an endpoint can be had: it is configured, and its own
    /// endpoint is not verified with a bundle that depends on it.
    pub(super) fn endpoints_are_verifiable(&mut self, bundles: &[(String, BundleSource)]) {
        let verified_with: HashMap<&Authority, &Authority> = bundles
            .iter()
            .filter_map(|(_, source)| Some((&source.authority, source.origin.verified_with()?)))
            .collect();
        for (key, source) in bundles {
            let Some(other) = source.origin.verified_with() else {
                continue;
            };
            let key = format!("{key}.bundle.endpoint_spiffe_id");
            if self.knows_all_authorities && !bundles.iter().any(|(_, known)| known.authority == *other) {
                self.report.refuse(
                    key,
                    format!("is of the trust domain {}, which has no entry: its bundle verifies the server", other.name()),
                    Some("add [[trust_domains]] for it with a source of its own; without rules, its workloads get no tokens"),
                );
                continue;
            }
            let mut at = Some(&other);
            // A chain without a circle names each trust domain once.
            let ends = (0..=verified_with.len()).any(|_| {
                at = at.and_then(|authority| verified_with.get(*authority));
                at.is_none()
            });
            if !ends {
                self.report.refuse(
                    key,
                    "is in a circle: the server is verified with a bundle that can only be fetched after this one",
                    Some("give one trust domain of the circle a file, a Workload API, the profile https_web, or an endpoint with its own SVID and `bootstrap`"),
                );
            }
        }
    }
}
