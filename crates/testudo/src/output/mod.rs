//! How results and failures are printed.
//!
//! Identities, key ids, reasons and errors can contain text of unknown clients. Everything that is printed goes through
//! this module, which writes control characters and invisible characters as escapes.

mod failed;
mod screen;
mod stdout;
mod table;
mod talk;
mod value;

pub use failed::Failed;
pub use stdout::{Lines, print_json, print_line, print_prose, print_text};
pub use table::{print_fields, print_list};
pub use talk::{note, note_report, note_variables, speak_json, usage_error, warn};
pub use value::words;
