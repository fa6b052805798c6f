//! Rooms: the files and folders directly below `src` of a crate. They stand on floors, and a room may use rooms of
//! lower floors only. So a reader knows which way calls go, and a room can be understood with what is below it and
//! nothing else. Where a file of a folder stands higher than the folder, the table names it as a room of its own
//! (`trust/refresh`).

use super::floors::{FLOORS, Floor};
use crate::imports::{Arrow, Crate, crates_of_workspace};
use crate::root;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Complains about each import that does not lead to a lower floor, and about rooms that the table does not have.
pub fn check(crates: &[(String, Crate)], complaints: &mut Vec<String>) -> Result<(), String> {
    let document = root().join("ARCHITECTURE.md");
    let architecture =
        std::fs::read_to_string(&document).map_err(|error| format!("{}: {error}", document.display()))?;
    for (name, source) in crates {
        if let Some(floors) = floors_of(name) {
            complaints.extend(refused(name, source, floors));
            complaints.extend(undocumented(name, floors, &architecture));
        }
    }
    Ok(())
}

/// Floors of which ARCHITECTURE.md has no row: `| 0 | `entropy`, `identity` | …`.
fn undocumented(name: &str, floors: &[Floor], architecture: &str) -> Vec<String> {
    floors
        .iter()
        .enumerate()
        .filter_map(|(number, floor)| {
            let row = format!("| {number} | `{}` |", floor.rooms.join("`, `"));
            let is_missing = !architecture.lines().any(|line| line.starts_with(&row));
            is_missing.then(|| {
                format!("{name}: ARCHITECTURE.md has no row `{row}` for a floor of xtask/src/tidy/floors.rs")
            })
        })
        .collect()
}

/// `cargo xtask tidy --rooms [FOLDER]`: the rooms of each crate with the rooms that they use.
pub fn print(folder: Option<&str>) -> Result<(), String> {
    let folder = folder.map_or_else(root, PathBuf::from);
    for (name, source) in crates_of_workspace(&folder)? {
        println!("{name}:");
        let floors = floors_of(&name).unwrap_or_default();
        let used = rooms_used(&source, floors);
        for (height, floor) in lowest_floors(&used).iter().enumerate() {
            println!("  floor {height}:");
            for room in floor {
                let below: Vec<&str> = used[room].iter().map(String::as_str).collect();
                println!("    {room} uses {}", below.join(" "));
            }
        }
    }
    Ok(())
}

fn floors_of(name: &str) -> Option<&'static [Floor]> {
    FLOORS
        .iter()
        .find(|(crate_name, _)| *crate_name == name)
        .map(|(_, floors)| *floors)
}

fn refused(name: &str, source: &Crate, floors: &[Floor]) -> Vec<String> {
    let floor_of = |room: &str| floors.iter().position(|floor| floor.rooms.contains(&room));
    let used = rooms_used(source, floors);
    let mut complaints = Vec::new();
    for room in used.keys().filter(|room| floor_of(room).is_none()) {
        complaints.push(format!(
            "{name}: {room} stands on no floor; xtask/src/tidy/floors.rs and ARCHITECTURE.md have the table"
        ));
    }
    for room in floors.iter().flat_map(|floor| floor.rooms) {
        if !used.contains_key(*room) {
            complaints.push(format!(
                "{name}: the table of floors has {room}, which is not there"
            ));
        }
    }
    for (arrow, from, to) in arrows_between_rooms(source, floors) {
        let (Some(own), Some(used)) = (floor_of(&from), floor_of(&to)) else {
            continue;
        };
        if used >= own {
            complaints.push(format!(
                "{name}: {}:{} uses {} of {}, but {from} is on floor {own} ({}), {to} is on floor {used}, and a room \
                 may use lower floors only",
                source.files[arrow.from].name,
                arrow.line,
                arrow.path,
                source.files[arrow.to].name,
                floors[own].why,
            ));
        }
    }
    complaints
}

