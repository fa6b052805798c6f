//! Trust anchors: the bundle of each trust domain, kept fresh in the background. [decision 3]
//!
//! A failed fetch keeps the last good bundle until its maximum age, then the domain is refused. A fetched bundle
//! without keys is applied at once: it means "trust nothing". A lower sequence is never applied.

mod source;

use crate::clock::Clock;
use crate::config::{BundleOrigin, BundleSource};
use arc_swap::ArcSwapOption;
use serde::Serialize;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use testudo_fetch::Fetcher;
use testudo_protocol::jose::sha256;
use testudo_protocol::spiffe::Bundle;
use testudo_protocol::{Seconds, Timestamp};

/// Pause between fetches where the bundle gives no hint. [SPIFFE-BUNDLE §4.1.2]
const REFRESH_DEFAULT: Seconds = Seconds(300);
/// A file is looked at that often; a Workload API asked.
const REFRESH_LOCAL: Seconds = Seconds(5);
/// Pause between early fetches for an unknown `kid`: strangers must not make us fetch.
const EARLY_REFRESH_PAUSE: Seconds = Seconds(30);
/// An early fetch has a request waiting for it.
const EARLY_REFRESH_DEADLINE: Duration = Duration::from_secs(3);
/// A scheduled fetch has nobody waiting for it.
const REFRESH_DEADLINE: Duration = Duration::from_secs(10);

/// The trust anchor of one trust domain.
pub struct Anchor {
    source: BundleSource,
    held: ArcSwapOption<Held>,
    /// When the bundle was last confirmed by a successful fetch.
    confirmed: AtomicI64,
    early: AtomicI64,
    one_at_a_time: tokio::sync::Mutex<()>,
    last_error: Mutex<Option<String>>,
}

struct Held {
    bundle: Arc<Bundle>,
    digest: [u8; 32],
}

/// What a refresh found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// Another bundle than before is in force.
    Updated,
    /// The same bundle, confirmed.
    Unchanged,
    /// A lower sequence than the one held: not applied.
    RolledBack {
        /// What is held.
        held: u64,
        /// What was offered.
        offered: u64,
    },
    /// Nothing usable came.
    Failed(String),
}

/// For `testudo trust show`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct AnchorStatus {
    /// Name of the trust domain.
    pub trust_domain: String,
    /// Where the bundle comes from.
    pub source: String,
    /// `fresh`, `stale`, `expired` or `none`.
    pub state: &'static str,
    /// Seconds since the bundle was last confirmed.
    pub age_seconds: Option<i64>,
    /// Age at which it is no longer used.
    pub max_staleness_seconds: i64,
    /// `spiffe_sequence`.
    pub sequence: Option<u64>,
    /// Key ids of the JWT-SVID keys.
    pub jwt_keys: Vec<String>,
    /// Number of X.509 authorities.
    pub x509_authorities: usize,
    /// JWKs that were passed over, and why.
    pub ignored: Vec<String>,
    /// Why the last fetch failed.
    pub last_error: Option<String>,
}

impl Anchor {
    /// An anchor that holds nothing yet.
    pub fn new(source: BundleSource) -> Anchor {
        Anchor {
            source,
            held: ArcSwapOption::empty(),
            confirmed: AtomicI64::new(i64::MIN),
            early: AtomicI64::new(i64::MIN),
            one_at_a_time: tokio::sync::Mutex::default(),
            last_error: Mutex::default(),
        }
    }

    /// Where the bundle comes from.
    pub fn source(&self) -> &BundleSource {
        &self.source
    }

    /// The bundle, while it may be used.
    pub fn current(&self, now: Timestamp) -> Option<Arc<Bundle>> {
        let held = self.held.load();
        let bundle = &held.as_ref()?.bundle;
        self.is_usable(now).then(|| bundle.clone())
    }

    fn is_usable(&self, now: Timestamp) -> bool {
        self.age(now)
            .is_some_and(|age| age <= self.source.max_staleness.0.max(self.interval().0))
    }

