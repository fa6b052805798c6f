//! Refresh: each refusal beside the same request that is granted.

use super::world::{Caller, DAY, START, World, grant_id, person, public, refresh_token, seconds, web};
use crate::grants::refresh::EARLIER_TOKENS_MAX;
use crate::grants::{Binding, Granted};
use crate::identity::{CredentialKind, SenderConstraint};
use crate::people::SecretDigest;
use crate::records::{AuthorizationCode, BoundTo, Client, Consent, EventKind, Kind, PersonState, client_key};
use crate::rejection::{AdmissionReason, GrantReason, Presented, Rejection};
use testudo_protocol::oauth::ScopeSet;
use testudo_protocol::oauth::access_token::Confirmation;
use testudo_protocol::{Seconds, Timestamp};

/// A world in which this client has redeemed its code, and the first refresh token.
pub(super) fn redeemed(client: &Caller) -> (World, String) {
    redeemed_with(client, |_| {})
}

fn redeemed_with(client: &Caller, change: impl FnOnce(&mut AuthorizationCode)) -> (World, String) {
    let mut world = World::with(client, change);
    let token = refresh_token(&world.redeem(client, "").unwrap());
    (world, token)
}

/// The refresh is refused, and the grant stands: the token is accepted from its owner.
#[track_caller]
fn refused(mut world: World, caller: &Caller, token: &str, expected: impl Into<Rejection>) {
    assert_eq!(world.refresh(caller, token, "").unwrap_err(), expected.into());
    assert!(world.grant().is_some(), "the grant ended");
}

// Row TK-26.
#[test]
fn reuse_of_a_refresh_token_after_its_successor_was_used_ends_the_grant() {
    let (mut world, first) = redeemed(&web());
    let second = refresh_token(&world.refresh(&web(), &first, "").unwrap());
    let third = refresh_token(&world.refresh(&web(), &second, "").unwrap());
    assert_eq!(
        world.refresh(&web(), &first, "").unwrap_err(),
        GrantReason::RefreshTokenUsed.into()
    );
    assert!(world.grant().is_none());
    let event = world.store.events.last().unwrap();
    assert_eq!(event.event, EventKind::GrantReused);
    assert_eq!(event.grant, Some(grant_id().to_string()));
    assert_eq!(event.person, Some(person().sub()));
    assert_eq!(
        world.refresh(&web(), &third, "").unwrap_err(),
        GrantReason::GrantRevoked.into(),
        "the family lives"
    );
}

#[test]
fn lost_answer_is_repeated_within_the_grace_and_the_lost_successor_is_dead() {
    let (mut world, first) = redeemed(&web());
    let lost = refresh_token(&world.refresh(&web(), &first, "").unwrap());
    world.now = START + 29;
    let successor = refresh_token(&world.refresh(&web(), &first, "").unwrap());
    assert_ne!(lost, successor);
    assert!(world.refresh(&web(), &successor, "").is_ok());
    let stolen = world.refresh(&web(), &lost, "").unwrap_err();
    assert_eq!(stolen, GrantReason::RefreshTokenUsed.into());
    assert!(world.grant().is_none());
}

#[test]
fn grace_ends_at_its_time_counted_from_the_first_use() {
    let (mut world, first) = redeemed(&web());
    world.refresh(&web(), &first, "").unwrap();
    world.now = START + 20;
    assert!(world.refresh(&web(), &first, "").is_ok());
    world.now = START + 30;
    let refusal = world.refresh(&web(), &first, "").unwrap_err();
    assert_eq!(refusal, GrantReason::RefreshTokenUsed.into());
}

#[test]
fn rule_without_grace_accepts_each_refresh_token_once() {
    let (mut world, first) = redeemed(&web());
    world.spec.refresh_token_grace = Some("0s".to_owned());
    assert!(world.refresh(&web(), &first, "").is_ok());
    let refusal = world.refresh(&web(), &first, "").unwrap_err();
    assert_eq!(refusal, GrantReason::RefreshTokenUsed.into());
}

