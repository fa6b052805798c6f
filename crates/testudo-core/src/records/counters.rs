//! Names of the counters of clients.

/// Name of the counter of an authority's clients.
pub fn clients_of_authority(authority_key: &str) -> String {
    format!("clients/authority/{authority_key}")
}

/// Name of the counter of a rule's clients.
pub fn clients_of_rule(rule: &str) -> String {
    format!("clients/rule/{rule}")
}
