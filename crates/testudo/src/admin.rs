//! Client of the admin API of the running server: over its admin socket (`socket.rs`), or over HTTPS with an access token
//! (`over_https.rs`).

mod over_https;
mod socket;

use crate::arguments::{Change, Place};
use crate::output::{Failed, Lines, note, warn};
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use over_https::AtUrl;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::PathBuf;
use testudo_core::records::counted;
use testudo_server::config::{self, Problem};

/// The admin API of one server.
pub struct Admin {
    way: Way,
}

/// A change of objects that are named one by one.
pub struct Each<'a> {
    /// Path of the operation.
    pub path: &'a str,
    /// The member of its input that names the object.
    pub member: &'a str,
    /// What it does, for messages.
    pub verb: &'a str,
    /// What is changed, for messages.
    pub noun: &'a str,
}

enum Way {
    Socket(PathBuf),
    Url(Box<AtUrl>),
}

impl Admin {
    pub fn at(place: &Place) -> Result<Admin, Failed> {
        let way = match AtUrl::of(&place.url)? {
            Some(server) => Way::Url(Box::new(server)),
            None => {
                let named = place.socket.clone();
                Way::Socket(named.unwrap_or_else(|| config::admin_socket(&place.file.config)))
            }
        };
        Ok(Admin { way })
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failed> {
        self.call(Method::GET, path, None).await
    }

    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failed> {
        let body = serde_json::to_vec(body).map_err(|error| Failed::new(error.to_string()))?;
        self.call(Method::POST, path, Some(body)).await
    }

    /// All entries of a list, from all pages. `member` is the member of a page that has them. `query` begins with `&`, or is
    /// empty.
    pub async fn pages(&self, path: &str, query: &str, member: &str) -> Result<Vec<Value>, Failed> {
        let mut entries = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut page: Value = self.get(&format!("{path}?limit=1000{query}{cursor}")).await?;
            if let Some(Value::Array(more)) = page.get_mut(member).map(Value::take) {
                entries.extend(more);
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&after={next}"),
                None => return Ok(entries),
            }
        }
    }

    /// Sends a change with the reason that the administrator gave, and prints the server's answer.
    pub async fn change(&self, path: &str, mut body: Value, change: &Change) -> Result<(), Failed> {
        body["reason"] = change.reason.clone().into();
        let answer: Value = self.post(path, &body).await?;
        print_done(&answer, change)
    }

    /// Sends the same change of each of these objects. In an incident, one id with a typing error must not keep the server
    /// from changing the others.
    pub async fn change_each(
        &self,
        each: &Each<'_>,
        names: Vec<String>,
        change: &Change,
    ) -> Result<(), Failed> {
        let (all, mut failures) = (names.len(), 0_usize);
        for name in names {
            let body = json!({ each.member: name, "reason": change.reason });
            let answer: Result<Value, Failed> = self.post(each.path, &body).await;
            match answer {
                Ok(answer) => print_done(&answer, change)?,
                Err(failed) if all == 1 => return Err(failed),
                Err(failed) => {
                    failed.about(&name).print();
                    failures += 1;
                }
            }
        }
        if failures == 0 {
            return Ok(());
        }
        Err(Failed::new(format!(
            "{}: {failures} of {} failed, see above; the others are done",
            each.verb,
            counted(all, each.noun)
        )))
    }

    /// Sends a health probe; returns its status and body also where the status is an error.
    pub async fn probe<T: DeserializeOwned>(&self, path: &str) -> Result<(StatusCode, T), Failed> {
        let (status, body) = self.send(Method::GET, path, None).await?;
        Ok((status, read(&body)?))
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T, Failed> {
        let (status, body) = self.send(method, path, body).await?;
        if status.is_success() {
            return read(&body);
        }
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        let problems = answer.get("problems").cloned().unwrap_or_default();
        let problems: Vec<Problem> = serde_json::from_value(problems).unwrap_or_default();
        let message = match problems.iter().filter(|problem| !problem.is_warning).count() {
            0 => text("error_description").unwrap_or_else(|| format!("the server answers {status}")),
            errors => format!("the configuration has {}", counted(errors, "error")),
        };
        let failed = match status {
            StatusCode::SERVICE_UNAVAILABLE => Failed::unavailable(message),
            _ => Failed::new(message).with_problems(problems),
        };
        let hint = text("hint");
        Err(failed.hint_if(match self.way {
            Way::Socket(_) => hint,
            Way::Url(_) => over_https::hint(status, hint),
        }))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, Bytes), Failed> {
        match &self.way {
            Way::Socket(socket) => socket::send(socket, method, path, body).await,
            Way::Url(server) => server.send(method, path, body).await,
        }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failed> {
    serde_json::from_slice(body)
        .map_err(|error| Failed::new(format!("the server's answer cannot be read: {error}")))
}

/// Prints the answer to a change, `{ "done": …, "warning": … }`: as messages on stderr, or with `--json` as one line on
/// stdout for each change.
pub fn print_done(answer: &Value, change: &Change) -> Result<(), Failed> {
    if change.json.json {
        let mut lines = Lines::new();
        lines.json(answer)?;
        return lines.flush();
    }
    if let Some(done) = answer.get("done").and_then(Value::as_str) {
        note(done);
    }
    if let Some(warning) = answer.get("warning").and_then(Value::as_str) {
        warn(warning);
    }
    Ok(())
}

/// Percent-encodes a query value or path segment.
pub fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}
