//! A client revokes a token that it does not need any more. [RFC7009 §2]
//!
//! A refresh token or an access token that a client has for a person leads to what the person granted, and this ends with
//! all tokens of it. An access token that a client got for itself leads to nothing that could end: it is refused as an
//! unsupported type. [RFC7009 §2.2.1]

use super::caller::Caller;
use super::named_token::NamedToken;
use super::occasion::Occasion;
use crate::admission::create::event_of_request;
use crate::decision::{Decision, Moment, Resolution};
use crate::grants::{conflict_of_person, ended};
use crate::identity::CredentialKind;
use crate::people::GrantId;
use crate::records::{Batch, Conflict, EventKind, Grant, Loaded, Needs, RefreshToken, RequestRef};
use crate::rejection::{GrantReason, Rejection};
use crate::trace::Trace;

/// A request of a client to revoke a token.
#[derive(Debug, Clone, Copy)]
pub struct TokenRevocation<'a> {
    /// Who asks.
    pub caller: Caller<'a>,
    /// The token.
    pub token: &'a NamedToken,
    /// For the event.
    pub request: RequestRef<'a>,
}

impl Occasion for TokenRevocation<'_> {
    type Outcome = ();

    fn needs(&self) -> Needs<'_> {
        self.token.needs(self.caller.needs())
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        trace: &mut Trace,
    ) -> Result<Decision<()>, Rejection> {
        let client = self.caller.admit(loaded, at, trace)?;
        let ends = match self.token {
            NamedToken::Refresh(presented) => match loaded.find::<RefreshToken>(presented.digest.key()) {
                Some(_) => self.end(presented.grant, "the client revoked a refresh token", loaded, at)?,
                None => Batch::default(),
            },
            NamedToken::Access(token) => match token.grant {
                Some(grant) => self.end(grant, "the client revoked an access token", loaded, at)?,
                None if token.claims.client_id == self.caller.id(client) => {
                    return Err(GrantReason::TokenNotRevocable.into());
                }
                None => return Err(GrantReason::TokenOfOtherClient.into()),
            },
            // [RFC7009 §2.2] The client wants the token not to be valid, and it is not.
            NamedToken::Unknown => Batch::default(),
        };
        // Any caller can name a public client. With an invented token it ends nothing, and its proof is not marked: otherwise
        // it could fill the store with marks. The proof can be sent again, and ends nothing then either.
        let proved_nothing = self.caller.governed.identity.kind == CredentialKind::Public && ends.is_empty();
        let mut batch = match proved_nothing {
            true => Batch::default(),
            false => self.caller.single_use(),
        };
        batch.extend(ends);
        Ok(Decision {
            batch,
            memory: self.caller.use_of(client),
            ..Decision::of(())
        })
    }

    fn conflict(&self, on: &Conflict) -> Resolution {
        conflict_of_person(on).unwrap_or_else(|| self.caller.conflict(on))
    }
}

impl TokenRevocation<'_> {
    /// Ends the grant. Nothing is written where it has ended already.
    fn end(
        &self,
        grant: GrantId,
        why: &str,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
    ) -> Result<Batch, Rejection> {
        let Some(grant) = loaded.find::<Grant>(grant.key()) else {
            return Ok(Batch::default());
        };
        // [RFC7009 §2.1] A client that was removed and registered again may still end what it had before.
        if !grant.record.client.has_key(&self.caller.governed.client_key) {
            return Err(GrantReason::TokenOfOtherClient.into());
        }
        let mut event = event_of_request(self.caller.governed, self.request, EventKind::GrantRevoked, at);
        event.detail = Some(why.to_owned());
        Ok(ended(grant, event))
    }
}

#[cfg(test)]
mod tests;
