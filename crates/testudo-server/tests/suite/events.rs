//! Tests of the search for audit events: filters, pages, and that no event is left out without notice.

use crate::world::{RULES, World, domains, moment};
use serde_json::{Value, json};
use testudo_core::records::{Batch, Event, EventKind, RequestDetails};
use testudo_protocol::{Seconds, Timestamp};

/// 2026-11-18T11:11:40Z.
const START: i64 = 1_795_000_300;

struct Audit {
    world: World,
}

/// The event with this number; there is one each second.
fn event(number: i64) -> Event {
    let time = Timestamp(START + number);
    let millis = time.0 * 1000;
    let kind = match number % 3 {
        0 => EventKind::ClientRegistered,
        1 => EventKind::ClientRefused,
        _ => EventKind::ClientFrozen,
    };
    let id = format!("{millis:016x}{number:08x}{:02x}000000", kind as u8);
    let mut event = Event::new(id, time, kind, time + Seconds(400 * 86_400));
    event.client_id = Some(format!("client-{}", number % 10));
    event.identity = Some(format!("spiffe://a.example/ns/n{}/sa/s", number % 7));
    event.rule = Some(format!("R{}", number % 4));
    event.request_id = Some(format!("{millis:012x}{number:016x}"));
    match kind {
        EventKind::ClientRefused => {
            event.reason = Some("no_rule".into());
            event.request = Some(Box::new(RequestDetails {
                proxy_request_id: Some(format!("00-trace{number}-01")),
                ..RequestDetails::default()
            }));
        }
        _ => event.actor = Some(format!("uid:{number}(root) gid:0")),
    }
    event
}

impl Audit {
    async fn with(number: i64) -> Audit {
        let world = World::start_with(&domains(""), RULES).await;
        for start in (0..number).step_by(500) {
            let mut batch = Batch::default();
            (start..number.min(start + 500)).for_each(|number| batch.insert(&event(number)));
            world.running.app.store.commit(batch).await.unwrap();
        }
        Audit { world }
    }

    /// One page, without the events of the server's own start, which are later.
    async fn page(&self, query: &str) -> Value {
        let path = format!("/admin/v1/events?until=2026-11-19&{query}");
        self.world.admin("GET", &path, Value::Null).await
    }

    /// All pages of a search; the numbers of the events, and of the pages.
    async fn all(&self, query: &str, cursor: &str) -> (Vec<i64>, usize) {
        let (mut found, mut pages, mut more) = (Vec::new(), 0, String::new());
        loop {
            let page = self.page(&format!("{query}{more}")).await;
            pages += 1;
            found.extend(numbers(&page));
            match page["next"].as_str() {
                Some(next) => more = format!("&{cursor}={next}"),
                None => return (found, pages),
            }
        }
    }
}

fn numbers(page: &Value) -> Vec<i64> {
    let events = page["events"].as_array().unwrap().iter();
    events.map(|event| moment(&event["time"]) - START).collect()
}

#[tokio::test]
async fn pages_in_both_orders_have_every_event_once() {
    let audit = Audit::with(25).await;
    let newest: Vec<i64> = (0..25).rev().collect();
    let (found, pages) = audit.all("limit=10", "before").await;
    assert_eq!((found, pages), (newest.clone(), 3));
    let oldest: Vec<i64> = (0..25).collect();
    let (found, pages) = audit.all("limit=5&order=oldest", "after").await;
    assert_eq!(
        (found, pages),
        (oldest.clone(), 5),
        "the last page is full and must have no cursor"
    );
    let (found, _) = audit.all("limit=1&order=oldest", "after").await;
    assert_eq!(found, oldest);
}

