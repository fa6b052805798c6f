//! Locks, unlocks and removes the accounts of people, and changes the groups that administrators give.

use super::order::{Audited, Decided, NotDone, Order};
use crate::people::PersonId;
use crate::records::{
    Batch, Event, EventKind, Invitation, Person, PersonLink, PersonName, PersonState, Versioned,
};

/// The most groups of this server that one person can be in.
pub const GROUPS_MAX: usize = 100;

/// The longest name of a group of this server, in characters.
const GROUP_CHARACTERS_MAX: usize = 64;

const LIST_HINT: &str =
    "`testudo user list` shows the people; a person is named by the name of the account or by `sub`";

pub(super) const GROUP_HINT: &str = "write a plain name such as `auditors`; a group of a provider, `PROVIDER/GROUP`, is changed at the provider";

/// The warning if a removed person can sign in again by an account at a provider.
const WILL_RETURN: &str = "the person has an account at a provider: if the provider still lets the person in, the next sign-in creates a \
                           new account; lock an account to keep its person out";

/// The account that an administrator named, also if it is removed.
pub fn known(named: &str, found: Option<Versioned<Person>>) -> Result<Versioned<Person>, NotDone> {
    found.ok_or_else(|| NotDone::not_found(format!("no person is named {named:?}"), LIST_HINT))
}

/// The account that an administrator named, which must not be removed.
pub fn existing(named: &str, found: Option<Versioned<Person>>) -> Result<Versioned<Person>, NotDone> {
    let person = known(named, found)?;
    match person.record.state {
        PersonState::Active | PersonState::Locked => Ok(person),
        PersonState::Removed => Err(NotDone::not_found(
            format!("the account {named} was removed"),
            LIST_HINT,
        )),
    }
}

/// Locks an account. Its sessions end, and nothing that the person granted can be used.
pub fn lock(order: &Order<'_>, person: &Versioned<Person>) -> Decided {
    let locked = Person {
        state: PersonState::Locked,
        sessions_from: person.record.sessions_end(order.now),
        ..person.record.clone()
    };
    let done = format!("{}: locked", person.record.label());
    set_state(order, person, &locked, EventKind::PersonLocked, done)
}

/// Unlocks an account. The person signs in again; what the person granted before can be used again.
pub fn unlock(order: &Order<'_>, person: &Versioned<Person>) -> Decided {
    let unlocked = Person {
        state: PersonState::Active,
        ..person.record.clone()
    };
    let done = format!("{}: unlocked", person.record.label());
    set_state(order, person, &unlocked, EventKind::PersonUnlocked, done)
}

fn set_state(
    order: &Order<'_>,
    person: &Versioned<Person>,
    changed: &Person,
    kind: EventKind,
    done: String,
) -> Decided {
    match person.record.state == changed.state {
        true => Decided::nothing(done),
        false => replaced(person, changed, about(order, kind, changed.id), done),
    }
}

/// Adds the person to a group of this server.
pub fn add_group(order: &Order<'_>, person: &Versioned<Person>, group: &str) -> Result<Decided, NotDone> {
    if !is_group(group) {
        let problem = format!("{group:?} is not the name of a group of this server");
        return Err(NotDone::refused(problem, Some(GROUP_HINT)));
    }
    let done = format!("{}: in the group {group}", person.record.label());
    let mut groups = person.record.groups.clone();
    if groups.iter().any(|known| known == group) {
        return Ok(Decided::nothing(done));
    }
    if groups.len() >= GROUPS_MAX {
        let problem = format!("{} is in {GROUPS_MAX} groups already", person.record.label());
        return Err(NotDone::refused(problem, None));
    }
    groups.push(group.to_owned());
    Ok(with_groups(
        order,
        person,
        groups,
        format!("added to {group}"),
        done,
    ))
}

/// Removes the person from a group of this server.
pub fn remove_group(order: &Order<'_>, person: &Versioned<Person>, group: &str) -> Decided {
    let done = format!("{}: not in the group {group}", person.record.label());
    let mut groups = person.record.groups.clone();
    groups.retain(|known| known != group);
    if groups.len() == person.record.groups.len() {
        return Decided::nothing(done);
    }
    with_groups(order, person, groups, format!("removed from {group}"), done)
}

fn with_groups(
    order: &Order<'_>,
    person: &Versioned<Person>,
    groups: Vec<String>,
    detail: String,
    done: String,
) -> Decided {
    let changed = Person {
        groups,
        ..person.record.clone()
    };
    let mut event = about(order, EventKind::PersonGroupsChanged, person.record.id);
    event.detail = Some(detail);
    replaced(person, &changed, event, done)
}

/// True for a name that no group of a provider can have, on one line, without blanks at its ends.
pub fn is_group(text: &str) -> bool {
    let is_line = text.trim() == text && !text.chars().any(|one| one.is_control() || one == '/');
    is_line && (1..=GROUP_CHARACTERS_MAX).contains(&text.chars().count())
}

/// Records that name the person, at the versions that were read.
#[derive(Debug, Clone, Default)]
pub struct Traces {
    /// Which person has the name of the account.
    pub name: Option<Versioned<PersonName>>,
    /// To which person the accounts at providers belong.
    pub links: Vec<Versioned<PersonLink>>,
    /// Invitations that were not used.
    pub invitations: Vec<Versioned<Invitation>>,
}

/// Removes an account: its data is erased, and no sign-in leads to it. Sessions, grants and consents lead to no active
/// account from this batch on; the server deletes their records after it.
pub fn remove(order: &Order<'_>, person: &Versioned<Person>, traces: &Traces) -> Decided {
    let done = format!("{}: removed, and its data erased", person.record.label());
    if person.record.state == PersonState::Removed {
        return Decided::nothing(done);
    }
    let mut batch = Batch::default();
    batch.replace(&person.record.erased(order.now), person.version);
    if let Some(name) = &traces.name {
        batch.delete(&name.record, name.version);
    }
    for link in &traces.links {
        batch.delete(&link.record, link.version);
    }
    for invitation in &traces.invitations {
        batch.delete(&invitation.record, invitation.version);
    }
    let event = about(order, EventKind::PersonRemoved, person.record.id);
    Decided {
        warning: (!person.record.links.is_empty()).then_some(WILL_RETURN),
        ..Decided::change(Audited::new(batch, event), done)
    }
}

fn replaced(person: &Versioned<Person>, changed: &Person, event: Event, done: String) -> Decided {
    let mut batch = Batch::default();
    batch.replace(changed, person.version);
    Decided::change(Audited::new(batch, event), done)
}

/// An event about a person. It has the `sub` and never a name or an address: events are kept after the account is erased.
pub(super) fn about(order: &Order<'_>, kind: EventKind, person: PersonId) -> Event {
    let mut event = order.event(kind);
    event.person = Some(person.sub());
    event
}
