//! A test request with a refresh token: the token is replaced at every use, and if one is used twice, all tokens of its
//! family are revoked. [RFC9700 §4.14.2]

use super::{Meeting, RACERS, count, ended, refused};
use crate::world::World;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use testudo_core::decision::{Decision, Resolution};
use testudo_core::occasions::Occasion;
use testudo_core::records::{Announced, Batch, Conflict, Kind, Loaded, Needs, Record};
use testudo_core::{Moment, Rejection, Trace};
use testudo_server::settle::settle;

/// All refresh tokens of one authorization. Without this record, none of them is valid.
#[derive(Debug, Serialize, Deserialize)]
struct Family {
    name: String,
}

/// One token, by its hash.
#[derive(Debug, Serialize, Deserialize)]
struct RefreshToken {
    hash: String,
    is_used: bool,
}

impl Record for Family {
    const KIND: Kind = Kind::SharedBundle;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        format!("family/{}", self.name).into_bytes()
    }
}

impl Record for RefreshToken {
    const KIND: Kind = Kind::SharedBundle;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        format!("refresh/{}", self.hash).into_bytes()
    }
}

/// The refresh token of a request. It names its family, so that both records are read at once.
struct Refresh {
    family: Vec<u8>,
    token: Vec<u8>,
    next: String,
    meeting: Option<Arc<Meeting>>,
}

/// A refusal that writes records is an outcome; the endpoint answers it like any refusal.
#[derive(Debug)]
enum Refreshed {
    Rotated,
    Reused,
}

impl Occasion for Refresh {
    type Outcome = Refreshed;

    fn needs(&self) -> Needs<'_> {
        Needs::one::<Family>(&self.family).and::<RefreshToken>(&self.token)
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        _at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<Refreshed>, Rejection> {
        let family = loaded.find::<Family>(&self.family);
        let family = family.ok_or(refused("the family ended"))?;
        let token = loaded.find::<RefreshToken>(&self.token);
        let token = token.ok_or(refused("no such token"))?;
        if let Some(meeting) = &self.meeting {
            meeting.wait(RACERS);
        }
        let mut batch = Batch::default();
        if token.record.is_used {
            batch.delete(&family.record, family.version);
            return Ok(Decision {
                batch,
                ..Decision::of(Refreshed::Reused)
            });
        }
        let used = RefreshToken {
            hash: token.record.hash.clone(),
            is_used: true,
        };
        batch.replace(&used, token.version);
        batch.insert(&RefreshToken {
            hash: self.next.clone(),
            is_used: false,
        });
        Ok(Decision {
            batch,
            ..Decision::of(Refreshed::Rotated)
        })
    }

    /// A token that changed since it was read was used by another request: the next decision detects the reuse.
    fn conflict(&self, _on: &Conflict) -> Resolution {
        Resolution::Again
    }
}

async fn begin(world: &World) {
    let mut batch = Batch::default();
    batch.insert(&Family { name: "f".to_owned() });
    batch.insert(&RefreshToken {
        hash: "first".to_owned(),
        is_used: false,
    });
    world.running.app.store.commit(batch).await.unwrap();
}

async fn refresh(world: &World, token: &str, next: &str, meeting: Option<Arc<Meeting>>) -> String {
    let app = &world.running.app;
    let in_force = app.in_force.load_full();
    let policy = &in_force.policy;
    let request = Refresh {
        family: b"family/f".to_vec(),
        token: format!("refresh/{token}").into_bytes(),
        next: next.to_owned(),
        meeting,
    };
    ended(settle(app, policy, &request, |outcome, _| Ok(outcome)).await)
}

#[tokio::test]
async fn refresh_token_that_is_used_twice_revokes_its_family() {
    let world = World::start().await;
    begin(&world).await;
    assert_eq!(refresh(&world, "first", "second", None).await, "Rotated");
    assert_eq!(refresh(&world, "second", "third", None).await, "Rotated");
    assert_eq!(refresh(&world, "first", "stolen", None).await, "Reused");
    for token in ["first", "second", "third", "stolen"] {
        let ending = refresh(&world, token, "more", None).await;
        assert!(ending.contains("the family ended"), "{token}: {ending}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_uses_of_one_refresh_token_one_rotates_and_one_revokes_the_family() {
    let world = Arc::new(World::start().await);
    begin(&world).await;
    let meeting = Arc::new(Meeting::of(RACERS));
    let racers: Vec<_> = (0..RACERS)
        .map(|number| {
            let (world, meeting) = (world.clone(), meeting.clone());
            let next = format!("next{number}");
            tokio::spawn(async move { refresh(&world, "first", &next, Some(meeting)).await })
        })
        .collect();
    let mut endings = Vec::new();
    for racer in racers {
        endings.push(racer.await.unwrap());
    }
    assert_eq!(count(&endings, "Rotated"), 1, "{endings:?}");
    assert_eq!(count(&endings, "Reused"), 1, "{endings:?}");
    assert_eq!(count(&endings, "the family ended"), RACERS - 2, "{endings:?}");
}
