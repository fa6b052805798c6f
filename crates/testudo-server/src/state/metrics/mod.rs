//! Counters for Prometheus. The values of labels are from closed lists, never from requests. This module has what is
//! counted while requests run; what can be read from the state is read at each scrape (`scrape.rs`).

mod requests;
mod table;

pub use requests::{Requests, Route};
pub use table::{Kind, METRICS, Metric};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{self, Registry};

/// Why a request was refused.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RejectionLabel {
    /// Name of the rejection.
    pub rejection: &'static str,
}

/// The reason for which the server closed a connection.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CloseReasonLabel {
    /// The name of the limit that was reached.
    pub reason: &'static str,
}

/// The outcome of a fetch of a client's keys.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct FetchLabel {
    /// For keys of clients: `fetched`, `failed`, or `shed`, which is not made because of a limit of this server. For token
    /// reviews: `valid`, `refused`, `outage` or `failed`. For status lists: as for keys of clients, or `refused`.
    pub outcome: &'static str,
}

/// All metrics that are counted while requests run.
pub struct Metrics {
    registry: Registry,
    /// Answers by route and status.
    requests: Requests,
    /// Access tokens issued.
    pub tokens_issued: Counter,
    /// Credentials that were verified before and are in memory.
    pub assertions_remembered: Counter,
    /// Clients registered by their first token request.
    pub first_uses: Counter,
    /// Clients registered.
    pub clients_registered: Counter,
    /// Refused requests.
    pub refused: Family<RejectionLabel, Counter>,
    /// Requests that failed because of a fault of this server.
    pub faults: Counter,
    /// Fetches of keys that clients publish themselves.
    pub client_key_fetches: Family<FetchLabel, Counter>,
    /// Requests to API servers of clusters.
    pub token_reviews: Family<FetchLabel, Counter>,
    /// Tokens that were accepted without a review, in an outage.
    pub tokens_not_reviewed: Counter,
    /// Fetches of status lists.
    pub status_list_fetches: Family<FetchLabel, Counter>,
    /// Uses of status lists that could not be fetched again in time.
    pub status_lists_stale: Counter,
    /// How far the clock of this machine is ahead of the clock of the database, in seconds; negative if it is behind.
    pub clock_ahead_of_database: Gauge,
    /// Certificate chains that were verified, accepted and refused ones.
    pub certificate_chains_verified: Counter,
    /// Requests that were answered 503 because too many certificate chains were waiting to be verified.
    pub certificate_chains_shed: Counter,
    /// Requests that were refused because too many others waited for the record of the client that they name.
    pub client_look_ups_shed: Counter,
    /// Open connections.
    pub connections: Gauge,
    /// The limit of open connections, which the limit of open files may lower.
    pub connections_max: Gauge,
    /// Connections that the server closed, by the limit that was reached.
    pub connections_closed: Family<CloseReasonLabel, Counter>,
    /// Bodies that did not arrive in time.
    pub bodies_late: Counter,
    /// Requests that were answered 503 because the memory limit of requests in flight was reached.
    pub requests_shed: Counter,
    /// Memory that requests in flight use.
    pub request_bytes: Gauge,
    /// 1 if the last reload was applied.
    pub last_reload_successful: Gauge,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let mut registry = Registry::with_prefix("testudo");
        let metrics = Metrics {
            requests: Requests::new(&mut registry),
            tokens_issued: registered(&mut registry, "tokens_issued"),
            assertions_remembered: registered(&mut registry, "assertions_remembered"),
            first_uses: registered(&mut registry, "first_uses"),
            clients_registered: registered(&mut registry, "clients_registered"),
            refused: registered(&mut registry, "requests_refused"),
            faults: registered(&mut registry, "faults"),
            client_key_fetches: registered(&mut registry, "client_key_fetches"),
            token_reviews: registered(&mut registry, "token_reviews"),
            tokens_not_reviewed: registered(&mut registry, "token_reviews_omitted"),
            status_list_fetches: registered(&mut registry, "status_list_fetches"),
            status_lists_stale: registered(&mut registry, "status_lists_stale"),
            clock_ahead_of_database: registered(&mut registry, "clock_ahead_of_database_seconds"),
            certificate_chains_verified: registered(&mut registry, "certificate_chains_verified"),
            certificate_chains_shed: registered(&mut registry, "certificate_chains_shed"),
            client_look_ups_shed: registered(&mut registry, "client_look_ups_shed"),
            connections: registered(&mut registry, "connections"),
            connections_max: registered(&mut registry, "connections_max"),
            connections_closed: registered(&mut registry, "connections_closed"),
            bodies_late: registered(&mut registry, "request_bodies_late"),
            requests_shed: registered(&mut registry, "requests_shed"),
            request_bytes: registered(&mut registry, "request_bytes_in_flight"),
            last_reload_successful: registered(&mut registry, "configuration_last_reload_successful"),
            registry,
        };
        metrics.last_reload_successful.set(1);
        // Each outcome has its counter from the start: an alert on a counter that does not exist would never fire.
        for outcome in ["fetched", "failed", "shed"] {
            drop(metrics.client_key_fetches.get_or_create(&FetchLabel { outcome }));
        }
        metrics
    }
}

impl Metrics {
    /// The exposition text, without the final `# EOF`.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode_registry(&mut text, &self.registry);
        text
    }
}

/// Registers a new metric with the name and the meaning of its row.
fn registered<M: registry::Metric + Clone + Default>(registry: &mut Registry, name: &str) -> M {
    let metric = M::default();
    register_metric(registry, name, metric.clone());
    metric
}

/// Registers an existing metric with the name and the meaning of its row.
pub(crate) fn register_metric(registry: &mut Registry, name: &str, metric: impl registry::Metric) {
    let meaning = Metric::named(name).map_or("", |row| row.meaning);
    registry.register(name, meaning, metric);
}
