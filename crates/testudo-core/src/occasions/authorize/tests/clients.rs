//! Which clients may send a browser, and where a refusal goes.

use super::world::{CALLBACK, SHOP_CALLBACK, WEB, World, page, responded, response};
use crate::occasions::authorize::Authorized;
use crate::records::{Block, Client, ClientState, Kind};
use crate::rejection::{AdmissionReason, AuthorizationReason, Rejection};
use crate::rules::PushedAuthorization;
use crate::rules::blocks::Blocks;
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::IssuerUrl;
use testudo_protocol::oauth::authorization::{AuthorizationRequestError, Delivery};
use testudo_protocol::oauth::redirect_uri::RedirectUriMismatch;

/// The request is refused on a page, and no response is sent to a redirect URI.
#[track_caller]
fn on_page(outcome: Result<Authorized, Rejection>, expected: impl Into<Rejection>) {
    assert_eq!(outcome.unwrap_err(), expected.into());
}

/// The request is refused, and the client gets the error.
#[track_caller]
fn by_redirect(outcome: Result<Authorized, Rejection>, expected: impl Into<Rejection>) {
    assert_eq!(responded(outcome).unwrap_err(), expected.into());
}

fn mismatch(mismatch: RedirectUriMismatch) -> AuthorizationReason {
    AuthorizationReason::RedirectRefused(mismatch)
}

fn malformed(error: AuthorizationRequestError) -> AuthorizationReason {
    AuthorizationReason::ParametersWrong(error)
}

// Rows RF-82, RF-88.
#[test]
fn identity_without_a_record_asks_as_a_known_one_does_and_nothing_is_written_for_it() {
    let (mut unknown, mut known) = (World::new(), World::new());
    known.known();
    let pages = [&mut unknown, &mut known].map(|world| page(world.visit(WEB, "")));
    assert_eq!(pages[0].content, pages[1].content);
    assert!(pages[0].content.client.is_provisional);
    assert_eq!(pages[0].content.client.redirect, "https://web.pay.apps.example");
    // Refusals are alike as well.
    for more in [
        "&redirect_uri=https://evil.example/",
        "&scope=admin",
        "&resource=https://x.example",
        "&prompt=none",
    ] {
        let refusals = [&mut unknown, &mut known].map(|world| format!("{:?}", world.visit(WEB, more)));
        assert_eq!(refusals[0], refusals[1], "{more}");
    }
    responded(unknown.agree(WEB, "")).unwrap();
    assert_eq!(unknown.store.count(Kind::Client), 0);
}

// Rows AZ-01, AZ-02, RF-83.
#[test]
fn redirect_uri_that_is_not_exactly_one_of_the_client_is_refused_on_a_page() {
    let mut world = World::new();
    page(world.visit(WEB, &format!("&redirect_uri={CALLBACK}")));
    page(world.visit(WEB, ""));
    for foreign in [
        "https://evil.example/",
        "https://web.pay.apps.example/callback/",
        "https://web.pay.apps.example/callback?x=1",
        "http://web.pay.apps.example/callback",
        "https://api.pay.apps.example/callback",
        SHOP_CALLBACK,
    ] {
        let visited = world.visit(WEB, &format!("&redirect_uri={foreign}"));
        on_page(visited, mismatch(RedirectUriMismatch::NotRegistered));
    }
    // What an attester once stated about the client is not used: the request does not prove that it is the client's.
    let mut known = world.known();
    known.metadata.redirect_uris = vec!["https://stated.example/".to_owned()];
    world.store.put(&known);
    let visited = world.visit(WEB, "&redirect_uri=https://stated.example/");
    on_page(visited, mismatch(RedirectUriMismatch::NotRegistered));
}

// Row RF-90.
#[test]
fn name_whose_segments_fit_in_no_host_has_no_redirect_uri() {
    let mut world = World::new();
    page(world.visit("spiffe://a.example/ns/pay/sa/api", ""));
    let long = "a".repeat(64);
    for crafted in ["evil.com%252f", "..", "-x", "x.y", "123", "X", "*", &long] {
        let visited = world.visit(&format!("spiffe://a.example/ns/pay/sa/{crafted}"), "");
        on_page(visited, mismatch(RedirectUriMismatch::NoneRegistered));
    }
    let visited = world.visit("spiffe://a.example/ns/123/sa/web", "");
    on_page(visited, mismatch(RedirectUriMismatch::NoneRegistered));
}

