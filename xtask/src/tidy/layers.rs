//! The layers of core and server, lowest first. ARCHITECTURE.md has the same tables, row by row; `cargo xtask tidy`
//! compares them.

/// Modules of which none may use another one of the same layer. Each may use all modules of lower layers.
pub struct Layer {
    pub modules: &'static [&'static str],
    /// What all these modules are for, and why a lower layer must not use them.
    pub why: &'static str,
}

/// The layers of each crate. The modules of the other crates have no order, but import cycles are refused there too.
pub const LAYERS: &[(&str, &[Layer])] = &[("testudo-core", CORE), ("testudo-server", SERVER)];

const CORE: &[Layer] = &[
    Layer {
        modules: &["entropy", "identity", "members", "people", "trace"],
        why: "values that every decision takes or returns: randomness as an argument, the identity of the caller, the members of client metadata, the identifiers and secrets of people, the trace of the checks",
    },
    Layer {
        modules: &["actor", "records", "rejection"],
        why: "the administrator of a change, what is stored, and the reasons of a refusal: every decision creates them, and they decide nothing",
    },
    Layer {
        modules: &["rules", "signing_keys", "velocity"],
        why: "what a rule, a pattern or a limit means for an identity, without the request; and which signing key signs, is published and is accepted",
    },
    Layer {
        modules: &["administration", "metadata"],
        why: "which identities are administrators, and how the metadata of a client is composed: both follow from rules",
    },
    Layer {
        modules: &["policy"],
        why: "the compiled configuration: it contains rules, limits and administrators, and does not depend on a request",
    },
    Layer {
        modules: &["decision"],
        why: "the input of every decision (one point in time, one policy) and its result: the batch, the limits, what changes in memory",
    },
    Layer {
        modules: &["admission", "doors", "possession"],
        why: "decisions about one identity: the verification of its credential and of its proofs of possession, and whether the policy admits it",
    },
    Layer {
        modules: &["grants"],
        why: "what an admitted identity is granted, whatever its credential was",
    },
    Layer {
        modules: &["admin", "discovery", "occasions", "tokens"],
        why: "whole requests of administrators and of clients, the token that answers a request, and the metadata of the server: they use everything below, and only the server uses them",
    },
];

/// `trust/refresh` is above `trust`, because it writes events about what it fetched; the clock, the moments and the
/// metrics are below the rest of `state`, because `trust` needs times and counters.
const SERVER: &[Layer] = &[
    Layer {
        modules: &[
            "chain_memory",
            "client_certificates",
            "fault",
            "local_process",
            "log_lines",
            "private_files",
            "socket_path",
            "state/clock",
            "state/metrics",
        ],
        why: "types and tools for all modules: faults of the server, log lines, time, counters, certificates, processes, files and paths of sockets; they do not depend on the state or the configuration",
    },
    Layer {
        modules: &["key_encryption", "peer", "state/moment"],
        why: "the key that encrypts other keys, the other end of a connection, the two clocks read together",
    },
    Layer {
        modules: &["config"],
        why: "the configuration, read and checked: it is complete before anything runs, so it cannot use what runs",
    },
    Layer {
        modules: &["trust"],
        why: "public keys of others that are kept in memory, and how they are fetched, whatever they are needed for",
    },
    Layer {
        modules: &["state"],
        why: "what all requests share (`state/app.rs` and its parts): every function above receives it, and it starts no work",
    },
    Layer {
        modules: &[
            "audit",
            "chains",
            "database_clock",
            "gather",
            "open_store",
            "reload_changes",
            "scrape",
            "settle",
        ],
        why: "one step of a task each: an event, a certificate chain, a comparison with the database's clock, a fact that a verification needs, the store at the start, the difference of two configurations, a scrape of the metrics, a decision and its commit",
    },
    Layer {
        modules: &[
            "client_records",
            "credential_status",
            "person_records",
            "read_again",
            "renewal",
            "trust/refresh",
            "verify",
        ],
        why: "several steps together: clients are swept, the records of a person are found and erased, memory is loaded again, TLS certificates are renewed, bundles are fetched, a credential is verified with gathered facts and its status is read",
    },
    Layer {
        modules: &["change"],
        why: "the guard of every change by an administrator: lock, actor, event, commit, and the update of memory; it does not depend on the operation",
    },
    Layer {
        modules: &["key_changes", "own_tokens", "pages", "reload"],
        why: "whole changes of keys and configuration, which a request or the clock starts; the verification of our own tokens; and the HTML pages, to which `http` routes paths",
    },
    Layer {
        modules: &["http", "upkeep"],
        why: "what starts work: a request from outside, or the clock",
    },
    Layer {
        modules: &["listen"],
        why: "connections, their limits and deadlines: they transport the requests of `http`",
    },
    Layer {
        modules: &["admin"],
        why: "the admin API: it may start anything below, and nothing below depends on it",
    },
    Layer {
        modules: &["doctor", "serve"],
        why: "the start and the end of the whole server, and the checks of `doctor`",
    },
];
