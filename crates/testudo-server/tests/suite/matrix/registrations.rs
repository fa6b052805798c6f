//! Every kind of evidence at the registration endpoint, spoiled in every way. The outcomes are the table
//! `docs/conformance/matrix-of-registrations.md`.

use super::evidence::{Evidence, Site};
use super::ways::{ProofFault, Way};
use super::{compare, list, note};
use std::fmt::Write as _;

const HEAD: &str = "\
# Registrations: evidence and faults

Written by the test `matrix` of the server, which sends each of these requests to the registration endpoint: evidence
of each kind, without a fault and spoiled in each way. A cell is the error code and the reason in the event, or 201.
After each refused request the test sends the same evidence of the same subject without the fault, which registers the
client: so the fault alone is the cause. A dash is a request that cannot exist; the notes are below the table.

The issuers of the client attestation, the token and the verifiable credentials publish keys with one `kid`, so no key
is refused for its name alone. [matrix.md](matrix.md) is the same for token requests.
";

/// The error codes of evidence with a fault.
const REFUSALS: [&str; 5] = [
    "invalid_client_attestation",
    "invalid_software_statement",
    "unapproved_software_statement",
    "use_attestation_challenge",
    "use_fresh_attestation",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_with_a_fault_registers_no_client_and_the_same_without_it_does() {
    let names = Evidence::ALL.map(|evidence| format!(" {} |", evidence.name()));
    let mut page = format!("{HEAD}\n| evidence |{}\n", names.concat());
    writeln!(page, "|---|{}", "---|".repeat(names.len())).unwrap();
    let (mut requests, mut dashes, mut notes) = (0, 0, Vec::new());
    for way in Way::all() {
        // One server for each row: a server that refuses many requests writes only some of the events.
        let site = Site::start().await;
        write!(page, "| {} |", way.name()).unwrap();
        for evidence in Evidence::ALL {
            let number = requests + dashes;
            match (ask(&site, evidence, way, number).await, way.accepted(evidence)) {
                (Err(why), _) => {
                    dashes += 1;
                    write!(page, " – ({}) |", note(&mut notes, why)).unwrap();
                }
                (Ok(outcome), accepted) => {
                    requests += 1;
                    assert_eq!(
                        outcome == "201",
                        accepted.is_some(),
                        "{evidence:?} {way:?}: {outcome}"
                    );
                    write!(page, " {outcome}").unwrap();
                    if let Some(why) = accepted {
                        write!(page, " ({})", note(&mut notes, why)).unwrap();
                    }
                    page.push_str(" |");
                }
            }
        }
        page.push('\n');
    }
    let cells = requests + dashes;
    assert_eq!(cells, Way::all().len() * Evidence::ALL.len());
    writeln!(
        page,
        "\n{cells} cells: {requests} requests, and {dashes} that cannot exist.\n"
    )
    .unwrap();
    list(&mut page, &notes);
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/conformance/matrix-of-registrations.md"
    );
    compare(path, &page);
}

/// Sends the request, and after a refusal the same without the fault, which must register the client.
async fn ask(site: &Site, evidence: Evidence, way: Way, number: usize) -> Result<String, &'static str> {
    let request = site.request(evidence, way, number).await?;
    if way == Way::Proof(ProofFault::UsedBefore) {
        let first = site.send(&request).await;
        assert_eq!(first.status, 201, "{evidence:?}: {first:?}");
    }
    let before = registered(site).await;
    let answer = site.send(&request).await;
    if answer.status == 201 {
        assert_eq!(registered(site).await, before + 1, "{evidence:?} {way:?}");
        return Ok("201".into());
    }
    assert_eq!(registered(site).await, before, "{evidence:?} {way:?}: {answer:?}");
    let (code, reason) = (answer.error(), site.world().reason_of(&answer).await);
    assert!(
        answer.status == 400 && REFUSALS.contains(&code.as_str()),
        "{evidence:?} {way:?}: {answer:?}"
    );
    let sound = site.request(evidence, Way::None, number).await?;
    let twin = site.send(&sound).await;
    assert_eq!(twin.status, 201, "{evidence:?} after {way:?}: {twin:?}");
    Ok(format!("{code}: {reason}"))
}

/// How many clients were registered.
async fn registered(site: &Site) -> usize {
    site.world().events("client.registered").await.len()
}
