//! The sign-in with a passkey. The browser shows the passkeys that it has for this server, so no name is asked for.
//! [WEBAUTHN §7.2]

use super::super::cookies::{Cookie, Cookies};
use super::super::flow::opened_from;
use super::super::login::as_sign_in;
use super::super::onward::{FLOW, Onward};
use super::super::same_origin::must_be_of_this_server;
use super::super::sealed::Purpose;
use super::super::visit::{Visit, see_other, with_cookie};
use super::ceremony::{Answered, begin};
use super::relying_party::{self, Assertion, NotVerified};
use super::{new_session, on_page, to_script};
use crate::config::{LoginSettings, RelyingParty};
use crate::fault::{Fault, Stop};
use crate::gather::read_limited;
use crate::settle::settle;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use testudo_core::occasions::sign_in::SignedIn;
use testudo_core::occasions::sign_in::passkey::PasskeySignIn;
use testudo_core::records::{CeremonyPurpose, Passkey, Person};
use testudo_core::rejection::{PasskeyFault, PasskeyReason};

/// POST `/login/options`: the script of the sign-in page asks for a challenge.
pub async fn options_to_sign_in(
    visit: &Visit<'_>,
    party: &RelyingParty,
) -> Result<Response<Full<Bytes>>, Stop> {
    to_script(visit, asked(visit, party).await).await
}

async fn asked(visit: &Visit<'_>, party: &RelyingParty) -> Result<Response<Full<Bytes>>, Stop> {
    must_be_of_this_server(visit.headers, visit.issuer())?;
    let _: Onward = opened_from(visit, Purpose::Flow, FLOW)?;
    begin(
        visit,
        CeremonyPurpose::SignIn,
        relying_party::ask_to_sign_in(party)?,
    )
    .await
}

/// POST `/login` with the answer of the browser.
pub async fn sign_in(
    visit: &Visit<'_>,
    login: &LoginSettings,
    party: &RelyingParty,
) -> Result<Response<Full<Bytes>>, Stop> {
    on_page(visit, signed_in(visit, login, party).await).await
}

async fn signed_in(
    visit: &Visit<'_>,
    login: &LoginSettings,
    party: &RelyingParty,
) -> Result<Response<Full<Bytes>>, Stop> {
    must_be_of_this_server(visit.headers, visit.issuer())?;
    let onward: Onward = opened_from(visit, Purpose::Flow, FLOW)?;
    let answered = Answered::of(visit, CeremonyPurpose::SignIn).await?;
    let cookie = begin_session(visit, login, party, &answered).await?;
    let cookie = Cookies::of(visit.issuer()).set(Cookie::Session, &cookie);
    let next = onward.next(visit, visit.form.get(FLOW).unwrap_or_default());
    Ok(with_cookie(see_other(&next), cookie))
}

/// Verifies the answer with the passkey that it names, and begins the session. Returns the value of the cookie.
async fn begin_session(
    visit: &Visit<'_>,
    login: &LoginSettings,
    party: &RelyingParty,
    answered: &Answered<'_>,
) -> Result<String, Stop> {
    let assertion = match Assertion::parse(answered.unverified_answer) {
        Ok(assertion) => assertion,
        Err(why) => return Err(refused(visit, answered, PasskeyFault::NotVerified { why }).await?),
    };
    // If another sign-in uses the same passkey at the same moment, its counter is compared again.
    for _ in 0..3 {
        let passkey = match known_passkey(visit, &assertion).await? {
            Ok(passkey) => passkey,
            Err(fault) => return Err(refused(visit, answered, fault).await?),
        };
        let verified = relying_party::verify(party, &answered.ceremony.state, &assertion, &passkey);
        let used = match verified {
            Ok(used) => used,
            Err(NotVerified::CounterNotHigher) => {
                let reason = PasskeyReason::Refused(PasskeyFault::CounterNotHigher);
                return Err(answered
                    .refuse(visit, reason, Some(assertion.unverified_person))
                    .await?);
            }
            Err(NotVerified::Wrong(why)) => {
                return Err(refused(visit, answered, PasskeyFault::NotVerified { why }).await?);
            }
        };
        let request = PasskeySignIn {
            finished: answered.finished(),
            person: assertion.unverified_person,
            verified: &passkey,
            used: &used,
            session: new_session(visit, login),
        };
        let settled = settle(visit.app, &visit.in_force.policy, &request, |outcome, _| {
            Ok(outcome)
        })
        .await;
        match settled.map_err(as_sign_in)? {
            SignedIn::Begun(cookie) => return Ok(cookie),
            SignedIn::Account(_) => {}
        }
    }
    Err(Fault::Contended.into())
}

async fn refused(visit: &Visit<'_>, answered: &Answered<'_>, fault: PasskeyFault) -> Result<Stop, Stop> {
    answered.refuse(visit, PasskeyReason::Refused(fault), None).await
}

/// The passkey that the answer names. The account is found by the user handle, and the passkey among those of the account:
/// a passkey of another account is never used, even if an attacker registered the same credential id.
async fn known_passkey(
    visit: &Visit<'_>,
    assertion: &Assertion,
) -> Result<Result<Passkey, PasskeyFault>, Stop> {
    let key = assertion.unverified_person.key();
    let Some(person) = read_limited::<Person>(visit.app, key).await? else {
        return Ok(Err(PasskeyFault::UnknownAccount));
    };
    if !person.is_active() {
        return Ok(Err(PasskeyFault::AccountNotActive));
    }
    let mut passkeys = person.passkeys.into_iter();
    let found = passkeys.find(|known| known.id == assertion.unverified_passkey);
    Ok(found.ok_or(PasskeyFault::UnknownPasskey))
}