#[test]
fn public_client_has_a_grace_only_if_it_proves_a_key() {
    let keyed = Caller {
        dpop_key: Some([7; 32]),
        ..public()
    };
    let (mut world, first) = redeemed(&keyed);
    world.refresh(&keyed, &first, "").unwrap();
    assert!(world.refresh(&keyed, &first, "").is_ok());

    let (mut world, first) = redeemed(&public());
    world.refresh(&public(), &first, "").unwrap();
    let refusal = world.refresh(&public(), &first, "").unwrap_err();
    assert_eq!(refusal, GrantReason::RefreshTokenUsed.into());
    assert!(world.grant().is_none());
}

// Row TK-27.
#[test]
fn refresh_token_of_another_client_is_refused_and_stays_valid() {
    let (mut world, token) = redeemed(&web());
    let other = Caller {
        subject: "spiffe://a.example/other",
        ..web()
    };
    let refusal = world.refresh(&other, &token, "").unwrap_err();
    // The identity is new, and a refused request registers no client.
    assert_eq!(
        refusal,
        GrantReason::OfOtherClient(Presented::RefreshToken).into()
    );
    assert_eq!(world.count(Kind::Client), 1);
    assert!(world.refresh(&web(), &token, "").is_ok());
}

// Rows TK-28, TK-29.
#[test]
fn refresh_may_narrow_the_scope_and_not_widen_it() {
    let (mut world, first) =
        redeemed_with(&web(), |code| code.terms.scope = ScopeSet::parse("read").unwrap());
    let wider = world.refresh(&web(), &first, "&scope=read+write").unwrap_err();
    let refused = "write".to_owned();
    assert_eq!(wider, GrantReason::ScopeNotGranted { refused }.into());
    assert!(world.refresh(&web(), &first, "&scope=read").is_ok());

    let (mut world, first) = redeemed(&web());
    let narrow = world.refresh(&web(), &first, "&scope=read").unwrap();
    assert_eq!(narrow.scope, ScopeSet::parse("read").unwrap());
    let whole = world.refresh(&web(), &refresh_token(&narrow), "").unwrap();
    assert_eq!(whole.scope, ScopeSet::parse("read write").unwrap());
}

// Row DR-102.
#[test]
fn rule_that_was_tightened_limits_the_next_refresh() {
    let (mut world, first) = redeemed(&web());
    world.spec.scopes = vec!["write".to_owned()];
    let not_allowed = |refused: &str| {
        Rejection::from(AdmissionReason::ScopeNotAllowed {
            rule: "web".to_owned(),
            refused: refused.to_owned(),
        })
    };
    assert_eq!(
        world.refresh(&web(), &first, "&scope=read").unwrap_err(),
        not_allowed("read")
    );
    let left = world.refresh(&web(), &first, "").unwrap();
    assert_eq!(left.scope, ScopeSet::parse("write").unwrap());
    world.spec.scopes = vec!["other".to_owned()];
    let refusal = world.refresh(&web(), &refresh_token(&left), "").unwrap_err();
    assert_eq!(refusal, not_allowed("read"));
}

// Row TK-30.
#[test]
fn refresh_token_of_a_public_client_is_bound_to_the_key_of_its_dpop_proof() {
    let with = |dpop_key: Option<[u8; 32]>| Caller { dpop_key, ..public() };
    for wrong in [None, Some([8; 32])] {
        let (world, token) = redeemed(&with(Some([7; 32])));
        let reason = GrantReason::KeyNotProven(Presented::RefreshToken);
        refused(world, &with(wrong), &token, reason);
    }
    let (mut world, token) = redeemed(&with(Some([7; 32])));
    assert!(world.refresh(&with(Some([7; 32])), &token, "").is_ok());
    // [RFC9449 §5] A client that authenticates may change the key.
    let (mut world, token) = redeemed(&Caller {
        dpop_key: Some([7; 32]),
        ..web()
    });
    assert!(world.refresh(&web(), &token, "").is_ok());
}

