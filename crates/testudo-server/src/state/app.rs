//! The state of the running server, which all handlers share.

use crate::config::{Configuration, ConnectionRules, OutboundSettings, StartedWith};
use crate::key_encryption::KeyEncryption;
use crate::state::applied_changes::AppliedChanges;
use crate::state::certificates::Certificates;
use crate::state::chain_work::ChainWork;
use crate::state::client_look_ups::ClientLookUps;
use crate::state::clients::Clients;
use crate::state::clock::Clock;
use crate::state::first_uses::{FirstUseLocks, NewClientGuess};
use crate::state::in_force::{Anchors, Arrival, InForce, Serving, cluster_groups};
use crate::state::keys::Keyring;
use crate::state::look::Look;
use crate::state::metrics::Metrics;
use crate::state::moment::Moment;
use crate::state::observer::Observer;
use crate::state::proof_keys::KeptProofKeys;
use crate::state::proof_shares::ProofShares;
use crate::state::provider_key::ProviderKey;
use crate::state::push_shares::PushShares;
use crate::state::refusals::RefusalLedger;
use crate::state::refused::{self, RefusedRecord};
use crate::state::switches;
use crate::state::verdicts::Verdicts;
use crate::trust::providers::Providers;
use crate::trust::remote_keys::RemoteKeys;
use crate::trust::status_lists::StatusLists;
use crate::trust::token_reviews::TokenReviews;
use crate::trust::{Anchor, BundleChanges, CertificateIssuers, join_verifiers};
use arc_swap::ArcSwap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use testudo_core::admission::governed::{CurrentRules, GovernedIdentity, govern};
use testudo_core::identity::SingleUse;
use testudo_core::occasions::authorize::{Asked, AskingClient};
use testudo_core::policy::{Policy, Switches};
use testudo_core::records::{Kind, Loaded, ReloadOrder};
use testudo_core::rejection::{CredentialReason, Rejection};
use testudo_core::velocity::Buckets;
use testudo_core::{AttestedIdentity, OccasionKind, Trace};
use testudo_fetch::{Fetcher, Network};
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::server_nonce::ServerNonces;
use testudo_store::{Store, StoreFault};

/// Shared by all requests. Parts that change are replaced as a whole, and no lock is held across an `await`.
pub struct App {
    /// Time and randomness.
    pub clock: Clock,
    /// The configuration in force. A reload replaces it as a whole; a request loads it once.
    pub in_force: ArcSwap<InForce>,
    /// Authorities that administrators disabled and identities that they blocked. Replaced with each change.
    pub switches: ArcSwap<Switches>,
    /// Records that cannot be read, for `status`.
    pub(crate) refused: RefusedRecords,
    /// The store of records.
    pub store: Store,
    /// Whether this node knows all changes that other nodes made.
    pub applied_changes: AppliedChanges,
    /// Signing keys.
    pub keys: ArcSwap<Keyring>,
    /// Encrypts private keys and secrets in the store.
    pub(crate) encryption: KeyEncryption,
    /// Records and verdicts in memory, so that they need not be read or verified again.
    pub memory: Memory,
    /// The key with which this server authenticates at OpenID providers.
    pub provider_key: ProviderKey,
    /// State of first uses and registrations.
    pub first_uses: FirstUses,
    /// Makes and checks the nonces of proofs.
    pub nonces: ServerNonces,
    /// How many proofs each client has used.
    pub(crate) proof_shares: ProofShares,
    /// How many authorization requests each client may push.
    pub(crate) push_shares: PushShares,
    /// Limits the work of verifying client certificates.
    pub(crate) chain_work: ChainWork,
    /// Limits the reads of clients that requests name before they are verified.
    pub(crate) client_look_ups: ClientLookUps,
    /// The refusals of the current minute.
    pub(crate) refusals: RefusalLedger,
    /// Outbound HTTP requests.
    pub outbound: Outbound,
    /// Limits and timeouts of connections.
    pub connection_rules: Arc<ArcSwap<ConnectionRules>>,
    /// The values, as of the start, of settings that take effect at the next start only.
    pub(crate) started_with: StartedWith,
    /// The TLS certificates of this server.
    pub certificates: Certificates,
    /// Counters and gauges.
    pub metrics: Metrics,
    /// The configuration file, which a reload reads.
    pub file: ConfigurationFile,
    /// State of this node that changes at run time.
    pub(crate) condition: Condition,
    /// Locks of work that only one task may do at a time.
    pub(crate) turns: Turns,
    /// Called with the outcome of each token request (`dev` prints them).
    pub(crate) observer: Option<Observer>,
}

