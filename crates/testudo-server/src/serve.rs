//! From a configuration to a running server, and back down again.

use crate::admin;
use crate::app::{App, Observer, Parts};
use crate::bundles::{Anchor, Refreshed};
use crate::config::{Configuration, StoreUrl};
use crate::keys::{self, KeyEncryption, Keyring};
use crate::listen::{self, Listening};
use crate::upkeep;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use testudo_core::Authority;
use testudo_core::records::EventKind;
use testudo_fetch::{Fetcher, FetcherOptions};
use testudo_store::Store;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// How long the start waits for bundle sources. One that hangs must not keep the others from being served.
const FIRST_BUNDLES_WAIT: Duration = Duration::from_secs(2);

/// What `serve` can be told besides the configuration.
#[derive(Default)]
pub struct Options {
    /// The file that a reload reads.
    pub config_path: Option<PathBuf>,
    /// Told of every token request.
    pub observer: Option<Observer>,
}

/// A server that is up.
pub struct Running {
    /// Its state.
    pub app: Arc<App>,
    /// Public addresses, with the ports that were really bound.
    pub addresses: Vec<SocketAddr>,
    /// Address of the admin listener.
    pub admin_address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    socket: PathBuf,
}

/// Opens the store, loads keys and bundles, binds, and serves.
pub async fn serve(configuration: Configuration, options: Options) -> Result<Running, String> {
    let server = configuration.server.clone();
    let admin_settings = configuration.admin.clone();
    // With a listener of its own for client certificates, only that one asks for them.
    let acceptor = |asks| {
        server
            .tls
            .as_ref()
            .map(|files| listen::tls_acceptor(files, asks))
            .transpose()
    };
    let tls = acceptor(server.asks_for_certificates && server.mtls.is_none())?;
    let mtls = acceptor(true)?;
    let (store, encryption) = open_store(&configuration).await?;
    let clock = crate::clock::Clock::default();
    let algorithm = configuration.policy.tokens.signing_algorithm;
    let keys = Keyring::load(&store, &encryption, algorithm, clock.now()).await?;
    let fetcher = Fetcher::new(FetcherOptions {
        extra_roots_pem: configuration.outbound.extra_roots_pem.clone(),
        resolve: configuration.outbound.resolve.clone(),
        client_identity: None,
    })?;
    let parts = Parts {
        encryption,
        store,
        keys,
        fetcher,
        config_path: options.config_path,
        observer: options.observer,
    };
    let app = Arc::new(
        App::new(configuration, parts)
            .await
            .map_err(|fault| fault.to_string())?,
    );

    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    let mtls_listen = server
        .mtls
        .iter()
        .flat_map(|settings| &settings.listen)
        .map(|address| (address, &mtls));
    for (address, tls) in server
        .listen
        .iter()
        .map(|address| (address, &tls))
        .chain(mtls_listen)
    {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        addresses.push(listener.local_addr().map_err(|error| error.to_string())?);
        listeners.push((listener, tls.clone()));
    }
    let (stop, stopped) = watch::channel(false);
    let mut tasks = Vec::new();
    let (admin_tasks, admin_address) = admin::listen(&app, &admin_settings, stopped.clone()).await?;
    tasks.extend(admin_tasks);

    let anchors: Vec<Arc<Anchor>> = app.anchors.load().values().cloned().collect();
    first_bundles(&app, &anchors).await;
    for anchor in anchors {
        tasks.push(tokio::spawn(keep_fresh(app.clone(), anchor)));
    }
    tasks.push(tokio::spawn(upkeep::run(app.clone(), stopped.clone())));
    if let Some(changes) = app.store.changes() {
        tasks.push(tokio::spawn(upkeep::follow_changes(
            app.clone(),
            changes,
            stopped.clone(),
        )));
    }
    let connections = Arc::new(Semaphore::new(server.connections_max));
    for (listener, tls) in listeners {
        let listening = Listening {
            app: app.clone(),
            tls,
            connections: connections.clone(),
            stop: stopped.clone(),
            drain: server.drain,
        };
        tasks.push(tokio::spawn(listen::accept(listener, listening)));
    }
    app.is_ready.store(true, Ordering::Release);
    Ok(Running {
        app,
        addresses,
        admin_address,
        stop,
        tasks,
        socket: admin_settings.socket,
    })
}

impl Running {
    /// Stops accepting, lets running requests finish, writes what is in memory only.
    pub async fn stop(self) {
        self.app.is_ready.store(false, Ordering::Release);
        // Nobody listening means that everything has stopped already.
        let _ = self.stop.send(true);
        for task in self.tasks {
            // Refresh loops have no end of their own; the others finish within the drain time.
            if task.is_finished() {
                continue;
            }
            if tokio::time::timeout(Duration::from_millis(200), task)
                .await
                .is_err()
            {
                tracing::debug!("a background task was left behind");
            }
        }
        upkeep::flush_last_used(&self.app).await;
        let _ = std::fs::remove_file(&self.socket);
    }
}

