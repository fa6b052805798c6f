//! A test request with an authorization code, which can be used once: it is deleted at the version that was read.
//! [RFC6749 §4.1.2]

use super::{Meeting, RACERS, count, ended, key_of, refused};
use crate::world::World;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use testudo_core::decision::{ClientMemory, Decision, Resolution};
use testudo_core::occasions::Occasion;
use testudo_core::records::{Announced, Batch, Client, Conflict, Kind, Loaded, Needs, Record};
use testudo_core::{CredentialKind, Moment, Rejection, Trace};
use testudo_protocol::Timestamp;
use testudo_server::settle::settle;

#[derive(Debug, Serialize, Deserialize)]
struct Code {
    name: String,
    scope: String,
    until: Timestamp,
}

impl Record for Code {
    const KIND: Kind = Kind::SharedBundle;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        format!("code/{}", self.name).into_bytes()
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.until)
    }
}

struct Redemption {
    client: Vec<u8>,
    code: Vec<u8>,
    meeting: Option<Arc<Meeting>>,
}

/// The same text for a used code and for one that never existed, because a used code is deleted completely.
const GONE: &str = "the code does not exist";

impl Occasion for Redemption {
    type Outcome = String;

    fn needs(&self) -> Needs<'_> {
        Needs::one::<Client>(&self.client)
            .from_memory()
            .and::<Code>(&self.code)
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<String>, Rejection> {
        if loaded.find::<Client>(&self.client).is_none() {
            return Err(refused("no client"));
        }
        let code = loaded.find::<Code>(&self.code).ok_or(refused(GONE))?;
        if at.now >= code.record.until {
            return Err(refused("the code is too old"));
        }
        if let Some(meeting) = &self.meeting {
            meeting.wait(RACERS);
        }
        let mut batch = Batch::default();
        batch.delete(&code.record, code.version);
        Ok(Decision {
            batch,
            memory: ClientMemory::Used(CredentialKind::JwtSvid),
            ..Decision::of(code.record.scope.clone())
        })
    }

    fn conflict(&self, on: &Conflict) -> Resolution {
        match on {
            Conflict::Changed(_, key) if *key == self.code => Resolution::Refuse(refused(GONE)),
            Conflict::Changed(..) | Conflict::Exists(..) | Conflict::Used(_) | Conflict::OverLimit(_) => {
                Resolution::Again
            }
        }
    }
}

async fn store_code(world: &World, name: &str, life: i64) -> Vec<u8> {
    let code = Code {
        name: name.to_owned(),
        scope: "r".to_owned(),
        until: Timestamp(world.now() + life),
    };
    let mut batch = Batch::default();
    batch.insert(&code);
    world.running.app.store.commit(batch).await.unwrap();
    code.key()
}

async fn redeem(world: &World, redemption: Redemption) -> String {
    let app = &world.running.app;
    let in_force = app.in_force.load_full();
    let policy = &in_force.policy;
    ended(
        settle(app, policy, &redemption, |scope, _| {
            Ok(format!("token for {scope}"))
        })
        .await,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn code_that_twenty_requests_have_read_is_accepted_once() {
    let world = Arc::new(World::start().await);
    assert_eq!(world.ask("/x/1", &[]).await.status, 200);
    let code = store_code(&world, "c", 60).await;
    let meeting = Arc::new(Meeting::of(RACERS));
    let store = &world.running.app.store;
    let (reads, written) = (store.reads(), store.batches_written());
    let racers: Vec<_> = (0..RACERS)
        .map(|_| {
            let (world, code, meeting) = (world.clone(), code.clone(), meeting.clone());
            tokio::spawn(async move {
                let redemption = Redemption {
                    client: key_of("/x/1"),
                    code,
                    meeting: Some(meeting),
                };
                redeem(&world, redemption).await
            })
        })
        .collect();
    let mut endings = Vec::new();
    for racer in racers {
        endings.push(racer.await.unwrap());
    }
    assert_eq!(count(&endings, "token for r"), 1, "{endings:?}");
    assert_eq!(count(&endings, GONE), RACERS - 1, "{endings:?}");
    let decisions = meeting.decisions.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(
        decisions, RACERS,
        "each must be refused because of the conflict, not after reading again"
    );
    assert_eq!(
        store.reads() - reads,
        RACERS as u64,
        "the client must be read from memory"
    );
    assert_eq!(store.batches_written() - written, 1);
}

#[tokio::test]
async fn expired_code_and_code_of_an_unknown_client_are_refused() {
    let world = World::start().await;
    assert_eq!(world.ask("/x/1", &[]).await.status, 200);
    let redemption = |path: &str, code: Vec<u8>| Redemption {
        client: key_of(path),
        code,
        meeting: None,
    };
    let old = store_code(&world, "old", 0).await;
    let ending = redeem(&world, redemption("/x/1", old)).await;
    assert!(ending.contains("the code is too old"), "{ending}");
    let code = store_code(&world, "c", 60).await;
    let ending = redeem(&world, redemption("/x/unknown", code.clone())).await;
    assert!(ending.contains("no client"), "{ending}");
    // A client that is not in memory is read together with the code, and then kept in memory.
    let world = world.restart().await;
    let app = &world.running.app;
    let reads = app.store.reads();
    assert!(app.memory.clients.get(&key_of("/x/1")).is_none());
    let ending = redeem(&world, redemption("/x/1", code)).await;
    assert!(ending.contains("token for r"), "{ending}");
    assert_eq!(app.store.reads() - reads, 1);
    assert!(app.memory.clients.get(&key_of("/x/1")).is_some());
}
