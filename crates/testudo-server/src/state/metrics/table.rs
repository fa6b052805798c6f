//! Every metric: one row each. `docs/reference/metrics.md` is made of this table, and a scrape of the built binary is
//! compared with it.

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// As queries name it; a counter ends with `_total`.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it measures.
    pub meaning: &'static str,
}

impl Kind {
    /// As the exposition names it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

impl Metric {
    /// The row of a name, with or without the prefix and `_total`.
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

/// All of them.
pub const METRICS: &[Metric] = &[
    // The server.
    gauge(
        "testudo_build_info",
        &["version", "store"],
        "1; the version of the program and the engine of its store",
    ),
    gauge("testudo_ready", &[], "1 where /readyz answers 200, else 0"),
    gauge(
        "testudo_configuration_generation",
        &[],
        "Configurations that were in force since the start, this one included",
    ),
    gauge(
        "testudo_configuration_last_reload_successful",
        &[],
        "1 where the last reload was applied or there was none, 0 where the file could not be used",
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
        "Requests answered 503 by our own fault",
    ),
    counter(
        "testudo_requests_shed_total",
        &[],
        "Requests turned away because requests in flight hold all the memory that they may",
    ),
    gauge(
        "testudo_request_bytes_in_flight",
        &[],
        "Memory that requests in flight hold",
    ),
    counter(
        "testudo_request_bodies_late_total",
        &[],
        "Bodies that did not arrive within server.body_timeout",
    ),
    // Tokens and clients.
    counter("testudo_tokens_issued_total", &[], "Access tokens issued"),
    counter(
        "testudo_assertions_remembered_total",
        &[],
        "Assertions recognised without verifying them again",
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
        "Certificate chains that were verified, good or bad, and not remembered",
    ),
    counter(
        "testudo_certificate_chains_shed_total",
        &[],
        "Requests turned away because too many certificate chains were waiting",
    ),
    // Keys of others.
    gauge(
        "testudo_bundle_usable",
        &["authority"],
        "1 where the authority has keys that may be used now, 0 where its clients are refused: never fetched, or too old",
    ),
    gauge(
        "testudo_bundle_age_seconds",
        &["authority"],
        "Seconds since the keys of the authority were last confirmed; +Inf where they never were",
    ),
    gauge(
        "testudo_bundle_expires_seconds",
        &["authority"],
        "When the keys are used no longer unless they are confirmed again, seconds since the epoch; absent where there are none",
    ),
    counter(
        "testudo_bundle_failures_total",
        &["authority"],
        "Fetches that brought nothing usable",
    ),
    counter(
        "testudo_client_key_fetches_total",
        &["outcome"],
        "Fetches of keys that registered clients publish: fetched, failed, or shed by a limit of ours",
    ),
    // Our own keys and certificates.
    gauge(
        "testudo_tls_certificate_expires_seconds",
        &["section"],
        "When the TLS certificate of the section ends, seconds since the epoch",
    ),
    gauge(
        "testudo_signing_key_created_seconds",
        &["kid", "state"],
        "When the signing key was made, seconds since the epoch; state is next, active or retiring",
    ),
    gauge(
        "testudo_signing_key_expires_seconds",
        &["kid"],
        "When a retiring signing key is published no longer, seconds since the epoch",
    ),
    // The store.
    counter("testudo_store_batches_total", &[], "Batches written to the store"),
    counter("testudo_store_reads_total", &[], "Reads from the store"),
    counter(
        "testudo_store_failures_total",
        &[],
        "Reads and writes that the store could not do",
    ),
    gauge(
        "testudo_clock_ahead_of_database_seconds",
        &[],
        "How far the clock of this machine is ahead of the database's; negative where it is behind",
    ),
    // Connections.
    gauge("testudo_connections", &[], "Open connections"),
    gauge(
        "testudo_connections_max",
        &[],
        "Connections at once, below the limit of open files",
    ),
    counter(
        "testudo_connections_closed_total",
        &["reason"],
        "Connections that the server closed, by the limit that they reached",
    ),
    // The process, as every Prometheus client names it.
    counter(
        "process_cpu_seconds_total",
        &[],
        "User and system time of the process",
    ),
    gauge(
        "process_resident_memory_bytes",
        &[],
        "Memory that the process holds",
    ),
    gauge(
        "process_virtual_memory_bytes",
        &[],
        "Address space of the process",
    ),
    gauge("process_open_fds", &[], "Open files, connections included"),
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
    fn names_are_one_each_and_counters_alone_end_with_total() {
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
