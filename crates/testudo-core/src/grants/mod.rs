//! The grants of the token endpoint.
//!
//! A grant is a file with a struct that implements [`Grant`](grant::Grant), and a row in the table of supported grants.
//! Code that all grants share is in other files: whether the client may use the grant (`requester`), lifetime and
//! binding of the token (`binding`), and the parameters `scope` and `resource` (`scope_and_resource`).

mod binding;
mod client_credentials;
mod code;
mod grant;
mod granted;
mod person;
mod refresh;
mod requester;
mod scope_and_resource;

#[cfg(test)]
pub(crate) mod tests;

pub use binding::{BEARER, Binding, DPOP};
pub use client_credentials::ClientCredentials;
pub use code::CodeGrant;
pub(crate) use code::burnt;
pub use grant::Refusal;
pub use granted::{Granted, Members, OfPerson};
pub(crate) use person::{
    allowed_to_client, binding_of_refresh, conflict_of_person, consent_of, ended, with_consent,
};
pub use refresh::RefreshGrant;
pub use requester::Requester;
pub use scope_and_resource::ScopeAndResource;
pub(crate) use scope_and_resource::{must_be_within, resources_of_rule};

use crate::decision::Moment;
use crate::decision::Resolution;
use crate::people::PresentedSecret;
use crate::records::{Batch, Conflict, Loaded, Needs};
use crate::rejection::{Rejection, RequestReason};
use grant::{Allowed, Grant};
#[cfg(test)]
use tests::Ticket;
use testudo_protocol::oauth::Form;

/// A supported grant.
struct Served {
    name: &'static str,
    /// Reads its parameters in a token request.
    parse: fn(&Form) -> Result<GrantRequest, Rejection>,
    /// The request that an event records.
    recorded: fn(ScopeAndResource) -> Option<GrantRequest>,
}

