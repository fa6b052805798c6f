//! The passkeys of an account: its person adds, names and removes them.

use super::super::account::{session_of_form, signed_in};
use super::super::visit::{Visit, see_other};
use super::ceremony::{Answered, begin};
use super::relying_party::{self, NewUser};
use super::{on_page, to_script};
use crate::config::{LoginSettings, RelyingParty};
use crate::fault::Stop;
use crate::settle::settle;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use testudo_core::occasions::passkeys::{
    Change, OwnAccount, PasskeyAddition, PasskeyChange, checked_name, may_add,
};
use testudo_core::occasions::sign_in::must_be_recent;
use testudo_core::people::SessionName;
use testudo_core::records::CeremonyPurpose;
use testudo_core::rejection::{RequestReason, SignInReason};

/// POST `/account/options`: the script asks what the new passkey must be like.
pub async fn options_to_add(
    visit: &Visit<'_>,
    login: &LoginSettings,
    party: &RelyingParty,
) -> Result<Response<Full<Bytes>>, Stop> {
    to_script(visit, asked(visit, login, party).await).await
}

async fn asked(
    visit: &Visit<'_>,
    login: &LoginSettings,
    party: &RelyingParty,
) -> Result<Response<Full<Bytes>>, Stop> {
    let own = session_of_form(visit)?;
    let (session, person) = signed_in(visit, login).await?.ok_or(SignInReason::NotSignedIn)?;
    // The decision about the answer checks both again. Here they keep the person from making a passkey in vain.
    must_be_recent(&session, visit.app.now())?;
    may_add(&person)?;
    let user = NewUser {
        id: person.id,
        name: &person.shown_name(),
        passkeys: &person.passkeys,
    };
    let asked = relying_party::ask_for_new(visit, party, &user)?;
    begin(visit, CeremonyPurpose::addition(&own), asked).await
}

/// POST `/account` about a passkey.
pub async fn change(
    visit: &Visit<'_>,
    login: &LoginSettings,
    party: &RelyingParty,
) -> Result<Response<Full<Bytes>>, Stop> {
    on_page(visit, changed(visit, login, party).await).await
}

async fn changed(
    visit: &Visit<'_>,
    login: &LoginSettings,
    party: &RelyingParty,
) -> Result<Response<Full<Bytes>>, Stop> {
    let session = session_of_form(visit)?;
    let own = OwnAccount::new(session, login.session_idle_lifetime, visit.id);
    let given_name = || checked_name(visit.form.get("passkey_name").unwrap_or_default());
    match (visit.form.get("do"), visit.form.get("passkey")) {
        (Some("rename_passkey"), Some(passkey)) => {
            settle_change(visit, own, passkey, Change::Rename(&given_name()?)).await?;
        }
        (Some("remove_passkey"), Some(passkey)) => {
            let issuers = login.issuers();
            let change = Change::Remove { issuers: &issuers };
            settle_change(visit, own, passkey, change).await?;
        }
        (_, Some(_)) => return Err(RequestReason::FlowNotOurs.into()),
        (_, None) => add(visit, party, session, own, given_name()?).await?,
    }
    Ok(see_other(&visit.path("/account")))
}

async fn settle_change(
    visit: &Visit<'_>,
    own: OwnAccount<'_>,
    passkey: &str,
    change: Change<'_>,
) -> Result<(), Stop> {
    let request = PasskeyChange { own, passkey, change };
    settle(visit.app, &visit.in_force.policy, &request, |(), _| Ok(())).await
}

async fn add(
    visit: &Visit<'_>,
    party: &RelyingParty,
    session: SessionName,
    own: OwnAccount<'_>,
    name: String,
) -> Result<(), Stop> {
    let answered = Answered::of(visit, CeremonyPurpose::addition(&session)).await?;
    let passkey = answered.made(visit, party, name).await?;
    let request = PasskeyAddition {
        finished: answered.finished(),
        own,
        passkey: &passkey,
    };
    settle(visit.app, &visit.in_force.policy, &request, |(), _| Ok(())).await
}
