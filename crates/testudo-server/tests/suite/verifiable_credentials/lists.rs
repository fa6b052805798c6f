//! Status lists with each fault of the table, at a running server: at registrations, and at token requests of clients.

use super::status::Lists;
use super::{CLIENT, UNAPPROVED};
use crate::world::assert_refused;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testudo_protocol::limits::STATUS_LIST_TOKEN_BYTES_MAX;
use testudo_testkit::http::Answer;
use testudo_testkit::status_list::{BITSTRING_LIST, TOKEN_LIST, encoded_list, lst};
use testudo_testkit::token::Draft;
use testudo_testkit::web::DocumentServer;

/// `lst` of the example with 16 entries of one bit. [TSL §4.1]
const SMALL: &str = "eNrbuRgAAhcBXQ";
/// Its values.
const SMALL_VALUES: [u8; 16] = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1];

/// More than the buffers between the publisher and the server hold.
const BUFFERS: u64 = 16 * 1024 * 1024;

/// A list at `path` with this `status_list`.
fn of<'l>(lists: &'l Lists, path: &str, bits: impl Into<Value>, lst: &str) -> Draft<'l> {
    let draft = Draft::token_list(&lists.site.issuer, &lists.url(path), &[], lists.site.world.now());
    draft.claim("status_list", json!({ "bits": bits.into(), "lst": lst }))
}

/// `lst` with these bytes in place of those of the zlib container of the example.
fn container(change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> String {
    let bytes = change(URL_SAFE_NO_PAD.decode(SMALL).unwrap());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A list with a fault, and a part of the reason for which it is refused.
type Fault<'l> = (&'static str, &'static str, Box<dyn Fn() -> String + 'l>);

/// Lists at `/1`, each with one fault. Each is signed when it is published: a list that was issued before the one in memory
/// is refused for that.
fn faults(lists: &Lists) -> Vec<Fault<'_>> {
    let good = || of(lists, "/1", 1, SMALL);
    let with = move |bits: Value, lst: String| -> Box<dyn Fn() -> String + '_> {
        Box::new(move || of(lists, "/1", bits.clone(), &lst).sign())
    };
    let changed = |change: fn(Draft<'_>) -> Draft<'_>| -> Box<dyn Fn() -> String + '_> {
        Box::new(move || change(good()).sign())
    };
    let gzip = encoded_list(&[0xb9, 0xa3])[1..].to_owned();
    let public = lists.site.issuer.public_jwk("sig", true)["x"].to_string();
    vec![
        (
            "TSL-10 bits 3",
            "`status_list.bits` must be 1, 2, 4 or 8",
            with(json!(3), SMALL.to_owned()),
        ),
        (
            "TSL-11 bits as text",
            "`status_list`: must be a whole number",
            with(json!("1"), SMALL.to_owned()),
        ),
        (
            "TSL-12 gzip",
            "not compressed as it must be",
            with(json!(1), gzip),
        ),
        (
            "TSL-13 no zlib header",
            "not compressed as it must be",
            with(json!(1), container(|bytes| bytes[2..bytes.len() - 4].to_vec())),
        ),
        (
            "TSL-14 checksum",
            "not compressed as it must be",
            with(
                json!(1),
                container(|mut bytes| {
                    *bytes.last_mut().unwrap() ^= 1;
                    bytes
                }),
            ),
        ),
        (
            "TSL-15 a byte after the end",
            "bytes after its compressed values",
            with(json!(1), container(|bytes| [bytes, vec![0]].concat())),
        ),
        (
            "TSL-16 padding",
            "not canonical unpadded base64url",
            with(json!(1), format!("{SMALL}==")),
        ),
        (
            "TSL-17 64 MiB of zeros",
            "more than 8 MiB of values",
            with(json!(1), lst(&vec![0; 64 * 1024 * 1024])),
        ),
        (
            "TSL-21 typ",
            "typ must be statuslist+jwt",
            changed(|draft| draft.header("typ", "JWT")),
        ),
        (
            "TSL-22 no sub",
            "`sub` is missing",
            changed(|draft| draft.without_claim("sub")),
        ),
        (
            "TSL-22 no iat",
            "`iat` is missing",
            changed(|draft| draft.without_claim("iat")),
        ),
        (
            "TSL-22 no status_list",
            "`status_list` is missing",
            changed(|draft| draft.without_claim("status_list")),
        ),
        (
            "TSL-23 sub with a slash",
            "`sub` must be the URL",
            Box::new(move || good().claim("sub", lists.url("/1/")).sign()),
        ),
        (
            "TSL-24 expired",
            "`exp` is over",
            Box::new(move || good().claim("exp", lists.site.world.now() - 31).sign()),
        ),
        (
            "TSL-25 ttl 0",
            "`ttl` must be more than 0",
            changed(|draft| draft.claim("ttl", 0)),
        ),
        (
            "TSL-25 ttl negative",
            "`ttl` must be more than 0",
            changed(|draft| draft.claim("ttl", -1)),
        ),
        (
            "TSL-25 ttl as text",
            "member `ttl`",
            changed(|draft| draft.claim("ttl", "60")),
        ),
        (
            "TSL-26 none",
            "not an accepted signature algorithm",
            changed(|draft| draft.header("alg", "none")),
        ),
        (
            "TSL-27 MAC with the public key",
            "not an accepted signature algorithm",
            Box::new(move || good().mac(public.as_bytes()).sign()),
        ),
    ]
}

