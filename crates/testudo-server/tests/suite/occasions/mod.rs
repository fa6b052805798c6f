//! Requests that are not there yet, through the one `settle`: a code, a refresh token, a pushed authorization request.
//! They show that a request with records of its own needs no change of the loop that loads, decides and commits.
//!
//! The kinds of records are a closed list. The records here borrow one that no node keeps in memory, and no reason to
//! refuse is theirs: they borrow one with a text.

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

/// Requests that race each other in one test.
const RACERS: usize = 20;

/// Makes requests meet after they have read, and before they write. Only at their first decision: what they decide
/// after a lost race is no part of the race.
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

/// A reason of its own for a test's request.
fn refused(why: &str) -> Rejection {
    AdmissionReason::GrantNotAllowed { rule: why.to_owned() }.into()
}

/// How a request ended, for counting: what it got, or why it was refused. A fault of the server fails the test.
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
