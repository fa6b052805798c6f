//! How this server authenticates at a provider: with the secret that the provider gave it, or with an assertion of a key
//! that is used for nothing else. [OIDCC §9]

use crate::config::{LoginSettings, ProviderSettings};
use crate::fault::{Fault, Stop};
use crate::pages::visit::Visit;
use crate::state::app::App;
use crate::trust::source::secret_text;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;
use std::sync::Arc;
use testudo_core::rejection::{RequestReason, SignInReason};
use testudo_protocol::Seconds;
use testudo_protocol::jose::SigningKey;
use testudo_protocol::oauth::ASSERTION_TYPE_JWT_BEARER;
use testudo_protocol::openid::ProviderMetadata;
use testudo_store::StoreFault;
use zeroize::Zeroizing;

/// How long an assertion is valid: the exchange takes seconds.
const ASSERTION_LIFETIME: Seconds = Seconds(60);

/// What proves at the token endpoint which client this is. It has no `Debug`.
pub(super) enum Authentication {
    /// The value of `Authorization`. [RFC6749 §2.3.1]
    Basic(Zeroizing<String>),
    /// Parameters of the form.
    Parameters(Vec<(&'static str, Zeroizing<String>)>),
}

impl Authentication {
    pub(super) fn header(&self) -> Option<&str> {
        match self {
            Authentication::Basic(value) => Some(value),
            Authentication::Parameters(_) => None,
        }
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let parameters = match self {
            Authentication::Basic(_) => [].as_slice(),
            Authentication::Parameters(parameters) => parameters.as_slice(),
        };
        parameters.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

/// The authentication at this provider, by a method that its metadata lists.
pub(super) async fn authenticate(
    app: &App,
    provider: &ProviderSettings,
    metadata: &ProviderMetadata,
) -> Result<Authentication, Stop> {
    let failed = |why: &str| SignInReason::ProviderFailed {
        provider: provider.name.clone(),
        why: why.to_owned(),
    };
    let accepts = |method: &str| metadata.auth_methods.iter().any(|known| known == method);
    if let Some(secret) = &provider.client_secret {
        let secret = secret_text(secret).await.map_err(|why| failed(&why))?;
        return match (accepts("client_secret_basic"), accepts("client_secret_post")) {
            (true, _) => Ok(Authentication::Basic(basic(&provider.client_id, &secret))),
            (false, true) => Ok(Authentication::Parameters(vec![
                ("client_id", Zeroizing::new(provider.client_id.clone())),
                ("client_secret", secret),
            ])),
            (false, false) => Err(failed("it accepts no client secret: remove client_secret").into()),
        };
    }
    if !accepts("private_key_jwt") {
        return Err(failed("it does not accept private_key_jwt: set client_secret").into());
    }
    let algorithms = &metadata.auth_algorithms;
    let key = own_key(app).await?;
    if !algorithms.is_empty() && !algorithms.iter().any(|known| known == key.algorithm().name()) {
        return Err(failed("it does not accept assertions with ES256").into());
    }
    Ok(Authentication::Parameters(vec![
        ("client_id", Zeroizing::new(provider.client_id.clone())),
        (
            "client_assertion_type",
            Zeroizing::new(ASSERTION_TYPE_JWT_BEARER.to_owned()),
        ),
        (
            "client_assertion",
            Zeroizing::new(assertion(app, provider, &key)?),
        ),
    ]))
}

/// [RFC6749 §2.3.1] Both parts are form-encoded first: they may contain a colon.
fn basic(client_id: &str, secret: &str) -> Zeroizing<String> {
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Zeroizing::new(format!("{}:{}", encoded(client_id), encoded(secret)));
    Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
}

/// [RFC7523 §3] The audience is the issuer of the provider and nothing else: a provider that names the token endpoint of
/// another one in its metadata gets no assertion that the other one accepts.
fn assertion(app: &App, provider: &ProviderSettings, key: &SigningKey) -> Result<String, Stop> {
    let (entropy, now) = (app.clock.entropy().ok_or(Fault::NoEntropy)?, app.now());
    let claims = json!({
        "iss": provider.client_id,
        "sub": provider.client_id,
        "aud": provider.issuer,
        "iat": now,
        "exp": now + ASSERTION_LIFETIME,
        "jti": entropy.jwt_id(),
    });
    let signed = key.sign_jwt(None, claims.to_string().as_bytes());
    Ok(signed.map_err(Fault::Signing)?)
}

async fn own_key(app: &App) -> Result<Arc<SigningKey>, Fault> {
    let key = app.provider_key.get(&app.store, &app.encryption).await;
    key.map_err(|why| Fault::Store(StoreFault(why)))
}

/// `/login/jwks`: the public key of the assertions, which providers fetch. It is not in `/jwks`, so that no token of this
/// server can be an assertion, and no assertion a token.
pub async fn jwks(visit: &Visit<'_>, login: &LoginSettings) -> Result<Response<Full<Bytes>>, Stop> {
    if !login
        .providers
        .iter()
        .any(|provider| provider.client_secret.is_none())
    {
        return Err(RequestReason::NoSuchEndpoint.into());
    }
    let key = own_key(visit.app).await?;
    let document = json!({ "keys": [key.public_jwk("sig", true)] }).to_string();
    let mut response = Response::new(Full::new(Bytes::from(document)));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/jwk-set+json"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    Ok(response)
}
