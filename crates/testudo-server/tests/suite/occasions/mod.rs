//! Kinds of request that the server does not have yet, implemented for tests: a code, a refresh token, a pushed
//! authorization request. They show that a new kind of request with its own records needs no change of `settle`, which
//! loads, decides and commits.
//!
//! Kinds of records and reasons of refusals are closed lists. The records here use an existing kind that no node keeps
//! in memory, and the refusals use an existing reason with a text.

mod codes;
mod pushed_requests;
mod reads_and_writes;
mod refresh_tokens;

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use testudo_core::Rejection;
use testudo_core::records::client_key;
use testudo_core::rejection::AdmissionReason;
use testudo_server::fault::Stop;

/// Number of concurrent requests in one test.
const RACERS: usize = 20;

/// Lets concurrent requests wait for each other after they have read and before they write. They wait only at their
/// first decision, not when they decide again after a lost race.
struct Meeting {
    barrier: Barrier,
    decisions: AtomicUsize,
}

impl Meeting {
    fn of(racers: usize) -> Meeting {
        Meeting {
            barrier: Barrier::new(racers),
            decisions: AtomicUsize::new(0),
        }
    }

    fn wait(&self, racers: usize) {
        if self.decisions.fetch_add(1, Ordering::SeqCst) < racers {
            tokio::task::block_in_place(|| self.barrier.wait());
        }
    }
}

/// The refusal of a test request, with this text.
fn refused(why: &str) -> Rejection {
    AdmissionReason::GrantNotAllowed { rule: why.to_owned() }.into()
}

/// The result of a request as text: its outcome or the reason of its refusal. An error of the server fails the test.
fn ended<T: std::fmt::Debug>(settled: Result<T, Stop>) -> String {
    match settled {
        Ok(got) => format!("{got:?}"),
        Err(Stop::Refused(rejection)) => format!("{rejection}"),
        Err(Stop::Failed(fault)) => panic!("{fault}"),
    }
}

fn count(endings: &[String], what: &str) -> usize {
    endings.iter().filter(|ending| ending.contains(what)).count()
}

/// Key of a workload of trust domain a.
fn key_of(path: &str) -> Vec<u8> {
    client_key("spiffe://a.example", &format!("spiffe://a.example{path}"))
}
