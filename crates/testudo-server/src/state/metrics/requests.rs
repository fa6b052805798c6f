//! Answers by route and status, and how long they took. Every combination has its counter from the start, so a request
//! costs one addition: no name is looked up, and an alert can use a counter before its first event.

use super::{Metrics, register_metric};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::time::Duration;

/// The endpoint of a request, never a path that a caller chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `/token`
    Token,
    /// `/challenge`
    Challenge,
    /// `/par`
    PushedAuthorization,
    /// `/register`
    Registration,
    /// `/register/{client_id}`
    Client,
    /// The metadata of RFC 8414 and of OpenID Connect.
    Metadata,
    /// `/jwks`
    Keys,
    /// `/authorize`
    Authorization,
    /// `/introspect`
    Introspection,
    /// `/revoke`
    Revocation,
    /// The other pages for people, and the files that pages load.
    Page,
    /// `/livez` and `/readyz`
    Probe,
    /// The admin API, at either listener.
    Admin,
    /// No endpoint has the path, or the request was refused before its endpoint was known.
    None,
}

impl Route {
    const ALL: [Route; 14] = [
        Route::Token,
        Route::Challenge,
        Route::PushedAuthorization,
        Route::Registration,
        Route::Client,
        Route::Metadata,
        Route::Keys,
        Route::Authorization,
        Route::Introspection,
        Route::Revocation,
        Route::Page,
        Route::Probe,
        Route::Admin,
        Route::None,
    ];

    fn name(self) -> &'static str {
        match self {
            Route::Token => "token",
            Route::Challenge => "challenge",
            Route::PushedAuthorization => "par",
            Route::Registration => "register",
            Route::Client => "client",
            Route::Metadata => "metadata",
            Route::Keys => "jwks",
            Route::Authorization => "authorize",
            Route::Introspection => "introspect",
            Route::Revocation => "revoke",
            Route::Page => "page",
            Route::Probe => "probe",
            Route::Admin => "admin",
            Route::None => "none",
        }
    }
}

/// The statuses that this server answers. Any other status is counted under the last one.
const STATUSES: [(u16, &str); 19] = [
    (200, "200"),
    (201, "201"),
    (204, "204"),
    (303, "303"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (408, "408"),
    (409, "409"),
    (413, "413"),
    (415, "415"),
    (421, "421"),
    (429, "429"),
    (500, "500"),
    (502, "502"),
    (503, "503"),
    (0, "other"),
];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AnswerLabel {
    route: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabel {
    route: &'static str,
}

/// The counters, by the number of the route.
pub struct Requests(Vec<OfRoute>);

struct OfRoute {
    answered: [Counter; STATUSES.len()],
    seconds: Histogram,
}

impl Requests {
    pub(super) fn new(registry: &mut Registry) -> Requests {
        let answered = Family::<AnswerLabel, Counter>::default();
        let seconds = Family::<RouteLabel, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.000_1, 2.5, 12))
        });
        register_metric(registry, "requests", answered.clone());
        register_metric(registry, "request_duration_seconds", seconds.clone());
        let of_route = |route: Route| {
            let route = route.name();
            OfRoute {
                answered: STATUSES
                    .map(|(_, status)| answered.get_or_create_owned(&AnswerLabel { route, status })),
                seconds: seconds.get_or_create_owned(&RouteLabel { route }),
            }
        };
        Requests(Route::ALL.into_iter().map(of_route).collect())
    }
}

impl Metrics {
    /// Counts an answer, and its duration if a handler made it.
    pub fn note_answer(&self, route: Route, status: u16, took: Option<Duration>) {
        let Some(of_route) = self.requests.0.get(route as usize) else {
            return;
        };
        let at = STATUSES.iter().position(|(known, _)| *known == status);
        if let Some(counter) = of_route.answered.get(at.unwrap_or(STATUSES.len() - 1)) {
            counter.inc();
        }
        if let Some(took) = took {
            of_route.seconds.observe(took.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn answer_is_counted_under_its_route_and_status_and_an_unknown_status_as_other() {
        let metrics = Metrics::default();
        metrics.note_answer(Route::Token, 200, Some(Duration::from_millis(1)));
        metrics.note_answer(Route::Token, 200, Some(Duration::from_millis(1)));
        metrics.note_answer(Route::None, 418, None);
        let text = metrics.text();
        for line in [
            "testudo_requests_total{route=\"token\",status=\"200\"} 2",
            "testudo_requests_total{route=\"token\",status=\"503\"} 0",
            "testudo_requests_total{route=\"none\",status=\"other\"} 1",
            "testudo_request_duration_seconds_count{route=\"token\"} 2",
        ] {
            assert!(text.contains(line), "{line}:\n{text}");
        }
        for (number, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(route as usize, number);
        }
    }
    /// The statuses that the source of this crate names: `StatusCode::BAD_GATEWAY` is 502.
    fn named_in_the_source(folder: &Path, statuses: &mut BTreeSet<u16>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                named_in_the_source(&path, statuses);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let constants = text.split("StatusCode::").skip(1).filter_map(|rest| {
                    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                    // Names in small letters are functions, and those of gRPC.
                    rest.get(..end?)
                        .filter(|name| !name.is_empty() && *name == name.to_ascii_uppercase())
                });
                statuses.extend(constants.map(|constant| number_of(constant, &path)));
            }
        }
    }

    fn number_of(constant: &str, path: &Path) -> u16 {
        let is_it = |status: &u16| {
            let reason = StatusCode::from_u16(*status).unwrap().canonical_reason();
            reason.is_some_and(|reason| reason.to_ascii_uppercase().replace([' ', '-'], "_") == constant)
        };
        let found = (100..600).find(is_it);
        found.unwrap_or_else(|| panic!("{}: which status is {constant}?", path.display()))
    }

    #[test]
    fn every_status_that_the_server_can_answer_has_its_own_counter() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut statuses = BTreeSet::new();
        named_in_the_source(&crates.join("testudo-server/src"), &mut statuses);
        assert!(statuses.contains(&502), "{statuses:?}");
        // The answers to every reason to refuse.
        let answers = std::fs::read_to_string(crates.join("testudo-core/src/rejection/answers.txt")).unwrap();
        let of_line = |line: &str| line.strip_prefix("  ")?.get(..3)?.parse::<u16>().ok();
        statuses.extend(answers.lines().filter_map(of_line));
        assert!(statuses.contains(&408), "{statuses:?}");
        // What both OpenAPI documents promise: a test in CI compares the answers of a server with them.
        for document in ["admin-api.json", "public-api.json"] {
            let path = crates.join("../docs/reference").join(document);
            let document: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            let methods = document["paths"].as_object().unwrap().values();
            let operations = methods.flat_map(|methods| methods.as_object().unwrap().values());
            let answers = operations.filter_map(|operation| operation["responses"].as_object());
            statuses.extend(
                answers
                    .flat_map(|of| of.keys())
                    .map(|status| status.parse::<u16>().unwrap()),
            );
        }
        for status in statuses {
            assert!(
                STATUSES.iter().any(|(known, _)| *known == status),
                "{status} would be counted as \"other\": add it to STATUSES"
            );
        }
    }
}
