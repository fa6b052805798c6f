//! `[experiments]`: what unfinished drafts specify. The value of each setting is the revision that it enables, so that no
//! configuration enables a later revision.

use super::checker::Checker;
use super::trust::TrustDomainSection;
use schemars::JsonSchema;
use serde::Deserialize;
use testudo_core::policy::{ChallengeUse, Experiments};

/// `[experiments]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExperimentsSection {
    /// Workloads may prove the key of a WIT-SVID with a Workload Proof Token of this revision of draft-ietf-wimse-wpt.
    /// Default: none is accepted.
    pub workload_proof_token: Option<WorkloadProofRevision>,
}

/// The revisions of draft-ietf-wimse-wpt that this server implements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum WorkloadProofRevision {
    /// draft-ietf-wimse-wpt-02.
    #[serde(rename = "draft-02")]
    Draft02,
}

impl Checker<'_> {
    pub(super) fn experiments(
        &mut self,
        section: &ExperimentsSection,
        trust_domains: &[TrustDomainSection],
    ) -> Experiments {
        let is_enabled = section.workload_proof_token.is_some();
        let takes_them = |domain: &TrustDomainSection| {
            let kinds = domain.credentials.iter().flatten();
            let has_wits = kinds.clone().any(|kind| kind.takes_workload_proof());
            has_wits && domain.challenge == Some(ChallengeUse::None)
        };
        if is_enabled && !trust_domains.iter().any(takes_them) {
            self.report.warn(
                "experiments.workload_proof_token",
                "has no effect: no trust domain accepts WIT-SVIDs without a challenge",
                Some("set credentials = [\"jwt_svid\", \"wit_svid\"] and challenge = \"none\" in the entry of a trust domain"),
            );
        }
        Experiments {
            workload_proof_token: is_enabled,
        }
    }
}
