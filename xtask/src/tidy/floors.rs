//! The floors of core and server, from the ground up. ARCHITECTURE.md has the same table with more words.

/// Rooms that do not use each other and may use every room below.
pub struct Floor {
    pub rooms: &'static [&'static str],
    /// What all of these rooms are for, and so why nothing below may use them.
    pub why: &'static str,
}

/// Floors by crate. A crate that is not named has rooms without an order; circles are refused there as well.
pub const FLOORS: &[(&str, &[Floor])] = &[("testudo-core", CORE)];

const CORE: &[Floor] = &[
    Floor {
        rooms: &["entropy", "identity", "trace"],
        why: "values that every decision speaks of: randomness as an argument, who calls, what was decided and why",
    },
    Floor {
        rooms: &["records", "rejection"],
        why: "what is written down, and why a request is refused: any decision makes them, they decide nothing",
    },
    Floor {
        rooms: &["rules", "velocity"],
        why: "what a rule, a pattern or a limit says about an identity, whatever the request wants",
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
        rooms: &["admission", "discovery", "doors"],
        why: "what the policy says about one identity: how it proves itself, whether it is welcome, what is announced",
    },
    Floor {
        rooms: &["grants"],
        why: "what a welcome identity may be granted",
    },
    Floor {
        rooms: &["occasions", "tokens"],
        why: "whole requests, and the token that ends one: they use everything below, and only the server uses them",
    },
];
