//! `[login]`: how people sign in.

mod development;
mod providers;

pub use providers::{Allowed, ProviderClaims, ProviderSection, ProviderSettings};

use super::admin::AdminSettings;
use super::checker::Checker;
use super::listeners::ServerSettings;
use schemars::JsonSchema;
use serde::Deserialize;
use testudo_protocol::oauth::IssuerUrl;
use testudo_protocol::{Seconds, is_loopback};
use url::{Host, Url};

/// `[login]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LoginSection {
    /// People with an account of this server sign in with a passkey. Passkeys work at one host only, that of `issuer`,
    /// which must be a name. Default: `true`, and `false` where the host of `issuer` is an IP address.
    pub passkeys: Option<bool>,
    /// A session ends this long after the sign-in, from `"1m"` to `"90d"`. Default: `"12h"`.
    pub session_lifetime: Option<String>,
    /// A session that was not used for this long ends; at least `"1m"`, and at most `session_lifetime`. Default: `"1h"`,
    /// or `session_lifetime` where that is shorter.
    pub session_idle_lifetime: Option<String>,
    /// Names with which any visitor signs in without proof, for trials: only where `issuer` and every listener are on
    /// loopback. Default: none.
    pub development: Option<Vec<String>>,
    /// OpenID Connect providers at which people sign in.
    pub providers: Vec<ProviderSection>,
}

/// The checked values of `[login]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginSettings {
    /// Where passkeys are valid; `None` if people do not sign in with them.
    pub passkeys: Option<RelyingParty>,
    /// A session ends this long after the sign-in.
    pub session_lifetime: Seconds,
    /// A session that was not used for this long ends.
    pub session_idle_lifetime: Seconds,
    /// Names with which any visitor signs in. Empty but for trials on loopback.
    pub development: Vec<String>,
    /// The providers, in the order of the page.
    pub providers: Vec<ProviderSettings>,
}

impl LoginSettings {
    /// The issuers of the providers.
    pub fn issuers(&self) -> Vec<&str> {
        self.providers
            .iter()
            .map(|provider| provider.issuer.as_str())
            .collect()
    }

    /// The provider of this name.
    pub fn provider(&self, name: &str) -> Option<&ProviderSettings> {
        self.providers.iter().find(|provider| provider.name == name)
    }
}

/// To whom passkeys belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelyingParty {
    /// The host of the issuer, a name: the RP ID.
    pub id: String,
    /// Scheme, host and port of the issuer.
    pub origin: String,
}

/// True for a text that a page can show on one line.
pub(super) fn is_text_for_people(text: &str, characters_max: usize) -> bool {
    let is_blank = text.trim().is_empty();
    let has_control = text.chars().any(char::is_control);
    !is_blank && !has_control && text.chars().count() <= characters_max
}

/// The addresses of this server. The sign-in for trials is possible only if no other machine can reach any of them.
pub(super) struct Places<'a> {
    pub(super) issuer: &'a IssuerUrl,
    pub(super) server: &'a ServerSettings,
    pub(super) admin: &'a AdminSettings,
}

const MINUTE: Seconds = Seconds(60);
const SESSION_LIFETIME: Seconds = Seconds(12 * 3600);
const SESSION_LIFETIME_MAX: Seconds = Seconds(90 * 86_400);
const SESSION_IDLE_LIFETIME: Seconds = Seconds(3600);

impl Checker<'_> {
    /// `None` without the section: then people cannot sign in.
    pub(super) fn login(
        &mut self,
        section: Option<&LoginSection>,
        places: Option<&Places<'_>>,
    ) -> Option<LoginSettings> {
        let section = section?;
        let lifetimes = self.session_lifetimes(section);
        let providers = self.providers(&section.providers, places.map(|places| places.issuer));
        // Without an issuer and listeners there are errors already, and these checks could only repeat them.
        let places = places?;
        let development = self.development(section.development.as_deref(), places);
        let passkeys = self.passkeys(section.passkeys, places.issuer);
        let has_passkeys = passkeys.is_some() || section.passkeys == Some(true);
        let has_a_way = has_passkeys || !section.providers.is_empty() || section.development.is_some();
        if !has_a_way && !self.report.is_unread("login") {
            let hint = "set passkeys = true, or add [[login.providers]]; without [login], people cannot sign in at this server";
            self.report
                .refuse("login", "has no way in which a person can sign in", Some(hint));
        }
        let (session_lifetime, session_idle_lifetime) = lifetimes?;
        Some(LoginSettings {
            passkeys,
            session_lifetime,
            session_idle_lifetime,
            development,
            providers,
        })
    }

    fn session_lifetimes(&mut self, section: &LoginSection) -> Option<(Seconds, Seconds)> {
        let key = "login.session_lifetime";
        let text = section.session_lifetime.as_deref();
        let lifetime = self.duration(key, text, SESSION_LIFETIME)?;
        if lifetime < MINUTE || lifetime > SESSION_LIFETIME_MAX {
            let problem = format!("{:?} is not between 1m and 90d", text.unwrap_or_default());
            self.report.error(key, problem, None);
            return None;
        }
        let key = "login.session_idle_lifetime";
        let text = section.session_idle_lifetime.as_deref();
        let idle = self.duration(key, text, SESSION_IDLE_LIFETIME.min(lifetime))?;
        if idle < MINUTE || idle > lifetime {
            let text = text.unwrap_or_default();
            let problem = format!(
                "{text:?} is not between 1m and session_lifetime, {} s",
                lifetime.0
            );
            self.report.error(key, problem, None);
            return None;
        }
        Some((lifetime, idle))
    }

    /// The RP ID is the host of the issuer, and must be a name.
    fn passkeys(&mut self, written: Option<bool>, issuer: &IssuerUrl) -> Option<RelyingParty> {
        let key = "login.passkeys";
        let url = Url::parse(issuer.as_str()).ok()?;
        let name = match url.host() {
            Some(Host::Domain(name)) => Some(name.to_owned()),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => None,
        };
        if !written.unwrap_or(name.is_some()) {
            return None;
        }
        let Some(id) = name else {
            let problem = "needs an issuer whose host is a name: browsers make no passkeys for an IP address";
            let hint =
                "set issuer to a URL with a name (localhost for trials on this machine), or passkeys = false";
            self.report.refuse(key, problem, Some(hint));
            return None;
        };
        if !is_loopback(&url) {
            let problem = format!(
                "makes passkeys for the host {id} alone: if the host of `issuer` changes, no passkey that was made before can be used"
            );
            let hint = "choose the host of `issuer` for good before people make passkeys";
            self.report.warn(key, problem, Some(hint));
        }
        Some(RelyingParty {
            id,
            origin: url.origin().ascii_serialization(),
        })
    }
}
