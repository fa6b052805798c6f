//! The table of crashes: at each step of a sign-in and of the tokens that follow, the server is killed or the database is
//! stopped, before the commit of the step and between its commit and its answer. What was answered must not be lost, and
//! nothing may be usable twice.

mod kept;
mod passkeys;
mod steps;
mod world;

use kept::Kept;
use steps::{Again, Prepared, Step};
use testudo_testkit::held_writes::HeldAt;
use world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Killed,
    StoreStopped,
}

/// The counts of one row of the table.
#[derive(Default)]
struct Row {
    rounds: usize,
    /// The request of the step got no answer.
    unanswered: usize,
    /// It was answered with 503.
    unavailable: usize,
    /// The same request, sent again, was granted.
    done: usize,
    /// It was refused, because it was carried out before.
    refused: usize,
    /// What was answered and does not work any more.
    lost: Vec<String>,
    /// What was used and works again.
    twice: Vec<String>,
}

impl Row {
    async fn round(&mut self, step: Step, at: HeldAt, fault: Fault, world: &mut World) {
        let kept = Kept::new(world).await;
        let mut prepared = Prepared::new(step, world).await;
        let held = world.writes.hold(at, step.batch());
        let sending = prepared.sending.clone();
        let answer = {
            let sent = sending.send(world);
            tokio::pin!(sent);
            tokio::select! {
                _ = &mut sent => panic!("{step:?}: the request was answered before its batch was held"),
                held = held => held.unwrap(),
            }
            match fault {
                // The server ends while the request waits; the request is read to its end below.
                Fault::Killed => world.server.as_ref().unwrap().signal("KILL"),
                Fault::StoreStopped => world.postgres.crash().unwrap(),
            }
            sent.await.0
        };
        match &answer {
            None => self.unanswered += 1,
            Some(answer) => {
                assert_eq!(answer.status, 503, "{step:?}, {at:?}, {fault:?}: {answer:?}");
                self.unavailable += 1;
            }
        }
        match fault {
            Fault::Killed => world.restart_server(),
            Fault::StoreStopped => world.resume_database().await,
        }
        world.until_it_writes().await;
        self.rounds += 1;
        self.lost.extend(prepared.state(at, world).await.err());
        match prepared.again(world).await {
            Ok(Again::Done) => self.done += 1,
            Ok(Again::Refused) => self.refused += 1,
            Err(what) => self.twice.push(what),
        }
        self.lost.extend(kept.lost(world).await);
        self.twice.extend(kept.usable_twice(world).await);
    }
}

/// Whether the same request is granted when it is sent again after the fault.
fn expected(step: Step, at: HeldAt) -> Again {
    match (at, step) {
        (
            HeldAt::AfterCommit,
            Step::Invitation | Step::Passkey | Step::Consent | Step::Code | Step::Redemption,
        ) => Again::Refused,
        (HeldAt::BeforeCommit, _)
        | (HeldAt::AfterCommit, Step::Push | Step::SignIn | Step::Refresh | Step::Revocation) => Again::Done,
    }
}

/// Runs every step with this fault, and prints the table.
async fn table(fault: Fault, rounds: usize) {
    let mut world = World::start().await;
    println!(
        "{:<15} {:<14} {:<14} {:>6} {:>10} {:>4} {:>11} {:>14} {:>5} {:>6}",
        "step",
        "moment",
        "fault",
        "rounds",
        "unanswered",
        "503",
        "again: done",
        "again: refused",
        "lost",
        "twice"
    );
    let mut faults = Vec::new();
    for step in Step::ALL {
        for at in [HeldAt::BeforeCommit, HeldAt::AfterCommit] {
            let mut row = Row::default();
            for _ in 0..rounds {
                row.round(step, at, fault, &mut world).await;
            }
            let moment = match at {
                HeldAt::BeforeCommit => "before commit",
                HeldAt::AfterCommit => "after commit",
            };
            let what = match fault {
                Fault::Killed => "kill -9",
                Fault::StoreStopped => "store stopped",
            };
            println!(
                "{:<15} {moment:<14} {what:<14} {:>6} {:>10} {:>4} {:>11} {:>14} {:>5} {:>6}",
                step.name(),
                row.rounds,
                row.unanswered,
                row.unavailable,
                row.done,
                row.refused,
                row.lost.len(),
                row.twice.len()
            );
            let (done, refused) = match expected(step, at) {
                Again::Done => (rounds, 0),
                Again::Refused => (0, rounds),
            };
            if (row.done, row.refused) != (done, refused) {
                faults.push(format!(
                    "{step:?} {at:?}: {} done, {} refused",
                    row.done, row.refused
                ));
            }
            let all = row.lost.iter().chain(&row.twice);
            faults.extend(all.map(|what| format!("{step:?} {at:?}: {what}")));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_of_the_server_at_any_step_of_a_sign_in_loses_nothing_and_lets_nothing_be_used_twice() {
    table(Fault::Killed, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_of_the_database_at_any_step_of_a_sign_in_loses_nothing_and_lets_nothing_be_used_twice() {
    table(Fault::StoreStopped, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "twenty rounds of each: cargo xtask soak people-crashes"]
async fn soak_crashes_at_every_step() {
    table(Fault::Killed, 20).await;
    table(Fault::StoreStopped, 20).await;
}