/// Why the server refused the list, as the event of the request states it.
async fn detail(lists: &Lists, refused: &Answer) -> String {
    let event = lists.site.world.refusal(refused).await;
    event["detail"].as_str().unwrap_or_default().to_owned()
}

// Rows TSL-10 to TSL-17, TSL-21 to TSL-27.
#[tokio::test]
async fn list_with_a_fault_registers_no_client() {
    let lists = Lists::start("status = \"required\"").await;
    for (row, why, list) in faults(&lists) {
        lists.web.publishes("/1", TOKEN_LIST, &list());
        let answer = lists.register_at("/1", 1).await;
        lists
            .assert_unapproved(&answer, "credential_status_list_refused")
            .await;
        let detail = detail(&lists, &answer).await;
        assert!(detail.contains(why), "{row}: {detail}");
        assert_eq!(lists.web.take_requests().len(), 1, "{row}");
        // The server does not ask again at once after a failure.
        lists.later(30);
    }
    assert!(lists.site.world.client_ids().await.is_empty());
    lists
        .web
        .publishes("/1", TOKEN_LIST, &of(&lists, "/1", 1, SMALL).sign());
    assert_eq!(lists.register_at("/1", 1).await.status, 201);
}

// Rows TSL-10 to TSL-17, TSL-21 to TSL-27.
#[tokio::test]
async fn client_whose_list_has_a_fault_gets_tokens_again_when_the_list_is_good() {
    let lists = Lists::start("").await;
    let publish_good = || {
        let good = of(&lists, "/1", 1, SMALL).sign();
        lists.web.publishes("/1", TOKEN_LIST, &good);
    };
    publish_good();
    assert_eq!(lists.register_at("/1", 1).await.status, 201);
    for (row, why, list) in faults(&lists) {
        lists.later(60);
        lists.web.publishes("/1", TOKEN_LIST, &list());
        let refused = lists.ask(row).await;
        assert_refused(&refused, "invalid_client", row);
        let detail = detail(&lists, &refused).await;
        assert!(detail.contains(why), "{row}: {detail}");
        publish_good();
        lists.later(30);
        assert_eq!(lists.ask(&format!("{row} again")).await.status, 200, "{row}");
    }
    assert!(lists.site.world.events("client.frozen").await.is_empty());
}

/// The row, the bits of each entry, `lst`, and entries with their values; -1 where the list has no such entry.
type Example = (&'static str, u8, &'static str, Vec<(u64, i64)>);

