//! The kinds of audit events: one row each. The enum, the names and the reference are made of the table.

use serde::{Deserialize, Serialize};

/// Rows: variant, name, whether it is a failure, what it says.
macro_rules! kinds {
    ($($variant:ident, $name:literal, $is_failure:literal, $says:literal;)*) => {
        /// The audit vocabulary.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        pub enum EventKind {
            $(#[doc = $says] #[serde(rename = $name)] $variant,)*
        }

        impl EventKind {
            /// All kinds.
            pub const ALL: &[EventKind] = &[$(EventKind::$variant,)*];

            /// The name in the vocabulary.
            pub fn name(self) -> &'static str {
                match self {
                    $(EventKind::$variant => $name,)*
                }
            }

            /// What an event of this kind says, for the reference.
            pub fn says(self) -> &'static str {
                match self {
                    $(EventKind::$variant => $says,)*
                }
            }

            /// True where something of ours or of an administrator cannot be used: it has to be looked at, and the log
            /// has it as an error. Refused clients are not among them, since any caller can cause those.
            pub fn is_failure(self) -> bool {
                match self {
                    $(EventKind::$variant => $is_failure,)*
                }
            }
        }
    };
}

kinds! {
    ClientRegistered, "client.registered", false,
        "A client was registered: the first time that its identity was welcome, or by a registration.";
    ClientReturned, "client.returned", false,
        "A client that was removed was registered again; its generation is one more.";
    ClientUpdated, "client.updated", false,
        "A record of a client was changed: its metadata, or what it may do.";
    ClientWouldRegister, "client.would_register", false,
        "A client would have been registered, if its rule did not only observe first uses. Stands beside the event of the refusal.";
    ClientRefused, "client.refused", false,
        "A request was refused. A sample: 20 of a reason, an authority and a prefix of identities, 200 in all, in a minute. With `count`: so many more of this reason and authority have no event of their own.";
    ClientFrozen, "client.frozen", false,
        "An administrator froze a client: it is refused until it is thawed.";
    ClientThawed, "client.thawed", false,
        "An administrator let a frozen client in again.";
    ClientRemoved, "client.removed", false,
        "A client was removed: by an administrator, by itself, or by the sweep because its time was over.";
    IdentityBlocked, "identity.blocked", false,
        "An administrator blocked an identity, a pattern or an authority.";
    IdentityUnblocked, "identity.unblocked", false,
        "An administrator removed a block.";
    AuthorityDisabled, "authority.disabled", false,
        "An administrator disabled an authority: its identities are refused.";
    AuthorityEnabled, "authority.enabled", false,
        "An administrator enabled an authority again.";
    BundleUpdated, "authority.bundle_updated", false,
        "A new bundle of an authority is in force.";
    BundleStale, "authority.bundle_stale", true,
        "A bundle is older than it may be: its authority is refused until a fetch succeeds.";
    BundleRolledBack, "authority.bundle_rolled_back", true,
        "A bundle with a lower sequence than the one before was published, and was not taken.";
    RulesChanged, "rule.changed", false,
        "The configuration was applied again; `reload` says what changed.";
    VelocityLimited, "velocity.limited", false,
        "A first use was refused because too many clients came in a short time. Sampled like `client.refused`.";
    QuotaReached, "quota.reached", false,
        "A first use was refused because the rule has as many clients as it may. Sampled like `client.refused`.";
    KeyCreated, "key.created", false,
        "A signing key was made.";
    KeyRetired, "key.retired", false,
        "A signing key is no longer published.";
    KeyRevoked, "key.revoked", false,
        "A signing key was withdrawn: tokens that it signed are refused.";
    BundleAccepted, "authority.bundle_accepted", false,
        "An administrator accepted a bundle that was held back.";
    CertificateRenewed, "tls.certificate_renewed", false,
        "A new TLS certificate of this server is in force.";
    CertificateRefused, "tls.certificate_refused", true,
        "A new TLS certificate of this server cannot be used; the one before goes on.";
    ConfigurationRefused, "configuration.refused", true,
        "The configuration file changed and cannot be used; what was in force goes on.";
    KeyTakenOver, "key.taken_over", false,
        "Signing keys of an earlier version were taken over into the sealed list.";
    RecordRefused, "record.refused", true,
        "A record of the store cannot be read or is not believed, and is not used.";
}

impl EventKind {
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
