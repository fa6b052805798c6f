//! The observer of token requests, with which `testudo dev` prints them.

/// Called after every token request.
pub type Observer = Box<dyn Fn(&Observation) + Send + Sync>;

/// One token request and its outcome.
#[derive(Debug)]
pub struct Observation {
    /// Request id.
    pub request_id: String,
    /// Identity, where one was proven.
    pub identity: Option<String>,
    /// The outcome, as text to print.
    pub outcome: String,
}
