//! Tests of the output of every command: for a terminal of 80 columns, a closed pipe, a full device, JSON, and without
//! colour.

use crate::binary::{Server, Site, json_lines, now, stderr};
use crate::people;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use testudo_testkit::x509::X509Issuer;
use testudo_testkit::{TestIssuer, svid_form};

const PAY_ID: &str = "spiffe://prod.example/ns/shop/sa/pay";

/// What a command prints on stdout.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Prints {
    Data,
    /// Lines that are not wrapped: a document or a script.
    LongLines,
    /// Nothing on stdout; messages are on stderr.
    Nothing,
}
use Prints::{Data, LongLines, Nothing};

/// Every command that ends by itself, in an order in which all succeed. Names in `{…}` are replaced.
pub const COMMANDS: &[(&[&str], Prints)] = &[
    (&["dev", "--once", "--listen", "127.0.0.1:0"], LongLines),
    (&["init", "{folder}/new"], Nothing),
    (&["check"], Nothing),
    (&["doctor"], Data),
    (&["reload"], Nothing),
    (&["status"], Data),
    (&["healthcheck"], Data),
    (&["version"], Data),
    (&["completions", "bash"], LongLines),
    (&["trust", "list"], Data),
    (&["trust", "show", "prod.example"], Data),
    (&["trust", "refresh", "prod.example"], Nothing),
    (&["trust", "accept", "prod.example"], Nothing),
    (&["trust", "disable", "prod.example"], Nothing),
    (&["trust", "enable", "prod.example"], Nothing),
    (&["rule", "list"], Data),
    (&["rule", "test", PAY_ID], Data),
    (&["client", "list"], Data),
    (&["client", "show", PAY_ID], Data),
    (&["client", "freeze", PAY_ID], Nothing),
    (&["client", "thaw", PAY_ID], Nothing),
    (&["client", "sweep", "--dry-run"], Nothing),
    (
        &[
            "identity",
            "block",
            "spiffe://prod.example/x",
            "--reason",
            "incident 7",
        ],
        Nothing,
    ),
    (&["identity", "list"], Data),
    (&["identity", "unblock", "spiffe://prod.example/x"], Nothing),
    (&["user", "list"], Data),
    (&["user", "show", "alice"], Data),
    (&["user", "invite", "frank", "--group", "auditors"], LongLines),
    (&["user", "group", "add", "alice", "auditors"], Nothing),
    (&["user", "group", "remove", "alice", "auditors"], Nothing),
    (&["session", "list"], Data),
    (&["session", "end", "--user", "alice"], Nothing),
    (&["grant", "list"], Data),
    (&["grant", "revoke", "--user", "alice", "--yes"], Nothing),
    (&["user", "lock", "alice"], Nothing),
    (&["user", "unlock", "alice"], Nothing),
    (&["user", "remove", "alice"], Nothing),
    (&["event", "list"], Data),
    (&["event", "export"], LongLines),
    (&["explain", "{refused}"], Data),
    (&["explain", "--credential", "{folder}/svid"], Data),
    (&["key", "rotate"], Nothing),
    (&["key", "list"], Data),
    (&["key", "revoke", "{next key}"], Nothing),
    (
        &[
            "token",
            "get",
            "--issuer",
            "{issuer}",
            "--svid-file",
            "{folder}/svid",
        ],
        LongLines,
    ),
    (&["token", "inspect", "--issuer", "{issuer}"], LongLines),
    (
        &[
            "call",
            "{issuer}/jwks",
            "--issuer",
            "{issuer}",
            "--svid-file",
            "{folder}/svid",
        ],
        LongLines,
    ),
    (&["client", "delete", PAY_ID], Nothing),
];

/// Commands that run until they are stopped, or until a person acts. Other tests check them.
const ENDLESS: &[&str] = &["serve", "event follow", "token login"];

/// A server with a client, a refused request and everything else that the commands show.
struct Fixture {
    site: Site,
    issuer: String,
    refused: String,
    token: String,
    _server: Server,
}