#[tokio::test]
async fn complete_search_has_no_cursor_and_reads_the_store_once() {
    let audit = Audit::with(25).await;
    for query in ["limit=100", "client=client-3", "order=oldest&after="] {
        let path = format!("/admin/v1/events?{query}");
        let reads = audit.world.reads_of(async || {
            let page = audit.world.admin("GET", &path, Value::Null).await;
            assert!(page["next"].is_null(), "{query}: {page}");
        });
        assert_eq!(reads.await, 1, "{query}");
    }
}

#[tokio::test]
async fn each_filter_finds_exactly_the_matching_events() {
    let audit = Audit::with(210).await;
    let refused = |number: &i64| number % 3 == 1;
    type IsWanted<'a> = &'a dyn Fn(&i64) -> bool;
    let cases: &[(&str, IsWanted<'_>)] = &[
        ("type=client.refused", &refused),
        ("type=client.refused,client.frozen", &|number| number % 3 != 0),
        ("client=client-3", &|number| number % 10 == 3),
        ("identity=spiffe://a.example/ns/n2/sa/s", &|number| {
            number % 7 == 2
        }),
        ("identity=spiffe://a.example/ns/n2/*", &|number| number % 7 == 2),
        ("rule=R1", &|number| number % 4 == 1),
        ("reason=no_rule", &refused),
        ("reason=no", &|_| false),
        ("actor=uid:5(root)%20gid:0", &|number| *number == 5),
        ("actor=uid:*", &|number| !refused(number)),
        ("since=2026-11-18T11:12:40Z", &|number| *number >= 60),
        ("until=2026-11-18T11:12:40Z", &|number| *number < 60),
        (
            "since=2026-11-18T12:12:40%2B01:00&type=client.refused&rule=R1",
            &|number| *number >= 60 && refused(number) && number % 4 == 1,
        ),
        ("request=00-trace100-01", &|number| *number == 100),
        ("request=*trace100*", &|number| *number == 100),
    ];
    for (query, is_wanted) in cases {
        let expected: Vec<i64> = (0..210).rev().filter(|number| is_wanted(number)).collect();
        for limit in [7, 1000] {
            let until = if query.contains("until") {
                ""
            } else {
                "&until=2026-11-19"
            };
            let path = format!("/admin/v1/events?limit={limit}&{query}{until}");
            let mut found = Vec::new();
            let mut more = String::new();
            loop {
                let page = audit
                    .world
                    .admin("GET", &format!("{path}{more}"), Value::Null)
                    .await;
                found.extend(numbers(&page));
                match page["next"].as_str() {
                    Some(next) => more = format!("&before={next}"),
                    None => break,
                }
            }
            assert_eq!(found, expected, "{query}");
        }
    }
}

#[tokio::test]
async fn request_id_of_this_server_is_searched_only_at_the_time_in_the_id() {
    let audit = Audit::with(2_000).await;
    let wanted = event(700).request_id.unwrap();
    let path = format!("/admin/v1/events?request={wanted}");
    // The time in a request id is used if it is not far ahead of the clock.
    audit
        .world
        .running
        .app
        .clock
        .step(START + 3_000 - audit.world.now());
    let page = audit.world.admin("GET", &path, Value::Null).await;
    assert_eq!(numbers(&page), [700]);
    assert!(page["searched"].as_u64().unwrap() <= 121, "{}", page["searched"]);
    assert_eq!(page["next"], Value::Null);
}

#[tokio::test]
async fn search_without_results_is_bounded_and_returns_how_far_it_searched() {
    let audit = Audit::with(25_000).await;
    let page = audit.page("client=no-such-client&limit=10").await;
    assert_eq!(page["events"], serde_json::json!([]));
    let searched = page["searched"].as_u64().unwrap();
    assert!((1_000..=21_000).contains(&searched), "{searched}");
    assert!(
        page["next"].is_string() && page["searched_to"].is_string(),
        "{page}"
    );
    let (found, pages) = audit.all("client=no-such-client", "before").await;
    assert!(found.is_empty() && pages > 1, "{pages}");
    let (found, _) = audit.all("actor=uid:0(root)*", "before").await;
    assert_eq!(found, [0], "the oldest event is found after all pages");
}

#[tokio::test]
async fn malformed_filter_is_refused_with_its_name() {
    let world = World::start().await;
    for (query, word) in [
        ("since=yesterday", "since"),
        ("until=1795000300", "until"),
        ("type=client.refuse", "client.refuse"),
        ("after=zz", "after"),
        ("before=%00", "before"),
        ("limit=0", "limit"),
        ("order=random", "order"),
        ("reasn=no_rule", "reasn"),
    ] {
        let path = format!("/admin/v1/events?{query}");
        let (status, answer) = world.try_admin("GET", &path, Value::Null).await;
        assert_eq!(status, 400, "{query}: {answer}");
        assert!(answer.to_string().contains(word), "{query}: {answer}");
    }
}

#[tokio::test]
async fn refusals_that_are_sampled_away_are_counted_in_an_event_when_the_server_stops_or_the_minute_is_over()
{
    let world = World::start().await;
    let refusals = 60;
    for _ in 0..refusals {
        assert_eq!(world.ask("/nowhere/x", &[]).await.error(), "invalid_client");
    }
    let world = world.restart().await;
    let path = "/admin/v1/events?reason=no_rule&limit=1000";
    let page = world.admin("GET", path, Value::Null).await;
    let events = page["events"].as_array().unwrap();
    let counts = events.iter().filter_map(|event| event["count"].as_u64());
    let (counted, counts): (u64, Vec<u64>) = (counts.clone().sum(), counts.collect());
    assert!(!counts.is_empty(), "{events:?}");
    let own = (events.len() - counts.len()) as u64;
    // If a new minute began during the test, twice as many refusals have an event.
    assert!(own == 20 || own > 20 && counts.len() <= 2, "{own} {counts:?}");
    assert_eq!(own + counted, refusals, "every refusal must be counted once");
    let of_count = events.iter().find(|event| event["count"].is_u64()).unwrap();
    let detail = of_count["detail"].as_str().unwrap();
    assert!(
        detail.starts_with(&format!("and {} more of this kind", of_count["count"])),
        "{detail}"
    );
}

#[tokio::test]
async fn refusals_are_found_by_the_rule_and_the_client_of_the_proven_identity() {
    let world = World::start().await;
    let path = "/ns/pay/sa/api";
    let id = format!("spiffe://a.example{path}");
    assert_eq!(world.ask(path, &[]).await.status, 200);
    assert_eq!(
        world.ask(path, &[("scope", "none")]).await.error(),
        "invalid_scope"
    );
    let elsewhere = world.ask(path, &[("resource", "https://none.example/")]).await;
    assert_eq!(elsewhere.error(), "invalid_target");
    let freeze = json!({ "client_id": id });
    world.admin("POST", "/admin/v1/clients/freeze", freeze).await;
    assert_eq!(world.ask(path, &[]).await.error(), "invalid_client");
    // These prove another identity.
    assert_eq!(world.ask("/none", &[]).await.error(), "invalid_client");
    let other = world.b.svid(path, crate::world::ISSUER, world.now());
    let claimed = testudo_testkit::svid_form(&other, &[("client_id", &id)]);
    assert_eq!(world.send(&claimed).await.error(), "invalid_client");
    let reasons = async |query: &str| -> Vec<String> {
        let events = world.events_with(&format!("type=client.refused&{query}")).await;
        let reasons = events.iter().map(|event| event["reason"].as_str().unwrap());
        reasons.map(str::to_owned).collect()
    };
    let expected = ["scope_not_allowed", "resource_not_allowed", "client_frozen"];
    assert_eq!(reasons("rule=R1").await, expected);
    // The last request named the client, without proving that it is this client.
    let named = [&expected[..], &["no_rule"]].concat();
    assert_eq!(reasons(&format!("client={id}")).await, named);
    assert_eq!(reasons("").await.len(), 5);
}
