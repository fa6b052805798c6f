//! Tables, and lists of fields for tables that are wider than the terminal.

use super::screen::{columns, wrap};
use super::stdout::write_line;
use super::{Failed, note};
use comfy_table::{Table, presets};
use testudo_protocol::printable::escape;
use unicode_width::UnicodeWidthStr as _;

/// A plain table, without lines or colour. If it is wider than the terminal and `wide` is false, each row is printed as
/// `name  value` lines: a table with broken cells is hard to read and to copy. `what` is the name of the rows, for the
/// message that the list is empty.
pub fn print_list(what: &str, header: &[&str], rows: &[Vec<String>], wide: bool) -> Result<(), Failed> {
    if rows.is_empty() {
        note(&format!("no {what}"));
        return Ok(());
    }
    let table = table(header, rows);
    let room = columns().filter(|_| !wide).unwrap_or(usize::MAX);
    if table.iter().all(|line| line.width() <= room) {
        return table.iter().try_for_each(|line| write_line(line));
    }
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            write_line("")?;
        }
        let filled: Vec<(&str, String)> = header
            .iter()
            .zip(row)
            .filter(|(_, cell)| !cell.is_empty())
            .map(|(name, cell)| (*name, cell.clone()))
            .collect();
        print_fields(&filled)?;
    }
    Ok(())
}

fn table(header: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(header.iter().map(|name| name.to_uppercase()));
    for row in rows {
        // Cells are escaped before the width of the columns is calculated.
        table.add_row(row.iter().map(|cell| escape(cell, &[])));
    }
    // The first column has no blank before it.
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// `name  value` lines. A value that is too long for the terminal continues on the next line, indented.
pub fn print_fields(fields: &[(&str, String)]) -> Result<(), Failed> {
    let indent = 2 + fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let room = columns().map_or(usize::MAX, |columns| columns.saturating_sub(indent));
    for (name, value) in fields {
        let mut head = *name;
        for line in wrap(&escape(value, &[]), room) {
            write_line(format!("{head:indent$}{line}").trim_end())?;
            head = "";
        }
    }
    Ok(())
}
