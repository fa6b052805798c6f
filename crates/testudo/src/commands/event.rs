//! `testudo event …`.

use crate::admin::Admin;
use crate::arguments::{Json, Place};
use crate::output::{Failed, print_json, print_line};
use clap::Subcommand;
use std::io::Write as _;
use std::time::Duration;
use testudo_core::records;
use testudo_protocol::printable::{escape, escape_json};

#[derive(Subcommand)]
pub enum Event {
    /// The latest events.
    List {
        /// How many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        json: Json,
    },
    /// Events as they happen, until interrupted.
    Follow(Json),
}

pub async fn run(place: &Place, command: Event) -> Result<(), Failed> {
    let admin = Admin::at(place);
    match command {
        Event::List { limit, json } => {
            let events: Vec<records::Event> = admin.get(&format!("/admin/v1/events?limit={limit}")).await?;
            if json.json {
                return print_json(&events);
            }
            events.iter().for_each(|event| print_line(&line(event)));
        }
        Event::Follow(options) => follow(&admin, options.json).await?,
    }
    Ok(())
}

/// Asks again and again for the events after the last one. Ends where the reader of the output has closed it.
async fn follow(admin: &Admin, as_json: bool) -> Result<(), Failed> {
    let latest: Vec<records::Event> = admin.get("/admin/v1/events?limit=1").await?;
    let mut after = latest
        .last()
        .map_or_else(|| "0".to_owned(), |event| event.id.clone());
    loop {
        let events: Vec<records::Event> = admin
            .get(&format!("/admin/v1/events?after={after}&limit=1000"))
            .await?;
        for event in &events {
            let text = if as_json {
                escape_json(&serde_json::to_string(event).unwrap_or_default()).into_owned()
            } else {
                escape(&line(event), &[]).into_owned()
            };
            if writeln!(std::io::stdout(), "{text}").is_err() {
                return Ok(());
            }
        }
        if let Some(last) = events.last() {
            after = last.id.clone();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// `time event name=value …`: one line, greppable.
fn line(event: &records::Event) -> String {
    let mut text = format!("{} {}", event.time, event.event.name());
    let fields = [
        ("identity", &event.identity),
        ("client", &event.client_id),
        ("rule", &event.rule),
        ("authority", &event.authority),
        ("door", &event.door),
        ("scope", &event.scope),
        ("resource", &event.resource),
        ("reason", &event.reason),
        ("detail", &event.detail),
        ("actor", &event.actor),
        ("request", &event.request_id),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            let value = if value.contains(' ') || value.is_empty() {
                format!("{value:?}")
            } else {
                value.clone()
            };
            text.push_str(&format!(" {name}={value}"));
        }
    }
    if let Some(count) = event.count {
        text.push_str(&format!(" count={count}"));
    }
    text
}
