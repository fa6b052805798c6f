//! Sign-in, groups, consent and the code.

use super::world::{CALLBACK, WEB, World, must_sign_in, page, person, responded, session, to_session};
use crate::identity::{Authority, CredentialKind};
use crate::occasions::authorize::ConsentAnswer;
use crate::people::PresentedSecret;
use crate::policy::{ClientMethod, ScopeDescription};
use crate::records::{
    AuthorizationCode, Client, Consent, EventKind, Kind, PersonState, PushedRequest, Session,
};
use crate::rejection::{AuthorizationReason, Rejection};
use crate::rules::ConsentForm;
use testudo_protocol::oauth::Scope;
use testudo_protocol::oauth::authorization::KeyThumbprint;
use testudo_protocol::{Seconds, Timestamp};

const DAY: i64 = 86_400;

fn reason(reason: AuthorizationReason) -> Rejection {
    reason.into()
}

fn code_of(world: &World, text: &str) -> AuthorizationCode {
    let name = PresentedSecret::parse(text).unwrap();
    world.store.read(name.digest.key()).unwrap()
}

// Row F-28.
#[test]
fn code_has_what_was_granted_and_what_it_is_bound_to() {
    let mut world = World::new();
    world.sign_in(1, world.now - 60, Some("phr"));
    let code = responded(world.agree(
        WEB,
        "&scope=write&dpop_jkt=BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU",
    ))
    .unwrap();
    let stored = code_of(&world, &code);
    assert_eq!(stored.name.grant.person(), person());
    assert_eq!(stored.redirect_uri.as_str(), CALLBACK);
    assert_eq!(stored.client.generation, None);
    assert_eq!(stored.bound_to.dpop_key, Some(KeyThumbprint([5; 32])));
    assert_eq!(stored.expires, Timestamp(world.now + 60));
    assert_eq!(stored.terms.scope.to_string(), "write");
    assert_eq!(stored.terms.resources[0].as_str(), "https://api.example");
    assert_eq!(stored.terms.auth_time, Timestamp(world.now - 60));
    assert_eq!(stored.terms.acr.as_deref(), Some("phr"));
    assert_eq!(stored.terms.ends, Some(Timestamp(world.now + 90 * DAY)));
    let event = world.store.events.last().unwrap();
    assert_eq!(event.event, EventKind::ConsentGiven);
    assert_eq!(event.grant, Some(stored.name.grant.to_string()));
    let uri = world.pushed("");
    let sent = format!("client_id={WEB}&request_uri={uri}");
    world.answer = ConsentAnswer::Accept(page(world.send(&sent)).shown);
    let code = responded(world.send(&sent)).unwrap();
    let pushed = code_of(&world, &code);
    assert_eq!(pushed.bound_to.instance_key, Some(KeyThumbprint([5; 32])));
    assert_eq!(pushed.client.generation, Some(1));
}

// Row RX-06.
#[test]
fn authorization_ends_with_the_shortest_lifetime_of_its_scopes() {
    let mut world = World::new();
    let described = ScopeDescription {
        text: "change your orders".into(),
        authorization_lifetime: Some(Seconds(DAY)),
    };
    world.policy.scopes = [(Scope::parse("write").unwrap(), described)]
        .into_iter()
        .collect();
    for (scope, lasts) in [("read", 90 * DAY), ("write", DAY), ("read+write", DAY)] {
        let more = format!("&prompt=consent&scope={scope}");
        assert_eq!(page(world.visit(WEB, &more)).content.lasts, Some(Seconds(lasts)));
        let code = responded(world.agree(WEB, &more)).unwrap();
        assert_eq!(
            code_of(&world, &code).terms.ends,
            Some(Timestamp(world.now + lasts))
        );
    }
    // What is granted to a client ends with the client.
    world.spec.client_lifetime = Some("10d".to_owned());
    for (scope, lasts) in [("read", 10 * DAY), ("write", DAY)] {
        let more = format!("&prompt=consent&scope={scope}");
        assert_eq!(page(world.visit(WEB, &more)).content.lasts, Some(Seconds(lasts)));
    }
    world.spec.client_lifetime = None;
    world.spec.authorization_lifetime = Some("none".to_owned());
    let code = responded(world.agree(WEB, "&prompt=consent")).unwrap();
    assert_eq!(code_of(&world, &code).terms.ends, None);
}

#[test]
fn visitor_without_a_session_that_is_alive_signs_in() {
    let mut world = World::new();
    page(world.visit(WEB, ""));
    for other in [None, Some(session(2))] {
        world.session = other;
        must_sign_in(world.visit(WEB, ""));
        let refused = responded(world.visit(WEB, "&prompt=none")).unwrap_err();
        assert_eq!(refused, reason(AuthorizationReason::SignInNeeded));
    }
    world.session = Some(session(1));
    world.now += 3600;
    must_sign_in(world.visit(WEB, ""));
    world.now -= 3600;
    world.change_person(|person| person.state = PersonState::Locked);
    must_sign_in(world.visit(WEB, ""));
    world.change_person(|person| person.state = PersonState::Active);
    world.policy.login = None;
    must_sign_in(world.visit(WEB, ""));
}

