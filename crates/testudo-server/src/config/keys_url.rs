//! The https URL from which keys of an authority are fetched, and the roots with which its server is verified.

use super::bundle_origin::BundleOrigin;
use super::checker::Checker;
use testudo_protocol::is_loopback;

impl Checker<'_> {
    /// `url` of a source: https without user information; http for trials on loopback.
    pub(super) fn keys_url(&mut self, key: &str, text: &str) -> Option<BundleOrigin> {
        let key = format!("{key}.url");
        let url = url::Url::parse(text).ok();
        match url {
            Some(url) if !url.username().is_empty() || url.password().is_some() => {
                self.report.error(key, "has user information", None);
                None
            }
            Some(url) if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)) => {
                if url.scheme() == "http" {
                    self.uses_http(key);
                }
                Some(BundleOrigin::HttpsWeb {
                    url,
                    roots: None,
                    token: None,
                })
            }
            _ => {
                self.report
                    .error(key, format!("{text:?} is not an https URL"), None);
                None
            }
        }
    }

    /// `ca` of a source: the origin with the roots of this file, which only an https URL has a use for.
    pub(super) fn with_roots(
        &mut self,
        key: &str,
        ca: Option<&str>,
        mut origin: BundleOrigin,
    ) -> Option<BundleOrigin> {
        let Some(ca) = ca else {
            return Some(origin);
        };
        let key = format!("{key}.ca");
        let without_tls = match &mut origin {
            BundleOrigin::HttpsWeb { url, roots, .. } if url.scheme() == "https" => {
                *roots = Some(self.roots(&key, ca)?);
                return Some(origin);
            }
            BundleOrigin::Discovery { urls, roots, .. } if urls.openid.scheme() == "https" => {
                *roots = Some(self.roots(&key, ca)?);
                return Some(origin);
            }
            BundleOrigin::DidWeb { roots, .. } | BundleOrigin::JwtVcIssuer { roots, .. } => {
                *roots = Some(self.roots(&key, ca)?);
                return Some(origin);
            }
            BundleOrigin::HttpsWeb { .. } | BundleOrigin::Discovery { .. } => "an http URL",
            BundleOrigin::File(_) | BundleOrigin::Certificates { .. } => "a file",
            BundleOrigin::Did(_) => "the DID itself",
            BundleOrigin::WorkloadApi(_) => "a Workload API",
            BundleOrigin::HttpsSpiffe(_) => {
                self.report.error(
                    key,
                    "is for the profile https_web: with https_spiffe, the keys of a trust domain verify the server",
                    Some("remove it"),
                );
                return None;
            }
        };
        self.report.error(
            key,
            format!("is for an https URL, and the keys come from {without_tls}, whose connection has no certificate"),
            Some("remove it, or set an https `url` as the source"),
        );
        None
    }

    /// The roots in a file, as PEM.
    fn roots(&mut self, key: &str, file: &str) -> Option<Vec<u8>> {
        let path = self.path(file);
        let pem = self.certificates(key, &path)?;
        if let Err(why) = testudo_fetch::only_roots_from_pem(&pem) {
            let hint = "write the root certificate again, as its authority published it";
            self.report
                .refuse(key, format!("{}: {why}", path.display()), Some(hint));
            return None;
        }
        Some(pem)
    }
}
