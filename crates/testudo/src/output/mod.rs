//! How results and failures are printed.
//!
//! Identities, key ids, reasons and errors can contain text of unknown clients. Everything that is printed goes through
//! this module, which writes control characters and invisible characters as escapes.

mod failed;
mod screen;
mod stderr;
mod stdout;
mod table;
mod value;

pub use failed::Failed;
pub use stderr::{
    note, note_problem, note_report, note_variables, print_messages_as_json, usage_error, warn,
};
pub use stdout::{Lines, print_bytes, print_json, print_line, print_prose, print_text};
pub use table::{print_fields, print_list};
pub use value::{as_text, items};
