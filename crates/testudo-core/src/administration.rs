//! Who may use the admin API over HTTP, and for what.
//!
//! Three things must agree, at every request: the identity is listed in the configuration, its token carries the
//! scope value, and the rule that governs the identity today still gives that value. Whether the identity stands
//! (enabled, not blocked, not frozen) is judged by the same functions as for any request, before this.

use crate::identity::AttestedIdentity;
use crate::rules::Pattern;
use crate::rules::Rule;
use std::fmt;
use testudo_protocol::oauth::ScopeSet;

/// Scope value of a token that may look.
pub const SCOPE_READ: &str = "admin.read";
/// Scope value of a token that may change things, and look.
pub const SCOPE_WRITE: &str = "admin.write";

/// What an operation of the admin API does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// It shows.
    Read,
    /// It changes something, here or elsewhere.
    Write,
}

impl Access {
    /// The scope value that it needs.
    pub fn scope(self) -> &'static str {
        match self {
            Access::Read => SCOPE_READ,
            Access::Write => SCOPE_WRITE,
        }
    }

    /// True where a set of scope values gives this access: `admin.write` implies `admin.read`.
    fn is_given_by(self, scope: &ScopeSet) -> bool {
        scope.iter().any(|value| match self {
            Access::Read => [SCOPE_READ, SCOPE_WRITE].contains(&value.as_str()),
            Access::Write => value.as_str() == SCOPE_WRITE,
        })
    }
}

/// Whom the configuration lists. Replaced by a reload.
#[derive(Debug, Clone, Default)]
pub struct Administration {
    /// May read and write.
    pub administrators: Vec<Pattern>,
    /// May read.
    pub auditors: Vec<Pattern>,
}

/// Why an identity may not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAllowed {
    /// Neither an administrator nor an auditor.
    NotListed,
    /// Auditors do not change anything.
    ListedToRead,
    /// Its token lacks the scope value.
    TokenLacksScope,
    /// The rule that governs it today does not give the scope value any more.
    RuleLacksScope,
}

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotAllowed::NotListed => {
                "the identity is listed in neither admin.administrators nor admin.auditors"
            }
            NotAllowed::ListedToRead => "the identity is an auditor: auditors may look and change nothing",
            NotAllowed::TokenLacksScope => {
                "the token does not carry the scope value that this operation needs"
            }
            NotAllowed::RuleLacksScope => {
                "the rule that governs the identity does not list the scope value that this operation needs"
            }
        })
    }
}

impl Administration {
    /// True where neither list names an identity.
    pub fn is_empty(&self) -> bool {
        self.administrators.is_empty() && self.auditors.is_empty()
    }

    /// Judges one operation.
    pub fn judge(
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
        let judge = |id: &str, access| {
            let authority = Authority::of_identity(id).unwrap();
            let proof = Proof::until(Timestamp(0));
            let identity = AttestedIdentity::proven(authority, id, CredentialKind::JwtSvid, proof);
            administration.judge(&identity, access, &scope, &rule)
        };
        assert_eq!(judge("ci:ops/deploy", Access::Write), Ok(()));
        assert_eq!(judge("ci:dev/deploy", Access::Read), Err(NotAllowed::NotListed));
        assert_eq!(
            judge("spiffe://ci/ops/deploy", Access::Read),
            Err(NotAllowed::NotListed)
        );
        assert_eq!(
            judge("spiffe://a.example/audit/x", Access::Write),
            Err(NotAllowed::ListedToRead)
        );
    }
}
