//! Attacks on passkeys and invitations. The same answer without the fault is accepted, here or in
//! `passkeys.rs`.

use super::passkeys::{account, id_of, invite, invited, order, start};
use super::world::{ISSUER, People, SESSION, assert_refused_page, text_of};
use serde_json::{Value, json};
use testudo_core::records::{Ceremony, Invitation, Person as Account, Session};
use testudo_protocol::Seconds;
use testudo_testkit::passkey::{Authenticator, PRESENT};
use testudo_testkit::passkey_pages::{PasskeyForm, accept, add, sign_in};
use testudo_testkit::person::Person;

const ANSWERED: &str = "was answered already or has expired";
const REFUSED: &str = "you cannot sign in with this passkey";
const NOT_MADE: &str = "what your browser sent is no new passkey for this server";

/// Something that a browser or an authenticator states and a server must refuse.
type Lie = (&'static str, fn(&mut Authenticator));

const LIES: &[Lie] = &[
    ("another origin", |one| {
        one.origin = "http://localhost:8081".into()
    }),
    ("an origin with https", |one| {
        one.origin = "https://localhost:8080".into()
    }),
    ("a host that ends so", |one| {
        one.origin = "http://x.localhost:8080".into()
    }),
    ("another RP ID", |one| one.rp_id = Some("attacker.example".into())),
    ("the RP ID of a sub-domain", |one| {
        one.rp_id = Some("x.localhost".into())
    }),
    ("an unverified user", |one| one.flags = PRESENT),
    ("an absent user", |one| one.flags = 0x04),
    ("a page inside another one", |one| one.is_cross_origin = true),
    ("another challenge", |one| one.challenge = Some("A".repeat(43))),
    ("no challenge", |one| one.challenge = Some(String::new())),
    ("another kind of ceremony", |one| one.kind = Some("payment.get")),
];

/// The same lies are refused when a passkey is made and when it is used, and each ends its ceremony.
// Rows PK-04 to PK-09.
#[tokio::test]
async fn passkey_that_was_made_with_a_wrong_statement_is_refused() {
    let people = start().await;
    let token = invite(&people, json!({ "user": "carol" })).await;
    for (lie, tell) in LIES {
        let (mut person, mut authenticator) = (people.person(), Authenticator::new(ISSUER));
        tell(&mut authenticator);
        let answer = accept(&mut person, &mut authenticator, &token).await;
        assert_eq!(answer.status, 400, "{lie}: {}", text_of(&answer));
        assert_refused_page(&answer, 400, NOT_MADE);
        assert_eq!(people.records::<Ceremony>().await, [], "{lie}");
    }
    assert_eq!(people.records::<Account>().await, []);
    let (mut person, mut honest) = (people.person(), Authenticator::new(ISSUER));
    assert_eq!(accept(&mut person, &mut honest, &token).await.status, 303);
}

// Rows PK-04 to PK-09.
#[tokio::test]
async fn sign_in_with_a_wrong_statement_is_refused() {
    let people = start().await;
    let (_, mut authenticator) = invited(&people, "carol").await;
    let sessions = people.records::<Session>().await.len();
    for (lie, tell) in LIES {
        let mut person = people.person();
        let passkeys = std::mem::take(&mut authenticator.passkeys);
        let mut lying = Authenticator::new(ISSUER);
        lying.passkeys = passkeys;
        tell(&mut lying);
        let answer = sign_in(&mut person, &mut lying).await;
        assert_eq!(answer.status, 403, "{lie}: {}", text_of(&answer));
        assert_refused_page(&answer, 403, REFUSED);
        assert!(!person.cookies.contains_key(SESSION), "{lie}");
        assert_eq!(people.records::<Ceremony>().await, [], "{lie}");
        authenticator.passkeys = lying.passkeys;
    }
    assert_eq!(people.records::<Session>().await.len(), sessions);
    assert_eq!(
        sign_in(&mut people.person(), &mut authenticator).await.status,
        303
    );
}

// Row PK-16.
#[tokio::test]
async fn answer_is_used_once_in_the_browser_and_for_the_page_that_began() {
    let people = start().await;
    let (_, mut authenticator) = invited(&people, "carol").await;
    let mut person = people.person();
    let steps = PasskeyForm::open(&mut person, "/login", &[]).await;
    let (ceremony, options) = steps.begin(&mut person).await;
    let answer = authenticator.get(&options);
    // An attacker who has the answer of a victim sends it in another browser, with a form of its own.
    let mut attacker = people.person();
    let of_attacker = PasskeyForm::open(&mut attacker, "/login", &[]).await;
    let stolen = of_attacker.finish(&mut attacker, &ceremony, &answer).await;
    assert_refused_page(&stolen, 400, ANSWERED);
    // Another ceremony of the same browser has another challenge.
    let (other, _) = steps.begin(&mut person).await;
    let mixed = steps.finish(&mut person, &other, &answer).await;
    assert_refused_page(&mixed, 403, REFUSED);
    assert_eq!(steps.finish(&mut person, &ceremony, &answer).await.status, 303);
    for name in [ceremony.as_str(), other.as_str(), "", "x", &"A".repeat(43)] {
        let again = steps.finish(&mut person, name, &answer).await;
        assert_refused_page(&again, 400, ANSWERED);
    }
    // The ceremony of an invitation is not one of a sign-in.
    let token = invite(&people, json!({ "user": "dave" })).await;
    let invitation = PasskeyForm::open(&mut person, "/invite", &[("invitation", &token)]).await;
    let (ceremony, options) = invitation.begin(&mut person).await;
    authenticator.rp_id = Some("localhost".to_owned());
    let answer = authenticator.get(&options);
    let confused = steps.finish(&mut person, &ceremony, &answer).await;
    assert_refused_page(&confused, 400, ANSWERED);
}

// Row PK-17.
#[tokio::test]
async fn ceremony_ends_after_five_minutes() {
    let people = start().await;
    let (_, mut authenticator) = invited(&people, "carol").await;
    let mut person = people.person();
    for (wait, status) in [(290, 303), (300, 400)] {
        let steps = PasskeyForm::open(&mut person, "/login", &[]).await;
        let (ceremony, options) = steps.begin(&mut person).await;
        people.running.app.clock.shift(wait);
        let answer = steps
            .finish(&mut person, &ceremony, &authenticator.get(&options))
            .await;
        assert_eq!(answer.status, status, "{wait}: {}", text_of(&answer));
    }
}

// Row PK-14.
#[tokio::test]
async fn counter_that_does_not_grow_is_refused_with_an_event() {
    let people = start().await;
    let (_, mut authenticator) = invited(&people, "carol").await;
    assert_eq!(
        sign_in(&mut people.person(), &mut authenticator).await.status,
        303
    );
    // A copy of the passkey has the counter of the time when it was made.
    authenticator.step = 0;
    for counter in [0, 1, 2] {
        authenticator.passkeys[0].counter = counter;
        let answer = sign_in(&mut people.person(), &mut authenticator).await;
        assert_refused_page(&answer, 403, REFUSED);
    }
    let events = people.events("passkey.refused").await;
    assert_eq!(events.len(), 3);
    let sub = json!(account(&people, "carol").await.id.sub());
    assert!(events.iter().all(|event| event["person"] == sub), "{events:?}");
    authenticator.passkeys[0].counter = 3;
    assert_eq!(
        sign_in(&mut people.person(), &mut authenticator).await.status,
        303
    );
}

// Row PK-15.
#[tokio::test]
async fn passkey_without_a_counter_can_be_used_again_and_again() {
    let people = start().await;
    let token = invite(&people, json!({ "user": "carol" })).await;
    let mut authenticator = Authenticator::new(ISSUER);
    authenticator.step = 0;
    assert_eq!(
        accept(&mut people.person(), &mut authenticator, &token)
            .await
            .status,
        303
    );
    for _ in 0..2 {
        assert_eq!(
            sign_in(&mut people.person(), &mut authenticator).await.status,
            303
        );
    }
    assert_eq!(people.events("passkey.refused").await, [] as [Value; 0]);
}

/// Unknown, removed and locked accounts cannot be told apart.
// Rows PK-11, PK-12.
#[tokio::test]
async fn passkey_that_leads_to_no_active_account_gets_one_answer_whatever_the_reason() {
    let people = start().await;
    let (_, mut locked) = invited(&people, "locked").await;
    let (_, mut removed) = invited(&people, "removed").await;
    let (_, mut unknown) = invited(&people, "known").await;
    let (_, mut of_another) = invited(&people, "other").await;
    for name in ["locked", "removed"] {
        let verb = if name == "locked" { "lock" } else { "remove" };
        let (status, _) = order(&people.folder, verb, json!({ "user": name })).await;
        assert_eq!(status, 200);
    }
    unknown.passkeys[0].user = vec![7; 16];
    // The passkey of one account with the user handle of another one.
    of_another.passkeys[0].user = account(&people, "known").await.id.key().to_vec();
    let mut pages = Vec::new();
    for authenticator in [&mut locked, &mut removed, &mut unknown, &mut of_another] {
        let mut person = people.person();
        let answer = sign_in(&mut person, authenticator).await;
        assert_refused_page(&answer, 403, REFUSED);
        let id = answer.header("request-id").unwrap().to_owned();
        pages.push(text_of(&answer).replace(&id, "ID"));
    }
    pages.dedup();
    assert_eq!(pages.len(), 1, "{pages:?}");
    let (status, _) = order(&people.folder, "unlock", json!({ "user": "locked" })).await;
    assert_eq!(status, 200);
    assert_eq!(sign_in(&mut people.person(), &mut locked).await.status, 303);
}

// Row PK-11.
#[tokio::test]
async fn user_handle_that_is_missing_or_has_another_length_is_refused() {
    let people = start().await;
    let (_, mut authenticator) = invited(&people, "carol").await;
    let right = authenticator.passkeys[0].user.clone();
    for wrong in [
        Vec::new(),
        right[..15].to_vec(),
        [right.as_slice(), &[0]].concat(),
    ] {
        authenticator.passkeys[0].user = wrong;
        let answer = sign_in(&mut people.person(), &mut authenticator).await;
        assert_refused_page(&answer, 403, REFUSED);
    }
    authenticator.passkeys[0].user = right;
    assert_eq!(
        sign_in(&mut people.person(), &mut authenticator).await.status,
        303
    );
}

// Row PK-13.
#[tokio::test]
async fn signature_of_another_key_or_over_other_bytes_is_refused() {
    let people = start().await;
    let (_, mut carol) = invited(&people, "carol").await;
    let (_, mut mallory) = invited(&people, "mallory").await;
    // The attacker's key, with id and user handle of the victim.
    mallory.passkeys[0].id.clone_from(&carol.passkeys[0].id);
    mallory.passkeys[0].user.clone_from(&carol.passkeys[0].user);
    mallory.passkeys[0].counter = 99;
    let answer = sign_in(&mut people.person(), &mut mallory).await;
    assert_refused_page(&answer, 403, REFUSED);
    let mut person = people.person();
    for member in ["clientDataJSON", "authenticatorData", "signature"] {
        let steps = PasskeyForm::open(&mut person, "/login", &[]).await;
        let (ceremony, options) = steps.begin(&mut person).await;
        let mut changed: Value = serde_json::from_str(&carol.get(&options)).unwrap();
        let text = changed["response"][member].as_str().unwrap();
        // The last byte but one.
        let mut text = text.as_bytes().to_vec();
        let place = text.len() - 4;
        text[place] = if text[place] == b'A' { b'B' } else { b'A' };
        changed["response"][member] = String::from_utf8(text).unwrap().into();
        let answer = steps.finish(&mut person, &ceremony, &changed.to_string()).await;
        assert_refused_page(&answer, 403, REFUSED);
    }
    assert_eq!(sign_in(&mut person, &mut carol).await.status, 303);
}

// Row PK-18.
#[tokio::test]
async fn text_that_is_no_answer_of_a_browser_is_refused() {
    let people = start().await;
    let (_, mut authenticator) = invited(&people, "carol").await;
    let mut person = people.person();
    let steps = PasskeyForm::open(&mut person, "/login", &[]).await;
    let (_, options) = steps.begin(&mut person).await;
    let right: Value = serde_json::from_str(&authenticator.get(&options)).unwrap();
    let without = |member: &str| {
        let mut answer = right.clone();
        answer["response"].as_object_mut().unwrap().remove(member);
        answer.to_string()
    };
    let long = format!("{{\"id\":\"{}\"}}", "A".repeat(20_000));
    for text in [
        "",
        "null",
        "{}",
        "[]",
        "{\"id\":1}",
        &long,
        &without("clientDataJSON"),
        &without("authenticatorData"),
        &without("signature"),
        &without("userHandle"),
    ] {
        let (ceremony, _) = steps.begin(&mut person).await;
        let answer = steps.finish(&mut person, &ceremony, text).await;
        assert_refused_page(&answer, 403, REFUSED);
    }
    let token = invite(&people, json!({ "user": "dave" })).await;
    let steps = PasskeyForm::open(&mut person, "/invite", &[("invitation", &token)]).await;
    for text in ["", "{}", &long, &right.to_string()] {
        let (ceremony, _) = steps.begin(&mut person).await;
        let answer = steps.finish(&mut person, &ceremony, text).await;
        assert_refused_page(&answer, 400, NOT_MADE);
    }
}

/// Any visitor can send 16 KiB, which must not be in the events and the log.
// Row PK-18.
#[tokio::test]
async fn event_of_a_refused_answer_does_not_repeat_the_answer() {
    let people = start().await;
    let mut person = people.person();
    let token = invite(&people, json!({ "user": "dave" })).await;
    let text = format!("\"{}\"", "x".repeat(16 * 1024 - 2));
    for page in ["/login", "/invite"] {
        let steps = PasskeyForm::open(&mut person, page, &[("invitation", &token)]).await;
        let (ceremony, _) = steps.begin(&mut person).await;
        let answer = steps.finish(&mut person, &ceremony, &text).await;
        assert!(
            [400, 403].contains(&answer.status),
            "{page}: {}",
            text_of(&answer)
        );
    }
    let events = people.events("client.refused").await;
    assert_eq!(events.len(), 2);
    for event in events {
        let detail = event["detail"].as_str().unwrap();
        assert!(
            detail.contains("line 1 column") && !detail.contains("xxx"),
            "{event}"
        );
    }
}

/// The same for every refusal that repeats a part of the request.
#[tokio::test]
async fn event_of_a_refusal_has_at_most_some_hundred_characters_of_the_request() {
    let people = start().await;
    for (scope, is_cut) in [("x".repeat(30), false), ("x".repeat(3_000), true)] {
        let fields = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
        let answer = people.post("/token", "/web/shop", &fields).await;
        assert_eq!(answer.status, 400, "{}", text_of(&answer));
        let events = people.events("client.refused").await;
        let detail = events.last().unwrap()["detail"].as_str().unwrap();
        assert!(detail.contains(&scope[..30]), "{detail}");
        assert_eq!(detail.ends_with('…'), is_cut, "{detail}");
        assert!(detail.chars().count() <= 801, "{detail}");
    }
}

// Row PK-20.
#[tokio::test]
async fn invitation_under_64_parallel_uses_makes_one_account() {
    let people = start().await;
    let token = invite(&people, json!({ "user": "carol" })).await;
    let mut uses = Vec::new();
    for _ in 0..64 {
        let mut person = people.person();
        let steps = PasskeyForm::open(&mut person, "/invite", &[("invitation", &token)]).await;
        let (ceremony, options) = steps.begin(&mut person).await;
        let answer = Authenticator::new(ISSUER).create(&options);
        uses.push((person, steps, ceremony, answer));
    }
    let mut running = tokio::task::JoinSet::new();
    for (mut person, steps, ceremony, answer) in uses {
        running.spawn(async move { steps.finish(&mut person, &ceremony, &answer).await.status });
    }
    let statuses = running.join_all().await;
    assert_eq!(
        statuses.iter().filter(|status| **status == 303).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(people.records::<Account>().await.len(), 1);
    assert_eq!(people.records::<Session>().await.len(), 1);
    assert_eq!(account(&people, "carol").await.passkeys.len(), 1);
}

// Row PK-20.
#[tokio::test]
async fn invitation_that_was_used_replaced_or_has_expired_is_refused() {
    let people = start().await;
    let used = invite(&people, json!({ "user": "carol" })).await;
    let (mut person, mut authenticator) = (people.person(), Authenticator::new(ISSUER));
    accept(&mut person, &mut authenticator, &used).await;
    let replaced = invite(&people, json!({ "user": "dave" })).await;
    let valid = invite(&people, json!({ "user": "dave" })).await;
    let refused = async |person: &mut Person, token: &str| {
        let steps = PasskeyForm::open(person, "/invite", &[("invitation", token)]).await;
        let answer = steps.ask(person).await;
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer.status, 403, "{token}: {body}");
        assert!(
            body["error"].as_str().unwrap().contains("ask for a new one"),
            "{body}"
        );
    };
    for token in [used.as_str(), &replaced, "", "x", &"A".repeat(43)] {
        refused(&mut people.person(), token).await;
    }
    let steps = PasskeyForm::open(&mut person, "/invite", &[("invitation", &valid)]).await;
    let (ceremony, options) = steps.begin(&mut person).await;
    let answer = authenticator.create(&options);
    people.running.app.clock.shift(86_400);
    refused(&mut people.person(), &valid).await;
    let steps = PasskeyForm::open(&mut person, "/invite", &[("invitation", &valid)]).await;
    let late = steps.finish(&mut person, &ceremony, &answer).await;
    assert_refused_page(&late, 403, "ask for a new one");
    assert_eq!(people.records::<Account>().await.len(), 1);
}

/// The token is a secret: it is in the link that the administrator receives, and nowhere else.
#[tokio::test]
async fn token_of_an_invitation_is_stored_by_its_digest_only() {
    let people = start().await;
    let token = invite(&people, json!({ "user": "carol" })).await;
    let [invitation] = people.records::<Invitation>().await.try_into().unwrap();
    let stored = serde_json::to_string(&invitation).unwrap();
    assert!(!stored.contains(&token), "{stored}");
    let lifetime = invitation.expires.0 - people.running.app.now().0;
    assert!((86_390..=86_400).contains(&lifetime), "{lifetime}");
    assert!(
        !people.events("person.invited").await[0]
            .to_string()
            .contains(&token)
    );
}

/// Another site can make a browser send forms, but not with these header fields and the sealed value of a page.
// Row PK-19.
#[tokio::test]
async fn request_of_another_site_or_without_the_form_of_a_page_is_refused() {
    let people = start().await;
    let (mut person, mut authenticator) = invited(&people, "carol").await;
    let token = invite(&people, json!({ "user": "dave" })).await;
    let id = id_of(&authenticator);
    for page in ["/login", "/invite", "/account"] {
        let filled = [("invitation", token.as_str())];
        let steps = PasskeyForm::open(&mut person, page, &filled).await;
        let (ceremony, options) = steps.begin(&mut person).await;
        let answer = match page {
            "/login" => authenticator.get(&options),
            _ => Authenticator::new(ISSUER).create(&options),
        };
        person.origin = vec![("origin".to_owned(), "https://attacker.example".to_owned())];
        assert_eq!(steps.ask(&mut person).await.status, 403, "{page}");
        let forged = steps.finish(&mut person, &ceremony, &answer).await;
        assert_eq!(forged.status, 403, "{page}: {}", text_of(&forged));
        person.origin.clear();
        let without = PasskeyForm {
            page,
            fields: vec![("invitation".to_owned(), token.clone())],
        };
        assert_eq!(without.ask(&mut person).await.status, 400, "{page}");
        let forged = without.finish(&mut person, &ceremony, &answer).await;
        assert_refused_page(&forged, 400, "this sign-in was begun in another browser");
    }
    let fields = [("passkey", id.as_str()), ("do", "remove_passkey")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let forged = person.submit("/account", &fields).await;
    assert_refused_page(&forged, 400, "this sign-in was begun in another browser");
    assert_eq!(account(&people, "carol").await.passkeys.len(), 1);
    assert_eq!(people.records::<Account>().await.len(), 1);
}

#[tokio::test]
async fn passkey_of_another_person_is_not_removed_or_named() {
    let people = start().await;
    let (_, of_carol) = invited(&people, "carol").await;
    let (mut mallory, _) = invited(&people, "mallory").await;
    add(&mut mallory, &mut Authenticator::new(ISSUER), "second").await;
    let id = id_of(&of_carol);
    let steps = PasskeyForm::open(&mut mallory, "/account", &[]).await;
    for button in ["remove_passkey", "rename_passkey"] {
        let mut fields = steps.fields.clone();
        fields.retain(|(name, _)| name == "token");
        for (name, value) in [("passkey", id.as_str()), ("do", button), ("passkey_name", "x")] {
            fields.push((name.to_owned(), value.to_owned()));
        }
        let answer = mallory.submit("/account", &fields).await;
        assert_refused_page(&answer, 400, "your account has no such passkey");
    }
    let carol = account(&people, "carol").await;
    assert_eq!(
        (carol.passkeys.len(), carol.passkeys[0].name.as_str()),
        (1, "laptop")
    );
}

#[tokio::test]
async fn pages_with_passkeys_run_the_script_of_this_server_alone_and_others_run_none() {
    let people = start().await;
    let (mut person, _) = invited(&people, "carol").await;
    for page in ["/login", "/invite", "/account"] {
        let answer = person.open(page).await;
        let policy = answer.header("content-security-policy").unwrap();
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(directive), "{page}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{page}: {policy}");
        let text = text_of(&answer);
        let script = text
            .split("<script src=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap();
        assert_eq!(text.matches("<script").count(), 1, "{page}");
        let file = person.open(script).await;
        assert_eq!(
            file.header("content-type"),
            Some("text/javascript; charset=utf-8")
        );
    }
    let refused = person.open("/authorize").await;
    assert!(
        !refused
            .header("content-security-policy")
            .unwrap()
            .contains("script-src")
    );
    let without = People::start("").await;
    let mut person = without.person();
    let login = person.open("/login").await;
    assert!(
        !login
            .header("content-security-policy")
            .unwrap()
            .contains("script-src")
    );
    assert!(!text_of(&login).contains("passkey"));
    for (path, status) in [
        ("/invite", 404),
        ("/login/options", 404),
        ("/account/options", 404),
    ] {
        assert_eq!(person.open(path).await.status, status, "{path}");
    }
}

/// The page names the request, and the operator finds out why it was refused.
#[tokio::test]
async fn refused_sign_in_is_explained_by_the_id_of_the_request() {
    let people = start().await;
    let (_, mut authenticator) = invited(&people, "carol").await;
    authenticator.origin = "https://attacker.example".to_owned();
    let answer = sign_in(&mut people.person(), &mut authenticator).await;
    let id = answer.header("request-id").unwrap();
    assert!(text_of(&answer).contains(id));
    let question = json!({ "request_id": id });
    let explained = people.admin("POST", "/admin/v1/explain", question).await;
    let text = explained.to_string();
    assert!(
        text.contains("passkey_refused") && text.contains("origin"),
        "{text}"
    );
}

#[tokio::test]
async fn form_without_the_script_is_refused_as_one_about_passkeys() {
    let people = start().await;
    let (mut person, _) = invited(&people, "carol").await;
    for (page, button) in [("/login", "passkey"), ("/account", "add_passkey")] {
        let form = PasskeyForm::open(&mut person, page, &[("do", button)]).await;
        let answer = person.submit(page, &form.fields).await;
        assert_refused_page(&answer, 400, ANSWERED);
    }
}

#[tokio::test]
async fn ceremonies_of_one_address_are_limited_and_expire() {
    let people = start().await;
    let mut person = people.person();
    let steps = PasskeyForm::open(&mut person, "/login", &[]).await;
    let mut limited = None;
    // While the requests run, a few more are permitted.
    for _ in 0..480 {
        let answer = steps.ask(&mut person).await;
        if answer.status != 200 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.expect("there is no limit");
    assert_eq!(limited.status, 429);
    assert!(limited.header("retry-after").is_some());
    let ceremonies = people.records::<Ceremony>().await;
    assert!((240..480).contains(&ceremonies.len()), "{}", ceremonies.len());
    let now = people.running.app.now();
    assert!(ceremonies.iter().all(|one| one.expires <= now + Seconds(300)));
}
