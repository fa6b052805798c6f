//! Tests of `spiffe_sequence`: no node uses an earlier bundle, also not after a restart or after a change of the
//! database by an attacker. Row I-06.

use crate::world::{ISSUER, World, domains};
use serde_json::{Value, json};
use std::path::Path;
use testudo_testkit::{TestIssuer, svid_form};

const RULES: &str = "[[rules]]\nname = \"B\"\nidentities = [\"spiffe://b.example/x/*\"]\n";

async fn world() -> World {
    World::start_with(&domains(""), RULES).await
}

fn publish(world: &World, bundle: &Value) {
    publish_in(&world.folder, bundle);
}

fn publish_in(folder: &Path, bundle: &Value) {
    std::fs::write(folder.join("b.json"), bundle.to_string()).unwrap();
}

async fn post(world: &World, verb: &str) -> (u16, Value) {
    let path = format!("/admin/v1/trust/b.example/{verb}");
    world.try_admin("POST", &path, json!({})).await
}

async fn shown(world: &World) -> Value {
    world.admin("GET", "/admin/v1/trust/b.example", Value::Null).await
}

async fn ask(world: &World, issuer: &TestIssuer) -> u16 {
    let svid = issuer.svid("/x/1", ISSUER, world.now());
    world.send(&svid_form(&svid, &[])).await.status
}

/// Publishes a newer bundle and waits until it is used; returns the earlier one.
async fn rotated(world: &mut World) -> Value {
    let before = world.b.bundle();
    world.b.rotate();
    publish(world, &world.b.bundle());
    assert_eq!(post(world, "refresh").await.0, 200);
    assert_eq!(shown(world).await["sequence"], 2);
    before
}

#[tokio::test]
async fn bundle_sequence_survives_a_restart() {
    let mut world = world().await;
    let before = rotated(&mut world).await;
    let world = world.restart_after(|folder| publish_in(folder, &before)).await;
    let now = shown(&world).await;
    assert_eq!(now["state"], "none", "{now}");
    assert!(
        now["held_back"]
            .as_str()
            .unwrap()
            .contains("the source offers sequence 1, but sequence 2 was"),
        "{now}"
    );
    assert_eq!(ask(&world, &world.b).await, 503);
    assert_eq!(world.events("authority.bundle_rolled_back").await.len(), 1);
    // A bundle with the same or a higher sequence is used.
    publish(&world, &world.b.bundle());
    assert_eq!(post(&world, "refresh").await.0, 200);
    assert_eq!(ask(&world, &world.b).await, 200);
}

#[tokio::test]
async fn bundle_without_sequence_is_not_used_after_one_with_it() {
    let mut world = world().await;
    rotated(&mut world).await;
    let mut without = world.b.bundle();
    without.as_object_mut().unwrap().remove("spiffe_sequence");
    without["spiffe_refresh_hint"] = json!(60);
    publish(&world, &without);
    for _ in 0..3 {
        let (status, answer) = post(&world, "refresh").await;
        assert_eq!(status, 400, "{answer}");
        assert!(
            answer["hint"]
                .as_str()
                .unwrap()
                .contains("testudo trust accept b.example"),
            "{answer}"
        );
    }
    assert_eq!(shown(&world).await["sequence"], 2);
    assert_eq!(
        ask(&world, &world.b).await,
        200,
        "the earlier bundle must stay in use"
    );
    let events = world.events("authority.bundle_rolled_back").await;
    assert_eq!(
        events.len(),
        1,
        "the event must be written once, not at each poll"
    );
    assert!(
        events[0]["detail"]
            .as_str()
            .unwrap()
            .contains("without spiffe_sequence"),
        "{events:?}"
    );
}

// Row I-02.
#[tokio::test]
async fn empty_bundle_is_used_without_sequence_and_does_not_lower_the_stored_one() {
    let mut world = world().await;
    let before = rotated(&mut world).await;
    publish(&world, &json!({ "keys": [] }));
    assert_eq!(post(&world, "refresh").await.0, 200);
    assert_eq!(
        ask(&world, &world.b).await,
        400,
        "an empty bundle must refuse all SVIDs at once"
    );
    publish(&world, &before);
    assert_eq!(post(&world, "refresh").await.0, 400);
    assert_eq!(
        ask(&world, &world.b).await,
        400,
        "an empty document must not allow an earlier bundle"
    );
}

