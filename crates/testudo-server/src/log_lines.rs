//! The lines of the log, one row each. `docs/reference/logs.md` is generated from this table, and `cargo xtask tidy`
//! compares it with every log call in this crate and the other crates of the server.
//!
//! Every line has `timestamp`, `level`, `event` (the name of its row) and `message`. The lines of audit events have their
//! names and levels from the table of event kinds, and the fields [`EVENT_FIELDS`].

use testudo_core::records::EventKind;

/// One line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The name, which is the value of `event`. Programs match this name and never the message.
    pub event: &'static str,
    /// `ERROR`, `WARN`, `INFO` or `DEBUG`.
    pub level: &'static str,
    /// The fields that the line may have, besides those of every line.
    pub fields: &'static [&'static str],
    /// When it is written.
    pub meaning: &'static str,
}

/// A field, with the same meaning in every line.
pub struct Field {
    /// The name.
    pub name: &'static str,
    /// The meaning.
    pub meaning: &'static str,
}

const fn error(event: &'static str, fields: &'static [&'static str], meaning: &'static str) -> Line {
    Line {
        event,
        level: "ERROR",
        fields,
        meaning,
    }
}

const fn warn(event: &'static str, fields: &'static [&'static str], meaning: &'static str) -> Line {
    Line {
        level: "WARN",
        ..error(event, fields, meaning)
    }
}

const fn info(event: &'static str, fields: &'static [&'static str], meaning: &'static str) -> Line {
    Line {
        level: "INFO",
        ..error(event, fields, meaning)
    }
}

const fn debug(event: &'static str, fields: &'static [&'static str], meaning: &'static str) -> Line {
    Line {
        level: "DEBUG",
        ..error(event, fields, meaning)
    }
}

/// The fields of every line.
pub const EVERY_LINE: &[&str] = &["timestamp", "level", "event", "message"];

/// The fields that the line of an audit event may have. Their values are those of the fields of the event.
pub const EVENT_FIELDS: &[&str] = &[
    "request.id",
    "client.id",
    "authority",
    "trust_domain",
    "identity",
    "door",
    "rule",
    "rejection",
    "reason",
    "actor",
    "count",
    "detail",
];

/// The name of the line for messages of libraries.
pub const LIBRARY: &str = "library";

/// All lines except those of audit events.
pub const LINES: &[Line] = &[
    // Start, end, configuration.
    info(
        "server.ready",
        &[],
        "The server accepts connections. The message begins with `ready on` and has all addresses. Written at every level of `RUST_LOG`.",
    ),
    info(
        "server.stopping",
        &[],
        "The process received SIGTERM or SIGINT: it accepts no more connections and finishes the running requests.",
    ),
    warn(
        "server.requests_cut",
        &["requests", "connections", "drain_seconds"],
        "Requests were still running at the end of `server.drain` and were cut off.",
    ),
    error(
        "server.failed",
        &["hint"],
        "The server cannot start; the process ends with status 1.",
    ),
    error(
        "server.panicked",
        &["location", "backtrace"],
        "A fault in this program: please report it. The request or task was ended, and the server continues. `backtrace` is present if `RUST_BACKTRACE=1` is set.",
    ),
    warn(
        "server.test_clock",
        &[],
        "The binary was built with the cargo feature `test-clock`, which no release has.",
    ),
    warn(
        "server.connections_max_lowered",
        &["open_files", "connections_max", "wanted"],
        "The limit of open files allows fewer connections than `server.connections_max`.",
    ),
    warn(
        "server.open_files_kept",
        &["fault"],
        "The soft limit of open files could not be raised to the hard limit.",
    ),
    warn(
        "service_manager.not_notified",
        &["fault"],
        "`NOTIFY_SOCKET` cannot be used, or a message cannot be sent to the service manager.",
    ),
    warn(
        "log.level_unreadable",
        &["fault"],
        "`RUST_LOG` cannot be read; `info` is used.",
    ),
    error(
        "configuration.problem",
        &["place", "key", "value", "expected", "hint"],
        "At the start: a setting cannot be used.",
    ),
    warn(
        "configuration.warning",
        &["place", "key", "value", "expected", "hint"],
        "At the start or at a reload: a setting is probably wrong, or takes effect only at the next start.",
    ),
    info(
        "configuration.variable",
        &["variable", "key"],
        "At the start or at a reload: an environment variable sets a key. The value is not logged.",
    ),
    info(
        "configuration.reloaded",
        &["generation", "actor", "reason", "changes"],
        "A configuration was put in force by a reload, on this node.",
    ),
    error(
        "configuration.not_reloaded",
        &["report"],
        "A reload by SIGHUP, or one that another node ordered, found a file that cannot be used; the configuration in force stays in force.",
    ),
    warn(
        "configuration.differs",
        &[],
        "Another node reloaded its configuration file, which differs from the file of this node.",
    ),
    error(
        "configuration.order_unwritten",
        &["fault"],
        "A reload is in force on this node, but the other nodes were not notified or its event was not written.",
    ),
    // Requests.
    info(
        "token.issued",
        &[
            "request.id",
            "client.id",
            "authority",
            "trust_domain",
            "audience",
            "scope",
            "jti",
            "exp",
        ],
        "An access token was issued. Only with `[log] token_issued = true`. It is written to the log only, never to the store.",
    ),
    error(
        "request.failed",
        &["request.id", "fault"],
        "A request was answered 503 because of a fault of this server.",
    ),
    error(
        "page.unwritten",
        &["fault"],
        "A page for people could not be written. It is answered 500 without content.",
    ),
    debug(
        "request.turned_away",
        &["request.id", "fault"],
        "A request was answered 503 because a limit of this server was reached; `testudo_requests_shed_total` and `testudo_certificate_chains_shed_total` count them.",
    ),
    warn(
        "admin.store_unavailable",
        &["path", "fault"],
        "The store could not be read while the access token of an administrator was checked.",
    ),
    warn(
        "connection.not_accepted",
        &["fault"],
        "A connection could not be accepted, mostly because the process reached its limit of open files.",
    ),
    debug("connection.tls_failed", &["fault"], "A TLS handshake failed."),
    debug(
        "connection.certificate_refused",
        &["fault"],
        "A client's certificate was refused in the handshake.",
    ),
    debug(
        "connection.ended",
        &["limit"],
        "The server closed a connection because of this limit.",
    ),
    debug(
        "connection.failed",
        &["fault"],
        "A connection ended with an error.",
    ),
    // Keys of others.
    warn(
        "bundles.missing",
        &[],
        "At the start or at a reload: not all bundles were fetched in time. The server continues without the missing ones.",
    ),
    warn(
        "bundle.sequence_unstored",
        &["fault"],
        "A bundle was put in force although its sequence could not be stored.",
    ),
    warn(
        "bundle.unshared",
        &["fault"],
        "A bundle was put in force, but could not be stored for other nodes and the next start.",
    ),
    debug(
        "client_keys.unavailable",
        &["url", "fault"],
        "The key set that a registered client publishes could not be fetched.",
    ),
    warn(
        "token_review.failed",
        &["authority", "fault"],
        "The API server of a cluster could not review a service account token: at most once a minute for each cluster. `on_outage` of the entry decides whether the token is refused.",
    ),
    warn(
        "status_list.failed",
        &["authority", "url", "fault"],
        "A status list of verifiable credentials could not be fetched, or is refused: at most once in 30 s for each list. Credentials that refer to it are refused, unless an earlier list may still be used (`status_max_stale`).",
    ),
    // Events and upkeep.
    warn(
        "event.unwritten",
        &["kind", "fault"],
        "An audit event could not be written to the store; the line of the event itself is logged before this line.",
    ),
    error(
        "key.change_failed",
        &["fault"],
        "A signing key could not be made active, or retired, at its time.",
    ),
    warn(
        "key.list_unwritten",
        &["fault"],
        "The encrypted list of accepted signing keys could not be written.",
    ),
    info(
        "client.swept",
        &["count"],
        "Idle clients were removed by the sweep.",
    ),
    warn(
        "upkeep.failed",
        &["work", "fault"],
        "A background task failed; it is repeated.",
    ),
    warn(
        "clock.far",
        &[],
        "The clock of this machine and the clock of the database differ too much.",
    ),
    info(
        "clock.close",
        &[],
        "The clocks of this machine and of the database agree again.",
    ),
    // The store, and the other nodes.
    error(
        "store.refused",
        &["batches", "fault"],
        "The store refused a transaction; its requests were answered 503.",
    ),
    warn(
        "store.host_left_out",
        &["host", "fault"],
        "A host of `store.url` cannot be used; the next one is tried.",
    ),
    warn(
        "store.connection_broke",
        &["fault"],
        "A connection to the database was interrupted.",
    ),
    warn(
        "store.lock_kept",
        &["fault"],
        "The lock of the SQLite file could not be released; it is released when the process ends.",
    ),
    warn(
        "nodes.unheard",
        &["fault"],
        "Changes that other nodes made cannot be received; the node tries again. After `serve_without_store` it answers 503.",
    ),
    warn(
        "nodes.read_anew",
        &[],
        "Changes that other nodes made may have been missed: everything is loaded again.",
    ),
    error(
        "nodes.not_taken_over",
        &["fault"],
        "A change that another node made could not be applied; the node tries again.",
    ),
    warn(
        "nodes.hint_lost",
        &["fault"],
        "NOTIFY is not possible: other nodes find the change when they next read the table of changes, within half a second.",
    ),
    info(
        "nodes.hint_works",
        &["count"],
        "NOTIFY works again; `count` notifications were lost.",
    ),
    // Others.
    info(
        LIBRARY,
        &["library", "detail"],
        "A message of a library, at the level that the library gives; the fields of the library are in `detail`. At level `info` these are notices of PostgreSQL; others appear if `RUST_LOG` enables them.",
    ),
];

/// What the fields mean.
pub const FIELDS: &[Field] = &[
    field("timestamp", "when, in UTC (RFC 3339, microseconds)"),
    field("level", "`ERROR`, `WARN`, `INFO` or `DEBUG`"),
    field(
        "event",
        "the name of the line, as in the tables below; programs match this field",
    ),
    field(
        "message",
        "a sentence for people, which may change with a version; for audit events and `token.issued`, the name of the line",
    ),
    field(
        "actor",
        "who made the change: an identity, `uid:1000` at the admin socket, `signal`, `watch`, `sweep` or `clock`",
    ),
    field("audience", "`aud` of the token: the API that it is for"),
    field(
        "authority",
        "key of the authority, as in events and metrics: `spiffe://prod.example` for a trust domain, `cluster-a:` for an entry of `[[issuers]]`",
    ),
    field("backtrace", "the calls that led to a panic"),
    field("batches", "how many batches the transaction had"),
    field("changes", "what a reload changed"),
    field("client.id", "`client_id` of the client"),
    field("connections", "how many connections"),
    field("connections_max", "the limit that is in force"),
    field("count", "how many"),
    field("detail", "further explanation"),
    field(
        "door",
        "the kind of credential: `jwt_svid`, `x509_svid`, `private_key_jwt`",
    ),
    field("drain_seconds", "`server.drain`"),
    field("exp", "`exp` of the token, seconds since the epoch"),
    field("expected", "the expected form, with an example"),
    field(
        "fault",
        "what this server, the store or the operating system could not do, and why",
    ),
    field(
        "generation",
        "how many configurations have been in force since the start, including this one",
    ),
    field("hint", "what to do about it"),
    field("host", "which host of `store.url`, counted from 0"),
    field(
        "identity",
        "the identity of the client or administrator: its SPIFFE ID, for example",
    ),
    field("jti", "`jti` of the token"),
    field("key", "the key of the setting in `testudo.toml`"),
    field("kind", "the kind of the audit event"),
    field("library", "the name of the library's crate"),
    field("limit", "the setting whose limit was reached"),
    field("location", "file, line and column of the source"),
    field("open_files", "the limit of open files of the process"),
    field("path", "the path of the request"),
    field("place", "file, line and column of the setting"),
    field("reason", "the reason that the administrator gave (`--reason`)"),
    field(
        "rejection",
        "why a request was refused, as in `rejection` of `testudo_requests_refused_total`",
    ),
    field("report", "all problems of the configuration"),
    field(
        "request.id",
        "the `Request-Id` of the answer, for `testudo explain`",
    ),
    field("requests", "how many requests"),
    field("rule", "the name of the rule that governs the client"),
    field("scope", "the scope of the token"),
    field(
        "trust_domain",
        "name of the trust domain, if the authority is one: `prod.example`",
    ),
    field("url", "the URL that was fetched"),
    field("value", "the value of the setting, unless it may be a secret"),
    field("variable", "the name of the environment variable"),
    field("wanted", "the configured value"),
    field("work", "the name of the background task"),
];

const fn field(name: &'static str, meaning: &'static str) -> Field {
    Field { name, meaning }
}

/// The line of an audit event.
pub fn of_event(kind: EventKind) -> Line {
    let line = match kind.is_failure() {
        true => error,
        false => info,
    };
    line(kind.name(), EVENT_FIELDS, kind.meaning())
}

/// All lines, including those of audit events.
pub fn all() -> impl Iterator<Item = Line> {
    let of_events = EventKind::ALL.iter().copied().map(of_event);
    LINES.iter().copied().chain(of_events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_field_of_a_line_is_explained_and_every_explained_field_is_used() {
        let explained: BTreeSet<_> = FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(explained.len(), FIELDS.len(), "a field has two meanings");
        let used: BTreeSet<_> = all()
            .flat_map(|line| line.fields.iter().copied())
            .chain(EVERY_LINE.iter().copied())
            .collect();
        assert_eq!(used, explained);
    }

    #[test]
    fn no_two_lines_have_the_same_name() {
        let names: BTreeSet<_> = all().map(|line| line.event).collect();
        assert_eq!(names.len(), all().count());
    }
}
