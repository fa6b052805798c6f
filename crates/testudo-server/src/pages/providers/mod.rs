//! The sign-in at an OpenID provider: `/login?provider=NAME` sends the browser there, and `/login/callback/NAME` is where
//! it comes back. [OIDCC §3.1]
//!
//! What the callback needs travels in `state`, sealed and bound to the browser by its cookie: nothing is stored for a
//! sign-in that has begun, and a response that another browser began is refused (CSRF, session fixation). Each provider
//! has a redirect URI of its own, and the response must name the provider by `iss` where its metadata promises it: a
//! response of one provider is never taken for that of another one (mix-up). [RFC9700 §4.4.2]

mod authentication;
mod exchange;

pub use authentication::jwks;

use super::cookies::{Cookie, Cookies};
use super::flow::{Browser, opened_from};
use super::login::as_sign_in;
use super::onward::{FLOW, Onward, url_of};
use super::sealed::Purpose;
use super::visit::{Visit, see_other, with_cookie};
use crate::config::{Allowed, LoginSettings, ProviderSettings};
use crate::fault::{Fault, Stop};
use crate::settle::{commit, settle};
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use serde::{Deserialize, Serialize};
use testudo_core::admission::limits::provider_response_limit;
use testudo_core::occasions::sign_in::provider::{ProviderLink, ProviderSignIn, Stated};
use testudo_core::occasions::sign_in::{NewSession, SignedIn};
use testudo_core::people::SessionName;
use testudo_core::records::{PersonLink, ProviderAccount};
use testudo_core::rejection::{RequestReason, SignInReason};
use testudo_protocol::Timestamp;
use testudo_protocol::base64url;
use testudo_protocol::oauth::pkce::{CodeVerifier, METHOD_S256};
use testudo_protocol::openid::{ProviderMetadata, VerifiedIdToken, group_names};

/// The path of the callbacks of providers, before the name of the provider.
pub const CALLBACK: &str = "/login/callback/";

/// A sign-in that has begun.
#[derive(Serialize, Deserialize)]
struct Begun {
    #[serde(rename = "p")]
    provider: String,
    #[serde(rename = "n")]
    nonce: String,
    #[serde(rename = "v")]
    verifier: String,
    /// When it began.
    #[serde(rename = "t")]
    at: Timestamp,
    /// True if the provider was asked to let the person sign in again.
    #[serde(rename = "f")]
    must_be_fresh: bool,
    #[serde(rename = "o")]
    onward: Onward,
}

/// Sends the browser to the provider.
pub async fn begin(
    visit: &Visit<'_>,
    login: &LoginSettings,
    name: &str,
) -> Result<Response<Full<Bytes>>, Stop> {
    let onward: Onward = opened_from(visit, Purpose::Flow, FLOW)?;
    let provider = login.provider(name).ok_or(SignInReason::ProviderUnknown)?;
    let metadata = metadata_of(visit, provider).await?;
    let random = || visit.app.clock.entropy().ok_or(Fault::NoEntropy);
    let verifier = CodeVerifier::of_random(random()?.secret());
    let begun = Begun {
        provider: name.to_owned(),
        nonce: base64url::text(random()?.secret()),
        verifier: verifier.as_str().to_owned(),
        at: visit.app.now(),
        // A person who is signed in and is asked again must prove it again, and so must one who links an account: the
        // browser may be signed in at the provider as another person.
        must_be_fresh: visit.session().is_some(),
        onward,
    };
    let browser = Browser::of(visit)?;
    let state = browser.seal(visit, Purpose::Provider, &begun)?;
    let mut url = metadata.authorization_endpoint.clone();
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &provider.client_id)
        .append_pair("redirect_uri", &redirect_uri(visit, name))
        .append_pair("scope", &provider.scopes.join(" "))
        .append_pair("state", &state)
        .append_pair("nonce", &begun.nonce)
        .append_pair("code_challenge", &verifier.challenge().to_string())
        .append_pair("code_challenge_method", METHOD_S256);
    if begun.must_be_fresh {
        // [OIDCC §3.1.2.1] `max_age` makes the provider state when the person signed in.
        url.query_pairs_mut()
            .append_pair("prompt", "login")
            .append_pair("max_age", "0");
    }
    Ok(with_cookie(see_other(url.as_str()), browser.cookie))
}

/// The redirect URI to register at the provider.
fn redirect_uri(visit: &Visit<'_>, name: &str) -> String {
    let issuer = visit.issuer().as_str().trim_end_matches('/');
    format!("{issuer}{CALLBACK}{name}")
}

