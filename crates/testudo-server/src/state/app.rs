//! The running server's state: what the handlers share.

use crate::config::{Configuration, ConnectionRules, OutboundSettings, StartedWith};
use crate::key_encryption::KeyEncryption;
use crate::state::accord::Accord;
use crate::state::certificates::Certificates;
use crate::state::chain_work::ChainWork;
use crate::state::clients::Clients;
use crate::state::clock::Clock;
use crate::state::first_uses::{FirstUseLocks, NewClientGuess};
use crate::state::in_force::{Arrival, InForce, Serving};
use crate::state::keys::Keyring;
use crate::state::metrics::Metrics;
use crate::state::moment::Moment;
use crate::state::observer::Observer;
use crate::state::refusals::RefusalLedger;
use crate::state::refused::RefusedRecord;
use crate::state::switches;
use crate::state::verdicts::Verdicts;
use crate::trust::Anchor;
use crate::trust::remote_keys::RemoteKeys;
use arc_swap::ArcSwap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use testudo_core::admission::governed::{CurrentRules, GovernedIdentity, govern};
use testudo_core::policy::{Policy, Switches};
use testudo_core::records::{Kind, ReloadOrder};
use testudo_core::rejection::{CredentialReason, Rejection};
use testudo_core::velocity::Buckets;
use testudo_core::{AttestedIdentity, OccasionKind, Trace};
use testudo_fetch::{Fetcher, Network};
use testudo_protocol::Timestamp;
use testudo_store::{Store, StoreFault};

/// Shared by all requests. What changes is swapped whole; nothing is locked while waiting.
pub struct App {
    /// Time and randomness.
    pub clock: Clock,
    /// What the configuration says. A reload swaps it whole: a request loads it once.
    pub in_force: ArcSwap<InForce>,
    /// What administrators switched. Swapped with each change.
    pub switches: ArcSwap<Switches>,
    /// Records of switches and blocks that cannot be read.
    pub refused_switches: ArcSwap<Vec<RefusedRecord>>,
    /// Records.
    pub store: Store,
    /// Whether this node is sure of what other nodes did.
    pub accord: Accord,
    /// Signing keys.
    pub keys: ArcSwap<Keyring>,
    /// Wraps keys at rest.
    pub encryption: KeyEncryption,
    /// What is remembered so that it need not be read or verified again.
    pub memory: Memory,
    /// What new clients share.
    pub first_uses: FirstUses,
    /// Bound of the work on client certificates.
    pub chain_work: ChainWork,
    /// Refusals of the running minute.
    pub refusals: RefusalLedger,
    /// Outbound HTTP.
    pub fetcher: Arc<ArcSwap<Fetcher>>,
    /// What the fetcher was made of.
    pub outbound: Mutex<OutboundSettings>,
    /// Stands in for the network, in tests.
    pub network: Network,
    /// What connections are judged by.
    pub connection_rules: Arc<ArcSwap<ConnectionRules>>,
    /// Settings that take effect at the next start, as they are in force.
    pub started_with: StartedWith,
    /// Our own certificates.
    pub certificates: Certificates,
    /// Counters.
    pub metrics: Metrics,
    /// The file that a reload reads.
    pub file: ConfigurationFile,
    /// What holds of this node now.
    pub condition: Condition,
    /// What only one may do at a time.
    pub turns: Turns,
    /// Called with the outcome of each token request (`dev` prints them).
    pub observer: Option<Observer>,
}

/// What is remembered so that it need not be read or verified again. All of it is bounded.
pub struct Memory {
    /// Clients that were used a while ago.
    pub clients: Clients,
    /// Verdicts on credentials.
    pub verdicts: Verdicts,
    /// Key sets that registered clients publish themselves.
    pub remote_keys: RemoteKeys,
}

/// What new clients share.
#[derive(Default)]
pub struct FirstUses {
    /// First uses under way, so that racers wait instead of writing.
    pub locks: FirstUseLocks,
    /// Whether unknown clients are mostly new.
    pub guess: NewClientGuess,
    /// How fast new clients may come.
    pub buckets: Mutex<Buckets>,
}

/// The configuration file, and what was done with it.
pub struct ConfigurationFile {
    /// The file that a reload reads. Absent where the server was started without one.
    pub path: Option<PathBuf>,
    /// SHA-256 of what was read last, whether or not it could be used.
    pub read: Mutex<[u8; 32]>,
    /// The version of the last order to reload that this node followed, or gave.
    pub order_followed: AtomicU64,
}

/// What holds of this node now.
pub struct Condition {
    /// When the node started.
    pub started: Moment,
    /// Everything is loaded.
    pub is_ready: AtomicBool,
    /// A change by another node could not be taken over.
    pub must_look_again: AtomicBool,
    /// Our clock and the database's were far apart at the last look.
    pub is_clock_far: AtomicBool,
}

