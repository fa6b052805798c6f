//! `testudo event follow`: asks again and again for what is new.

use super::{Order, PAGE, Which, page, write};
use crate::admin::Admin;
use crate::output::{Failed, Lines, note};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// Time between two questions.
const PAUSE: Duration = Duration::from_millis(500);

/// An event has its id, by whose time it is found, before it is committed, and two nodes commit in any order. What is
/// at most that much older than the newest event is asked for again.
const LATE_MILLIS_MAX: u64 = 5_000;

/// Events up to the newest one that was shown.
#[derive(Default)]
struct Shown {
    newest_millis: u64,
    /// Ids of those that are asked for again.
    recent: BTreeSet<String>,
}

impl Shown {
    /// All events with greater ids are asked for.
    fn floor(&self) -> String {
        format!("{:016x}", self.newest_millis.saturating_sub(LATE_MILLIS_MAX))
    }

    /// False where the event was shown before.
    fn is_new(&mut self, event: &Value) -> bool {
        let id = event["id"].as_str().unwrap_or_default();
        let millis = id
            .get(..16)
            .and_then(|digits| u64::from_str_radix(digits, 16).ok());
        self.newest_millis = self.newest_millis.max(millis.unwrap_or(0));
        self.recent.insert(id.to_owned())
    }

    fn forget_the_old(&mut self) {
        self.recent = self.recent.split_off(&self.floor());
    }
}

pub(super) async fn run(admin: &Admin, as_json: bool) -> Result<(), Failed> {
    let mut shown = Shown::default();
    let newest = page(admin, &mut Which::default(), Order::Newest, 1).await?;
    for event in &newest.events {
        shown.is_new(event);
    }
    // What is there at the start is known and not shown.
    for event in since(admin, &shown.floor()).await? {
        shown.is_new(&event);
    }
    let mut lines = Lines::new();
    let mut is_away = false;
    loop {
        match since(admin, &shown.floor()).await {
            Ok(events) => {
                if std::mem::take(&mut is_away) {
                    note("the server answers again");
                }
                let new = events.iter().filter(|event| shown.is_new(event));
                let new: Vec<&Value> = new.collect();
                new.into_iter()
                    .try_for_each(|event| write(&mut lines, event, as_json))?;
                lines.flush()?;
                shown.forget_the_old();
            }
            // It restarts: what happened meanwhile is in its store.
            Err(failed) if failed.is_away() => {
                if !std::mem::replace(&mut is_away, true) {
                    failed.print();
                    note("waiting for the server; events go on after the last one shown");
                }
            }
            Err(failed) => return Err(failed),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// All events with ids greater than this one.
async fn since(admin: &Admin, floor: &str) -> Result<Vec<Value>, Failed> {
    let mut which = Which {
        after: Some(floor.to_owned()),
        ..Which::default()
    };
    let mut events = Vec::new();
    loop {
        let page = page(admin, &mut which, Order::Oldest, PAGE).await?;
        events.extend(page.events);
        if page.next.is_none() {
            return Ok(events);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(millis: u64, tail: &str) -> Value {
        json!({ "id": format!("{millis:016x}{tail}") })
    }

    #[test]
    fn event_that_is_committed_late_is_shown_once() {
        let mut shown = Shown::default();
        assert!(shown.is_new(&event(100_000, "aa")));
        shown.forget_the_old();
        assert_eq!(shown.floor(), format!("{:016x}", 95_000));
        let late = event(98_000, "bb");
        assert!(late["id"].as_str() > Some(&shown.floor()) && shown.is_new(&late));
        shown.forget_the_old();
        assert!(!shown.is_new(&late));
        // The floor moves on with the newest event, and what is below it is not kept.
        assert!(shown.is_new(&event(200_000, "cc")));
        shown.forget_the_old();
        assert_eq!(shown.recent.len(), 1);
    }
}
