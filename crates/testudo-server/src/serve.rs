//! From a configuration to a running server, and back down again.

use crate::admin;
use crate::app::{App, Observer, Parts};
use crate::bundles::{Anchor, first_bundles, keep_fresh};
use crate::config::{Configuration, StoreUrl};
use crate::keys::{self, KeyEncryption, Keyring};
use crate::listen::{self, Listening};
use crate::upkeep;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use testudo_fetch::{Fetcher, FetcherOptions};
use testudo_store::Store;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

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
        keep_fresh(&app, anchor);
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
