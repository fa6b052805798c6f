//! `/invite`: a person uses the link of an invitation, and makes a passkey. [WEBAUTHN §7.1]
//!
//! The token of the link is in its fragment, so it is in no request for the page and in no log. The script of the page sends
//! it in the form.

use super::super::cookies::{Cookie, Cookies};
use super::super::flow::{Browser, opened_from};
use super::super::login::as_sign_in;
use super::super::onward::{FLOW, Onward};
use super::super::page::{Frame, allow_script, page};
use super::super::same_origin::must_be_of_this_server;
use super::super::sealed::Purpose;
use super::super::visit::{Visit, see_other, with_cookie};
use super::ceremony::{Answered, begin};
use super::relying_party::{self, NewUser};
use super::{new_session, on_page, to_script};
use crate::config::{LoginSettings, RelyingParty};
use crate::fault::{Fault, Stop};
use crate::gather::read_limited;
use crate::person_records::erase_other_sessions;
use crate::settle::settle;
use askama::Template;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use testudo_core::occasions::passkeys::checked_name;
use testudo_core::occasions::sign_in::SignedIn;
use testudo_core::occasions::sign_in::invitation::InvitationUse;
use testudo_core::people::SessionName;
use testudo_core::records::{CeremonyPurpose, Invitation, Passkey, Person};
use testudo_core::rejection::PasskeyReason;

#[derive(Template)]
#[template(path = "invite.html")]
struct Invite<'a> {
    frame: Frame<'a>,
    action: String,
    options: String,
    flow: String,
}

/// GET `/invite`
pub fn show(visit: &Visit<'_>) -> Result<Response<Full<Bytes>>, Stop> {
    let browser = Browser::of(visit)?;
    let template = Invite {
        frame: Frame::with_script(&visit.in_force.look, visit.id, true),
        action: visit.path("/invite"),
        options: visit.path("/invite/options"),
        flow: browser.seal(visit, Purpose::Flow, Onward::Account)?,
    };
    let response = allow_script(page(StatusCode::OK, &template, None), template.frame);
    Ok(with_cookie(response, browser.cookie))
}

/// POST `/invite/options`: the script asks what the new passkey must be like.
pub async fn options_to_accept(
    visit: &Visit<'_>,
    party: &RelyingParty,
) -> Result<Response<Full<Bytes>>, Stop> {
    to_script(visit, asked(visit, party).await).await
}

async fn asked(visit: &Visit<'_>, party: &RelyingParty) -> Result<Response<Full<Bytes>>, Stop> {
    must_be_of_this_server(visit.headers, visit.issuer())?;
    let _: Onward = opened_from(visit, Purpose::Flow, FLOW)?;
    let invitation = invitation_of(visit).await?;
    let user = NewUser {
        id: invitation.person,
        name: &invitation.name,
        // The earlier passkeys of an account that is recovered end, so none of them is excluded.
        passkeys: &[],
    };
    let asked = relying_party::ask_for_new(visit, party, &user)?;
    begin(visit, CeremonyPurpose::Invitation(invitation.digest), asked).await
}

/// The invitation whose token the form has, if it can be used.
async fn invitation_of(visit: &Visit<'_>) -> Result<Invitation, Stop> {
    let app = visit.app;
    let unknown = || Stop::from(PasskeyReason::InvitationUnknown);
    let token = visit.form.get("invitation").unwrap_or_default();
    let digest = Invitation::digest_of(token).ok_or_else(unknown)?;
    // Nothing is proven about the browser. [decision 0011]
    app.applied_changes.judge()?;
    let found: Option<Invitation> = read_limited(app, digest.key()).await?;
    let alive = found.filter(|found| app.now() < found.expires);
    alive.ok_or_else(unknown)
}

/// POST `/invite` with the answer of the browser.
pub async fn accept(
    visit: &Visit<'_>,
    login: &LoginSettings,
    party: &RelyingParty,
) -> Result<Response<Full<Bytes>>, Stop> {
    on_page(visit, accepted(visit, login, party).await).await
}

async fn accepted(
    visit: &Visit<'_>,
    login: &LoginSettings,
    party: &RelyingParty,
) -> Result<Response<Full<Bytes>>, Stop> {
    must_be_of_this_server(visit.headers, visit.issuer())?;
    let _: Onward = opened_from(visit, Purpose::Flow, FLOW)?;
    let name = checked_name(visit.form.get("passkey_name").unwrap_or_default())?;
    let invitation = invitation_of(visit).await?;
    let purpose = CeremonyPurpose::Invitation(invitation.digest);
    let answered = Answered::of(visit, purpose).await?;
    let passkey = answered.made(visit, party, name).await?;
    let session = begin_session(visit, login, &answered, &invitation, &passkey).await?;
    let cookie = Cookies::of(visit.issuer()).set(Cookie::Session, &session);
    Ok(with_cookie(see_other(&visit.path("/account")), cookie))
}

/// Makes or recovers the account, and begins the session. Returns the value of the cookie.
async fn begin_session(
    visit: &Visit<'_>,
    login: &LoginSettings,
    answered: &Answered<'_>,
    invitation: &Invitation,
    passkey: &Passkey,
) -> Result<String, Stop> {
    // A decision is repeated only if the accounts at providers changed meanwhile.
    for _ in 0..3 {
        let links = links_of(visit, invitation).await?;
        let request = InvitationUse {
            finished: answered.finished(),
            invitation,
            passkey,
            links: &links,
            session: new_session(visit, login),
        };
        let settled = settle(visit.app, &visit.in_force.policy, &request, |outcome, _| {
            Ok(outcome)
        })
        .await;
        match settled.map_err(as_sign_in)? {
            SignedIn::Begun(cookie) => {
                if invitation.is_recovery {
                    end_earlier_sessions(visit, &cookie).await?;
                }
                return Ok(cookie);
            }
            SignedIn::Account(_) => {}
        }
    }
    Err(Fault::Contended.into())
}

/// The keys of the accounts at providers of an account that is recovered.
async fn links_of(visit: &Visit<'_>, invitation: &Invitation) -> Result<Vec<Vec<u8>>, Stop> {
    if !invitation.is_recovery {
        return Ok(Vec::new());
    }
    let person: Option<Person> = read_limited(visit.app, invitation.person.key()).await?;
    Ok(person.map(|person| person.link_keys()).unwrap_or_default())
}

/// Deletes the records of the sessions that the recovery ended, as a lock does: one that began at a node whose clock is ahead
/// may have begun after the time from which sessions are valid.
async fn end_earlier_sessions(visit: &Visit<'_>, cookie: &str) -> Result<(), Fault> {
    let Some(session) = SessionName::parse(cookie) else {
        return Ok(());
    };
    Ok(erase_other_sessions(visit.app, session).await?)
}