// Rows TSL-01, TSL-02, TSL-05 to TSL-08, TSL-18, TSL-31 to TSL-35.
#[tokio::test]
async fn entries_of_the_lists_of_the_standard_are_read_as_it_states() {
    let lists = Lists::start("status = \"required\"").await;
    let small = (0u64..)
        .zip(SMALL_VALUES)
        .map(|(index, value)| (index, i64::from(value)))
        .chain([(16, -1)])
        .collect();
    let of_bits8: Vec<(u64, i64)> =
        include_str!("../../../../testudo-protocol/src/credentials/status/vectors/bits8-indexes.txt")
            .trim()
            .split(',')
            .map(|index| index.parse().unwrap())
            .zip(0..)
            .collect();
    let rows: Vec<Example> = vec![
        ("TSL-01, TSL-18", 1, SMALL, small),
        (
            "TSL-02",
            2,
            "eNo76fITAAPfAgc",
            vec![(0, 1), (1, 2), (2, 0), (3, 3), (4, 0), (11, 3), (12, -1)],
        ),
        (
            "TSL-05",
            1,
            include_str!("../../../../testudo-protocol/src/credentials/status/vectors/bits1.txt"),
            vec![
                (0, 1),
                (1, 0),
                (1993, 1),
                (1994, 0),
                (1_000_345, 1),
                (1_048_576, -1),
            ],
        ),
        (
            "TSL-06",
            2,
            include_str!("../../../../testudo-protocol/src/credentials/status/vectors/bits2.txt"),
            vec![(1, 0), (1993, 2), (159_495, 3), (1_048_576, -1)],
        ),
        (
            "TSL-07",
            4,
            include_str!("../../../../testudo-protocol/src/credentials/status/vectors/bits4.txt"),
            vec![(1_030_205, 15), (1_030_203, 13), (1_048_576, -1)],
        ),
        (
            "TSL-08",
            8,
            include_str!("../../../../testudo-protocol/src/credentials/status/vectors/bits8.txt"),
            [0, 1, 2, 3, 4, 11, 15, 16, 255]
                .map(|value: usize| of_bits8[value])
                .to_vec(),
        ),
    ];
    for (number, (row, bits, lst, entries)) in rows.into_iter().enumerate() {
        let path = format!("/{number}");
        let list = of(&lists, &path, bits, lst.trim()).sign();
        lists.web.publishes(&path, TOKEN_LIST, &list);
        for (index, value) in entries {
            let answer = lists.register_at(&path, index).await;
            // [TSL §7.1] 3 and 12 to 15 have a meaning of their issuer's own; all others but 0, 1 and 2 have none.
            let reason = match value {
                0 => {
                    assert_eq!(answer.status, 201, "{row} {index}: {answer:?}");
                    continue;
                }
                -1 => "credential_status_out_of_range",
                1 => "credential_revoked",
                2 => "credential_suspended",
                3 | 12..=15 => "credential_status_application_specific",
                _ => "credential_status_unassigned",
            };
            assert_eq!(answer.error(), UNAPPROVED, "{row} {index}");
            assert_eq!(
                lists.site.world.reason_of(&answer).await,
                reason,
                "{row} {index}: {value}"
            );
        }
        assert_eq!(
            lists.web.take_requests().len(),
            1,
            "{row}: one fetch for all entries"
        );
    }
    assert_eq!(lists.site.world.client_ids().await, [CLIENT]);
}

// Rows TSL-39, TSL-40.
#[tokio::test]
async fn list_is_fetched_again_when_its_ttl_is_over_and_never_before() {
    let lists = Lists::start("").await;
    // [TSL §8.2] The lifetime in HTTP does not count.
    lists.web.states_cache_control("max-age=86400");
    lists.publish("/1", &[0]);
    assert_eq!(lists.register_at("/1", 0).await.status, 201);
    for number in 0..100 {
        assert_eq!(lists.ask(&number.to_string()).await.status, 200);
    }
    assert_eq!(lists.web.take_requests().len(), 1, "one fetch for 101 uses");
    // A `ttl` of one second counts as five.
    for (ttl, used_for) in [(60, 60), (1, 5), (10, 10), (600, 600)] {
        let draft = Draft::token_list(&lists.site.issuer, &lists.url("/1"), &[0], lists.site.world.now());
        lists
            .web
            .publishes("/1", TOKEN_LIST, &draft.claim("ttl", ttl).sign());
        // The list before is not fresh any more.
        lists.later(600);
        assert_eq!(lists.ask(&format!("{ttl} first")).await.status, 200);
        assert_eq!(lists.web.take_requests().len(), 1, "{ttl}");
        // The wall clock goes on too.
        lists.later(used_for - 3);
        assert_eq!(lists.ask(&format!("{ttl} before")).await.status, 200);
        assert!(lists.web.take_requests().is_empty(), "{ttl}");
        lists.later(3);
        assert_eq!(lists.ask(&format!("{ttl} after")).await.status, 200);
        assert_eq!(lists.web.take_requests().len(), 1, "{ttl}");
    }
}

