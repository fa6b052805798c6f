//! An attestation beside the client's own authentication, which its rule may require. [ABCA §7.6]
//!
//! A request has one authentication mechanism; an attestation beside another one is allowed only if the rule names
//! attesters (`attested_by`). It must name the same client.

use super::client_name::identity_as_id;
use super::governed::GovernedIdentity;
use crate::identity::AttestedIdentity;
use crate::rejection::{AttestationReason, CLIENT_CERTIFICATE, Rejection, RequestReason};
use crate::trace::Trace;

/// The attestation that a request has beside the client's own authentication.
#[derive(Debug, Clone, Copy)]
pub enum BesideAttestation<'a> {
    /// There is none.
    Absent,
    /// It is verified, and its key is proved.
    Proven(&'a AttestedIdentity),
    /// The request is only imagined, and is assumed to have the attestation that its rule requires.
    Assumed,
}

/// Checks that the request has the attestation that the rule requires, and none that it does not.
pub(crate) fn attestation_agrees(
    governed: &GovernedIdentity<'_>,
    client_id: &str,
    shown: BesideAttestation<'_>,
    trace: &mut Trace,
) -> Result<(), Rejection> {
    let rule = governed.found.rule;
    let is_required = !rule.attested_by.is_empty();
    match shown {
        BesideAttestation::Absent if is_required => {
            let rule = rule.name.clone();
            Err(AttestationReason::Required { rule }.into())
        }
        BesideAttestation::Proven(attested) if is_required => {
            if !rule.attested_by.contains(&attested.authority) {
                return Err(AttestationReason::AttesterNotOfRule {
                    rule: rule.name.clone(),
                    attester: attested.authority.clone(),
                }
                .into());
            }
            let attested_id = identity_as_id(attested, &attested.subject);
            if ![client_id, &governed.identity.subject].contains(&&*attested_id) {
                return Err(AttestationReason::OtherClientAttested {
                    attested: attested_id.into(),
                    client_id: client_id.to_owned(),
                }
                .into());
            }
            trace.passed("attestation beside it", || attested.subject.to_string());
            Ok(())
        }
        BesideAttestation::Proven(_) => may_be_beside(governed),
        BesideAttestation::Absent | BesideAttestation::Assumed => Ok(()),
    }
}

/// [RFC6749 §2.3] One method per request: an attestation beside another method is refused, whether or not it is valid,
/// unless the rule requires it.
pub fn may_be_beside(governed: &GovernedIdentity<'_>) -> Result<(), Rejection> {
    if !governed.found.rule.attested_by.is_empty() {
        return Ok(());
    }
    let is_certificate = governed.identity.kind.is_certificate();
    let own = if is_certificate {
        CLIENT_CERTIFICATE
    } else {
        "client_assertion"
    };
    let found = vec![own, "an OAuth-Client-Attestation header"];
    Err(RequestReason::TwoMechanisms { found }.into())
}
