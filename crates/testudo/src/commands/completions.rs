//! `testudo completions`.

use crate::output::{Failed, print_text};
use clap::{Args, Command};
use clap_complete::Shell;

#[derive(Args)]
pub struct Completions {
    /// Shell that the script is for.
    pub shell: Shell,
}

pub fn run(options: &Completions, mut commands: Command) -> Result<(), Failed> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut commands, "testudo", &mut script);
    let script = String::from_utf8(script).map_err(|error| Failed::new(error.to_string()))?;
    print_text(script.trim_end())
}
