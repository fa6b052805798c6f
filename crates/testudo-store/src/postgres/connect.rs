//! One way to the database for every connection of a node, and the state in which a session begins.
//!
//! A role or a database can have settings of its own (`ALTER ROLE … SET`, `ALTER DATABASE … SET`). Those on which
//! our statements depend are set anew in every session, so that neither an administrator's default nor a schema of
//! another role changes what a statement means.

use super::hosts::each_host;
use super::{CONNECT_DEADLINE, PostgresAddress, STATEMENT_DEADLINE, Transport, fault, with_causes};
use crate::StoreFault;
use deadpool_postgres::Connect;
use rustls::ClientConfig;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The server ends a statement before our own deadline: a statement that waits for a lock is then answered, and its
/// connection is whole.
const STATEMENT_TIMEOUT: Duration = STATEMENT_DEADLINE.saturating_sub(Duration::from_secs(1));

/// Where the URL has several hosts: one that has not answered by then is left for the next.
const HOST_DEADLINE: Duration = Duration::from_secs(2);

/// What was sent must be acknowledged by the other machine within this time. Otherwise the kernel waits for a
/// quarter of an hour.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(10);
/// An idle connection is tried after this time, then every [`KEEPALIVE_INTERVAL`], [`KEEPALIVE_RETRIES`] times.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
const KEEPALIVE_RETRIES: u32 = 3;

/// Where the database is, and how a session there begins.
#[derive(Clone)]
pub(super) struct Route {
    hosts: Arc<[Config]>,
    /// The place of the host that was the primary last. It is tried first.
    primary: Arc<AtomicUsize>,
    tls: Option<MakeRustlsConnect>,
    begin: Arc<str>,
}

impl Route {
    pub(super) fn new(
        address: &PostgresAddress,
        extra_roots_pem: Option<&[u8]>,
    ) -> Result<Route, StoreFault> {
        let mut hosts = each_host(&address.config);
        for config in &mut hosts {
            config
                .connect_timeout(CONNECT_DEADLINE)
                .tcp_user_timeout(ACKNOWLEDGED_WITHIN)
                .keepalives(true)
                .keepalives_idle(KEEPALIVE_IDLE)
                .keepalives_interval(KEEPALIVE_INTERVAL)
                .keepalives_retries(KEEPALIVE_RETRIES)
                .application_name("testudo");
        }
        let tls = match address.transport() {
            Transport::Tls | Transport::TlsAssumed => Some(tls_connector(extra_roots_pem)?),
            Transport::PlainNearby | Transport::PlainFar => None,
        };
        Ok(Route {
            hosts: hosts.into(),
            primary: Arc::new(AtomicUsize::new(0)),
            tls,
            begin: begin(&address.schema).into(),
        })
    }

    /// How long it may take to find the primary among all hosts.
    pub(super) fn deadline(&self) -> Duration {
        let others = u32::try_from(self.hosts.len().saturating_sub(1)).unwrap_or(0);
        CONNECT_DEADLINE + HOST_DEADLINE.saturating_mul(others)
    }