// Row RF-84.
#[test]
fn identity_whose_rule_demands_pushed_requests_is_refused_on_a_page() {
    let mut world = World::new();
    page(world.visit(WEB, ""));
    world.spec.pushed_authorization = Some(PushedAuthorization::Required);
    let missing = AuthorizationReason::PushMissing {
        rule: "web".to_owned(),
    };
    on_page(world.visit(WEB, ""), missing);
    let uri = world.pushed("");
    page(world.send(&format!("client_id={WEB}&request_uri={uri}")));
}

// Row AZ-19.
#[test]
fn registered_client_that_must_push_gets_the_error() {
    let mut world = World::new();
    let id = world.registered("https://app.example/cb");
    page(world.visit(&id, ""));
    let mut record: Client = world.store.all::<Client>().pop().unwrap();
    record.registration.as_mut().unwrap().must_push = true;
    world.store.put(&record);
    let rule = "registration.open".to_owned();
    by_redirect(world.visit(&id, ""), AuthorizationReason::PushMissing { rule });
    let registration = record.registration.as_mut().unwrap();
    (registration.must_push, registration.must_sign_requests) = (false, true);
    world.store.put(&record);
    by_redirect(world.visit(&id, ""), AuthorizationReason::ObjectMissing);
}

#[test]
fn client_that_a_browser_cannot_name_is_refused_on_a_page() {
    let mut world = World::new();
    page(world.visit("shop", ""));
    for unknown in [
        "shop2",
        "c_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "spiffe://b.example/ns/pay/sa/web",
        "spiffe://a.example/other",
        "spiffe://a.example",
        "u_BwcHBwcHBwcHBwcHBwcHBw",
    ] {
        on_page(world.visit(unknown, ""), AuthorizationReason::AskingClientUnknown);
    }
    // The id that this server made for a client that was removed.
    let id = World::new().registered("https://app.example/cb");
    on_page(world.visit(&id, ""), AuthorizationReason::AskingClientUnknown);
}

#[test]
fn name_under_a_rule_that_makes_other_ids_or_needs_claims_must_push() {
    let unknown = || AuthorizationReason::AskingClientUnknown;
    for change in [
        |world: &mut World| world.spec.client_id = Some("opaque".to_owned()),
        |world: &mut World| world.spec.client_id = Some("workload-{service}".to_owned()),
        |world: &mut World| {
            world.spec.identities =
                vec!["spiffe://a.example/ns/{namespace}/sa/{service}/{instance}".to_owned()];
        },
    ] {
        let mut world = World::new();
        page(world.visit(WEB, ""));
        change(&mut world);
        on_page(world.visit(WEB, ""), unknown());
        on_page(world.visit(&format!("{WEB}/1"), ""), unknown());
    }
}

#[test]
fn disabled_authority_block_freeze_and_disabled_rule_end_the_visit_on_a_page() {
    let mut world = World::new();
    page(world.visit(WEB, ""));
    world.spec.enabled = Some(false);
    let rule = "web".to_owned();
    on_page(world.visit(WEB, ""), AdmissionReason::RuleDisabled { rule });
    world.spec.enabled = None;
    let mut known = world.known();
    known.state = ClientState::Frozen;
    world.store.put(&known);
    let client_id = WEB.to_owned();
    on_page(world.visit(WEB, ""), AdmissionReason::ClientFrozen { client_id });
    world.switches.blocks = Blocks::new([&Block {
        identity: WEB.to_owned(),
        reason: None,
        by: "ops".to_owned(),
        since: Timestamp(0),
    }]);
    let by = WEB.to_owned();
    on_page(world.visit(WEB, ""), AdmissionReason::IdentityBlocked { by });
    world.switches.disabled.insert("spiffe://a.example".to_owned());
    let refused = world.visit(WEB, "").unwrap_err();
    assert_eq!(refused.name(), "authority_disabled");
    page(world.visit("shop", ""));
}

// Row RF-85.
#[test]
fn request_without_pkce_or_with_plain_is_refused_and_the_client_gets_the_error() {
    let mut world = World::new();
    let without = format!("client_id={WEB}&response_type=code&state=s");
    by_redirect(
        world.send(&without),
        malformed(AuthorizationRequestError::ChallengeMissing),
    );
    let plain = format!("{without}&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    for method in ["", "&code_challenge_method=plain"] {
        by_redirect(
            world.send(&format!("{plain}{method}")),
            malformed(AuthorizationRequestError::ChallengeMethodRefused),
        );
    }
    page(world.send(&format!("{plain}&code_challenge_method=S256")));
}

