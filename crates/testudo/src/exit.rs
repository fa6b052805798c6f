//! What the exit status of the process says.

use std::process::ExitCode;

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    Usage,
}

impl Exit {
    /// All of them, for the reference.
    pub const ALL: [Exit; 3] = [Exit::Done, Exit::Failed, Exit::Usage];

    pub fn number(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
        }
    }

    /// For the reference.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Done => {
                "The command did what was asked, all of it. Also where the program that read its output ended first (`testudo event list | head -1`)."
            }
            Exit::Failed => {
                "It did not, or not all of it; stderr says why. Commands that judge something end so where the judgement is bad: `check` (the configuration has an error), `doctor` (a check failed), `rule test` (an identity would be refused), `explain --exit-code` (the request is refused), `healthcheck` (the server is not ready), `token inspect --issuer` (the token is not good)."
            }
            Exit::Usage => "The arguments are wrong: nothing was done and no server was asked.",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.number())
    }
}
