//! `testudo event …`.

mod follow;

use crate::admin::{Admin, encode};
use crate::arguments::{Json, Place};
use crate::output::{Failed, Lines, note, words};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::Value;

#[derive(Subcommand)]
pub enum Event {
    /// Events, the newest first.
    List {
        #[command(flatten)]
        which: Which,
        /// How many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// The oldest first.
        #[arg(long)]
        oldest_first: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Every event that is asked for, the oldest first, one JSON object per line.
    Export {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        json: Json,
    },
    /// Events as they happen, until interrupted. A server that restarts meanwhile is waited for, and no event is left
    /// out.
    Follow {
        #[command(flatten)]
        which: Followed,
        #[command(flatten)]
        json: Json,
    },
}

/// Which events.
#[derive(Args, Default)]
pub struct Which {
    /// Of this moment or later: 2026-11-26T14:00:00Z, 2026-11-26, or a duration before now such as 24h.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this moment.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    filters: Filters,
    /// Only events later than the one with this id: the next page of a list that began with the oldest.
    #[arg(long, value_name = "EVENT_ID")]
    after: Option<String>,
    /// Only events earlier than the one with this id: the next page of a list that began with the newest.
    #[arg(long, value_name = "EVENT_ID")]
    before: Option<String>,
}

/// Which events are followed.
#[derive(Args)]
pub struct Followed {
    /// Begin with the events of this moment or later: 2026-11-26T14:00:00Z, 2026-11-26, or a duration before now such as
    /// 24h. By default, only events from now on are shown.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    #[command(flatten)]
    filters: Filters,
}

/// What must hold for an event. `*` in a text stands for any characters.
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
    /// Name of the reason to refuse, or the reason that an administrator gave.
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Who made the change, such as `uid:0*`.
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// Request-Id of a request, or the id that a trusted proxy gave it.
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

/// Events that the server is asked for at once.
const PAGE: usize = 1_000;

/// Which event is the first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Newest,
    Oldest,
}

pub async fn run(place: &Place, command: Event) -> Result<(), Failed> {
    let admin = Admin::at(place);
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

/// Asks for one page, and moves on behind it.
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
            "{} events shown, as --limit says; {side} ones than {time} are left out: go on with --{flag} {next}, or write all of them with `testudo event export`",
            events.len()
        ));
    }
    Ok(())
}

/// Writes page after page: what is held at once is one page.
async fn export(admin: &Admin, mut which: Which) -> Result<(), Failed> {
    let mut lines = Lines::new();
    loop {
        let page = page(admin, &mut which, Order::Oldest, PAGE).await?;
        let incomplete =
            |failed: Failed| failed.hint("what was written is not all; make room and export again");
        let written = page.events.iter().try_for_each(|event| lines.json(event));
        written.map_err(incomplete)?;
        if page.next.is_none() {
            return lines.flush().map_err(incomplete);
        }
    }
}

/// One event is one line, for programs as for people.
fn write(lines: &mut Lines, event: &Value, as_json: bool) -> Result<(), Failed> {
    match as_json {
        true => lines.json(event),
        false => lines.text(&line(event)),
    }
}

/// Members of an event that its line has, and what they are called there.
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
    let mut text = format!("{} {}", words(&event["time"]), words(&event["event"]));
    for (name, member) in FIELDS {
        let Some(value) = event.get(member).map(words) else {
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
