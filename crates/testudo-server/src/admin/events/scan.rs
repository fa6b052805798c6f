//! Reads events one after another, in either direction, within the limits of one answer.

use super::filter::Filters;
use super::{EventPage, Order, Search};
use crate::admin::reply::ErrorAnswer;
use crate::state::app::App;
use crate::state::clock::request_id::RequestTime;
use crate::state::refused;
use std::time::{Duration, Instant};
use testudo_core::records::{Event, Kind};
use testudo_protocol::{Seconds, Timestamp};
use testudo_store::{LIST_MAX, Stored};

/// Maximum number of events that are read for one answer.
const SEARCHED_MAX: usize = 20_000;
/// Maximum time of a search for one answer, so that a search does not use a reader of the store for long. The answer
/// states how far the search came.
const SEARCH_TIME_MAX: Duration = Duration::from_millis(40);
/// Maximum size of the stored events in an answer, bytes. The first event is returned even if it is larger.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Maximum time between the arrival of a request and its last event, milliseconds: longer than all deadlines of a request.
pub(in crate::admin) const REQUEST_MILLIS_MAX: u64 = 120_000;

/// A range of event ids, and the direction of the search.
#[derive(Debug)]
pub(super) struct Range {
    /// Only ids greater than this one.
    after: Vec<u8>,
    /// Only ids less than this one.
    before: Option<Vec<u8>>,
    order: Order,
}

impl Range {
    pub(super) fn of(search: &Search, now: Timestamp) -> Result<Range, ErrorAnswer> {
        let mut after = Vec::new();
        let mut before: Option<Vec<u8>> = None;
        let mut narrow = |lower: Option<Vec<u8>>, upper: Option<Vec<u8>>| {
            if let Some(lower) = lower {
                after = after.clone().max(lower);
            }
            if let Some(upper) = upper {
                before = Some(before.take().map_or(upper.clone(), |known| known.min(upper)));
            }
        };
        let since = moment("since", search.since.as_deref(), now)?;
        let until = moment("until", search.until.as_deref(), now)?;
        if let (Some(since), Some(until)) = (since, until)
            && since > until
        {
            return Err(ErrorAnswer::bad_request(
                format!("since ({since}) is later than until ({until}), so no event can be found"),
                Some("exchange the two times, or leave one of them out".to_owned()),
            ));
        }
        narrow(since.map(key_at), until.map(key_at));
        narrow(
            cursor("after", search.after.as_deref())?,
            cursor("before", search.before.as_deref())?,
        );
        if let Some(time) = search.request.as_deref().and_then(|id| own_time(id, now)) {
            narrow(
                Some(time.key_before_events()),
                Some(time.key_after(REQUEST_MILLIS_MAX)),
            );
        }
        let order = search.order.unwrap_or(match search.after {
            Some(_) => Order::Oldest,
            None => Order::Newest,
        });
        Ok(Range { after, before, order })
    }

    /// All events, the newest first, or those before this id.
    pub(super) fn back_from(before: Option<String>) -> Range {
        Range {
            after: Vec::new(),
            before: before.map(String::into_bytes),
            order: Order::Newest,
        }
    }

    async fn page(&self, app: &App, limit: usize) -> Result<Vec<Stored>, ErrorAnswer> {
        let page = match self.order {
            Order::Newest => app.store.list_back(Kind::Event, self.before.as_deref(), limit),
            Order::Oldest => return Ok(app.store.list(Kind::Event, &self.after, limit).await?),
        };
        Ok(page.await?)
    }

    fn has(&self, key: &[u8]) -> bool {
        let is_early = self.before.as_deref().is_none_or(|before| key < before);
        key > self.after.as_slice() && is_early
    }

    fn go_on_at(&mut self, key: Vec<u8>) {
        match self.order {
            Order::Newest => self.before = Some(key),
            Order::Oldest => self.after = key,
        }
    }
}

/// Request ids with a time longer ago than this are treated as ids of a proxy.
const LONG_AGO: Seconds = Seconds(10 * 365 * 86_400);
/// The longest time by which the clock of another node may be ahead.
const AHEAD: Seconds = Seconds(86_400);

