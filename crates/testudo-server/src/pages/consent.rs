//! The consent page: who asks, for what, and to which person it is shown.

use super::flow::Browser;
use super::page::{Frame, page};
use super::visit::{Visit, with_cookie};
use askama::Template;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use testudo_core::occasions::authorize::{ConsentAsked, ScopeShown};
use testudo_protocol::Seconds;

#[derive(Template)]
#[template(path = "consent.html")]
struct Consent<'a> {
    frame: Frame<'a>,
    action: String,
    state: &'a str,
    /// Where another person signs in.
    other: String,
    person: &'a str,
    /// The name of the client, or its id.
    client: &'a str,
    client_id: &'a str,
    redirect: &'a str,
    vouched: Vec<(&'static str, &'a str)>,
    stated: Vec<(&'static str, &'a str)>,
    is_provisional: bool,
    scopes: &'a [ScopeShown],
    resources: &'a [String],
    lasts: Option<String>,
}

/// The page. `state` is sealed, and so is `again`, with which another person can sign in and be asked.
pub fn consent_page(
    visit: &Visit<'_>,
    asked: &ConsentAsked,
    browser: &Browser,
    state: &str,
    again: &str,
) -> Response<Full<Bytes>> {
    let content = &asked.content;
    let client = &content.client;
    let template = Consent {
        frame: Frame::of(&visit.in_force.look, visit.id),
        action: visit.path("/consent"),
        state,
        other: format!("{}?flow={again}", visit.path("/login")),
        person: &asked.person,
        client: client.name.as_deref().unwrap_or(&client.client_id),
        client_id: &client.client_id,
        redirect: &client.redirect,
        vouched: labelled(&client.vouched),
        stated: labelled(&client.stated),
        is_provisional: client.is_provisional,
        scopes: &content.scopes,
        resources: &content.resources,
        lasts: content.lasts.map(in_words),
    };
    let response = page(StatusCode::OK, &template, Some(&client.redirect));
    with_cookie(response, browser.cookie.clone())
}

/// The labels with names for people.
fn labelled<'a>(labels: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    let named = labels.iter().map(|(name, value)| {
        let name = match *name {
            "client_name" => "Name",
            "client_uri" => "Home page",
            "policy_uri" => "Privacy policy",
            "tos_uri" => "Terms of service",
            other => other,
        };
        (name, value.as_str())
    });
    named.collect()
}

/// `90 days`, `1 hour`: in the largest unit that says it exactly.
fn in_words(time: Seconds) -> String {
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let exact = units.into_iter().find(|(length, _)| time.0 % length == 0);
    let (length, unit) = exact.unwrap_or((1, "second"));
    let number = time.0 / length;
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_written_in_the_largest_unit_that_says_it_exactly() {
        for (seconds, expected) in [
            (90 * 86_400, "90 days"),
            (86_400, "1 day"),
            (3_600, "1 hour"),
            (5_400, "90 minutes"),
            (61, "61 seconds"),
        ] {
            assert_eq!(in_words(Seconds(seconds)), expected);
        }
    }
}
