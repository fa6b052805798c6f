//! Sign-in and sign-out: which browser has which session.

use super::world::{FLOW, People, SESSION, assert_refused_page, form_of, text_of};
use testudo_core::records::{Person, PersonState, Session};

const NOT_OURS: &str = "this sign-in was begun in another browser";

// Row AZ-10: the answer to the form is 303.
#[tokio::test]
async fn person_signs_in_sees_the_account_and_signs_out() {
    let people = People::start("").await;
    let mut alice = people.person();
    let page = alice.open("/login").await;
    assert_eq!(page.status, 200);
    let form = form_of(&page);
    assert_eq!(form.buttons.len(), 2, "one button per name");
    let answer = alice.submit(&form.action, &form.pressed("alice")).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/account"))
    );
    assert!(alice.cookies.contains_key(SESSION), "{:?}", alice.cookies);

    let account = alice.open("/account").await;
    assert!(
        text_of(&account).contains("<dd>alice</dd>"),
        "{}",
        text_of(&account)
    );
    let [account_record] = people.records::<Person>().await.try_into().unwrap();
    assert!(text_of(&account).contains(&account_record.id.sub()));
    assert_eq!(people.records::<Session>().await.len(), 1);
    for (kind, count) in [
        ("person.created", 1),
        ("person.signed_in", 1),
        ("session.ended", 0),
    ] {
        let events = people.events(kind).await;
        assert_eq!(events.len(), count, "{kind}");
        for event in events {
            assert_eq!(event["person"], account_record.id.sub());
            assert_eq!(event["request_id"], answer.header("request-id").unwrap());
            assert_eq!(event["detail"], "development");
        }
    }

    let form = form_of(&account);
    let answer = alice.submit(&form.action, &form.pressed("sign_out")).await;
    assert!(text_of(&answer).contains("You are signed out"));
    assert!(!alice.cookies.contains_key(SESSION), "{:?}", alice.cookies);
    assert_eq!(people.records::<Session>().await, []);
    assert_eq!(people.events("session.ended").await[0]["reason"], "signed_out");
    assert_eq!(alice.open("/account").await.header("location"), Some("/login"));
}

#[tokio::test]
async fn same_name_is_the_same_account_at_every_sign_in_and_another_name_another_account() {
    let people = People::start("").await;
    for name in ["alice", "alice", "bob", "alice"] {
        people.signed_in(name).await;
    }
    assert_eq!(people.records::<Person>().await.len(), 2);
    assert_eq!(people.records::<Session>().await.len(), 4);
    assert_eq!(people.events("person.created").await.len(), 2);
}

