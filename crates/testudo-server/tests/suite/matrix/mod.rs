//! Every kind of credential, spoiled in every way, with every proof of possession. The outcomes are the table
//! `docs/conformance/matrix.md`, and of registrations `docs/conformance/matrix-of-registrations.md`; `UPDATE_ANSWERS=1` writes it anew.

mod certificates;
mod credentials;
mod evidence;
mod faults;
mod flows;
mod places;
mod proofs;
mod pushes;
mod registrations;
mod ways;

use credentials::Door;
use faults::Fault;
use places::Place;
use proofs::Proof;
use std::fmt::Write as _;
use testudo_testkit::http::Answer;
use testudo_testkit::token::claims;

/// What came of one request: the kind of token, or the error code.
type Outcome = String;

/// The outcome of a request, or the reason why there is no such request.
type Cell = Result<Outcome, &'static str>;

/// The head of the page.
const HEAD: &str = "\
# Credentials, faults and proofs

Written by the test `matrix` of the server, which sends each of these requests: a credential of each kind, without a
fault and with each fault, at its own place of the request and at those of other kinds, with each proof of possession.
A cell is the `token_type` of the token, with what it is bound to, or the error code. \"no answer\" is a TLS handshake
that failed. A dash is a request that cannot exist; the reasons are below the table.
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credential_with_a_fault_gets_no_token_whatever_proof_is_beside_it() {
    let site = credentials::Site::start().await;
    let (mut page, mut count, mut notes) = (HEAD.to_owned(), 0, Vec::new());
    for door in Door::ALL {
        writeln!(page, "\n## {}\n\n| credential |{}", door.name(), titles()).unwrap();
        writeln!(page, "|---|{}", "---|".repeat(Proof::ALL.len())).unwrap();
        let faults = Fault::ALL.map(|fault| (fault.name(), fault, door.place()));
        let places = Place::ALL
            .into_iter()
            .filter(|place| *place != door.place())
            .map(|place| (place.name(), Fault::None, place));
        for (name, fault, place) in faults.into_iter().chain(places) {
            write!(page, "| {name} |").unwrap();
            for proof in Proof::ALL {
                let cell = ask(&site, door, fault, place, proof).await;
                let is_sound = fault == Fault::None && place == door.place();
                match cell {
                    Ok(outcome) => {
                        assert!(
                            is_sound || REFUSALS.contains(&outcome.as_str()),
                            "{door:?} {name} {proof:?}: {outcome}"
                        );
                        write!(page, " {outcome} |").unwrap();
                        count += 1;
                    }
                    Err(why) => {
                        let number = note(&mut notes, why);
                        write!(page, " – ({number}) |").unwrap();
                    }
                }
            }
            page.push('\n');
        }
    }
    writeln!(page, "\n{count} requests. Why a request cannot exist:\n").unwrap();
    list(&mut page, &notes);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/conformance/matrix.md");
    compare(path, &page);
}

/// What a credential with a fault may be answered with.
const REFUSALS: [&str; 6] = [
    "use_fresh_attestation",
    "invalid_client",
    "invalid_client_attestation",
    "invalid_dpop_proof",
    "invalid_request",
    "no answer",
];

fn titles() -> String {
    Proof::ALL.map(|proof| format!(" {} |", proof.name())).concat()
}

fn note(notes: &mut Vec<&'static str>, why: &'static str) -> usize {
    let known = notes.iter().position(|known| *known == why);
    known.unwrap_or_else(|| {
        notes.push(why);
        notes.len() - 1
    }) + 1
}

/// Writes the numbered reasons.
fn list(page: &mut String, notes: &[&str]) {
    for (number, why) in notes.iter().enumerate() {
        writeln!(page, "{}. {why}", number + 1).unwrap();
    }
}

async fn ask(site: &credentials::Site, door: Door, fault: Fault, place: Place, proof: Proof) -> Cell {
    let credential = site.credential(door, fault)?;
    let mut request = place.put(credential)?;
    proof.add(site, door, &mut request).await?;
    Ok(match site.send(&request).await {
        None => "no answer".into(),
        Some(answer) if answer.status == 200 => shown(&answer),
        Some(answer) => {
            assert!((400..500).contains(&answer.status), "{answer:?}");
            answer.error()
        }
    })
}

/// The kind of the token, and what it is bound to.
#[track_caller]
fn shown(answer: &Answer) -> Outcome {
    assert_eq!(answer.status, 200, "{answer:?}");
    let confirmation = claims(&answer.access_token())["cnf"].clone();
    let members = confirmation.as_object().into_iter().flatten();
    let bound_to: String = members.map(|(member, _)| format!(" {member}")).collect();
    format!("{}{bound_to}", answer.json()["token_type"].as_str().unwrap())
}

#[tokio::test]
async fn metadata_of_a_server_that_accepts_every_kind_of_credential_is_that_of_the_snapshot() {
    let document = credentials::Site::start().await.metadata().await;
    let text = format!("{}\n", serde_json::to_string_pretty(&document).unwrap());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/matrix/metadata.json");
    compare(path, &text);
}

/// Compares with a file of the repository, or writes it.
fn compare(path: &str, text: &str) {
    if std::env::var_os("UPDATE_ANSWERS").is_some() {
        std::fs::write(path, text).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    let differing = text
        .lines()
        .zip(written.lines())
        .find(|(found, written)| found != written);
    assert!(written == text, "{path} is out of date: {differing:?}");
}
