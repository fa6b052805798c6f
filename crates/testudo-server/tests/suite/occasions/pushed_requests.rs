//! A test request that pushes an authorization request: it is inserted under a new name, for a short time, at a limited
//! rate. [RFC9126 §2]

use super::{RACERS, count, ended, refused};
use crate::world::World;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use testudo_core::decision::{Decision, Resolution};
use testudo_core::occasions::Occasion;
use testudo_core::records::{Announced, Batch, Conflict, Kind, Loaded, Needs, Record};
use testudo_core::velocity::{Limit, Rate};
use testudo_core::{Moment, Rejection, Trace};
use testudo_protocol::{Seconds, Timestamp};
use testudo_server::settle::settle;

#[derive(Debug, Serialize, Deserialize)]
struct PushedRequest {
    name: String,
    until: Timestamp,
}

impl Record for PushedRequest {
    const KIND: Kind = Kind::SharedBundle;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        format!("pushed/{}", self.name).into_bytes()
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.until)
    }
}

struct Push {
    name: String,
}

const TAKEN: &str = "the name is taken";

impl Occasion for Push {
    type Outcome = Timestamp;

    fn needs(&self) -> Needs<'_> {
        Needs::default()
    }

    fn decide(
        &self,
        _loaded: &Loaded<'_>,
        at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<Timestamp>, Rejection> {
        let until = at.now + Seconds(60);
        let mut batch = Batch::default();
        batch.insert(&PushedRequest {
            name: self.name.clone(),
            until,
        });
        Ok(Decision {
            batch,
            limits: vec![Limit {
                bucket: "pushed".to_owned(),
                setting: "requests_per_minute",
                shown_as: "pushed requests".to_owned(),
                rate: Rate::new(1, Some(RACERS as u32)),
            }],
            ..Decision::of(until)
        })
    }

    fn conflict(&self, _on: &Conflict) -> Resolution {
        Resolution::Refuse(refused(TAKEN))
    }
}

async fn push(world: &World, name: &str) -> String {
    let app = &world.running.app;
    let in_force = app.in_force.load_full();
    let policy = &in_force.policy;
    let push = Push {
        name: name.to_owned(),
    };
    ended(settle(app, policy, &push, |until, _| Ok(until)).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_pushes_under_one_name_one_is_stored_and_the_others_do_not_count_against_the_rate() {
    let world = Arc::new(World::start().await);
    let store = &world.running.app.store;
    let (reads, written) = (store.reads(), store.batches_written());
    let racers: Vec<_> = (0..RACERS)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { push(&world, "p").await })
        })
        .collect();
    let mut endings = Vec::new();
    for racer in racers {
        endings.push(racer.await.unwrap());
    }
    assert_eq!(count(&endings, "Timestamp"), 1, "{endings:?}");
    assert_eq!(count(&endings, TAKEN), RACERS - 1, "{endings:?}");
    assert_eq!((store.reads() - reads, store.batches_written() - written), (0, 1));
    for number in 1..RACERS {
        let ending = push(&world, &format!("p{number}")).await;
        assert!(ending.contains("Timestamp"), "{number}: {ending}");
    }
    let ending = push(&world, "one more").await;
    assert!(ending.contains("pushed requests"), "{ending}");
}

#[tokio::test]
async fn name_of_an_expired_pushed_request_can_be_used_again() {
    let world = World::start().await;
    let store = &world.running.app.store;
    assert!(push(&world, "p").await.contains("Timestamp"));
    assert!(push(&world, "p").await.contains(TAKEN));
    let over = Timestamp(world.now() + 120);
    store.drop_expired(over, 1_000).await.unwrap();
    assert!(push(&world, "p").await.contains("Timestamp"));
}
