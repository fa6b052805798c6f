//! A server on loopback at which `alice` and `bob` sign in without proof.

use crate::world::run_in;
use std::path::PathBuf;
use testudo_core::records::Record;
use testudo_server::Running;
use testudo_testkit::http::{Answer, over_socket};
use testudo_testkit::person::{PageForm, Person, forms};
use testudo_testkit::scratch::folder;

pub const ISSUER: &str = "http://localhost:8080";
pub const SESSION: &str = "testudo-session-8080";
pub const FLOW: &str = "testudo-flow-8080";

pub struct People {
    pub folder: PathBuf,
    pub running: Running,
}

impl People {
    /// A server with these further entries; `[login]` is the first of them.
    pub async fn start(entries: &str) -> People {
        let folder = folder("people");
        let text = format!(
            "issuer = \"{ISSUER}\"\n[server]\nlisten = [\"127.0.0.1:0\"]\n[store]\nurl = \"sqlite:test.db\"\n\
             [admin]\nsocket = \"admin.sock\"\n[login]\npasskeys = false\ndevelopment = [\"alice\", \"bob\"]\n{entries}"
        );
        std::fs::write(folder.join("testudo.toml"), text).unwrap();
        let running = run_in(&folder).await.unwrap();
        People { folder, running }
    }

    /// A person with a new browser.
    pub fn person(&self) -> Person {
        Person::new(ISSUER, self.running.addresses[0])
    }

    /// A person who is signed in as `name`.
    pub async fn signed_in(&self, name: &str) -> Person {
        let mut person = self.person();
        let page = person.open("/login").await;
        let form = form_of(&page);
        let answer = person.submit(&form.action, &form.pressed(name)).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        person
    }

    /// All records of a kind.
    pub async fn records<R: Record>(&self) -> Vec<R> {
        let all = self.running.app.store.read_all::<R>().await.unwrap();
        all.into_iter().map(|found| found.record).collect()
    }

    /// All events of a kind, the oldest first.
    pub async fn events(&self, kind: &str) -> Vec<serde_json::Value> {
        let path = format!("/admin/v1/events?type={kind}&limit=1000&order=oldest");
        let socket = self.folder.join("admin.sock");
        let (_, page) = over_socket(&socket, "GET", &path, serde_json::Value::Null).await;
        page["events"].as_array().unwrap().clone()
    }
}

/// The text of a page.
pub fn text_of(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

/// The first form of a page.
#[track_caller]
pub fn form_of(answer: &Answer) -> PageForm {
    let page = text_of(answer);
    let form = forms(&page).into_iter().next();
    form.unwrap_or_else(|| panic!("no form: {} {page}", answer.status))
}

/// Checks that a request is refused with a page that has this text, and without a redirect or a cookie.
#[track_caller]
pub fn assert_refused_page(answer: &Answer, status: u16, text: &str) {
    let page = text_of(answer);
    assert_eq!(answer.status, status, "{page}");
    assert!(page.contains(text), "{page}");
    assert_eq!(answer.header("location"), None);
    assert_eq!(answer.header("set-cookie"), None);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
}
