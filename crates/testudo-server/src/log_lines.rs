//! The lines of the log: one row each. `docs/reference/logs.md` is made of this table, and `cargo xtask tidy` compares it
//! with every place that writes to the log, here and in the other crates of the server.
//!
//! Every line has `timestamp`, `level`, `event` (the name of its row) and `message`. Lines of audit events have their
//! names and levels from the table of kinds, and [`EVENT_FIELDS`].

use testudo_core::records::EventKind;

/// One line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Its name, the value of `event`: a program looks for this, never for the message.
    pub event: &'static str,
    /// `ERROR`, `WARN`, `INFO` or `DEBUG`.
    pub level: &'static str,
    /// Fields that it may have, besides those of every line.
    pub fields: &'static [&'static str],
    /// When it is written.
    pub meaning: &'static str,
}

/// What a field means, in whichever line it stands.
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its meaning.
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

/// Fields that every line has.
pub const EVERY_LINE: &[&str] = &["timestamp", "level", "event", "message"];

/// Fields that the line of an audit event may have. They have the values of the event's own fields.
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

/// The line of what a library says of itself.
pub const LIBRARY: &str = "library";

/// Every line but those of audit events.
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
        "SIGTERM or SIGINT came: no connection is accepted any more, running requests may finish.",
    ),
    warn(
        "server.requests_cut",
        &["requests", "connections", "drain_seconds"],
        "`server.drain` was over before all running requests were.",
    ),
    error(
        "server.failed",
        &["hint"],
        "The server cannot start; the process ends with status 1.",
    ),
    error(
        "server.panicked",
        &["location", "backtrace"],
        "A fault in this program: please report it. The request or task ended, the server goes on. `backtrace` where `RUST_BACKTRACE=1` is set.",
    ),
    warn(
        "server.test_clock",
        &[],
        "The binary was built with the cargo feature `test-clock`, which no release has.",
    ),
    warn(
        "server.connections_max_lowered",
        &["open_files", "connections_max", "wanted"],
        "The limit of open files leaves room for fewer connections than `server.connections_max`.",
    ),
    warn(
        "server.open_files_kept",
        &["fault"],
        "The soft limit of open files could not be raised to the hard one.",
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
        "At the start: a setting that cannot be used.",
    ),
    warn(
        "configuration.warning",
        &["place", "key", "value", "expected", "hint"],
        "At the start or at a reload: a setting that is doubtful, or takes effect at the next start.",
    ),
    info(
        "configuration.variable",
        &["variable", "key"],
        "At the start or at a reload: a variable of the environment sets a key. Its value is not written.",
    ),
    info(
        "configuration.reloaded",
        &["generation", "actor", "reason", "changes"],
        "The configuration was applied again, on this node.",
    ),
    error(
        "configuration.not_reloaded",
        &["report"],
        "A reload by SIGHUP, or one that another node ordered, found a file that cannot be used; the configuration in force goes on.",
    ),
    warn(
        "configuration.differs",
        &[],
        "Another node reloaded a configuration file that is not the same as this node's.",
    ),
    error(
        "configuration.order_unwritten",
        &["fault"],
        "A reload holds on this node; the other nodes were not told, or its event was not written.",
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
        "An access token was issued. Only with `[log] token_issued = true`; in the log alone, never in the store.",
    ),
    error(
        "request.failed",
        &["request.id", "fault"],
        "A request was answered 503 by our own fault.",
    ),
    debug(
        "request.turned_away",
        &["request.id", "fault"],
        "A request was answered 503 because a limit of this server was reached; `testudo_requests_shed_total` and `testudo_certificate_chains_shed_total` count them.",
    ),
    warn(
        "admin.refused",
        &["client.id", "path", "detail"],
        "A caller with a valid token may not use this operation of the admin API.",
    ),
    warn(
        "admin.store_unavailable",
        &["path", "fault"],
        "The store could not be read while the access token of an administrator was checked.",
    ),
    warn(
        "connection.not_accepted",
        &["fault"],
        "The operating system gave no connection, mostly because the process has no file left.",
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
        "At the start or at a reload: not all bundles came in time. The server goes on without them.",
    ),
    warn(
        "bundle.sequence_unstored",
        &["fault"],
        "A bundle is in force, and its sequence could not be stored.",
    ),
    debug(
        "client_keys.unavailable",
        &["url", "fault"],
        "The key set that a registered client publishes cannot be had.",
    ),
    // Events and upkeep.
    warn(
        "event.unwritten",
        &["kind", "fault"],
        "An audit event could not be written to the store; the line of the event itself stands before this one.",
    ),
    error(
        "key.change_failed",
        &["fault"],
        "A signing key that is due could not be taken into use, or out of use.",
    ),
    warn(
        "key.list_unwritten",
        &["fault"],
        "The sealed list of signing keys could not be written.",
    ),
    info(
        "client.swept",
        &["count"],
        "Idle clients were removed by the sweep.",
    ),
    warn(
        "upkeep.failed",
        &["work", "fault"],
        "A piece of the work that no request waits for failed; it is tried again.",
    ),
    warn(
        "clock.far",
        &[],
        "The clock of this machine and the database's are far apart.",
    ),
    info("clock.close", &[], "They agree again."),
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
        "A connection to the database broke.",
    ),
    warn(
        "store.lock_kept",
        &["fault"],
        "The lock of the SQLite file could not be released; it ends with the process.",
    ),
    warn(
        "nodes.unheard",
        &["fault"],
        "Changes by other nodes are not heard; it is tried again. After `serve_without_store` this node answers 503.",
    ),
    warn(
        "nodes.read_anew",
        &[],
        "Changes by other nodes may have been missed: everything is read anew.",
    ),
    error(
        "nodes.not_taken_over",
        &["fault"],
        "A change by another node could not be taken over; it is tried again.",
    ),
    warn(
        "nodes.hint_lost",
        &["fault"],
        "NOTIFY is not possible: other nodes find changes at their next look, within half a second.",
    ),
    info(
        "nodes.hint_works",
        &["count"],
        "NOTIFY works again after so many that were lost.",
    ),
    // Others.
    info(
        LIBRARY,
        &["library", "detail"],
        "What a library says of itself, at the level that it gives; fields of its own are in `detail`. At `info` these are notices of PostgreSQL; others appear where `RUST_LOG` asks for them.",
    ),
];

