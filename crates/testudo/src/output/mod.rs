//! How results and failures are printed.
//!
//! Identities, key ids, reasons and errors are words of strangers. Everything that is printed goes through here, where
//! characters that a terminal obeys, or a reader does not see, are written out.

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
