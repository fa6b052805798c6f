//! A code ends because its redemption was refused before it could be decided: the client did not authenticate, or is not
//! admitted. The sender may have stolen the code, and must not try again with another identity or verifier.

use super::occasion::Occasion;
use crate::decision::{Decision, Moment, Resolution};
use crate::grants::burnt;
use crate::people::PresentedSecret;
use crate::records::{AuthorizationCode, Conflict, Loaded, Needs};
use crate::rejection::Rejection;
use crate::trace::Trace;

/// A code whose redemption was refused.
#[derive(Debug, Clone, Copy)]
pub struct BurnCode {
    /// The code.
    pub code: PresentedSecret,
}

impl Occasion for BurnCode {
    type Outcome = ();

    fn needs(&self) -> Needs<'_> {
        Needs::one::<AuthorizationCode>(self.code.digest.key())
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        _at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<()>, Rejection> {
        Ok(Decision {
            batch: burnt(&self.code, loaded),
            ..Decision::of(())
        })
    }

    /// Another request redeemed the code or burnt it at the same moment.
    fn conflict(&self, _on: &Conflict) -> Resolution {
        Resolution::Again
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::tests::world::{World, code, refresh_token, web};
    use crate::records::Kind;
    use crate::rejection::{GrantReason, Presented};

    fn burn(world: &mut World, text: &str) {
        let code = PresentedSecret::parse(text).unwrap();
        world.settle(&BurnCode { code }).unwrap();
    }

    // Row RF-87.
    #[test]
    fn code_that_was_burnt_cannot_be_redeemed() {
        let mut world = World::new();
        burn(&mut world, &"A".repeat(86));
        assert_eq!(world.count(Kind::AuthorizationCode), 1, "another code");
        burn(&mut world, &code());
        assert_eq!(world.count(Kind::AuthorizationCode), 0);
        let refusal = world.redeem(&web(), "").unwrap_err();
        assert_eq!(refusal, GrantReason::GrantUnknown(Presented::Code).into());
    }

    #[test]
    fn code_that_was_redeemed_is_kept_and_its_tokens_stay_valid() {
        let mut world = World::new();
        let token = refresh_token(&world.redeem(&web(), "").unwrap());
        burn(&mut world, &code());
        assert!(world.refresh(&web(), &token, "").is_ok());
        let refusal = world.redeem(&web(), "").unwrap_err();
        assert_eq!(
            refusal,
            GrantReason::CodeUsed.into(),
            "the second redemption is not detected"
        );
    }
}
