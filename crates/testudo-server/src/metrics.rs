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

/// Of which trust domain.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct TrustDomainLabel {
    /// Name of the trust domain.
    pub trust_domain: String,
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
    /// Age of each trust domain's bundle, seconds.
    pub bundle_age_seconds: Family<TrustDomainLabel, Gauge>,
    /// Failed bundle fetches.
    pub bundle_failures: Family<TrustDomainLabel, Counter>,
    /// Clients in memory.
    pub clients_in_memory: Gauge,
    /// Batches written to the store.
    pub store_batches: Gauge<i64, AtomicI64>,
    /// Reads from the store.
    pub store_reads: Gauge<i64, AtomicI64>,
    /// Open connections.
    pub connections: Gauge,
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
            clients_in_memory: Gauge::default(),
            store_batches: Gauge::default(),
            store_reads: Gauge::default(),
            connections: Gauge::default(),
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
            "Age of a trust domain's bundle",
            metrics.bundle_age_seconds.clone(),
        );
        registry.register(
            "bundle_failures",
            "Failed bundle fetches",
            metrics.bundle_failures.clone(),
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
        registry.register("store_reads", "Reads from the store", metrics.store_reads.clone());
        registry.register("connections", "Open connections", metrics.connections.clone());
        Metrics { registry, ..metrics }
    }
}

impl Metrics {
    /// The exposition text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
