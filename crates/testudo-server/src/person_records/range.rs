//! Records in the order of their keys: of one person, or of all people.

use crate::state::app::App;
use testudo_core::people::PersonId;
use testudo_core::records::Kind;
use testudo_store::{LIST_MAX, StoreFault, Stored};

/// A part of the records of a kind, in the order of their keys.
pub(crate) struct Part {
    pub(crate) stored: Vec<Stored>,
    /// True if no record follows.
    pub(crate) is_last: bool,
}

/// At most [`LIST_MAX`] records of a kind with keys above `after`: those of this person, or those of all people. The keys
/// of the kind must begin with the id of the person.
pub(crate) async fn part_of(
    app: &App,
    kind: Kind,
    person: Option<PersonId>,
    after: &[u8],
) -> Result<Part, StoreFault> {
    let prefix: &[u8] = match &person {
        Some(person) => person.key(),
        None => &[],
    };
    // Keys of a person are longer than the id, so they are above it.
    let after = if after < prefix { prefix } else { after };
    let mut stored = app.store.list(kind, after, LIST_MAX).await?;
    let listed = stored.len();
    stored.retain(|stored| stored.key.starts_with(prefix));
    let is_last = listed < LIST_MAX || stored.len() < listed;
    Ok(Part { stored, is_last })
}
