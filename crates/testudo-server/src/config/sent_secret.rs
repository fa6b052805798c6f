//! A secret that this server sends to another server.

use super::checker::Checker;
use super::store::SecretText;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// A secret that this server sends to another server: a token for its keys, or a client secret.
#[derive(Clone, PartialEq, Eq)]
pub enum SentSecret {
    /// The content of a file, which is read at each use.
    File(PathBuf),
    /// The secret itself.
    Text(Zeroizing<String>),
}

/// Without the secret.
impl std::fmt::Debug for SentSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SentSecret::File(path) => write!(f, "a secret in the file {}", path.display()),
            SentSecret::Text(_) => f.write_str("a secret"),
        }
    }
}

/// The form that a secret must have.
pub(super) struct SecretForm {
    /// True for a text of this form.
    pub(super) is_met: fn(&str) -> bool,
    /// What is wrong with another text, as the rest of a sentence.
    pub(super) problem: &'static str,
    /// What the administrator can do about it.
    pub(super) hint: &'static str,
}

impl Checker<'_> {
    /// The secret, which must have this form. A file that other users can read is a warning.
    pub(super) fn sent_secret(
        &mut self,
        key: &str,
        secret: &SecretText,
        form: &SecretForm,
    ) -> Option<SentSecret> {
        let bytes = self.secret(key, secret)?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
        if !(form.is_met)(text) {
            self.report.refuse(key, form.problem, Some(form.hint));
            return None;
        }
        Some(match secret {
            SecretText::File { file } => {
                let path = self.path(file);
                self.warn_if_exposed(key, &path);
                SentSecret::File(path)
            }
            SecretText::Env { .. } | SecretText::Text(_) => SentSecret::Text(Zeroizing::new(text.to_owned())),
        })
    }
}