// [RFC8705 §4] [RFC8705 §7.1]
#[test]
fn tokens_of_a_public_client_are_bound_to_its_certificate_where_that_is_demanded() {
    let with = |certificate: Option<[u8; 32]>| Caller {
        certificate,
        ..public()
    };
    let demanding = || {
        let mut world = World::with(&public(), |_| {});
        world.spec.sender_constraint = Some(SenderConstraint::Mtls);
        world
    };
    let own = with(Some([7; 32]));
    let mut world = demanding();
    let first = world.redeem(&own, "").unwrap();
    let binding = first.binding.as_ref().map(Binding::confirmation);
    assert_eq!(binding, Some(Confirmation::new(None, Some(&[7; 32]))));
    let token = refresh_token(&first);
    let not_proven = GrantReason::KeyNotProven(Presented::RefreshToken).into();
    assert_eq!(
        world.refresh(&with(Some([8; 32])), &token, "").unwrap_err(),
        not_proven
    );
    let missing = AdmissionReason::BindingMissing {
        rule: "web".to_owned(),
        constraint: SenderConstraint::Mtls,
    };
    let missing = Rejection::from(missing);
    assert_eq!(world.refresh(&public(), &token, "").unwrap_err(), missing);
    let second = world.refresh(&own, &token, "").unwrap();
    // The client proves a key, so an answer that was lost is repeated.
    assert!(world.refresh(&own, &token, "").is_ok());
    assert!(second.binding.is_some());
    assert_eq!(demanding().redeem(&public(), "").unwrap_err(), missing);

    // Where nothing demands it, a certificate binds nothing.
    let (mut world, token) = redeemed(&own);
    assert_eq!(world.grant().unwrap().bound_to, BoundTo::default());
    assert_eq!(world.refresh(&public(), &token, "").unwrap().binding, None);
    // A client that authenticates renews its certificate.
    let mut world = World::new();
    world.spec.sender_constraint = Some(SenderConstraint::Mtls);
    let workload = |certificate: [u8; 32]| Caller {
        certificate: Some(certificate),
        ..web()
    };
    let token = refresh_token(&world.redeem(&workload([7; 32]), "").unwrap());
    assert!(world.refresh(&workload([8; 32]), &token, "").is_ok());
}

// Rows F-25, F-26, F-27.
#[test]
fn refresh_token_is_bound_to_the_attested_instance_and_not_to_the_key_of_an_svid() {
    let with = |kind, key| Caller {
        kind,
        confirmation: key,
        ..web()
    };
    let (world, token) = redeemed(&with(CredentialKind::Attestation, Some(0)));
    let other_key = with(CredentialKind::Attestation, Some(1));
    let reason = GrantReason::KeyNotProven(Presented::RefreshToken);
    refused(world, &other_key, &token, reason.clone());
    let (world, token) = redeemed(&with(CredentialKind::Attestation, Some(0)));
    refused(world, &with(CredentialKind::JwtSvid, None), &token, reason);
    let (mut world, token) = redeemed(&with(CredentialKind::Attestation, Some(0)));
    assert!(
        world
            .refresh(&with(CredentialKind::Attestation, Some(0)), &token, "")
            .is_ok()
    );
    let (mut world, token) = redeemed(&with(CredentialKind::WitSvid, Some(0)));
    assert!(
        world
            .refresh(&with(CredentialKind::WitSvid, Some(1)), &token, "")
            .is_ok()
    );
}

// Row DR-132.
#[test]
fn client_that_was_removed_and_returned_cannot_use_its_old_refresh_token() {
    let (mut world, token) = redeemed(&web());
    let mut grant = world.grant().unwrap();
    grant.client.generation = Some(2);
    world.put(&grant);
    refused(
        world,
        &web(),
        &token,
        GrantReason::OfEarlierClient(Presented::RefreshToken),
    );
}

#[test]
fn locked_account_and_lost_group_end_the_refresh_and_not_the_grant() {
    let (mut world, token) = redeemed(&web());
    world.change_person(|person| person.state = PersonState::Locked);
    refused(world, &web(), &token, GrantReason::PersonNotActive);
    let (mut world, token) = redeemed(&web());
    world.spec.groups = vec!["admins".to_owned()];
    let rule = "web".to_owned();
    refused(world, &web(), &token, GrantReason::NotInGroup { rule });
}

/// The days of the draft: the idle lifetime is 7 days, the authorization lasts 10 days.
fn of_the_draft() -> World {
    let ends = Some(Timestamp(START + 10 * DAY));
    let mut world = World::with(&web(), |code| code.terms.ends = ends);
    world.spec.refresh_token_idle_lifetime = Some("7d".to_owned());
    world
}

