//! Starts and stops a server.

use crate::admin;
use crate::audit::{tell, tell_left_out};
use crate::client_records::flush_last_used;
use crate::config::{Configuration, ConnectionLimits, ServerSettings, listening};
use crate::listen::{self, Connections, Endpoints, Listener, PassedSockets};
use crate::open_store::open_store;
use crate::state::app::{App, AppParts};
use crate::state::certificates::{Certificate, CertificateRequests, Certificates};
use crate::state::keys::Keyring;
use crate::state::observer::Observer;
use crate::state::refused;
use crate::trust::{Anchor, first_bundles, keep_fresh};
use crate::upkeep;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use testudo_fetch::Network;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long the shutdown waits for background work to end.
const BACKGROUND_WAIT: Duration = Duration::from_millis(200);

/// Options of [`serve`] besides the configuration.
#[derive(Default)]
pub struct Options {
    /// The file that a reload reads.
    pub config_path: Option<PathBuf>,
    /// Called after every token request.
    pub observer: Option<Observer>,
    /// Replaces the network in tests.
    pub network: Network,
    /// Sockets that a service manager opened.
    pub passed: PassedSockets,
}

/// A running server.
pub struct Running {
    /// Its state.
    pub app: Arc<App>,
    /// Addresses of the public listeners, with the ports that were bound.
    pub addresses: Vec<SocketAddr>,
    /// Address of the admin listener.
    pub admin_address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    /// Accept loops.
    listeners: Vec<JoinHandle<()>>,
    /// Background work.
    tasks: Vec<JoinHandle<()>>,
    connections: Arc<Connections>,
    admin_connections: Arc<Connections>,
    socket: admin::BoundSocket,
}

/// Opens the store, loads keys and bundles, binds, and serves.
pub async fn start_server(configuration: Configuration, options: Options) -> Result<Running, String> {
    let server = configuration.server.clone();
    let admin_settings = configuration.admin.clone();
    let mut passed = options.passed;
    let listening = listening(&server, &admin_settings);
    passed.must_be_configured(&listening)?;
    let certificates = Certificates::read(&configuration)?;
    let acceptor = |certificate: &Option<Arc<Certificate>>, asking| {
        let acceptor = certificate
            .as_ref()
            .map(|certificate| certificate.acceptor(asking));
        acceptor.transpose()
    };
    certificates.ask(server.asks_for_certificates, server.mtls.is_some());
    let tls = acceptor(&certificates.server, CertificateRequests::AsConfigured)?;
    let mtls = acceptor(&certificates.server, CertificateRequests::Always)?;
    let admin_tls = acceptor(&certificates.admin, CertificateRequests::Never)?;
    // Checked before anything is created or changed: the most frequent mistake is to start a second server.
    admin::must_be_free(&admin_settings.socket).await?;
    let (store, encryption) = open_store(&configuration).await?;
    // Subscribed before anything is read: changes that other nodes make meanwhile wait in this channel.
    let changes = store.changes();
    let clock = crate::state::clock::Clock::default();
    let algorithm = configuration.policy.tokens.signing_algorithm;
    let mut keys = Keyring::load(&store, &encryption, algorithm, clock.now()).await?;
    let mut news = std::mem::take(&mut keys.news);
    news.extend(refused::news(&[], &keys.refused));
    let fetcher = configuration.outbound.fetcher(options.network.clone())?;
    let parts = AppParts {
        encryption,
        store,
        keys,
        fetcher,
        network: options.network,
        certificates,
        config_path: options.config_path,
        observer: options.observer,
    };
    let app = Arc::new(
        App::new(configuration, parts)
            .await
            .map_err(|fault| fault.to_string())?,
    );
    news.extend(refused::news(&[], &app.refused.switches.load()));
    tell(&app, news).await;

    let mut sockets = Vec::new();
    for (position, wanted) in listening.iter().enumerate() {
        let earlier = listening.get(..position).unwrap_or_default();
        sockets.push(passed.bind(wanted, earlier)?);
    }
    let admin_socket = admin_settings.listen.and_then(|_| sockets.pop());
    let mut bound = Vec::new();
    let mut addresses = Vec::new();
    for (position, socket) in sockets.into_iter().enumerate() {
        let is_public = position < server.listen.len();
        addresses.push(socket.local_addr().map_err(|error| error.to_string())?);
        bound.push((socket, if is_public { tls.clone() } else { mtls.clone() }));
    }
    let (connections, admin_connections) = connections(&app, &server);
    let (stop, stopped) = watch::channel(false);
    let mut tasks = vec![
        tokio::spawn(connections.clone().reap()),
        tokio::spawn(admin_connections.clone().reap()),
    ];
    let mut listeners = Vec::new();
    let admin_listeners = admin::AdminListeners {
        listener: admin_socket,
        address: connections.clone(),
        socket: admin_connections.clone(),
        tls: admin_tls,
    };
    let (admin_listeners, admin_address) =
        admin::listen(&app, &admin_settings, admin_listeners, stopped.clone()).await?;
    listeners.extend(admin_listeners);
    tasks.push(tokio::spawn(upkeep::watch_certificates(app.clone())));
    if app.file.path.is_some() {
        tasks.push(tokio::spawn(crate::reload::watch(app.clone())));
    }

    let anchors: Vec<Arc<Anchor>> = app.in_force.load().anchors.values().cloned().collect();
    first_bundles(&app, &anchors).await;
    for anchor in anchors {
        keep_fresh(&app, anchor);
    }
    tasks.push(tokio::spawn(upkeep::run(app.clone(), stopped.clone())));
    if let Some(changes) = changes {
        upkeep::begin(&app).await?;
        tasks.push(tokio::spawn(upkeep::follow_changes(
            app.clone(),
            changes,
            stopped.clone(),
        )));
    }
    // Set before the first connection is accepted, because a probe may already wait in a passed socket.
    app.condition.is_ready.store(true, Ordering::Release);
    for (listener, tls) in bound {
        let service = Listener::new(Endpoints::Public(app.clone()), tls, connections.clone());
        listeners.push(tokio::spawn(listen::accept(listener, service, stopped.clone())));
    }
    Ok(Running {
        app,
        addresses,
        admin_address,
        stop,
        listeners,
        tasks,
        connections,
        admin_connections,
        socket: admin::BoundSocket::at(&admin_settings.socket),
    })
}

