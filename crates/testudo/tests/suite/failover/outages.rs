//! Measures when the database accepted no commits, with a separate probe through HAProxy.

use super::deployment::Load;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error, NoTls};

/// A commit that takes longer counts as failed.
const COMMIT_MAX: Duration = Duration::from_secs(1);
/// The interval of attempts during an outage; an attempt does not wait for earlier ones.
const TRY_EVERY: Duration = Duration::from_millis(100);
const TRY_MAX: Duration = Duration::from_secs(2);

/// The time from the last commit before an outage to the first one after it.
#[derive(Debug, Clone, Copy)]
pub struct Outage {
    pub from: Instant,
    pub to: Instant,
}

impl Outage {
    pub fn length(&self) -> Duration {
        self.to - self.from
    }
}

#[derive(Default)]
pub struct Outages {
    over: Mutex<Vec<Outage>>,
    /// The start of the current outage, if there is one.
    since: Mutex<Option<Instant>>,
}

impl Outages {
    pub async fn watch(load: Arc<Load>, url: String) -> (Arc<Outages>, JoinHandle<()>) {
        let client = connect(&url).await.unwrap();
        client
            .batch_execute("CREATE TABLE marks (at timestamptz)")
            .await
            .unwrap();
        let outages = Arc::new(Outages::default());
        let watching = tokio::spawn(outages.clone().run(load, url, client));
        (outages, watching)
    }

    async fn run(self: Arc<Outages>, load: Arc<Load>, url: String, mut client: Client) {
        let mut last_good = Instant::now();
        while load.goes_on() {
            if tokio::time::timeout(COMMIT_MAX, commit(&client))
                .await
                .is_ok_and(|done| done.is_ok())
            {
                last_good = Instant::now();
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            *self.since.lock().unwrap() = Some(last_good);
            client = first_commit(&url).await;
            let outage = Outage {
                from: last_good,
                to: Instant::now(),
            };
            self.over.lock().unwrap().push(outage);
            *self.since.lock().unwrap() = None;
        }
    }

    pub fn all(&self) -> Vec<Outage> {
        self.over.lock().unwrap().clone()
    }

    pub fn is_unavailable(&self) -> bool {
        self.since.lock().unwrap().is_some()
    }

    /// The time at which a node had to apply a change: the time of the acknowledgement, or the end of an outage between
    /// `acknowledged` and `applied`.
    pub fn due(&self, acknowledged: Instant, applied: Instant) -> Instant {
        let outages = self.over.lock().unwrap();
        let between = outages
            .iter()
            .filter(|outage| outage.from <= applied && outage.to >= acknowledged);
        between.map(|outage| outage.to).fold(acknowledged, Instant::max)
    }
}

async fn connect(url: &str) -> Result<Client, Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn commit(client: &Client) -> Result<(), Error> {
    client.batch_execute("INSERT INTO marks VALUES (now())").await
}

/// Tries until a commit succeeds. An attempt without an answer does not delay the following ones.
async fn first_commit(url: &str) -> Client {
    let (found, mut first) = tokio::sync::mpsc::channel(1);
    loop {
        let (url, found) = (url.to_owned(), found.clone());
        tokio::spawn(tokio::time::timeout(TRY_MAX, async move {
            let Ok(client) = connect(&url).await else { return };
            if commit(&client).await.is_ok() {
                // An error is ignored: then an earlier attempt has already sent its connection.
                let _ = found.try_send(client);
            }
        }));
        if let Ok(Some(client)) = tokio::time::timeout(TRY_EVERY, first.recv()).await {
            return client;
        }
    }
}
