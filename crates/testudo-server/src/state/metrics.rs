//! Counters for Prometheus. Labels come from closed lists, never from requests.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicI64;

/// Why a request was refused.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RejectionLabel {
    /// Name of the rejection.
    pub rejection: &'static str,
}

/// Of which authority.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct AuthorityLabel {
    /// Its key, which no other authority has: `spiffe://prod.example`, `cluster-a:`. A trust domain and an issuer may
    /// have the same name.
    pub authority: String,
}

/// Why the server closed a connection.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct EndingLabel {
    /// The setting whose limit was reached.
    pub reason: &'static str,
}

/// Of which certificate of ours.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CertificateLabel {
    /// The section of the configuration: `server.tls`, `admin.tls`.
    pub section: &'static str,
}

/// How a fetch of a client's keys ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct FetchLabel {
    /// `fetched`, `failed`, or `shed`: refused by one of our own limits.
    pub outcome: &'static str,
}

/// All metrics.
pub struct Metrics {
    registry: Registry,
    /// Access tokens issued.
    pub tokens_issued: Counter,
    /// Assertions recognised from memory.
    pub assertions_remembered: Counter,
    /// Clients registered.
    pub clients_registered: Counter,
    /// Refused requests.
    pub refused: Family<RejectionLabel, Counter>,
    /// Requests that failed by our fault.
    pub faults: Counter,
    /// Seconds per token request.
    pub token_seconds: Histogram,
    /// Age of each authority's keys, seconds.
    pub bundle_age_seconds: Family<AuthorityLabel, Gauge>,
    /// Failed bundle fetches.
    pub bundle_failures: Family<AuthorityLabel, Counter>,
    /// Fetches of keys that clients publish themselves.
    pub client_key_fetches: Family<FetchLabel, Counter>,
    /// Clients in memory.
    pub clients_in_memory: Gauge,
    /// Batches written to the store.
    pub store_batches: Gauge<i64, AtomicI64>,
    /// How far this machine's clock is ahead of the database's, seconds; negative where it is behind.
    pub clock_ahead_of_database: Gauge,
    /// Reads from the store.
    pub store_reads: Gauge<i64, AtomicI64>,
    /// Certificate chains that were verified, good or bad, and not remembered.
    pub certificate_chains_verified: Counter,
    /// Requests that were turned away because too many certificate chains were waiting.
    pub certificate_chains_shed: Counter,
    /// Open connections.
    pub connections: Gauge,
    /// Connections at once that the files of this process allow.
    pub connections_max: Gauge,
    /// Connections that the server closed, by the limit that they reached.
    pub connections_closed: Family<EndingLabel, Counter>,
    /// Bodies that did not arrive in time.
    pub bodies_late: Counter,
    /// Requests that were turned away because requests in flight held all the memory that they may.
    pub requests_shed: Counter,
    /// Memory that requests in flight hold.
    pub request_bytes: Gauge,
    /// When our certificates end, seconds since the epoch.
    pub certificate_expires: Family<CertificateLabel, Gauge>,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let mut registry = Registry::with_prefix("testudo");
        let metrics = Metrics {
            tokens_issued: Counter::default(),
            assertions_remembered: Counter::default(),
            clients_registered: Counter::default(),
            refused: Family::default(),
            faults: Counter::default(),
            token_seconds: Histogram::new(exponential_buckets(0.000_05, 2.0, 16)),
            bundle_age_seconds: Family::default(),
            bundle_failures: Family::default(),
            client_key_fetches: Family::default(),
            clients_in_memory: Gauge::default(),
            store_batches: Gauge::default(),
            clock_ahead_of_database: Gauge::default(),
            store_reads: Gauge::default(),
            certificate_chains_verified: Counter::default(),
            certificate_chains_shed: Counter::default(),
            connections: Gauge::default(),
            connections_max: Gauge::default(),
            connections_closed: Family::default(),
            bodies_late: Counter::default(),
            requests_shed: Counter::default(),
            request_bytes: Gauge::default(),
            certificate_expires: Family::default(),
            registry: Registry::default(),
        };
        registry.register(
            "tokens_issued",
            "Access tokens issued",
            metrics.tokens_issued.clone(),
        );
        registry.register(
            "assertions_remembered",
            "Assertions recognised without verifying them again",
            metrics.assertions_remembered.clone(),
        );
        registry.register(
            "clients_registered",
            "Clients registered",
            metrics.clients_registered.clone(),
        );
        registry.register(
            "requests_refused",
            "Refused requests by reason",
            metrics.refused.clone(),
        );
        registry.register(
            "faults",
            "Requests that failed by our fault",
            metrics.faults.clone(),
        );
        registry.register(
            "token_request_seconds",
            "Time per token request",
            metrics.token_seconds.clone(),
        );
        registry.register(
            "bundle_age_seconds",
            "Age of an authority's bundle",
            metrics.bundle_age_seconds.clone(),
        );
        registry.register(
            "bundle_failures",
            "Failed bundle fetches",
            metrics.bundle_failures.clone(),
        );
        registry.register(
            "client_key_fetches",
            "Fetches of keys that clients publish themselves, by outcome",
            metrics.client_key_fetches.clone(),
        );
        registry.register(
            "clients_in_memory",
            "Clients in memory",
            metrics.clients_in_memory.clone(),
        );
        registry.register(
            "store_batches",
            "Batches written to the store",
            metrics.store_batches.clone(),
        );
        registry.register(
            "clock_ahead_of_database_seconds",
            "How far this machine's clock is ahead of the database's, seconds; negative where it is behind",
            metrics.clock_ahead_of_database.clone(),
        );
        registry.register("store_reads", "Reads from the store", metrics.store_reads.clone());
        registry.register(
            "certificate_chains_verified",
            "Certificate chains that were verified, good or bad, and not remembered",
            metrics.certificate_chains_verified.clone(),
        );
        registry.register(
            "certificate_chains_shed",
            "Requests turned away because too many certificate chains were waiting",
            metrics.certificate_chains_shed.clone(),
        );
        registry.register("connections", "Open connections", metrics.connections.clone());
        // Each outcome has its counter from the start: an alert cannot be written on one that is not there yet.
        for outcome in ["fetched", "failed", "shed"] {
            drop(metrics.client_key_fetches.get_or_create(&FetchLabel { outcome }));
        }
        metrics.register_connections(&mut registry);
        Metrics { registry, ..metrics }
    }
}

impl Metrics {
    fn register_connections(&self, registry: &mut Registry) {
        registry.register(
            "connections_max",
            "Connections at once, below the limit of open files",
            self.connections_max.clone(),
        );
        registry.register(
            "connections_closed",
            "Connections that the server closed, by the limit that they reached",
            self.connections_closed.clone(),
        );
        registry.register(
            "request_bodies_late",
            "Bodies that did not arrive within server.body_timeout",
            self.bodies_late.clone(),
        );
        registry.register(
            "requests_shed",
            "Requests turned away because requests in flight hold all the memory that they may",
            self.requests_shed.clone(),
        );
        registry.register(
            "request_bytes_in_flight",
            "Memory that requests in flight hold",
            self.request_bytes.clone(),
        );
        registry.register(
            "tls_certificate_expires_seconds",
            "When the certificate ends, seconds since the epoch",
            self.certificate_expires.clone(),
        );
    }

    /// The exposition text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