// Rows TSL-41, TSL-42.
#[tokio::test]
async fn list_in_memory_decides_while_its_server_is_away_and_never_after_its_exp() {
    let lists = Lists::start("status_max_stale = \"1h\"").await;
    let now = lists.site.world.now();
    let draft = Draft::token_list(&lists.site.issuer, &lists.url("/1"), &[0, 1], now).claim("exp", now + 100);
    lists.web.publishes("/1", TOKEN_LIST, &draft.sign());
    assert_eq!(lists.register_at("/1", 0).await.status, 201);
    lists.web.answers_at("/1", 500, "");
    // The wall clock goes on too, so each time is some seconds before the end that it is about.
    for (seconds, case) in [(50, "fresh"), (35, "old")] {
        lists.later(seconds);
        assert_eq!(lists.ask(case).await.status, 200, "{case}");
        let revoked = lists.register_at("/1", 1).await;
        lists.assert_unapproved(&revoked, "credential_revoked").await;
    }
    lists.later(15);
    let refused = lists.ask("over").await;
    assert_refused(&refused, "invalid_client", "over");
    assert_eq!(
        lists.site.world.reason_of(&refused).await,
        "credential_status_unavailable"
    );
}

// Rows TSL-43, VC-30, VC-33.
#[tokio::test]
async fn list_that_is_away_registers_no_client_and_the_same_credential_is_accepted_when_it_is_there() {
    let lists = Lists::start("status = \"required\"").await;
    let target = DocumentServer::start("other.example").await;
    let elsewhere = format!("https://other.example:{}/1", target.address.port());
    let metadata = "http://169.254.169.254/latest/meta-data/".to_owned();
    for (case, status, location, delay) in [
        ("error", 500, None, 0),
        ("missing", 404, None, 0),
        ("to itself", 302, Some(lists.url("/away")), 0),
        ("to another server", 302, Some(elsewhere.clone()), 0),
        ("to another server, for good", 308, Some(elsewhere), 0),
        ("to an address of this network", 307, Some(metadata), 0),
        ("to the good list", 302, Some(lists.url("/1")), 0),
        ("no answer in time", 200, None, 60),
    ] {
        lists.publish("/1", &[0]);
        lists.web.answers(status, location.as_deref(), "");
        lists.web.takes(Duration::from_secs(delay));
        let credential = lists.site.sd_jwt_vc().claim("status", lists.status("/away", 0));
        let statement = lists.site.held(&credential, &[]).await;
        let started = Instant::now();
        let answer = lists.site.register(&statement).await;
        assert!(started.elapsed() < Duration::from_secs(12), "{case}");
        assert_eq!(
            (answer.status, answer.error()),
            (503, "temporarily_unavailable".to_owned()),
            "{case}: {answer:?}"
        );
        assert!(answer.header("retry-after").is_some(), "{case}");
        let paths: Vec<String> = lists
            .web
            .take_requests()
            .into_iter()
            .map(|seen| seen.path)
            .collect();
        assert_eq!(paths, ["/away"], "{case}");
        lists.later(31);
    }
    assert_eq!(target.connections(), 0);
    assert!(lists.site.world.client_ids().await.is_empty());
    lists.web.takes(Duration::ZERO);
    lists.publish("/away", &[0]);
    assert_eq!(lists.register_at("/away", 0).await.status, 201);
}

// Rows TSL-17, VC-31.
#[tokio::test]
async fn list_of_10_gib_is_read_no_further_than_its_limit() {
    let lists = Lists::start("status = \"required\"").await;
    for (number, (media_type, member, status)) in [
        (TOKEN_LIST, "status", lists.status("/huge", 0)),
        (
            BITSTRING_LIST,
            "credentialStatus",
            json!({ "type": "BitstringStatusListEntry", "statusPurpose": "revocation",
                "statusListIndex": "0", "statusListCredential": lists.url("/huge") }),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        lists.web.streams("/huge", media_type, 10 * 1024 * 1024 * 1024);
        let before = lists.web.made();
        let answer = match number {
            0 => lists.register(member, status).await,
            _ => {
                let credential = lists.site.vc_jwt().claim(member, status);
                lists
                    .site
                    .register(&lists.site.presented(&credential).await)
                    .await
            }
        };
        assert_eq!(answer.status, 503, "{media_type}: {answer:?}");
        let made = lists.web.made() - before;
        let limit = STATUS_LIST_TOKEN_BYTES_MAX as u64;
        // What was sent and not read is in the buffers of both sockets and of both programs.
        assert!(
            (limit..limit + BUFFERS).contains(&made),
            "{media_type}: {made} bytes"
        );
        lists.later(31);
    }
    assert!(lists.site.world.client_ids().await.is_empty());
    lists.publish("/huge", &[0]);
    assert_eq!(lists.register_at("/huge", 0).await.status, 201);
}