#[tokio::test]
async fn bundle_that_was_held_back_is_used_when_an_administrator_accepts_it() {
    let mut world = world().await;
    let before = rotated(&mut world).await;
    let (status, answer) = post(&world, "accept").await;
    assert_eq!(status, 200, "{answer}");
    assert!(
        answer["done"].as_str().unwrap().contains("nothing is held back"),
        "{answer}"
    );
    publish(&world, &before);
    assert_eq!(post(&world, "refresh").await.0, 400);
    let (status, answer) = post(&world, "accept").await;
    assert_eq!(status, 200, "{answer}");
    assert!(
        answer["done"]
            .as_str()
            .unwrap()
            .contains("the source offers sequence 1, but sequence 2 was used before"),
        "{answer}"
    );
    let now = shown(&world).await;
    assert_eq!(
        (&now["sequence"], &now["held_back"]),
        (&json!(1), &Value::Null),
        "{now}"
    );
    assert_eq!(now["state"], "fresh");
    let events = world.events("authority.bundle_accepted").await;
    assert_eq!(events.len(), 1);
    assert!(events[0]["actor"].is_string(), "{events:?}");
    // The accepted sequence is the new minimum, also after a restart.
    let world = world.restart().await;
    assert_eq!(shown(&world).await["sequence"], 1);
    let mut next = before.clone();
    next["spiffe_sequence"] = json!(3);
    publish(&world, &next);
    assert_eq!(post(&world, "refresh").await.0, 200);
    publish(&world, &before);
    assert_eq!(post(&world, "refresh").await.0, 400);
}

fn database(folder: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.join("test.db")).unwrap()
}

/// Kind 12 is `BundleSequence`.
fn stored(world: &World) -> Vec<u8> {
    database(&world.folder)
        .query_row(
            "SELECT body FROM records WHERE kind = 12 AND CAST(key AS TEXT) LIKE '%b.example%'",
            [],
            |row| row.get(0),
        )
        .unwrap()
}

fn put_back(folder: &Path, body: &[u8]) {
    let changed = database(folder)
        .execute(
            "UPDATE records SET body = ?1, version = version + 1 \
             WHERE kind = 12 AND CAST(key AS TEXT) LIKE '%b.example%'",
            [body],
        )
        .unwrap();
    assert_eq!(changed, 1);
}

#[tokio::test]
async fn attacker_with_database_access_cannot_lower_the_sequence_of_a_running_server() {
    let mut world = world().await;
    let old = stored(&world);
    let before = rotated(&mut world).await;
    put_back(&world.folder, &old);
    publish(&world, &before);
    assert_eq!(post(&world, "refresh").await.0, 400);
    assert_ne!(stored(&world), old, "the server must store its own value again");
    let world = world.restart().await;
    assert_eq!(shown(&world).await["state"], "none");
    assert_eq!(post(&world, "refresh").await.0, 400);
}

#[tokio::test]
async fn stored_sequence_that_cannot_be_decrypted_holds_the_bundle_back_until_it_is_accepted() {
    let mut world = world().await;
    rotated(&mut world).await;
    let text = String::from_utf8(stored(&world)).unwrap();
    let broken: Value = serde_json::from_str(&text).unwrap();
    let mut broken = broken;
    broken["sealed"] = json!("AAAA");
    for body in [broken.to_string(), "{}".to_owned(), "no JSON".to_owned()] {
        world = world
            .restart_after(|folder| put_back(folder, body.as_bytes()))
            .await;
        let now = shown(&world).await;
        assert_eq!(now["state"], "none", "{body}: {now}");
        assert!(
            now["last_error"]
                .as_str()
                .unwrap()
                .contains("cannot be decrypted"),
            "{body}: {now}"
        );
        assert_eq!(
            ask(&world, &world.a).await,
            400,
            "other trust domains must not be affected"
        );
        let (status, answer) = post(&world, "accept").await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(ask(&world, &world.b).await, 200);
    }
    assert_eq!(world.events("authority.bundle_stale").await.len(), 3);
}

