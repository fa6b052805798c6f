//! Passkeys: an invitation, the sign-in, and the passkeys of an account, with an authenticator of the test kit.

use super::world::{ISSUER, People, SESSION, SQLITE, WEB_RULE, asking, assert_refused_page, text_of};
use crate::nodes::postgres;
use serde_json::{Value, json};
use std::path::Path;
use testudo_core::records::{
    Batch, Ceremony, Invitation, InvitedName, Person as Account, ProviderAccount, Session,
};
use testudo_testkit::http::{Answer, over_socket};
use testudo_testkit::passkey::Authenticator;
use testudo_testkit::passkey_pages::{PasskeyForm, accept, add, sign_in};
use testudo_testkit::person::{Person, forms};
use tokio::task::JoinSet;

/// A server where people sign in with passkeys.
pub async fn start() -> People {
    People::start_over(SQLITE, WEB_RULE).await
}

/// An order of an administrator at the admin socket in this folder.
pub async fn order(folder: &Path, path: &str, body: Value) -> (u16, Value) {
    over_socket(
        &folder.join("admin.sock"),
        "POST",
        &format!("/admin/v1/users/{path}"),
        body,
    )
    .await
}

/// The token of a new invitation.
pub async fn invite(people: &People, body: Value) -> String {
    token_of(&order(&people.folder, "invite", body).await)
}

/// The token of the link in this answer.
fn token_of((status, answer): &(u16, Value)) -> String {
    assert_eq!(*status, 200, "{answer}");
    let link = answer["link"].as_str().unwrap();
    let (page, token) = link.split_once('#').unwrap();
    assert_eq!(page, format!("{ISSUER}/invite"));
    token.to_owned()
}

/// A new account, whose person has just signed in.
pub async fn invited(people: &People, name: &str) -> (Person, Authenticator) {
    let token = invite(people, json!({ "user": name })).await;
    let (mut person, mut authenticator) = (people.person(), Authenticator::new(ISSUER));
    let answer = accept(&mut person, &mut authenticator, &token).await;
    assert_eq!(answer.status, 303, "{}", text_of(&answer));
    (person, authenticator)
}

/// The stored account with this name.
pub async fn account(people: &People, name: &str) -> Account {
    let accounts = people.records::<Account>().await.into_iter();
    let mut named = accounts.filter(|account| account.name.as_deref() == Some(name));
    named
        .next()
        .unwrap_or_else(|| panic!("no account is named {name}"))
}

/// The ID of the first passkey of this authenticator, as forms name it.
pub fn id_of(authenticator: &Authenticator) -> String {
    testudo_protocol::base64url::text(&authenticator.passkeys[0].id)
}

/// Presses a button of the form about the only passkey with this name.
pub async fn press(person: &mut Person, passkey: &str, button: &str, name: &str) -> Answer {
    let text = text_of(&person.open("/account").await);
    let forms = forms(&text)
        .into_iter()
        .filter(|form| form.field("passkey").is_some());
    let mut forms = forms.filter(|form| form.field("passkey") == Some(passkey));
    let form = forms
        .next()
        .unwrap_or_else(|| panic!("no passkey {passkey}: {text}"));
    let mut fields = form.pressed(button);
    fields.push(("passkey_name".to_owned(), name.to_owned()));
    person.submit(&form.action, &fields).await
}

// Rows PK-01, PK-02.
#[tokio::test]
async fn invited_person_makes_a_passkey_and_signs_in_with_it() {
    let people = start().await;
    let body = json!({ "user": "carol", "groups": ["auditors"], "reason": "joins" });
    let token = invite(&people, body).await;
    let (mut person, mut authenticator) = (people.person(), Authenticator::new(ISSUER));
    let answer = accept(&mut person, &mut authenticator, &token).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/account"))
    );
    let page = text_of(&person.open("/account").await);
    assert!(
        page.contains("<dd>carol</dd>") && page.contains("value=\"laptop\""),
        "{page}"
    );
    let carol = account(&people, "carol").await;
    assert_eq!(carol.groups, ["auditors"]);
    assert_eq!(authenticator.passkeys[0].user, carol.id.key());
    let [invited] = people.events("person.invited").await.try_into().unwrap();
    let [created] = people.events("person.created").await.try_into().unwrap();
    for event in [&invited, &created] {
        assert_eq!(event["person"], json!(carol.id.sub()));
        assert!(!event.to_string().contains("carol"), "{event}");
    }
    assert_eq!(invited["reason"], "joins");
    // In another browser.
    let mut elsewhere = people.person();
    let answer = sign_in(&mut elsewhere, &mut authenticator).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/account"))
    );
    let sessions = people.records::<Session>().await;
    assert_eq!(sessions.len(), 2);
    for session in sessions {
        assert_eq!(session.name.person, carol.id);
        assert_eq!(session.acr.as_deref(), Some("phr"));
        assert_eq!(session.method, "passkey");
    }
    let signed_in = people.events("person.signed_in").await;
    assert!(
        signed_in.iter().all(|event| event["detail"] == "passkey"),
        "{signed_in:?}"
    );
    assert_eq!(people.records::<Ceremony>().await, []);
    assert_eq!(people.records::<Invitation>().await, []);
}

