//! Tests of revoking what a person granted.

use super::*;
use crate::admin::grant::{Granted, known, revoke};
use crate::people::{GrantId, SecretDigest};
use crate::records::{BoundTo, Consent, Grant, GrantTerms, GrantedClient};
use testudo_protocol::oauth::ScopeSet;

fn granted() -> Versioned<Grant> {
    let person = alice(PersonState::Active).record.id;
    Versioned {
        version: 8,
        record: Grant {
            id: GrantId::new(person, b"grant-grant-gran"),
            client: GrantedClient {
                authority: "spiffe://a.example".into(),
                subject: "spiffe://a.example/web".into(),
                client_id: "web".into(),
                generation: Some(1),
            },
            terms: GrantTerms {
                scope: ScopeSet::parse("orders.read").unwrap(),
                resources: Vec::new(),
                ends: None,
                auth_time: NOW,
                acr: None,
                consent: None,
            },
            created: NOW,
            bound_to: BoundTo::default(),
            refresh: None,
            live_until: NOW + Seconds(60),
        },
    }
}

#[test]
fn grant_that_does_not_exist_is_not_found() {
    check_not_done(known("x", None), true, "no grant has the id \"x\"");
    assert_eq!(known("x", Some(granted())).unwrap(), granted());
}

#[test]
fn grant_is_deleted_and_the_event_says_whose_it_was_and_for_which_client() {
    let decided = revoke(
        &order(),
        &Granted {
            grant: granted(),
            consent: None,
        },
    );
    let sub = granted().record.id.person().sub();
    let lines = [
        "delete Grant alice-alice-alicgrant-grant-gran @8",
        "grant.revoked",
    ];
    check(&decided, &lines, &format!("grant of {sub} to web: revoked"));
    assert!(decided.warning.unwrap().contains("until they expire"));
    let changes = decided.changes.unwrap();
    let event = &changes.events()[0];
    assert_eq!(event.person, Some(sub));
    assert_eq!(event.client_id.as_deref(), Some("web"));
    assert_eq!(event.grant, Some(granted().record.id.to_string()));
    assert_eq!(event.scope.as_deref(), Some("orders.read"));
}

/// Otherwise the client would get a new grant at the next visit, without a question to the person.
#[test]
fn remembered_consent_is_deleted_with_the_grant() {
    let grant = granted();
    let consent = Consent {
        person: grant.record.id.person(),
        client: grant.record.client.clone(),
        scope: grant.record.terms.scope.clone(),
        shown: SecretDigest::of("page"),
        given: NOW,
        until: None,
    };
    let consent = Some(Versioned {
        record: consent,
        version: 2,
    });
    let decided = revoke(&order(), &Granted { grant, consent });
    let lines = [
        "delete Grant alice-alice-alicgrant-grant-gran @8",
        "delete Consent alice-alice-alicspiffe://a.example spiffe://a.example/web @2",
        "grant.revoked",
    ];
    let sub = granted().record.id.person().sub();
    check(&decided, &lines, &format!("grant of {sub} to web: revoked"));
}
