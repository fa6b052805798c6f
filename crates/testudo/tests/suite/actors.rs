//! Who changed something: every event of an administrator's change names the administrator, as the server verified
//! him.

use crate::administration::{call, events, site, token_of};
use serde_json::{Value, json};
use std::process::Command;

/// What the system says of the user of this test.
fn id(option: &str) -> String {
    let output = Command::new("id").arg(option).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// True where the actor is a process of the user of this test, by user, group and process.
pub(crate) fn is_at_the_socket(actor: &Value) -> bool {
    let start = format!("uid:{}({}) gid:{} pid:", id("-u"), id("-un"), id("-g"));
    let pid = actor.as_str().and_then(|actor| actor.strip_prefix(&*start));
    pid.is_some_and(|pid| pid.parse::<u32>().is_ok_and(|pid| pid > 0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_names_the_proven_identity_over_http_and_the_user_of_the_process_at_the_socket() {
    let site = site();
    let server = site.serve();
    let token = token_of(&site, &server, "/ops/alice", "admin.write").await;
    let block =
        json!({ "identity": "spiffe://prod.example/x", "reason": "stolen", "by": "bob", "actor": "bob" });
    let answer = call(&server, "POST", "/admin/v1/blocks", &token, &block.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    site.ok(&[
        "identity",
        "unblock",
        "spiffe://prod.example/x",
        "--reason",
        "found",
    ]);
    let [blocked] = events(&site, "identity.blocked").try_into().unwrap();
    assert_eq!(blocked["actor"], "spiffe://prod.example/ops/alice");
    assert_eq!(blocked["reason"], "stolen");
    let [unblocked] = events(&site, "identity.unblocked").try_into().unwrap();
    assert!(is_at_the_socket(&unblocked["actor"]), "{unblocked}");
    assert_eq!(unblocked["reason"], "found");
}