/// Records that cannot be read.
pub(crate) struct RefusedRecords {
    /// Switches and blocks.
    pub(crate) switches: ArcSwap<Vec<RefusedRecord>>,
    /// Clients: those that the last sweep met, and requests and lists since.
    pub(crate) clients: ArcSwap<Vec<RefusedRecord>>,
    /// Accounts, sessions and grants that lists met.
    pub(crate) people: ArcSwap<Vec<RefusedRecord>>,
}

/// Most fetches of bundles over the network at the same time. With a thousand trust domains, the fetches at the start would
/// otherwise use a thousand open files.
const BUNDLE_FETCHES_MAX: usize = 128;

/// The client for outbound HTTP requests, and from what a reload makes it again.
pub struct Outbound {
    /// The client.
    pub fetcher: Arc<ArcSwap<Fetcher>>,
    /// The settings of the client.
    pub settings: Mutex<OutboundSettings>,
    /// The fetches of bundles that may still begin.
    pub(crate) bundle_fetches: tokio::sync::Semaphore,
    /// Replaces the network in tests.
    pub(crate) network: Network,
}

/// Records and verdicts in memory, so that they need not be read or verified again. All parts have a bound.
pub struct Memory {
    /// Clients that were used lately.
    pub clients: Clients,
    /// Credentials that were verified.
    pub verdicts: Verdicts,
    /// Keys of DPoP proofs that were sent lately.
    pub proof_keys: KeptProofKeys,
    /// Key sets that registered clients publish themselves.
    pub remote_keys: RemoteKeys,
    /// Metadata and keys of OpenID providers at which people sign in.
    pub providers: Providers,
    /// What API servers stated about tokens of service accounts.
    pub token_reviews: TokenReviews,
    /// Status lists of issuers of verifiable credentials.
    pub status_lists: StatusLists,
    /// Counts the changes of the keys of all authorities.
    pub bundle_changes: Arc<BundleChanges>,
}

/// What new clients share.
#[derive(Default)]
pub struct FirstUses {
    /// One lock per client that is being registered: other requests of the same client wait instead of writing.
    pub locks: FirstUseLocks,
    /// Whether clients that are not in memory are mostly new.
    pub guess: NewClientGuess,
    /// Limits of the rate at which clients are registered.
    pub buckets: Mutex<Buckets>,
}

/// The configuration file, and what was read of it.
pub struct ConfigurationFile {
    /// The file that a reload reads. Absent where the server was started without one.
    pub path: Option<PathBuf>,
    /// SHA-256 of the content that was read last, whether or not it could be used.
    pub read: Mutex<[u8; 32]>,
    /// Version of the last reload order that this node carried out or wrote.
    pub order_followed: AtomicU64,
}

/// State of this node that changes at run time.
pub struct Condition {
    /// When the node started.
    pub started: Moment,
    /// True once everything is loaded.
    pub is_ready: AtomicBool,
    /// True where a change that another node made could not be applied: everything has to be loaded again.
    pub must_look_again: AtomicBool,
    /// True where the clocks of this machine and of the database differed by too much at the last check.
    pub is_clock_far: AtomicBool,
}

