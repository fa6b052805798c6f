//! `issuers.token_review`: where tokens of a cluster are reviewed.

use super::bundle_origin::BundleOrigin;
use super::checker::Checker;
use super::sent_secret::SentSecret;
use super::store::SecretText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use testudo_core::policy::ReviewPolicy;
use testudo_protocol::Seconds;

/// `issuers.token_review`: the API server that is asked whether a token is still valid.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenReviewSection {
    /// https URL of the TokenReview API of the cluster: `https://HOST/apis/authentication.k8s.io/v1/tokenreviews`. The section needs it.
    pub url: Option<String>,
    /// PEM file with the only roots that verify the API server, in place of those of the system and of `outbound.ca`. It
    /// is read with the configuration. Default: the roots of the system and of `outbound.ca`.
    pub ca: Option<String>,
    /// A bearer token of an account with the cluster role `system:auth-delegator`. A file is read at each review, since
    /// such tokens expire. The section needs it.
    pub token: Option<SecretText>,
    /// How long the API server may take to answer. Default: `"2s"`.
    pub timeout: Option<String>,
    /// How long an answer about a token is used: a token is accepted for this long after its pod was deleted, in addition
    /// to the time for which the API server itself accepts it. Default: `"10s"`.
    pub cache: Option<String>,
    /// What happens to tokens while the API server does not answer in time, or answers with a status of 500 or more. All
    /// other failures refuse the token. Default: `"refuse"`.
    pub on_outage: Option<OnOutage>,
    /// For `on_outage = "accept"`: for how long after its beginning tokens are accepted without a review. An outage has
    /// ended when the API server answered for 5 minutes without a failure. Default: `"5m"`.
    pub accept_for: Option<String>,
}

/// What happens to tokens that cannot be reviewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnOutage {
    /// They are refused.
    #[default]
    Refuse,
    /// They are accepted for a time, by their signature and claims.
    Accept,
}

/// Where tokens of a cluster are reviewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewSource {
    /// The URL of the API.
    pub url: url::Url,
    /// PEM: the only roots that verify the API server, if `ca` names some.
    pub roots: Option<Vec<u8>>,
    /// The token of this server for the API.
    pub token: Option<SentSecret>,
    /// The longest time for one review.
    pub timeout: Duration,
    /// How long an answer is used.
    pub cache: Duration,
}

impl ReviewSource {
    /// True if both are one API server that is verified in the same way: then the answers of one are those of the other.
    pub fn is_same_server(&self, other: &ReviewSource) -> bool {
        std::ptr::eq(self, other) || (self.url == other.url && self.roots == other.roots)
    }
}

/// A duration of the section: its default, and the longest that is allowed.
struct Bounds {
    default: Seconds,
    maximum: Seconds,
}

/// A request of a client waits for the review.
const TIMEOUT: Bounds = Bounds {
    default: Seconds(2),
    maximum: Seconds(10),
};
/// A token must not be accepted for longer after its pod was deleted.
const CACHE: Bounds = Bounds {
    default: Seconds(10),
    maximum: Seconds(300),
};
const ACCEPT_FOR: Bounds = Bounds {
    default: Seconds(300),
    maximum: Seconds(86_400),
};

impl Checker<'_> {
    /// Checks the section.
    pub(super) fn token_review(
        &mut self,
        key: &str,
        section: &TokenReviewSection,
    ) -> Option<(ReviewSource, ReviewPolicy)> {
        let timeout = self.bounded(format!("{key}.timeout"), section.timeout.as_deref(), TIMEOUT)?;
        let cache = self.bounded(format!("{key}.cache"), section.cache.as_deref(), CACHE)?;
        let accept_for = section.accept_for.as_deref();
        let accept_for = self.bounded(format!("{key}.accept_for"), accept_for, ACCEPT_FOR)?;
        let accepts = section.on_outage == Some(OnOutage::Accept);
        if section.accept_for.is_some() && !accepts {
            let hint = Some("remove it, or set on_outage = \"accept\"");
            let problem = "has no effect: tokens are refused while the API server does not answer";
            self.report.warn(format!("{key}.accept_for"), problem, hint);
        }
        let Some(url) = &section.url else {
            if !self.report.is_unread(key) {
                self.report.error(format!("{key}.url"), "is required", None);
            }
            return None;
        };
        let origin = self.keys_url(key, url)?;
        let Some(token) = &section.token else {
            let hint = Some(
                "set it to { file = \"...\" } with a token of an account that has the cluster role system:auth-delegator",
            );
            self.report.error(format!("{key}.token"), "is required", hint);
            return None;
        };
        let origin = self.with_token(&format!("{key}.token"), token, origin)?;
        let BundleOrigin::HttpsWeb { url, roots, token } =
            self.with_roots(key, section.ca.as_deref(), origin)?
        else {
            return None;
        };
        let source = ReviewSource {
            url,
            roots,
            token,
            timeout,
            cache,
        };
        let policy = ReviewPolicy {
            accept_for: accepts.then_some(Seconds(i64::try_from(accept_for.as_secs()).unwrap_or(i64::MAX))),
        };
        Some((source, policy))
    }

    /// A duration above zero and within its bound.
    fn bounded(&mut self, key: String, text: Option<&str>, bounds: Bounds) -> Option<Duration> {
        let Bounds { default, maximum } = bounds;
        let value = self.duration(&key, text, default)?;
        if value <= Seconds(0) || value > maximum {
            let problem = format!("must be between 1 s and {} s", maximum.0);
            self.report.error(key, problem, None);
            return None;
        }
        Some(Duration::from_secs(value.0.unsigned_abs()))
    }
}
