//! `[log]`: in which form the log is written, and whether it names every token.

use super::judge::Judge;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::Path;

/// `[log]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// `"json"` or `"text"`. Default: `"text"` where stderr is a terminal, `"json"` elsewhere.
    pub format: Option<String>,
    /// A line `token.issued` for every access token: client, audience, scope, `jti`, `exp`. It is in the log alone, never
    /// in the store. Default: `false`.
    pub token_issued: Option<bool>,
}

/// One JSON object per line, or one line of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For programs.
    Json,
    /// For people.
    Text,
}

impl LogFormat {
    fn parse(name: &str) -> Option<LogFormat> {
        match name {
            "json" => Some(LogFormat::Json),
            "text" => Some(LogFormat::Text),
            _ => None,
        }
    }
}

/// What `[log]` means.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogSettings {
    /// None where the kind of stderr decides.
    pub format: Option<LogFormat>,
    /// Whether every token is logged.
    pub token_issued: bool,
}

/// The format that a configuration asks for, whatever else may be wrong with it: its problems are reported in this format.
pub fn log_format(path: &Path) -> Option<LogFormat> {
    let table = super::table_of(path);
    LogFormat::parse(table.get("log")?.get("format")?.as_str()?)
}

impl Judge<'_> {
    pub(super) fn log(&mut self, section: &LogSection) -> LogSettings {
        let format = section.format.as_deref().and_then(|name| {
            let format = LogFormat::parse(name);
            if format.is_none() {
                self.report
                    .error("log.format", format!("{name:?} is not a format of the log"), None);
            }
            format
        });
        LogSettings {
            format,
            token_issued: section.token_issued.unwrap_or(false),
        }
    }
}
