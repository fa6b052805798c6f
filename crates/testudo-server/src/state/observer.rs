//! What `testudo dev` is told of every token request.

/// Told of every token request.
pub type Observer = Box<dyn Fn(&Observation) + Send + Sync>;

/// One request, for `testudo dev`.
#[derive(Debug)]
pub struct Observation {
    /// Request id.
    pub request_id: String,
    /// Identity, where one was proven.
    pub identity: Option<String>,
    /// What came of it, in words.
    pub outcome: String,
}
