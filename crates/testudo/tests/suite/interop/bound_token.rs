//! Tests that each recipe of `docs/guides/bound-token.md` gets a token that is bound to its key, with and without nonces.

use super::guides::recipe;
use super::programs::{build_node, build_python, node, or_skipped, python};
use super::shop::{RESOURCE, Shop};
use std::process::Command;
use testudo_testkit::token::claims;

const PAGE: &str = "bound-token.md";

/// Checks a recipe: its program prints the token and the thumbprint of its key.
#[track_caller]
fn check_recipe(program: impl Fn() -> Command) {
    for nonces in ["optional", "required"] {
        let shop = Shop::with_dpop_nonces(nonces);
        println!("dpop_nonce = {nonces}");
        let stdout = shop.output_of(program());
        let (token, thumbprint) = stdout.trim().split_once('\n').unwrap();
        let claims = claims(token);
        assert_eq!(
            (&claims["aud"], &claims["cnf"]),
            (&RESOURCE.into(), &serde_json::json!({ "jkt": thumbprint })),
            "{nonces}"
        );
        shop.assert_error_code_is_printed(program());
    }
}

#[test]
fn recipe_for_the_shell_gets_a_bound_token() {
    let recipe = recipe(PAGE, "Shell");
    check_recipe(|| {
        let mut shell = Command::new("sh");
        shell.args(["-c", recipe.block("sh")]);
        shell
    });
}

#[test]
fn recipe_for_python_gets_a_bound_token() {
    let recipe = recipe(PAGE, "Python");
    let Some(folder) = or_skipped(python("python-get", &recipe.packages("pypi.org", "=="))) else {
        return;
    };
    check_recipe(build_python(&folder, recipe.block("python")));
}

#[test]
fn recipe_for_openid_client_gets_a_bound_token() {
    javascript("openid-client");
}

#[test]
fn recipe_for_oauth4webapi_gets_a_bound_token() {
    javascript("oauth4webapi");
}

fn javascript(library: &str) {
    let recipe = recipe(PAGE, &format!("JavaScript: {library}"));
    let Some(folder) = or_skipped(node(library, &recipe.packages("www.npmjs.com", "@"))) else {
        return;
    };
    let program = build_node(&folder, "bound.mjs", recipe.block("js"));
    check_recipe(program);
}
