//! Import circles: none is added, in any crate.

use crate::imports::{Circle, Crate, circles, crates_of_workspace};
use crate::root;
use std::fmt::Write;
use std::path::PathBuf;

/// Complains about each crate that has files in circles.
pub fn check(crates: &[(String, Crate)], complaints: &mut Vec<String>) {
    complaints.extend(refused(crates));
}

/// `cargo xtask tidy --circles [FOLDER]`: every circle of every crate, of this repository or of another checkout of it.
pub fn print(folder: Option<&str>) -> Result<(), String> {
    let folder = folder.map_or_else(root, PathBuf::from);
    let mut text = String::new();
    for (name, source) in crates_of_workspace(&folder)? {
        let circles = circles(&source);
        let files: usize = circles.iter().map(|circle| circle.files.len()).sum();
        let _ = writeln!(
            text,
            "{name}: {} circles, {files} of {} files",
            circles.len(),
            source.files.len()
        );
        for circle in &circles {
            text.push_str(&described(&source, circle));
        }
    }
    print!("{text}");
    Ok(())
}

fn refused(crates: &[(String, Crate)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, source) in crates {
        let circles = circles(source);
        if circles.is_empty() {
            continue;
        }
        let files: usize = circles.iter().map(|circle| circle.files.len()).sum();
        let all: String = circles.iter().map(|circle| described(source, circle)).collect();
        complaints.push(format!(
            "{name}: {files} files lie in import circles. Move what both sides need into a file of its own below them \
             (`cargo xtask tidy --circles` lists this, too):\n{all}"
        ));
    }
    complaints
}

/// The files of a circle, and one way round it with the line of each import.
fn described(source: &Crate, circle: &Circle) -> String {
    let name = |file: usize| source.files[file].name.as_str();
    let files: Vec<&str> = circle.files.iter().map(|file| name(*file)).collect();
    let mut text = format!("  circle of {} files: {}\n", files.len(), files.join(" "));
    for arrow in &circle.example {
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

    fn workspace_with_a_circle() -> Scratch {
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
    fn a_circle_made_on_purpose_is_refused_with_its_files_and_lines() {
        let workspace = workspace_with_a_circle();
        let complaints = refused(&crates_of_workspace(workspace.path()).unwrap());
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        for expected in [
            "bad: 2 files lie in import circles",
            "circle of 2 files: one.rs two.rs",
            "one.rs:1 uses crate::two::Two of two.rs",
            "two.rs:3 uses crate::one::One of one.rs",
        ] {
            assert!(complaints[0].contains(expected), "{expected}: {}", complaints[0]);
        }
    }
}
