//! Occasions: the requests at which an identity becomes a client, or a client changes.
//!
//! Each file decides one kind of request over the steps of `admission/`, as an [`Occasion`]: nothing in it waits, and
//! what it wants written is in its decision.
//!
//! The checks, in their order. Steps 1 to 4 ([`govern`](crate::admission::governed::govern)) need no record; with their
//! answer the server loads what the occasion needs, and `decide` goes on with 5 to 10. Step 11 is what the decision
//! says: one batch, which the server writes together with the answer.
//!
//! | # | check | token | by evidence | without evidence | management |
//! |---|---|---|---|---|---|
//! | 1 | the authority is enabled | yes | yes | yes | yes |
//! | 2 | the identity is not blocked | yes | yes | yes | yes |
//! | 3 | a rule governs | its own | its own | the sponsor's, or that of `registration.open` | as without evidence |
//! | 4 | the credential is accepted, the client id is free | yes | every piece of evidence (`showing`) | yes | yes |
//! | 5 | `client_id`, if sent, is the client's | yes | yes | none may be sent | checked where the body is parsed |
//! | 6 | the client is not frozen | known | known | – | always, after the registration access token opened it |
//! | 6 | the credential is the registered one | known | – | – | – |
//! | 7 | first use is on | unknown | – | – | – |
//! | 8 | the metadata resolves | unknown | yes | yes | replacement |
//! | 9 | the grant is allowed | yes | – | – | – |
//! | 10 | velocity has room (`Decision::limits`) | unknown | new or changed | yes | replacement |
//! | 11 | written: quota, absence, version and single use, judged by the store | unknown; known where the credential is single-use | yes | yes | where something changes |
//!
//! "Known" is a client that exists and whose lifetime is not over. A check that is added to an occasion is one line in
//! its `decide`, in this order, and one cell here.

pub mod manage;
mod observed;
mod occasion;
pub mod register;
pub mod registered;
pub mod showing;
pub mod token;
pub mod unattested;

pub use occasion::Occasion;
