//! Pushed authorization requests with every kind of credential.

use super::certificates::CLIENTS;
use super::credentials::{Asked, Door, MORE, Site, Token};
use super::faults::Fault;
use super::places::Place;
use super::proofs::Proof;
use super::{Cell, REFUSALS};
use crate::people::CHALLENGE;
use crate::world::{RULES, TLS};

const PUSHED: Asked = Asked {
    path: "/par",
    parameters: &[
        ("response_type", "code"),
        ("redirect_uri", "https://app.example/cb"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ],
};

/// The rules and clients of the credentials, by a line of their entry.
const OF_PEOPLE: [&str; 6] = [
    "name = \"W\"",
    "name = \"attested\"",
    "name = \"pods\"",
    "name = \"jobs\"",
    "client_id = \"dns\"",
    "client_id = \"own\"",
];

const PEOPLE: &str = "
redirect_uris = [\"https://app.example/cb\"]
grant_types = [\"authorization_code\", \"refresh_token\"]";

async fn push(site: &Site, door: Door, fault: Fault, place: Place) -> Cell {
    let mut request = place.put(site.credential(door, fault)?)?;
    let proof = match site.own_key(door) {
        Some(_) => Proof::Pop,
        None => Proof::None,
    };
    proof.add(site, door, &mut request).await?;
    Ok(match site.send(&request).await {
        None => "no answer".into(),
        Some(answer) if answer.status == 201 => "pushed".into(),
        Some(answer) => {
            assert!((400..500).contains(&answer.status), "{answer:?}");
            answer.error()
        }
    })
}

// Row J-13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_credential_pushes_a_request_and_none_with_a_fault_or_at_another_place() {
    let mut rules = format!("{RULES}{MORE}{CLIENTS}");
    for line in OF_PEOPLE {
        let more = format!("{line}{PEOPLE}");
        assert_eq!(rules.matches(&format!("{line}\n")).count(), 1, "{line}");
        rules = rules.replacen(&format!("{line}\n"), &format!("{more}\n"), 1);
    }
    let site = Site::start_with(PUSHED, &format!("{TLS}\n[login]\n"), &rules).await;
    // The client that registered with a verifiable credential has no redirect URI, and `private_key_jwt` is in `doors.rs`.
    let others = [Token::HeldKey, Token::PrivateKeyJwt].map(Door::Token);
    let doors = Door::ALL.into_iter().filter(|door| !others.contains(door));
    let mut refused = 0;
    for door in doors {
        let sound = push(&site, door, Fault::None, door.place()).await;
        assert_eq!(sound.as_deref(), Ok("pushed"), "{door:?}");
        let faults = Fault::ALL.into_iter().filter(|fault| *fault != Fault::None);
        let faults = faults.map(|fault| (fault, door.place()));
        let places = Place::ALL.into_iter().filter(|place| *place != door.place());
        for (fault, place) in faults.chain(places.map(|place| (Fault::None, place))) {
            // Combinations that cannot exist have no cell.
            let Ok(outcome) = push(&site, door, fault, place).await else {
                continue;
            };
            let is_refused = REFUSALS.contains(&outcome.as_str());
            assert!(is_refused, "{door:?} {fault:?} {place:?}: {outcome}");
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused} requests were refused");
}
