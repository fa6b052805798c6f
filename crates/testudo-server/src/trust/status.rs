//! The state of an authority's bundle, for `testudo trust show` and the metrics.

use super::anchor::{Anchor, locked};
use super::bundle_keys::KeyStatus;
use crate::state::moment::Moment;
use serde::Serialize;
use std::sync::atomic::Ordering;
use testudo_core::doors::AuthorityKeys;
use testudo_protocol::jose::KeySet;

/// The bundle of one authority, as `testudo trust show` prints it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct AnchorStatus {
    /// Key of the authority, as events and metrics name it: `spiffe://prod.example`, `cluster-a:`.
    pub authority: String,
    /// Bare name, where the authority is a trust domain.
    pub trust_domain: Option<String>,
    /// Where the bundle comes from.
    pub source: String,
    /// `fresh`, `stale`, `expired` or `none`.
    pub state: &'static str,
    /// True where the bundle was read from the store, and this node has not fetched it since: another node fetched it, or
    /// this one before its start.
    pub is_from_store: bool,
    /// Seconds since the source last returned this bundle.
    pub age_seconds: Option<i64>,
    /// Age in seconds from which the bundle is no longer used. The publisher's hint does not extend it.
    pub max_staleness_seconds: i64,
    /// `spiffe_refresh_hint` of the bundle, in seconds.
    pub refresh_hint_seconds: Option<i64>,
    /// Seconds between two fetches: the hint, but at most half of the maximum age.
    pub refresh_interval_seconds: f64,
    /// `spiffe_sequence` of the bundle.
    pub sequence: Option<u64>,
    /// Key ids of the keys that sign tokens.
    pub jwt_keys: Vec<String>,
    /// Key ids of the keys that sign WIT-SVIDs.
    pub wit_keys: Vec<String>,
    /// Number of X.509 authorities.
    pub x509_authorities: usize,
    /// All keys that are used, each with its thumbprint and the time at which this server first saw it.
    pub keys: Vec<KeyStatus>,
    /// JWKs of the bundle, or of the JWK Set of an issuer, that are not used, and why.
    pub ignored: Vec<String>,
    /// The lower sequence that the source now has, which `testudo trust accept` would put in force.
    pub held_back: Option<String>,
    /// Why the last refresh failed.
    pub last_error: Option<String>,
}

impl Anchor {
    /// The key of the stored record of the lowest accepted sequence, and why the record is not used; `None` where it is
    /// used.
    pub(crate) fn refused_floor(&self) -> Option<(String, String)> {
        let why = locked(&self.refused_floor).clone()?;
        Some((self.source.authority.key().to_owned(), why))
    }

    /// The key of the stored bundle, where it is not used because it cannot be decrypted.
    pub(crate) fn refused_shared(&self) -> Option<&str> {
        let is_refused = self.is_shared_refused.load(Ordering::Relaxed);
        is_refused.then(|| self.source.authority.key())
    }

    /// The state at `now`.
    pub fn status(&self, now: Moment) -> AnchorStatus {
        let held = self.kept.held();
        let keys = held.as_ref().map(|held| &held.value.keys);
        let bundle = keys.and_then(AuthorityKeys::bundle);
        let last_failure = locked(&self.last_failure).clone();
        let state = match (&held, &last_failure) {
            (None, _) => "none",
            (Some(_), _) if self.current(now).is_none() => "expired",
            (Some(_), Some(_)) => "stale",
            (Some(_), None) => "fresh",
        };
        let kids = |keys: &KeySet| -> Vec<String> {
            let kids = keys.iter().filter_map(|key| key.kid());
            kids.map(str::to_owned).collect()
        };
        let held_back = last_failure
            .as_ref()
            .and_then(|last_failure| last_failure.held_back);
        AnchorStatus {
            authority: self.source.authority.key().to_owned(),
            trust_domain: self.source.authority.trust_domain().map(str::to_owned),
            source: self.source.origin.to_string(),
            state,
            is_from_store: held.as_ref().is_some_and(|held| held.value.is_from_store),
            age_seconds: held.as_ref().map(|held| held.confirmed.age(now).0),
            max_staleness_seconds: self.source.max_staleness.0,
            refresh_hint_seconds: bundle.and_then(|bundle| bundle.refresh_hint).map(|hint| hint.0),
            refresh_interval_seconds: self.interval(now).as_secs_f64(),
            sequence: keys.and_then(AuthorityKeys::sequence),
            jwt_keys: keys.map(|keys| kids(keys.token_keys())).unwrap_or_default(),
            wit_keys: bundle.map(|bundle| kids(&bundle.wit_keys)).unwrap_or_default(),
            x509_authorities: keys.map_or(0, |keys| {
                keys.x509_authorities().count() + keys.issuer_authorities().count()
            }),
            keys: self.keys(),
            ignored: keys.map(|keys| keys.ignored().to_vec()).unwrap_or_default(),
            held_back: held_back.map(|held_back| held_back.to_string()),
            last_error: last_failure.map(|last_failure| last_failure.why),
        }
    }
}
