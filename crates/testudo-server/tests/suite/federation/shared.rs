//! A node that starts while the endpoint does not answer uses the bundle that a node fetched before.

use super::{BOOTSTRAP, Publisher, SERVER, refresh, rules, served, state};
use crate::nodes::{admin, postgres};
use crate::world::{ISSUER, World, domains};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};
use testudo_core::records::{Batch, BundleSequence, Kind, Record as _, SharedBundle};
use testudo_testkit::http::{Connection, over_socket};
use testudo_testkit::svid_form;
use testudo_testkit::web::answer_text;
use testudo_testkit::x509::{X509Chain, X509Issuer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const AUTHORITY: &[u8] = b"spiffe://z.example";

/// An SVID of the server that is still valid when the clock of a test is set forward by hours.
fn of_a_day(authority: &X509Issuer) -> X509Chain {
    let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
    authority.leaf(SERVER, |parameters| parameters.not_after = tomorrow.into())
}

async fn is_from_store(world: &World) -> bool {
    let shown = world.admin("GET", "/admin/v1/trust/z.example", Value::Null).await;
    shown["is_from_store"] == true
}

async fn stored(world: &World) -> Option<(SharedBundle, u64)> {
    let found = world.running.app.store.read::<SharedBundle>(AUTHORITY).await;
    found.unwrap().map(|found| (found.record, found.version))
}

/// Replaces the stored record, as an attacker who can write to the database.
async fn overwrite(world: &World, record: &SharedBundle) {
    let (_, version) = stored(world).await.unwrap();
    let mut batch = Batch::default();
    batch.replace(record, version);
    world.running.app.store.commit(batch).await.unwrap();
}

#[tokio::test]
async fn server_that_starts_while_the_endpoint_is_down_serves_with_the_stored_bundle_until_its_maximum_age() {
    let z = X509Issuer::new("z.example");
    let publisher = Publisher::start(&of_a_day(&z)).await;
    let world = served(&publisher, &z).await;
    assert!(!is_from_store(&world).await);
    publisher.server.answers(503, None, "");
    let world = world.restart().await;
    assert!(is_from_store(&world).await);
    assert_eq!(publisher.ask(&world).await.status, 200);
    let updated = world.events("authority.bundle_updated").await;
    let states_it = |event: &&Value| {
        let detail = event["detail"].as_str().unwrap_or_default();
        event["authority"] == "spiffe://z.example" && detail.starts_with("from the store, fetched at ")
    };
    assert_eq!(updated.iter().filter(states_it).count(), 1, "{updated:?}");
    let (shown, why) = state(&world).await;
    assert_eq!(shown, "stale");
    assert!(why.contains("answers 503"), "{why}");

    // The age is counted from the fetch, and not from the start.
    world.running.app.clock.shift(3590);
    assert_eq!(publisher.ask(&world).await.status, 200);
    world.running.app.clock.shift(60);
    assert_eq!(publisher.ask(&world).await.status, 503);
    assert_eq!(state(&world).await.0, "expired");

    publisher.publishes(&[&z]);
    refresh(&world).await.unwrap();
    assert_eq!(publisher.ask(&world).await.status, 200);
    assert!(!is_from_store(&world).await);
}

#[tokio::test]
async fn stored_bundle_that_is_too_old_for_credentials_still_verifies_the_server_of_its_endpoint() {
    let (first, later) = (X509Issuer::new("z.example"), X509Issuer::new("z.example"));
    let publisher = Publisher::start(&first.leaf(SERVER, |_| {})).await;
    let world = served(&publisher, &first).await;
    publisher.publishes(&[&later]);
    refresh(&world).await.unwrap();
    let (past, _) = stored(&world).await.unwrap();
    // The server was off for two hours, and the trust domain signs with a key that is not in `bootstrap`.
    publisher.server.answers(503, None, "");
    let world = world.restart().await;
    world.running.app.clock.shift(7200);
    assert_eq!(publisher.ask(&world).await.status, 503);
    publisher.server.shows(&of_a_day(&later));
    publisher.publishes(&[&later]);
    refresh(&world).await.unwrap();
    assert_eq!(publisher.ask(&world).await.status, 200);
    assert_ne!(
        stored(&world).await.unwrap().0,
        past,
        "the new fetch must be stored"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn node_that_starts_while_the_endpoint_is_down_serves_with_the_bundle_of_another_node() {
    let z = X509Issuer::new("z.example");
    let publisher = Publisher::start(&z.leaf(SERVER, |_| {})).await;
    publisher.publishes(&[&z]);
    let (first, tls) = World::start_over(&postgres().database("shared_bundles").unwrap()).await;
    let path = first.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let rule = "[[rules]]\nname = \"Z\"\nidentities = [\"spiffe://z.example/w/*\"]\n";
    std::fs::write(first.folder.join("first.json"), z.bundle().to_string()).unwrap();
    std::fs::write(
        &path,
        format!("{text}{}{rule}", publisher.domain(SERVER, BOOTSTRAP)),
    )
    .unwrap();
    admin(&first.folder, "/admin/v1/reload", json!({})).await;
    let shown = async |folder: &std::path::Path| {
        let socket = folder.join("admin.sock");
        over_socket(&socket, "GET", "/admin/v1/trust/z.example", Value::Null)
            .await
            .1
    };
    assert_eq!(shown(&first.folder).await["state"], "fresh");

    publisher.server.answers(503, None, "");
    let (second, folder) = first.join().await;
    let of_second = shown(&folder).await;
    assert_eq!(of_second["is_from_store"], true, "{of_second}");
    assert_eq!(of_second["jwt_keys"], shown(&first.folder).await["jwt_keys"]);
    let svid = publisher.tokens.svid("/w/1", ISSUER, first.now());
    let mut connection = tls.connect(second.addresses[0], None).await.unwrap();
    let answer = connection.post("/token", svid_form(&svid, &[])).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    second.stop().await;
}

#[tokio::test]
async fn record_that_an_attacker_wrote_into_the_database_gives_no_keys() {
    let z = X509Issuer::new("z.example");
    let publisher = Publisher::start(&z.leaf(SERVER, |_| {})).await;
    let world = served(&publisher, &z).await;
    let (early, _) = stored(&world).await.unwrap();
    publisher.publishes(&[&z]);
    refresh(&world).await.unwrap();
    let (latest, _) = stored(&world).await.unwrap();
    assert_ne!(early, latest);
    let with = |sealed: &str| SharedBundle {
        sealed: sealed.to_owned(),
        ..latest.clone()
    };
    let mut world = world;
    for (name, record, is_used, is_refused) in [
        ("the record of the last fetch", latest.clone(), true, false),
        ("no sealed text", with("AAAA"), false, true),
        ("a document in plain text", with("{\"keys\":[]}"), false, true),
        (
            "a record with a lower sequence, from before",
            early.clone(),
            false,
            false,
        ),
    ] {
        publisher.publishes(&[&z]);
        publisher.server.answers(503, None, "");
        overwrite(&world, &record).await;
        world = world.restart().await;
        assert_eq!(is_from_store(&world).await, is_used, "{name}");
        let expected = if is_used { 200 } else { 503 };
        assert_eq!(publisher.ask(&world).await.status, expected, "{name}");
        let status = world.admin("GET", "/admin/v1/status", Value::Null).await;
        assert_eq!(
            status.to_string().contains("shared_bundle"),
            is_refused,
            "{name}: {status}"
        );
        let events = world.events("record.refused").await;
        let told = events
            .iter()
            .filter(|event| event.to_string().contains("shared_bundle"))
            .count();
        assert_eq!(
            told > 0,
            is_refused || name.starts_with("a record"),
            "{name}: {events:?}"
        );
    }
    // The next fetch replaces the record, which is then no longer listed. `bootstrap` may verify it if an administrator
    // accepts that.
    overwrite(&world, &with("AAAA")).await;
    world = world.restart().await;
    publisher.publishes(&[&z]);
    let why = refresh(&world).await.unwrap_err();
    assert!(why.contains("cannot be decrypted"), "{why}");
    world
        .admin("POST", "/admin/v1/trust/z.example/accept", json!({}))
        .await;
    let status = world.admin("GET", "/admin/v1/status", Value::Null).await;
    assert!(!status.to_string().contains("shared_bundle"), "{status}");
    publisher.server.answers(503, None, "");
    assert!(is_from_store(&world.restart().await).await);
}

/// The trust domain withdrew the key in `bootstrap`, and an attacker who has it answers in the place of the endpoint.
#[tokio::test]
async fn withdrawn_key_in_bootstrap_verifies_no_server_after_the_stored_bundle_was_deleted_or_damaged() {
    for case in ["deleted", "damaged"] {
        let (old, new) = (X509Issuer::new("z.example"), X509Issuer::new("z.example"));
        let publisher = Publisher::start(&old.leaf(SERVER, |_| {})).await;
        let world = served(&publisher, &old).await;
        publisher.publishes(&[&new]);
        refresh(&world).await.unwrap();
        let (record, version) = stored(&world).await.unwrap();
        let mut batch = Batch::default();
        match case {
            "deleted" => batch.remove(Kind::SharedBundle, AUTHORITY.to_vec(), version),
            _ => batch.replace(
                &SharedBundle {
                    sealed: "AAAA".to_owned(),
                    ..record
                },
                version,
            ),
        }
        world.running.app.store.commit(batch).await.unwrap();
        publisher.publishes(&[&old]);
        let world = world.restart().await;
        let (shown, why) = state(&world).await;
        assert_eq!(shown, "none", "{case}");
        assert!(
            why.contains("`bootstrap` may contain keys that were withdrawn since"),
            "{case}: {why}"
        );
        assert_eq!(publisher.ask(&world).await.status, 503, "{case}");
        assert!(
            publisher.server.take_requests().len() <= 2,
            "{case}: the endpoint of the attacker was asked"
        );

        // The administrator gets the bundle of today.
        publisher.server.shows(&new.leaf(SERVER, |_| {}));
        publisher.publishes(&[&new]);
        let why = refresh(&world).await.unwrap_err();
        assert!(why.contains("`bootstrap`"), "{case}: {why}");
        std::fs::write(world.folder.join("first.json"), new.bundle().to_string()).unwrap();
        world.admin("POST", "/admin/v1/reload", json!({})).await;
        assert_eq!(publisher.ask(&world).await.status, 200, "{case}");
    }
}

/// An attacker who writes to the database puts back an earlier bundle together with the lowest sequence of that time. The
/// clock was set back between the two fetches, so the earlier bundle seems to be the younger one.
#[tokio::test]
async fn earlier_bundle_that_is_put_back_with_its_sequence_is_not_used_by_a_node_that_saw_a_later_one() {
    let z = X509Issuer::new("z.example");
    let publisher = Publisher::start(&of_a_day(&z)).await;
    let world = served(&publisher, &z).await;
    let app = &world.running.app;
    let lowest = async || {
        app.store
            .read::<BundleSequence>(AUTHORITY)
            .await
            .unwrap()
            .unwrap()
    };
    app.clock.step(600);
    publisher.publishes(&[&z]);
    refresh(&world).await.unwrap();
    let (early, early_lowest) = (stored(&world).await.unwrap().0, lowest().await.record);
    app.clock.step(-600);
    publisher.publishes(&[&z]);
    refresh(&world).await.unwrap();
    publisher.server.answers(503, None, "");
    let latest = lowest().await;
    let mut batch = Batch::default();
    batch.replace(&early_lowest, latest.version);
    app.store.commit(batch).await.unwrap();
    overwrite(&world, &early).await;
    app.clock.shift(3_700);
    assert!(refresh(&world).await.is_err());
    assert!(!is_from_store(&world).await);
    assert_eq!(publisher.ask(&world).await.status, 503);
}

#[tokio::test]
async fn administrator_can_accept_the_first_bundle_again_after_the_stored_bundle_was_lost() {
    let z = X509Issuer::new("z.example");
    let publisher = Publisher::start(&z.leaf(SERVER, |_| {})).await;
    let world = served(&publisher, &z).await;
    let (_, version) = stored(&world).await.unwrap();
    let mut batch = Batch::default();
    batch.remove(Kind::SharedBundle, AUTHORITY.to_vec(), version);
    world.running.app.store.commit(batch).await.unwrap();
    let world = world.restart().await;
    assert!(refresh(&world).await.is_err());
    assert_eq!(publisher.ask(&world).await.status, 503);
    world
        .admin("POST", "/admin/v1/trust/z.example/accept", json!({}))
        .await;
    assert_eq!(publisher.ask(&world).await.status, 200);
    let updated = world.events("authority.bundle_updated").await;
    let last = updated.last().unwrap();
    assert!(last["actor"].is_string(), "{last}");
    assert!(
        last["detail"].as_str().unwrap().contains("`bootstrap` verified"),
        "{last}"
    );
    // What was fetched is the last bundle again.
    publisher.server.answers(503, None, "");
    assert!(is_from_store(&world.restart().await).await);
}

#[tokio::test]
async fn bundle_is_stored_once_and_its_time_is_renewed_after_a_quarter_of_the_maximum_age() {
    let z = X509Issuer::new("z.example");
    let publisher = Publisher::start(&z.leaf(SERVER, |_| {})).await;
    let world = served(&publisher, &z).await;
    for _ in 0..3 {
        refresh(&world).await.unwrap();
    }
    assert_eq!(stored(&world).await.unwrap().1, 1);
    world.running.app.clock.shift(900);
    refresh(&world).await.unwrap();
    let (renewed, version) = stored(&world).await.unwrap();
    assert_eq!(version, 2);
    assert!(!renewed.sealed.contains("keys"), "the document must be encrypted");
    publisher.publishes(&[&z]);
    refresh(&world).await.unwrap();
    assert_eq!(
        stored(&world).await.unwrap().1,
        3,
        "another document is stored at once"
    );
    assert!(
        world
            .running
            .app
            .store
            .get(Kind::SharedBundle, b"spiffe://a.example")
            .await
            .unwrap()
            .is_none(),
        "a file is not shared"
    );
}

#[tokio::test]
async fn clock_that_is_set_back_before_a_start_does_not_make_the_stored_bundle_younger() {
    let z = X509Issuer::new("z.example");
    let publisher = Publisher::start(&of_a_day(&z)).await;
    let world = served(&publisher, &z).await;
    // The stored time is now a day ahead of the clock of the next start.
    world.running.app.clock.step(86_400 - 600);
    publisher.publishes(&[&z]);
    refresh(&world).await.unwrap();
    publisher.server.answers(503, None, "");
    let world = world.restart().await;
    assert!(!is_from_store(&world).await);
    assert_eq!(state(&world).await.0, "none");
}

/// The authorities of such a bundle may have been withdrawn since.
#[tokio::test]
async fn stored_bundle_of_more_than_thirty_days_ago_is_not_used() {
    let z = X509Issuer::new("z.example");
    let days = |number: u64| Duration::from_secs(number * 86_400);
    let svid = z.leaf(SERVER, |parameters| {
        parameters.not_before = (SystemTime::now() - days(40)).into();
        parameters.not_after = (SystemTime::now() + days(1)).into();
    });
    for (age, is_used) in [(29, true), (31, false)] {
        let publisher = Publisher::start(&svid).await;
        let world = served(&publisher, &z).await;
        world.running.app.clock.step(-age * 86_400);
        publisher.publishes(&[&z]);
        refresh(&world).await.unwrap();
        let keep_until = stored(&world).await.unwrap().0.keep_until;
        publisher.server.answers(503, None, "");
        let world = world.restart().await;
        assert_eq!(keep_until > world.running.app.now(), is_used, "{age} days");
        assert_eq!(is_from_store(&world).await, is_used, "{age} days");
    }
}

// Row FED-07.
#[tokio::test]
async fn stored_bundle_is_deleted_when_its_trust_domain_is_removed_from_the_file() {
    let z = X509Issuer::new("z.example");
    let publisher = Publisher::start(&z.leaf(SERVER, |_| {})).await;
    let world = served(&publisher, &z).await;
    assert_eq!(stored(&world).await.unwrap().0.key(), AUTHORITY);
    world.reload_with(&domains(""), crate::world::RULES).await;
    assert!(stored(&world).await.is_none());
    publisher.server.answers(503, None, "");
    let all = format!("{}{}", domains(""), publisher.domain(SERVER, BOOTSTRAP));
    world.reload_with(&all, &rules()).await;
    assert_eq!(state(&world).await.0, "none");
    let svid = publisher.tokens.svid("/w/1", ISSUER, world.now());
    let mut connection = Connection::open(world.address()).await;
    assert_eq!(connection.post("/token", svid_form(&svid, &[])).await.status, 503);
    // The trust domain was added again, and `bootstrap` verifies its server again.
    publisher.publishes(&[&z]);
    refresh(&world).await.unwrap();
    assert_eq!(publisher.ask(&world).await.status, 200);
}

/// A bundle endpoint that answers each request when the test gives the document.
struct Hesitating {
    url: String,
    asked: tokio::sync::mpsc::UnboundedReceiver<tokio::sync::oneshot::Sender<String>>,
}

impl Hesitating {
    async fn start() -> Hesitating {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (ask, asked) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let ask = ask.clone();
                tokio::spawn(async move {
                    let mut head = [0; 2048];
                    let _ = stream.read(&mut head).await;
                    let (answer, document) = tokio::sync::oneshot::channel::<String>();
                    let _ = ask.send(answer);
                    if let Ok(document) = document.await {
                        let text = answer_text("200 OK", "", &document);
                        let _ = stream.write_all(text.as_bytes()).await;
                    }
                });
            }
        });
        Hesitating { url, asked }
    }

    fn domain(&self) -> String {
        format!(
            "[[trust_domains]]\nname = \"z.example\"\nbundle = {{ url = \"{}\", profile = \"https_web\" }}\n",
            self.url
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refresh_that_is_running_while_its_trust_domain_is_removed_stores_nothing() {
    let mut endpoint = Hesitating::start().await;
    let document = |sequence: u64| {
        let mut document = testudo_testkit::TestIssuer::new("z.example").bundle();
        document["spiffe_sequence"] = json!(sequence);
        document.to_string()
    };
    let world = World::start_with(&domains(""), &rules()).await;
    let all = format!("{}{}", domains(""), endpoint.domain());
    let (rules, first) = (rules(), document(1));
    let reload = world.reload_with(&all, &rules);
    let answer = async {
        endpoint.asked.recv().await.unwrap().send(first).unwrap();
    };
    tokio::join!(reload, answer);
    assert!(stored(&world).await.is_some());

    let refreshing = {
        let folder = world.folder.clone();
        tokio::spawn(async move {
            let socket = folder.join("admin.sock");
            over_socket(&socket, "POST", "/admin/v1/trust/z.example/refresh", json!({})).await
        })
    };
    let running = endpoint.asked.recv().await.unwrap();
    world.reload_with(&domains(""), crate::world::RULES).await;
    assert!(stored(&world).await.is_none());
    running.send(document(2)).unwrap();
    let (status, _) = refreshing.await.unwrap();
    assert_ne!(status, 200);
    assert!(stored(&world).await.is_none());
}