/// Makes the store refuse to write events from here on. Kind 4 is `Event`.
fn refuse_events(world: &World) {
    let trigger = "CREATE TRIGGER no_event BEFORE INSERT ON records WHEN NEW.kind = 4 \
                   BEGIN SELECT RAISE(ABORT, 'no event is written'); END";
    database(&world.folder).execute_batch(trigger).unwrap();
}

#[tokio::test]
async fn sequence_is_not_lowered_if_the_event_with_the_administrator_cannot_be_written() {
    let mut world = world().await;
    let before = rotated(&mut world).await;
    publish(&world, &before);
    let kept = stored(&world);
    refuse_events(&world);
    let (status, answer) = post(&world, "accept").await;
    assert_eq!(
        status, 503,
        "the status must show an error of the store: {answer}"
    );
    assert!(
        answer["error_description"]
            .as_str()
            .unwrap()
            .contains("cannot be stored"),
        "{answer}"
    );
    assert_eq!(stored(&world), kept, "the stored sequence must be unchanged");
    assert_eq!(
        shown(&world).await["sequence"],
        2,
        "the earlier bundle must stay in use"
    );
    // The refused acceptance must have no effect after a restart.
    let world = world.restart().await;
    assert_eq!(shown(&world).await["state"], "none");
    database(&world.folder)
        .execute_batch("DROP TRIGGER no_event")
        .unwrap();
    assert!(world.events("authority.bundle_accepted").await.is_empty());
    let body = json!({ "reason": "incident 7" });
    let path = "/admin/v1/trust/b.example/accept";
    let (status, answer) = world.try_admin("POST", path, body).await;
    assert_eq!(status, 200, "{answer}");
    let events = world.events("authority.bundle_accepted").await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0]["actor"].is_string(), "{events:?}");
    assert_eq!(events[0]["reason"], "incident 7");
    assert_eq!(shown(&world).await["sequence"], 1);
}

/// When each key of the bundle was first seen, by its `kid`.
async fn first_seen(world: &World) -> Vec<(String, String)> {
    let shown = shown(world).await;
    let keys = shown["keys"].as_array().unwrap().iter();
    let mut times: Vec<_> = keys
        .map(|key| {
            assert_eq!(
                (&key["use"], &key["algorithms"]),
                (&json!("jwt-svid"), &json!(["ES256"]))
            );
            // The keys of the test issuer have their thumbprint as `kid`.
            assert_eq!(key["kid"], key["thumbprint"], "{key}");
            [&key["kid"], &key["first_seen"]].map(|text| text.as_str().unwrap().to_owned())
        })
        .map(|[kid, time]| (kid, time))
        .collect();
    times.sort();
    times
}

#[tokio::test]
async fn time_at_which_a_key_was_first_seen_outlives_its_absence_and_a_restart() {
    let world = world().await;
    let both = |first: &Value, second: &Value, sequence: u64| {
        let mut both = second.clone();
        both["keys"] = [&first["keys"], &second["keys"]]
            .iter()
            .flat_map(|keys| keys.as_array().unwrap().clone())
            .collect();
        both["spiffe_sequence"] = json!(sequence);
        both
    };
    let first = world.b.bundle();
    let [(first_kid, started)] = first_seen(&world).await.try_into().unwrap();
    world.running.app.clock.shift(3_600);
    // The first key leaves, and another one comes.
    let mut second = TestIssuer::new("b.example").bundle();
    second["spiffe_sequence"] = json!(2);
    publish(&world, &second);
    assert_eq!(post(&world, "refresh").await.0, 200);
    let [(second_kid, later)] = first_seen(&world).await.try_into().unwrap();
    assert!(
        second_kid != first_kid && later > started,
        "{later} is not after {started}"
    );
    let mut world = world.restart().await;
    assert_eq!(first_seen(&world).await, [(second_kid.clone(), later.clone())]);
    world.running.app.clock.shift(7_200);
    publish(&world, &both(&first, &second, 3));
    assert_eq!(post(&world, "refresh").await.0, 200);
    let mut expected = [(first_kid, started), (second_kid, later)];
    expected.sort();
    assert_eq!(first_seen(&world).await, expected);
    world = world.restart().await;
    assert_eq!(first_seen(&world).await, expected);
}
