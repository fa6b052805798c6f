//! `issuer`: the name of this server.

use super::checker::Checker;
use testudo_protocol::oauth::IssuerUrl;

impl Checker<'_> {
    pub(super) fn issuer(&mut self, text: Option<&str>) -> Option<IssuerUrl> {
        let Some(text) = text else {
            if !self.report.is_unread("issuer") {
                self.report.error(
                    "issuer",
                    "is missing",
                    Some("write issuer = \"https://as.example.net\" above the first section"),
                );
            }
            return None;
        };
        match IssuerUrl::parse(text) {
            Ok(issuer) => {
                if issuer.is_cleartext() {
                    self.uses_http("issuer");
                }
                Some(issuer)
            }
            Err(problem) => {
                self.report.error("issuer", format!("{text:?} {problem}"), None);
                None
            }
        }
    }
}
