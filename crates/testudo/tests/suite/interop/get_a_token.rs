//! Tests that each recipe of `docs/guides/get-a-token.md` gets a token, and prints the error code of the server if it
//! gets none.

use super::guides::recipe;
use super::programs::{build_go, build_java, build_node, build_python, go, java, node, or_skipped, python};
use super::shop::{RESOURCE, Shop};
use std::process::Command;

const PAGE: &str = "get-a-token.md";

/// Checks a recipe: its program prints the token, or the whole answer as JSON.
#[track_caller]
fn check_recipe(shop: &Shop, program: impl Fn() -> Command) {
    let stdout = shop.output_of(program());
    let answer = serde_json::from_str::<serde_json::Value>(&stdout).unwrap_or_default();
    let claims = testudo_testkit::token::claims(answer["access_token"].as_str().unwrap_or(stdout.trim()));
    assert_eq!(
        (&claims["iss"], &claims["aud"], &claims["sub"]),
        (
            &shop.issuer.clone().into(),
            &RESOURCE.into(),
            &shop.client.clone().into()
        )
    );
    let events = shop.site.events(&[]);
    let refused = |event: &&serde_json::Value| !event["rejection"].is_null();
    assert_eq!(
        events.iter().find(refused),
        None,
        "there must be no refused attempt"
    );

    shop.assert_error_code_is_printed(program());
}

#[test]
fn recipe_for_the_shell_gets_a_token() {
    let recipe = recipe(PAGE, "Shell");
    let program = || {
        let mut shell = Command::new("sh");
        shell.args(["-c", recipe.block("sh")]);
        shell
    };
    check_recipe(&Shop::with_svid_in_a_file(), program);
}

#[test]
fn recipe_for_python_gets_a_token() {
    let recipe = recipe(PAGE, "Python");
    let Some(folder) = or_skipped(python("python-get", &recipe.packages("pypi.org", "=="))) else {
        return;
    };
    let program = build_python(&folder, recipe.block("python"));
    check_recipe(&Shop::with_svid_in_a_file(), program);
}

#[test]
fn recipe_for_go_gets_a_token_without_a_refused_attempt() {
    let recipe = recipe(PAGE, "Go");
    let Some(folder) = or_skipped(go("go-get", &recipe.packages("pkg.go.dev", "@"))) else {
        return;
    };
    let built = build_go(&folder, recipe.block("go"));
    check_recipe(&Shop::with_a_spire_agent(), || Command::new(&built));
}

#[test]
fn recipe_for_openid_client_gets_a_token() {
    javascript("openid-client");
}

#[test]
fn recipe_for_oauth4webapi_gets_a_token() {
    javascript("oauth4webapi");
}

fn javascript(library: &str) {
    let recipe = recipe(PAGE, &format!("JavaScript: {library}"));
    let Some(folder) = or_skipped(node(library, &recipe.packages("www.npmjs.com", "@"))) else {
        return;
    };
    let program = build_node(&folder, "get.mjs", recipe.block("js"));
    check_recipe(&Shop::with_svid_in_a_file(), program);
}

#[test]
fn recipe_for_spring_security_gets_a_token() {
    let recipe = recipe(PAGE, "Java: Spring Security");
    let Some(folder) = or_skipped(java("java-get", recipe.block("xml"))) else {
        return;
    };
    let java = build_java(&folder, "Get.java", recipe.block("java"));
    check_recipe(&Shop::with_svid_in_a_file(), || {
        let mut java = java();
        java.arg("Get");
        java
    });
}