async fn open_store(configuration: &Configuration) -> Result<(Store, KeyEncryption), String> {
    let configured = configuration.store.key_encryption_key.as_ref();
    let (store, key) = match (&configuration.store.url, configured) {
        (StoreUrl::Memory, Some(key)) => (Store::memory(), key.clone()),
        (StoreUrl::Memory, None) => (Store::memory(), keys::random_32()?),
        (StoreUrl::Postgres(url), Some(key)) => {
            let roots = configuration.store.extra_roots_pem.as_deref();
            (
                Store::postgres(url, roots)
                    .await
                    .map_err(|fault| fault.to_string())?,
                key.clone(),
            )
        }
        // The configuration's judge demands the key; a process of its own could not share one.
        (StoreUrl::Postgres(_), None) => return Err("PostgreSQL needs store.key_encryption_key".into()),
        (StoreUrl::Sqlite(path), configured) => {
            let store = Store::sqlite(path).map_err(|fault| fault.to_string())?;
            let key = match configured {
                Some(key) => key.clone(),
                None => keys::read_or_make_key_encryption_key(&path.with_added_extension("kek"))?,
            };
            (store, key)
        }
    };
    Ok((store, KeyEncryption::new(&key)?))
}

/// Fetches all bundles at once; gives up waiting, not fetching, after a short while.
pub(crate) async fn first_bundles(app: &Arc<App>, anchors: &[Arc<Anchor>]) {
    let fetches: Vec<_> = anchors
        .iter()
        .map(|anchor| {
            let (app, anchor) = (app.clone(), anchor.clone());
            tokio::spawn(async move { refresh(&app, &anchor).await })
        })
        .collect();
    let all = async {
        for fetch in fetches {
            // A panic in there is logged by the runtime; the domain stays without a bundle.
            let _ = fetch.await;
        }
    };
    if tokio::time::timeout(FIRST_BUNDLES_WAIT, all).await.is_err() {
        tracing::warn!("not all bundles have arrived; their trust domains are refused until they do");
    }
}

/// Refreshes a bundle as long as its anchor is in use.
pub(crate) async fn keep_fresh(app: Arc<App>, anchor: Arc<Anchor>) {
    loop {
        // Some jitter, so that many servers do not ask at the same moment.
        let jitter = app
            .clock
            .entropy()
            .map_or(0, |entropy| u64::from(entropy.random[0]));
        let pause = anchor.interval().0.unsigned_abs() * 1000;
        tokio::time::sleep(Duration::from_millis(pause - pause * jitter / 2560)).await;
        let name = anchor.source().trust_domain.as_str();
        let is_in_use = app
            .anchor(name)
            .is_some_and(|current| Arc::ptr_eq(&current, &anchor));
        if !is_in_use {
            return;
        }
        refresh(&app, &anchor).await;
    }
}

/// One refresh, with its event, log line and metrics.
pub async fn refresh(app: &App, anchor: &Anchor) -> Refreshed {
    let name = anchor.source().trust_domain.to_string();
    let was_stale = anchor.status(app.now()).last_error.is_some();
    let outcome = anchor.refresh(&app.fetcher, &app.clock).await;
    let label = crate::metrics::TrustDomainLabel {
        trust_domain: name.clone(),
    };
    let authority = Authority::TrustDomain(anchor.source().trust_domain.clone());
    let (kind, detail) = match &outcome {
        Refreshed::Unchanged => return outcome,
        Refreshed::Updated => {
            let keys = anchor.status(app.now()).jwt_keys.len();
            tracing::info!(trust_domain = name, jwt_keys = keys, "authority.bundle_updated");
            (EventKind::BundleUpdated, format!("{keys} JWT-SVID keys"))
        }
        Refreshed::RolledBack { held, offered } => {
            app.metrics.bundle_failures.get_or_create(&label).inc();
            tracing::error!(trust_domain = name, held, offered, "authority.bundle_rolled_back");
            (
                EventKind::BundleRolledBack,
                format!("sequence {offered} was offered, {held} is held"),
            )
        }
        Refreshed::Failed(why) => {
            app.metrics.bundle_failures.get_or_create(&label).inc();
            tracing::warn!(trust_domain = name, why, "authority.bundle_stale");
            if was_stale {
                // Said once when it began; the age is in the metrics.
                return outcome;
            }
            (EventKind::BundleStale, why.clone())
        }
    };
    admin::write_event(app, kind, |event| {
        event.authority = Some(authority.key());
        event.detail = Some(detail);
    })
    .await;
    outcome
}