/// The room of a file: the longest that the table has, else its first folder or name. None for `lib.rs` and `main.rs`,
/// which join the rooms together.
fn room_of(file: &str, floors: &[Floor]) -> Option<String> {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if ["lib", "main"].contains(&path) {
        return None;
    }
    let named = floors
        .iter()
        .flat_map(|floor| floor.rooms)
        .filter(|room| {
            path.strip_prefix(**room)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .max_by_key(|room| room.len());
    let first = path.split('/').next().unwrap_or(path);
    Some(named.map_or(first, |room| *room).to_owned())
}

fn arrows_between_rooms(source: &Crate, floors: &[Floor]) -> Vec<(Arrow, String, String)> {
    source
        .arrows
        .iter()
        .filter_map(|arrow| {
            let from = room_of(&source.files[arrow.from].name, floors)?;
            let to = room_of(&source.files[arrow.to].name, floors)?;
            // A folder's own file hands on what its files have, as `lib.rs` does.
            let own_folder = format!("{}/", source.files[arrow.from].folder);
            let is_handed_on = source.files[arrow.to].name.starts_with(&own_folder);
            (from != to && !is_handed_on).then(|| (arrow.clone(), from, to))
        })
        .collect()
}

/// Each room with the rooms that it uses.
fn rooms_used(source: &Crate, floors: &[Floor]) -> BTreeMap<String, BTreeSet<String>> {
    let mut used: BTreeMap<String, BTreeSet<String>> = source
        .files
        .iter()
        .filter_map(|file| Some((room_of(&file.name, floors)?, BTreeSet::new())))
        .collect();
    for (_, from, to) in arrows_between_rooms(source, floors) {
        used.entry(from).or_default().insert(to);
    }
    used
}

/// Each room as low as what it uses lets it stand. Rooms that use each other come last, on a floor of their own.
fn lowest_floors(used: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let mut governed: BTreeSet<&String> = BTreeSet::new();
    let mut floors: Vec<Vec<String>> = Vec::new();
    while governed.len() < used.len() {
        let mut floor: Vec<&String> = used
            .iter()
            .filter(|(room, below)| {
                !governed.contains(room) && below.iter().all(|room| governed.contains(room))
            })
            .map(|(room, _)| room)
            .collect();
        if floor.is_empty() {
            floor = used.keys().filter(|room| !governed.contains(room)).collect();
        }
        governed.extend(&floor);
        floors.push(floor.into_iter().cloned().collect());
    }
    floors
}

#[cfg(test)]
mod tests {
    use super::{Floor, refused, undocumented};
    use crate::imports::Crate;
    use crate::scratch::Scratch;

    const FLOORS: &[Floor] = &[
        Floor {
            rooms: &["records", "identity"],
            why: "what is written down",
        },
        Floor {
            rooms: &["doors"],
            why: "who calls",
        },
    ];

    fn complaints_of(door: &str, record: &str, identity: &str) -> Vec<String> {
        let folder = Scratch::with(&[
            (
                "lib.rs",
                "mod doors;\nmod identity;\nmod records;\npub struct Top;\n",
            ),
            ("doors/mod.rs", door),
            ("records.rs", record),
            ("identity.rs", identity),
        ]);
        refused("core", &Crate::read(folder.path()).unwrap(), FLOORS)
    }

    #[test]
    fn a_lower_floor_may_be_used() {
        let found = complaints_of("use crate::records::R;\n", "pub struct R;\n", "");
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn a_higher_floor_and_the_own_floor_are_refused_with_the_line_and_the_reason() {
        let found = complaints_of(
            "pub struct Door;\n",
            "\nuse crate::doors::Door;\n",
            "use crate::records;\n",
        );
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found.iter().any(|complaint| complaint
                .contains("records.rs:2 uses crate::doors::Door of doors/mod.rs")
                && complaint.contains("records is on floor 0 (what is written down)")),
            "{found:?}"
        );
    }

    #[test]
    fn a_file_of_a_folder_may_stand_higher_than_the_folder() {
        const FLOORS: &[Floor] = &[
            Floor {
                rooms: &["trust"],
                why: "what is kept",
            },
            Floor {
                rooms: &["state"],
                why: "what is shared",
            },
            Floor {
                rooms: &["trust/refresh"],
                why: "what goes on",
            },
        ];
        let folder = Scratch::with(&[
            ("lib.rs", "mod state;\nmod trust;\n"),
            (
                "trust/mod.rs",
                "mod refresh;\npub use refresh::refresh;\npub struct Anchor;\n",
            ),
            ("trust/refresh.rs", "pub fn refresh(_: crate::state::State) {}\n"),
            ("state.rs", "pub struct State(crate::trust::Anchor);\n"),
        ]);
        let found = refused("server", &Crate::read(folder.path()).unwrap(), FLOORS);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn a_floor_that_the_architecture_document_does_not_have_is_refused() {
        let document = "| 0 | `records`, `identity` | values |\n| 1 | `doors`, `windows` | work |\n";
        let found = undocumented("core", FLOORS, document);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("| 1 | `doors` |"), "{found:?}");
    }

    #[test]
    fn a_room_without_a_floor_and_a_floor_without_its_room_are_refused() {
        let folder = Scratch::with(&[
            ("lib.rs", "mod doors;\nmod records;\nmod window;\n"),
            ("doors.rs", ""),
            ("records.rs", ""),
            ("window.rs", ""),
        ]);
        let found = refused("core", &Crate::read(folder.path()).unwrap(), FLOORS);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
