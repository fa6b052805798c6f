//! Invites people: a link with which a person makes a passkey, for a new account or to recover an account.
//!
//! The link contains a random token, which is in no record, event or log: only its SHA-256 is stored.

use super::order::{Audited, Decided, NotDone, Order};
use super::user::{GROUPS_MAX, about, is_group};
use crate::people::PersonId;
use crate::policy::LoginPolicy;
use crate::records::{Batch, EventKind, Invitation, InvitedName, Person, Versioned};
use std::fmt;
use testudo_protocol::Timestamp;
use testudo_protocol::printable::is_hidden;

/// Most invitations that can be open at the same time.
pub const INVITATIONS_MAX: usize = 1_000;

/// The longest name of an account, in characters.
const NAME_CHARACTERS_MAX: usize = 64;

const NO_PASSKEYS_HINT: &str =
    "an invitation is for a passkey: set login.passkeys = true and an issuer whose host is a name";

const NAME_HINT: &str = "write at most 64 characters without blanks and `/`, such as `alice` or `alice@mail.example`; not the `sub` of a person";

const EXISTS_HINT: &str =
    "to let the person make a new passkey, which ends all earlier ways to sign in, add --recover";

const GROUPS_HINT: &str = "`testudo user group add` changes the groups of an account";

/// Whom an administrator invites.
#[derive(Debug, Clone, Copy)]
pub struct Invited<'a> {
    /// The name of a new account; of an account that is recovered, its name or the `sub` of its person.
    pub user: &'a str,
    /// The groups of a new account.
    pub groups: &'a [String],
    /// True if the account exists and is recovered.
    pub is_recovery: bool,
}

/// An invitation that was made.
#[derive(Clone)]
pub struct Made {
    /// What is written, and what is answered.
    pub decided: Decided,
    /// The token of the link. It is nowhere else.
    pub token: String,
    /// When the link ends.
    pub expires: Timestamp,
}

/// Without the token.
impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut made = f.debug_struct("Made");
        made.field("decided", &self.decided)
            .field("expires", &self.expires);
        made.finish_non_exhaustive()
    }
}

/// The records on which an invitation depends.
#[derive(Debug, Default)]
pub struct Found {
    /// The account that is named.
    pub account: Option<Versioned<Person>>,
    /// Which invitation has the name.
    pub invited: Option<Versioned<InvitedName>>,
    /// All invitations.
    pub invitations: Vec<Versioned<Invitation>>,
}

/// Makes an invitation.
///
/// An earlier invitation of the same person or for the same name ends: of several links, only the last one can be used.
pub fn invite(
    order: &Order<'_>,
    wanted: &Invited<'_>,
    found: Found,
    login: Option<&LoginPolicy>,
) -> Result<Made, NotDone> {
    if !login.is_some_and(|login| login.has_passkeys) {
        let problem = "people cannot sign in with passkeys at this server";
        return Err(NotDone::refused(problem, Some(NO_PASSKEYS_HINT)));
    }
    let (token, digest) = Invitation::make_token(order.entropy.secret());
    let expires = order.now + Invitation::LIFETIME;
    let by = order.actor.to_string();
    let mut batch = Batch::default();
    let invitation = match wanted.is_recovery {
        true => {
            let Versioned {
                record: person,
                version,
            } = recoverable(wanted, found.account)?;
            // Of two orders at the same time, at two nodes, neither reads the invitation of the other one. The account has a
            // new version then, so one of them is decided again, and ends the invitation of the other one.
            batch.replace(&person, version);
            Invitation {
                digest,
                name: person.label(),
                groups: Vec::new(),
                person: person.id,
                is_recovery: true,
                unlocks: (!person.is_active()).then_some(person.sessions_from),
                by,
                expires,
            }
        }
        false => {
            let name = free_name(wanted.user, found.account.as_ref())?;
            let invited = InvitedName {
                name: name.clone(),
                digest,
                expires,
            };
            match &found.invited {
                Some(earlier) => batch.replace(&invited, earlier.version),
                None => batch.insert(&invited),
            }
            Invitation {
                digest,
                name,
                groups: checked_groups(wanted.groups)?,
                person: PersonId::of_random(order.entropy.id()),
                is_recovery: false,
                unlocks: None,
                by,
                expires,
            }
        }
    };
    let mut open = 0;
    for earlier in &found.invitations {
        let record = &earlier.record;
        if record.person == invitation.person || record.name == invitation.name {
            batch.delete(record, earlier.version);
        } else if record.expires > order.now {
            open += 1;
        }
    }
    if open >= INVITATIONS_MAX {
        let problem = format!("{INVITATIONS_MAX} invitations are open");
        let hint = "each ends when it is used, or after a day; `testudo user remove` ends that of an account to recover";
        return Err(NotDone::refused(problem, Some(hint)));
    }
    batch.insert(&invitation);
    let mut event = about(order, EventKind::PersonInvited, invitation.person);
    event.detail = Some(described(&invitation));
    let done = format!(
        "{}: invited; the link can be used once, until {expires}",
        invitation.name
    );
    Ok(Made {
        decided: Decided::change(Audited::new(batch, event), done),
        token,
        expires,
    })
}

fn described(invitation: &Invitation) -> String {
    match (invitation.is_recovery, invitation.groups.as_slice()) {
        (true, _) if invitation.unlocks.is_some() => "recovery of a locked account".to_owned(),
        (true, _) => "recovery".to_owned(),
        (false, []) => "new account".to_owned(),
        (false, groups) => format!("new account, groups {}", groups.join(" ")),
    }
}

/// The account that is recovered. A locked one stays locked until the link is used.
fn recoverable(
    wanted: &Invited<'_>,
    account: Option<Versioned<Person>>,
) -> Result<Versioned<Person>, NotDone> {
    let person = super::user::existing(wanted.user, account)?;
    if !wanted.groups.is_empty() {
        let problem = "an account that is recovered keeps its groups";
        return Err(NotDone::refused(problem, Some(GROUPS_HINT)));
    }
    Ok(person)
}

/// The name of a new account: no account has it.
fn free_name(name: &str, account: Option<&Versioned<Person>>) -> Result<String, NotDone> {
    if account.is_some() {
        let problem = format!("an account is named {name:?} already");
        return Err(NotDone::refused(problem, Some(EXISTS_HINT)));
    }
    let is_legal = |one: char| !one.is_whitespace() && !one.is_control() && !is_hidden(one) && one != '/';
    let is_short = (1..=NAME_CHARACTERS_MAX).contains(&name.chars().count());
    // Commands accept a name or a `sub`: a name that is the `sub` of another person would name two accounts.
    match is_short && name.chars().all(is_legal) && PersonId::parse_sub(name).is_none() {
        true => Ok(name.to_owned()),
        false => Err(NotDone::refused(
            format!("{name:?} cannot be the name of an account"),
            Some(NAME_HINT),
        )),
    }
}

fn checked_groups(groups: &[String]) -> Result<Vec<String>, NotDone> {
    let mut checked: Vec<String> = Vec::new();
    for group in groups {
        if !is_group(group) {
            let problem = format!("{group:?} is not the name of a group of this server");
            return Err(NotDone::refused(problem, Some(super::user::GROUP_HINT)));
        }
        if !checked.contains(group) {
            checked.push(group.clone());
        }
    }
    match checked.len() <= GROUPS_MAX {
        true => Ok(checked),
        false => {
            let problem = format!("a person can be in at most {GROUPS_MAX} groups of this server");
            Err(NotDone::refused(problem, None))
        }
    }
}