/// The time in a request id of this server. An id that a proxy assigned may have the form of one. It is treated as one
/// only where its time is plausible.
pub(in crate::admin) fn own_time(id: &str, now: Timestamp) -> Option<RequestTime> {
    let time = RequestTime::of_id(id)?;
    (time.seconds() > now - LONG_AGO && time.seconds() < now + AHEAD).then_some(time)
}

/// The store key of a time: the key of an event begins with its time in milliseconds, in 16 hexadecimal digits.
fn key_at(moment: Timestamp) -> Vec<u8> {
    let millis = u64::try_from(moment.0).unwrap_or(0).saturating_mul(1000);
    format!("{millis:016x}").into_bytes()
}

fn moment(name: &str, text: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, ErrorAnswer> {
    let Some(text) = text else { return Ok(None) };
    let ago = || Seconds::parse(text).ok().map(|seconds| now - seconds);
    match Timestamp::parse(text).or_else(ago) {
        Some(moment) => Ok(Some(moment)),
        None => Err(ErrorAnswer::bad_request(
            format!("{name} is neither a time nor a duration: {text:?}"),
            Some("write 2026-11-26T14:00:00Z, 2026-11-26, or a duration before now: 30m, 24h, 30d".into()),
        )),
    }
}

fn cursor(name: &str, text: Option<&str>) -> Result<Option<Vec<u8>>, ErrorAnswer> {
    match text {
        None | Some("") => Ok(None),
        Some(text) if text.bytes().all(|byte| byte.is_ascii_hexdigit()) => Ok(Some(text.as_bytes().to_vec())),
        Some(text) => Err(ErrorAnswer::bad_request(
            format!("{name} is not the id of an event: {text:?}"),
            Some("take it from `id` of an event or from `next` of the page before".into()),
        )),
    }
}

/// The events that were found so far.
#[derive(Default)]
struct Found {
    page: EventPage,
    bytes: usize,
}

impl Found {
    /// Adds the event if it matches the filters. False if the answer is already full.
    fn take(&mut self, stored: Stored, filters: &Filters, limit: usize) -> bool {
        let bytes = stored.body.len();
        let event = refused::readable::<Event>(stored).map(|found| found.record);
        let Some(event) = event.filter(|event| filters.has(event)) else {
            return true;
        };
        let is_full = self.page.events.len() >= limit
            || (!self.page.events.is_empty() && self.bytes + bytes > ANSWER_BYTES_MAX);
        if is_full {
            return false;
        }
        self.bytes += bytes;
        self.page.events.push(event);
        true
    }
}

pub(super) async fn scan(
    app: &App,
    filters: &Filters,
    mut range: Range,
    limit: usize,
) -> Result<EventPage, ErrorAnswer> {
    let started = Instant::now();
    let mut found = Found::default();
    let mut last: Option<Vec<u8>> = None;
    // One more than the limit is read, to find out whether there are more.
    let rows = if filters.are_empty() { limit + 1 } else { LIST_MAX };
    loop {
        let page = range.page(app, rows).await?;
        let is_last = page.len() < rows.min(LIST_MAX);
        for stored in page {
            let key = stored.key.clone();
            if !range.has(&key) {
                return Ok(ended(found.page, last, None));
            }
            if !found.take(stored, filters, limit) {
                let next = last.clone();
                return Ok(ended(found.page, last, next));
            }
            found.page.searched += 1;
            range.go_on_at(key.clone());
            last = Some(key);
        }
        if is_last {
            return Ok(ended(found.page, last, None));
        }
        if found.page.searched >= SEARCHED_MAX || started.elapsed() >= SEARCH_TIME_MAX {
            let next = last.clone();
            return Ok(ended(found.page, last, next));
        }
    }
}

fn ended(page: EventPage, last: Option<Vec<u8>>, next: Option<Vec<u8>>) -> EventPage {
    let text = |key: Vec<u8>| String::from_utf8_lossy(&key).into_owned();
    let millis = |key: &Vec<u8>| {
        let digits = std::str::from_utf8(key.get(..16)?).ok()?;
        i64::from_str_radix(digits, 16).ok()
    };
    EventPage {
        searched_to: last
            .as_ref()
            .and_then(millis)
            .map(|millis| Timestamp(millis / 1000).to_string()),
        next: next.map(text),
        ..page
    }
}