#[tokio::test]
async fn first_sign_ins_with_one_name_at_the_same_moment_make_one_account() {
    let people = People::start("").await;
    let sign_ins = (0..12).map(|_| people.signed_in("alice"));
    let mut running: Vec<_> = sign_ins.map(Box::pin).collect();
    // Polled together on one thread, and each waits for the store several times.
    let mut done = 0;
    std::future::poll_fn(|context| {
        running.retain_mut(|one| {
            let is_done = one.as_mut().poll(context).is_ready();
            done += usize::from(is_done);
            !is_done
        });
        match running.is_empty() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    assert_eq!(done, 12);
    assert_eq!(people.records::<Person>().await.len(), 1);
    assert_eq!(people.records::<Session>().await.len(), 12);
}

/// An attacker who made the browser use a session of theirs has nothing after the sign-in (session fixation).
#[tokio::test]
async fn sign_in_makes_a_new_session_and_ends_the_one_that_the_browser_had() {
    let people = People::start("").await;
    let attacker = people.signed_in("bob").await;
    let planted = attacker.cookies[SESSION].clone();
    let mut victim = people.person();
    victim.cookies.insert(SESSION.to_owned(), planted.clone());
    let form = form_of(&victim.open("/login").await);
    victim.submit(&form.action, &form.pressed("alice")).await;
    assert_ne!(victim.cookies[SESSION], planted);
    let mut attacker = attacker;
    assert_eq!(attacker.open("/account").await.header("location"), Some("/login"));
    assert_eq!(people.records::<Session>().await.len(), 1);
    let account = victim.open("/account").await;
    assert!(text_of(&account).contains("<dd>alice</dd>"));
}

/// Login CSRF: a site that makes a browser send the form of the attacker's own sign-in.
#[tokio::test]
async fn sign_in_form_of_another_browser_or_of_another_site_is_refused() {
    let people = People::start("").await;
    let mut attacker = people.person();
    let form = form_of(&attacker.open("/login").await);

    let mut victim = people.person();
    let refused = victim.submit(&form.action, &form.pressed("bob")).await;
    assert_refused_page(&refused, 400, NOT_OURS);
    form_of(&victim.open("/login").await);
    assert!(victim.cookies.contains_key(FLOW));
    let refused = victim.submit(&form.action, &form.pressed("bob")).await;
    assert_refused_page(&refused, 400, NOT_OURS);

    for origin in [
        vec![("origin", "https://attacker.example")],
        vec![("origin", "null")],
        vec![
            ("sec-fetch-site", "cross-site"),
            ("origin", "http://localhost:8080"),
        ],
        vec![("sec-fetch-site", "same-site")],
        vec![("referer", "http://localhost:8080/login")],
    ] {
        let origin = origin
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        attacker.origin = origin.collect();
        let refused = attacker.submit(&form.action, &form.pressed("bob")).await;
        assert_refused_page(&refused, 403, "this form was not sent by a page of this server");
    }
    assert_eq!(people.records::<Session>().await, []);
    attacker.origin = vec![
        ("sec-fetch-site".to_owned(), "same-origin".to_owned()),
        ("origin".to_owned(), "null".to_owned()),
    ];
    let answer = attacker.submit(&form.action, &form.pressed("bob")).await;
    assert_eq!(answer.status, 303);
}

#[tokio::test]
async fn sign_in_form_without_its_state_or_with_a_changed_or_old_one_is_refused() {
    let people = People::start("").await;
    let mut alice = people.person();
    let form = form_of(&alice.open("/login").await);
    let with = |flow: &str| {
        vec![
            ("flow".to_owned(), flow.to_owned()),
            ("name".to_owned(), "alice".to_owned()),
        ]
    };
    let sealed = form.field("flow").unwrap();
    let mut changed = sealed.to_owned();
    changed.replace_range(40..41, if &sealed[40..41] == "A" { "B" } else { "A" });
    for flow in ["", "x", &changed, &sealed[1..]] {
        let refused = alice.submit("/login", &with(flow)).await;
        assert_refused_page(&refused, 400, NOT_OURS);
    }
    // The account form is sealed for another purpose.
    let mut bob = people.signed_in("bob").await;
    let token = form_of(&bob.open("/account").await);
    let refused = bob.submit("/login", &with(token.field("token").unwrap())).await;
    assert_refused_page(&refused, 400, NOT_OURS);

    // Some seconds may pass during the test.
    people.running.app.clock.shift(3_540);
    assert_eq!(alice.submit("/login", &with(sealed)).await.status, 303);
    people.running.app.clock.shift(60);
    let refused = alice.submit("/login", &with(sealed)).await;
    assert_refused_page(&refused, 400, "this sign-in took too long");
}

#[tokio::test]
async fn name_that_is_not_configured_signs_no_person_in() {
    let people = People::start("").await;
    let mut person = people.person();
    let form = form_of(&person.open("/login").await);
    for name in [Some("carol"), Some("Alice"), Some("alice "), None] {
        let mut fields = form.fields.clone();
        fields.extend(name.map(|name| ("name".to_owned(), name.to_owned())));
        let refused = person.submit("/login", &fields).await;
        assert_refused_page(&refused, 403, "people cannot sign in with this name");
    }
    assert_eq!(people.records::<Person>().await, []);
    let refused = people.events("client.refused").await;
    assert_eq!(refused.len(), 4);
    for event in refused {
        assert_eq!(
            (&event["reason"], &event["occasion"]),
            (&"sign_in_name_not_listed".into(), &"authorization".into())
        );
        assert!(event["request_id"].is_string(), "{event}");
    }
}

#[tokio::test]
async fn locked_account_has_no_session_and_cannot_sign_in() {
    let people = People::start("").await;
    let mut alice = people.signed_in("alice").await;
    assert_eq!(alice.open("/account").await.status, 200);
    let store = &people.running.app.store;
    let [found] = store.read_all::<Person>().await.unwrap().try_into().unwrap();
    let locked = Person {
        state: PersonState::Locked,
        ..found.record.clone()
    };
    let mut batch = testudo_core::records::Batch::default();
    batch.replace(&locked, found.version);
    store.commit(batch).await.unwrap();
    assert_eq!(alice.open("/account").await.header("location"), Some("/login"));
    let form = form_of(&alice.open("/login").await);
    let refused = alice.submit(&form.action, &form.pressed("alice")).await;
    assert_refused_page(&refused, 403, "this account cannot be used");
}

#[tokio::test]
async fn session_ends_when_it_is_idle_and_at_its_end() {
    let people = People::start("session_lifetime = \"3h\"\nsession_idle_lifetime = \"1h\"\n").await;
    let clock = &people.running.app.clock;
    let mut idle = people.signed_in("alice").await;
    let mut used = people.signed_in("alice").await;
    for _ in 0..3 {
        clock.shift(3_540);
        assert_eq!(used.open("/account").await.status, 200);
    }
    assert_eq!(idle.open("/account").await.header("location"), Some("/login"));
    clock.shift(180);
    assert_eq!(used.open("/account").await.header("location"), Some("/login"));
}

/// Another site cannot sign a person out, and a form of an earlier session has no effect on a later one.
#[tokio::test]
async fn sign_out_needs_the_form_of_the_session() {
    let people = People::start("").await;
    let mut alice = people.signed_in("alice").await;
    let form = form_of(&alice.open("/account").await);
    let fields = form.pressed("sign_out");

    let mut other = people.signed_in("alice").await;
    assert_refused_page(&other.submit("/logout", &fields).await, 400, NOT_OURS);
    assert_refused_page(&alice.submit("/logout", &[]).await, 400, NOT_OURS);
    alice.origin = vec![("origin".to_owned(), "https://attacker.example".to_owned())];
    let refused = alice.submit("/logout", &fields).await;
    assert_refused_page(&refused, 403, "this form was not sent by a page of this server");
    alice.origin.clear();
    let again = form_of(&alice.open("/login").await);
    alice.submit(&again.action, &again.pressed("alice")).await;
    assert_refused_page(&alice.submit("/logout", &fields).await, 400, NOT_OURS);
    assert_eq!(alice.open("/logout").await.header("location"), Some("/account"));
    assert_eq!(people.records::<Session>().await.len(), 2);
}

#[tokio::test]
async fn sign_ins_of_one_address_are_limited() {
    let people = People::start("").await;
    let mut person = people.person();
    let form = form_of(&person.open("/login").await);
    let began = std::time::Instant::now();
    let mut granted = 0;
    let refused = loop {
        let answer = person.submit(&form.action, &form.pressed("alice")).await;
        match answer.status {
            303 => granted += 1,
            _ => break answer,
        }
        assert!(granted < 200);
    };
    // Two are added in each second while the test runs.
    let most = 121 + 2 * began.elapsed().as_secs();
    assert!((120..=most).contains(&granted), "{granted} of {most}");
    assert_refused_page(&refused, 429, "too many sign-ins from your network");
    assert!(refused.header("retry-after").is_some());
    people.running.app.clock.shift(60);
    let answer = person.submit(&form.action, &form.pressed("alice")).await;
    assert_eq!(answer.status, 303);
}

#[tokio::test]
async fn server_without_login_has_no_sign_in_and_no_account() {
    let world = crate::world::World::start().await;
    let mut connection = world.connect().await;
    for path in ["/login", "/account", "/logout"] {
        assert_eq!(connection.get(path).await.status, 404, "{path}");
        assert_eq!(connection.post(path, "").await.status, 404, "{path}");
    }
}
