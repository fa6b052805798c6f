//! The floors of core and server, from the ground up. ARCHITECTURE.md has the same table with more words.

/// Rooms that do not use each other and may use every room below.
pub struct Floor {
    pub rooms: &'static [&'static str],
    /// What all of these rooms are for, and so why nothing below may use them.
    pub why: &'static str,
}

/// Floors by crate. A crate that is not named has rooms without an order; circles are refused there as well.
pub const FLOORS: &[(&str, &[Floor])] = &[("testudo-core", CORE), ("testudo-server", SERVER)];

const CORE: &[Floor] = &[
    Floor {
        rooms: &["entropy", "identity", "members", "trace"],
        why: "values that every decision takes or returns: randomness as an argument, the identity of the caller, the members of client metadata, and the trace of the checks",
    },
    Floor {
        rooms: &["actor", "records", "rejection"],
        why: "what is written down, and why a request is refused: any decision makes them, they decide nothing",
    },
    Floor {
        rooms: &["rules", "signing_keys", "velocity"],
        why: "what a rule, a pattern or a limit says about an identity, whatever the request wants; which of our keys signs",
    },
    Floor {
        rooms: &["administration", "metadata"],
        why: "who may administrate, and where a client's metadata comes from: both follow from the rules",
    },
    Floor {
        rooms: &["policy"],
        why: "the compiled configuration: it holds rules, limits and administrators",
    },
    Floor {
        rooms: &["decision"],
        why: "what every decision is given, a moment under one policy, and what it gives back",
    },
    Floor {
        rooms: &["admission", "doors"],
        why: "what the policy says about one identity: how it proves itself, whether it is welcome",
    },
    Floor {
        rooms: &["grants"],
        why: "what a welcome identity may be granted",
    },
    Floor {
        rooms: &["admin", "discovery", "occasions", "tokens"],
        why: "whole requests, of administrators and of clients, the token that ends one, and what is announced of all this: only the server uses them",
    },
];

/// `trust/refresh` stands above `trust`, because it writes events of what it found; the clock, the moments and the
/// metrics stand below the rest of `state`, because what is kept in `trust` has times and is counted.
const SERVER: &[Floor] = &[
    Floor {
        rooms: &[
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
        why: "words and tools of every room: our own failures, lines of the log, time, counters, certificates and files as they are",
    },
    Floor {
        rooms: &["key_encryption", "peer", "state/moment"],
        why: "keys that protect other keys, who is at the other end of a connection, moments of the clock",
    },
    Floor {
        rooms: &["config"],
        why: "what an administrator wrote, judged: it is complete before anything runs",
    },
    Floor {
        rooms: &["trust"],
        why: "keys of others that are kept, and how they are fetched: they do not know who asks for them",
    },
    Floor {
        rooms: &["state"],
        why: "what all requests share: it is handed down and calls no work",
    },
    Floor {
        rooms: &[
            "audit",
            "chains",
            "database_clock",
            "gather",
            "open_store",
            "reload_changes",
            "scrape",
            "settle",
        ],
        why: "one step of the work each: an event, a chain, the store, an outside fact, a scrape, a decision and its commit",
    },
    Floor {
        rooms: &[
            "client_records",
            "read_again",
            "renewal",
            "trust/refresh",
            "verify",
        ],
        why: "several steps together: sweeping clients, reading anew, renewing certificates, fetching bundles, gathering facts and verifying by them",
    },
    Floor {
        rooms: &["change"],
        why: "the one guard of what administrators change: turn, actor, event, commit, and what is in memory",
    },
    Floor {
        rooms: &["key_changes", "own_tokens", "pages", "reload"],
        why: "whole changes that a request or the clock starts (keys, configuration), our own tokens that come back, and pages, to which http hands paths",
    },
    Floor {
        rooms: &["http", "upkeep"],
        why: "who starts work: a request from outside, or the clock",
    },
    Floor {
        rooms: &["listen"],
        why: "connections, their limits and deadlines: they carry the requests of http",
    },
    Floor {
        rooms: &["admin"],
        why: "the administrator's face: it may start anything below",
    },
    Floor {
        rooms: &["doctor", "serve"],
        why: "start, end and trial of the whole server",
    },
];
