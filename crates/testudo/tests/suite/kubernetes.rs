//! The built server with the API server of Kubernetes: tokens that it issues, keys that it publishes and rotates, reviews
//! of tokens, and a second cluster with the same issuer.

use crate::binary::{Site, run_to_end, search_path, write_program};
use crate::helm::tools;
use crate::interop::guides::{Recipe, recipe};
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};
use testudo_testkit::kubernetes::{ADMINISTRATOR, ApiServer, FIRST_KEY, PodOf, TokenOf, Tools};
use testudo_testkit::scratch;
use testudo_testkit::token::{claims, header};

const GUIDE: &str = "kubernetes.md";
const RESOURCES: [&str; 2] = ["https://orders.example.net", "https://invoices.example.net"];
/// The API server keeps an answer about a token for ten seconds, and accepts the token of a deleted pod for another minute.
const DEADLINE: Duration = Duration::from_secs(150);

/// A shell in the folder of the server, with a `kubectl` that sends the requests of the guide to this API server.
struct Shell<'a> {
    site: &'a Site,
    issuer: &'a str,
}

impl Shell<'_> {
    fn run(&self, script: &str, variables: &[(&str, &str)]) -> (bool, String) {
        let path = format!("{}:{}", self.site.folder.display(), search_path());
        let output = run_to_end(
            Command::new("sh")
                .args(["-ec", script])
                .current_dir(&self.site.folder)
                .env("PATH", path)
                .env("ISSUER", self.issuer)
                .envs(variables.iter().copied()),
            "",
        );
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        (output.status.success(), text)
    }

    /// Asks for an access token with the token of a service account, as the guide does in the container.
    fn ask(&self, guide: &Recipe, token: &str, resource: &str) -> (bool, Value) {
        self.site.write("pod.token", token);
        let file = self.site.folder.join("pod.token").display().to_string();
        let variables = [("TOKEN_FILE", &*file), ("RESOURCE", resource)];
        let (is_good, answer) = self.run(guide.block("sh"), &variables);
        (is_good, serde_json::from_str(&answer).unwrap_or_default())
    }

    #[track_caller]
    fn granted(&self, guide: &Recipe, token: &str, resource: &str) -> Value {
        let (is_good, answer) = self.ask(guide, token, resource);
        assert!(is_good, "{answer}");
        claims(answer["access_token"].as_str().unwrap())
    }

    /// Asks until the answer is this one: what changes at the API server takes effect after some seconds.
    #[track_caller]
    fn until(&self, guide: &Recipe, token: &str, is_granted: bool) {
        let began = Instant::now();
        loop {
            let (is_good, answer) = self.ask(guide, token, RESOURCES[0]);
            if is_good == is_granted {
                assert!(is_good || answer["error"] == "invalid_client", "{answer}");
                return;
            }
            assert!(began.elapsed() < DEADLINE, "granted: {is_granted}: {answer}");
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

/// `kubectl` with the three commands of the guide.
fn write_kubectl(site: &Site, cluster: &ApiServer) {
    let script = format!(
        r#"#!/bin/sh
set -e
api() {{ curl -sS --fail-with-body --cacert cluster-a.pem -H 'authorization: Bearer {ADMINISTRATOR}' "$@"; }}
case "$1 $2" in
"get --raw") api "{address}$3" ;;
"create token")
  api -H 'content-type: application/json' "{address}/api/v1/namespaces/$5/serviceaccounts/$3/token" \
    -d '{{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{{"expirationSeconds":86400}}}}' |
    sed -n 's/.*"token": *"\([^"]*\)".*/\1/p' ;;
*) echo "kubectl $*: not one of the commands of the guide" >&2; exit 2 ;;
esac
"#,
        address = cluster.address()
    );
    write_program(&site.folder.join("kubectl"), &script);
}

/// Creates the objects of a file of the guide, as `kubectl apply` does.
fn apply(cluster: &ApiServer, objects: &str) {
    for object in objects.split("---\n") {
        let member = |name: &str| {
            let line = object.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim().to_owned()
        };
        let path = match (&*member("apiVersion:"), &*member("kind:")) {
            ("v1", "Namespace") => "/api/v1/namespaces",
            ("v1", "ServiceAccount") => "/api/v1/namespaces/testudo/serviceaccounts",
            ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => {
                "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
            }
            ("apps/v1", "Deployment") => {
                "/apis/apps/v1/namespaces/shop/deployments?dryRun=All&fieldValidation=Strict"
            }
            other => panic!("{other:?}"),
        };
        let answer = cluster.ask("POST", path, object).unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
    }
}

