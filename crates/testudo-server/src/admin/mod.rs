//! The admin API: over a Unix socket, where the mode of the socket decides which users may connect, and over HTTP, for
//! metrics, probes, and administrators with an access token. [`operations`] lists every operation.

mod acting;
mod blocks;
mod clients;
mod contract;
mod events;
mod explain;
mod failure;
mod grants;
mod input;
mod input_fault;
mod invitations;
mod json;
mod keys;
mod of_people;
mod operation;
mod operations;
mod paging;
mod reason;
mod reply;
mod rules;
mod server;
mod sessions;
mod shown;
mod socket;
mod token;
mod trust;
mod users;

use crate::config::AdminSettings;
use crate::listen::{self, Connections, Endpoints, Listener};
use crate::state::app::App;
use axum::Router;
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub use explain::Verdict;
pub use operations::openapi;
pub use rules::{Governed, RuleView};
pub(crate) use socket::check_path;
pub use socket::{BoundSocket, SocketState, must_be_free};

/// Metrics and probes. They need no authorization and contain no secrets.
fn probes() -> Router<Arc<App>> {
    Router::new()
        .route("/metrics", get(server::metrics))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(server::readyz))
}

/// The operations. Query parameters that an operation does not have are refused.
fn routes() -> Router<Arc<App>> {
    operations::router().layer(axum::middleware::from_fn(contract::refuse_query_parameters))
}

/// Operations and probes, with the header fields and error bodies that every answer has.
fn with_contract(operations: Router<Arc<App>>, app: &Arc<App>) -> Router {
    let contract = axum::middleware::from_fn_with_state(app.clone(), contract::complete_answer);
    operations.merge(probes()).layer(contract).with_state(app.clone())
}

/// Listener, limits and TLS of the two admin listeners.
pub struct AdminListeners {
    /// The listener of `admin.listen`, where that is configured.
    pub listener: Option<TcpListener>,
    /// Connection limits of `admin.listen`, which are shared with the public listeners.
    pub address: Arc<Connections>,
    /// Connection limits of the admin socket. They are separate, so that administrators can connect while an attacker
    /// floods the other listeners.
    pub socket: Arc<Connections>,
    /// TLS of `admin.listen`.
    pub tls: Option<TlsAcceptor>,
}

/// Binds the admin socket, and accepts connections on it and, where configured, on `admin.listen`.
pub async fn listen(
    app: &Arc<App>,
    settings: &AdminSettings,
    listeners: AdminListeners,
    stop: watch::Receiver<bool>,
) -> Result<(Vec<JoinHandle<()>>, Option<SocketAddr>), String> {
    let socket = socket::bind(&settings.socket).await?;
    let endpoints = Endpoints::Admin(app.clone(), with_contract(routes(), app));
    let service = Listener::new(endpoints, None, listeners.socket);
    let mut tasks = vec![tokio::spawn(listen::accept(socket, service, stop.clone()))];
    let mut address = None;
    if let Some(listener) = listeners.listener {
        address = Some(listener.local_addr().map_err(|error| error.to_string())?);
        let guarded = routes().layer(axum::middleware::from_fn_with_state(
            app.clone(),
            token::require_administrator,
        ));
        let endpoints = Endpoints::Admin(app.clone(), with_contract(guarded, app));
        let service = Listener::new(endpoints, listeners.tls, listeners.address);
        tasks.push(tokio::spawn(listen::accept(listener, service, stop)));
    }
    Ok((tasks, address))
}
