//! Tests that jobs of CI systems get tokens by the recipes of `docs/guides/ci.md`, and that jobs of proposed changes get
//! none. The CI system is made up; its tokens have the claims of those of GitHub and GitLab.

use super::guides::{Recipe, recipe};
use super::programs::{node, or_skipped};
use crate::binary::{Server, Site, now, run_to_end, search_path, stderr};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::{Arc, Mutex};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::ci::{github_job, github_pull_request, gitlab_job, gitlab_merge_request};
use testudo_testkit::token::{Draft, claims};
use testudo_testkit::web::{answer_text, authorization_server};
use testudo_testkit::{generate_key, key_set};

const PAGE: &str = "ci.md";
const RESOURCE: &str = "https://api.example.net/deployments";
const RUNTIME_TOKEN: &str = "runtime-token-of-the-job";

/// A job: its token, by key, issuer, audience and time.
type Job = for<'k> fn(&'k SigningKey, &str, &str, i64) -> Draft<'k>;

/// A server with the entry and the rule of a section of the page, and a CI system.
struct Pipeline {
    site: Site,
    issuer: String,
    ci: String,
    key: Arc<SigningKey>,
    /// The job that asks for its token at the address of GitHub Actions.
    job: Arc<Mutex<Job>>,
    _server: Server,
}

impl Pipeline {
    /// `public`: the issuer that the page names.
    async fn start(section: &Recipe, public: &str, job: Job) -> Pipeline {
        let key = Arc::new(generate_key(Algorithm::RS256, Some("ci")));
        let job = Arc::new(Mutex::new(job));
        let address = Arc::new(Mutex::new(String::new()));
        let (of_server, asking, at) = (key.clone(), job.clone(), address.clone());
        let ci = authorization_server(move |request| {
            let ci = at.lock().unwrap().clone();
            let answer = answer(&request, &ci, &of_server, *asking.lock().unwrap());
            std::future::ready(answer)
        })
        .await;
        address.lock().unwrap().clone_from(&ci);
        let (site, issuer) = Site::under_its_own_name();
        let entries = section.block("toml");
        assert!(entries.contains(public), "{entries}");
        site.append(&entries.replace(public, &ci));
        let server = tokio::task::block_in_place(|| site.serve());
        Pipeline {
            site,
            issuer,
            ci,
            key,
            job,
            _server: server,
        }
    }

    fn token_of(&self, job: Job) -> String {
        job(&self.key, &self.ci, &self.issuer, now()).sign()
    }

    /// Runs a step of the page as this job. Returns whether it succeeded, and what it printed.
    fn run(&self, job: Job, command: &mut Command) -> (bool, String) {
        *self.job.lock().unwrap() = job;
        let command = command
            .current_dir(&self.site.folder)
            .env("PATH", search_path())
            .env("ISSUER", &self.issuer)
            .env("RESOURCE", RESOURCE)
            .env(
                "ACTIONS_ID_TOKEN_REQUEST_URL",
                format!("{}/job?api-version=2.0", self.ci),
            )
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", RUNTIME_TOKEN)
            .env("TESTUDO_TOKEN", self.token_of(job));
        let output = tokio::task::block_in_place(|| run_to_end(command, ""));
        let printed = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&printed).into_owned(),
        )
    }

    /// As GitHub and GitLab run the steps of a job.
    fn shell(&self, job: Job, script: &str) -> (bool, String) {
        self.run(job, Command::new("bash").args(["-e", "-c", script]))
    }

    #[track_caller]
    fn assert_granted(&self, (is_good, printed): (bool, String), client: &str) {
        assert!(is_good, "{printed}");
        let answer: Value = serde_json::from_str(&printed).unwrap_or_default();
        let token = claims(answer["access_token"].as_str().unwrap_or(printed.trim()));
        assert_eq!(
            (&token["sub"], &token["aud"], &token["scope"]),
            (&json!(client), &json!(RESOURCE), &json!("deployments.write"))
        );
    }
}