    /// A connection whose session is ready, and the task that drives it. Each notification wakes `heard`.
    async fn connect(&self, heard: Arc<Notify>) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        let number = self.hosts.len();
        let first = self.primary.load(Ordering::Relaxed);
        // The last one is waited for until the caller's deadline.
        for place in (0..number.saturating_sub(1)).map(|step| (first + step) % number) {
            let Some(config) = self.hosts.get(place) else {
                continue;
            };
            match tokio::time::timeout(HOST_DEADLINE, self.connect_to(config, heard.clone())).await {
                Ok(Ok(connected)) => {
                    self.primary.store(place, Ordering::Relaxed);
                    return Ok(connected);
                }
                Ok(Err(error)) => {
                    tracing::warn!(place, error = %with_causes(&error), "a host of store.url is left out")
                }
                Err(_) => tracing::warn!(place, "a host of store.url does not answer"),
            }
        }
        let last = (first + number.saturating_sub(1)) % number.max(1);
        let connected = self
            .connect_to(self.hosts.get(last).unwrap_or(&Config::new()), heard)
            .await?;
        self.primary.store(last, Ordering::Relaxed);
        Ok(connected)
    }

    async fn connect_to(
        &self,
        config: &Config,
        heard: Arc<Notify>,
    ) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        let (client, driver) = match &self.tls {
            Some(tls) => {
                let (client, connection) = config.connect(tls.clone()).await?;
                (client, drive(connection, heard))
            }
            None => {
                let (client, connection) = config.connect(NoTls).await?;
                (client, drive(connection, heard))
            }
        };
        // Where the caller gives up, a connection that nothing answers must not live on.
        let guard = AbortOnDrop(Some(driver));
        client.batch_execute(&self.begin).await?;
        Ok((client, guard.release()))
    }

    /// The same within the deadline, for a connection that is not in the pool.
    pub(super) async fn connect_alone(
        &self,
        heard: Arc<Notify>,
    ) -> Result<(Client, AbortOnDrop), StoreFault> {
        match tokio::time::timeout(self.deadline(), self.connect(heard)).await {
            Ok(Ok((client, driver))) => Ok((client, AbortOnDrop(Some(driver)))),
            Ok(Err(error)) => Err(with_causes(&error)),
            Err(_) => Err(fault(format!(
                "no connection within {} s",
                self.deadline().as_secs()
            ))),
        }
    }
}

impl Connect for Route {
    fn connect(
        &self,
        _: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + '_>>
    {
        Box::pin(Route::connect(self, Arc::new(Notify::new())))
    }
}

/// What every session begins with, in one round trip.
///
/// `search_path` has one schema: tables and functions of these names in any other schema, and temporary ones, do
/// not take the place of ours. A standby is refused, since it lags: a node that reads there would miss a freeze.
/// A primary that is read-only for a while is not: its answers are today's. A commit that is answered is on the disk,
/// and on that of the synchronous standby where there is one: a 200 promises it, whatever the role's default is.
fn begin(schema: &str) -> String {
    format!(
        "SET search_path TO {schema}, pg_temp;
         SET default_transaction_isolation TO 'read committed';
         SET statement_timeout TO {};
         SELECT set_config('synchronous_commit', 'on', false)
             WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');
         DO $$ BEGIN IF pg_is_in_recovery() THEN
             RAISE EXCEPTION 'this server is a standby, and the primary is needed: let store.url lead to the primary';
         END IF; END $$",
        STATEMENT_TIMEOUT.as_millis()
    )
}

/// Drives a connection; each notification wakes the task that waits on `heard`.
fn drive<S, T>(mut connection: Connection<S, T>, heard: Arc<Notify>) -> JoinHandle<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(std::future::poll_fn(move |context| {
        loop {
            match connection.poll_message(context) {
                Poll::Ready(Some(Ok(AsyncMessage::Notification(_)))) => heard.notify_one(),
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => {
                    tracing::warn!(error = %with_causes(&error), "a connection to the database broke");
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }))
}

/// Ends a connection's task, and so closes its socket, whatever is still pending there.
pub(super) struct AbortOnDrop(Option<JoinHandle<()>>);

impl AbortOnDrop {
    fn release(mut self) -> JoinHandle<()> {
        match self.0.take() {
            Some(driver) => driver,
            // Invariant: only `release` takes it, and it consumes the guard.
            None => tokio::spawn(async {}),
        }
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(driver) = self.0.take() {
            driver.abort();
        }
    }
}

/// The server's certificate is verified against the system's roots and the extra ones.
fn tls_connector(extra_roots_pem: Option<&[u8]>) -> Result<MakeRustlsConnect, StoreFault> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots: Vec<CertificateDer<'static>> = match extra_roots_pem {
        None => Vec::new(),
        Some(pem) => CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(fault)?,
    };
    let verifier =
        rustls_platform_verifier::Verifier::new_with_extra_roots(roots, provider.clone()).map_err(fault)?;
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(fault)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(tls))
}