impl Fixture {
    async fn new() -> Fixture {
        let (site, issuer) = Site::under_its_own_name();
        // Passkeys need an issuer whose host is a name.
        let text = std::fs::read_to_string(site.config()).unwrap();
        let issuer = issuer.replace("127.0.0.1", "localhost");
        let address = issuer.replace("localhost", "127.0.0.1");
        site.write("testudo.toml", &text.replace(&address, &issuer));
        site.append("[login]\ndevelopment = [\"alice\"]");
        people::write(&site, "alice").await;
        let server = site.serve();
        let svid = |path: &str| site.issuer.svid(path, &issuer, now());
        let answer = server.token(svid_form(&svid("/ns/shop/sa/pay"), &[])).await;
        let token = answer.access_token();
        let refused = server.token(svid_form(&svid("/none"), &[])).await;
        let refused = refused.header("request-id").unwrap().to_owned();
        site.write("svid", &svid("/ns/shop/sa/pay"));
        Fixture {
            issuer: issuer.clone(),
            refused,
            token,
            _server: server,
            site,
        }
    }

    fn next_key(&self) -> String {
        let keys = self.site.json(&["key", "list"]);
        let next = keys.as_array().unwrap().iter().find(|key| key["state"] == "next");
        next.unwrap()["kid"].as_str().unwrap().to_owned()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_testudo"));
        command
            .env("TESTUDO_CONFIG", self.site.config())
            .env_remove("COLUMNS");
        for word in words {
            let filled = match *word {
                "{refused}" => self.refused.clone(),
                "{next key}" => self.next_key(),
                other => other
                    .replace("{issuer}", &self.issuer)
                    .replace("{folder}", self.site.folder.to_str().unwrap()),
            };
            command.arg(filled);
        }
        command
    }

    /// Runs the command with a token on stdin, which only `token inspect` reads.
    fn run(&self, mut command: Command, stdout: impl Into<Stdio>) -> Output {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // An error is ignored: a command that does not read stdin may have ended.
        let _ = child.stdin.take().unwrap().write_all(self.token.as_bytes());
        child.wait_with_output().unwrap()
    }
}

/// The name of the command: its words without arguments.
fn name(words: &[&str]) -> String {
    let root = testudo::command_line();
    let mut command = &root;
    let mut name = Vec::new();
    for word in words {
        let Some(below) = command.find_subcommand(word) else {
            break;
        };
        name.push(*word);
        command = below;
    }
    name.join(" ")
}

/// Every command of the command-line definition, and whether it has `--json`.
fn defined() -> Vec<(String, bool)> {
    let root = testudo::command_line();
    let mut found = Vec::new();
    for command in root.get_subcommands() {
        define(command, command.get_name().to_owned(), &mut found);
    }
    found
}

fn define(command: &clap::Command, name: String, found: &mut Vec<(String, bool)>) {
    if !command.has_subcommands() {
        let has_json = command.get_arguments().any(|one| one.get_id() == "json");
        found.push((name, has_json));
        return;
    }
    for below in command.get_subcommands() {
        define(below, format!("{name} {}", below.get_name()), found);
    }
}

#[test]
fn every_command_is_in_the_list_of_this_test() {
    let tried: BTreeSet<String> = COMMANDS.iter().map(|(words, _)| name(words)).collect();
    let endless = ENDLESS.iter().map(|name| (*name).to_owned());
    let all: BTreeSet<String> = defined().into_iter().map(|(name, _)| name).collect();
    assert_eq!(tried.into_iter().chain(endless).collect::<BTreeSet<_>>(), all);
}

/// True for a line that fits 80 columns, or that has one word that must not be broken.
fn fits(line: &str) -> bool {
    line.chars().count() <= 80 || line.split(' ').any(|word| word.chars().count() > 60)
}

#[tokio::test(flavor = "multi_thread")]
async fn help_and_output_fit_80_columns() {
    let fixture = Fixture::new().await;
    for (words, prints) in COMMANDS {
        let mut command = fixture.command(words);
        command.env("COLUMNS", "80");
        let output = fixture.run(command, Stdio::piped());
        assert!(output.status.success(), "{words:?}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.is_empty(), *prints == Nothing, "{words:?}: {text}");
        let wide = text.lines().find(|line| *prints == Data && !fits(line));
        assert_eq!(wide, None, "{words:?}: {text}");
    }
    for (name, _) in defined() {
        let words: Vec<&str> = name.split(' ').chain(["--help"]).collect();
        let output = fixture
            .command(&words)
            .env_remove("TESTUDO_CONFIG")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let wide = text.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "{words:?}");
    }
}

