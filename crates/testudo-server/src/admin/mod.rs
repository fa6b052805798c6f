//! The admin API: over a Unix socket, where the mode of the socket decides which users may connect, and over HTTP, for
//! metrics, probes, and administrators with an access token. [`operations`] has every operation.

mod acting;
mod blocks;
mod clients;
mod contract;
mod events;
mod explain;
mod input;
mod json;
mod keys;
mod operation;
mod operations;
mod reason;
mod reply;
mod rules;
mod server;
mod socket;
mod token;
mod trust;

use crate::config::AdminSettings;
use crate::listen::{self, Connections, Endpoints, Listening};
use crate::state::app::App;
use axum::Router;
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub use clients::ClientView;
pub use events::EventPage;
pub use explain::{Explanation, Verdict};
pub use operations::openapi;
pub use rules::{Governed, RuleView};
pub(crate) use socket::try_the_place;
pub use socket::{BoundSocket, Place, must_be_free};

/// Metrics and probes: no authorization, no secrets.
fn probes() -> Router<Arc<App>> {
    Router::new()
        .route("/metrics", get(server::metrics))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(server::readyz))
}

/// The operations, of which none overlooks a parameter.
fn routes() -> Router<Arc<App>> {
    operations::router().layer(axum::middleware::from_fn(
        contract::refuse_parameters_where_none_are,
    ))
}

/// Operations and probes, of which every answer keeps the contract.
fn with_contract(operations: Router<Arc<App>>, app: &Arc<App>) -> Router {
    let contract = axum::middleware::from_fn_with_state(app.clone(), contract::name_and_word);
    operations.merge(probes()).layer(contract).with_state(app.clone())
}

/// What the two admin listeners run under.
pub struct Doors {
    /// The listener of `admin.listen`, where that is configured.
    pub listener: Option<TcpListener>,
    /// Limits of `admin.listen`: shared with the public listeners.
    pub address: Arc<Connections>,
    /// Limits of the socket: its own, so that no flood elsewhere locks administrators out.
    pub socket: Arc<Connections>,
    /// TLS of `admin.listen`.
    pub tls: Option<TlsAcceptor>,
}

/// Binds the socket, and accepts there and, where configured, at the address.
pub async fn listen(
    app: &Arc<App>,
    settings: &AdminSettings,
    doors: Doors,
    stop: watch::Receiver<bool>,
) -> Result<(Vec<JoinHandle<()>>, Option<SocketAddr>), String> {
    let socket = socket::bind(&settings.socket).await?;
    let endpoints = Endpoints::Admin(app.clone(), with_contract(routes(), app));
    let listening = Listening::new(endpoints, None, doors.socket);
    let mut tasks = vec![tokio::spawn(listen::accept(socket, listening, stop.clone()))];
    let mut address = None;
    if let Some(listener) = doors.listener {
        address = Some(listener.local_addr().map_err(|error| error.to_string())?);
        let guarded = routes().layer(axum::middleware::from_fn_with_state(
            app.clone(),
            token::require_administrator,
        ));
        let endpoints = Endpoints::Admin(app.clone(), with_contract(guarded, app));
        let listening = Listening::new(endpoints, doors.tls, doors.address);
        tasks.push(tokio::spawn(listen::accept(listener, listening, stop)));
    }
    Ok((tasks, address))
}