// Rows RX-01, RX-02, RX-03.
#[test]
fn refresh_token_timeout_never_exceeds_what_is_left_of_the_authorization() {
    let mut world = of_the_draft();
    let mut granted = world.redeem(&web(), "").unwrap();
    let mut seen = vec![(0, granted.clone())];
    for day in [2, 7] {
        world.now = START + day * DAY;
        granted = world.refresh(&web(), &refresh_token(&granted), "").unwrap();
        seen.push((day, granted.clone()));
    }
    let members: Vec<_> = seen
        .iter()
        .map(|(day, granted)| {
            let timeout = seconds(granted, "refresh_token_timeout");
            (*day, timeout, seconds(granted, "authorization_expires_in"))
        })
        .collect();
    let expected = [
        (0, Some(604_800), Some(864_000)),
        (2, Some(604_800), Some(691_200)),
        (7, Some(259_200), Some(259_200)),
    ];
    assert_eq!(members, expected);
    world.now = START + 10 * DAY;
    let refusal = world.refresh(&web(), &refresh_token(&granted), "").unwrap_err();
    assert_eq!(refusal, GrantReason::AuthorizationEnded.into());
}

// Row RX-04.
#[test]
fn refresh_token_that_was_not_used_in_time_is_refused() {
    for (seconds, is_in_time) in [(7 * DAY - 1, true), (7 * DAY, false), (8 * DAY, false)] {
        let mut world = of_the_draft();
        let token = refresh_token(&world.redeem(&web(), "").unwrap());
        world.now = START + seconds;
        let outcome = world.refresh(&web(), &token, "");
        assert_eq!(outcome.is_ok(), is_in_time, "after {seconds} s");
        if let Err(refusal) = outcome {
            assert_eq!(refusal, GrantReason::GrantExpired(Presented::RefreshToken).into());
        }
    }
}

/// The members of an answer that state how long the refresh token and the authorization last.
fn deadlines(granted: &Granted) -> (Option<i64>, Option<i64>) {
    let of = |name| seconds(granted, name);
    (of("refresh_token_timeout"), of("authorization_expires_in"))
}

#[test]
fn refresh_token_authorization_and_access_token_end_with_the_client_at_the_latest() {
    let (days_5, days_90) = (Some(5 * DAY), Some(90 * DAY));
    for (client_ends, authorization_ends, expected) in [
        (None, days_90, (Some(14 * DAY), days_90)),
        (Some(95 * DAY), days_90, (Some(14 * DAY), days_90)),
        (days_5, days_90, (days_5, days_5)),
        (days_5, None, (days_5, days_5)),
        (Some(40), days_90, (Some(40), Some(40))),
    ] {
        let at = |seconds: i64| Timestamp(START + seconds);
        let mut world = World::with(&public(), |code| code.terms.ends = authorization_ends.map(at));
        let client: Client = world.read(&client_key("registration", "c_1")).unwrap();
        world.put(&Client {
            expires: client_ends.map(at),
            ..client
        });
        let redeemed = world.redeem(&public(), "").unwrap();
        let refreshed = world.refresh(&public(), &refresh_token(&redeemed), "").unwrap();
        for granted in [redeemed, refreshed] {
            assert_eq!(deadlines(&granted), expected, "client ends {client_ends:?}");
            let is_shorter = client_ends == Some(40);
            assert_eq!(
                granted.lifetime == Seconds(40),
                is_shorter,
                "{:?}",
                granted.lifetime
            );
        }
    }
    // A client that registers with its code ends as its rule says.
    let mut world = World::new();
    world.spec.client_lifetime = Some("3d".to_owned());
    let redeemed = world.redeem(&web(), "").unwrap();
    assert_eq!(deadlines(&redeemed), (Some(3 * DAY), Some(3 * DAY)));
    world.now = START + DAY;
    let refreshed = world.refresh(&web(), &refresh_token(&redeemed), "").unwrap();
    assert_eq!(deadlines(&refreshed), (Some(2 * DAY), Some(2 * DAY)));
}

