//! The log of `testudo serve`. All lines of the process on stderr have the same format, problems of the configuration
//! and panics too. `testudo_server::log_lines` lists the lines.

use serde_json::Value;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::IsTerminal as _;
use std::path::Path;
use testudo_protocol::printable::{escape, escape_json};
use testudo_server::config::{LogFormat, log_format};
use testudo_server::log_lines::LIBRARY;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Lines of these modules are written whatever level `RUST_LOG` sets: the server is ready, stops, cannot start, or
/// panicked.
const ALWAYS: [&str; 2] = ["testudo::log=info", "testudo::commands::serve=info"];

/// Lines whose target begins so are never written, whatever `RUST_LOG` sets: those of `webauthn_rs` and its parts contain the
/// answers of browsers, and any browser can cause them.
const NEVER: &str = "webauthn";

/// Starts the log in the format that the configuration file sets. Default: text where stderr is a terminal, else JSON.
pub fn start(config: &Path) {
    let format = log_format(config).unwrap_or(match std::io::stderr().is_terminal() {
        true => LogFormat::Text,
        false => LogFormat::Json,
    });
    let level = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_else(|_| "info".to_owned());
    let (filter, unreadable) = match EnvFilter::builder().parse(&level) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    let fixed = ALWAYS.iter().filter_map(|directive| directive.parse().ok());
    let filter = fixed.fold(filter, EnvFilter::add_directive);
    lines(filter, format, std::io::stderr).init();
    std::panic::set_hook(Box::new(log_panic));
    if let Some(fault) = unreadable {
        tracing::warn!(
            event = "log.level_unreadable",
            %fault,
            "RUST_LOG cannot be read: `info` is used"
        );
    }
}

/// Writes the lines that the filter permits. A directive for a module of a library is more specific than one for the whole
/// library, so a directive cannot exclude all modules: [`NEVER`] is a filter of its own.
fn lines<W>(filter: EnvFilter, format: LogFormat, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        // If stderr is closed or full, this error cannot be reported anywhere else.
        .log_internal_errors(false)
        .event_format(Lines(format))
        .finish()
        .with(filter_fn(|line| !line.target().starts_with(NEVER)))
}

/// Logs why `serve` cannot start.
pub fn failed(message: &str, hint: Option<&str>) {
    tracing::error!(event = "server.failed", hint, "{message}");
}

fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let is_captured = backtrace.status() == BacktraceStatus::Captured;
    let backtrace = is_captured.then(|| backtrace.to_string());
    let location = panic.location().map(ToString::to_string);
    let message = panic.payload_as_str().unwrap_or("a panic without a message");
    tracing::error!(event = "server.panicked", location, backtrace, "{message}");
}

/// Formats an event as one line of the log.
struct Lines(LogFormat);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        if !metadata.target().starts_with("testudo") {
            fields = fields.of_library(metadata.target());
        }
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let first = [
            ("timestamp", Value::from(time)),
            ("level", metadata.level().as_str().into()),
        ];
        let fields = first
            .into_iter()
            .map(|(name, value)| (Cow::Borrowed(name), value))
            .chain(fields.in_order());
        let line = match self.0 {
            LogFormat::Json => json(fields),
            LogFormat::Text => text(fields),
        };
        writeln!(writer, "{line}")
    }
}

type NamedValue = (Cow<'static, str>, Value);

fn json(fields: impl Iterator<Item = NamedValue>) -> String {
    let members: Vec<String> = fields
        .map(|(name, value)| format!("{}:{value}", Value::from(name)))
        .collect();
    escape_json(&format!("{{{}}}", members.join(","))).into_owned()
}

/// Time, level and message, then `name=value`; a value that contains a space or a quote is in quotes.
fn text(fields: impl Iterator<Item = NamedValue>) -> String {
    let mut line = String::new();
    let mut rest = String::new();
    for (name, value) in fields {
        let bare = match value.as_str() {
            Some(text) if !text.is_empty() && !text.contains([' ', '"', '=', '\n']) => text.to_owned(),
            Some(_) | None => value.to_string(),
        };
        // Writing to a String cannot fail.
        let _ = match (&*name, value.as_str()) {
            ("timestamp" | "level", _) => write!(line, "{bare} "),
            ("message", Some(text)) => write!(line, "{}", text.trim_end()),
            _ => write!(rest, " {name}={bare}"),
        };
    }
    escape(&format!("{line}{rest}"), &[]).into_owned()
}

/// The fields of a line, in the order of the call site.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<NamedValue>,
}

