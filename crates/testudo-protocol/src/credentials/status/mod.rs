//! Status lists: whether a credential was revoked. [TSL] [BITSTRING]
//!
//! Both kinds of list are one array of small numbers, but they count bits from different ends, and use different
//! compressions: a reader of one must never read the other.

mod bitstring;
mod inflate;
mod reference;
mod token_list;

#[cfg(test)]
mod tests;

pub use bitstring::read as read_bitstring_list;
pub use reference::{Purpose, StatusReference};
pub use token_list::{MEDIA_TYPE as TOKEN_LIST_MEDIA_TYPE, read as read_token_list};

use crate::time::{Seconds, Timestamp};
use std::fmt;

/// How far the beginning of a list may be in the future.
const LEEWAY: Seconds = Seconds(30);

/// The end from which the entries of a byte are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BitOrder {
    /// [TSL §4.1] Entry 0 is in the least significant bits.
    LeastFirst,
    /// [BITSTRING §2.2] Entry 0 is the most significant bit.
    MostFirst,
}

/// A verified status list.
#[derive(Clone, PartialEq, Eq)]
pub struct StatusList {
    values: Box<[u8]>,
    bits: u8,
    order: BitOrder,
    /// The purposes of a bitstring list; empty for a token status list.
    purposes: Vec<Purpose>,
    /// When it was issued, if it states that.
    pub issued: Option<Timestamp>,
    /// The list must not be used at or after this time.
    pub expires: Option<Timestamp>,
    /// How long after it was fetched it may be used before it is fetched again.
    pub ttl: Option<Seconds>,
}

impl fmt::Debug for StatusList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatusList({} entries)", self.len())
    }
}

/// What a list states of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The credential is valid.
    Valid,
    /// It is revoked, suspended, or has a value whose meaning is not registered.
    NotValid {
        /// The value in the list.
        value: u8,
    },
    /// The list has no entry with this index.
    OutOfRange,
    /// The list is not for this purpose.
    OtherPurpose,
}

impl StatusList {
    /// Number of entries.
    pub fn len(&self) -> u64 {
        self.values.len() as u64 * 8 / u64::from(self.bits)
    }

    /// The memory that the values need.
    pub fn bytes(&self) -> usize {
        self.values.len()
    }

    /// True if the list has no entry.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value of an entry.
    pub fn value(&self, index: u64) -> Option<u8> {
        let per_byte = u64::from(8 / self.bits);
        let byte = *self.values.get(usize::try_from(index / per_byte).ok()?)?;
        let within = u8::try_from(index % per_byte).ok()?;
        let shift = match self.order {
            BitOrder::LeastFirst => within * self.bits,
            BitOrder::MostFirst => 8 - self.bits - within * self.bits,
        };
        let mask = u8::MAX >> (8 - self.bits);
        Some((byte >> shift) & mask)
    }

    /// What the list states of the entry that the credential refers to.
    pub fn status(&self, reference: &StatusReference) -> Status {
        let index = match reference {
            StatusReference::TokenList { index, .. } if self.order == BitOrder::LeastFirst => *index,
            StatusReference::Bitstring { index, purpose, .. } if self.purposes.contains(purpose) => *index,
            StatusReference::TokenList { .. }
            | StatusReference::Bitstring { .. }
            | StatusReference::Unknown => return Status::OtherPurpose,
        };
        match self.value(index) {
            Some(0) => Status::Valid,
            Some(value) => Status::NotValid { value },
            None => Status::OutOfRange,
        }
    }
}
