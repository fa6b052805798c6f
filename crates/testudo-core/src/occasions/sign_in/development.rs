//! The sign-in for trials: a name of `login.development`, without proof. The configuration permits it only where no other
//! machine can reach this server.

use super::{NewSession, event_of};
use crate::decision::{Decision, Moment, Resolution};
use crate::occasions::occasion::Occasion;
use crate::people::PersonId;
use crate::records::{Conflict, EventKind, Loaded, Needs, Person, PersonName, PersonState};
use crate::rejection::{Rejection, SignInReason};
use crate::trace::Trace;

/// A sign-in with a name.
#[derive(Debug, Clone, Copy)]
pub struct DevelopmentSignIn<'a> {
    /// The name that the person chose.
    pub name: &'a str,
    /// The names of `login.development`.
    pub names: &'a [String],
    /// The account that has the name, once it is known: its record is named by it.
    pub person: Option<PersonId>,
    /// The session.
    pub session: NewSession<'a>,
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedIn {
    /// The session began; the value of its cookie.
    Begun(String),
    /// This account has the name: decide again with it.
    Account(PersonId),
}

impl Occasion for DevelopmentSignIn<'_> {
    type Outcome = SignedIn;

    fn needs(&self) -> Needs<'_> {
        let needs = Needs::one::<PersonName>(self.name.as_bytes());
        let needs = match self.person.as_ref().map(PersonId::key) {
            Some(key) => needs.and::<Person>(key),
            None => needs,
        };
        self.session.needs(needs)
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<SignedIn>, Rejection> {
        if !self.names.iter().any(|name| name == self.name) {
            return Err(SignInReason::NameNotListed.into());
        }
        let named = loaded.find::<PersonName>(self.name.as_bytes());
        let Some(named) = named.map(|found| found.record.person) else {
            return self.first(loaded, at);
        };
        if self.person != Some(named) {
            return Ok(Decision::of(SignedIn::Account(named)));
        }
        let person = loaded.find::<Person>(named.key());
        let person = person.ok_or(SignInReason::AccountNotActive)?;
        let (cookie, batch) = self.session.begin(&person.record, loaded, at)?;
        Ok(Decision {
            batch,
            limits: self.session.limits(),
            ..Decision::of(SignedIn::Begun(cookie))
        })
    }

    /// Another request made the account or ended the session at the same moment.
    fn conflict(&self, _on: &Conflict) -> Resolution {
        Resolution::Again
    }
}

impl DevelopmentSignIn<'_> {
    /// The first sign-in with the name makes the account.
    fn first(&self, loaded: &Loaded<'_>, at: &Moment<'_>) -> Result<Decision<SignedIn>, Rejection> {
        let person = Person {
            id: PersonId::of_random(at.entropy.id()),
            name: Some(self.name.to_owned()),
            display: None,
            email: None,
            groups: Vec::new(),
            provider_groups: Default::default(),
            passkeys: Vec::new(),
            links: Vec::new(),
            state: PersonState::Active,
            created: at.now,
            sessions_from: at.now,
        };
        let (cookie, of_session) = self.session.begin(&person, loaded, at)?;
        let mut decision = Decision {
            limits: self.session.limits(),
            ..Decision::of(SignedIn::Begun(cookie))
        };
        decision.batch.insert(&person);
        decision.batch.insert(&PersonName {
            name: self.name.to_owned(),
            person: person.id,
        });
        let mut event = event_of(person.id, EventKind::PersonCreated, self.session.request_id, at);
        event.detail = Some(self.session.method.to_owned());
        decision.batch.insert_event(event);
        decision.batch.extend(of_session);
        Ok(decision)
    }
}