/// What the fields mean.
pub const FIELDS: &[Field] = &[
    field("timestamp", "when, in UTC (RFC 3339, microseconds)"),
    field("level", "`ERROR`, `WARN`, `INFO` or `DEBUG`"),
    field(
        "event",
        "the name of the line, as in the tables below: programs look for this one",
    ),
    field(
        "message",
        "the same for people; its words may change with a version. Of audit events and of `token.issued` it is the name",
    ),
    field(
        "actor",
        "who changed something: an identity, `uid:1000` at the admin socket, `signal`, `watch`, `sweep`, `clock`",
    ),
    field("audience", "`aud` of the token: the API that it is for"),
    field(
        "authority",
        "key of the authority, as events and metrics have it: `spiffe://prod.example` for a trust domain, `cluster-a:` for an entry of `[[issuers]]`",
    ),
    field("backtrace", "the calls that led to a panic"),
    field("batches", "how many batches the transaction had"),
    field("changes", "what a reload changed"),
    field("client.id", "`client_id` of the client"),
    field("connections", "how many connections"),
    field("connections_max", "the limit that is in force"),
    field("count", "how many"),
    field("detail", "more about it, in words"),
    field(
        "door",
        "the kind of credential: `jwt_svid`, `x509_svid`, `private_key_jwt`",
    ),
    field("drain_seconds", "`server.drain`"),
    field("exp", "`exp` of the token, seconds since the epoch"),
    field("expected", "what can stand there, with an example"),
    field(
        "fault",
        "what this server, the store or the operating system could not do, and why",
    ),
    field(
        "generation",
        "how many configurations were in force, this one included",
    ),
    field("hint", "what to do about it"),
    field("host", "which host of `store.url`, counted from 0"),
    field(
        "identity",
        "the identity of the client or administrator, as its authority names it",
    ),
    field("jti", "`jti` of the token"),
    field("key", "the key of the setting in `testudo.toml`"),
    field("kind", "the kind of the audit event"),
    field("library", "which library, as its crate calls it"),
    field("limit", "the setting whose limit was reached"),
    field("location", "file, line and column of the source"),
    field("open_files", "the limit of open files of the process"),
    field("path", "the path of the request"),
    field("place", "file, line and column of the setting"),
    field("reason", "what the administrator gave as the reason (`--reason`)"),
    field(
        "rejection",
        "why a request was refused, as in `rejection` of `testudo_requests_refused_total`",
    ),
    field("report", "everything that is wrong with the configuration"),
    field(
        "request.id",
        "the `Request-Id` of the answer, for `testudo explain`",
    ),
    field("requests", "how many requests"),
    field("rule", "the name of the rule that governs the client"),
    field("scope", "the scope of the token"),
    field(
        "trust_domain",
        "bare name of the authority, where it is a trust domain: `prod.example`",
    ),
    field("url", "the URL that was fetched"),
    field("value", "the value of the setting, unless it may be a secret"),
    field("variable", "the variable of the environment"),
    field("wanted", "what the setting says"),
    field("work", "which work"),
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

/// Every line, those of audit events included.
pub fn all() -> impl Iterator<Item = Line> {
    let of_events = EventKind::ALL.iter().copied().map(of_event);
    LINES.iter().copied().chain(of_events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_field_of_every_line_has_its_meaning_and_no_meaning_is_left_over() {
        let explained: BTreeSet<_> = FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(explained.len(), FIELDS.len(), "one meaning each");
        let used: BTreeSet<_> = all()
            .flat_map(|line| line.fields.iter().copied())
            .chain(EVERY_LINE.iter().copied())
            .collect();
        assert_eq!(used, explained);
    }

    #[test]
    fn name_stands_for_one_line() {
        let names: BTreeSet<_> = all().map(|line| line.event).collect();
        assert_eq!(names.len(), all().count());
    }
}
