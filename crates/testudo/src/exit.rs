//! The exit statuses of the process.

use std::process::ExitCode;

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    Usage,
}

impl Exit {
    /// All exit statuses, for the reference.
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
                "The command succeeded completely. Also where the program that reads its output closed the pipe before the end (`testudo event list | head -1`)."
            }
            Exit::Failed => {
                "The command failed, or a part of it failed; the reason is on stderr. Commands that check something end with this status where the check failed: `check` (the configuration has an error), `doctor` (a check failed), `rule test` (an identity would be refused), `explain --exit-code` (the request is refused), `healthcheck` (the server is not ready), `token inspect --issuer` (the token is not valid), `call` (the API answers with a status that is not 2xx)."
            }
            Exit::Usage => "The arguments are wrong: nothing was done, and no request was sent to a server.",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.number())
    }
}
