//! A person uses an invitation: the passkey that they made belongs to a new account, or it is the only one of an account
//! that is recovered. [WEBAUTHN §7.1]

use super::{NewSession, SignedIn};
use crate::decision::{Decision, Moment, Resolution};
use crate::occasions::ceremonies::Finished;
use crate::occasions::occasion::Occasion;
use crate::records::{
    Batch, CeremonyPurpose, Conflict, EventKind, Invitation, InvitedName, Loaded, Needs, Passkey, Person,
    PersonLink, PersonName, PersonState,
};
use crate::rejection::{PasskeyReason, Rejection, SignInReason};
use crate::trace::Trace;
use std::collections::BTreeMap;

/// The use of an invitation, with a new passkey that the server verified.
#[derive(Debug, Clone)]
pub struct InvitationUse<'a> {
    /// The ceremony.
    pub finished: Finished<'a>,
    /// The invitation, as it was read to verify the passkey.
    pub invitation: &'a Invitation,
    /// The passkey.
    pub passkey: &'a Passkey,
    /// The keys of the accounts at providers of an account that is recovered; see [`Person::link_keys`].
    pub links: &'a [Vec<u8>],
    /// The session.
    pub session: NewSession<'a>,
}

impl Occasion for InvitationUse<'_> {
    type Outcome = SignedIn;

    fn needs(&self) -> Needs<'_> {
        let needs = self.finished.needs(Needs::default());
        let needs = needs
            .and::<Invitation>(self.invitation.digest.key())
            .and::<PersonName>(self.invitation.name.as_bytes())
            .and::<InvitedName>(self.invitation.name.as_bytes());
        let links = self.links.iter();
        let needs = links.fold(needs, |needs, key| needs.and::<PersonLink>(key));
        self.session.needs(Some(&self.invitation.person), needs)
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<SignedIn>, Rejection> {
        let digest = self.invitation.digest;
        let mut batch = self
            .finished
            .end(CeremonyPurpose::Invitation(digest), loaded, at)?;
        let stored = loaded.find::<Invitation>(digest.key());
        let stored = stored.filter(|stored| at.now < stored.record.expires);
        let stored = stored.ok_or(PasskeyReason::InvitationUnknown)?;
        batch.delete(&stored.record, stored.version);
        let person = match stored.record.is_recovery {
            true => self.recovered(&stored.record, &mut batch, loaded, at)?,
            false => Some(self.created(&mut batch, loaded, at)?),
        };
        let Some(person) = person else {
            return Ok(Decision::of(SignedIn::Account(self.invitation.person)));
        };
        let session = NewSession {
            passkey: Some(&self.passkey.id),
            ..self.session
        };
        session.begin(&person, batch, loaded, at)
    }

    /// Another request used the ceremony, the invitation or the name, or changed the account, at the same moment.
    fn conflict(&self, _on: &Conflict) -> Resolution {
        Resolution::Again
    }
}

impl InvitationUse<'_> {
    fn created(&self, batch: &mut Batch, loaded: &Loaded<'_>, at: &Moment<'_>) -> Result<Person, Rejection> {
        let invitation = self.invitation;
        let person = Person {
            name: Some(invitation.name.clone()),
            groups: invitation.groups.clone(),
            passkeys: vec![self.passkey.clone()],
            ..Person::new(invitation.person, at.now)
        };
        // Another person has the name: by a sign-in for trials, or by an invitation that an earlier version made.
        if loaded.find::<PersonName>(invitation.name.as_bytes()).is_some() {
            return Err(PasskeyReason::InvitationUnknown.into());
        }
        if let Some(invited) = loaded.find::<InvitedName>(invitation.name.as_bytes()) {
            // Of several links for the name, only the last one can be used. One that an earlier version made may have no such
            // record.
            if invited.record.digest != invitation.digest {
                return Err(PasskeyReason::InvitationUnknown.into());
            }
            // From now on the account has the name.
            batch.delete(&invited.record, invited.version);
        }
        batch.insert(&person);
        batch.insert(&PersonName {
            name: invitation.name.clone(),
            person: person.id,
        });
        batch.insert_event(self.session.event(person.id, EventKind::PersonCreated, at));
        Ok(person)
    }

    /// An attacker may be the reason for the recovery: all ways to sign in that the account had end, also an account at a
    /// provider, which the attacker may have added, with what that provider stated. `None` if the accounts at providers are
    /// not those that were loaded.
    fn recovered(
        &self,
        invitation: &Invitation,
        batch: &mut Batch,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
    ) -> Result<Option<Person>, Rejection> {
        let person = loaded.find::<Person>(invitation.person.key());
        let person = person.ok_or(SignInReason::AccountNotActive)?;
        let is_unlocked = match person.record.state {
            PersonState::Active => false,
            PersonState::Locked if invitation.unlocks == Some(person.record.sessions_from) => true,
            PersonState::Locked | PersonState::Removed => return Err(SignInReason::AccountNotActive.into()),
        };
        if person.record.link_keys() != self.links {
            return Ok(None);
        }
        let recovered = Person {
            display: None,
            email: None,
            provider_groups: BTreeMap::new(),
            passkeys: vec![self.passkey.clone()],
            links: Vec::new(),
            state: PersonState::Active,
            sessions_from: person.record.sessions_end(at.now),
            ..person.record.clone()
        };
        batch.replace(&recovered, person.version);
        let links = self.links.iter().filter_map(|key| loaded.find::<PersonLink>(key));
        for link in links.filter(|link| link.record.person == recovered.id) {
            batch.delete(&link.record, link.version);
        }
        let mut event = |kind| {
            batch.insert_event(super::event_of(recovered.id, kind, self.session.request_id, at));
        };
        if is_unlocked {
            event(EventKind::PersonUnlocked);
        }
        event(EventKind::PersonRecovered);
        Ok(Some(recovered))
    }
}
