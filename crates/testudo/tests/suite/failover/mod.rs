//! Tests of failover with three PostgreSQL servers under Patroni and two nodes under load, while administrators make
//! changes. The primary is killed, stopped and partitioned, the synchronous standby is lost, and the lost members return.
//!
//! Acknowledged clients must exist, changes of administrators must apply on every node, and known clients must be
//! served without interruption.

mod administrators;
mod clients;
mod deployment;
mod outages;
mod reconcile;

use administrators::Administrators;
use clients::Clients;
use deployment::{Deployment, until};
use outages::Outages;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use testudo_testkit::patroni::{Network, PrimaryProbe, TTL_SECONDS};
use tokio::task::JoinHandle;

/// A primary without an answer is replaced after [`TTL_SECONDS`]; the rest is a margin for a busy machine.
const FAILOVER_MAX: Duration = Duration::from_secs(TTL_SECONDS + 70);
const REJOIN_MAX: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    PrimaryKilled,
    PrimaryStopped,
    PrimaryPartitioned,
    StandbyLost,
}

/// The limits of a test.
struct Limits {
    applied_within: Duration,
    known_p99: Duration,
    known_pause: Duration,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_the_primary_is_killed_acknowledged_changes_are_kept_and_known_clients_are_served() {
    let Some(tools) = deployment::tools() else { return };
    // The limits are wide, because other tests run at the same time; `cargo xtask soak failover` has strict ones.
    let limits = Limits {
        applied_within: Duration::from_secs(15),
        known_p99: Duration::from_secs(5),
        known_pause: Duration::from_secs(15),
    };
    let deployment = tokio::task::block_in_place(|| Deployment::start(tools, Network::Loopback));
    let mut trial = Trial::begin(deployment, limits).await;
    trial.inject(Fault::PrimaryKilled).await;
    trial.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "some eight minutes, as root: cargo xtask soak failover"]
async fn soak_failover() {
    let tools = deployment::tools().expect("the programs of a cluster are installed");
    let limits = Limits {
        applied_within: Duration::from_secs(1),
        known_p99: Duration::from_millis(250),
        known_pause: Duration::from_secs(2),
    };
    let deployment = tokio::task::block_in_place(|| Deployment::start(tools, Network::Namespaces));
    let mut trial = Trial::begin(deployment, limits).await;
    for round in 1..=3 {
        println!("round {round}");
        for fault in [
            Fault::PrimaryKilled,
            Fault::PrimaryStopped,
            Fault::PrimaryPartitioned,
            Fault::StandbyLost,
        ] {
            trial.inject(fault).await;
        }
        trial.reconcile().await;
    }
    trial.end().await;
}

struct Trial {
    deployment: Deployment,
    limits: Limits,
    clients: Arc<Clients>,
    administrators: Arc<Administrators>,
    outages: Arc<Outages>,
    tasks: Vec<JoinHandle<()>>,
    primary_probe: JoinHandle<()>,
    faults: usize,
}

impl Trial {
    async fn begin(deployment: Deployment, limits: Limits) -> Trial {
        let (clients, mut tasks) = Clients::start(deployment.load.clone()).await;
        let (administrators, more) = Administrators::start(deployment.load.clone()).await;
        tasks.extend(more);
        let (outages, watching) = Outages::watch(deployment.load.clone(), deployment.probe_url.clone()).await;
        tasks.push(watching);
        let (primary_probe, load) = (deployment.cluster.primary_probe(), deployment.load.clone());
        let primary_probe = tokio::task::spawn_blocking(move || {
            at_most_one_member_is_primary(&primary_probe, || load.goes_on())
        });
        Trial {
            deployment,
            limits,
            clients,
            administrators,
            outages,
            tasks,
            primary_probe,
            faults: 0,
        }
    }

