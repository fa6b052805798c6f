//! Checks links in documents: the target must be a file of this repository or a web address.

use super::super::repository::Repository;

/// Complaints about targets of `[text](target)` that are neither a file of the repository nor a web address.
pub fn missing(repository: &Repository, document: &str, line: &str) -> Vec<String> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .map(|target| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty())
        .filter(|target| !repository.has(&joined(document, target)))
        .map(|target| format!("links to {target}, which is not in the repository"))
        .collect()
}

/// The path of `target`, which is relative to the folder of `document`.
pub fn joined(document: &str, target: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