/// Locks of work that only one task may do at a time.
#[derive(Default)]
pub struct Turns {
    /// Held during a change by an administrator: another change cannot come between its reading, its writing and the
    /// update of memory.
    pub admin: tokio::sync::Mutex<()>,
    /// Held while keys, switches and blocks are read and put in force, so that the result of an older read never
    /// replaces the result of a newer one.
    pub reading: tokio::sync::Mutex<()>,
}

/// The parts from which an [`App`] is made, besides the configuration.
pub struct AppParts {
    /// The store of records.
    pub store: Store,
    /// Signing keys.
    pub keys: Keyring,
    /// Encrypts private keys and secrets in the store.
    pub encryption: KeyEncryption,
    /// The client for outbound HTTP requests.
    pub fetcher: Fetcher,
    /// Replaces the network in tests.
    pub network: Network,
    /// The TLS certificates of this server.
    pub certificates: Certificates,
    /// The file that a reload reads.
    pub config_path: Option<PathBuf>,
    /// See [`App::observer`].
    pub observer: Option<Observer>,
}

impl App {
    /// Makes the state, and loads switches and blocks. Bundles are fetched later.
    pub async fn new(configuration: Configuration, parts: AppParts) -> Result<App, StoreFault> {
        let applied_changes =
            AppliedChanges::new(configuration.store.serve_without_store, !parts.store.is_shared());
        let (switches, refused) = switches::load(&parts.store).await?;
        // The configuration file was read a moment ago, so the reload orders up to now are carried out.
        let order = parts.store.get(Kind::ReloadOrder, ReloadOrder::KEY).await?;
        let order_followed = order.map_or(0, |order| order.version);
        let arrival = Arrival::of(&configuration);
        let serving = Serving::of(&configuration);
        let digest = configuration.written.digest;
        let started_with = StartedWith::of(&configuration);
        let connection_rules = Arc::new(ArcSwap::from_pointee(configuration.server.connection_rules()));
        let bundle_changes = Arc::new(BundleChanges::default());
        let anchor = |source| Arc::new(Anchor::new(source, bundle_changes.clone()));
        let anchors: Anchors = configuration
            .bundles
            .into_iter()
            .map(|source| (source.authority.clone(), anchor(source)))
            .collect();
        join_verifiers(&anchors);
        let issuer = configuration.policy.issuer.as_str();
        let nonces = ServerNonces::new(&parts.keys.opaque_key.derived("nonces"), issuer);
        let (metrics, clock) = (Metrics::default(), Clock::default());
        let started = Moment::now(&clock);
        let fetcher = Arc::new(ArcSwap::from_pointee(parts.fetcher));
        Ok(App {
            clock,
            in_force: ArcSwap::from_pointee(InForce {
                clusters: cluster_groups(&configuration.policy, &anchors, &bundle_changes),
                certificate_issuers: CertificateIssuers::of(&anchors),
                look: Look::of(&configuration.pages, &configuration.policy.issuer),
                policy: configuration.policy,
                anchors,
                reviews: configuration.reviews,
                login: configuration.login,
                arrival,
                serving,
                written: configuration.written,
            }),
            switches: ArcSwap::from_pointee(switches),
            refused: RefusedRecords {
                switches: ArcSwap::from_pointee(refused),
                clients: ArcSwap::default(),
                people: ArcSwap::default(),
            },
            store: parts.store,
            applied_changes,
            keys: ArcSwap::from_pointee(parts.keys),
            encryption: parts.encryption,
            provider_key: ProviderKey::default(),
            memory: Memory {
                clients: Clients::new(configuration.server.clients_in_memory),
                verdicts: Verdicts::default(),
                proof_keys: KeptProofKeys::default(),
                remote_keys: RemoteKeys::new(fetcher.clone(), metrics.client_key_fetches.clone()),
                providers: Providers::new(fetcher.clone()),
                token_reviews: TokenReviews::new(fetcher.clone(), metrics.token_reviews.clone()),
                status_lists: StatusLists::new(fetcher.clone(), metrics.status_list_fetches.clone()),
                bundle_changes,
            },
            first_uses: FirstUses::default(),
            nonces,
            proof_shares: ProofShares::default(),
            push_shares: PushShares::default(),
            chain_work: ChainWork::default(),
            client_look_ups: ClientLookUps::default(),
            refusals: RefusalLedger::default(),
            outbound: Outbound {
                fetcher,
                settings: Mutex::new(configuration.outbound),
                bundle_fetches: tokio::sync::Semaphore::new(BUNDLE_FETCHES_MAX),
                network: parts.network,
            },
            connection_rules,
            started_with,
            certificates: parts.certificates,
            metrics,
            file: ConfigurationFile {
                path: parts.config_path,
                read: Mutex::new(digest),
                order_followed: AtomicU64::new(order_followed),
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

    /// Keeps the record of a client that cannot be read, for `status`. Some are kept: they show that there are any.
    pub(crate) fn note_refused_client(&self, record: &RefusedRecord) {
        note(&self.refused.clients, record);
    }

    /// The same for an account, a session or a grant.
    pub(crate) fn note_refused_of_people(&self, record: &RefusedRecord) {
        note(&self.refused.people, record);
    }

    /// The time by the wall clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time by both clocks, for computing ages.
    pub fn moment(&self) -> Moment {
        Moment::now(&self.clock)
    }

    /// Refuses single-use credentials and proofs whose records may already be deleted: the store could not tell whether
    /// they were used before.
    pub fn has_marks_of<'m>(&self, marks: impl IntoIterator<Item = &'m SingleUse>) -> Result<(), Rejection> {
        for mark in marks {
            let kept_until = mark.keep_until;
            if self.clock.may_have_dropped(kept_until) {
                return Err(CredentialReason::MarkDropped { kept_until }.into());
            }
        }
        Ok(())
    }

    /// Steps 1 to 4 of admission, with the switches and blocks that are in force now.
    pub fn govern<'a>(
        &self,
        identity: &'a AttestedIdentity,
        occasion: OccasionKind,
        policy: &'a Policy,
    ) -> Result<GovernedIdentity<'a>, Rejection> {
        self.govern_traced(identity, occasion, policy, &mut Trace::off())
    }

    /// As [`App::govern`], and records each check that passes in the trace.
    pub fn govern_traced<'a>(
        &self,
        identity: &'a AttestedIdentity,
        occasion: OccasionKind,
        policy: &'a Policy,
        trace: &mut Trace,
    ) -> Result<GovernedIdentity<'a>, Rejection> {
        self.has_marks_of(identity.proof.single_use.as_ref())?;
        let (switches, keys) = (self.switches.load(), self.keys.load());
        let rules = CurrentRules {
            policy,
            switches: &switches,
            opaque_key: &keys.opaque_key,
        };
        govern(identity, occasion, rules, trace)
    }

    /// The client of a request that a browser brings. `loaded` has the records of [`Asked::needs`].
    pub(crate) fn asking_client<'p>(
        &self,
        asked: &Asked,
        loaded: &Loaded<'_>,
        policy: &'p Policy,
    ) -> Result<AskingClient<'p>, Rejection> {
        let (switches, keys) = (self.switches.load(), self.keys.load());
        let rules = CurrentRules {
            policy,
            switches: &switches,
            opaque_key: &keys.opaque_key,
        };
        AskingClient::find(asked, loaded, rules)
    }
}

/// Keeps one more record that cannot be read, if it is not kept yet and there are few.
fn note(kept: &ArcSwap<Vec<RefusedRecord>>, record: &RefusedRecord) {
    kept.rcu(|known| {
        let is_known = known.iter().any(|other| other.key == record.key);
        let mut known = Vec::clone(known);
        if !is_known && known.len() < refused::EVENTS_MAX {
            known.push(record.clone());
        }
        known
    });
}