#[tokio::test]
async fn person_who_signs_in_with_a_passkey_comes_back_to_the_application_with_acr_phr() {
    let people = start().await;
    let (_, mut authenticator) = invited(&people, "carol").await;
    let mut person = people.person();
    let asked = person.open(&asking(&[("acr_values", "phr")])).await;
    let policy = asked.header("content-security-policy").unwrap().to_owned();
    assert!(
        policy.contains("form-action 'self' https://shop.apps.example"),
        "{policy}"
    );
    let steps = PasskeyForm::of("/login", &asked);
    let (ceremony, options) = steps.begin(&mut person).await;
    let answer = steps
        .finish(&mut person, &ceremony, &authenticator.get(&options))
        .await;
    let location = answer.header("location").unwrap().to_owned();
    let url = person.walk_on("/login", answer).await.unwrap();
    assert!(location.starts_with("/authorize?flow="), "{location}");
    let token = people.redeem(&url).await.access_token();
    let claims = testudo_testkit::token::claims(&token);
    assert_eq!(claims["acr"], "phr");
    assert_eq!(claims["sub"], json!(account(&people, "carol").await.id.sub()));
}

// Row PK-23.
#[tokio::test]
async fn person_adds_names_and_removes_passkeys_but_not_the_last_one() {
    let people = start().await;
    let (mut person, first) = invited(&people, "carol").await;
    let mut phone = Authenticator::new(ISSUER);
    let answer = add(&mut person, &mut phone, "phone").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/account"))
    );
    let answer = press(&mut person, &id_of(&phone), "rename_passkey", " my phone ").await;
    assert_eq!(answer.status, 303, "{}", text_of(&answer));
    let names: Vec<String> = account(&people, "carol")
        .await
        .passkeys
        .into_iter()
        .map(|one| one.name)
        .collect();
    assert_eq!(names, ["laptop", "my phone"]);
    let answer = press(&mut person, &id_of(&phone), "rename_passkey", "a\u{202e}b").await;
    assert_refused_page(&answer, 400, "the name of a passkey must be one line");
    let answer = press(&mut person, &id_of(&first), "remove_passkey", "").await;
    assert_eq!(answer.status, 303, "{}", text_of(&answer));
    assert_eq!(sign_in(&mut person, &mut phone).await.status, 303);
    let answer = press(&mut person, &id_of(&phone), "remove_passkey", "").await;
    assert_refused_page(&answer, 403, "you sign in with this passkey only");
    assert_eq!(account(&people, "carol").await.passkeys.len(), 1);
    let sub = json!(account(&people, "carol").await.id.sub());
    for kind in ["passkey.added", "passkey.removed"] {
        let [event] = people.events(kind).await.try_into().unwrap();
        assert_eq!(event["person"], sub, "{kind}");
    }
    let mut elsewhere = people.person();
    assert_eq!(sign_in(&mut elsewhere, &mut phone).await.status, 303);
}

// Row PK-23.
#[tokio::test]
async fn two_windows_that_remove_two_passkeys_at_once_leave_one() {
    let people = start().await;
    // A session that began with one of the passkeys would end with it.
    let mut person = people.signed_in("alice").await;
    let mut ids = Vec::new();
    for name in ["laptop", "phone"] {
        let mut authenticator = Authenticator::new(ISSUER);
        add(&mut person, &mut authenticator, name).await;
        ids.push(id_of(&authenticator));
    }
    let mut windows = JoinSet::new();
    for id in ids {
        let mut person = person.clone();
        windows.spawn(async move { press(&mut person, &id, "remove_passkey", "").await.status });
    }
    let mut statuses = windows.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 403]);
    assert_eq!(account(&people, "alice").await.passkeys.len(), 1);
}

