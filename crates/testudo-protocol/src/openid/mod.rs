//! OpenID Connect, as a relying party needs it to let people sign in with their accounts at a provider: the provider's
//! metadata, its response, its tokens. [OIDCC §3.1]
//!
//! Only the code flow with PKCE, `nonce` and `state` is used. UserInfo is not read: all claims are those of the ID token,
//! which the provider signs.

mod id_token;
mod provider;
mod provider_response;
mod token_answer;

pub use id_token::{GroupsError, IdTokenError, IdTokenExpectation, VerifiedIdToken, group_names};
pub use provider::ProviderMetadata;
pub use provider_response::{ProviderResponse, ProviderResponseError};
pub use token_answer::{TokenAnswer, TokenAnswerError};
