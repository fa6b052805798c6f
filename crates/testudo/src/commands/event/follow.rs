//! `testudo event follow`: asks again and again for what is new.

use super::{Filters, Followed, Order, PAGE, Which, page, write};
use crate::admin::Admin;
use crate::output::{Failed, Lines, note};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use testudo_protocol::{Seconds, Timestamp};

/// Time between two questions.
const PAUSE: Duration = Duration::from_millis(500);

/// An event has its id, by whose time it is found, before it is committed, and two nodes commit in any order. What is
/// at most that much older than the newest event is asked for again.
const LATE_MILLIS_MAX: u64 = 5_000;

/// Events up to the newest one that was shown or read.
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

    /// The server read the events up to this time, and found no others. Without it, a filter that finds an event a day
    /// would have the server read all events of that day at each question.
    fn searched_to(&mut self, time: Option<&str>) {
        let time = time.and_then(Timestamp::parse);
        let millis = time.and_then(|time| u64::try_from(time.0).ok());
        self.newest_millis = self.newest_millis.max(millis.unwrap_or(0) * 1000);
    }

    fn forget_the_old(&mut self) {
        self.recent = self.recent.split_off(&self.floor());
    }
}

pub(super) async fn run(admin: &Admin, followed: Followed, as_json: bool) -> Result<(), Failed> {
    let mut follower = Follower {
        admin,
        since: followed.since.map(absolute),
        filters: followed.filters,
        shown: Shown::default(),
    };
    let mut lines = Lines::new();
    if follower.since.is_none() {
        let newest = page(admin, &mut Which::default(), Order::Newest, 1).await?;
        for event in &newest.events {
            follower.shown.is_new(event);
        }
        // What is there at the start is known and not shown.
        follower.ask(|_| Ok(())).await?;
    } else {
        follower.ask(|event| write(&mut lines, event, as_json)).await?;
    }
    let mut is_away = false;
    loop {
        lines.flush()?;
        tokio::time::sleep(PAUSE).await;
        match follower.ask(|event| write(&mut lines, event, as_json)).await {
            Ok(()) if std::mem::take(&mut is_away) => note("the server answers again"),
            Ok(()) => {}
            // It restarts: what happened meanwhile is in its store.
            Err(failed) if failed.is_away() => {
                if !std::mem::replace(&mut is_away, true) {
                    failed.print();
                    note("waiting for the server; events go on after the last one shown");
                }
            }
            Err(failed) => return Err(failed),
        }
    }
}

/// A duration before now as the moment that it is now: the events of that moment are asked for again where the server
/// was away, however long.
fn absolute(since: String) -> String {
    let ago = Seconds::parse(&since).ok();
    ago.map_or(since, |ago| (crate::now() - ago).to_string())
}

struct Follower<'a> {
    admin: &'a Admin,
    since: Option<String>,
    filters: Filters,
    shown: Shown,
}

impl Follower<'_> {
    /// Asks for what is new, page after page, and hands each event on that was not shown before.
    async fn ask(&mut self, mut show: impl FnMut(&Value) -> Result<(), Failed>) -> Result<(), Failed> {
        let mut which = Which {
            since: self.since.clone(),
            filters: self.filters.clone(),
            after: Some(self.shown.floor()),
            ..Which::default()
        };
        loop {
            let page = page(self.admin, &mut which, Order::Oldest, PAGE).await?;
            for event in &page.events {
                if self.shown.is_new(event) {
                    show(event)?;
                }
            }
            self.shown.searched_to(page.searched_to.as_deref());
            self.shown.forget_the_old();
            if page.next.is_none() {
                return Ok(());
            }
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

    #[test]
    fn filter_that_finds_nothing_goes_on_behind_the_events_that_were_read() {
        let mut shown = Shown::default();
        shown.searched_to(Some("1970-01-01T00:01:40Z"));
        assert_eq!(shown.floor(), format!("{:016x}", 95_000));
        // The time of an answer has no fraction of a second, and must not take the floor back.
        assert!(shown.is_new(&event(200_900, "aa")));
        shown.searched_to(Some("1970-01-01T00:03:20Z"));
        assert_eq!(shown.floor(), format!("{:016x}", 195_900));
        shown.searched_to(None);
        assert_eq!(shown.floor(), format!("{:016x}", 195_900));
    }
}