/// Where an administrator turns passkeys off, people who have no other way to sign in are refused.
#[tokio::test]
async fn doctor_says_for_which_host_passkeys_are_and_who_has_no_other_way_to_sign_in() {
    let people = start().await;
    let found = async || {
        let (configuration, _) =
            testudo_server::config::load(&people.folder.join("testudo.toml"), 1).unwrap();
        let findings = testudo_server::doctor::examine(&configuration).await;
        let mut found = findings.into_iter().filter(|found| found.subject == "passkeys");
        found.next().unwrap()
    };
    let on = found().await;
    assert!(
        on.is_good && on.detail.contains("for the host localhost alone"),
        "{on:?}"
    );
    let path = people.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("[login]\n", "[login]\npasskeys = false\n")).unwrap();
    let off = found().await;
    assert!(
        off.is_good && off.detail.contains("no account needs them"),
        "{off:?}"
    );
    invited(&people, "carol").await;
    let refused = found().await;
    assert!(
        !refused.is_good && refused.detail.starts_with("1 of the accounts"),
        "{refused:?}"
    );
    // An account at a provider is a way to sign in only while the provider is configured.
    let store = &people.running.app.store;
    let id = account(&people, "carol").await.id;
    let mut carol = store.read::<Account>(id.key()).await.unwrap().unwrap();
    carol.record.links = vec![ProviderAccount {
        issuer: "https://old.example".into(),
        sub: "1".into(),
    }];
    let mut batch = Batch::default();
    batch.replace(&carol.record, carol.version);
    store.commit(batch).await.unwrap();
    assert!(!found().await.is_good);
    order(&people.folder, "lock", json!({ "user": "carol" })).await;
    assert!(found().await.is_good, "a locked account is refused in any case");
}

/// A passkey is removed because another person may have it.
// Row PK-24.
#[tokio::test]
async fn removal_of_a_passkey_ends_the_sessions_that_began_with_it_and_no_other() {
    let people = start().await;
    let (mut lost, mut laptop) = invited(&people, "carol").await;
    let mut lost_too = people.person();
    sign_in(&mut lost_too, &mut laptop).await;
    let mut phone = Authenticator::new(ISSUER);
    add(&mut lost, &mut phone, "phone").await;
    let mut kept = people.person();
    sign_in(&mut kept, &mut phone).await;
    let is_signed_in = async |person: &mut Person| person.open("/account").await.status == 200;
    for person in [&mut lost, &mut lost_too, &mut kept] {
        assert!(is_signed_in(person).await, "before the removal");
    }
    // A new name ends nothing.
    press(&mut kept, &id_of(&laptop), "rename_passkey", "lost").await;
    assert!(is_signed_in(&mut lost).await);
    let answer = press(&mut kept, &id_of(&laptop), "remove_passkey", "").await;
    assert_eq!(answer.status, 303, "{}", text_of(&answer));
    for person in [&mut lost, &mut lost_too] {
        assert!(!is_signed_in(person).await);
        let page = text_of(&person.open(&asking(&[])).await);
        assert!(page.contains("Sign in"), "{page}");
    }
    assert!(is_signed_in(&mut kept).await);
    let sessions = "/admin/v1/sessions?user=carol";
    let listed = people.admin("GET", sessions, Value::Null).await;
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1, "{listed}");
    // The session in which its own passkey is removed ends as well.
    add(&mut kept, &mut Authenticator::new(ISSUER), "key").await;
    let answer = press(&mut kept, &id_of(&phone), "remove_passkey", "").await;
    assert_eq!(answer.status, 303, "{}", text_of(&answer));
    assert_eq!(kept.open("/account").await.header("location"), Some("/login"));
}

