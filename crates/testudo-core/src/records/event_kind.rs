//! The kinds of audit events, one row for each. The enum, the names and the reference are generated from the table.

use serde::{Deserialize, Serialize};

/// What an event of a kind means for the request or the server that caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventClass {
    /// A client was registered, changed or removed. If a request of the client caused this, the request was granted.
    Granted,
    /// A request was refused.
    Refused,
    /// A key, bundle, certificate, record or configuration of this server cannot be used: an administrator has to look
    /// at it, and the log line has level ERROR. Refused clients are not failures, since any caller can cause a refusal.
    Failure,
    /// Any other change, mostly by an administrator.
    Other,
}

/// Rows: variant, name, class, what it means.
macro_rules! kinds {
    ($($variant:ident, $name:literal, $class:ident, $meaning:literal;)*) => {
        /// The kinds of audit events.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        pub enum EventKind {
            $(#[doc = $meaning] #[serde(rename = $name)] $variant,)*
        }

        impl EventKind {
            /// All kinds.
            pub const ALL: &[EventKind] = &[$(EventKind::$variant,)*];

            /// The name of the kind in events, logs and the admin API. Example: `client.registered`.
            pub fn name(self) -> &'static str {
                match self {
                    $(EventKind::$variant => $name,)*
                }
            }

            /// What an event of this kind means, for the reference.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(EventKind::$variant => $meaning,)*
                }
            }

            /// The class of the kind.
            pub fn class(self) -> EventClass {
                match self {
                    $(EventKind::$variant => EventClass::$class,)*
                }
            }
        }
    };
}