/// What the CI system answers: its keys, or the token of the job.
fn answer(request: &str, ci: &str, key: &SigningKey, job: Job) -> String {
    let line = request.lines().next().unwrap_or_default();
    if line.starts_with("GET /jwks ") {
        let keys = key_set(&[key]);
        return answer_text("200 OK", "", &keys.to_string());
    }
    let query = line
        .strip_prefix("GET /job?")
        .and_then(|rest| rest.split(' ').next());
    let authorized = format!("authorization: bearer {RUNTIME_TOKEN}");
    let is_authorized = request.lines().any(|line| line.to_lowercase() == authorized);
    let Some(query) = query.filter(|_| is_authorized) else {
        return answer_text("403 Forbidden", "", "{}");
    };
    let parameters: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let [version, (name, audience)] = parameters.as_slice() else {
        panic!("{parameters:?}")
    };
    assert_eq!((version.0.as_str(), name.as_str()), ("api-version", "audience"));
    let value = job(key, ci, audience, now()).sign();
    answer_text(
        "200 OK",
        "",
        &json!({ "count": value.len(), "value": value }).to_string(),
    )
}

/// The commands of the one step of a workflow of GitHub.
fn run_of(workflow: &str) -> String {
    let (before, after) = workflow.split_once("run: |\n").unwrap();
    let indentation = before.lines().last().unwrap().find('-').unwrap() + 4;
    let lines = after
        .lines()
        .map(|line| line.get(indentation..).unwrap_or_default());
    lines.map(|line| format!("{line}\n")).collect()
}

/// The commands of the one job of a pipeline of GitLab.
fn script_of(pipeline: &str) -> String {
    let (_, after) = pipeline.split_once("script:\n").unwrap();
    let lines = after
        .lines()
        .map(|line| line.trim_start().strip_prefix("- ").unwrap());
    lines.map(|line| format!("{line}\n")).collect()
}

/// A repository that took the name over, after the first one was renamed.
fn other_repository<'k>(key: &'k SigningKey, issuer: &str, audience: &str, now: i64) -> Draft<'k> {
    github_job(key, issuer, audience, now).claim("repository_id", "99999")
}

/// The project of a fork, which GitLab names in the token of its merge request.
fn fork<'k>(key: &'k SigningKey, issuer: &str, audience: &str, now: i64) -> Draft<'k> {
    gitlab_job(key, issuer, audience, now).claim("project_id", "99999")
}

/// The default audience of GitHub, which a job gets that asks for none.
fn for_github<'k>(key: &'k SigningKey, issuer: &str, _audience: &str, now: i64) -> Draft<'k> {
    github_job(key, issuer, "https://github.com/acme", now)
}

