//! Hints for the status of verifiable credentials.

use crate::rejection::StatusReason;
use std::borrow::Cow;

pub(in crate::rejection) fn of_status(reason: &StatusReason) -> Cow<'static, str> {
    match reason {
        StatusReason::Missing => {
            "the issuer must set a status of Token Status List or Bitstring Status List; if it revokes no credentials, set status = \"if_present\" of its entry".into()
        }
        StatusReason::ForeignList { .. } => {
            "if the issuer publishes its lists there, add the origin (https://HOST) to `status_origins` of its entry".into()
        }
        StatusReason::Revoked { .. } => "the client must get a new credential from the issuer".into(),
        StatusReason::Suspended { .. } => {
            "the client must ask the issuer why, and wait until it removes the suspension".into()
        }
        StatusReason::ApplicationSpecific { .. } | StatusReason::Unassigned { .. } => {
            "ask the issuer what the value means: this server accepts only the status 0 (valid)".into()
        }
        StatusReason::OutOfRange { .. } | StatusReason::OtherPurpose { .. } => {
            "the issuer must correct the status that it sets in its credentials, or the list".into()
        }
        StatusReason::ListRefused { .. } => {
            "the issuer must publish the list at this URL, signed with a key that `jwks` of its entry has; curl shows what is there".into()
        }
        StatusReason::ListUnavailable { .. } => {
            "try the URL with curl from this machine; with status_max_stale, an earlier list is used for a time".into()
        }
    }
}
