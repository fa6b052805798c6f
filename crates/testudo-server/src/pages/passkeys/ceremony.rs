//! What all ceremonies have in common: they begin with a record, and the answer of the browser names it.

use super::super::flow::Browser;
use super::super::login::as_sign_in;
use super::super::visit::Visit;
use super::relying_party::{Asked, new_credential};
use super::script;
use crate::config::RelyingParty;
use crate::fault::{Fault, Stop};
use crate::gather::read_limited;
use crate::settle::settle;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use testudo_core::occasions::ceremonies::{CeremonyBegin, CeremonyEnd, Finished};
use testudo_core::people::{PersonId, SecretDigest};
use testudo_core::records::{Ceremony, CeremonyPurpose, Passkey};
use testudo_core::rejection::PasskeyReason;
use testudo_protocol::base64url;

/// Begins a ceremony, and answers the script with what the browser is asked for.
pub async fn begin(
    visit: &Visit<'_>,
    purpose: CeremonyPurpose,
    asked: Asked,
) -> Result<Response<Full<Bytes>>, Stop> {
    let app = visit.app;
    let entropy = app.clock.entropy().ok_or(Fault::NoEntropy)?;
    let name = base64url::text(entropy.secret());
    let ceremony = Ceremony {
        digest: SecretDigest::of(&name),
        browser: Browser::of(visit)?.digest(),
        purpose,
        state: asked.state,
        expires: app.now() + Ceremony::LIFETIME,
    };
    let request = CeremonyBegin {
        ceremony: &ceremony,
        address: visit.address,
    };
    let settled = settle(app, &visit.in_force.policy, &request, |(), _| Ok(())).await;
    settled.map_err(as_sign_in)?;
    Ok(script::asked(&name, &asked.options))
}

/// A ceremony that the browser of the request finishes, and its answer, which is not verified yet.
pub struct Answered<'v> {
    /// The ceremony.
    pub ceremony: Ceremony,
    /// The answer of the browser.
    pub unverified_answer: &'v str,
}

impl<'v> Answered<'v> {
    /// The ceremony that the form names. It must have begun in this browser, for this purpose, and not be over.
    pub async fn of(visit: &'v Visit<'_>, purpose: CeremonyPurpose) -> Result<Answered<'v>, Stop> {
        let app = visit.app;
        let unknown = || Stop::from(PasskeyReason::CeremonyUnknown);
        let name = visit.form.get("ceremony").unwrap_or_default();
        let digest = Ceremony::digest_of(name).ok_or_else(unknown)?;
        let browser = Browser::of(visit)?.digest();
        // Nothing is proven about the browser. [decision 0011]
        app.applied_changes.judge()?;
        let found: Option<Ceremony> = read_limited(app, digest.key()).await?;
        let ceremony = found.filter(|found| found.can_be_finished(browser, purpose, app.now()));
        Ok(Answered {
            ceremony: ceremony.ok_or_else(unknown)?,
            unverified_answer: visit.form.get("credential").unwrap_or_default(),
        })
    }

    /// The ceremony, for the decision about its result.
    pub fn finished(&self) -> Finished<'_> {
        Finished {
            ceremony: &self.ceremony.digest,
            browser: self.ceremony.browser,
        }
    }

    /// The passkey that the browser made, with this name. If the answer is not right, the ceremony ends.
    pub async fn made(&self, visit: &Visit<'_>, party: &RelyingParty, name: String) -> Result<Passkey, Stop> {
        match new_credential(party, &self.ceremony.state, self.unverified_answer) {
            Ok((id, credential)) => Ok(Passkey {
                id,
                name,
                credential,
                created: visit.app.now(),
                last_used: None,
            }),
            Err(why) => Err(self.refuse(visit, PasskeyReason::NotMade { why }, None).await?),
        }
    }

    /// Ends the ceremony, because the answer is refused. `copied` is the person of a passkey that there may be a copy of.
    pub async fn refuse(
        &self,
        visit: &Visit<'_>,
        reason: PasskeyReason,
        copied: Option<PersonId>,
    ) -> Result<Stop, Stop> {
        let request = CeremonyEnd {
            digest: &self.ceremony.digest,
            copied,
            request_id: visit.id,
        };
        settle(visit.app, &visit.in_force.policy, &request, |(), _| Ok(())).await?;
        Ok(reason.into())
    }
}
