//! Tests of the scripts and commands in `docs/operations/postgresql.md`, run unchanged: setting up, restoring and
//! sharing PostgreSQL, and what the page states about readers and writers of the database.

use crate::administration::events;
use crate::binary::{Server, Site, folder, run, stderr};
use crate::pages::{blocks, operations, shell};
use crate::watching;
use serde_json::json;
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use testudo_testkit::postgres::Postgres;
use testudo_testkit::svid_form;

const PAY: &str = "/ns/shop/sa/pay";
const PAY_ID: &str = "spiffe://prod.example/ns/shop/sa/pay";
const OTHER: &str = "/ns/shop/sa/other";
const OTHER_ID: &str = "spiffe://prod.example/ns/shop/sa/other";
/// Long enough for a loaded machine.
const SOON: Duration = Duration::from_secs(30);

/// Runs a file or a statement as the role in the URL.
fn psql(url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
    command.args(arguments).arg(url).output().unwrap()
}

#[track_caller]
fn must(url: &str, arguments: &[&str]) -> String {
    let output = psql(url, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

async fn ask(site: &Site, server: &Server, path: &str) -> u16 {
    server.token(svid_form(&site.svid(path), &[])).await.status
}

async fn until(site: &Site, server: &Server, path: &str, status: u16) {
    let started = Instant::now();
    while ask(site, server, path).await != status {
        assert!(
            started.elapsed() < SOON,
            "a request of {path} is not answered with {status} within the deadline"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The documented roles, created by the documented scripts. The URLs are those of the owner and of the nodes.
struct Roles {
    server: Postgres,
    superuser: String,
    owner: String,
    runner: String,
}

impl Roles {
    fn made() -> Roles {
        let server = Postgres::start(&folder()).unwrap();
        let superuser = format!("postgres://postgres@127.0.0.1:{}/postgres", server.port());
        let (owner, runner) = (secret("owner"), secret("runner"));
        let script = operations("owner-role.sql");
        let passwords = [
            format!("owner_password={owner}"),
            format!("runner_password={runner}"),
        ];
        let file = script.to_str().unwrap();
        must(
            &superuser,
            &["-v", &passwords[0], "-v", &passwords[1], "-f", file],
        );
        let url = |role: &str| format!("postgres://{role}@127.0.0.1:{}/testudo", server.port());
        Roles {
            owner: url("testudo_owner"),
            runner: url("runner"),
            superuser,
            server,
        }
    }

    /// A site whose store belongs to the owner and is used by the role of the nodes.
    fn site(&self) -> Site {
        let site = Site::new().over_postgres(&self.owner);
        drop(site.serve());
        must(
            &self.owner,
            &["-f", operations("run-time-role.sql").to_str().unwrap()],
        );
        let text = std::fs::read_to_string(site.config()).unwrap();
        site.write("testudo.toml", &text.replace(&self.owner, &self.runner));
        site
    }
}

fn secret(of: &str) -> String {
    format!("{of}'s secret")
}

#[tokio::test(flavor = "multi_thread")]
async fn server_runs_as_a_role_that_may_not_create_tables_after_the_owner_created_them() {
    let roles = Roles::made();
    let site = Site::new().over_postgres(&roles.runner);
    let refused = run(&["serve", "--config", site.config().to_str().unwrap()], "");
    assert!(!refused.status.success());
    let why = stderr(&refused);
    assert!(why.contains("start one node once as the role that owns"), "{why}");
    let site = roles.site();
    let doctor = site.run(&["doctor"]);
    let found = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(!found.contains("lacks"), "{found}");
    let server = site.serve();
    assert_eq!(ask(&site, &server, PAY).await, 200);
    site.ok(&["client", "freeze", PAY_ID]);
    assert_eq!(ask(&site, &server, PAY).await, 400);
    for statement in [
        "CREATE TABLE x ()",
        "CREATE SCHEMA x",
        "CREATE TEMPORARY TABLE x ()",
        "ALTER TABLE records ADD COLUMN x INT",
        "DROP FUNCTION testudo_commit",
        "CREATE OR REPLACE FUNCTION testudo_write() RETURNS INT LANGUAGE sql AS 'SELECT 1'",
        "UPDATE testudo_schema SET version = 1",
        "TRUNCATE records",
    ] {
        let output = psql(&roles.runner, &["-c", statement]);
        assert!(!output.status.success(), "{statement}");
        let why = stderr(&output);
        assert!(
            why.contains("permission denied") || why.contains("must be owner"),
            "{why}"
        );
    }
    // Other roles cannot connect, so they cannot take the lock that the nodes need for writes.
    must(&roles.superuser, &["-c", "CREATE ROLE other_role LOGIN"]);
    let output = psql(
        &roles.runner.replace("runner@", "other_role@"),
        &["-c", "SELECT 1"],
    );
    assert!(
        stderr(&output).contains("permission denied for database"),
        "{}",
        stderr(&output)
    );
    // The nodes may also use tables and functions that a later version creates.
    must(
        &roles.owner,
        &[
            "-c",
            "CREATE TABLE later (x INT); CREATE FUNCTION later() RETURNS INT LANGUAGE sql AS 'SELECT 1'",
        ],
    );
    must(&roles.runner, &["-c", "INSERT INTO later VALUES (later())"]);
    // `doctor` reports a function that the nodes may not call.
    must(
        &roles.owner,
        &[
            "-c",
            "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM runner",
        ],
    );
    let doctor = site.run(&["doctor"]);
    let found = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(found.contains("EXECUTE on testudo_write"), "{found}");
    drop(server);
    drop(roles.server);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_the_page_restore_a_backup_and_repeat_the_lost_changes() {
    let roles = Roles::made();
    let site = roles.site();
    let owner = [("OWNER_URL", roles.owner.as_str())];
    let [back_up, export, restore, redo] = blocks("postgresql.md", "Restoring a backup").try_into().unwrap();
    let mut server = site.serve();
    for path in [PAY, OTHER] {
        assert_eq!(ask(&site, &server, path).await, 200);
    }
    shell(&site, &back_up, &owner);
    site.ok(&["client", "freeze", PAY_ID]);
    site.ok(&["identity", "block", OTHER_ID]);
    site.ok(&["key", "rotate", "--now"]);
    assert_eq!(ask(&site, &server, "/ns/shop/sa/later").await, 200);
    shell(&site, &export, &[]);
    let exported = std::fs::read_to_string(site.folder.join("events.jsonl")).unwrap();
    for kind in ["client.frozen", "identity.blocked", "key.revoked"] {
        assert!(exported.contains(kind), "{kind}: {exported}");
    }
    drop(server);
    shell(&site, &restore, &owner);
    server = site.serve();
    // After the restore, later changes are lost.
    for kind in ["client.frozen", "identity.blocked", "key.revoked"] {
        assert_eq!(events(&site, kind), Vec::<serde_json::Value>::new(), "{kind}");
    }
    for path in [PAY, OTHER, "/ns/shop/sa/later"] {
        assert_eq!(ask(&site, &server, path).await, 200, "{path}");
    }
    let before = site.json(&["key", "list"]);
    shell(&site, &redo, &[]);
    for path in [PAY, OTHER] {
        assert_eq!(ask(&site, &server, path).await, 400, "{path}");
    }
    assert_ne!(site.json(&["key", "list"]), before);
    for kind in ["client.frozen", "identity.blocked", "key.revoked"] {
        let recorded = events(&site, kind);
        assert!(
            recorded.iter().all(|event| event["reason"] == "restored"),
            "{kind}: {recorded:?}"
        );
        assert!(!recorded.is_empty(), "{kind}");
    }
    drop(roles.server);
}

/// Changes rows of a kind, as an attacker with access to the database can, and notifies the nodes.
fn write(url: &str, kind: i16, change: &str) {
    let text = format!(
        "INSERT INTO changes (kind, key) SELECT kind, key FROM records WHERE kind = {kind}; {change} WHERE kind = {kind}"
    );
    must(url, &["-c", &text]);
}

#[tokio::test(flavor = "multi_thread")]
async fn attacker_with_database_access_can_thaw_and_unblock_but_not_change_encrypted_rows() {
    let roles = Roles::made();
    let site = roles.site();
    let server = site.serve();
    for path in [PAY, OTHER] {
        assert_eq!(ask(&site, &server, path).await, 200);
    }
    site.ok(&["client", "freeze", PAY_ID]);
    site.ok(&["identity", "block", OTHER_ID]);
    for path in [PAY, OTHER] {
        assert_eq!(ask(&site, &server, path).await, 400);
    }
    let in_body = |from: &str, to: &str| {
        format!(
            "UPDATE records SET version = version + 1,
             body = convert_to(replace(convert_from(body, 'UTF8'), '{from}', '{to}'), 'UTF8')"
        )
    };
    write(
        &roles.runner,
        1,
        &in_body(r#""state":"frozen""#, r#""state":"active""#),
    );
    until(&site, &server, PAY, 200).await;
    write(&roles.runner, 3, "DELETE FROM records");
    until(&site, &server, OTHER, 200).await;
    // The events of the attacker's changes can be deleted as well.
    write(&roles.runner, 4, "DELETE FROM records");
    assert_eq!(events(&site, "client.frozen"), Vec::<serde_json::Value>::new());
    // Altered encrypted rows are refused one by one, and the server continues.
    let refused = || {
        let status = site.json(&["status"]);
        let records = status["refused_records"].as_array().unwrap().clone();
        records
            .iter()
            .map(|record| record["kind"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(refused(), Vec::<String>::new());
    write(
        &roles.runner,
        6,
        &in_body(r#""algorithm":"ES256""#, r#""algorithm":"RS256""#),
    );
    watching::until("the altered row is refused", || {
        refused().iter().any(|record| record == "signing_key")
    });
    // The event is written afterwards.
    watching::until("the event is written", || {
        !events(&site, "record.refused").is_empty()
    });
    let doctor = String::from_utf8_lossy(&site.run(&["doctor"]).stdout).into_owned();
    assert!(doctor.contains("signing_key"), "{doctor}");
    assert_eq!(ask(&site, &server, PAY).await, 200);
    assert_ne!(json!([]), site.json(&["key", "list"]));
    drop(roles.server);
}
