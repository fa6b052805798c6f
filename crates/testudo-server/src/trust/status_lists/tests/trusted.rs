//! Lists that must not be used any more: older ones, and those of a key that was withdrawn; and the turns of fetches.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use testudo_protocol::client_certificate::ExpectedName;
use testudo_testkit::x509::X509Issuer;

#[tokio::test]
async fn list_that_is_older_than_the_one_before_is_refused() {
    let publisher = Publisher::start().await;
    // Read once: the clock goes on while the first list is fetched.
    let issued = publisher.clock.now().0;
    let first = Draft::token_list(&publisher.key, &publisher.url("/1"), &[1], issued);
    publisher.publish("/1", &first);
    assert!(matches!(
        publisher.decide("/1", 0).await,
        Err(StatusReason::Revoked { .. })
    ));
    publisher.clock.shift(61);
    let older = Draft::token_list(&publisher.key, &publisher.url("/1"), &[0], issued - 1);
    publisher.publish("/1", &older);
    let decided = publisher.decide("/1", 0).await;
    assert!(is_refused(&decided), "{decided:?}");
    // The same list again, and a newer one.
    for since in [0, 60] {
        publisher.clock.shift(61);
        let list = Draft::token_list(&publisher.key, &publisher.url("/1"), &[0], issued + since);
        publisher.publish("/1", &list);
        assert_eq!(publisher.decide("/1", 0).await, Ok(ListAge::Fresh), "{since}");
    }
}

#[tokio::test]
async fn list_of_a_withdrawn_key_is_not_used_while_fetches_fail() {
    let mut publisher = Publisher::start().await;
    publisher.max_stale = 1_000;
    publisher.publish("/1", &publisher.draft("/1", &[0]));
    assert_eq!(publisher.decide("/1", 0).await, Ok(ListAge::Fresh));
    publisher.web.answers_at("/1", 500, "");
    let other = generate_key(Algorithm::ES256, Some("k2"));
    publisher.trusts(&[&other, &publisher.key]);
    assert_eq!(
        publisher.decide("/1", 0).await,
        Ok(ListAge::Stale),
        "a key was added"
    );
    publisher.trusts(&[&other]);
    publisher.clock.shift(31);
    let decided = publisher.decide("/1", 0).await;
    assert!(is_unavailable(&decided), "{decided:?}");
}

#[tokio::test]
async fn list_that_a_certificate_signed_is_used_while_fetches_fail_if_its_authority_is_still_trusted() {
    let mut publisher = Publisher::start().await;
    publisher.max_stale = 1_000;
    let source = BundleSource {
        origin: BundleOrigin::Certificates {
            file: "absent.pem".into(),
            name: ExpectedName::Uri(ISSUER.to_owned()),
        },
        ..publisher.anchor.source().clone()
    };
    publisher.anchor = Arc::new(Anchor::new(source, Arc::default()));
    let trusts = |publisher: &Publisher, authorities: &[&X509Issuer]| {
        let pems = authorities.iter().map(|known| known.as_chain().chain_pem());
        let read = publisher
            .anchor
            .read(pems.collect::<String>().into_bytes())
            .unwrap();
        publisher.anchor.put_in_force(read, Moment::now(&publisher.clock));
    };
    let [ca, other] = [(); 2].map(|()| X509Issuer::new("ca.example"));
    trusts(&publisher, &[&ca]);
    let leaf = ca.leaf(ISSUER, |_| {});
    let key = SigningKey::from_pkcs8(Algorithm::ES256, &leaf.key, None).unwrap();
    let chain: Vec<String> = leaf.chain.iter().map(|der| STANDARD.encode(der)).collect();
    let draft = Draft::token_list(&key, &publisher.url("/1"), &[0], publisher.clock.now().0);
    publisher.publish("/1", &draft.without_header("kid").header("x5c", chain));
    assert_eq!(publisher.decide("/1", 0).await, Ok(ListAge::Fresh));
    publisher.web.answers_at("/1", 500, "");
    trusts(&publisher, &[&other, &ca]);
    assert_eq!(
        publisher.decide("/1", 0).await,
        Ok(ListAge::Stale),
        "an authority was added"
    );
    trusts(&publisher, &[&other]);
    publisher.clock.shift(31);
    let decided = publisher.decide("/1", 0).await;
    assert!(is_unavailable(&decided), "{decided:?}");
}

#[tokio::test]
async fn fetches_of_one_issuer_leave_turns_for_others_and_a_missed_turn_is_no_failure_of_the_list() {
    let publisher = Publisher::start().await;
    publisher.publish("/1", &publisher.draft("/1", &[0]));
    let turns = &publisher.lists.turns;
    let own = publisher.authority.key();
    let mut held = Vec::new();
    for _ in 0..FETCHES_OF_ISSUER_MAX {
        held.extend(turns.of(own).await.ok());
    }
    assert_eq!(held.len(), FETCHES_OF_ISSUER_MAX);
    let waited = tokio::join!(publisher.decide("/1", 0), turns.of("others"));
    assert!(is_unavailable(&waited.0), "{:?}", waited.0);
    assert!(waited.1.is_ok(), "another issuer does not wait");
    assert_eq!(publisher.web.take_requests().len(), 0);
    assert_eq!(publisher.fetches("shed"), 1);
    drop(held);
    assert_eq!(publisher.decide("/1", 0).await, Ok(ListAge::Fresh));
}
