//! Refresh tokens of clients whose tokens must be bound only after the code was redeemed.

use super::refresh_tokens::redeemed;
use super::world::{Caller, public, refresh_token, web};
use crate::identity::SenderConstraint;
use crate::rejection::{GrantReason, Presented};

// [RFC8705 §7.1] [RFC9449 §5]
#[test]
fn refresh_after_a_binding_is_demanded_binds_the_next_refresh_token() {
    let certificate = |certificate: [u8; 32]| Caller {
        certificate: Some(certificate),
        ..public()
    };
    let key = |key: [u8; 32]| Caller {
        dpop_key: Some(key),
        ..public()
    };
    for (constraint, own, other) in [
        (SenderConstraint::Mtls, certificate([7; 32]), certificate([8; 32])),
        (SenderConstraint::Dpop, key([7; 32]), key([8; 32])),
    ] {
        let (mut world, first) = redeemed(&public());
        world.spec.sender_constraint = Some(constraint);
        world.now += 1;
        let second = refresh_token(&world.refresh(&own, &first, "").unwrap());
        assert!(world.grant().unwrap().bound_to.binds(), "{constraint}");
        let not_proven = GrantReason::KeyNotProven(Presented::RefreshToken);
        assert_eq!(
            world.refresh(&other, &second, "").unwrap_err(),
            not_proven.into(),
            "{constraint}"
        );
        // The client proves a key now, so an answer that was lost is repeated.
        let second = refresh_token(&world.refresh(&own, &first, "").unwrap());
        assert!(world.refresh(&own, &second, "").is_ok(), "{constraint}");
        // Nothing binds the tokens of a client that authenticates.
        let (mut world, first) = redeemed(&web());
        world.spec.sender_constraint = Some(constraint);
        let own = Caller {
            dpop_key: own.dpop_key,
            certificate: own.certificate,
            ..web()
        };
        assert!(world.refresh(&own, &first, "").is_ok(), "{constraint}");
        assert!(!world.grant().unwrap().bound_to.binds(), "{constraint}");
    }
}

#[test]
fn client_whose_stolen_refresh_token_was_bound_to_the_key_of_an_attacker_ends_the_grant_with_its_next_refresh()
 {
    let with = |certificate: [u8; 32]| Caller {
        certificate: Some(certificate),
        ..public()
    };
    let (client, attacker) = (with([7; 32]), with([8; 32]));
    let (mut world, stolen) = redeemed(&public());
    world.spec.sender_constraint = Some(SenderConstraint::Mtls);
    world.now += 1;
    let of_attacker = refresh_token(&world.refresh(&attacker, &stolen, "").unwrap());
    assert_eq!(
        world.refresh(&client, &stolen, "").unwrap_err(),
        GrantReason::RefreshTokenUsed.into()
    );
    assert!(world.grant().is_none());
    assert!(world.refresh(&attacker, &of_attacker, "").is_err());
    // An earlier token that was bound ends nothing without its key: it is of no use to who has it.
    let (mut world, first) = redeemed(&public());
    world.spec.sender_constraint = Some(SenderConstraint::Mtls);
    world.now += 1;
    let second = refresh_token(&world.refresh(&client, &first, "").unwrap());
    let third = refresh_token(&world.refresh(&client, &second, "").unwrap());
    let not_proven = GrantReason::KeyNotProven(Presented::RefreshToken).into();
    assert_eq!(world.refresh(&attacker, &second, "").unwrap_err(), not_proven);
    assert!(world.refresh(&client, &third, "").is_ok());
}