/// The browser comes back from the provider.
pub async fn callback(
    visit: &Visit<'_>,
    login: &LoginSettings,
    name: &str,
) -> Result<Response<Full<Bytes>>, Stop> {
    // Before anything else: no provider is asked for a browser that did not begin a sign-in.
    let begun: Begun = opened_from(visit, Purpose::Provider, "state")?;
    // [RFC9700 §4.4.2.2] The redirect URI is that of the provider to which the browser was sent.
    if begun.provider != name {
        return Err(RequestReason::FlowNotOurs.into());
    }
    let provider = login.provider(name).ok_or(SignInReason::ProviderUnknown)?;
    // A browser can begin sign-ins as it likes, and would make this server send as many requests to the provider.
    let limits: Vec<_> = visit.address.map(provider_response_limit).into_iter().collect();
    commit::take(visit.app, &limits).map_err(|refused| as_sign_in(refused.into()))?;
    let metadata = metadata_of(visit, provider).await?;
    let token = exchange::id_token(visit, provider, &metadata, &begun).await?;
    must_be_allowed(provider, &token)?;
    let stated = stated(provider, &token)?;
    let at_provider = SignedInAtProvider {
        provider,
        stated: &stated,
        link: PersonLink::key_of(&provider.issuer, &token.subject),
        acr: token
            .acr
            .as_deref()
            .filter(|acr| provider.acr.iter().any(|known| known == acr)),
        // [OIDCC §2] The provider may have signed the person in long ago.
        authenticated: token.auth_time.map(|time| time.min(visit.app.now())),
    };
    let account = visit.path("/account");
    let next = match &begun.onward {
        Onward::Account => account,
        Onward::Link(session) => {
            at_provider.link(visit, login, *session).await?;
            return Ok(see_other(&account));
        }
        Onward::Application(_) => {
            let sealed = Browser::of(visit)?.seal(visit, Purpose::Flow, &begun.onward)?;
            url_of(visit, &sealed)
        }
    };
    let cookie = at_provider.begin_session(visit, login).await?;
    let cookie = Cookies::of(visit.issuer()).set(Cookie::Session, &cookie);
    Ok(with_cookie(see_other(&next), cookie))
}

async fn metadata_of(
    visit: &Visit<'_>,
    provider: &ProviderSettings,
) -> Result<std::sync::Arc<ProviderMetadata>, SignInReason> {
    let metadata = visit
        .app
        .memory
        .providers
        .metadata(&visit.app.clock, provider)
        .await;
    metadata.map_err(|why| SignInReason::ProviderFailed {
        provider: provider.name.clone(),
        why,
    })
}

/// What the provider stated about the person.
struct SignedInAtProvider<'a> {
    provider: &'a ProviderSettings,
    stated: &'a Stated,
    link: Vec<u8>,
    acr: Option<&'a str>,
    authenticated: Option<Timestamp>,
}

impl SignedInAtProvider<'_> {
    /// Begins the session, and makes the account at the first sign-in. Returns the value of the cookie.
    async fn begin_session(&self, visit: &Visit<'_>, login: &LoginSettings) -> Result<String, Stop> {
        let mut request = ProviderSignIn {
            provider: &self.provider.name,
            stated: self.stated,
            link: &self.link,
            person: None,
            session: NewSession {
                acr: self.acr,
                authenticated: self.authenticated,
                ..visit.new_session(login, &self.provider.name)
            },
        };
        let policy = &visit.in_force.policy;
        // The first decision finds the person, the second one reads the account. A third one is needed only if the account
        // was removed and made again meanwhile.
        for _ in 0..3 {
            let outcome = settle(visit.app, policy, &request, |outcome, _| Ok(outcome)).await;
            match outcome.map_err(as_sign_in)? {
                SignedIn::Begun(cookie) => return Ok(cookie),
                SignedIn::Account(person) => request.person = Some(person),
            }
        }
        Err(SignInReason::AccountNotActive.into())
    }

    /// Adds the account at the provider to the person of this session, which the browser must still have.
    async fn link(&self, visit: &Visit<'_>, login: &LoginSettings, session: SessionName) -> Result<(), Stop> {
        if visit.session() != Some(session) {
            return Err(SignInReason::NotSignedIn.into());
        }
        let request = ProviderLink {
            provider: &self.provider.name,
            stated: self.stated,
            link: &self.link,
            session: (session, session.key()),
            idle: login.session_idle_lifetime,
            request_id: visit.id,
        };
        settle(visit.app, &visit.in_force.policy, &request, |(), _| Ok(())).await
    }
}

/// The claims of `allow`. Otherwise every person with an account at a public provider could sign in.
fn must_be_allowed(provider: &ProviderSettings, token: &VerifiedIdToken) -> Result<(), SignInReason> {
    let wanted = match &provider.allowed {
        Allowed::Everyone => return Ok(()),
        Allowed::Claims(wanted) => wanted,
    };
    for (source, value) in wanted {
        let found = source.find(&token.claims);
        if !found.is_some_and(|found| value.is(found)) {
            return Err(SignInReason::PersonNotAllowed {
                provider: provider.name.clone(),
                claim: source.to_string(),
            });
        }
    }
    Ok(())
}

/// What this server keeps of the ID token. A claim with groups that cannot be read is an error: without it, the person
/// would keep the groups of an earlier sign-in, or lose them without a word.
fn stated(provider: &ProviderSettings, token: &VerifiedIdToken) -> Result<Stated, SignInReason> {
    let claim = provider
        .groups
        .as_ref()
        .and_then(|source| source.find(&token.claims));
    let groups = claim.map(group_names).transpose();
    let groups = groups.map_err(|why| SignInReason::TokenRefused {
        provider: provider.name.clone(),
        why: format!("the groups of the ID token {why}"),
    })?;
    Ok(Stated {
        account: ProviderAccount {
            issuer: provider.issuer.clone(),
            sub: token.subject.clone(),
        },
        display: token.label("name").map(str::to_owned),
        email: token.verified_email().map(str::to_owned),
        groups: groups.unwrap_or_default(),
    })
}
