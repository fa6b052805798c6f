//! Counters for Prometheus. Labels come from closed lists, never from requests. What is counted while requests run is
//! here; what can be read from the state is read when it is scraped (`scrape.rs`).

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

/// Why the server closed a connection.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CloseReasonLabel {
    /// The setting whose limit was reached.
    pub reason: &'static str,
}

/// How a fetch of a client's keys ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct FetchLabel {
    /// `fetched`, `failed`, or `shed`: refused by one of our own limits.
    pub outcome: &'static str,
}

/// All metrics that are counted while requests run.
pub struct Metrics {
    registry: Registry,
    /// Answers by route and status.
    requests: Requests,
    /// Access tokens issued.
    pub tokens_issued: Counter,
    /// Assertions recognised from memory.
    pub assertions_remembered: Counter,
    /// Clients registered by their first token request.
    pub first_uses: Counter,
    /// Clients registered.
    pub clients_registered: Counter,
    /// Refused requests.
    pub refused: Family<RejectionLabel, Counter>,
    /// Requests that failed by our fault.
    pub faults: Counter,
    /// Fetches of keys that clients publish themselves.
    pub client_key_fetches: Family<FetchLabel, Counter>,
    /// How far this machine's clock is ahead of the database's, seconds; negative where it is behind.
    pub clock_ahead_of_database: Gauge,
    /// Certificate chains that were verified, good or bad, and not remembered.
    pub certificate_chains_verified: Counter,
    /// Requests that were turned away because too many certificate chains were waiting.
    pub certificate_chains_shed: Counter,
    /// Open connections.
    pub connections: Gauge,
    /// Connections at once that the files of this process allow.
    pub connections_max: Gauge,
    /// Connections that the server closed, by the limit that they reached.
    pub connections_closed: Family<CloseReasonLabel, Counter>,
    /// Bodies that did not arrive in time.
    pub bodies_late: Counter,
    /// Requests that were turned away because requests in flight held all the memory that they may.
    pub requests_shed: Counter,
    /// Memory that requests in flight hold.
    pub request_bytes: Gauge,
    /// 1 where the last reload was applied.
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
            clock_ahead_of_database: registered(&mut registry, "clock_ahead_of_database_seconds"),
            certificate_chains_verified: registered(&mut registry, "certificate_chains_verified"),
            certificate_chains_shed: registered(&mut registry, "certificate_chains_shed"),
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
        // Each outcome has its counter from the start: an alert cannot be written on one that is not there yet.
        for outcome in ["fetched", "failed", "shed"] {
            drop(metrics.client_key_fetches.get_or_create(&FetchLabel { outcome }));
        }
        metrics
    }
}

impl Metrics {
    /// The exposition text, without its end.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode_registry(&mut text, &self.registry);
        text
    }
}

/// A metric that begins with nothing, under the name and the words of its row.
fn registered<M: registry::Metric + Clone + Default>(registry: &mut Registry, name: &str) -> M {
    let metric = M::default();
    register_metric(registry, name, metric.clone());
    metric
}

/// The same for one that exists.
pub(crate) fn register_metric(registry: &mut Registry, name: &str, metric: impl registry::Metric) {
    let meaning = Metric::named(name).map_or("", |row| row.meaning);
    registry.register(name, meaning, metric);
}
