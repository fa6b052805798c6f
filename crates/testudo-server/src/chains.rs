//! Chains of client certificates: verified beside the async workers, behind a bound, and not twice in vain.
//!
//! A chain is up to five signatures of the client's choice of algorithm. While one is verified no other request
//! may wait for it, so this happens on threads of its own kind; what cannot be verified soon is answered with 503
//! instead of being queued. Work whose caller has gone away is five signatures at most, and none where it has not
//! begun. A short chain costs about what a token costs, and handing it to another thread would add to that: it is
//! verified where it arrived, if its turn comes at once.

use crate::app::App;
use crate::http::{Peer, Stop};
use crate::settle::Fault;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use testudo_core::doors::Facts;
use testudo_core::doors::x509_svid::X509Door;
use testudo_core::policy::Policy;
use testudo_core::rejection::Rejection;
use testudo_core::{AttestedIdentity, Trace};
use testudo_protocol::spiffe::{Bundle, X509Fault};
use tokio::sync::Semaphore;

/// Chains that wait for their turn. With four signatures by RSA-4096 each, the last of them waits for a tenth of a
/// second.
const WAITING_MAX: usize = 256;

/// The bound.
pub struct ChainWork {
    running: Arc<Semaphore>,
    places: Semaphore,
}

impl Default for ChainWork {
    /// Half of the processors: the other half is for requests that have no chain.
    fn default() -> ChainWork {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        ChainWork::new(processors.div_ceil(2), WAITING_MAX)
    }
}

impl ChainWork {
    fn new(running_max: usize, waiting_max: usize) -> ChainWork {
        ChainWork {
            running: Arc::new(Semaphore::new(running_max)),
            places: Semaphore::new(running_max + waiting_max),
        }
    }

    /// Does the work when its turn comes. Nothing where too much is waiting already.
    async fn run<T: Send + 'static>(
        &self,
        is_short: bool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let _place = self.places.try_acquire().ok()?;
        if is_short && let Ok(_turn) = self.running.try_acquire() {
            return Some(work());
        }
        // The semaphore is never closed.
        let turn = self.running.clone().acquire_owned().await.ok()?;
        let done = tokio::task::spawn_blocking(move || {
            // Held by the work and not by the caller: who goes away makes no room for more.
            let _turn = turn;
            work()
        });
        done.await.ok()
    }
}

/// What one connection has brought before.
#[derive(Debug, Default)]
pub struct ChainMemory {
    /// The requests of one connection show one chain: the first of them has it verified, the others wait.
    turn: tokio::sync::Mutex<()>,
    refused: Mutex<Option<Refused>>,
}

/// The last chain that was refused, and the bundle by which it was.
#[derive(Debug)]
struct Refused {
    digest: [u8; 32],
    bundle: Weak<Bundle>,
    fault: X509Fault,
}

impl ChainMemory {
    /// Why this chain was refused, if the bundle of then is in force.
    fn recall(&self, digest: &[u8; 32], bundle: &Arc<Bundle>) -> Option<X509Fault> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = refused.as_ref()?;
        let is_it = refused.digest == *digest && std::ptr::eq(refused.bundle.as_ptr(), Arc::as_ptr(bundle));
        is_it.then(|| refused.fault.clone())
    }

    fn remember(&self, digest: [u8; 32], bundle: &Arc<Bundle>, fault: &X509Fault) {
        if fault.may_pass() {
            return;
        }
        // The weak reference keeps the address from being used again, and the bundle from nothing else.
        let refused = Refused {
            digest,
            bundle: Arc::downgrade(bundle),
            fault: fault.clone(),
        };
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused);
    }
}