// Row PK-22.
#[tokio::test]
async fn passkeys_are_changed_within_five_minutes_after_the_sign_in() {
    let people = start().await;
    let (mut person, mut authenticator) = invited(&people, "carol").await;
    let mut phone = Authenticator::new(ISSUER);
    add(&mut person, &mut phone, "phone").await;
    let steps = PasskeyForm::open(&mut person, "/account", &[("passkey_name", "late")]).await;
    let (ceremony, options) = steps.begin(&mut person).await;
    people.running.app.clock.shift(301);
    let answer = steps.ask(&mut person).await;
    assert_eq!(answer.status, 403);
    let refused: Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(
        refused["error"]
            .as_str()
            .unwrap()
            .contains("more than five minutes ago"),
        "{refused}"
    );
    assert_eq!(refused["request_id"].as_str(), answer.header("request-id"));
    let answer = steps
        .finish(&mut person, &ceremony, &phone.create(&options))
        .await;
    assert_ne!(answer.status, 303, "{}", text_of(&answer));
    let id = id_of(&authenticator);
    let answer = press(&mut person, &id, "remove_passkey", "").await;
    assert_refused_page(&answer, 403, "more than five minutes ago");
    assert_eq!(account(&people, "carol").await.passkeys.len(), 2);
    sign_in(&mut person, &mut authenticator).await;
    assert_eq!(press(&mut person, &id, "remove_passkey", "").await.status, 303);
}

// Row PK-21.
#[tokio::test]
async fn recovery_ends_earlier_passkeys_and_sessions() {
    let people = start().await;
    let (mut person, mut lost) = invited(&people, "carol").await;
    let before = account(&people, "carol").await;
    let token = invite(&people, json!({ "user": "carol", "recover": true })).await;
    assert_eq!(
        person.open("/account").await.status,
        200,
        "the invitation alone changes nothing"
    );
    let (mut elsewhere, mut new) = (people.person(), Authenticator::new(ISSUER));
    assert_eq!(accept(&mut elsewhere, &mut new, &token).await.status, 303);
    assert_eq!(elsewhere.open("/account").await.status, 200);
    let sessions = people.records::<Session>().await;
    assert_eq!(sessions.len(), 1, "the earlier one is deleted: {sessions:?}");
    let answer = person.open("/account").await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/login")));
    let mut again = people.person();
    assert_refused_page(
        &sign_in(&mut again, &mut lost).await,
        403,
        "you cannot sign in with this passkey",
    );
    assert_eq!(sign_in(&mut again, &mut new).await.status, 303);
    let after = account(&people, "carol").await;
    assert_eq!((after.id, after.passkeys.len()), (before.id, 1));
    assert_eq!(people.events("person.recovered").await.len(), 1);
}

/// An earlier passkey is of no use at any moment: the account is unlocked in the batch that replaces the passkeys.
#[tokio::test]
async fn locked_account_is_recovered_by_a_link_that_was_made_after_the_lock() {
    let people = start().await;
    let (_, mut lost) = invited(&people, "carol").await;
    let body = json!({ "user": "carol", "recover": true });
    let before = invite(&people, body.clone()).await;
    let (status, answer) = order(&people.folder, "lock", json!({ "user": "carol" })).await;
    assert_eq!(status, 200, "{answer}");
    let mut new = Authenticator::new(ISSUER);
    let refused = accept(&mut people.person(), &mut new, &before).await;
    assert_refused_page(&refused, 403, "this account cannot be used");
    let after = invite(&people, body).await;
    let locked = sign_in(&mut people.person(), &mut lost).await;
    assert_refused_page(&locked, 403, "you cannot sign in with this passkey");
    let mut person = people.person();
    assert_eq!(accept(&mut person, &mut new, &after).await.status, 303);
    assert_eq!(person.open("/account").await.status, 200);
    let lost = sign_in(&mut people.person(), &mut lost).await;
    assert_refused_page(&lost, 403, "you cannot sign in with this passkey");
    assert_eq!(sign_in(&mut people.person(), &mut new).await.status, 303);
    assert_eq!(people.events("person.unlocked").await.len(), 1);
}

/// Two servers over one database.
async fn two_nodes(database: &str) -> [People; 2] {
    let url = postgres().database(database).unwrap();
    let key = "P4DmWGtsyIpx4YFDV-kWotaK7o9RQT54KpalCx2qcl0";
    let store = format!("url = \"{url}\"\nkey_encryption_key = \"{key}\"");
    [
        People::start_over(&store, WEB_RULE).await,
        People::start_over(&store, WEB_RULE).await,
    ]
}