#[test]
fn prompt_and_max_age_demand_a_sign_in_since_the_first_visit() {
    let mut world = World::new();
    let begun = world.now;
    page(world.visit(WEB, "&max_age=60"));
    for more in [
        "&prompt=login",
        "&prompt=select_account",
        "&max_age=59",
        "&max_age=0",
    ] {
        (world.now, world.begun) = (begun, None);
        world.session = Some(session(1));
        must_sign_in(world.visit(WEB, more));
        // The browser comes back with the old session: it needs a new one.
        world.begun = Some(begun);
        must_sign_in(world.visit(WEB, more));
        world.sign_in(2, begun + 5, None);
        world.session = Some(session(2));
        world.now = begun + 9;
        page(world.visit(WEB, more));
    }
    let refused = responded(world.visit(WEB, "&prompt=none&max_age=1"));
    page(world.visit(WEB, ""));
    assert_eq!(refused.unwrap_err(), reason(AuthorizationReason::ConsentNeeded));
    world.begun = None;
    let refused = responded(world.visit(WEB, "&prompt=none&max_age=1"));
    assert_eq!(refused.unwrap_err(), reason(AuthorizationReason::SignInNeeded));
}

#[test]
fn acr_values_demand_a_sign_in_of_that_kind_and_are_refused_after_another_one() {
    let mut world = World::new();
    must_sign_in(world.visit(WEB, "&acr_values=phr"));
    let refused = responded(world.visit(WEB, "&acr_values=phr&prompt=none")).unwrap_err();
    assert_eq!(refused, reason(AuthorizationReason::AcrUnmet));
    world.begun = Some(world.now - 60);
    let refused = responded(world.visit(WEB, "&acr_values=phr")).unwrap_err();
    assert_eq!(refused, reason(AuthorizationReason::AcrUnmet));
    world.sign_in(1, world.now - 60, Some("phr"));
    page(world.visit(WEB, "&acr_values=other+phr"));
}

#[test]
fn person_outside_of_the_groups_of_the_rule_is_refused_and_the_client_gets_the_error() {
    let mut world = World::new();
    world.spec.groups = vec!["staff".to_owned()];
    page(world.visit(WEB, ""));
    world.spec.groups = vec!["ops".to_owned()];
    let rule = "web".to_owned();
    let refused = responded(world.visit(WEB, "")).unwrap_err();
    assert_eq!(refused, reason(AuthorizationReason::GroupMissing { rule }));
}

#[test]
fn consent_is_remembered_until_something_that_the_page_shows_changes() {
    let mut world = World::new();
    responded(world.agree(WEB, "")).unwrap();
    responded(world.visit(WEB, "")).unwrap();
    responded(world.visit(WEB, "&prompt=none")).unwrap();
    page(world.visit(WEB, "&prompt=consent"));
    page(world.visit(WEB, "&scope=write"));
    page(world.visit(WEB, "&resource=https://other.example"));
    world.spec.client_name = Some("Another name".to_owned());
    page(world.visit(WEB, ""));
    world.spec.client_name = None;
    responded(world.visit(WEB, "")).unwrap();
    world.now += 90 * DAY;
    world.sign_in(1, world.now, None);
    page(world.visit(WEB, ""));
    // A new answer takes the place of the earlier one.
    responded(world.agree(WEB, "&scope=write")).unwrap();
    let consents = world.store.all::<Consent>();
    assert_eq!(consents.len(), 1);
    assert_eq!(consents[0].given, Timestamp(world.now));
    assert_eq!(consents[0].scope.to_string(), "write");
}

/// [RFC8252 §8.6] The client has no record before its first token: its entry says that it is public.
#[test]
fn consent_to_a_configured_public_client_on_the_device_is_asked_for_each_time() {
    let certificate = || ClientMethod::SelfSigned(vec![[0; 32]]);
    for (method, redirect_uri, is_asked) in [
        (ClientMethod::Public, "http://127.0.0.1/cb", true),
        (ClientMethod::Public, "http://localhost/cb", true),
        (ClientMethod::Public, "https://app.example/cb", false),
        (certificate(), "http://127.0.0.1/cb", false),
    ] {
        let mut world = World::new();
        world.configure("app", method, redirect_uri);
        responded(world.agree("app", "")).unwrap();
        let again = world.visit("app", "");
        match is_asked {
            true => _ = page(again),
            false => _ = responded(again).unwrap(),
        }
        let silent = responded(world.visit("app", "&prompt=none"));
        let expected = is_asked.then(|| reason(AuthorizationReason::ConsentNeeded));
        assert_eq!(silent.err(), expected, "{redirect_uri}");
    }
}