/// verify: a chain of certificates, at its door.
pub(crate) async fn verify(
    app: &App,
    peer: &Peer,
    (door, digest): (X509Door, [u8; 32]),
    facts: &Facts,
    policy: &Arc<Policy>,
) -> Result<AttestedIdentity, Stop> {
    // Without a bundle nothing is verified: the door says why.
    let Facts::Bundle(bundle) = facts else {
        return Ok(door.verify(facts, policy, app.now(), &mut Trace::off())?);
    };
    let memory = &peer.chains;
    // The connection of a proxy brings chains of many clients, which need not wait for each other.
    let is_own = peer.certificates.as_ref().is_some_and(|own| own.digest == digest);
    let _turn = match is_own {
        true => Some(memory.turn.lock().await),
        false => None,
    };
    if let Some(fault) = memory.recall(&digest, bundle) {
        return Err(Rejection::Certificate(fault).into());
    }
    let is_short = door.is_short();
    let (known, by, now) = (facts.clone(), policy.clone(), app.now());
    let work = move || door.verify(&known, &by, now, &mut Trace::off());
    let Some(verified) = app.chain_work.run(is_short, work).await else {
        app.metrics.certificate_chains_shed.inc();
        return Err(Fault::ChainsWaiting.into());
    };
    app.metrics.certificate_chains_verified.inc();
    if let Err(Rejection::Certificate(fault)) = &verified {
        memory.remember(digest, bundle, fault);
    }
    Ok(verified?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_be_verified_soon_is_turned_away_and_room_comes_back() {
        let work = Arc::new(ChainWork::new(1, 1));
        let (begun, has_begun) = mpsc::channel();
        let (end, may_end) = mpsc::channel::<()>();
        let running = tokio::spawn({
            let work = work.clone();
            async move {
                let busy = move || {
                    begun.send(()).unwrap();
                    may_end.recv().unwrap();
                };
                work.run(false, busy).await
            }
        });
        tokio::task::spawn_blocking(move || has_begun.recv().unwrap())
            .await
            .unwrap();
        let mut waiting = tokio::spawn({
            let work = work.clone();
            async move { work.run(true, || 7).await }
        });
        while work.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            work.run(true, || 8).await,
            None,
            "one runs, one waits, the third is turned away"
        );
        assert!(
            tokio::time::timeout(Duration::from_millis(1), &mut waiting)
                .await
                .is_err(),
            "its turn has not come"
        );
        end.send(()).unwrap();
        assert_eq!(running.await.unwrap(), Some(()));
        assert_eq!(waiting.await.unwrap(), Some(7));
        assert_eq!(work.run(false, || 9).await, Some(9));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_caller_that_goes_away_leaves_no_work_behind_that_had_not_begun() {
        let work = Arc::new(ChainWork::new(1, 1));
        let turn = work.running.clone().acquire_owned().await.unwrap();
        let (begun, has_begun) = mpsc::channel::<()>();
        let gone = tokio::time::timeout(
            Duration::from_millis(1),
            work.run(false, move || begun.send(()).unwrap()),
        );
        assert!(gone.await.is_err());
        drop(turn);
        assert_eq!(
            work.run(true, || 1).await,
            Some(1),
            "its place and its turn are free"
        );
        assert!(has_begun.recv().is_err(), "it was dropped and not done");
    }

    #[test]
    fn a_refusal_is_remembered_for_its_chain_and_its_bundle() {
        use testudo_protocol::spiffe::PathFault;
        let memory = ChainMemory::default();
        let bundle = || Arc::new(Bundle::parse(b"{\"keys\":[]}").unwrap());
        let (then, later) = (bundle(), bundle());
        let bad = X509Fault::Path(PathFault::BadSignature);
        memory.remember([1; 32], &then, &bad);
        assert_eq!(memory.recall(&[1; 32], &then), Some(bad));
        assert_eq!(memory.recall(&[2; 32], &then), None);
        assert_eq!(memory.recall(&[1; 32], &later), None);
        // What time alone can mend is asked again.
        let memory = ChainMemory::default();
        memory.remember([1; 32], &then, &X509Fault::Path(PathFault::NotYetValid));
        memory.remember([1; 32], &then, &X509Fault::Path(PathFault::NoAuthority));
        assert_eq!(memory.recall(&[1; 32], &then), None);
    }
}
