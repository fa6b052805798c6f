//! The sign-in for trials: a name of `login.development`, without proof. The configuration permits it only where no other
//! machine can reach this server.

use super::{NewSession, SignedIn};
use crate::decision::{Decision, Moment, Resolution};
use crate::occasions::occasion::Occasion;
use crate::people::PersonId;
use crate::records::{Batch, Conflict, EventKind, Loaded, Needs, Person, PersonName};
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

impl Occasion for DevelopmentSignIn<'_> {
    type Outcome = SignedIn;

    fn needs(&self) -> Needs<'_> {
        let needs = Needs::one::<PersonName>(self.name.as_bytes());
        self.session.needs(self.person.as_ref(), needs)
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
        self.session.begin(&person.record, Batch::default(), loaded, at)
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
            name: Some(self.name.to_owned()),
            ..Person::new(PersonId::of_random(at.entropy.id()), at.now)
        };
        let mut batch = Batch::default();
        batch.insert(&person);
        batch.insert(&PersonName {
            name: self.name.to_owned(),
            person: person.id,
        });
        batch.insert_event(self.session.event(person.id, EventKind::PersonCreated, at));
        self.session.begin(&person, batch, loaded, at)
    }
}