/// What only one may do at a time.
#[derive(Default)]
pub struct Turns {
    /// One administrator's change at a time, so that what is read, written and swapped belongs together.
    pub admin: tokio::sync::Mutex<()>,
    /// One reading of keys, switches and blocks at a time: what was read first is also put in force first, so that
    /// an older reading never replaces a newer one.
    pub reading: tokio::sync::Mutex<()>,
}

/// What a fresh [`App`] is made of besides the configuration.
pub struct AppParts {
    /// Records.
    pub store: Store,
    /// Signing keys.
    pub keys: Keyring,
    /// Wraps keys at rest.
    pub encryption: KeyEncryption,
    /// Outbound HTTP.
    pub fetcher: Fetcher,
    /// Stands in for the network, in tests.
    pub network: Network,
    /// Our own certificates.
    pub certificates: Certificates,
    /// The file that a reload reads.
    pub config_path: Option<PathBuf>,
    /// See [`App::observer`].
    pub observer: Option<Observer>,
}

impl App {
    /// Puts the state together. Switches and blocks are loaded, bundles are not yet.
    pub async fn new(configuration: Configuration, parts: AppParts) -> Result<App, StoreFault> {
        let accord = Accord::new(configuration.store.serve_without_store, !parts.store.is_shared());
        let (switches, refused) = switches::load(&parts.store).await?;
        // The file was read a moment ago: orders up to now are followed, whatever they say.
        let order = parts.store.get(Kind::ReloadOrder, ReloadOrder::KEY).await?;
        let reload_heard = order.map_or(0, |order| order.version);
        let arrival = Arrival::of(&configuration);
        let serving = Serving::of(&configuration);
        let started_with = StartedWith::of(&configuration);
        let connection_rules = Arc::new(ArcSwap::from_pointee(configuration.server.connection_rules()));
        let anchors = configuration
            .bundles
            .into_iter()
            .map(|source| (source.authority.clone(), Arc::new(Anchor::new(source))))
            .collect();
        let (metrics, clock) = (Metrics::default(), Clock::default());
        let started = Moment::now(&clock);
        let fetcher = Arc::new(ArcSwap::from_pointee(parts.fetcher));
        Ok(App {
            clock,
            in_force: ArcSwap::from_pointee(InForce {
                policy: configuration.policy,
                anchors,
                arrival,
                serving,
            }),
            switches: ArcSwap::from_pointee(switches),
            refused_switches: ArcSwap::from_pointee(refused),
            store: parts.store,
            accord,
            keys: ArcSwap::from_pointee(parts.keys),
            encryption: parts.encryption,
            memory: Memory {
                clients: Clients::new(configuration.server.clients_in_memory),
                verdicts: Verdicts::default(),
                remote_keys: RemoteKeys::new(fetcher.clone(), metrics.client_key_fetches.clone()),
            },
            first_uses: FirstUses::default(),
            chain_work: ChainWork::default(),
            refusals: RefusalLedger::default(),
            fetcher,
            outbound: Mutex::new(configuration.outbound),
            network: parts.network,
            connection_rules,
            started_with,
            certificates: parts.certificates,
            metrics,
            file: ConfigurationFile {
                path: parts.config_path,
                read: Mutex::new(configuration.digest),
                order_followed: AtomicU64::new(reload_heard),
            },
            condition: Condition {
                started,
                is_ready: AtomicBool::new(false),
                must_look_again: AtomicBool::new(false),
                is_clock_far: AtomicBool::new(false),
            },
            turns: Turns::default(),
            observer: parts.observer,
        })
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The same by both clocks, for ages.
    pub fn moment(&self) -> Moment {
        Moment::now(&self.clock)
    }

    /// Steps 1 to 4 of admission, by the switches and blocks of this moment.
    pub fn govern<'a>(
        &self,
        identity: &'a AttestedIdentity,
        occasion: OccasionKind,
        policy: &'a Policy,
    ) -> Result<GovernedIdentity<'a>, Rejection> {
        self.govern_traced(identity, occasion, policy, &mut Trace::off())
    }

    /// The same, with each check that passes in the trace.
    pub fn govern_traced<'a>(
        &self,
        identity: &'a AttestedIdentity,
        occasion: OccasionKind,
        policy: &'a Policy,
        trace: &mut Trace,
    ) -> Result<GovernedIdentity<'a>, Rejection> {
        if let Some(mark) = &identity.proof.single_use
            && self.clock.may_have_dropped(mark.keep_until)
        {
            return Err(CredentialReason::MarkDropped {
                kept_until: mark.keep_until,
            }
            .into());
        }
        let (switches, keys) = (self.switches.load(), self.keys.load());
        let rules = CurrentRules {
            policy,
            switches: &switches,
            opaque_key: &keys.opaque_key,
        };
        govern(identity, occasion, rules, trace)
    }
}
