//! `login.development`: names with which any visitor signs in without proof, for trials on one machine.

use super::super::checker::Checker;
use super::super::listening::listening;
use super::Places;
use testudo_protocol::is_loopback;

/// Names for which a page has buttons.
const NAMES_MAX: usize = 50;

impl Checker<'_> {
    pub(super) fn development(&mut self, names: Option<&[String]>, places: &Places<'_>) -> Vec<String> {
        let key = "login.development";
        let Some(names) = names else {
            return Vec::new();
        };
        if names.is_empty() && !self.report.is_unread(key) {
            self.report
                .error(key, "is empty", Some("remove it, or write a name"));
        }
        if names.len() > NAMES_MAX {
            let problem = format!("has more than {NAMES_MAX} names");
            self.report.error(key, problem, None);
        }
        for (entry, name) in names.iter().enumerate() {
            let is_legal =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
            let key = format!("{key}[{entry}]");
            if name.is_empty() || name.len() > 64 || !name.bytes().all(is_legal) {
                let problem = format!("{name:?} is not a name for trials");
                self.report.error(key, problem, None);
            } else if names.iter().take(entry).any(|earlier| earlier == name) {
                self.report
                    .refuse(key, format!("{name:?} is there twice"), Some("remove one"));
            }
        }
        if !self.is_out_of_reach(key, places) {
            return Vec::new();
        }
        self.report.warn(
            key,
            "signs any visitor in without proof: fit for trials on this machine only",
            None,
        );
        names.to_vec()
    }

    /// True if no other machine can reach this server. Otherwise a visitor could sign in as one of these people.
    fn is_out_of_reach(&mut self, key: &str, places: &Places<'_>) -> bool {
        let issuer = url::Url::parse(places.issuer.as_str());
        let mut reachable = Vec::new();
        if !issuer.is_ok_and(|issuer| is_loopback(&issuer)) {
            reachable.push(format!("issuer {}", places.issuer));
        }
        let listeners = listening(places.server, places.admin);
        let beyond = listeners.iter().filter(|listener| listener.is_beyond_loopback());
        reachable.extend(beyond.map(ToString::to_string));
        if reachable.is_empty() {
            return true;
        }
        let problem = format!(
            "signs any visitor in without proof, so issuer and listeners must be on loopback, and these are not: {}",
            reachable.join(", ")
        );
        let hint = "remove it; people sign in with passkeys, or at [[login.providers]]";
        self.report.refuse(key, problem, Some(hint));
        false
    }
}