    fn age(&self, now: Timestamp) -> Option<i64> {
        let confirmed = self.confirmed.load(Ordering::Relaxed);
        (confirmed != i64::MIN).then(|| now.0.saturating_sub(confirmed).max(0))
    }

    /// Pause until the next scheduled fetch.
    pub fn interval(&self) -> Seconds {
        let hint = self
            .held
            .load()
            .as_ref()
            .and_then(|held| held.bundle.refresh_hint);
        match (&self.source.origin, self.held.load().is_some()) {
            (BundleOrigin::File(_) | BundleOrigin::WorkloadApi(_), _) => REFRESH_LOCAL,
            // With nothing held, every request of the domain is refused: try again soon.
            (BundleOrigin::HttpsWeb(_), false) => REFRESH_LOCAL,
            (BundleOrigin::HttpsWeb(_), true) => hint.unwrap_or(REFRESH_DEFAULT),
        }
    }

    /// Fetches, judges, and puts the bundle in force.
    pub async fn refresh(&self, fetcher: &Fetcher, clock: &Clock) -> Refreshed {
        self.refresh_within(fetcher, clock, REFRESH_DEADLINE).await
    }

    /// For a `kid` that the bundle does not have: at most one fetch per 30 s, whoever asks.
    pub async fn refresh_early(&self, fetcher: &Fetcher, clock: &Clock) -> Option<Refreshed> {
        let now = clock.now().0;
        let last = self.early.load(Ordering::Relaxed);
        let is_due = last == i64::MIN || now.saturating_sub(last) >= EARLY_REFRESH_PAUSE.0;
        let is_ours = is_due
            && self
                .early
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !is_ours {
            return None;
        }
        Some(self.refresh_within(fetcher, clock, EARLY_REFRESH_DEADLINE).await)
    }

    async fn refresh_within(&self, fetcher: &Fetcher, clock: &Clock, deadline: Duration) -> Refreshed {
        let _turn = self.one_at_a_time.lock().await;
        let fetched = match tokio::time::timeout(deadline, source::fetch(&self.source, fetcher)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(format!("no complete answer within {} s", deadline.as_secs())),
        };
        let outcome = match fetched {
            Ok(document) => self.judge(&document, clock.now()),
            Err(why) => Refreshed::Failed(why),
        };
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = match &outcome {
            Refreshed::Updated | Refreshed::Unchanged => None,
            Refreshed::Failed(why) => Some(why.clone()),
            Refreshed::RolledBack { held, offered } => Some(format!(
                "sequence {offered} was offered, {held} is held: not applied"
            )),
        };
        outcome
    }

    fn judge(&self, document: &[u8], now: Timestamp) -> Refreshed {
        let digest = sha256(document);
        let held = self.held.load();
        if held.as_ref().is_some_and(|held| held.digest == digest) {
            self.confirmed.store(now.0, Ordering::Relaxed);
            return Refreshed::Unchanged;
        }
        let bundle = match Bundle::parse(document) {
            Ok(bundle) => bundle,
            Err(fault) => return Refreshed::Failed(fault.to_string()),
        };
        let before = held.as_ref().and_then(|held| held.bundle.sequence);
        if let (Some(before), Some(offered)) = (before, bundle.sequence)
            && offered < before
        {
            return Refreshed::RolledBack {
                held: before.0,
                offered: offered.0,
            };
        }
        self.held.store(Some(Arc::new(Held {
            bundle: Arc::new(bundle),
            digest,
        })));
        self.confirmed.store(now.0, Ordering::Relaxed);
        Refreshed::Updated
    }

