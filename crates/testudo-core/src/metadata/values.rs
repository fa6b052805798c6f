//! Members that have a form of their own: redirect URIs, scope, algorithm, kind of application. [RFC7591 §2]

use super::members::Members;
use super::names::refused;
use crate::records::ApplicationType;
use crate::rejection::{MetadataReason, Rejection};
use testudo_protocol::jose::Algorithm;
use testudo_protocol::oauth::ScopeSet;

const REDIRECT_URIS_MAX: usize = 20;

impl Members {
    pub(super) fn application_type(&self) -> Result<Option<ApplicationType>, Rejection> {
        match self.text("application_type")?.as_deref() {
            None => Ok(None),
            Some("web") => Ok(Some(ApplicationType::Web)),
            Some("native") => Ok(Some(ApplicationType::Native)),
            Some(_) => Err(refused("application_type", "application_type is web or native")),
        }
    }

    /// [OIDCR §2] Asymmetric; `none` must not be used.
    pub(super) fn signing_algorithm(&self) -> Result<Option<Algorithm>, Rejection> {
        let member = "token_endpoint_auth_signing_alg";
        let Some(name) = self.text(member)? else {
            return Ok(None);
        };
        let algorithm = Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name);
        algorithm
            .map(Some)
            .ok_or(refused(member, "this signature algorithm is not supported"))
    }

    pub(super) fn redirect_uris(&self) -> Result<Option<Vec<String>>, Rejection> {
        let problem = "redirect_uris must be an array of 1 to 20 different URIs";
        let uris = self
            .list("redirect_uris")
            .map_err(|_| Rejection::Metadata(MetadataReason::RedirectUri { problem }))?;
        let Some(uris) = uris else { return Ok(None) };
        let is_set = uris
            .iter()
            .enumerate()
            .all(|(at, uri)| !uris.iter().take(at).any(|earlier| earlier == uri));
        let is_good = !uris.is_empty() && uris.len() <= REDIRECT_URIS_MAX && is_set;
        if is_good {
            Ok(Some(uris))
        } else {
            Err(MetadataReason::RedirectUri { problem }.into())
        }
    }

    /// [RFC6749 §3.3] Values and single spaces; an empty scope is not one.
    pub(super) fn scope(&self) -> Result<Option<ScopeSet>, Rejection> {
        let problem = "scope must be scope values separated by single spaces";
        let Some(text) = self.text("scope")? else {
            return Ok(None);
        };
        let is_single_spaced = !text.is_empty() && text.split(' ').all(|value| !value.is_empty());
        match ScopeSet::parse(&text) {
            Ok(scope) if is_single_spaced => Ok(Some(scope)),
            _ => Err(refused("scope", problem)),
        }
    }
}
