//! `testudo event follow`: requests new events from the server at a fixed interval.

use super::{Filters, Followed, Order, PAGE, Which, page, write};
use crate::admin::Admin;
use crate::output::{Failed, Lines, note};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use testudo_protocol::{Seconds, Timestamp};

/// Time between two requests.
const PAUSE: Duration = Duration::from_millis(500);

/// An event is found by the time in its id, and gets the id before it is committed; two nodes commit in any order. So an
/// event can appear after newer ones were shown. Events that are at most this much older than the newest one are
/// requested again.
const LATE_MILLIS_MAX: u64 = 5_000;

/// Which events were shown or read.
#[derive(Default)]
struct Shown {
    newest_millis: u64,
    /// Ids of the shown events that are requested again.
    recent: BTreeSet<String>,
}

impl Shown {
    /// Events with greater ids are requested.
    fn floor(&self) -> String {
        format!("{:016x}", self.newest_millis.saturating_sub(LATE_MILLIS_MAX))
    }

    /// False if the event was shown before.
    fn is_new(&mut self, event: &Value) -> bool {
        let id = event["id"].as_str().unwrap_or_default();
        let millis = id
            .get(..16)
            .and_then(|digits| u64::from_str_radix(digits, 16).ok());
        self.newest_millis = self.newest_millis.max(millis.unwrap_or(0));
        self.recent.insert(id.to_owned())
    }

    /// Notes that the server read the events up to this time. Otherwise, with a filter that matches one event a day, the
    /// server would read all events of that day at each request.
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
        // Events that exist at the start are marked as shown, and are not shown.
        follower.request(|_| Ok(())).await?;
    } else {
        follower
            .request(|event| write(&mut lines, event, as_json))
            .await?;
    }
    let mut was_unavailable = false;
    loop {
        lines.flush()?;
        tokio::time::sleep(PAUSE).await;
        match follower.request(|event| write(&mut lines, event, as_json)).await {
            Ok(()) if std::mem::take(&mut was_unavailable) => note("the server answers again"),
            Ok(()) => {}
            // The server restarts: events of that time are in its store, and are requested afterwards.
            Err(failed) if failed.is_unavailable() => {
                if !std::mem::replace(&mut was_unavailable, true) {
                    failed.print();
                    note("waiting for the server; the events after the last one shown follow");
                }
            }
            Err(failed) => return Err(failed),
        }
    }
}

/// Replaces a duration before now by a time, so that the same events are requested again after the server was unavailable.
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
    /// Requests new events, page after page, and calls `show` with each event that was not shown before.
    async fn request(&mut self, mut show: impl FnMut(&Value) -> Result<(), Failed>) -> Result<(), Failed> {
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
        // The floor rises with the newest event, and ids below it are forgotten.
        assert!(shown.is_new(&event(200_000, "cc")));
        shown.forget_the_old();
        assert_eq!(shown.recent.len(), 1);
    }

    #[test]
    fn search_continues_after_the_events_that_were_read_also_if_the_filter_matched_none() {
        let mut shown = Shown::default();
        shown.searched_to(Some("1970-01-01T00:01:40Z"));
        assert_eq!(shown.floor(), format!("{:016x}", 95_000));
        // The time in an answer is in whole seconds, and must not lower the floor.
        assert!(shown.is_new(&event(200_900, "aa")));
        shown.searched_to(Some("1970-01-01T00:03:20Z"));
        assert_eq!(shown.floor(), format!("{:016x}", 195_900));
        shown.searched_to(None);
        assert_eq!(shown.floor(), format!("{:016x}", 195_900));
    }
}