    /// Takes over what an anchor of the same source held: a reload forgets nothing.
    pub fn inherit(&self, earlier: &Anchor) {
        self.held.store(earlier.held.load_full());
        self.confirmed
            .store(earlier.confirmed.load(Ordering::Relaxed), Ordering::Relaxed);
        self.early
            .store(earlier.early.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// What there is to know.
    pub fn status(&self, now: Timestamp) -> AnchorStatus {
        let held = self.held.load();
        let bundle = held.as_ref().map(|held| &held.bundle);
        let last_error = self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let state = match (bundle, &last_error) {
            (None, _) => "none",
            (Some(_), _) if !self.is_usable(now) => "expired",
            (Some(_), Some(_)) => "stale",
            (Some(_), None) => "fresh",
        };
        AnchorStatus {
            trust_domain: self.source.trust_domain.to_string(),
            source: match &self.source.origin {
                BundleOrigin::File(path) => path.display().to_string(),
                BundleOrigin::HttpsWeb(url) => url.to_string(),
                BundleOrigin::WorkloadApi(socket) => socket.clone(),
            },
            state,
            age_seconds: self.age(now),
            max_staleness_seconds: self.source.max_staleness.0,
            sequence: bundle
                .and_then(|bundle| bundle.sequence)
                .map(|sequence| sequence.0),
            jwt_keys: bundle
                .map(|bundle| {
                    bundle
                        .jwt_keys
                        .iter()
                        .filter_map(|key| key.kid().map(str::to_owned))
                        .collect()
                })
                .unwrap_or_default(),
            x509_authorities: bundle.map_or(0, |bundle| bundle.x509_authorities.len()),
            ignored: bundle.map(|bundle| bundle.ignored.clone()).unwrap_or_default(),
            last_error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo_protocol::spiffe::TrustDomain;
    use testudo_testkit::TestIssuer;

    fn anchor() -> Anchor {
        Anchor::new(BundleSource {
            trust_domain: TrustDomain::parse("a.example").unwrap(),
            origin: BundleOrigin::HttpsWeb("https://nowhere.example/".parse().unwrap()),
            max_staleness: Seconds(3600),
        })
    }

    #[test]
    fn decision_3_last_good_bundle_until_its_maximum_age() {
        let (anchor, issuer) = (anchor(), TestIssuer::new("a.example"));
        assert_eq!(
            anchor.judge(issuer.bundle().to_string().as_bytes(), Timestamp(0)),
            Refreshed::Updated
        );
        assert!(matches!(
            anchor.judge(b"<html>", Timestamp(10)),
            Refreshed::Failed(_)
        ));
        assert!(anchor.current(Timestamp(3600)).is_some());
        assert!(anchor.current(Timestamp(3601)).is_none());
        anchor.judge(issuer.bundle().to_string().as_bytes(), Timestamp(3601));
        assert!(anchor.current(Timestamp(3601)).is_some());
    }

    #[test]
    fn decision_3_empty_keys_are_applied_at_once() {
        let (anchor, issuer) = (anchor(), TestIssuer::new("a.example"));
        anchor.judge(issuer.bundle().to_string().as_bytes(), Timestamp(0));
        assert_eq!(anchor.judge(b"{\"keys\":[]}", Timestamp(1)), Refreshed::Updated);
        assert!(anchor.current(Timestamp(1)).unwrap().jwt_keys.is_empty());
    }

    #[test]
    fn i_06_a_lower_sequence_is_not_applied() {
        let (anchor, mut issuer) = (anchor(), TestIssuer::new("a.example"));
        let old = issuer.bundle().to_string();
        issuer.rotate();
        anchor.judge(issuer.bundle().to_string().as_bytes(), Timestamp(0));
        assert_eq!(
            anchor.judge(old.as_bytes(), Timestamp(1)),
            Refreshed::RolledBack { held: 2, offered: 1 }
        );
        assert_eq!(anchor.current(Timestamp(1)).unwrap().jwt_keys.len(), 2);
    }

    #[test]
    fn the_same_bundle_again_is_the_same_object() {
        let (anchor, issuer) = (anchor(), TestIssuer::new("a.example"));
        let document = issuer.bundle().to_string();
        anchor.judge(document.as_bytes(), Timestamp(0));
        let before = anchor.current(Timestamp(0)).unwrap();
        assert_eq!(
            anchor.judge(document.as_bytes(), Timestamp(1)),
            Refreshed::Unchanged
        );
        assert!(Arc::ptr_eq(&before, &anchor.current(Timestamp(1)).unwrap()));
    }
}
