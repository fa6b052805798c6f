//! Redemption of codes: each refusal beside the same request that is granted.

use super::world::{CALLBACK, Caller, DAY, START, World, code, grant_id, person, public, refresh_token, web};
use crate::people::PresentedSecret;
use crate::records::{AuthorizationCode, Client, EventKind, Kind, PersonState, client_key};
use crate::rejection::{AdmissionReason, GrantReason, Presented, Rejection};
use testudo_protocol::oauth::authorization::KeyThumbprint;
use testudo_protocol::oauth::{Resource, ScopeSet};
use testudo_protocol::{Seconds, Timestamp};

const OTHER_VERIFIER: &str = "3641a2d12d66101249cdf7a79c000c1f8c05d2aafcf14bf146497bed";

fn stored_code(world: &World) -> Option<AuthorizationCode> {
    let (_, name) = PresentedSecret::make(grant_id(), &[3; 32]);
    world.read(name.digest.key())
}

/// The request is refused for this reason, the code is burnt, and no client and no grant is written.
#[track_caller]
fn refused_and_burnt(
    mut world: World,
    send: impl FnOnce(&mut World) -> Rejection,
    expected: impl Into<Rejection>,
) {
    let clients = world.count(Kind::Client);
    assert_eq!(send(&mut world), expected.into());
    assert!(stored_code(&world).is_none(), "the code can be tried again");
    assert_eq!(world.count(Kind::Client), clients, "a client was written");
    assert!(world.grant().is_none(), "a grant was written");
}

fn redeemed(caller: &Caller) -> impl FnOnce(&mut World) -> Rejection {
    let caller = caller.clone();
    move |world| world.redeem(&caller, "").unwrap_err()
}

// Rows TK-01, TK-12, RF-82.
#[test]
fn redemption_gives_tokens_of_the_person_and_registers_the_client() {
    let mut world = World::new();
    assert_eq!(world.count(Kind::Client), 0);
    let granted = world.redeem(&web(), "").unwrap();
    assert_eq!(granted.scope, ScopeSet::parse("read write").unwrap());
    assert_eq!(granted.resource.as_str(), "https://api.example");
    let of_person = granted.person.as_deref().unwrap();
    assert_eq!(of_person.sub, person().sub());
    assert_eq!(of_person.auth_time, Timestamp(START - 60));
    assert_eq!(of_person.acr.as_deref(), Some("phr"));
    assert_eq!(of_person.grant_id, grant_id().to_string());
    let client: Client = world
        .read(&client_key("spiffe://a.example", web().subject))
        .unwrap();
    let grant = world.grant().unwrap();
    assert_eq!(grant.client.generation, Some(client.generation));
    assert!(stored_code(&world).unwrap().is_redeemed);
    assert!(
        !format!("{granted:?}").contains(&refresh_token(&granted)),
        "no secret"
    );
}

#[test]
fn client_that_may_not_refresh_gets_no_refresh_token() {
    let mut world = World::new();
    world.spec.grant_types = Some(vec!["authorization_code".to_owned()]);
    let granted = world.redeem(&web(), "").unwrap();
    assert_eq!(granted.members.get("refresh_token"), None);
    assert_eq!(world.count(Kind::RefreshToken), 0);
    let grant = world.grant().unwrap();
    assert_eq!(grant.live_until, Timestamp(START + granted.lifetime.0));
}

// Rows TK-02, TK-04.
#[test]
fn wrong_or_missing_verifier_burns_the_code() {
    let with = |more: String| move |world: &mut World| world.redeem_with(&web(), &more).unwrap_err();
    let wrong = format!("&code_verifier={OTHER_VERIFIER}");
    refused_and_burnt(World::new(), with(wrong), GrantReason::VerifierWrong);
    refused_and_burnt(World::new(), with(String::new()), GrantReason::VerifierMissing);
}

// Row TK-07.
#[test]
fn verifier_with_42_characters_is_malformed() {
    let mut world = World::new();
    let short = format!("&code_verifier={}", "a".repeat(42));
    let refusal = world.redeem_with(&web(), &short).unwrap_err();
    assert_eq!(refusal.name(), "code_verifier_malformed");
    assert!(world.redeem(&web(), "").is_ok());
}

