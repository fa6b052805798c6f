//! Tokens in the form of those that CI systems issue to jobs: names, types and forms of all claims are theirs.

use crate::token::Draft;
use serde_json::json;
use testudo_protocol::jose::SigningKey;

/// A token of a job of GitHub Actions that deploys the branch `main` of the repository `acme/app` to `production`.
/// docs.github.com/en/actions/reference/security/oidc
pub fn github_job<'k>(key: &'k SigningKey, issuer: &str, audience: &str, now: i64) -> Draft<'k> {
    let workflow = "acme/app/.github/workflows/deploy.yml@refs/heads/main";
    Draft::svid(key, "repo:acme/app:environment:production", audience, now)
        .header("x5t", "eBZ_cn3sXYAd0ch4THBKHIgOwOE")
        .more_claims(&json!({
            "jti": "0f1c5f1e-8b5c-4d1e-9d5e-0d4f3e8c1a11", "iss": issuer, "aud": audience,
            "nbf": now - 300, "exp": now + 300, "iat": now,
            "ref": "refs/heads/main", "ref_type": "branch", "ref_protected": "true",
            "sha": "c4d5bbd1a0d1d1b7d3d0e6f8a1b2c3d4e5f60718", "head_ref": "", "base_ref": "", "event_name": "push",
            "repository": "acme/app", "repository_id": "12345", "repository_visibility": "private",
            "repository_owner": "acme", "repository_owner_id": "77",
            "environment": "production", "environment_node_id": "EN_kwDOAAABAs4AAAAB",
            "run_id": "9000000001", "run_number": "10", "run_attempt": "1", "actor": "alice", "actor_id": "31",
            "workflow": "deploy", "workflow_ref": workflow, "workflow_sha": "c4d5bbd1a0d1d1b7d3d0e6f8a1b2c3d4e5f60718",
            "job_workflow_ref": workflow, "job_workflow_sha": "c4d5bbd1a0d1d1b7d3d0e6f8a1b2c3d4e5f60718",
            "runner_environment": "github-hosted",
        }))
}

/// The same for a job of a pull request from the branch `feature`: it has no environment.
pub fn github_pull_request<'k>(key: &'k SigningKey, issuer: &str, audience: &str, now: i64) -> Draft<'k> {
    github_job(key, issuer, audience, now)
        .without_claim("environment")
        .without_claim("environment_node_id")
        .more_claims(&json!({
            "sub": "repo:acme/app:pull_request", "event_name": "pull_request", "ref": "refs/pull/7/merge",
            "ref_protected": "false", "head_ref": "feature", "base_ref": "main",
        }))
}

/// A token of a job of GitLab that deploys the protected branch `main` of the project `acme/app` to `production`.
/// docs.gitlab.com/ci/secrets/id_token_authentication
pub fn gitlab_job<'k>(key: &'k SigningKey, issuer: &str, audience: &str, now: i64) -> Draft<'k> {
    Draft::svid(key, "project_path:acme/app:ref_type:branch:ref:main", audience, now).more_claims(&json!({
        "jti": "63ab75f4-2606-4f0e-a500-86f90ab13a85", "iss": issuer, "aud": audience,
        "iat": now, "nbf": now - 5, "exp": now + 3600,
        "namespace_id": "72", "namespace_path": "acme", "project_id": "789", "project_path": "acme/app",
        "project_visibility": "private", "user_id": "1", "user_login": "alice", "user_email": "alice@example.com",
        "user_access_level": "maintainer", "pipeline_id": "574", "pipeline_source": "push", "job_id": "302",
        "ref": "main", "ref_type": "branch", "ref_path": "refs/heads/main", "ref_protected": "true",
        "environment": "production", "environment_protected": "true", "deployment_tier": "production",
        "environment_action": "start", "runner_id": 1, "runner_environment": "self-hosted",
        "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
        "ci_config_ref_uri": format!("{}/acme/app//.gitlab-ci.yml@refs/heads/main", issuer.replacen("https://", "", 1)),
        "ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
    }))
}

/// The same for a job of a merge request from the branch `feature` of the same project.
pub fn gitlab_merge_request<'k>(key: &'k SigningKey, issuer: &str, audience: &str, now: i64) -> Draft<'k> {
    let mut draft = gitlab_job(key, issuer, audience, now);
    for claim in [
        "environment",
        "environment_protected",
        "deployment_tier",
        "environment_action",
    ] {
        draft = draft.without_claim(claim);
    }
    draft.more_claims(&json!({
        "sub": "project_path:acme/app:ref_type:branch:ref:feature", "pipeline_source": "merge_request_event",
        "ref": "feature", "ref_path": "refs/merge-requests/7/head", "ref_protected": "false",
    }))
}
