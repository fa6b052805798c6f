//! `testudo event …`.

mod follow;

use crate::admin::{Admin, encode};
use crate::arguments::{Json, Place};
use crate::output::{Failed, Lines, as_text, note};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::Value;
use testudo_core::records::counted;

#[derive(Subcommand)]
pub enum Event {
    /// List events, the newest first.
    List {
        #[command(flatten)]
        which: Which,
        /// How many events to list.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// List the oldest first.
        #[arg(long)]
        oldest_first: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Write all selected events, the oldest first, one JSON object per line.
    Export {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        json: Json,
    },
    /// Show new events until interrupted. If the server restarts, the command waits for it; no event is left out.
    Follow {
        #[command(flatten)]
        which: Followed,
        #[command(flatten)]
        json: Json,
    },
}

/// Selects events.
#[derive(Args, Default)]
pub struct Which {
    /// At this time or later: 2026-11-26T14:00:00Z, 2026-11-26, or a duration before now such as 24h.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    filters: Filters,
    /// Only events later than the event with this id: the next page of a list with the oldest first.
    #[arg(long, value_name = "EVENT_ID")]
    after: Option<String>,
    /// Only events earlier than the event with this id: the next page of a list with the newest first.
    #[arg(long, value_name = "EVENT_ID")]
    before: Option<String>,
}

/// Selects the events that `event follow` shows.
#[derive(Args)]
pub struct Followed {
    /// Begin with events at this time or later: 2026-11-26T14:00:00Z, 2026-11-26, or a duration before now such as 24h.
    /// Default: only new events.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    #[command(flatten)]
    filters: Filters,
}

/// Filters of events. `*` in a text matches any characters.
#[derive(Args, Default, Clone)]
struct Filters {
    /// Kind, such as `client.refused`. May be given several times.
    #[arg(long = "type", value_name = "TYPE")]
    kinds: Vec<String>,
    /// Identity, such as `spiffe://prod.example/ns/pay/*`.
    #[arg(long, value_name = "IDENTITY")]
    identity: Option<String>,
    /// `client_id`.
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// Name of a rule.
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Name of the reason for a refusal, or the reason that an administrator gave.
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Who made the change, such as `uid:0*`.
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// `Request-Id` of the answer to a request, or the request id that a trusted proxy set.
    #[arg(long, value_name = "ID")]
    request: Option<String>,
}

impl Which {
    fn query(&self) -> String {
        let of = &self.filters;
        let kinds = (!of.kinds.is_empty()).then(|| of.kinds.join(","));
        let filters = [
            ("since", &self.since),
            ("until", &self.until),
            ("type", &kinds),
            ("identity", &of.identity),
            ("client", &of.client),
            ("rule", &of.rule),
            ("reason", &of.reason),
            ("actor", &of.actor),
            ("request", &of.request),
            ("after", &self.after),
            ("before", &self.before),
        ];
        let given = filters
            .iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)));
        given
            .map(|(name, value)| format!("&{name}={}", encode(value)))
            .collect()
    }
}

/// Events in one request to the server.
const PAGE: usize = 1_000;

/// Which event is the first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Newest,
    Oldest,
}

pub async fn run(place: &Place, command: Event) -> Result<(), Failed> {
    let admin = Admin::at(place)?;
    match command {
        Event::List {
            which,
            limit,
            oldest_first,
            json,
        } => {
            let order = if oldest_first {
                Order::Oldest
            } else {
                Order::Newest
            };
            list(&admin, which, order, limit as usize, json.json).await
        }
        Event::Export { which, .. } => export(&admin, which).await,
        Event::Follow { which, json } => follow::run(&admin, which, json.json).await,
    }
}

/// A page of the server's answer.
#[derive(Deserialize)]
struct Page {
    events: Vec<Value>,
    next: Option<String>,
    searched_to: Option<String>,
}

/// Requests one page, and sets `which` to the next page.
async fn page(admin: &Admin, which: &mut Which, order: Order, limit: usize) -> Result<Page, Failed> {
    let word = if order == Order::Oldest {
        "oldest"
    } else {
        "newest"
    };
    let path = format!(
        "/admin/v1/events?order={word}&limit={}{}",
        limit.min(PAGE),
        which.query()
    );
    let page: Page = admin.get(&path).await?;
    if let Some(next) = &page.next {
        match order {
            Order::Oldest => which.after = Some(next.clone()),
            Order::Newest => which.before = Some(next.clone()),
        }
    }
    Ok(page)
}

async fn list(
    admin: &Admin,
    mut which: Which,
    order: Order,
    limit: usize,
    as_json: bool,
) -> Result<(), Failed> {
    let mut events = Vec::new();
    let more = loop {
        let page = page(admin, &mut which, order, limit - events.len()).await?;
        events.extend(page.events);
        if page.next.is_none() || events.len() >= limit {
            break page.next.map(|next| (next, page.searched_to.unwrap_or_default()));
        }
    };
    if events.is_empty() && !as_json {
        note("no events");
    }
    let mut lines = Lines::new();
    events
        .iter()
        .try_for_each(|event| write(&mut lines, event, as_json))?;
    lines.flush()?;
    if let Some((next, time)) = more {
        let (side, flag) = match order {
            Order::Oldest => ("later", "after"),
            Order::Newest => ("earlier", "before"),
        };
        note(&format!(
            "{} shown, the number of --limit; events {side} than {time} are not shown: continue with --{flag} {next}, or write all events with `testudo event export`",
            counted(events.len(), "event")
        ));
    }
    Ok(())
}

/// Writes page after page, so that only one page is in memory.
async fn export(admin: &Admin, mut which: Which) -> Result<(), Failed> {
    let mut lines = Lines::new();
    loop {
        let page = page(admin, &mut which, Order::Oldest, PAGE).await?;
        let incomplete =
            |failed: Failed| failed.hint("the export is incomplete; make room on the disk and export again");
        let written = page.events.iter().try_for_each(|event| lines.json(event));
        written.map_err(incomplete)?;
        if page.next.is_none() {
            return lines.flush().map_err(incomplete);
        }
    }
}

/// Writes an event as one line, as JSON and as text.
fn write(lines: &mut Lines, event: &Value, as_json: bool) -> Result<(), Failed> {
    match as_json {
        true => lines.json(event),
        false => lines.text(&line(event)),
    }
}

/// The fields of a line of text: their names, and the members of the event that they come from.
const FIELDS: &[(&str, &str)] = &[
    ("identity", "identity"),
    ("client", "client_id"),
    ("rule", "rule"),
    ("authority", "authority"),
    ("door", "door"),
    ("scope", "scope"),
    ("resource", "resource"),
    ("reason", "reason"),
    ("detail", "detail"),
    ("actor", "actor"),
    ("request", "request_id"),
    ("count", "count"),
];

/// `time event name=value …`: one line, greppable.
fn line(event: &Value) -> String {
    let mut text = format!("{} {}", as_text(&event["time"]), as_text(&event["event"]));
    for (name, member) in FIELDS {
        let Some(value) = event.get(member).map(as_text) else {
            continue;
        };
        if value.contains(' ') || value.is_empty() {
            text.push_str(&format!(" {name}={value:?}"));
        } else {
            text.push_str(&format!(" {name}={value}"));
        }
    }
    text
}
