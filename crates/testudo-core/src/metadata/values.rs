//! Members with their own syntax: redirect URIs, scope, algorithm, application type. [RFC7591 §2]

use super::given::Given;
use crate::records::ApplicationType;
use crate::rejection::MetadataReason;
use testudo_protocol::jose::Algorithm;
use testudo_protocol::oauth::ScopeSet;

const REDIRECT_URIS_MAX: usize = 20;

impl Given<'_> {
    pub(super) fn application_type(self) -> Result<Option<ApplicationType>, MetadataReason> {
        match self.text()?.as_deref() {
            None => Ok(None),
            Some("web") => Ok(Some(ApplicationType::Web)),
            Some("native") => Ok(Some(ApplicationType::Native)),
            Some(_) => Err(MetadataReason::ApplicationTypeUnknown),
        }
    }

    /// [OIDCR §2] Asymmetric; `none` must not be used.
    pub(super) fn signing_algorithm(self) -> Result<Option<Algorithm>, MetadataReason> {
        let Some(name) = self.text()? else {
            return Ok(None);
        };
        let algorithm = Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name);
        algorithm
            .map(Some)
            .ok_or(MetadataReason::SigningAlgorithmNotSupported)
    }

    pub(super) fn redirect_uris(self) -> Result<Option<Vec<String>>, MetadataReason> {
        let refused = MetadataReason::RedirectUrisMalformed {
            items_max: REDIRECT_URIS_MAX,
        };
        let uris = self.list().map_err(|_| refused.clone())?;
        let Some(uris) = uris else { return Ok(None) };
        let is_set = uris
            .iter()
            .enumerate()
            .all(|(at, uri)| !uris.iter().take(at).any(|earlier| earlier == uri));
        let is_good = !uris.is_empty() && uris.len() <= REDIRECT_URIS_MAX && is_set;
        if is_good { Ok(Some(uris)) } else { Err(refused) }
    }

    /// [RFC6749 §3.3] Values separated by single spaces. An empty scope in a request counts as absent and is not passed
    /// here. An empty attested scope is refused, because as absent it would leave the whole scope of the rule.
    pub(super) fn scope(self) -> Result<Option<ScopeSet>, MetadataReason> {
        let Some(text) = self.text()? else {
            return Ok(None);
        };
        let is_single_spaced = !text.is_empty() && text.split(' ').all(|value| !value.is_empty());
        match ScopeSet::parse(&text) {
            Ok(scope) if is_single_spaced => Ok(Some(scope)),
            _ => Err(MetadataReason::ScopeMalformed),
        }
    }
}
