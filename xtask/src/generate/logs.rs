//! `docs/reference/logs.md`: the lines of the log and their fields.

use testudo_core::records::EventKind;
use testudo_server::log_lines::{EVENT_FIELDS, EVERY_LINE, FIELDS, LINES, of_event};

pub fn page() -> String {
    let mut page = format!(
        "# Lines of the log\n\nGenerated from `server::log_lines`. `testudo serve` writes its log to stderr, in the \
         format that `[log] format` sets: `json` (one object per line) or `text`. Every line has {}. `RUST_LOG` sets the \
         level (`error`, `warn`, `info`, `debug`; default: `info`).\n\n\
         No line contains a credential, a token, a secret or a private key. A line that is not on this page, or a field \
         that is not in the row of its line, is a fault of the program.\n\n",
        names(EVERY_LINE)
    );
    page.push_str("## Fields\n\n| field | meaning |\n|---|---|\n");
    for field in FIELDS {
        page.push_str(&format!("| `{}` | {} |\n", field.name, field.meaning));
    }
    page.push_str("\n## Lines\n\n| event | level | fields | when |\n|---|---|---|---|\n");
    for line in LINES {
        page.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            line.event,
            line.level,
            names(line.fields),
            line.meaning
        ));
    }
    page.push_str(&format!(
        "\n## Lines of audit events\n\nEvery [audit event](events.md) is also written to the log. So it can be found there \
         after the store is lost or restored to an earlier state. Fields: {}; fields that do not apply are absent. \
         While a refresh of a bundle fails again and again, its line is written when the reason changes and otherwise once \
         an hour, and its event is written once.\n\n\
         | event | level | when |\n|---|---|---|\n",
        names(EVENT_FIELDS)
    ));
    for line in EventKind::ALL.iter().copied().map(of_event) {
        page.push_str(&format!(
            "| `{}` | {} | {} |\n",
            line.event, line.level, line.meaning
        ));
    }
    page
}

fn names(fields: &[&str]) -> String {
    let names: Vec<String> = fields.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
