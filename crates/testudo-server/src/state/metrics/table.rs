//! The metrics, one row each. `docs/reference/metrics.md` is generated from this table, and a test compares a scrape of
//! the built binary with it.

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only increases, from the start of the process.
    Counter,
    /// Increases and decreases.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// The name in queries; that of a counter ends with `_total`.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it measures.
    pub meaning: &'static str,
}

impl Kind {
    /// The name in the exposition format.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

impl Metric {
    /// The row with this name, with or without the prefix and `_total`.
    pub fn named(name: &str) -> Option<&'static Metric> {
        METRICS.iter().find(|metric| {
            let bare = metric.name.strip_prefix(PREFIX).unwrap_or(metric.name);
            bare.strip_suffix("_total").unwrap_or(bare) == name
        })
    }
}

const PREFIX: &str = "testudo_";

const fn counter(name: &'static str, labels: &'static [&'static str], meaning: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        labels,
        meaning,
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], meaning: &'static str) -> Metric {
    Metric {
        kind: Kind::Gauge,
        ..counter(name, labels, meaning)
    }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], meaning: &'static str) -> Metric {
    Metric {
        kind: Kind::Histogram,
        ..counter(name, labels, meaning)
    }
}

/// All metrics.
pub const METRICS: &[Metric] = &[
    // The server.
    gauge(
        "testudo_build_info",
        &["version", "store"],
        "1; the version of the program and the engine of its store",
    ),
    gauge("testudo_ready", &[], "1 if /readyz answers 200, else 0"),
    gauge(
        "testudo_configuration_generation",
        &[],
        "How many configurations have been in force since the start, including this one",
    ),
    gauge(
        "testudo_configuration_last_reload_successful",
        &[],
        "1 if the last reload was applied or there was no reload, 0 if the configuration could not be used",
    ),
    // Requests.
    counter(
        "testudo_requests_total",
        &["route", "status"],
        "Answers by route and HTTP status",
    ),
    histogram(
        "testudo_request_duration_seconds",
        &["route"],
        "Time from the head of a request to its answer",
    ),
    counter(
        "testudo_requests_refused_total",
        &["rejection"],
        "Refused requests by reason",
    ),
    counter(
        "testudo_faults_total",
        &[],
        "Requests answered 503 because of a fault of this server",
    ),
    counter(
        "testudo_requests_shed_total",
        &[],
        "Requests answered 503 because the memory limit of requests in flight was reached",
    ),
    gauge(
        "testudo_request_bytes_in_flight",
        &[],
        "Memory that requests in flight use",
    ),
    counter(
        "testudo_request_bodies_late_total",
        &[],
        "Request bodies that did not arrive within server.body_timeout",
    ),
    // Tokens and clients.
    counter("testudo_tokens_issued_total", &[], "Access tokens issued"),
    counter(
        "testudo_assertions_remembered_total",
        &[],
        "Credentials that were verified before and not verified again",
    ),
    counter(
        "testudo_first_uses_total",
        &[],
        "Clients registered by their first token request",
    ),
    counter(
        "testudo_clients_registered_total",
        &[],
        "Clients registered, by a first use or at the registration endpoint",
    ),
    gauge("testudo_clients_in_memory", &[], "Clients in memory"),
    counter(
        "testudo_certificate_chains_verified_total",
        &[],
        "Certificate chains that were verified, accepted and refused ones",
    ),
    counter(
        "testudo_certificate_chains_shed_total",
        &[],
        "Requests answered 503 because too many certificate chains were waiting to be verified",
    ),
    counter(
        "testudo_client_look_ups_shed_total",
        &[],
        "Requests answered 503 because too many unverified requests waited for the record of the client that they name",
    ),
    // Keys of others.
    gauge(
        "testudo_bundle_usable",
        &["authority"],
        "1 if the authority has keys that may be used now, 0 if its clients are refused because its keys were never fetched or are too old",
    ),
    gauge(
        "testudo_bundle_age_seconds",
        &["authority"],
        "Seconds since the keys of the authority were last fetched; +Inf if they never were",
    ),
    gauge(
        "testudo_bundle_expires_seconds",
        &["authority"],
        "Until when the keys are used if no further fetch succeeds, seconds since the epoch; absent if there are none",
    ),
    counter(
        "testudo_bundle_failures_total",
        &["authority"],
        "Fetches of the keys of the authority that failed",
    ),
    counter(
        "testudo_client_key_fetches_total",
        &["outcome"],
        "Fetches of keys that registered clients publish: fetched, failed, or shed by a limit of this server",
    ),
    counter(
        "testudo_token_reviews_total",
        &["outcome"],
        "Requests to API servers of clusters about service account tokens: valid, refused, outage (no answer in time, or a status of 500 or more), or failed",
    ),
    counter(
        "testudo_token_reviews_omitted_total",
        &[],
        "Requests of clients whose service account token was accepted without a review, in an outage with on_outage = \"accept\"",
    ),
    counter(
        "testudo_status_list_fetches_total",
        &["outcome"],
        "Fetches of status lists of verifiable credentials: fetched, refused (what came is not a valid list of the issuer), failed, or shed by a limit of this server",
    ),
    counter(
        "testudo_status_lists_stale_total",
        &[],
        "Uses of a status list that could not be fetched again in time, within status_max_stale of its issuer",
    ),
    // Our own keys and certificates.
    gauge(
        "testudo_tls_certificate_expires_seconds",
        &["section"],
        "When the TLS certificate of the section expires, seconds since the epoch",
    ),
    gauge(
        "testudo_signing_key_created_seconds",
        &["kid", "state"],
        "When the signing key was created, seconds since the epoch; state is next, active or retiring",
    ),
    gauge(
        "testudo_signing_key_expires_seconds",
        &["kid"],
        "Until when a retiring signing key is published, seconds since the epoch",
    ),
    // The store.
    counter("testudo_store_batches_total", &[], "Batches written to the store"),
    counter("testudo_store_reads_total", &[], "Reads from the store"),
    counter(
        "testudo_store_failures_total",
        &[],
        "Reads and writes that failed in the store",
    ),
    gauge(
        "testudo_clock_ahead_of_database_seconds",
        &[],
        "How far the clock of this machine is ahead of the clock of the database; negative if it is behind",
    ),
    // Connections.
    gauge("testudo_connections", &[], "Open connections"),
    gauge(
        "testudo_connections_max",
        &[],
        "The limit of open connections, which the limit of open files may lower",
    ),
    counter(
        "testudo_connections_closed_total",
        &["reason"],
        "Connections that the server closed, by the limit that was reached",
    ),
    // The process, with the names that all Prometheus clients use.
    counter(
        "process_cpu_seconds_total",
        &[],
        "User and system time of the process",
    ),
    gauge(
        "process_resident_memory_bytes",
        &[],
        "Memory that the process uses",
    ),
    gauge(
        "process_virtual_memory_bytes",
        &[],
        "Address space of the process",
    ),
    gauge("process_open_fds", &[], "Open files, including connections"),
    gauge("process_max_fds", &[], "The limit of open files"),
    gauge("process_threads", &[], "Threads of the process"),
    gauge(
        "process_start_time_seconds",
        &[],
        "When the process was started, seconds since the epoch",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_only_names_of_counters_end_with_total() {
        let names: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
        for metric in METRICS {
            let is_counter = metric.kind == Kind::Counter;
            assert_eq!(metric.name.ends_with("_total"), is_counter, "{}", metric.name);
            let family = metric.name.trim_start_matches(PREFIX).trim_end_matches("_total");
            assert_eq!(Metric::named(family).map(|found| found.name), Some(metric.name));
        }
    }
}
