//! Tokens of `[[issuers]]` entries with `kind = "jwt"`: of CI systems and of any OpenID provider.

mod configuration;
mod refused;
mod registration;
mod sponsors;
mod tokens;
mod unknown_claims;

use crate::world::{ISSUER, RULES, World, domains};
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::ci::{github_job, gitlab_job};
use testudo_testkit::http::Answer;
use testudo_testkit::token::{Draft, claims};
use testudo_testkit::{assertion_form, generate_key};

const ENDPOINT: &str = "https://as.example/register";
const GITHUB: &str = "https://token.actions.example";
const GITLAB: &str = "https://gitlab.example";

/// Two CI systems: the subject of the first names a branch, so another claim names its clients.
const ISSUERS: &str = r#"
[[issuers]]
name = "github"
kind = "jwt"
use = ["client"]
issuer = "https://token.actions.example"
jwks = { file = "github.json" }
subject_claim = "repository_id"
captures = { repository = "repository", owner = "repository_owner", runner = "/runner/environment" }
lifetime_max = "1h"
[[issuers]]
name = "gitlab"
kind = "jwt"
use = ["client", "registration"]
issuer = "https://gitlab.example"
jwks = { file = "gitlab.json" }
"#;

const RULES_OF_ISSUERS: &str = r#"
[[rules]]
name = "deploy"
authorities = ["github"]
claims = { repository_id = "12345", environment = "prod", "/runner/self_hosted" = false }
scopes = ["deploy"]
default_scopes = ["deploy"]
client_name = "{repository}"
client_uri = "https://code.example/{repository}"
[[rules]]
name = "build"
identities = ["github:*"]
claims = { repository_owner_id = 77 }
scopes = ["r"]
default_scopes = ["r"]
client_name = "{repository} of {owner} on {runner}"
[[rules]]
name = "group"
identities = ["gitlab:project_path:group/**"]
scopes = ["r", "client.register"]
default_scopes = ["r"]
resources = ["https://as.example/register"]
"#;

fn key() -> SigningKey {
    generate_key(Algorithm::ES256, Some("k"))
}

/// A server with the two CI systems.
struct Ci {
    world: World,
    github: SigningKey,
    gitlab: SigningKey,
}

impl Ci {
    async fn start() -> Ci {
        Ci::start_changed(|issuers, rules| (issuers.to_owned(), rules.to_owned())).await
    }

    /// The server, with the entries and the rules as `change` writes them.
    async fn start_changed(change: impl Fn(&str, &str) -> (String, String)) -> Ci {
        let (issuers, rules) = change(ISSUERS, RULES_OF_ISSUERS);
        let sections = format!("[registration]\n{}{issuers}", domains(""));
        Ci::start_with(&sections, &rules).await
    }

    /// The server with these sections, in which the entries are, and with these rules.
    async fn start_with(sections: &str, rules: &str) -> Ci {
        let ci = Ci {
            world: World::start_with(sections, &format!("{rules}{RULES}")).await,
            github: generate_key(Algorithm::RS256, Some("k")),
            gitlab: key(),
        };
        ci.world.publish_keys("github", &[&ci.github]).await;
        ci.world.publish_keys("gitlab", &[&ci.gitlab]).await;
        ci
    }

    /// A token of a job, in the form of GitHub's.
    fn github(&self) -> Draft<'_> {
        self.github_by(&self.github)
    }

    fn github_by<'k>(&self, key: &'k SigningKey) -> Draft<'k> {
        // With claims that are no text, which other CI systems have.
        let runner = json!({ "environment": "github-hosted", "self_hosted": false });
        github_job(key, GITHUB, ISSUER, self.world.now())
            .claim("environment", "prod")
            .claim("repository_owner_id", 77)
            .claim("runner", runner)
    }

    /// A token of a job, in the form of GitLab's.
    fn gitlab(&self) -> Draft<'_> {
        let subject = "project_path:group/app:ref_type:branch:ref:main";
        gitlab_job(&self.gitlab, GITLAB, ISSUER, self.world.now())
            .claim("sub", subject)
            .claim("project_id", "7")
    }

    /// A token request with this assertion.
    async fn show(&self, token: &str) -> Answer {
        self.show_with(token, &[]).await
    }

    async fn show_with(&self, token: &str, more: &[(&str, &str)]) -> Answer {
        self.world.send(&assertion_form(token, more)).await
    }
}

/// The claims of the access token.
fn granted(answer: &Answer, case: &str) -> Value {
    assert_eq!(answer.status, 200, "{case}: {answer:?}");
    claims(answer.json()["access_token"].as_str().unwrap())
}