fn token(cluster: &ApiServer, account: &str, audience: &str, pod: Option<&PodOf>) -> String {
    let of = TokenOf {
        namespace: "shop",
        account,
        audiences: &[audience],
        seconds: 600,
        pod,
    };
    cluster.token(of).unwrap()
}

fn start(tools: &Tools, name: &str) -> ApiServer {
    let cluster = ApiServer::start(tools, &scratch::folder(name)).unwrap();
    for account in ["cart", "default"] {
        cluster.create_account("shop", account).unwrap();
    }
    cluster
}

/// The server of the guide, with this entry and the rule of the guide.
fn configure(site: &Site, entries: &str, cluster: &ApiServer) {
    site.write("cluster-a.pem", &cluster.root_pem());
    site.append(&entries.replace("$API_SERVER", cluster.address()));
}

/// Gets a token with the program `testudo`. It does not send the token of the default volume, which is for the API server.
fn uses_the_command_line(shell: &Shell<'_>, cluster: &ApiServer, of_pod: &str) {
    let script = format!("exec 2>&1\n{}", recipe(GUIDE, "The application").block("sh"));
    let file = shell.site.folder.join("pod.token").display().to_string();
    let run = |token: &str| {
        shell.site.write("pod.token", token);
        shell.run(&script, &[("TOKEN_FILE", &*file), ("RESOURCE", RESOURCES[0])])
    };
    let (is_good, printed) = run(of_pod);
    assert!(is_good, "{printed}");
    assert_eq!(claims(printed.trim())["sub"], "cluster-a:shop/cart");
    let api = "https://kubernetes.default.svc.cluster.local";
    let (is_good, printed) = run(&token(cluster, "cart", api, None));
    let remedy = format!("audience: {} in the serviceAccountToken", shell.issuer);
    assert!(
        !is_good && printed.contains(api) && printed.contains(&remedy),
        "{printed}"
    );
}

