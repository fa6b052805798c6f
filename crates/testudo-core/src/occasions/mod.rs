//! Occasions: the kinds of request in which an identity becomes a client, or a client changes.
//!
//! Each file decides one kind of request with the steps of `admission/`, as an [`Occasion`]. It does no IO; everything
//! that has to be written is in its decision.
//!
//! The checks, in order. Steps 1 to 4 ([`govern`](crate::admission::governed::govern)) need no record; after them the
//! server loads the records that the occasion needs, and `decide` runs steps 5 to 10. Step 11 is the batch of the
//! decision, which the server writes before it answers.
//!
//! | # | check | pushed request | token | by evidence | without evidence | management |
//! |---|---|---|---|---|---|---|
//! | 1 | the authority is enabled | yes | yes | yes | yes | yes |
//! | 2 | the identity is not blocked | yes | yes | yes | yes | yes |
//! | 3 | a rule governs | its own | its own | its own | the sponsor's, or that of `registration.open` | as without evidence |
//! | 4 | credential accepted, client id not reserved | yes | yes | every piece of evidence (`showing`) | yes | yes |
//! | 5 | `client_id`, if sent, is the client's | yes | yes | yes | must not be sent | checked when the body is parsed |
//! | 6 | the client is not frozen | known | known | known | – | always, after the registration access token was checked |
//! | 6 | the credential is the registered one | known | known | – | – | – |
//! | 7 | first use is on | unknown | unknown | – | – | – |
//! | 8 | the metadata resolves | unknown | unknown | yes | yes | replacement |
//! | 9 | the grant is allowed | yes | yes | – | – | – |
//! | 10 | the rate limits are not exceeded (`Decision::limits`) | unknown | unknown | new or changed | yes | replacement |
//! | 11 | written | always | unknown; known with single use or records of the grant | yes | yes | if something changes |
//!
//! Step 11 checks quota, absence, version and single use in the store. "Known" means that the client exists and its
//! lifetime has not ended. A new check is one line in `decide` of the occasion, in this order, and one cell here.

mod admitted;
#[cfg(test)]
mod allocations;
pub mod authorize;
pub mod burn_code;
mod caller;
pub mod ceremonies;
mod credential_client;
pub mod grant_end;
pub mod introspect;
pub mod manage;
mod named_token;
mod observed;
mod occasion;
pub mod passkeys;
pub mod push;
pub mod register;
pub mod registered;
pub mod revoke_token;
pub mod revoked;
pub mod sessions;
pub mod showing;
pub mod sign_in;
pub mod token;
pub mod unattested;
pub mod without_secret;

pub use caller::Caller;
pub use named_token::{NamedAccessToken, NamedToken};
pub use occasion::Occasion;