    /// Causes one fault and ends it; checks how clients and administrators were served meanwhile.
    async fn inject(&mut self, fault: Fault) {
        self.faults += 1;
        self.assert_load_runs().await;
        let changes_before = self.administrators.applied.lock().unwrap().len();
        self.until_changes(4).await;
        drop(self.clients.take_known());
        let (refused_before, outages_before) = (self.unavailable(), self.outages.all().len());
        let before =
            tokio::task::block_in_place(|| self.deployment.cluster.wait_until_whole(REJOIN_MAX)).unwrap();
        let victim = match fault {
            Fault::StandbyLost => before.synchronous_standby.unwrap(),
            Fault::PrimaryKilled | Fault::PrimaryStopped | Fault::PrimaryPartitioned => before.primary,
        };
        let rewound_before = self.rewound(victim);
        let began = Instant::now();
        let after = tokio::task::block_in_place(|| {
            let cluster = &mut self.deployment.cluster;
            match fault {
                Fault::PrimaryKilled | Fault::StandbyLost => cluster.kill(victim),
                Fault::PrimaryStopped => cluster.signal(victim, "STOP"),
                Fault::PrimaryPartitioned => cluster.set_connected(victim, false).unwrap(),
            }
            cluster.wait_until(
                "another member has replaced the failed member",
                FAILOVER_MAX,
                |view| {
                    view.primary != victim
                        && view.synchronous_standby.is_some_and(|standby| standby != victim)
                },
            )
        })
        .unwrap_or_else(|why| panic!("{why}\n{}", self.deployment.warnings()));
        let replaced_after = began.elapsed();
        let tag = format!("fault{}", self.faults);
        reconcile::both_nodes_register_new_clients(&self.deployment.load, &tag, FAILOVER_MAX).await;
        self.until_changes(4).await;
        let returned = Instant::now();
        tokio::task::block_in_place(|| {
            let cluster = &mut self.deployment.cluster;
            match fault {
                Fault::PrimaryKilled | Fault::StandbyLost => cluster.restart(victim).unwrap(),
                Fault::PrimaryStopped => cluster.signal(victim, "CONT"),
                Fault::PrimaryPartitioned => cluster.set_connected(victim, true).unwrap(),
            }
            let whole = cluster.wait_until_whole(REJOIN_MAX).unwrap();
            assert_eq!(
                whole.primary, after.primary,
                "a member that returns must not become the primary"
            );
        });
        let rejoined_after = returned.elapsed();
        self.until_changes(4).await;
        until("the database accepts commits", FAILOVER_MAX, async || {
            !self.outages.is_unavailable()
        })
        .await;
        let known = self.clients.take_known();
        let applied = reconcile::worst_delays(&self.administrators, &self.outages, changes_before);
        let outages = self.outages.all();
        let outages: Vec<Duration> = outages[outages_before..]
            .iter()
            .map(|outage| outage.length())
            .collect();
        println!(
            "{fault:?}: {} replaced after {replaced_after:.1?}",
            self.deployment.cluster.name(victim)
        );
        println!(
            "  no commits for {outages:.1?}; the member replicates again after {rejoined_after:.1?}, pg_rewind {} times",
            self.rewound(victim) - rewound_before
        );
        println!(
            "  known clients: {} requests, {} refused, p99 {:.1?}, longest pause {:.1?}",
            known.latencies.len() + known.refused.len(),
            known.refused.len(),
            known.p99(),
            known.longest_pause
        );
        println!(
            "  {} changes ({} of keys), {} during an outage: a node answered as before the change for {:.1?} at most, both applied it after {:.1?} at most",
            applied.changes,
            applied.keys,
            applied.across_outages,
            applied.went_on_longest,
            applied.answered_last
        );
        println!(
            "  {} first uses and changes were answered 503 and repeated",
            self.unavailable() - refused_before
        );
        let warnings = || self.deployment.warnings();
        assert!(
            known.refused.is_empty(),
            "{:#?}\n{}",
            &known.refused[..known.refused.len().min(5)],
            self.deployment.warnings_about(&known.refused)
        );
        assert!(known.p99() < self.limits.known_p99, "{:?}", known.p99());
        assert!(
            known.longest_pause < self.limits.known_pause,
            "{:?}",
            known.longest_pause
        );
        assert!(
            applied.went_on_longest < self.limits.applied_within,
            "{applied:?}\n{}",
            warnings()
        );
        assert!(
            applied.answered_last < self.limits.applied_within,
            "{applied:?}\n{}",
            warnings()
        );
    }

    fn unavailable(&self) -> usize {
        let first_uses = self.clients.first_uses.unavailable.load(Ordering::SeqCst);
        first_uses + self.administrators.unavailable.load(Ordering::SeqCst)
    }

    /// How often pg_rewind reset a member to the state of the primary.
    fn rewound(&self, member: usize) -> usize {
        self.deployment
            .cluster
            .log(member)
            .matches("pg_rewind exit code=0")
            .count()
    }

    /// Waits until this number of further changes has been applied.
    async fn until_changes(&self, more: usize) {
        let number = || self.administrators.applied.lock().unwrap().len();
        let goal = number() + more;
        until("changes are applied", FAILOVER_MAX, async || {
            self.assert_load_runs().await;
            number() >= goal
        })
        .await;
    }

    /// Fails if a task of the load ended: then it has panicked and printed the reason.
    async fn assert_load_runs(&self) {
        let ended = self
            .tasks
            .iter()
            .chain([&self.primary_probe])
            .any(JoinHandle::is_finished);
        assert!(
            !ended,
            "a task of the load has failed: see above\n{}",
            self.deployment.warnings()
        );
    }

    async fn reconcile(&self) {
        println!("reconciliation under load");
        reconcile::while_the_load_goes_on(&self.deployment.load, &self.clients).await;
        reconcile::keys_are_the_same(&self.deployment.load, &self.clients).await;
    }

    /// Ends the load and checks that records, events, counters and keys agree.
    async fn end(self) {
        self.assert_load_runs().await;
        self.deployment.load.end();
        for task in self.tasks {
            task.await.unwrap();
        }
        self.primary_probe.await.unwrap();
        println!("reconciliation at rest");
        reconcile::at_rest(&self.deployment.load, &self.clients, &self.administrators).await;
    }
}

/// Invariant: no two members answer that they are the primary.
fn at_most_one_member_is_primary(primary_probe: &PrimaryProbe, goes_on: impl Fn() -> bool) {
    while goes_on() {
        let primaries = primary_probe.claimed_primaries();
        assert!(
            primaries.len() <= 1,
            "members {primaries:?} answer that they are the primary"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}