// Rows H-09, H-10, H-14, H-19.
#[test]
fn guide_for_kubernetes_is_right_and_a_token_ends_with_its_pod() {
    let Some(tools) = tools() else { return };
    let cluster = start(&tools, "cluster-a");
    let (site, issuer) = Site::under_its_own_name();
    write_kubectl(&site, &cluster);
    configure(&site, recipe(GUIDE, "This server").block("toml"), &cluster);
    let shell = Shell {
        site: &site,
        issuer: &issuer,
    };
    apply(&cluster, recipe(GUIDE, "The cluster").block("yaml"));
    let commands = recipe(GUIDE, "The cluster")
        .block("sh")
        .replace("kubectl apply -f cluster.yaml\n", "");
    let (is_good, printed) = shell.run(&commands, &[]);
    assert!(
        is_good && printed.contains("kubernetes.default.svc.cluster.local"),
        "{printed}"
    );
    let workload = recipe(GUIDE, "The workload");
    apply(&cluster, &workload.block("yaml").replace("$ISSUER", &issuer));
    // The bindings take effect some time after they are created.
    let began = Instant::now();
    loop {
        let output = site.run(&["doctor"]);
        if output.status.success() {
            break;
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(began.elapsed() < DEADLINE, "{text}");
        std::thread::sleep(Duration::from_millis(500));
    }
    let server = site.serve();

    let pod = cluster.create_pod("shop", "cart", "cart-0").unwrap();
    let of_pod = token(&cluster, "cart", &issuer, Some(&pod));
    assert_eq!(header(&of_pod)["alg"], "RS256");
    assert_eq!(claims(&of_pod)["kubernetes.io"]["node"]["name"], "cart-0-node");
    // One account, several audiences: one client.
    for resource in RESOURCES {
        let issued = shell.granted(&workload, &of_pod, resource);
        assert_eq!(
            (&issued["sub"], &issued["aud"]),
            (&json!("cluster-a:shop/cart"), &json!(resource))
        );
    }
    uses_the_command_line(&shell, &cluster, &of_pod);
    let clients = site.json(&["client", "list"]);
    assert!(clients.to_string().contains("cart in the shop"), "{clients}");

    for (case, refused) in [
        (
            "for the API server",
            token(
                &cluster,
                "cart",
                "https://kubernetes.default.svc.cluster.local",
                None,
            ),
        ),
        (
            "for another server",
            token(&cluster, "cart", "spire-server", None),
        ),
        ("account default", token(&cluster, "default", &issuer, None)),
    ] {
        let (is_good, answer) = shell.ask(&workload, &refused, RESOURCES[0]);
        assert!(
            !is_good && answer["error"] == "invalid_client",
            "{case}: {answer}"
        );
    }
    let both = TokenOf {
        namespace: "shop",
        account: "cart",
        audiences: &[&issuer, "https://kubernetes.default.svc.cluster.local"],
        seconds: 600,
        pod: None,
    };
    let (is_good, answer) = shell.ask(&workload, &cluster.token(both).unwrap(), RESOURCES[0]);
    assert!(!is_good, "also for the API server: {answer}");

    let unbound = token(&cluster, "cart", &issuer, None);
    shell.granted(&workload, &unbound, RESOURCES[0]);
    cluster.delete_pod(&pod).unwrap();
    shell.until(&workload, &of_pod, false);
    shell.granted(&workload, &unbound, RESOURCES[0]);
    cluster.delete_account("shop", "cart").unwrap();
    shell.until(&workload, &unbound, false);
    // An account that is created again with the same name is another account.
    cluster.create_account("shop", "cart").unwrap();
    shell.until(&workload, &unbound, false);
    shell.until(&workload, &token(&cluster, "cart", &issuer, None), true);
    drop(server);
}

// Row H-12.
#[test]
fn keys_of_a_cluster_are_rotated_and_another_cluster_with_the_same_issuer_has_its_own() {
    let Some(tools) = tools() else { return };
    let mut cluster = start(&tools, "cluster-a");
    let other = start(&tools, "cluster-b");
    let (site, issuer) = Site::under_its_own_name();
    write_kubectl(&site, &cluster);
    site.write("cluster-a.token", ADMINISTRATOR);
    let section = recipe(GUIDE, "This server");
    // Without reviews: the API server is restarted below.
    let entries: String = section
        .block("toml")
        .lines()
        .filter(|line| !line.starts_with("token_review"))
        .map(|line| format!("{line}\n"))
        .collect();
    configure(&site, &entries, &cluster);
    let unreachable = recipe(GUIDE, "A cluster that this server cannot reach");
    let rule = "[[rules]]\nname = \"b\"\nidentities = [\"cluster-b:shop/{account}\"]\nscopes = [\"orders.read\"]\ndefault_scopes = [\"orders.read\"]\nresources = [\"https://orders.example.net\"]\n";
    site.append(&unreachable.block("toml").replace("cluster-a", "cluster-b"));
    site.append(rule);
    write_keys(&site, &other);
    let server = site.serve();
    let shell = Shell {
        site: &site,
        issuer: &issuer,
    };
    let workload = recipe(GUIDE, "The workload");
    let subject_of = |token: &str| shell.granted(&workload, token, RESOURCES[0])["sub"].clone();
    let (first, of_other) = (
        token(&cluster, "cart", &issuer, None),
        token(&other, "cart", &issuer, None),
    );
    assert_eq!(claims(&first)["iss"], claims(&of_other)["iss"]);
    assert_eq!(subject_of(&first), "cluster-a:shop/cart");
    assert_eq!(subject_of(&of_other), "cluster-b:shop/cart");

    // First the new key is published, then the cluster signs with it, then the old one is withdrawn.
    cluster
        .restart_with_keys(FIRST_KEY, &[FIRST_KEY, "next"])
        .unwrap();
    assert_eq!(cluster.keys().unwrap()["keys"].as_array().unwrap().len(), 2);
    let second = token(&cluster, "cart", &issuer, None);
    assert_eq!(header(&second)["kid"], header(&first)["kid"]);
    assert_eq!(subject_of(&second), "cluster-a:shop/cart");
    cluster.restart_with_keys("next", &["next", FIRST_KEY]).unwrap();
    let third = token(&cluster, "cart", &issuer, None);
    assert_ne!(header(&third)["kid"], header(&first)["kid"]);
    shell.until(&workload, &third, true);
    assert_eq!(
        subject_of(&first),
        "cluster-a:shop/cart",
        "both keys are published"
    );
    cluster.restart_with_keys("next", &["next"]).unwrap();
    site.ok(&["trust", "refresh", "cluster-a"]);
    shell.until(&workload, &first, false);
    assert_eq!(subject_of(&third), "cluster-a:shop/cart");
    assert_eq!(subject_of(&of_other), "cluster-b:shop/cart");
    let shown = site.json(&["trust", "show", "cluster-a"]);
    assert_eq!(shown["jwt_keys"], json!([header(&third)["kid"]]), "{shown}");
    drop(server);
}

/// Writes the keys of a cluster that the server cannot reach.
fn write_keys(site: &Site, cluster: &ApiServer) {
    let keys = cluster.keys().unwrap();
    std::fs::write(site.folder.join("cluster-b.jwks.json"), keys.to_string()).unwrap();
}
