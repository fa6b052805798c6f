//! Names of the members of client metadata. [RFC7591 §2]

/// Members that a request may set and that a credential's claim of the same name would shadow.
const MEMBERS: [&str; 13] = [
    "redirect_uris",
    "token_endpoint_auth_method",
    "grant_types",
    "response_types",
    "scope",
    "client_name",
    "client_uri",
    "logo_uri",
    "tos_uri",
    "policy_uri",
    "contacts",
    "software_id",
    "software_version",
];

/// The members that may carry a language tag: `client_name#de`.
pub const TAGGABLE: [&str; 5] = ["client_name", "client_uri", "logo_uri", "tos_uri", "policy_uri"];

/// True where a claim of this name sets a member of client metadata, so that a request must not set the same member.
pub fn is_member(claim: &str) -> bool {
    MEMBERS.contains(&base(claim))
}

/// The member that a name means, without its language tag.
pub fn base(name: &str) -> &str {
    match name.split_once('#') {
        Some((member, _)) if TAGGABLE.contains(&member) => member,
        _ => name,
    }
}
