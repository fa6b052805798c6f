//! `testudo init`.

use crate::output::{Failed, note};
use clap::Args;
use std::io::Write as _;
use std::path::PathBuf;
use testudo_server::config::STARTER;
use testudo_server::key_encryption;

#[derive(Args)]
pub struct Init {
    /// Folder to write to.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
}

pub fn run(options: &Init) -> Result<(), Failed> {
    let path = options.folder.join("testudo.toml");
    let refused = |error: std::io::Error| {
        Failed::new(format!("{} cannot be written: {error}", path.display()))
            .hint("an existing file is never overwritten; name another folder: testudo init FOLDER")
    };
    std::fs::create_dir_all(&options.folder).map_err(refused)?;
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .and_then(|mut file| file.write_all(STARTER.as_bytes()))
        .map_err(refused)?;
    let key_path = options.folder.join("kek");
    key_encryption::read_or_make_key_encryption_key(&key_path).map_err(Failed::new)?;
    note(&format!(
        "wrote {} and {} (the key that encrypts signing keys)",
        path.display(),
        key_path.display()
    ));
    note(&format!(
        "hint: write your trust domain into it, then run: testudo check --config {}",
        path.display()
    ));
    Ok(())
}
