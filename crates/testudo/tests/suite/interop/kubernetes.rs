//! Tests that the API server of Kubernetes accepts access tokens of this server as those of its users.

use super::guides::recipe;
use super::minted::{Minted, SUBJECT};
use super::shop::{RESOURCE, Shop};
use crate::helm::tools;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testudo_testkit::kubernetes::ApiServer;
use testudo_testkit::scratch;
use testudo_testkit::web::DocumentServer;

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test(flavor = "multi_thread")]
async fn recipe_for_kubernetes_checks_a_token() {
    let documents = DocumentServer::start("localhost").await;
    tokio::task::block_in_place(|| checks_a_token(&documents));
}

fn checks_a_token(documents: &DocumentServer) {
    let Some(tools) = tools() else { return };
    let shop = Shop::over_tls();
    let minted = Minted::named(format!("https://localhost:{}", documents.address.port()));
    // The API server fetches the same document as metadata and as keys.
    let mut document: Value = serde_json::from_str(&minted.jwks()).unwrap();
    document["issuer"] = minted.issuer.as_str().into();
    document["jwks_uri"] = format!("{}/jwks", minted.issuer).into();
    documents.answers(200, None, &document.to_string());

    let recipe = recipe("check-a-token.md", "Kubernetes");
    let (head, entry) = recipe.block("yaml").split_once("jwt:\n").unwrap();
    let entry = |issuer: &str, root: &str| {
        let entry = entry.replace("$ISSUER", issuer).replace("$RESOURCE", RESOURCE);
        // A JSON string is also a YAML string.
        entry.replace("$CA", &Value::from(root).to_string())
    };
    let root = std::fs::read_to_string(shop.site.folder.join("root.pem")).unwrap();
    let entries = [
        entry(&shop.issuer, &root),
        entry(&minted.issuer, &documents.root_pem),
    ]
    .concat();
    shop.site
        .write("authentication.yaml", &format!("{head}jwt:\n{entries}"));
    let file = shop.site.folder.join("authentication.yaml");
    let flag = format!("--authentication-config={}", file.display());
    let server = ApiServer::start_with(&tools, &scratch::folder("kubernetes"), &[&flag]).unwrap();
    let ask = |token: &str| server.ask_as(token, "GET", CONFIG_MAPS, "").unwrap();
    // The API server fetches the keys of issuers some time after its start, and applies role bindings some time after
    // they are created.
    let ask_until = |token: &str, status: u16| {
        let began = Instant::now();
        loop {
            let answer = ask(token);
            if answer.status == status {
                return answer;
            }
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "not {status}: {answer:?}"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    };

    let tokens = [shop.token(), minted.good()];
    for token in &tokens {
        let known = ask_until(token, 403);
        let printed = known.body["message"].as_str().unwrap();
        assert!(
            printed.contains(SUBJECT),
            "the user must be known and have no permission: {known:?}"
        );
    }
    let api = "rbac.authorization.k8s.io";
    let metadata = json!({ "name": "orders" });
    let role = json!({
        "apiVersion": format!("{api}/v1"), "kind": "Role", "metadata": metadata,
        "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"] }],
    });
    let binding = json!({
        "apiVersion": format!("{api}/v1"), "kind": "RoleBinding", "metadata": metadata,
        "roleRef": { "apiGroup": api, "kind": "Role", "name": "orders" },
        "subjects": [{ "apiGroup": api, "kind": "Group", "name": "scope:orders.read" }],
    });
    for (collection, object) in [("roles", role), ("rolebindings", binding)] {
        let path = format!("/apis/{api}/v1/namespaces/default/{collection}");
        let made = server.ask("POST", &path, &object.to_string()).unwrap();
        assert_eq!(made.status, 201, "{made:?}");
    }
    for token in &tokens {
        ask_until(token, 200);
    }
    for (what, wrong) in minted.wrong() {
        let status = match what {
            // The request is that of the user `system:anonymous`, who has no permissions.
            "no token" => 403,
            // The API server does not check `typ`, as the page states.
            "another type" => 200,
            _ => 401,
        };
        assert_eq!(ask(&wrong).status, status, "{what}");
    }
}
