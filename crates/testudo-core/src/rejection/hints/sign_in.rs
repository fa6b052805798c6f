//! Hints for sign-ins.

use super::passkey::of_passkey;
use crate::rejection::SignInReason;
use std::borrow::Cow;

pub(in crate::rejection) fn of_sign_in(reason: &SignInReason) -> Cow<'static, str> {
    match reason {
        SignInReason::AccountNotActive => "an administrator can unlock an account that was locked",
        SignInReason::AccountOfAnotherPerson => {
            "`testudo user list` shows which person has the account at the provider"
        }
        SignInReason::NotSignedIn | SignInReason::SignInTooLongAgo => "the person signs in and tries again",
        SignInReason::Passkey(reason) => return of_passkey(reason),
        SignInReason::PersonNotAllowed { .. } => {
            "allow of the provider lists the claims that the people of this server have; the value must be equal and of the same type"
        }
        SignInReason::ProviderFailed { .. } => {
            "`testudo doctor` fetches the metadata of each provider; check client_id, client_secret and the redirect URI that is registered there"
        }
        SignInReason::ProviderUnknown => "the provider was removed from login.providers meanwhile, or the URL is wrong",
        SignInReason::RefusedByProvider { .. } => {
            "the person did not sign in there, or the provider does not accept the client_id, the scopes or the redirect URI of this server"
        }
        SignInReason::ResponseRefused { .. } => {
            "if the provider sends another iss than its metadata states, it must be repaired there; else it is an attack (mix-up)"
        }
        SignInReason::TokenRefused { .. } => {
            "check issuer and client_id of the provider, the clocks of both servers, and claims.groups"
        }
        SignInReason::TooManyProviders => "the person has ten accounts at providers",
        SignInReason::NameNotListed => "add the name to login.development, or use a name of the page",
        SignInReason::TooManySignIns { .. } => {
            "if people share this address, for example behind a proxy, add the proxy to server.proxy.trusted"
        }
    }
    .into()
}