// Row RX-07.
#[test]
fn authorization_without_end_has_only_the_timeout() {
    let (mut world, token) = redeemed_with(&web(), |code| code.terms.ends = None);
    let granted = world.refresh(&web(), &token, "").unwrap();
    assert_eq!(seconds(&granted, "refresh_token_timeout"), Some(14 * DAY));
    assert_eq!(seconds(&granted, "authorization_expires_in"), None);
}

#[test]
fn client_that_refreshes_without_end_keeps_a_bounded_number_of_records() {
    let (mut world, first) = redeemed(&web());
    let mut token = first.clone();
    for _ in 0..3 * EARLIER_TOKENS_MAX {
        token = refresh_token(&world.refresh(&web(), &token, "").unwrap());
    }
    assert_eq!(world.count(Kind::RefreshToken), EARLIER_TOKENS_MAX + 1);
    let refusal = world.refresh(&web(), &first, "").unwrap_err();
    assert_eq!(refusal, GrantReason::GrantUnknown(Presented::RefreshToken).into());
    assert!(world.refresh(&web(), &token, "").is_ok());
}

#[test]
fn text_with_the_id_of_a_grant_that_is_no_refresh_token_does_not_end_the_grant() {
    let (mut world, token) = redeemed(&web());
    let (forged, _) = crate::people::PresentedSecret::make(grant_id(), &[200; 32]);
    let refusal = world.refresh(&web(), &forged, "").unwrap_err();
    assert_eq!(refusal, GrantReason::GrantUnknown(Presented::RefreshToken).into());
    assert!(world.refresh(&web(), &token, "").is_ok());
}

/// The person consents at this time, for ten more days, to what a page with this digest showed.
fn consent_again(world: &mut World, given: i64, shown: [u8; 32]) {
    let client = world.grant().unwrap().client;
    world.put(&Consent {
        person: person(),
        client,
        scope: ScopeSet::parse("read write").unwrap(),
        shown: SecretDigest::of_bytes(shown),
        given: Timestamp(given),
        until: Some(Timestamp(given + 10 * DAY)),
    });
}

fn granted_for_ten_days() -> (World, String) {
    redeemed_with(&web(), |code| {
        code.terms.ends = Some(Timestamp(START + 10 * DAY));
        code.terms.consent = Some(SecretDigest::of_bytes([4; 32]));
    })
}

// Row RX-11.
#[test]
fn person_who_consents_to_the_same_again_before_the_end_moves_the_end_of_live_refresh_tokens() {
    let (mut world, token) = granted_for_ten_days();
    consent_again(&mut world, START + 8 * DAY, [4; 32]);
    // After the end that was granted first.
    world.now = START + 12 * DAY;
    let refreshed = world.refresh(&web(), &token, "").unwrap();
    assert_eq!(seconds(&refreshed, "authorization_expires_in"), Some(6 * DAY));
    assert_eq!(
        world.grant().unwrap().terms.ends,
        Some(Timestamp(START + 18 * DAY))
    );
    world.now = START + 18 * DAY;
    let refusal = world.refresh(&web(), &refresh_token(&refreshed), "").unwrap_err();
    assert_eq!(refusal, GrantReason::AuthorizationEnded.into());
}

#[test]
fn consent_to_something_else_or_after_the_end_moves_no_end_and_none_makes_it_shorter() {
    for (given, shown) in [(START + 8 * DAY, [5; 32]), (START + 10 * DAY, [4; 32])] {
        let (mut world, token) = granted_for_ten_days();
        consent_again(&mut world, given, shown);
        world.now = START + 12 * DAY;
        let refusal = world.refresh(&web(), &token, "").unwrap_err();
        assert_eq!(refusal, GrantReason::AuthorizationEnded.into());
    }
    let (mut world, token) = granted_for_ten_days();
    let mut grant = world.grant().unwrap();
    grant.terms.ends = Some(Timestamp(START + 30 * DAY));
    world.put(&grant);
    consent_again(&mut world, START + DAY, [4; 32]);
    world.now = START + 2 * DAY;
    let refreshed = world.refresh(&web(), &token, "").unwrap();
    assert_eq!(seconds(&refreshed, "authorization_expires_in"), Some(28 * DAY));
}
