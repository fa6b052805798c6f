//! The sign-in with an account at an OpenID provider, after its ID token was verified. The account is found by the issuer
//! of the provider and the `sub` there, and never by an e-mail address: addresses change hands, and a provider may let
//! its people choose any. [OIDCC §5.7]

use super::{NewSession, SignedIn, event_of, must_be_recent};
use crate::decision::{Decision, Moment, Resolution};
use crate::occasions::occasion::Occasion;
use crate::people::{PersonId, SessionName};
use crate::records::{
    Batch, Conflict, EventKind, Loaded, Needs, Person, PersonLink, ProviderAccount, Session,
};
use crate::rejection::{Rejection, SignInReason};
use crate::trace::Trace;
use testudo_protocol::Seconds;

/// The most accounts at providers that one person can have.
pub const LINKS_MAX: usize = 10;

/// What the provider states about the person, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// The account at the provider.
    pub account: ProviderAccount,
    /// The name that other people see.
    pub display: Option<String>,
    /// An e-mail address that the provider verified.
    pub email: Option<String>,
    /// The groups of the person there, now.
    pub groups: Vec<String>,
}

/// A sign-in with an account at a provider.
#[derive(Debug, Clone)]
pub struct ProviderSignIn<'a> {
    /// Name of the provider, by which its groups are named.
    pub provider: &'a str,
    /// What it states.
    pub stated: &'a Stated,
    /// The key of the record that names the person; see [`PersonLink::key_of`].
    pub link: &'a [u8],
    /// The person, once known: its record is named by it.
    pub person: Option<PersonId>,
    /// The session.
    pub session: NewSession<'a>,
}

impl Occasion for ProviderSignIn<'_> {
    type Outcome = SignedIn;

    fn needs(&self) -> Needs<'_> {
        let needs = Needs::one::<PersonLink>(self.link);
        self.session.needs(self.person.as_ref(), needs)
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<SignedIn>, Rejection> {
        let link = loaded.find::<PersonLink>(self.link);
        let Some(linked) = link.map(|found| found.record.person) else {
            return self.first(loaded, at);
        };
        if self.person != Some(linked) {
            return Ok(Decision::of(SignedIn::Account(linked)));
        }
        let person = loaded.find::<Person>(linked.key());
        let person = person.ok_or(SignInReason::AccountNotActive)?;
        let mut batch = Batch::default();
        let stated = self.with_what_is_stated(&person.record);
        if stated != person.record {
            batch.replace(&stated, person.version);
        }
        self.session.begin(&stated, batch, loaded, at)
    }

    /// Another request made or changed the account, or ended the session, at the same moment.
    fn conflict(&self, _on: &Conflict) -> Resolution {
        Resolution::Again
    }
}

impl ProviderSignIn<'_> {
    /// The first sign-in makes the account.
    fn first(&self, loaded: &Loaded<'_>, at: &Moment<'_>) -> Result<Decision<SignedIn>, Rejection> {
        let empty = Person {
            links: vec![self.stated.account.clone()],
            ..Person::new(PersonId::of_random(at.entropy.id()), at.now)
        };
        let person = self.with_what_is_stated(&empty);
        let mut batch = Batch::default();
        batch.insert(&person);
        batch.insert(&PersonLink {
            account: self.stated.account.clone(),
            person: person.id,
        });
        batch.insert_event(self.session.event(person.id, EventKind::PersonCreated, at));
        self.session.begin(&person, batch, loaded, at)
    }

    /// The account with the labels and groups of this sign-in. The labels of a person with several ways to sign in are
    /// those of the first one: signing in at another provider does not rename the account.
    fn with_what_is_stated(&self, person: &Person) -> Person {
        let mut changed = person.clone();
        set_groups(&mut changed, self.provider, &self.stated.groups);
        if changed.links.first() == Some(&self.stated.account) {
            changed.display.clone_from(&self.stated.display);
            changed.email.clone_from(&self.stated.email);
        }
        changed
    }
}

/// A signed-in person adds an account at a provider, with which they can sign in from then on.
#[derive(Debug, Clone)]
pub struct ProviderLink<'a> {
    /// Name of the provider, by which its groups are named.
    pub provider: &'a str,
    /// What it states.
    pub stated: &'a Stated,
    /// The key of the record that names the person; see [`PersonLink::key_of`].
    pub link: &'a [u8],
    /// The session of the person, and its key.
    pub session: (SessionName, [u8; 48]),
    /// How long a session lasts without use.
    pub idle: Seconds,
    /// The id of the request, for the event.
    pub request_id: &'a str,
}

impl Occasion for ProviderLink<'_> {
    type Outcome = ();

    fn needs(&self) -> Needs<'_> {
        let (name, key) = &self.session;
        Needs::one::<Session>(key)
            .and::<Person>(name.person.key())
            .and::<PersonLink>(self.link)
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<()>, Rejection> {
        let (name, _) = &self.session;
        let alive = Session::find_alive(name, loaded, self.idle, at.now);
        let (session, person) = alive.ok_or(SignInReason::NotSignedIn)?;
        must_be_recent(&session.record, at.now)?;
        match loaded.find::<PersonLink>(self.link) {
            Some(link) if link.record.person != person.record.id => {
                return Err(SignInReason::AccountOfAnotherPerson.into());
            }
            Some(_) => return Ok(Decision::of(())),
            None => {}
        }
        if person.record.links.len() >= LINKS_MAX {
            return Err(SignInReason::TooManyProviders.into());
        }
        let mut changed = person.record.clone();
        changed.links.push(self.stated.account.clone());
        set_groups(&mut changed, self.provider, &self.stated.groups);
        let mut decision = Decision::of(());
        decision.batch.replace(&changed, person.version);
        decision.batch.insert(&PersonLink {
            account: self.stated.account.clone(),
            person: changed.id,
        });
        let mut event = event_of(changed.id, EventKind::PersonLinked, self.request_id, at);
        event.detail = Some(self.provider.to_owned());
        decision.batch.insert_event(event);
        Ok(decision)
    }

    /// Another request changed the account or the session at the same moment.
    fn conflict(&self, _on: &Conflict) -> Resolution {
        Resolution::Again
    }
}

/// Groups of the provider that the person left are gone.
fn set_groups(person: &mut Person, provider: &str, groups: &[String]) {
    match groups.is_empty() {
        true => drop(person.provider_groups.remove(provider)),
        false => drop(
            person
                .provider_groups
                .insert(provider.to_owned(), groups.to_vec()),
        ),
    }
}
