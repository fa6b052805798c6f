//! The tokens of a person who signed in, and their renewal. [RFC6749 §6] [RT-EXPIRATION §4]

use crate::answers::read_tokens;
use crate::exchange::Endpoint;
use crate::{AccessToken, ClientError, RefreshToken, TokenClient};
use std::sync::Arc;
use testudo_protocol::oauth::GRANT_REFRESH_TOKEN;

/// The tokens of one person. They say nothing about who the person is: a token is for the API, and the application must not
/// read it.
#[derive(Debug)]
pub struct PersonTokens {
    client_id: String,
    /// Held while a refresh is in flight: a refresh token can be used once.
    held: tokio::sync::Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    access: Option<Arc<AccessToken>>,
    refresh: Option<RefreshToken>,
}

impl PersonTokens {
    pub(crate) fn new(client_id: String, access: AccessToken, refresh: Option<RefreshToken>) -> PersonTokens {
        PersonTokens {
            client_id,
            held: tokio::sync::Mutex::new(Held {
                access: Some(Arc::new(access)),
                refresh,
            }),
        }
    }

    /// Tokens of a refresh token that this client kept.
    pub fn kept(client_id: &str, refresh: RefreshToken) -> PersonTokens {
        PersonTokens {
            client_id: client_id.to_owned(),
            held: tokio::sync::Mutex::new(Held {
                access: None,
                refresh: Some(refresh),
            }),
        }
    }

    /// The id of the client to which they were issued.
    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The refresh token of this moment. `None`: the issuer gave none, or refused the last one.
    pub async fn refresh_token(&self) -> Option<RefreshToken> {
        self.held.lock().await.refresh.clone()
    }
}

impl TokenClient {
    /// An access token of this person that is valid now. It is replaced shortly before it expires.
    ///
    /// # Errors
    ///
    /// [`ClientError::SignInAgain`]: the tokens ended, or the person or an administrator revoked them.
    pub async fn token_of(&self, person: &PersonTokens) -> Result<Arc<AccessToken>, ClientError> {
        let mut held = person.held.lock().await;
        let valid = held.access.clone().filter(|token| !token.remaining().is_zero());
        if let Some(token) = valid.clone().filter(|token| !token.is_due()) {
            return Ok(token);
        }
        let Some(refresh) = held.refresh.clone().filter(|refresh| !refresh.is_over()) else {
            return valid.ok_or(ClientError::SignInAgain);
        };
        match self.refresh(&person.client_id, &refresh).await {
            Ok((access, next)) => {
                let access = Arc::new(access);
                held.access = Some(access.clone());
                // [RFC6749 §6] If the issuer gives no new one, the old one stays.
                held.refresh = next.or(Some(refresh));
                Ok(access)
            }
            Err(refused) if refused.is("invalid_grant") => {
                held.refresh = None;
                valid.ok_or(ClientError::SignInAgain)
            }
            // The access token is still valid, so a failed refresh is no error yet.
            Err(error) => valid.ok_or(error),
        }
    }

    pub(crate) async fn refresh(
        &self,
        client_id: &str,
        refresh: &RefreshToken,
    ) -> Result<(AccessToken, Option<RefreshToken>), ClientError> {
        let form = [
            ("grant_type", GRANT_REFRESH_TOKEN),
            ("refresh_token", refresh.secret()),
            ("client_id", client_id),
        ];
        let answered = self.ask(Endpoint::Token, &form).await?;
        read_tokens(answered)
    }
}
