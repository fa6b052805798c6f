//! Tests of the lines that refreshes write.

use super::*;
use crate::config::{BundleSource, KeyChanges};

#[test]
fn line_of_a_refresh_that_keeps_failing_is_written_when_the_reason_changes_and_once_an_hour() {
    let anchor = Anchor::new(
        BundleSource {
            authority: Authority::of_key("spiffe://a.example").unwrap(),
            origin: BundleOrigin::File("absent.json".into()),
            max_staleness: Seconds(60),
            key_changes: KeyChanges::default(),
        },
        Arc::default(),
    );
    let mut written = Vec::new();
    for (seconds, why) in [
        (0, "absent"),
        (5, "absent"),
        (3599, "absent"),
        (3600, "absent"),
        (3605, "not JSON"),
        (3610, "not JSON"),
    ] {
        is_new_failure(&anchor, why);
        if take_line(&anchor, Moment::of(seconds)) {
            written.push(seconds);
        }
    }
    assert_eq!(written, [0, 3600, 3605]);
}
