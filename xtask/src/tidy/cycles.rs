//! Refuses import cycles between the files of a crate.

use crate::imports::{Crate, Cycle, crates_of_workspace, cycles, hidden};
use crate::root;
use std::fmt::Write;
use std::path::PathBuf;

/// Complains about each crate that has files in cycles, and about uses of files that would hide a cycle.
pub fn check(crates: &[(String, Crate)], complaints: &mut Vec<String>) {
    complaints.extend(refused(crates));
    for (name, source) in crates {
        complaints.extend(hidden(name, source));
    }
}

/// `cargo xtask tidy --cycles [FOLDER]`: prints every cycle of every crate, of this checkout or of another one.
pub fn print(folder: Option<&str>) -> Result<(), String> {
    let folder = folder.map_or_else(root, PathBuf::from);
    let mut text = String::new();
    for (name, source) in crates_of_workspace(&folder)? {
        let cycles = cycles(&source);
        let files: usize = cycles.iter().map(|cycle| cycle.files.len()).sum();
        let _ = writeln!(
            text,
            "{name}: {} cycles, {files} of {} files",
            cycles.len(),
            source.files.len()
        );
        for cycle in &cycles {
            text.push_str(&described(&source, cycle));
        }
    }
    print!("{text}");
    Ok(())
}

fn refused(crates: &[(String, Crate)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, source) in crates {
        let cycles = cycles(source);
        if cycles.is_empty() {
            continue;
        }
        let files: usize = cycles.iter().map(|cycle| cycle.files.len()).sum();
        let all: String = cycles.iter().map(|cycle| described(source, cycle)).collect();
        complaints.push(format!(
            "{name}: {files} files are in import cycles. Move the items that both files need into another file, which \
             uses neither of them (`cargo xtask tidy --cycles` prints this list too):\n{all}"
        ));
    }
    complaints
}

/// The files of a cycle, and an example of a cycle with the line of each import.
fn described(source: &Crate, cycle: &Cycle) -> String {
    let name = |file: usize| source.files[file].name.as_str();
    let files: Vec<&str> = cycle.files.iter().map(|file| name(*file)).collect();
    let mut text = format!("  cycle of {} files: {}\n", files.len(), files.join(" "));
    for arrow in &cycle.example {
        let _ = writeln!(
            text,
            "    {}:{} uses {} of {}",
            name(arrow.from),
            arrow.line,
            arrow.path,
            name(arrow.to)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::refused;
    use crate::imports::crates_of_workspace;
    use crate::scratch::Scratch;

    fn workspace_with_a_cycle() -> Scratch {
        Scratch::with(&[
            ("xtask/src/main.rs", "fn main() {}\n"),
            ("crates/good/src/lib.rs", "pub struct Good;\n"),
            ("crates/bad/src/lib.rs", "mod one;\nmod two;\n"),
            (
                "crates/bad/src/one.rs",
                "use crate::two::Two;\npub struct One(Two);\n",
            ),
            (
                "crates/bad/src/two.rs",
                "pub struct Two;\n\nuse crate::one::One;\n",
            ),
        ])
    }

    #[test]
    fn a_cycle_made_on_purpose_is_refused_with_its_files_and_lines() {
        let workspace = workspace_with_a_cycle();
        let complaints = refused(&crates_of_workspace(workspace.path()).unwrap());
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        for expected in [
            "bad: 2 files are in import cycles",
            "cycle of 2 files: one.rs two.rs",
            "one.rs:1 uses crate::two::Two of two.rs",
            "two.rs:3 uses crate::one::One of one.rs",
        ] {
            assert!(complaints[0].contains(expected), "{expected}: {}", complaints[0]);
        }
    }
}
