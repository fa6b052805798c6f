//! Lists of records that belong to people, page by page.

use super::paging;
use super::reply::ErrorAnswer;
use super::users;
use crate::person_records::{accounts_of, part_of};
use crate::state::app::App;
use crate::state::refused::RefusedRecord;
use std::num::NonZeroU32;
use testudo_core::people::PersonId;
use testudo_core::records::{Person, Record};
use testudo_store::typed;

/// What is to be listed.
pub(super) struct Wanted<'a> {
    /// `session` or `grant`, for records that cannot be read.
    pub(super) kind: &'static str,
    /// Name of the account, or `sub` of the person: only records of this person.
    pub(super) user: Option<&'a str>,
    pub(super) after: Option<&'a str>,
    pub(super) limit: Option<NonZeroU32>,
}

/// The entries of a page, and the value of `after` for the next one. `entry` makes an entry of a record and the account of
/// its person, or leaves the record out. A record that cannot be read is left out too, and shown by `status`.
pub(super) async fn page_of<R: Record, V>(
    app: &App,
    wanted: Wanted<'_>,
    person_of: fn(&R) -> PersonId,
    entry: impl Fn(R, Option<&Person>) -> Option<V>,
) -> Result<(Vec<V>, Option<String>), ErrorAnswer> {
    let person = match wanted.user {
        Some(user) => Some(users::find(app, user).await?.record.id),
        None => None,
    };
    let size = paging::size(wanted.limit);
    let mut after = paging::start(wanted.after);
    let mut entries = Vec::new();
    loop {
        let part = part_of(app, R::KIND, person, &after).await?;
        if let Some(last) = part.stored.last() {
            after.clone_from(&last.key);
        }
        let mut read = Vec::with_capacity(part.stored.len());
        for stored in part.stored {
            let key = stored.key.clone();
            match typed::<R>(stored) {
                Ok(found) => read.push(found.record),
                Err(fault) => {
                    app.note_refused_of_people(&RefusedRecord::of_people(wanted.kind, &key, &fault));
                }
            }
        }
        let accounts = accounts_of(app, read.iter().map(person_of).collect()).await?;
        for record in read {
            let (key, person) = (record.key(), person_of(&record));
            entries.extend(entry(record, accounts.get(&person)));
            if entries.len() == size {
                return Ok((entries, Some(hex::encode(key))));
            }
        }
        if part.is_last {
            return Ok((entries, None));
        }
    }
}
