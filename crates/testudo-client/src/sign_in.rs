//! A person signs in, so that the client gets tokens of this person. [RFC6749 §4.1] [RFC9126] [RFC7636]

use crate::answers::{read_pushed, read_tokens};
use crate::dpop::random;
use crate::exchange::{Endpoint, url_of};
use crate::{ClientError, Credentials, PersonTokens, TokenClient};
use aws_lc_rs::constant_time;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;
use testudo_protocol::base64url;
use testudo_protocol::oauth::GRANT_AUTHORIZATION_CODE;
use testudo_protocol::oauth::metadata::AuthorizationServerMetadata;
use testudo_protocol::oauth::pkce::{CodeVerifier, METHOD_S256};
use testudo_protocol::printable::excerpt;
use url::Url;

/// A sign-in that was started and has not ended. It belongs to one browser: keep it with the session of this browser, as
/// the value of a cookie names it. If any browser could finish it, an attacker could sign a person in as the attacker.
/// [RFC6749 §10.12]
pub struct SignIn {
    address: Url,
    client_id: String,
    redirect_uri: String,
    state: String,
    verifier: CodeVerifier,
    open_within: Option<Duration>,
}

impl SignIn {
    /// The address to which the browser of the person is sent.
    pub fn address(&self) -> &Url {
        &self.address
    }

    /// How soon after the start the browser must open the address, if the request was pushed.
    pub fn open_within(&self) -> Option<Duration> {
        self.open_within
    }

    /// `state`, which the response repeats: the application can find the sign-in by it.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// True if this query of a request to the redirect URI has the `state` of this sign-in. [RFC6749 §10.12]
    pub(crate) fn is_answered_by(&self, query: &str) -> bool {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.any(|(name, value)| name == "state" && self.has_state(&value))
    }

    fn has_state(&self, state: &str) -> bool {
        constant_time::verify_slices_are_equal(state.as_bytes(), self.state.as_bytes()).is_ok()
    }
}

/// Prints no secret: a caller with the verifier and the code can redeem the code.
impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignIn({} at {})", self.client_id, self.redirect_uri)
    }
}

impl TokenClient {
    /// Starts to sign a person in; the response is sent to `redirect_uri`. The request is pushed if the issuer accepts pushed
    /// requests, so that a client which the issuer does not know registers with its credential. A client without a
    /// credential proves nothing by that, so it pushes only if it must: the person has no short time then to open the
    /// address.
    pub async fn sign_in(&self, redirect_uri: &str) -> Result<SignIn, ClientError> {
        let shown = self.read_credential(false).await?;
        let client_id = self.client_id(&shown)?;
        let metadata = self.metadata().await?;
        let mut address = authorization_endpoint(metadata)?;
        let verifier = CodeVerifier::of_random(&random()?);
        let state = base64url::text(&random::<32>()?);
        let challenge = verifier.challenge().to_string();
        let mut form = vec![
            ("response_type", "code"),
            ("client_id", &client_id),
            ("redirect_uri", redirect_uri),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", METHOD_S256),
        ];
        form.extend(self.wanted());
        let open_within = match self.pushes(metadata) {
            true => {
                let answered = self.ask_as(shown, Endpoint::PushedRequests, &form).await?;
                let pushed = read_pushed(&answered)?;
                let asked = [("client_id", &*client_id), ("request_uri", &*pushed.request_uri)];
                address.query_pairs_mut().extend_pairs(asked);
                pushed.lifetime()
            }
            false => {
                address.query_pairs_mut().extend_pairs(form);
                // [RFC9449 §10] A pushed request has a proof of the key instead.
                if let Some(prover) = &self.prover {
                    address
                        .query_pairs_mut()
                        .append_pair("dpop_jkt", &prover.thumbprint());
                }
                None
            }
        };
        Ok(SignIn {
            address,
            client_id,
            redirect_uri: redirect_uri.to_owned(),
            state,
            verifier,
            open_within,
        })
    }

    fn pushes(&self, metadata: &AuthorizationServerMetadata) -> bool {
        let people = &metadata.people;
        match &self.credentials {
            Credentials::Public => {
                self.must_push || people.require_pushed_authorization_requests == Some(true)
            }
            Credentials::Svids(_) | Credentials::Assertions(_) | Credentials::Attestations(_) => {
                people.pushed_authorization_request_endpoint.is_some()
            }
        }
    }

    /// Ends a sign-in with the response: the query of the request that the browser sent to the redirect URI. The code is
    /// redeemed, and a sign-in can be ended once.
    pub async fn finish_sign_in(&self, sign_in: SignIn, query: &str) -> Result<PersonTokens, ClientError> {
        let code = self.code_of(&sign_in, query).await?;
        self.redeem(sign_in, &code).await
    }

    /// Redeems the code of a sign-in.
    pub(crate) async fn redeem(&self, sign_in: SignIn, code: &str) -> Result<PersonTokens, ClientError> {
        let form = [
            ("grant_type", GRANT_AUTHORIZATION_CODE),
            ("code", code),
            ("redirect_uri", &sign_in.redirect_uri),
            ("code_verifier", sign_in.verifier.as_str()),
            ("client_id", &sign_in.client_id),
        ];
        let answered = self.ask(Endpoint::Token, &form).await?;
        let (access, refresh) = read_tokens(answered)?;
        Ok(PersonTokens::new(sign_in.client_id, access, refresh))
    }

    /// The code of a response to this sign-in.
    pub(crate) async fn code_of(&self, sign_in: &SignIn, query: &str) -> Result<String, ClientError> {
        let mut found = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            // [RFC6749 §3.1]
            if found.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(ClientError::Response("a parameter is in it twice"));
            }
        }
        // [RFC6749 §10.12]
        if !found.get("state").is_some_and(|state| sign_in.has_state(state)) {
            return Err(ClientError::Response("its state is not that of this sign-in"));
        }
        // [RFC9207 §2.4] A code of another issuer must not be sent to this one, nor one of this issuer to another.
        let must_name_issuer = self
            .metadata()
            .await?
            .people
            .authorization_response_iss_parameter_supported;
        match found.get("iss") {
            Some(issuer) if issuer == self.issuer.as_str() => {}
            None if must_name_issuer != Some(true) => {}
            Some(_) => return Err(ClientError::Response("it is of another issuer (iss)")),
            None => return Err(ClientError::Response("it does not name its issuer (iss)")),
        }
        if let Some(error) = found.get("error") {
            let description = found.get("error_description").map(String::as_str);
            return Err(ClientError::SignIn {
                error: excerpt(error).to_string(),
                description: excerpt(description.unwrap_or_default()).to_string(),
            });
        }
        let code = found.remove("code");
        code.ok_or(ClientError::Response("it has neither a code nor an error"))
    }
}

fn authorization_endpoint(metadata: &AuthorizationServerMetadata) -> Result<Url, ClientError> {
    let people = &metadata.people;
    let address = url_of("authorization_endpoint", people.authorization_endpoint.as_deref())?;
    // [OAUTH-2.1 §4.1.1] A server that does not check the verifier lets every holder of the code redeem it.
    let methods = &people.code_challenge_methods_supported;
    if !methods.iter().any(|method| method == METHOD_S256) {
        let problem = format!("code_challenge_methods_supported has no {METHOD_S256}");
        return Err(ClientError::Metadata(problem));
    }
    Ok(address)
}