// Row AZ-06.
#[test]
fn error_is_sent_to_the_redirect_uri_with_state_and_iss() {
    let mut world = World::new();
    let issuer = IssuerUrl::parse("https://as.example").unwrap();
    let told = |outcome| match response(outcome).deliver(&issuer) {
        Delivery::Redirect(uri) => uri,
        Delivery::Form { action, .. } => panic!("{action}"),
    };
    let refused = told(world.visit(WEB, "&scope=admin"));
    assert!(
        refused.starts_with(&format!("{CALLBACK}?error=invalid_scope&")),
        "{refused}"
    );
    assert!(
        refused.ends_with("&state=s&iss=https%3A%2F%2Fas.example"),
        "{refused}"
    );
    let granted = told(world.agree(WEB, ""));
    assert!(granted.starts_with(&format!("{CALLBACK}?code=")), "{granted}");
    assert!(
        granted.ends_with("&state=s&iss=https%3A%2F%2Fas.example"),
        "{granted}"
    );
}

#[test]
fn grant_scope_and_resource_that_are_not_allowed_are_refused_and_the_client_gets_the_error() {
    let mut world = World::new();
    let rule = || "web".to_owned();
    page(world.visit(WEB, "&scope=read+write&resource=https://other.example"));
    let refused = "admin".to_owned();
    let expected = AdmissionReason::ScopeNotAllowed {
        rule: rule(),
        refused,
    };
    by_redirect(world.visit(WEB, "&scope=read+admin"), expected);
    let refused = "https://x.example".to_owned();
    let expected = AdmissionReason::ResourceNotAllowed {
        rule: rule(),
        refused,
    };
    by_redirect(
        world.visit(WEB, "&resource=https://api.example&resource=https://x.example"),
        expected,
    );
    world.spec.grant_types = None;
    by_redirect(
        world.visit(WEB, ""),
        AdmissionReason::GrantNotAllowed { rule: rule() },
    );
}

// Rows AZ-17, AZ-18.
#[test]
fn pushed_request_is_used_once_in_time_and_by_its_client() {
    let mut world = World::new();
    let uri = world.pushed("&scope=write");
    let sent = format!("client_id={WEB}&request_uri={uri}&scope=read&redirect_uri={SHOP_CALLBACK}");
    let of_other = format!("client_id=shop&request_uri={uri}");
    on_page(world.send(&of_other), AuthorizationReason::PushedRequestOfOther);
    world.now += 60;
    on_page(world.send(&sent), AuthorizationReason::PushedRequestUnknown);
    world.now -= 60;
    let asked = page(world.send(&sent));
    assert_eq!(
        asked.content.scopes[0].scope, "write",
        "parameters beside it are ignored"
    );
    assert!(!asked.content.client.is_provisional);
    world.answer = crate::occasions::authorize::ConsentAnswer::Accept(asked.shown);
    let granted = response(world.send(&sent));
    assert_eq!(granted.redirect_uri.as_str(), CALLBACK);
    granted.outcome.unwrap();
    on_page(world.send(&sent), AuthorizationReason::PushedRequestUnknown);
}

#[test]
fn pushed_request_of_a_client_that_was_removed_or_came_back_is_refused() {
    let mut world = World::new();
    let uri = world.pushed("");
    let sent = format!("client_id={WEB}&request_uri={uri}");
    page(world.send(&sent));
    let mut returned: Client = world.store.read(&World::web_key()).unwrap();
    returned.generation += 1;
    world.store.put(&returned);
    on_page(world.send(&sent), AuthorizationReason::PushedRequestUnknown);
    returned.generation -= 1;
    returned.expires = Some(Timestamp(world.now));
    world.store.put(&returned);
    on_page(world.send(&sent), AuthorizationReason::PushedRequestUnknown);
}

// Row AZ-24.
#[test]
fn request_uri_of_another_kind_is_refused_on_a_page() {
    let mut world = World::new();
    for (sent, expected) in [
        (
            "request_uri=https://app.example/r",
            malformed(AuthorizationRequestError::UriByReference),
        ),
        (
            "request_uri=urn:x&request=e30",
            malformed(AuthorizationRequestError::ObjectAndUri),
        ),
    ] {
        on_page(world.send(&format!("client_id={WEB}&{sent}")), expected);
    }
    on_page(
        world.send("response_type=code"),
        malformed(AuthorizationRequestError::ClientIdMissing),
    );
}
