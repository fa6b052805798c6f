//! Compares the code that writes to the log with the table in `log_lines.rs` of the server: each `tracing` call must
//! have a row with its level and its fields, and each row must have a call.

use super::repository::Text;
use crate::imports::is_test_only;
use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeSet;
use syn::parse::{Parse, ParseStream};
use syn::visit::{self, Visit};
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Token};
use testudo_server::log_lines::{LIBRARY, LINES, Line, all};

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

pub fn check(texts: &[Text], complaints: &mut Vec<String>) -> Result<(), String> {
    let lines: Vec<Line> = all().collect();
    let mut written = BTreeSet::from([LIBRARY.to_owned()]);
    let is_source =
        |name: &str| name.starts_with("crates/") && name.contains("/src/") && name.ends_with(".rs");
    for text in texts
        .iter()
        .filter(|text| is_source(&text.name) && !is_test_file(&text.name))
    {
        let syntax = syn::parse_file(&text.text).map_err(|error| format!("{}: {error}", text.name))?;
        let mut calls = Calls {
            file: &text.name,
            lines: &lines,
            written: &mut written,
            complaints,
        };
        calls.visit_file(&syntax);
    }
    for line in LINES.iter().filter(|line| !written.contains(line.event)) {
        complaints.push(format!(
            "log_lines.rs has a row for {}, but no code writes this line",
            line.event
        ));
    }
    Ok(())
}

fn is_test_file(name: &str) -> bool {
    name.ends_with("/tests.rs") || name.contains("/tests/")
}

/// The `tracing` calls of one file.
struct Calls<'a> {
    file: &'a str,
    lines: &'a [Line],
    written: &'a mut BTreeSet<String>,
    complaints: &'a mut Vec<String>,
}

impl<'ast> Visit<'ast> for Calls<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_test_only(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let path = call
            .path
            .segments
            .iter()
            .map(|part| part.ident.clone())
            .collect::<Vec<_>>();
        match path.as_slice() {
            [krate, level] if krate == "tracing" => self.check_call(level, call.tokens.clone()),
            // Macros such as `tokio::select!` contain code, which syn parses as tokens only.
            _ => self.search(call.tokens.clone()),
        }
    }
}

impl Calls<'_> {
    /// Searches tokens for `tracing::level!(…)`.
    fn search(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            match (token, tokens.get(at + 3), tokens.get(at + 5)) {
                (TokenTree::Ident(krate), Some(TokenTree::Ident(level)), Some(TokenTree::Group(inside)))
                    if krate == "tracing" =>
                {
                    self.check_call(level, inside.stream());
                }
                (TokenTree::Group(group), _, _) => self.search(group.stream()),
                _ => {}
            }
        }
    }

    fn check_call(&mut self, level: &Ident, tokens: TokenStream) {
        let name = level.to_string();
        if !LEVELS.contains(&name.as_str()) {
            return;
        }
        let complaint = match syn::parse2::<Call>(tokens) {
            Ok(found) => self.compare(&name.to_uppercase(), found),
            Err(error) => Err(format!("cannot be parsed: {error}")),
        };
        if let Err(what) = complaint {
            let line = level.span().start().line;
            self.complaints
                .push(format!("{}:{line} the tracing call {what}", self.file));
        }
    }

    fn compare(&mut self, level: &str, call: Call) -> Result<(), String> {
        let event = call
            .event
            .ok_or("has no event name: its first field must be `event = \"…\"`")?;
        let line = self.lines.iter().find(|line| line.event == event);
        let line = line.ok_or_else(|| format!("has the event `{event}`, which is not in log_lines.rs"))?;
        self.written.insert(event.clone());
        if line.level != level {
            return Err(format!(
                "has the event `{event}`, whose level in log_lines.rs is {}",
                line.level
            ));
        }
        match call
            .fields
            .iter()
            .find(|name| !line.fields.contains(&name.as_str()))
        {
            Some(name) => Err(format!(
                "has the event `{event}`, whose row in log_lines.rs has no field `{name}`"
            )),
            None => Ok(()),
        }
    }
}

/// The arguments of `tracing::info!(…)`.
struct Call {
    event: Option<String>,
    fields: Vec<String>,
}

impl Parse for Call {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut call = Call {
            event: None,
            fields: Vec::new(),
        };
        while !input.peek(LitStr) {
            sigil(input)?;
            let mut name = input.parse::<Ident>()?.to_string();
            while input.peek(Token![.]) {
                input.parse::<Token![.]>()?;
                name = format!("{name}.{}", input.parse::<Ident>()?);
            }
            let mut literal = None;
            if input.peek(Token![=]) {
                input.parse::<Token![=]>()?;
                sigil(input)?;
                if let Expr::Lit(ExprLit {
                    lit: Lit::Str(text), ..
                }) = input.parse()?
                {
                    literal = Some(text.value());
                }
            }
            input.parse::<Token![,]>()?;
            match &*name {
                "event" => call.event = literal,
                _ => call.fields.push(name),
            }
        }
        // The message and its arguments are not checked.
        input.parse::<TokenStream>()?;
        Ok(call)
    }
}

fn sigil(input: ParseStream<'_>) -> syn::Result<()> {
    if input.peek(Token![%]) {
        input.parse::<Token![%]>()?;
    } else if input.peek(Token![?]) {
        input.parse::<Token![?]>()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(call: &str) -> Vec<String> {
        let text = Text {
            name: "crates/x/src/lib.rs".to_owned(),
            text: format!("fn f() {{\n    {call};\n}}"),
        };
        let mut complaints = Vec::new();
        check(&[text], &mut complaints).unwrap();
        complaints.retain(|complaint| complaint.starts_with("crates/"));
        complaints
    }

    #[test]
    fn tracing_call_without_a_row_with_another_level_or_with_an_unknown_field_is_refused() {
        let good = "tracing::error!(event = \"store.refused\", %fault, batches = group.len(), \"the store {x}\", x = 1)";
        assert_eq!(complaints(good), Vec::<String>::new());
        for (call, says) in [
            ("tracing::error!(\"a sentence\")", "has no event name"),
            (
                "tracing::error!(event = name, \"a sentence\")",
                "has no event name",
            ),
            (
                "tracing::warn!(event = \"no.such\", \"x\")",
                "has the event `no.such`, which is not in log_lines.rs",
            ),
            (
                "tracing::warn!(event = \"store.refused\", \"x\")",
                "whose level in log_lines.rs is ERROR",
            ),
            (
                "tracing::error!(event = \"store.refused\", why, \"x\")",
                "has no field `why`",
            ),
            (
                "tracing::info!(event = \"client.refused\", client.name = n, \"x\")",
                "has no field `client.name`",
            ),
        ] {
            let found = complaints(call);
            assert!(
                found.len() == 1 && found[0].starts_with("crates/x/src/lib.rs:2 ") && found[0].contains(says),
                "{call}: {found:?}"
            );
        }
    }

    #[test]
    fn tracing_call_inside_another_macro_is_checked() {
        let call = "tokio::select! { x = y => { if z { tracing::warn!(%why, \"x\"); } } }";
        let found = complaints(call);
        assert!(
            found.len() == 1 && found[0].contains("has no event name"),
            "{found:?}"
        );
    }

    #[test]
    fn row_without_a_tracing_call_is_a_complaint() {
        let mut complaints = Vec::new();
        check(&[], &mut complaints).unwrap();
        assert_eq!(
            complaints.len(),
            LINES.len() - 1,
            "every row except the one for lines of libraries"
        );
    }
}
