//! The exchange of the provider's code for an ID token, and its verification. [OIDCC §3.1.3]

use super::authentication::authenticate;
use super::{Begun, redirect_uri};
use crate::config::ProviderSettings;
use crate::fault::Stop;
use crate::pages::visit::Visit;
use testudo_core::rejection::{RequestReason, SignInReason};
use testudo_fetch::Outgoing;
use testudo_protocol::jose::Jws;
use testudo_protocol::oauth::{Form, GRANT_AUTHORIZATION_CODE};
use testudo_protocol::openid::{
    IdTokenExpectation, ProviderMetadata, ProviderResponse, TokenAnswer, VerifiedIdToken,
};
use zeroize::Zeroizing;

/// The verified ID token of the response that the browser brought.
pub(super) async fn id_token(
    visit: &Visit<'_>,
    provider: &ProviderSettings,
    metadata: &ProviderMetadata,
    begun: &Begun,
) -> Result<VerifiedIdToken, Stop> {
    let query = visit.uri.query().unwrap_or_default();
    let mut form = Form::parse(query.as_bytes()).map_err(RequestReason::MalformedForm)?;
    let response = ProviderResponse::parse(&mut form, metadata);
    let response = response.map_err(|why| SignInReason::ResponseRefused {
        provider: provider.name.clone(),
        why,
    })?;
    let code = match response {
        ProviderResponse::Code(code) => code,
        ProviderResponse::Refused { error, description } => {
            return Err(SignInReason::RefusedByProvider {
                provider: provider.name.clone(),
                why: format!("{error}: {description}"),
            }
            .into());
        }
    };
    let answer = redeem(visit, provider, metadata, (begun, &code)).await?;
    verify(visit, provider, metadata, (begun, &answer)).await
}

/// Sends the code to the provider, with the proof that this server began the sign-in.
async fn redeem(
    visit: &Visit<'_>,
    provider: &ProviderSettings,
    metadata: &ProviderMetadata,
    (begun, code): (&Begun, &Zeroizing<String>),
) -> Result<TokenAnswer, Stop> {
    let failed = |why| SignInReason::ProviderFailed {
        provider: provider.name.clone(),
        why,
    };
    let authentication = authenticate(visit.app, provider, metadata).await?;
    let redirect_uri = redirect_uri(visit, &provider.name);
    let mut form = vec![
        ("grant_type", GRANT_AUTHORIZATION_CODE),
        ("code", code.as_str()),
        ("redirect_uri", redirect_uri.as_str()),
        // [RFC7636 §4.5]
        ("code_verifier", begun.verifier.as_str()),
    ];
    form.extend(authentication.parameters());
    let mut request = Outgoing::form(&metadata.token_endpoint, &form);
    request.headers.push(("accept", "application/json"));
    request
        .headers
        .extend(authentication.header().map(|value| ("authorization", value)));
    let (status, body) = visit
        .app
        .memory
        .providers
        .exchange(provider, &request)
        .await
        .map_err(failed)?;
    let answer = TokenAnswer::parse(status, &Zeroizing::new(body));
    Ok(answer.map_err(|why| failed(why.to_string()))?)
}

async fn verify(
    visit: &Visit<'_>,
    provider: &ProviderSettings,
    metadata: &ProviderMetadata,
    (begun, answer): (&Begun, &TokenAnswer),
) -> Result<VerifiedIdToken, Stop> {
    let refused = |why: String| SignInReason::TokenRefused {
        provider: provider.name.clone(),
        why,
    };
    let jws = Jws::parse(&answer.id_token).map_err(|error| refused(error.to_string()))?;
    let kid = jws.header.kid.as_deref();
    let providers = &visit.app.memory.providers;
    let keys = providers.keys(&visit.app.clock, provider, metadata, kid).await;
    let keys = keys.map_err(|why| SignInReason::ProviderFailed {
        provider: provider.name.clone(),
        why,
    })?;
    let now = visit.app.now();
    let expected = IdTokenExpectation {
        issuer: &provider.issuer,
        client_id: &provider.client_id,
        nonce: &begun.nonce,
        // The person signed in after the browser was sent to the provider.
        max_age: begun.must_be_fresh.then_some(now - begun.at),
        access_token: &answer.access_token,
    };
    let token = VerifiedIdToken::verify(&answer.id_token, &keys, expected, now);
    Ok(token.map_err(|why| refused(why.to_string()))?)
}
