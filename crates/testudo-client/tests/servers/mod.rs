//! A server that gives prepared answers.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use testudo_testkit::web::authorization_server_with;

/// Authorization server and API in one: it gives the next prepared answer to each request but that for the metadata.
pub struct Servers {
    pub url: String,
    pub folder: PathBuf,
    pub answers: Arc<Mutex<VecDeque<String>>>,
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Servers {
    /// `metadata`: more members of the metadata, each after a comma; `URL` in them is the URL of the server.
    pub async fn start(name: &str, metadata: &str) -> Servers {
        let answers = Arc::<Mutex<VecDeque<String>>>::default();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (prepared, received) = (answers.clone(), requests.clone());
        let url = authorization_server_with(metadata, move |request| {
            received.lock().unwrap().push(request);
            let answer = prepared.lock().unwrap().pop_front();
            std::future::ready(answer.expect("an unexpected request"))
        })
        .await;
        Servers {
            url,
            folder: testudo_testkit::scratch::folder(name),
            answers,
            requests,
        }
    }

    pub fn prepare(&self, answers: &[String]) {
        self.answers.lock().unwrap().extend(answers.iter().cloned());
    }

    /// The requests since the last call.
    #[track_caller]
    pub fn requests(&self) -> Vec<String> {
        assert!(self.answers.lock().unwrap().is_empty(), "a request is missing");
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

/// A header field of a request.
pub fn field<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = request.lines().filter_map(|line| line.split_once(": "));
    fields.find_map(|(found, value)| (found == name).then_some(value))
}

pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}