/// The connections of all TCP listeners, as many as the limit of open files allows, and those of the admin socket.
fn connections(app: &App, server: &ServerSettings) -> (Arc<Connections>, Arc<Connections>) {
    let files = listen::open_files();
    let wanted = server.connections.connections_max;
    let connections_max = files.connections(wanted);
    if connections_max < wanted {
        tracing::warn!(
            event = "server.connections_max_lowered",
            open_files = files.limit,
            connections_max,
            wanted,
            "server.connections_max is lowered, because the limit of open files of this process does not allow more; raise that limit (ulimit -Hn, LimitNOFILE)"
        );
    }
    app.metrics.connections_max.set(connections_max as i64);
    let group =
        |connections_max| Connections::new(app.connection_rules.clone(), connections_max, &app.metrics);
    let all = group(connections_max);
    let of_socket = group(ConnectionLimits::ADMIN_SOCKET_MAX);
    (all, of_socket)
}

impl Running {
    /// Stops accepting connections, lets running requests finish, and writes what is only in memory.
    pub async fn stop(self) {
        self.app.condition.is_ready.store(false, Ordering::Release);
        // An error means that every task has stopped already.
        let _ = self.stop.send(true);
        for listener in self.listeners {
            // Listeners end when `stop` changes. An error means that the listener panicked and has ended as well.
            let _ = listener.await;
        }
        let drain = self.app.in_force.load().serving.drain;
        let (closed, admin_closed) =
            tokio::join!(self.connections.drain(drain), self.admin_connections.drain(drain));
        let requests = closed.requests + admin_closed.requests;
        if requests > 0 {
            tracing::warn!(
                event = "server.requests_cut",
                requests,
                connections = closed.connections + admin_closed.connections,
                drain_seconds = drain.as_secs(),
                "server.drain is over: running requests were ended without an answer"
            );
        }
        // Some tasks run until they are aborted; the others end when `stop` changes.
        let over = tokio::time::Instant::now() + BACKGROUND_WAIT;
        for mut task in self.tasks {
            if tokio::time::timeout_at(over, &mut task).await.is_err() {
                task.abort();
            }
        }
        flush_last_used(&self.app).await;
        tell_left_out(&self.app, true).await;
        self.app.store.release_lock();
        self.socket.remove();
    }
}
