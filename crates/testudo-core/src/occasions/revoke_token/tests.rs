//! What a client can end with a token, and what it cannot.

use super::*;
use crate::admission::attested_by::BesideAttestation;
use crate::grants::tests::world::{
    Caller as Sender, START, WEB, World, code, governed, grant_id, person, refresh_token, web,
};
use crate::identity::OccasionKind;
use crate::occasions::NamedAccessToken;
use crate::people::PresentedSecret;
use crate::possession::Possession;
use crate::records::{Kind, RequestDetails};
use crate::rules::Rule;
use serde_json::json;

fn granted() -> (World, String) {
    let mut world = World::new();
    let token = refresh_token(&world.redeem(&web(), "").unwrap());
    (world, token)
}

fn other() -> Sender {
    Sender {
        subject: "spiffe://a.example/other",
        ..web()
    }
}

fn revoke(world: &mut World, sender: &Sender, token: &NamedToken) -> Result<(), Rejection> {
    let rule = Rule::compile(&world.spec).unwrap();
    let identity = sender.identity();
    let governed = governed(&identity, &rule);
    let (possession, details) = (Possession::default(), RequestDetails::default());
    world.settle(&TokenRevocation {
        caller: Caller {
            governed: &governed,
            client_id: None,
            attestation: BesideAttestation::Absent,
            possession: &possession,
        },
        token,
        request: RequestRef {
            occasion: OccasionKind::Revocation,
            id: "r",
            details: &details,
        },
    })
}

fn of_text(token: &str) -> NamedToken {
    NamedToken::Refresh(PresentedSecret::parse(token).unwrap())
}

fn access(client_id: &str, grant: Option<GrantId>) -> NamedToken {
    let claims = json!({
        "iss": "https://as.example", "sub": "s", "client_id": client_id, "aud": "https://api.example",
        "exp": START + 300, "iat": START, "jti": "j",
    });
    let claims = serde_json::from_value(claims).unwrap();
    NamedToken::Access(Box::new(NamedAccessToken { claims, grant }))
}

// Row RV-01.
#[test]
fn refresh_token_ends_what_the_person_granted_with_an_event() {
    let (mut world, token) = granted();
    revoke(&mut world, &web(), &of_text(&token)).unwrap();
    assert!(world.grant().is_none());
    let event = world.store.events.last().unwrap();
    assert_eq!(event.event, EventKind::GrantRevoked);
    assert_eq!(event.grant, Some(grant_id().to_string()));
    assert_eq!(event.person, Some(person().sub()));
    assert_eq!(event.client_id.as_deref(), Some(WEB));
    assert_eq!(event.request_id.as_deref(), Some("r"));
    let refused = world.refresh(&web(), &token, "").unwrap_err();
    assert_eq!(refused, GrantReason::GrantRevoked.into());
    let events = world.store.events.len();
    revoke(&mut world, &web(), &of_text(&token)).unwrap();
    assert_eq!(world.store.events.len(), events, "it had ended already");
}

#[test]
fn earlier_refresh_token_and_access_token_end_the_grant_as_well() {
    let (mut world, first) = granted();
    world.refresh(&web(), &first, "").unwrap();
    revoke(&mut world, &web(), &of_text(&first)).unwrap();
    assert!(world.grant().is_none());

    let (mut world, _) = granted();
    revoke(&mut world, &web(), &access(WEB, Some(grant_id()))).unwrap();
    assert!(world.grant().is_none());
}

// Row RV-02.
#[test]
fn text_that_is_no_token_of_this_server_is_answered_as_revoked_and_ends_nothing() {
    let (mut world, _) = granted();
    // A resource server knows the grant by the access token, and could write a text that names it.
    let (never_issued, _) = PresentedSecret::make(grant_id(), &[9; 32]);
    let nowhere = GrantId::new(person(), &[9; 16]);
    let unknown = [
        NamedToken::Unknown,
        of_text(&never_issued),
        of_text(&code()),
        access(WEB, Some(nowhere)),
    ];
    for token in &unknown {
        revoke(&mut world, &web(), token).unwrap();
        assert!(world.grant().is_some(), "{token:?}");
    }
}

// Row RV-03.
#[test]
fn token_of_another_client_is_refused_and_stays_valid() {
    let (mut world, token) = granted();
    let of_other = [of_text(&token), access(WEB, Some(grant_id())), access(WEB, None)];
    for token in &of_other {
        let refusal = revoke(&mut world, &other(), token).unwrap_err();
        assert_eq!(refusal, GrantReason::TokenOfOtherClient.into(), "{token:?}");
        assert!(world.grant().is_some(), "{token:?}");
    }
    assert!(world.refresh(&web(), &token, "").is_ok());
    assert_eq!(world.count(Kind::Client), 1, "who only revokes is not registered");
}

// Row RV-05.
#[test]
fn access_token_that_a_client_got_for_itself_is_of_an_unsupported_type() {
    let (mut world, _) = granted();
    let refusal = revoke(&mut world, &web(), &access(WEB, None)).unwrap_err();
    assert_eq!(refusal, GrantReason::TokenNotRevocable.into());
}
