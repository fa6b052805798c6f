//! `[log]`: the form of the log, and whether it has a line for every token.

use super::checker::Checker;
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
    /// One JSON object per line, for programs.
    Json,
    /// One line of text, for people.
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

/// The checked values of `[log]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogSettings {
    /// `None`: text if stderr is a terminal, else JSON.
    pub format: Option<LogFormat>,
    /// True if a line is written for every token.
    pub token_issued: bool,
}

/// The configured format, read also from a configuration with problems, so that the problems are reported in it.
pub fn log_format(path: &Path) -> Option<LogFormat> {
    let table = super::table_of(path);
    LogFormat::parse(table.get("log")?.get("format")?.as_str()?)
}

impl Checker<'_> {
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