// Row TK-08.
#[test]
fn second_redemption_that_is_right_revokes_what_was_issued() {
    let mut world = World::new();
    let token = refresh_token(&world.redeem(&web(), "").unwrap());
    assert_eq!(
        world.redeem(&web(), "").unwrap_err(),
        GrantReason::CodeUsed.into()
    );
    assert!(world.grant().is_none());
    let event = world.store.events.last().unwrap();
    assert_eq!(event.event, EventKind::GrantRevoked);
    assert_eq!(event.person, Some(person().sub()));
    assert_eq!(event.reason.as_deref(), Some("code_used"));
    let refusal = world.refresh(&web(), &token, "").unwrap_err();
    assert_eq!(refusal, GrantReason::GrantRevoked.into());
}

// Row TK-09.
#[test]
fn second_redemption_that_is_wrong_revokes_nothing() {
    let other = Caller {
        subject: "spiffe://a.example/other",
        ..web()
    };
    let mut world = World::new();
    let token = refresh_token(&world.redeem(&web(), "").unwrap());
    let wrong = format!("&code_verifier={OTHER_VERIFIER}");
    assert_eq!(
        world.redeem_with(&web(), &wrong).unwrap_err(),
        GrantReason::VerifierWrong.into()
    );
    let refusal = world.redeem(&other, "").unwrap_err();
    assert_eq!(refusal, GrantReason::OfOtherClient(Presented::Code).into());
    assert!(world.grant().is_some());
    assert!(world.refresh(&web(), &token, "").is_ok());
}

// Rows TK-10, RF-86. A client without evidence is created at the registration endpoint only.
#[test]
fn code_is_redeemed_only_by_the_identity_for_which_it_was_issued() {
    let other = Caller {
        subject: "spiffe://a.example/other",
        ..web()
    };
    let reason = GrantReason::OfOtherClient(Presented::Code);
    refused_and_burnt(World::new(), redeemed(&other), reason);
    let by = "clients without evidence".to_owned();
    refused_and_burnt(
        World::new(),
        redeemed(&public()),
        AdmissionReason::FirstUseOff { by },
    );
}

// Row TK-11.
#[test]
fn code_is_redeemed_before_its_end_and_not_at_it() {
    let mut in_time = World::new();
    in_time.now = START + 59;
    assert!(in_time.redeem(&web(), "").is_ok());
    let mut late = World::new();
    late.now = START + 60;
    refused_and_burnt(late, redeemed(&web()), GrantReason::GrantExpired(Presented::Code));
}

// Row TK-13.
#[test]
fn redirect_uri_must_be_that_of_the_request_if_it_is_sent() {
    let right = format!("&redirect_uri={CALLBACK}");
    assert!(World::new().redeem(&web(), &right).is_ok());
    let slash = format!("&redirect_uri={CALLBACK}/");
    let send = |world: &mut World| world.redeem(&web(), &slash).unwrap_err();
    refused_and_burnt(World::new(), send, GrantReason::RedirectUriDiffers);
}

// Rows G-08, F-28.
#[test]
fn code_that_is_bound_to_a_key_needs_a_proof_of_this_key() {
    let bound = |code: &mut AuthorizationCode| code.bound_to.dpop_key = Some(KeyThumbprint([7; 32]));
    let with = |dpop_key: Option<[u8; 32]>| Caller { dpop_key, ..web() };
    assert!(
        World::with(&web(), bound)
            .redeem(&with(Some([7; 32])), "")
            .is_ok()
    );
    for wrong in [None, Some([8; 32])] {
        let reason = GrantReason::KeyNotProven(Presented::Code);
        refused_and_burnt(World::with(&web(), bound), redeemed(&with(wrong)), reason);
    }
}

