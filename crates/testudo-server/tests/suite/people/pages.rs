//! What all pages have in common: their look, their header fields, and the host at which they are.

use crate::world::{RULES, World, domains};

async fn world() -> World {
    let pages = "[pages]\nname = \"Corp <sign-in>\"\naccent = \"#123456\"\n";
    World::start_with(&format!("{pages}{}", domains("")), RULES).await
}

/// The value of the first `name="…"` in a page.
fn attribute(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("{name}=\"")).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn page_shows_the_name_of_the_configuration_and_loads_only_its_own_style_sheet_and_icon() {
    let world = world().await;
    let mut connection = world.connect().await;
    let answer = connection.get("/authorize").await;
    let page = String::from_utf8(answer.body.clone()).unwrap();
    assert!(page.contains("Corp &#60;sign-in&#62;"), "{page}");
    let id = answer.header("request-id").unwrap();
    assert!(page.contains(&format!("<code>{id}</code>")), "{page}");
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("style-src 'self'"));
    assert!(
        !policy.contains("script-src") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert!(!page.contains("<script") && !page.contains("<style") && !page.contains(" style="));

    let (_, after) = page.split_once("rel=\"icon\"").unwrap();
    let icon = connection.get(&attribute(after, "href")).await;
    assert_eq!(
        (icon.status, icon.header("content-type")),
        (200, Some("image/svg+xml"))
    );
    assert!(String::from_utf8(icon.body).unwrap().contains("#123456"));

    let (_, after) = page.split_once("rel=\"stylesheet\"").unwrap();
    let style = connection.get(&attribute(after, "href")).await;
    assert_eq!(
        (style.status, style.header("content-type")),
        (200, Some("text/css; charset=utf-8"))
    );
    assert!(style.header("cache-control").unwrap().contains("immutable"));
    let text = String::from_utf8(style.body).unwrap();
    assert!(text.starts_with(":root { --accent: #123456; }"), "{text}");
    assert!(
        !text.contains("url(") && !text.contains("@import"),
        "the style sheet loads nothing"
    );
}

#[tokio::test]
async fn path_of_a_style_sheet_changes_with_its_content_and_no_other_file_is_served() {
    let world = world().await;
    let mut connection = world.connect().await;
    let path = async |connection: &mut testudo_testkit::http::Connection| {
        let page = String::from_utf8(connection.get("/authorize").await.body).unwrap();
        let (_, after) = page.split_once("rel=\"stylesheet\"").unwrap();
        attribute(after, "href")
    };
    let before = path(&mut connection).await;
    for absent in [
        "/assets/",
        "/assets/style.css",
        "/assets/../authorize",
        "/t1/authorize",
    ] {
        assert_eq!(connection.get(absent).await.status, 404, "{absent}");
    }
    assert_eq!(connection.send("POST", &before, &[], "").await.status, 405);
    world
        .reload_with(&format!("[pages]\naccent = \"#654321\"\n{}", domains("")), RULES)
        .await;
    let after = path(&mut connection).await;
    assert_ne!(before, after);
    assert_eq!(connection.get(&before).await.status, 404);
    assert_eq!(connection.get(&after).await.status, 200);
}

/// Another name that leads to this server would have cookies of its own, and an attacker could own it (DNS rebinding).
#[tokio::test]
async fn page_at_another_host_than_that_of_the_issuer_is_misdirected() {
    let world = world().await;
    let mut connection = world.connect().await;
    for host in ["as.example", "AS.example", "as.example:443"] {
        let answer = connection.send("GET", "/authorize", &[("host", host)], "").await;
        assert_eq!(answer.status, 400, "{host}");
    }
    for host in [
        "other.example",
        "as.example.",
        "as.example:8443",
        "127.0.0.1",
        "as.example.other.example",
    ] {
        let answer = connection.send("GET", "/authorize", &[("host", host)], "").await;
        assert_eq!(answer.status, 421, "{host}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        let page = String::from_utf8(answer.body).unwrap();
        assert!(
            !page.contains(host) || host == "as.example.",
            "the page repeats the host: {page}"
        );
    }
    let metadata = "/.well-known/oauth-authorization-server";
    let answer = connection
        .send("GET", metadata, &[("host", "other.example")], "")
        .await;
    assert_eq!(
        answer.status, 200,
        "documents for programs are the same at every name"
    );
    let metrics = world.metrics().await;
    let line = "testudo_requests_refused_total{rejection=\"host_not_ours\"} 5";
    assert!(metrics.contains(line), "{metrics}");
}