impl Fields {
    /// `event` and `message` first.
    fn in_order(mut self) -> impl Iterator<Item = NamedValue> {
        let event = self.others.iter().position(|(name, _)| name == "event");
        let event = event.map(|at| self.others.remove(at));
        let message = ("message".into(), self.message.into());
        event.into_iter().chain([message]).chain(self.others)
    }

    /// A line that a library wrote. The library chose the names of its fields, so they are joined to one text in
    /// `detail`. A line from the crate `log` has its target in a field.
    fn of_library(self, target: &'static str) -> Fields {
        let mut library = Value::from(target);
        let mut details = Vec::new();
        for (name, value) in self.others {
            match &*name {
                "log.target" => library = value,
                name if name.starts_with("log.") => {}
                name => details.push(format!("{name}={value}")),
            }
        }
        let mut others: Vec<NamedValue> = vec![("event".into(), LIBRARY.into()), ("library".into(), library)];
        if !details.is_empty() {
            others.push(("detail".into(), details.join(" ").into()));
        }
        Fields {
            message: self.message,
            others,
        }
    }

    fn put(&mut self, field: &Field, value: Value) {
        self.others.push((field.name().into(), value));
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            _ => self.put(field, value.into()),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written to the log while `work` runs.
    fn written(format: LogFormat, work: impl FnOnce()) -> String {
        written_at("trace", format, work)
    }

    /// The same, with this value of `RUST_LOG`.
    fn written_at(level: &str, format: LogFormat, work: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = lines(EnvFilter::new(level), format, move || writer.clone());
        tracing::subscriber::with_default(subscriber, work);
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn one_json(work: impl FnOnce()) -> Value {
        let text = written(LogFormat::Json, work);
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn panic_is_logged_as_one_line_with_its_source_location() {
        let earlier = std::panic::take_hook();
        std::panic::set_hook(Box::new(log_panic));
        let line = one_json(|| {
            let number: u32 = 7;
            drop(std::panic::catch_unwind(|| panic!("no such\nnumber: {number}")));
        });
        std::panic::set_hook(earlier);
        assert_eq!(line["event"], "server.panicked");
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["message"], "no such\nnumber: 7");
        assert!(line["location"].as_str().unwrap().contains("log.rs:"), "{line}");
    }

    #[test]
    fn fields_of_a_library_are_never_written_under_field_names_of_testudo() {
        let line = one_json(|| tracing::info!(target: "hyper::proto", event = "x", reason = 7, "read {}", 3));
        assert_eq!(line["event"], "library");
        assert_eq!(line["library"], "hyper::proto");
        assert_eq!(line["message"], "read 3");
        assert_eq!(line["detail"], r#"event="x" reason=7"#);
        assert!(line.get("reason").is_none());
    }

    #[test]
    fn answers_of_browsers_in_lines_of_the_library_for_passkeys_are_not_written_at_any_level() {
        let level = "webauthn_rs_core::core=trace,webauthn_rs=trace,hyper=trace";
        let text = written_at(level, LogFormat::Text, || {
            tracing::debug!(target: "webauthn_rs_core::core", "an answer");
            tracing::error!(target: "webauthn_rs_core::core", "an answer");
            tracing::error!(target: "webauthn_rs", "an answer");
            tracing::debug!(target: "hyper::proto", "another line");
        });
        assert!(text.contains("another line"), "{text}");
        assert!(!text.contains("an answer"), "{text}");
    }

    #[test]
    fn line_breaks_and_control_characters_in_a_text_line_are_escaped() {
        let line = written(LogFormat::Text, || {
            tracing::warn!(
                event = "a.b",
                count = 3,
                hint = "do\nthis\u{1b}[2J",
                path = "/x",
                "not good"
            );
        });
        let (_, rest) = line.split_once(' ').unwrap();
        assert_eq!(
            rest,
            "WARN not good event=a.b count=3 hint=\"do\\nthis\\u001b[2J\" path=/x\n"
        );
    }

    #[test]
    fn order_of_fields_is_time_level_event_message_and_then_the_others() {
        let line = written(LogFormat::Json, || {
            tracing::info!(request.id = "7", event = "a.b", "said");
        });
        let names: Vec<&str> = line.split('"').skip(1).step_by(4).take(5).collect();
        assert_eq!(
            names,
            ["timestamp", "level", "event", "message", "request.id"],
            "{line}"
        );
    }
}