kinds! {
    ClientRegistered, "client.registered", Granted,
        "A client was registered: by the first token request of its identity that was granted, or by a registration request.";
    ClientReturned, "client.returned", Granted,
        "A client that had been removed was registered again. Its `generation` is one higher than before.";
    ClientUpdated, "client.updated", Granted,
        "The record of a client was changed: its metadata, or what it may do.";
    ClientWouldRegister, "client.would_register", Other,
        "A client would have been registered, but `first_use = \"observe\"` holds for it. Written together with the event of the refusal.";
    ClientRefused, "client.refused", Refused,
        "A request was refused. Only a sample of refusals has events: per minute, 20 for each combination of reason, authority and identity prefix, and 200 in all. An event with `count` states how many more refusals of this reason and authority have no event of their own.";
    ClientFrozen, "client.frozen", Other,
        "An administrator, or the server because its credential was revoked, froze a client: its requests are refused until an administrator thaws it.";
    ClientThawed, "client.thawed", Other,
        "An administrator thawed a frozen client: its requests are served again.";
    ClientRemoved, "client.removed", Granted,
        "A client was removed: by an administrator, by the client itself, or by the server because it was idle for too long or its lifetime ended.";
    IdentityBlocked, "identity.blocked", Other,
        "An administrator blocked an identity, a pattern or an authority.";
    IdentityUnblocked, "identity.unblocked", Other,
        "An administrator removed a block.";
    AuthorityDisabled, "authority.disabled", Other,
        "An administrator disabled an authority: its identities are refused.";
    AuthorityEnabled, "authority.enabled", Other,
        "An administrator enabled an authority again.";
    BundleUpdated, "authority.bundle_updated", Other,
        "A bundle of an authority that differs from the one before is in force.";
    BundleStale, "authority.bundle_stale", Failure,
        "The bundle of an authority could not be fetched. The last good bundle is used until its maximum age; after that, the identities of the authority are refused until a fetch succeeds.";
    BundleRolledBack, "authority.bundle_rolled_back", Failure,
        "The source of a bundle offers a lower `spiffe_sequence` than the one before or, with `key_change = \"hold\"`, a key that the document before did not have. That bundle is not put in force.";
    RulesChanged, "rule.changed", Other,
        "A changed configuration was applied. `configuration` states the digests before and after and the names of what was added, removed and changed; `detail` has the same in words, and which settings take effect at the next start. A reload that finds nothing changed writes no event.";
    VelocityLimited, "velocity.limited", Refused,
        "A first use or registration was refused because too many new clients were registered in a short time. Sampled like `client.refused`.";
    QuotaReached, "quota.reached", Refused,
        "A first use or registration was refused because the rule or authority already has `clients_max` clients. Sampled like `client.refused`.";
    KeyCreated, "key.created", Other,
        "A signing key was created.";
    KeyRetired, "key.retired", Other,
        "A signing key is no longer published.";
    KeyRevoked, "key.revoked", Other,
        "An administrator revoked a signing key: tokens that it signed are refused.";
    BundleAccepted, "authority.bundle_accepted", Other,
        "An administrator accepted a bundle that the server had held back.";
    CertificateRenewed, "tls.certificate_renewed", Other,
        "A new TLS certificate of this server is in use.";
    CertificateRefused, "tls.certificate_refused", Failure,
        "A new TLS certificate of this server cannot be used; the earlier certificate stays in force.";
    ConfigurationRefused, "configuration.refused", Failure,
        "The configuration file changed and cannot be used; the earlier configuration stays in force.";
    KeyTakenOver, "key.taken_over", Other,
        "A signing key that an earlier version of this server created was added to the sealed list of signing keys.";
    RecordRefused, "record.refused", Failure,
        "A record in the store cannot be read, or was not written by this server, and is not used.";
    AdminRefused, "admin.refused", Refused,
        "A request to the admin API over HTTP was refused for its access token: the token is missing or not valid, its client is not admitted now, or the token does not permit the operation. Sampled like `client.refused`.";
    StatusListStale, "authority.status_list_stale", Failure,
        "A status list of an issuer of verifiable credentials could not be fetched again in time. The list that was fetched last is used until `status_max_stale` of the issuer is over; after that, credentials that refer to it are refused until a fetch succeeds.";
    StatusUnknown, "authority.status_unknown", Other,
        "A client registered with a verifiable credential that states a status of a kind which this server cannot check, where `status` of the issuer is not `required`: its issuer may have revoked the credential.";
    PersonCreated, "person.created", Other,
        "An account was created: at the first sign-in of a person, or with an invitation.";
    PersonSignedIn, "person.signed_in", Other,
        "A person signed in, and a session began. `detail` states how: `development`, `passkey`, or the name of a provider.";
    PersonLinked, "person.linked", Other,
        "A signed-in person added an account at an OpenID provider, with which they can sign in from then on. `detail` names the provider.";
    ConsentGiven, "consent.given", Granted,
        "A person consented to what a client asks for. `scope` has the scope values that the page listed.";
    ConsentDenied, "consent.denied", Refused,
        "A person refused what a client asks for.";
    GrantRevoked, "grant.revoked", Other,
        "What a person granted to a client was revoked: by the client, by the person, by an administrator, or by the server because a code was redeemed twice. Its tokens are refused at this server.";
    GrantReused, "grant.reused", Refused,
        "A refresh token was used again after its successor: one of them was stolen. All tokens of the grant are refused at this server.";
    PersonLocked, "person.locked", Other,
        "An administrator locked the account of a person: its sessions have ended, and what the person granted cannot be used until an administrator unlocks it.";
    PersonUnlocked, "person.unlocked", Other,
        "An administrator unlocked the account of a person, or invited the person to recover it and the link was used. The person has to sign in again; what the person granted can be used again.";
    PersonRemoved, "person.removed", Other,
        "An administrator removed the account of a person. Its names, links, sessions, grants and consents are erased; `sub` is never used again.";
    PersonGroupsChanged, "person.groups_changed", Other,
        "An administrator added a person to a group of this server, or removed the person from one. `detail` names the group.";
    SessionEnded, "session.ended", Other,
        "One or all sessions of a person were ended before their time.";
    PersonInvited, "person.invited", Other,
        "An administrator made a link with which a person makes a passkey, for a new account or to recover an account. `detail` states which, and the groups that a new account will have.";
    PersonRecovered, "person.recovered", Other,
        "A person used an invitation to recover an account: its earlier passkeys, sessions and accounts at providers have ended, and it has one new passkey. If it was locked when the person was invited, it is unlocked.";
    PasskeyAdded, "passkey.added", Other,
        "A signed-in person added a passkey, with which they can sign in from then on.";
    PasskeyRemoved, "passkey.removed", Other,
        "A signed-in person removed a passkey.";
    PasskeyRefused, "passkey.refused", Refused,
        "A sign-in with a passkey was refused because its signature counter was not higher than at the last sign-in: there may be a copy of the passkey.";
}

impl EventKind {
    /// True for kinds of the class [`EventClass::Failure`].
    pub fn is_failure(self) -> bool {
        self.class() == EventClass::Failure
    }

    /// The kind with this name.
    pub fn of_name(name: &str) -> Option<EventKind> {
        EventKind::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_in_a_record_is_the_name_of_the_kind() {
        for kind in EventKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(EventKind::of_name(kind.name()), Some(*kind));
        }
    }
}