/// One row per grant: its documentation and its struct. A row may be limited to some builds.
macro_rules! grants {
    ($($(#[doc = $documentation:literal])* $(#[cfg($when:meta)])? $grant:ident;)*) => {
        /// A grant request, parsed.
        #[derive(Debug, Clone)]
        pub enum GrantRequest {
            $($(#[doc = $documentation])* $(#[cfg($when)])? $grant($grant),)*
        }

        const SERVED: &[Served] = &[
            $($(#[cfg($when)])? Served {
                name: <$grant>::NAME,
                parse: |form| <$grant>::parse(form).map(GrantRequest::$grant),
                recorded: |asked| <$grant>::recorded(asked).map(GrantRequest::$grant),
            },)*
        ];

        impl GrantRequest {
            /// The grant's name in `grant_type` and in a rule's `grant_types`.
            pub fn name(&self) -> &'static str {
                match self {
                    $($(#[cfg($when)])? GrantRequest::$grant(_) => <$grant>::NAME,)*
                }
            }

            /// Adds the grant's own records that it needs.
            pub fn needs<'n>(&'n self, needs: Needs<'n>) -> Needs<'n> {
                match self {
                    $($(#[cfg($when)])? GrantRequest::$grant(grant) => grant.needs(needs),)*
                }
            }

            /// How a conflict of the grant's own records is resolved; `None` for other records.
            pub fn conflict(&self, on: &Conflict) -> Option<Resolution> {
                match self {
                    $($(#[cfg($when)])? GrantRequest::$grant(grant) => grant.conflict(on),)*
                }
            }

            /// What is written if the request is refused, for whatever reason.
            pub fn given_up(&self, loaded: &Loaded<'_>) -> Batch {
                match self {
                    $($(#[cfg($when)])? GrantRequest::$grant(grant) => grant.given_up(loaded),)*
                }
            }

            /// Requested scope and resource, for events.
            pub fn asked(&self) -> &ScopeAndResource {
                match self {
                    $($(#[cfg($when)])? GrantRequest::$grant(grant) => grant.asked(),)*
                }
            }

            fn allowed(
                &self,
                requester: &Requester<'_>,
                loaded: &Loaded<'_>,
                at: &Moment<'_>,
            ) -> Result<Allowed, Refusal> {
                match self {
                    $($(#[cfg($when)])? GrantRequest::$grant(grant) => grant.decide(requester, loaded, at),)*
                }
            }
        }
    };
}

// [RFC9700 §2.4] The password grant must never be added.
grants! {
    /// The client acts for itself. [RFC6749 §4.4]
    ClientCredentials;
    /// The client acts for a person, who was asked at the authorization endpoint. [RFC6749 §4.1]
    CodeGrant;
    /// The client continues to act for a person. [RFC6749 §6]
    RefreshGrant;
    /// A grant with a record of its own, for tests.
    #[cfg(test)]
    Ticket;
}

/// Names of the grants that the token endpoint supports.
pub fn served() -> impl Iterator<Item = &'static str> {
    SERVED.iter().map(|grant| grant.name)
}

/// True if the token endpoint supports the grant. A client may register other grants, but cannot use them.
pub fn is_served(name: &str) -> bool {
    served().any(|served| served == name)
}

/// True if a client can use the grant only after a person was asked at the authorization endpoint.
pub fn is_of_people(name: &str) -> bool {
    [CodeGrant::NAME, RefreshGrant::NAME].contains(&name)
}

/// True if a client can use the grant at this server. Where people cannot sign in, no client gets a code or a refresh token.
pub fn is_offered(name: &str, people_sign_in: bool) -> bool {
    is_served(name) && (people_sign_in || !is_of_people(name))
}

impl GrantRequest {
    /// The code of the request. It must end if the request is refused, also before the request is decided.
    pub fn code(&self) -> Option<PresentedSecret> {
        match self {
            GrantRequest::CodeGrant(grant) => grant.code(),
            GrantRequest::ClientCredentials(_) | GrantRequest::RefreshGrant(_) => None,
            #[cfg(test)]
            GrantRequest::Ticket(_) => None,
        }
    }

    /// Parses the grant and its parameters in a token request.
    pub fn parse(form: &Form) -> Result<GrantRequest, Rejection> {
        let name = form.get("grant_type").ok_or(RequestReason::MissingGrantType)?;
        let served = SERVED.iter().find(|grant| grant.name == name);
        let grant = served.ok_or_else(|| RequestReason::UnsupportedGrantType {
            found: name.to_owned(),
        })?;
        (grant.parse)(form)
    }

    /// The request that an event records with the name of its grant, scope and resource. `None` if this version does
    /// not support the grant, or if the request cannot be decided with what an event contains.
    pub fn recorded(name: &str, asked: ScopeAndResource) -> Option<GrantRequest> {
        let served = SERVED.iter().find(|grant| grant.name == name)?;
        (served.recorded)(asked)
    }

    /// Step 9 of admission: whether this client may make this request. Changes of the grant's own records are in the
    /// batch.
    pub fn decide(
        &self,
        requester: Requester<'_>,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
    ) -> Result<(Granted, Batch), Refusal> {
        requester.may_use(self.name())?;
        let binding = Binding::check(&requester)?;
        let allowed = self.allowed(&requester, loaded, at)?;
        let life = requester.token_lifetime(at.policy.tokens.access_token_lifetime, at.now);
        let life = match &binding {
            Some(binding) => binding.limited(life, &requester, at.now),
            None => life,
        };
        // [RT-EXPIRATION §5] No access token outlives the authorization.
        let ends = allowed.person.as_ref().and_then(|person| person.ends);
        let granted = Granted {
            registration_limits: requester.registration_limits(&allowed.scope, at.policy)?,
            scope: allowed.scope,
            resource: allowed.resource,
            lifetime: ends.map_or(life, |ends| life.min(ends - at.now)),
            person: allowed.person,
            binding,
            members: allowed.members,
        };
        Ok((granted, allowed.batch))
    }
}