#[tokio::test(flavor = "multi_thread")]
async fn job_of_github_gets_a_token_with_nothing_stored_and_other_jobs_get_none() {
    let section = recipe(PAGE, "GitHub Actions");
    let public = "https://token.actions.githubusercontent.com";
    let pipeline = Pipeline::start(&section, public, github_job).await;
    let with_curl = recipe(PAGE, "GitHub Actions, with curl");
    for step in [run_of(section.block("yaml")), run_of(with_curl.block("yaml"))] {
        pipeline.assert_granted(pipeline.shell(github_job, &step), "github:12345");
        for (case, job) in [
            ("pull request", github_pull_request as Job),
            ("other repository", other_repository),
        ] {
            let (is_good, printed) = pipeline.shell(job, &step);
            assert!(
                !is_good && printed.contains("invalid_client"),
                "{case}: {printed}"
            );
        }
        let (is_good, printed) =
            pipeline.shell(github_job, &format!("RESOURCE=https://other.example\n{step}"));
        assert!(!is_good && printed.contains("invalid_target"), "{printed}");
        assert!(!printed.contains(RUNTIME_TOKEN), "{printed}");
    }
    let clients = pipeline.site.json(&["client", "list"]);
    let [client] = clients.as_array().unwrap().as_slice() else {
        panic!("{clients}")
    };
    assert_eq!(client["metadata"]["client_name"], "acme/app");

    let step = run_of(section.block("yaml"));
    let (is_good, printed) = pipeline.shell(for_github, &step);
    let remedy = format!("ask the issuer of the token for the audience {}", pipeline.issuer);
    assert!(
        !is_good && printed.contains("https://github.com/acme"),
        "{printed}"
    );
    assert!(printed.contains(&remedy), "{printed}");
    let without = format!("unset ACTIONS_ID_TOKEN_REQUEST_URL ACTIONS_ID_TOKEN_REQUEST_TOKEN\n{step}");
    let (is_good, printed) = pipeline.shell(github_job, &without);
    assert!(!is_good && printed.contains("id-token: write"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn job_of_gitlab_gets_a_token_with_nothing_stored_and_other_jobs_get_none() {
    let section = recipe(PAGE, "GitLab");
    let pipeline = Pipeline::start(&section, "https://gitlab.com", gitlab_job).await;
    let script = script_of(section.block("yaml"));
    pipeline.assert_granted(pipeline.shell(gitlab_job, &script), "gitlab:789");
    for (case, job) in [("merge request", gitlab_merge_request as Job), ("fork", fork)] {
        let (is_good, printed) = pipeline.shell(job, &script);
        assert!(
            !is_good && printed.contains("invalid_client"),
            "{case}: {printed}"
        );
        let (_, id) = printed.split_once("testudo explain ").unwrap();
        let explained = tokio::task::block_in_place(|| pipeline.site.ok(&["explain", id.trim()]));
        assert!(explained.contains("claim_differs"), "{case}: {explained}");
    }
    let (is_good, printed) = pipeline.shell(for_github, &script);
    assert!(
        !is_good && printed.contains("id_tokens: { TESTUDO_TOKEN: { aud: "),
        "{printed}"
    );
    let (is_good, printed) = pipeline.shell(gitlab_job, &format!("unset TESTUDO_TOKEN\n{script}"));
    assert!(
        !is_good && printed.contains("TESTUDO_TOKEN is not set"),
        "{printed}"
    );
}

/// The library was not written for this server.
#[tokio::test(flavor = "multi_thread")]
async fn recipe_for_oauth4webapi_gets_a_token_with_the_token_of_a_job_in_a_file() {
    let section = recipe(PAGE, "JavaScript");
    let packages = section.packages("www.npmjs.com", "@");
    let Some(folder) = or_skipped(tokio::task::block_in_place(|| node("oauth4webapi", &packages))) else {
        return;
    };
    let file = folder.join("job.mjs");
    std::fs::write(&file, section.block("js")).unwrap();
    let pipeline = Pipeline::start(&recipe(PAGE, "GitLab"), "https://gitlab.com", gitlab_job).await;
    let token = pipeline.site.folder.join("job.jwt");
    let as_job = |job: Job| {
        std::fs::write(&token, pipeline.token_of(job)).unwrap();
        let mut node = Command::new("node");
        pipeline.run(job, node.arg(&file).env("ASSERTION_FILE", &token))
    };
    pipeline.assert_granted(as_job(gitlab_job), "gitlab:789");
    let (is_good, printed) = as_job(gitlab_merge_request);
    assert!(!is_good && printed.contains("invalid_client"), "{printed}");
}

#[test]
fn entries_and_rules_of_the_page_about_ci_systems_have_no_warning() {
    for section in ["GitHub Actions", "GitLab"] {
        let site = Site::new();
        site.append(recipe(PAGE, section).block("toml"));
        let output = site.run(&["check"]);
        let printed = stderr(&output);
        assert!(output.status.success(), "{printed}");
        assert!(
            !printed.contains("issuers[") && !printed.contains("rules["),
            "{section}: {printed}"
        );
        // The same without the environment is warned of, so that the check does compare these entries.
        let text = std::fs::read_to_string(site.config()).unwrap();
        let text = text
            .replace(", environment = \"production\"", "")
            .replace(", ref_protected = \"true\"", "");
        site.write("testudo.toml", &text);
        let printed = stderr(&site.run(&["check"]));
        assert!(
            printed.contains("requests: the author of a change gets tokens"),
            "{section}: {printed}"
        );
    }
}