#[test]
fn account_that_is_locked_or_left_the_group_gets_no_tokens() {
    let in_group = |world: &mut World| world.spec.groups = vec!["staff".to_owned()];
    let mut member = World::new();
    in_group(&mut member);
    assert!(member.redeem(&web(), "").is_ok());

    let mut left = World::new();
    in_group(&mut left);
    left.change_person(|person| person.groups.clear());
    let rule = "web".to_owned();
    refused_and_burnt(left, redeemed(&web()), GrantReason::NotInGroup { rule });

    for state in [PersonState::Locked, PersonState::Removed] {
        let mut locked = World::new();
        locked.change_person(|person| person.state = state);
        refused_and_burnt(locked, redeemed(&web()), GrantReason::PersonNotActive);
    }
}

// Row RF-91.
#[test]
fn rule_that_was_tightened_after_the_code_was_issued_applies() {
    let mut narrowed = World::new();
    narrowed.spec.scopes = vec!["read".to_owned()];
    let granted = narrowed.redeem(&web(), "").unwrap();
    assert_eq!(granted.scope, ScopeSet::parse("read").unwrap());

    let mut emptied = World::new();
    emptied.spec.scopes = vec!["other".to_owned()];
    let refused = AdmissionReason::ScopeNotAllowed {
        rule: "web".to_owned(),
        refused: "read".to_owned(),
    };
    refused_and_burnt(emptied, redeemed(&web()), refused);

    let mut without_grant = World::new();
    without_grant.spec.grant_types = None;
    let rule = "web".to_owned();
    refused_and_burnt(
        without_grant,
        redeemed(&web()),
        AdmissionReason::GrantNotAllowed { rule },
    );

    let mut without_resource = World::new();
    without_resource.spec.resources = vec!["https://other.example".to_owned()];
    let refused = AdmissionReason::ResourceNotAllowed {
        rule: "web".to_owned(),
        refused: "https://api.example".to_owned(),
    };
    refused_and_burnt(without_resource, redeemed(&web()), refused);
}

// Row AZ-28.
#[test]
fn token_is_only_for_a_resource_that_the_person_granted() {
    let granted_both = |code: &mut AuthorizationCode| {
        code.terms
            .resources
            .push(Resource::parse("https://other.example").unwrap());
    };
    let other = "&resource=https://other.example";
    let granted = World::with(&web(), granted_both).redeem(&web(), other).unwrap();
    assert_eq!(granted.resource.as_str(), "https://other.example");
    let refused = "https://other.example".to_owned();
    let send = |world: &mut World| world.redeem(&web(), other).unwrap_err();
    refused_and_burnt(World::new(), send, GrantReason::ResourceNotGranted { refused });
}

// Row RX-05.
#[test]
fn access_token_does_not_outlive_the_authorization() {
    let ends_in =
        |seconds: i64| move |code: &mut AuthorizationCode| code.terms.ends = Some(Timestamp(START + seconds));
    let granted = World::with(&web(), ends_in(100)).redeem(&web(), "").unwrap();
    assert_eq!(granted.lifetime, Seconds(100));
    let granted = World::with(&web(), ends_in(90 * DAY)).redeem(&web(), "").unwrap();
    assert_eq!(granted.lifetime, Seconds(300));
    let ended = World::with(&web(), ends_in(0));
    refused_and_burnt(ended, redeemed(&web()), GrantReason::AuthorizationEnded);
}

// Row DR-132.
#[test]
fn code_of_an_earlier_client_of_the_identity_is_refused() {
    let of =
        |generation: Option<u32>| move |code: &mut AuthorizationCode| code.client.generation = generation;
    assert!(World::with(&web(), of(Some(1))).redeem(&web(), "").is_ok());
    let earlier = World::with(&web(), of(Some(7)));
    refused_and_burnt(
        earlier,
        redeemed(&web()),
        GrantReason::OfEarlierClient(Presented::Code),
    );
}

#[test]
fn text_that_is_no_code_is_refused_like_an_unknown_code() {
    let mut world = World::new();
    for text in ["x".to_owned(), code().replace('A', "B"), "A".repeat(86)] {
        let form = format!("&code_verifier={OTHER_VERIFIER}");
        let sent = format!("grant_type=authorization_code&code={text}{form}");
        let refusal = world.send(&web(), &sent).unwrap_err();
        assert_eq!(
            refusal,
            GrantReason::GrantUnknown(Presented::Code).into(),
            "{text}"
        );
    }
    assert!(world.redeem(&web(), "").is_ok());
}
