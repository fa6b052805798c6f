//! Hints for sign-ins.

use crate::rejection::SignInReason;
use std::borrow::Cow;

pub(in crate::rejection) fn of_sign_in(reason: &SignInReason) -> Cow<'static, str> {
    match reason {
        SignInReason::AccountNotActive => "an administrator can unlock an account that was locked",
        SignInReason::NameNotListed => "add the name to login.development, or use a name of the page",
        SignInReason::TooManySignIns { .. } => {
            "if people share this address, for example behind a proxy, add the proxy to server.proxy.trusted"
        }
    }
    .into()
}
