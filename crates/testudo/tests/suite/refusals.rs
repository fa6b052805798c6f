//! Every command of `docs/operations/refusals.md`, unchanged, for an authority of each kind; and the reasons that the page
//! names are those of the server.

use crate::binary::{ISSUER, Site, now};
use crate::pages::{blocks, operations, shell};
use serde_json::json;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::Answer;
use testudo_testkit::kubernetes::DEFAULT_ISSUER;
use testudo_testkit::token::Draft;
use testudo_testkit::{assertion_form, generate_key, key_set, svid_form};

const PAGE: &str = "refusals.md";

const ISSUERS: &str = r#"
[[issuers]]
name = "cluster-a"
kind = "kubernetes"
use = ["client"]
issuer = "https://kubernetes.default.svc.cluster.local"
jwks = { file = "keys.json" }
[[issuers]]
name = "ci"
kind = "jwt"
use = ["client"]
issuer = "https://ci.example"
jwks = { file = "keys.json" }
[[rules]]
name = "every"
identities = ["cluster-a:shop/{account}", "spiffe://prod.example/w/{name}"]
[[rules]]
name = "main"
authorities = ["ci"]
claims = { ref = "main" }
"#;

fn site(key: &SigningKey) -> Site {
    let site = Site::new();
    let keys = key_set(&[key]);
    site.write("keys.json", &keys.to_string());
    site.append(ISSUERS);
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_the_page_run_for_each_kind_of_authority() {
    let key = generate_key(Algorithm::ES256, Some("k"));
    let site = site(&key);
    let server = site.serve();
    let job = Draft::svid(&key, "project/7", ISSUER, now())
        .claim("iss", "https://ci.example")
        .claim("ref", "main");
    let pod = Draft::service_account(&key, DEFAULT_ISSUER, "shop/cart", ISSUER, now());
    let svid = Draft::svid(site.issuer.key(), "spiffe://prod.example/w/api", ISSUER, now());
    for (name, id, token) in [
        ("prod.example", "spiffe://prod.example/w/api", svid),
        ("cluster-a", "cluster-a:shop/cart", pod),
        ("ci", "ci:project/7", job),
    ] {
        let form = |token: &str| match name {
            "prod.example" => svid_form(token, &[]),
            _ => assertion_form(token, &[]),
        };
        let good = token.sign();
        let forged = format!("{}AAAA", &good[..good.len() - 4]);
        let refused: Answer = server.token(form(&forged)).await;
        assert_eq!(refused.status, 400, "{name}");
        site.write("token", &good);
        site.write("claims.json", &token.claims.to_string());
        let environment = [
            ("REQUEST_ID", refused.header("request-id").unwrap()),
            ("FILE", "token"),
            ("ID", id),
            ("NAME", name),
        ];
        let mut commands = 0;
        for section in ["The request", "The rule", "The keys"] {
            for block in blocks(PAGE, section) {
                // Without its claims, the identity of the job has no rule.
                if name == "ci" && block.contains("rule test") && !block.contains("--claims") {
                    shell(&site, &format!("{} || true", block.trim_end()), &environment);
                } else {
                    shell(&site, &block, &environment);
                }
                commands += block.lines().count();
            }
        }
        assert_eq!(commands, 8, "{name}");
        let claims = site.folder.join("claims.json");
        let tested = site.json(&["rule", "test", id, "--claims", claims.to_str().unwrap()]);
        assert_eq!(tested[0]["problem"], json!(null), "{tested}");
        assert_eq!(server.token(form(&good)).await.status, 200, "{name}");
    }
    let listed = site.ok(&["rule", "list"]);
    assert!(
        listed.contains("all of ci") && listed.contains("ref=\"main\""),
        "{listed}"
    );
    let noted = site.run(&["rule", "test", "ci:project/7"]);
    let noted = crate::binary::stderr(&noted);
    assert!(
        noted.contains("claims: ci:project/7: ref of its credential"),
        "{noted}"
    );
}

/// The reasons in the first column of the tables.
#[test]
fn every_reason_on_the_page_is_one_of_the_server() {
    let page = std::fs::read_to_string(operations(PAGE)).unwrap();
    let answers = include_str!("../../../testudo-core/src/rejection/answers.txt");
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| `") && line.matches('|').count() == 4);
    let mut found = 0;
    for row in rows {
        for word in row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2) {
            let is_reason = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            if !is_reason || word == "kid" {
                continue;
            }
            found += 1;
            assert!(answers.contains(word), "{word}: {row}");
        }
    }
    assert!(found >= 20, "{found}");
}