// Row PK-20.
#[tokio::test]
async fn person_who_is_invited_to_recover_at_two_nodes_at_once_has_one_link() {
    let people = two_nodes("invitations").await;
    invited(&people[0], "carol").await;
    let body = || json!({ "user": "carol", "recover": true });
    for _ in 0..8 {
        let [first, second] = &people;
        tokio::join!(invite(first, body()), invite(second, body()));
        assert_eq!(people[0].records::<Invitation>().await.len(), 1);
    }
}

/// Invites this person so often at the same moment, at these servers in turn; the tokens of the links.
async fn invite_at_once(people: &[&People], name: &str, times: usize) -> Vec<String> {
    let mut running = JoinSet::new();
    for at in people.iter().cycle().take(times) {
        let (folder, body) = (at.folder.clone(), json!({ "user": name }));
        running.spawn(async move { order(&folder, "invite", body).await });
    }
    running.join_all().await.iter().map(token_of).collect()
}

/// Of two links for one new name, one can be used. There is no third order: it would end both, and hide a fault.
async fn assert_one_link_remains(people: &[&People], name: &str) {
    let tokens = invite_at_once(people, name, 2).await;
    let of_name = |all: Vec<Invitation>| all.into_iter().filter(|one| one.name == name).count();
    assert_eq!(of_name(people[0].records().await), 1, "{name}");
    let mut used = 0;
    for token in &tokens {
        let (mut person, mut authenticator) = (people[0].person(), Authenticator::new(ISSUER));
        let steps = PasskeyForm::open(&mut person, "/invite", &[("invitation", token)]).await;
        if steps.ask(&mut person).await.status == 200 {
            used += 1;
            assert_eq!(accept(&mut person, &mut authenticator, token).await.status, 303);
        }
    }
    assert_eq!(used, 1, "{name}");
    assert_eq!(people[0].records::<InvitedName>().await, [], "{name}");
}

// Row PK-20.
#[tokio::test]
async fn name_that_is_invited_often_at_once_has_one_link() {
    let [first, second] = two_nodes("invited_names").await;
    for round in 0..16 {
        assert_one_link_remains(&[&first, &second], &format!("carol{round}")).await;
    }
    let alone = start().await;
    assert_one_link_remains(&[&alone], "carol").await;
    // A name is invited again after its invitation was not used.
    invite(&alone, json!({ "user": "dave" })).await;
    alone.running.app.clock.shift(2 * 86_400);
    assert_one_link_remains(&[&alone], "dave").await;
}

// Row PK-16.
#[tokio::test]
async fn two_nodes_finish_one_anothers_ceremonies() {
    let people = two_nodes("passkeys").await;
    let at = |person: &Person, node: usize| {
        let mut moved = people[node].person();
        moved.cookies.clone_from(&person.cookies);
        moved
    };
    let token = invite(&people[0], json!({ "user": "carol" })).await;
    let mut authenticator = Authenticator::new(ISSUER);
    let mut person = people[0].person();
    let steps = PasskeyForm::open(&mut person, "/invite", &[("invitation", &token)]).await;
    let (ceremony, options) = steps.begin(&mut person).await;
    let answer = authenticator.create(&options);
    let mut person = at(&person, 1);
    assert_eq!(steps.finish(&mut person, &ceremony, &answer).await.status, 303);
    assert_eq!(at(&person, 0).open("/account").await.status, 200);
    for (begun_at, finished_at) in [(0, 1), (1, 0)] {
        let mut person = people[begun_at].person();
        let steps = PasskeyForm::open(&mut person, "/login", &[]).await;
        let (ceremony, options) = steps.begin(&mut person).await;
        let answer = authenticator.get(&options);
        let mut moved = at(&person, finished_at);
        assert_eq!(steps.finish(&mut moved, &ceremony, &answer).await.status, 303);
        assert!(moved.cookies.contains_key(SESSION));
        let again = steps.finish(&mut person, &ceremony, &answer).await;
        assert_refused_page(&again, 400, "was answered already");
    }
}

#[tokio::test]
async fn metadata_lists_the_strength_of_passkeys_where_people_sign_in_with_them() {
    for (people, expected) in [
        (start().await, json!(["phr"])),
        (People::start(WEB_RULE).await, Value::Null),
    ] {
        let answer = people
            .person()
            .open("/.well-known/oauth-authorization-server")
            .await;
        let metadata: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(metadata["authorization_endpoint"], format!("{ISSUER}/authorize"));
        assert_eq!(metadata["acr_values_supported"], expected);
    }
}
