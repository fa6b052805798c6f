//! Opens every connection of a node to the database, and sets the state in which each session begins.
//!
//! A role or a database can have settings of its own (`ALTER ROLE … SET`, `ALTER DATABASE … SET`). The settings on
//! which our statements depend are set again in every session, so that neither a default of the database administrator
//! nor a schema of another role changes the effect of a statement.

use super::connect_fault::Target;
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

/// The database ends a statement before our own deadline. A statement that waits for a lock is then answered with an
/// error, and its connection can be used again.
const STATEMENT_TIMEOUT: Duration = STATEMENT_DEADLINE.saturating_sub(Duration::from_secs(1));

/// If the URL has several hosts: a host that has not answered within this time is skipped.
const HOST_DEADLINE: Duration = Duration::from_secs(2);

/// Data that was sent must be acknowledged by the other machine within this time. The default of the kernel is about 15
/// minutes.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(10);
/// A keepalive probe is sent on an idle connection after this time, then every [`KEEPALIVE_INTERVAL`],
/// [`KEEPALIVE_RETRIES`] times.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
const KEEPALIVE_RETRIES: u32 = 3;

/// The hosts of the database, and the statements that begin a session there.
#[derive(Clone)]
pub(super) struct Route {
    hosts: Arc<[Config]>,
    /// Index of the host that was the primary last. It is tried first.
    primary: Arc<AtomicUsize>,
    tls: Option<MakeRustlsConnect>,
    begin: Arc<str>,
    target: Target,
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
            target: Target::new(&hosts),
            hosts: hosts.into(),
            primary: Arc::new(AtomicUsize::new(0)),
            tls,
            begin: begin(&address.schema).into(),
        })
    }

    /// The database, for messages.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// The time that is allowed for finding the primary among all hosts.
    pub(super) fn deadline(&self) -> Duration {
        let others = u32::try_from(self.hosts.len().saturating_sub(1)).unwrap_or(0);
        CONNECT_DEADLINE + HOST_DEADLINE.saturating_mul(others)
    }

    /// A connection whose session is ready, and the task that drives it. Each notification wakes `notified`.
    async fn connect(
        &self,
        notified: Arc<Notify>,
    ) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        let number = self.hosts.len();
        let first = self.primary.load(Ordering::Relaxed);
        // The last host may take until the deadline of the caller.
        for place in (0..number.saturating_sub(1)).map(|step| (first + step) % number) {
            let Some(config) = self.hosts.get(place) else {
                continue;
            };
            match tokio::time::timeout(HOST_DEADLINE, self.connect_to(config, notified.clone())).await {
                Ok(Ok(connected)) => {
                    self.primary.store(place, Ordering::Relaxed);
                    return Ok(connected);
                }
                Ok(Err(error)) => {
                    tracing::warn!(event = "store.host_left_out", host = place, fault = %with_causes(&error), "a host of store.url cannot be used; trying the next");
                }
                Err(_) => {
                    tracing::warn!(
                        event = "store.host_left_out",
                        host = place,
                        "a host of store.url does not answer; trying the next"
                    );
                }
            }
        }
        let last = (first + number.saturating_sub(1)) % number.max(1);
        let connected = self
            .connect_to(self.hosts.get(last).unwrap_or(&Config::new()), notified)
            .await?;
        self.primary.store(last, Ordering::Relaxed);
        Ok(connected)
    }

    async fn connect_to(
        &self,
        config: &Config,
        notified: Arc<Notify>,
    ) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        let (client, driver) = match &self.tls {
            Some(tls) => {
                let (client, connection) = config.connect(tls.clone()).await?;
                (client, drive(connection, notified))
            }
            None => {
                let (client, connection) = config.connect(NoTls).await?;
                (client, drive(connection, notified))
            }
        };
        // If the caller stops waiting, a connection without an answer must be closed.
        let guard = AbortOnDrop(Some(driver));
        client.batch_execute(&self.begin).await?;
        Ok((client, guard.release()))
    }

    /// As [`Route::connect`], within the deadline, for a connection that is not in the pool.
    pub(super) async fn connect_alone(
        &self,
        notified: Arc<Notify>,
    ) -> Result<(Client, AbortOnDrop), StoreFault> {
        match tokio::time::timeout(self.deadline(), self.connect(notified)).await {
            Ok(Ok((client, driver))) => Ok((client, AbortOnDrop(Some(driver)))),
            Ok(Err(error)) => Err(self.target.fault(&error)),
            Err(_) => Err(self.target.no_answer(self.deadline())),
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

/// The statements that begin every session, in one round trip.
///
/// `search_path` has one schema, so that tables and functions of the same names in other schemas, and temporary ones,
/// are not used instead of ours. A standby is refused, since its data is late: a node that reads there would miss a
/// freeze. A primary that is read-only for a while is accepted, since its data is current. A commit is answered only
/// after it is on the disk, and on the disk of the synchronous standby if there is one: an HTTP answer 200 promises
/// this, so the default of the role is overridden.
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

/// Drives a connection; each notification wakes the task that waits on `notified`.
fn drive<S, T>(mut connection: Connection<S, T>, notified: Arc<Notify>) -> JoinHandle<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(std::future::poll_fn(move |context| {
        loop {
            match connection.poll_message(context) {
                Poll::Ready(Some(Ok(AsyncMessage::Notification(_)))) => notified.notify_one(),
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => {
                    tracing::warn!(event = "store.connection_broke", fault = %with_causes(&error), "a connection to the database failed");
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }))
}

/// Ends the task of a connection, which closes its socket even if statements are pending.
pub(super) struct AbortOnDrop(Option<JoinHandle<()>>);

impl AbortOnDrop {
    fn release(mut self) -> JoinHandle<()> {
        match self.0.take() {
            Some(driver) => driver,
            // Invariant: only `release` takes the handle, and it consumes the guard.
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

/// The certificate of the database is verified with the roots of the system and the extra ones.
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