#[test]
fn trust_show_with_long_names_fits_80_columns() {
    const DOMAIN: &str = "payments-and-refunds.cluster-0001.europe-west.prod.example";
    let kid = |number: usize| format!("key-of-the-second-quarter-rotated-by-the-platform-team-{number:04}");
    let site = Site::new();
    site.unwatch();
    let mut bundle = TestIssuer::new(DOMAIN).bundle();
    let keys = bundle["keys"].as_array_mut().unwrap();
    let key = keys.pop().unwrap();
    for number in 0..4 {
        let mut key = key.clone();
        key["kid"] = Value::from(kid(number));
        // Keys of another use are listed as ignored, each with the reason.
        if number > 1 {
            key["use"] = Value::from("sig");
        }
        keys.push(key);
    }
    keys.push(X509Issuer::new(DOMAIN).jwk());
    site.write("long.json", &bundle.to_string());
    site.append(&format!(
        "[[trust_domains]]\nname = \"{DOMAIN}\"\ncredentials = [\"jwt_svid\", \"x509_svid\"]\nbundle = {{ file = \"long.json\" }}"
    ));
    let _server = site.serve();
    // The sentence of the last error is long too.
    site.write("long.json", "no bundle");
    let refreshed = site.run(&["trust", "refresh", DOMAIN]);
    assert!(!refreshed.status.success(), "{refreshed:?}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_testudo"));
    command
        .args(["trust", "show", DOMAIN])
        .env("TESTUDO_CONFIG", site.config());
    let output = command.env("COLUMNS", "80").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let wide = text.lines().find(|line| !fits(line));
    assert_eq!(wide, None, "{text}");
    // Nothing is cut off.
    for name in (0..2).map(kid).chain([DOMAIN.to_owned(), "long.json".to_owned()]) {
        assert!(text.contains(&name), "{name} is not in {text}");
    }
    let error = text.split("last error").nth(1).unwrap();
    assert!(!error.trim_start().starts_with('-'), "{text}");
    // A line of a terminal with more columns is longer, so the lines above were wrapped.
    let output = command.env("COLUMNS", "400").output().unwrap();
    let longer = String::from_utf8(output.stdout).unwrap();
    assert!(longer.lines().count() < text.lines().count(), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_pipe_ends_every_command_silently() {
    let fixture = Fixture::new().await;
    for (words, _) in COMMANDS {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = fixture.run(fixture.command(words), writer);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
        let printed = stderr(&output);
        let is_quiet = !printed.contains("panicked") && !printed.contains("error:");
        assert!(is_quiet, "{words:?}: {printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn full_device_is_an_error_that_names_stdout_in_every_command() {
    let fixture = Fixture::new().await;
    for (words, prints) in COMMANDS {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = fixture.run(fixture.command(words), full);
        let printed = stderr(&output);
        let expected = if *prints == Nothing { 0 } else { 1 };
        assert_eq!(output.status.code(), Some(expected), "{words:?}: {printed}");
        let is_named = printed.contains("error: cannot write to stdout: No space left on device");
        assert_eq!(is_named, *prints != Nothing, "{words:?}: {printed}");
        assert!(!printed.contains("panicked"), "{words:?}: {printed}");
    }
}

/// The first number in a JSON value that can be a time in seconds since 1970.
fn epoch(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number
            .as_i64()
            .filter(|n| (1_500_000_000..2_500_000_000).contains(n)),
        Value::Array(items) => items.iter().find_map(epoch),
        Value::Object(members) => members.values().find_map(epoch),
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_json_every_command_prints_json_to_stdout_and_stderr() {
    let fixture = Fixture::new().await;
    let defined = defined();
    let without: Vec<&str> = defined
        .iter()
        .filter(|(_, has_json)| !has_json)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        without,
        ["dev", "serve", "init", "completions", "token login", "call"]
    );
    for (words, _) in COMMANDS
        .iter()
        .filter(|(words, _)| !without.contains(&name(words).as_str()))
    {
        let output = fixture.run(
            fixture.command(&[words, &["--json"][..]].concat()),
            Stdio::piped(),
        );
        assert!(output.status.success(), "{words:?}: {output:?}");
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let is_document = serde_json::from_str::<Value>(&text).is_ok();
        assert!(!text.is_empty(), "{words:?} must print its answer");
        let documents = match is_document {
            true => vec![serde_json::from_str(&text).unwrap()],
            false => json_lines(&text),
        };
        assert!(
            is_document || documents.iter().all(Value::is_object),
            "{words:?}: {text}"
        );
        // `token` commands print claims as they are signed, with times as numbers.
        for document in documents.iter().filter(|_| words[0] != "token") {
            assert_eq!(epoch(document), None, "{words:?}: {text}");
        }
        for line in json_lines(&stderr(&output)) {
            let is_message = ["error", "warning", "note"]
                .iter()
                .any(|member| line[*member].is_string());
            assert!(is_message, "{words:?}: {line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_prints_colour_to_a_pipe_or_where_no_color_is_set() {
    let fixture = Fixture::new().await;
    for (words, _) in COMMANDS {
        let output = fixture.run(fixture.command(words), Stdio::piped());
        let bytes = [output.stdout, output.stderr].concat();
        assert!(!bytes.contains(&0x1b), "{words:?}");
        // On a terminal, help is coloured unless NO_COLOR is set.
        let help = format!("{} {} --help", env!("CARGO_BIN_EXE_testudo"), name(words));
        assert!(
            !on_a_terminal(80, &format!("NO_COLOR=1 {help}")).contains('\u{1b}'),
            "{help}"
        );
    }
    let help = format!("{} --help", env!("CARGO_BIN_EXE_testudo"));
    assert!(
        on_a_terminal(80, &help).contains('\u{1b}'),
        "the command must detect the terminal"
    );
}

/// The output of a shell command on a terminal with this number of columns.
fn on_a_terminal(columns: usize, command: &str) -> String {
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command"])
        .arg(format!("stty cols {columns} rows 24; {command}"))
        .arg("/dev/null")
        .env_remove("COLUMNS")
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().replace('\r', "")
}

#[tokio::test(flavor = "multi_thread")]
async fn table_that_is_wider_than_the_terminal_is_printed_as_records() {
    let fixture = Fixture::new().await;
    let list = format!(
        "{} client list --config {}",
        env!("CARGO_BIN_EXE_testudo"),
        fixture.site.config().display()
    );
    let narrow = on_a_terminal(80, &list);
    assert!(narrow.starts_with(&format!("client      {PAY_ID}\n")), "{narrow}");
    assert!(narrow.contains("\nrule        payments\n"), "{narrow}");
    for table in [
        on_a_terminal(80, &format!("{list} --wide")),
        on_a_terminal(200, &list),
    ] {
        assert!(table.contains("CLIENT") && table.lines().count() == 2, "{table}");
    }
    let piped = fixture.site.ok(&["client", "list"]);
    assert!(piped.contains("CLIENT") && piped.lines().count() == 2, "{piped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_output_has_arrays_for_sets_and_rfc_3339_for_times() {
    let fixture = Fixture::new().await;
    let rules = fixture.site.json(&["rule", "list"]);
    let tested = fixture.site.json(&["rule", "test", PAY_ID]);
    for set in [&rules[0]["scopes"], &tested[0]["scopes"]] {
        assert_eq!(*set, serde_json::json!(["orders.read", "orders.write"]));
    }
    fixture.site.ok(&["identity", "block", "spiffe://prod.example/x"]);
    let events = fixture.site.events(&[]);
    for moment in [
        &events[0]["time"],
        &events[0]["keep_until"],
        &fixture.site.json(&["key", "list"])[0]["created"],
        &fixture.site.json(&["identity", "list"])[0]["since"],
        &fixture.site.json(&["client", "list"])[0]["first_seen"],
    ] {
        let text = moment.as_str().unwrap_or_else(|| panic!("{moment}"));
        assert!(
            testudo_protocol::Timestamp::parse(text).is_some() && text.ends_with('Z'),
            "{text}"
        );
    }
}
