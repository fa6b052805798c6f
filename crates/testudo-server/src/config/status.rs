//! `issuers.status`, `issuers.status_origins` and `issuers.status_max_stale`: how the status of credentials is checked.

use super::checker::Checker;
use super::issuers::IssuerSection;
use testudo_core::policy::{StatusPolicy, StatusUse};
use testudo_protocol::Seconds;

/// A revocation must not be missed for longer because the publisher of a list does not answer.
const MAX_STALE_MAX: Seconds = Seconds(7 * 86_400);

impl Checker<'_> {
    /// Checks the settings of an entry.
    pub(super) fn status_policy(&mut self, key: &str, section: &IssuerSection) -> StatusPolicy {
        let r#use = section.status.unwrap_or_default();
        let written = section.status_origins.iter().flatten().enumerate();
        let origins: Vec<String> = written
            .filter_map(|(entry, text)| self.status_origin(format!("{key}.status_origins[{entry}]"), text))
            .collect();
        let origins_key = format!("{key}.status_origins");
        if r#use == StatusUse::Required
            && section.status_origins.as_ref().is_none_or(Vec::is_empty)
            && !self.report.is_unread(&origins_key)
        {
            let problem = "is missing: `status` requires a status list, and none may be read";
            let hint = Some("write the origin of the status lists of the issuer: [\"https://HOST\"]");
            self.report.error(origins_key, problem, hint);
        }
        let stale_key = format!("{key}.status_max_stale");
        let max_stale = self.duration(&stale_key, section.status_max_stale.as_deref(), Seconds(0));
        if max_stale.is_some_and(|longest| longest > MAX_STALE_MAX) {
            self.report.error(stale_key, "is longer than 7d", None);
        }
        if r#use == StatusUse::Ignore {
            for (name, is_written) in [
                ("status_origins", section.status_origins.is_some()),
                ("status_max_stale", section.status_max_stale.is_some()),
            ] {
                if is_written {
                    let problem = "has no effect: no list is read with status = \"ignore\"";
                    self.report
                        .warn(format!("{key}.{name}"), problem, Some("remove it"));
                }
            }
        }
        StatusPolicy {
            r#use,
            origins,
            max_stale: max_stale.unwrap_or(Seconds(0)),
        }
    }

    /// An origin in its normal form: scheme, host and port of an https URL, and nothing else.
    fn status_origin(&mut self, key: String, text: &str) -> Option<String> {
        let url = url::Url::parse(text).ok().filter(|url| {
            url.scheme() == "https"
                && url.path() == "/"
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        });
        if url.is_none() {
            let hint = Some("write https://HOST or https://HOST:PORT, without a path");
            self.report
                .error(key, format!("{text:?} is not the origin of an https URL"), hint);
        }
        url.map(|url| url.origin().ascii_serialization())
    }
}
