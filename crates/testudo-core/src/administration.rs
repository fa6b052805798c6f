//! Who may use the admin API over HTTP, and for what.
//!
//! Every request must meet three conditions: the configuration lists the identity, its token has the scope value, and
//! the rule that governs the identity today still gives this scope value. Before this, the functions of every other
//! request check that the authority is enabled, the identity not blocked and the client not frozen.

use crate::identity::AttestedIdentity;
use crate::rules::Pattern;
use crate::rules::Rule;
use std::fmt;
use testudo_protocol::oauth::ScopeSet;

/// Scope value for read access.
pub const SCOPE_READ: &str = "admin.read";
/// Scope value for read and write access.
pub const SCOPE_WRITE: &str = "admin.write";

/// The access that an operation of the admin API needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// The operation changes nothing.
    Read,
    /// The operation changes something, in this server or in another system.
    Write,
}

impl Access {
    /// The scope value that the access needs.
    pub fn scope(self) -> &'static str {
        match self {
            Access::Read => SCOPE_READ,
            Access::Write => SCOPE_WRITE,
        }
    }

    /// True if the scope values give this access; `admin.write` includes `admin.read`.
    fn is_given_by(self, scope: &ScopeSet) -> bool {
        scope.iter().any(|value| match self {
            Access::Read => [SCOPE_READ, SCOPE_WRITE].contains(&value.as_str()),
            Access::Write => value.as_str() == SCOPE_WRITE,
        })
    }
}

/// The identities that the configuration lists in `[admin]`. A reload replaces the lists.
#[derive(Debug, Clone, Default)]
pub struct Administration {
    /// Identities that may read and write.
    pub administrators: Vec<Pattern>,
    /// Identities that may only read.
    pub auditors: Vec<Pattern>,
}

/// Why an identity may not perform an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAllowed {
    /// The identity is neither an administrator nor an auditor.
    NotListed,
    /// The identity is an auditor, and the operation changes something.
    ListedToRead,
    /// The token of the identity does not have the scope value.
    TokenLacksScope,
    /// The rule that governs the identity today does not give the scope value.
    RuleLacksScope,
}

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotAllowed::NotListed => {
                "the identity is listed in neither admin.administrators nor admin.auditors"
            }
            NotAllowed::ListedToRead => "the identity is an auditor, and auditors may only read",
            NotAllowed::TokenLacksScope => {
                "the token does not have the scope value that this operation needs"
            }
            NotAllowed::RuleLacksScope => {
                "the rule that governs the identity does not list the scope value that this operation needs"
            }
        })
    }
}

impl Administration {
    /// True if both lists are empty.
    pub fn is_empty(&self) -> bool {
        self.administrators.is_empty() && self.auditors.is_empty()
    }

    /// Checks whether an identity may perform an operation.
    pub fn check(
        &self,
        identity: &AttestedIdentity,
        wanted: Access,
        token_scope: &ScopeSet,
        rule: &Rule,
    ) -> Result<(), NotAllowed> {
        let lists = |patterns: &[Pattern]| {
            patterns
                .iter()
                .any(|pattern| pattern.matches(&identity.authority, &identity.subject).is_some())
        };
        match (lists(&self.administrators), lists(&self.auditors), wanted) {
            (true, _, _) | (false, true, Access::Read) => {}
            (false, true, Access::Write) => return Err(NotAllowed::ListedToRead),
            (false, false, _) => return Err(NotAllowed::NotListed),
        }
        if !wanted.is_given_by(token_scope) {
            return Err(NotAllowed::TokenLacksScope);
        }
        if !wanted.is_given_by(&rule.scopes) {
            return Err(NotAllowed::RuleLacksScope);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Authority, CredentialKind, Proof};
    use crate::rules::RuleSpec;
    use testudo_protocol::Timestamp;

    #[test]
    fn admin_write_scope_includes_read_and_no_other_scope_does() {
        let gives = |scope: &str, access: Access| access.is_given_by(&ScopeSet::parse(scope).unwrap());
        assert!(gives("admin.read", Access::Read) && !gives("admin.read", Access::Write));
        assert!(gives("x admin.write", Access::Read) && gives("admin.write", Access::Write));
        for other in [
            "",
            "admin",
            "admin.*",
            "Admin.Write",
            "admin.write.all",
            "orders.read",
        ] {
            assert!(
                !gives(other, Access::Read) && !gives(other, Access::Write),
                "{other}"
            );
        }
    }

    #[test]
    fn administrators_of_any_authority_are_listed_by_identity() {
        let pattern = |text: &str| Pattern::parse(text).unwrap();
        let administration = Administration {
            administrators: vec![pattern("ci:ops/*")],
            auditors: vec![pattern("spiffe://a.example/audit/*")],
        };
        let spec = RuleSpec {
            name: "r".into(),
            scopes: vec![SCOPE_WRITE.into()],
            ..RuleSpec::default()
        };
        let (rule, scope) = (
            Rule::compile_for_client(&spec).unwrap(),
            ScopeSet::parse(SCOPE_WRITE).unwrap(),
        );
        let check = |id: &str, access| {
            let authority = Authority::of_identity(id).unwrap();
            let proof = Proof::until(Timestamp(0));
            let identity = AttestedIdentity::proven(authority, id, CredentialKind::JwtSvid, proof);
            administration.check(&identity, access, &scope, &rule)
        };
        assert_eq!(check("ci:ops/deploy", Access::Write), Ok(()));
        assert_eq!(check("ci:dev/deploy", Access::Read), Err(NotAllowed::NotListed));
        assert_eq!(
            check("spiffe://ci/ops/deploy", Access::Read),
            Err(NotAllowed::NotListed)
        );
        assert_eq!(
            check("spiffe://a.example/audit/x", Access::Write),
            Err(NotAllowed::ListedToRead)
        );
    }
}