/// The entry counts, and not the credential of earlier requests that the record still has.
#[test]
fn client_that_became_public_is_asked_for_on_the_device() {
    let mut world = World::new();
    world.configure("app", ClientMethod::Public, "http://127.0.0.1/cb");
    let record = Client {
        authority: Authority::configuration().key().to_owned(),
        subject: "app".to_owned(),
        client_id: "app".to_owned(),
        first_credential: CredentialKind::PrivateKeyJwt,
        last_credential: CredentialKind::PrivateKeyJwt,
        ..world.known()
    };
    world.store.put(&record);
    responded(world.agree("app", "")).unwrap();
    page(world.visit("app", ""));
    world.configure(
        "app",
        ClientMethod::SelfSigned(vec![[0; 32]]),
        "http://127.0.0.1/cb",
    );
    responded(world.visit("app", "")).unwrap();
}

#[test]
fn answer_to_another_page_or_of_another_session_gives_no_code() {
    let mut world = World::new();
    let narrow = page(world.visit(WEB, "&scope=read")).shown;
    let swapped = world.answered(ConsentAnswer::Accept(narrow), WEB, "&scope=write");
    assert_eq!(swapped.unwrap_err(), reason(AuthorizationReason::ConsentDiffers));
    world.sign_in(2, world.now, None);
    for answer in [ConsentAnswer::Accept, ConsentAnswer::Deny] {
        let other = world.answered(answer(to_session(narrow, 2)), WEB, "&scope=read");
        assert_eq!(other.unwrap_err(), reason(AuthorizationReason::SessionDiffers));
    }
    assert_eq!(world.store.count(Kind::AuthorizationCode), 0);
    responded(world.answered(ConsentAnswer::Accept(narrow), WEB, "&scope=read")).unwrap();
    assert_eq!(world.store.count(Kind::AuthorizationCode), 1);
}

#[test]
fn person_who_refuses_ends_the_request_and_no_consent_is_kept() {
    let mut world = World::new();
    let uri = world.pushed("");
    let sent = format!("client_id={WEB}&request_uri={uri}");
    world.answer = ConsentAnswer::Deny(page(world.send(&sent)).shown);
    let refused = responded(world.send(&sent)).unwrap_err();
    assert_eq!(refused, reason(AuthorizationReason::ConsentRefused));
    assert!(world.store.all::<PushedRequest>().is_empty());
    assert_eq!(world.store.count(Kind::Consent), 0);
    assert_eq!(world.store.count(Kind::AuthorizationCode), 0);
    assert_eq!(world.store.events.last().unwrap().event, EventKind::ConsentDenied);
}

#[test]
fn rule_that_trusts_its_clients_shows_no_page_and_keeps_no_consent() {
    let mut world = World::new();
    world.spec.consent = ConsentForm::Trusted;
    let code = responded(world.visit(WEB, "&prompt=none")).unwrap();
    assert_eq!(code_of(&world, &code).terms.consent, None);
    assert_eq!(world.store.count(Kind::Consent), 0);
    page(world.visit(WEB, "&prompt=consent"));
}

// Row AZ-03.
#[test]
fn public_client_on_a_device_asks_each_time_and_at_any_port() {
    let mut world = World::new();
    let native = world.registered("http://127.0.0.1/cb");
    for port in [":1", ":50000"] {
        let more = format!("&redirect_uri=http://127.0.0.1{port}/cb");
        responded(world.agree(&native, &more)).unwrap();
        page(world.visit(&native, &more));
    }
    let mut world = World::new();
    let web = world.registered("https://app.example/cb");
    responded(world.agree(&web, "")).unwrap();
    responded(world.visit(&web, "")).unwrap();
}

#[test]
fn what_a_client_says_of_itself_is_apart_from_what_its_rule_says() {
    let mut world = World::new();
    world.spec.client_name = Some("Web of {service}".to_owned());
    let named = page(world.visit(WEB, "")).content.client;
    assert_eq!(named.name.as_deref(), Some("Web of web"));
    assert!(named.stated.is_empty());
    let id = world.registered("https://app.example/cb");
    let registered = page(world.visit(&id, "")).content.client;
    assert_eq!(registered.name, None);
    assert_eq!(registered.stated[0], ("client_name", "Shop".to_owned()));
}

#[test]
fn use_of_a_session_is_written_at_most_once_a_minute() {
    let mut world = World::new();
    let last_used = |world: &World| world.store.all::<Session>()[0].last_used;
    page(world.visit(WEB, ""));
    assert_eq!(last_used(&world), Timestamp(world.now));
    world.now += 59;
    page(world.visit(WEB, ""));
    assert_eq!(last_used(&world), Timestamp(world.now - 59));
}
