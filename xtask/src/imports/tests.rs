//! Circles made on purpose, in sources written for the test.

use super::{Crate, circles};
use crate::scratch::Scratch;

/// The circles of a crate with these files, as lists of file names.
#[track_caller]
fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let folder = Scratch::with(files);
    let source = Crate::read(folder.path()).unwrap();
    circles(&source)
        .iter()
        .map(|circle| {
            circle
                .files
                .iter()
                .map(|file| source.files[*file].name.clone())
                .collect()
        })
        .collect()
}

/// The arrows of a crate with these files, as `from:line path to`.
#[track_caller]
fn arrows_of(files: &[(&str, &str)]) -> Vec<String> {
    let folder = Scratch::with(files);
    let source = Crate::read(folder.path()).unwrap();
    source
        .arrows
        .iter()
        .map(|arrow| {
            let (from, to) = (&source.files[arrow.from].name, &source.files[arrow.to].name);
            format!("{from}:{} {} {to}", arrow.line, arrow.path)
        })
        .collect()
}

const TWO: (&str, &str) = ("lib.rs", "mod one;\nmod two;\n");

#[test]
fn two_files_that_use_each_other_are_a_circle() {
    let found = circles_of(&[
        TWO,
        ("one.rs", "use crate::two::Two;\npub struct One(Two);\n"),
        (
            "two.rs",
            "pub struct Two;\nfn name() -> Option<crate::one::One> { None }\n",
        ),
    ]);
    assert_eq!(found, [["one.rs", "two.rs"]]);
}

#[test]
fn one_direction_is_no_circle() {
    let files = [
        TWO,
        ("one.rs", "use crate::two::Two;\npub struct One(Two);\n"),
        ("two.rs", "pub struct Two;\n"),
    ];
    assert!(circles_of(&files).is_empty());
    assert_eq!(arrows_of(&files), ["one.rs:1 crate::two::Two two.rs"]);
}

#[test]
fn a_circle_of_three_files_is_shown_with_a_way_round() {
    let folder = Scratch::with(&[
        ("lib.rs", "mod a;\nmod b;\nmod c;\n"),
        ("a.rs", "pub fn a() { crate::b::b() }\n"),
        ("b.rs", "pub fn b() { crate::c::c() }\n"),
        ("c.rs", "\npub fn c() { crate::a::a() }\n"),
    ]);
    let source = Crate::read(folder.path()).unwrap();
    let found = circles(&source);
    assert_eq!(found.len(), 1);
    let lines: Vec<usize> = found[0].example.iter().map(|arrow| arrow.line).collect();
    assert_eq!(lines, [1, 1, 2]);
}

/// The arrow ends at the file that defines the item, not at the one that hands it on.
#[test]
fn a_circle_through_a_re_export_is_found() {
    let found = circles_of(&[
        (
            "lib.rs",
            "mod one;\nmod shared;\nmod two;\npub use one::One as Public;\n",
        ),
        ("shared.rs", "pub use crate::two::{Two as Shared};\n"),
        ("one.rs", "use crate::shared::Shared;\npub struct One(Shared);\n"),
        ("two.rs", "pub struct Two;\npub fn from(_: crate::Public) {}\n"),
    ]);
    assert_eq!(found, [["one.rs", "two.rs"]]);
}

#[test]
fn a_circle_through_a_glob_re_export_is_found() {
    let found = circles_of(&[
        ("lib.rs", "mod one;\nmod shared;\nmod two;\n"),
        ("shared.rs", "pub use crate::two::*;\n"),
        ("one.rs", "use crate::shared::Two;\npub struct One(Two);\n"),
        ("two.rs", "pub struct Two;\nuse crate::one::One;\n"),
    ]);
    assert_eq!(found, [["one.rs", "two.rs"]]);
}

#[test]
fn a_circle_through_super_and_self_is_found() {
    let found = circles_of(&[
        ("lib.rs", "mod door;\nmod room;\n"),
        (
            "door.rs",
            "use super::room::table::Table;\npub struct Door(Table);\n",
        ),
        ("room/mod.rs", "pub mod table;\n"),
        (
            "room/table.rs",
            "pub struct Table;\nfn door() -> Option<super::super::door::Door> { None }\n",
        ),
    ]);
    assert_eq!(found, [["door.rs", "room/table.rs"]]);
}

#[test]
fn a_circle_through_a_macro_call_is_found() {
    let found = circles_of(&[
        TWO,
        (
            "one.rs",
            "pub fn one() { println!(\"{}\", crate::two::two(1)); }\n",
        ),
        (
            "two.rs",
            "pub fn two(n: u8) -> u8 { assert!(n > 0, \"{:?}\", [super::one::one()]); n }\n",
        ),
    ]);
    assert_eq!(found, [["one.rs", "two.rs"]]);
}

#[test]
fn a_circle_through_a_serde_attribute_is_found() {
    let found = circles_of(&[
        TWO,
        (
            "one.rs",
            "#[derive(Serialize)]\npub struct One { #[serde(with = \"crate::two\")] text: u8 }\n",
        ),
        ("two.rs", "use crate::one::One;\n"),
    ]);
    assert_eq!(found, [["one.rs", "two.rs"]]);
}

#[test]
fn a_circle_through_an_import_in_a_function_is_found() {
    let found = circles_of(&[
        TWO,
        (
            "one.rs",
            "pub struct One;\nfn two() { use crate::two as other; other::two() }\n",
        ),
        ("two.rs", "pub fn two() {}\npub fn one(_: crate::one::One) {}\n"),
    ]);
    assert_eq!(found, [["one.rs", "two.rs"]]);
}

#[test]
fn test_code_makes_no_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod one;\nmod two;\n#[cfg(test)]\nmod suite;\n"),
        ("one.rs", "use crate::two::Two;\npub struct One(Two);\n"),
        (
            "two.rs",
            "pub struct Two;\n#[cfg(test)]\nuse crate::one::One;\n#[cfg(all(test, unix))]\nmod tests {\n  use \
             crate::one::One;\n}\n#[test]\nfn one() { crate::one::One; }\n#[cfg(test)]\nimpl Two { fn one() -> \
             crate::one::One {} }\n",
        ),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

/// `any(test, feature = "…")` is compiled into releases with that feature.
#[test]
fn code_for_tests_or_a_feature_makes_a_circle() {
    let found = circles_of(&[
        TWO,
        ("one.rs", "use crate::two::Two;\npub struct One(Two);\n"),
        (
            "two.rs",
            "pub struct Two;\n#[cfg(any(test, feature = \"more\"))]\nuse crate::one::One;\n",
        ),
    ]);
    assert_eq!(found, [["one.rs", "two.rs"]]);
}

#[test]
fn mod_lines_visibilities_and_names_of_locals_make_no_arrows() {
    let found = arrows_of(&[
        (
            "lib.rs",
            "mod one;\nmod two;\nfn f(two: u8) -> u8 { format!(\"{}\", two.one); two }\n",
        ),
        (
            "one.rs",
            "pub(crate) struct One;\n/// See [`crate::two`].\npub(in crate::one) fn two() {}\n",
        ),
        ("two.rs", "pub(super) fn one(one: u8) -> u8 { one }\n"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

/// A folder's own file gathers the files of the folder, and they use its types: taking it away opens the circle.
#[test]
fn a_folders_own_file_with_its_files_is_no_circle() {
    for own_file in ["room/mod.rs", "room.rs"] {
        let found = circles_of(&[
            ("lib.rs", "mod room;\n"),
            (
                own_file,
                "mod chair;\nmod table;\npub struct Size;\npub use chair::Chair;\npub use table::Table;\n",
            ),
            ("room/chair.rs", "use super::Size;\npub struct Chair(Size);\n"),
            (
                "room/table.rs",
                "use super::{Chair, Size};\npub struct Table(Size, Chair);\n",
            ),
        ]);
        assert!(found.is_empty(), "{own_file}: {found:?}");
    }
}

#[test]
fn files_of_a_folder_that_use_each_other_without_its_own_file_are_a_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod room;\n"),
        (
            "room/mod.rs",
            "mod chair;\nmod table;\npub struct Size;\npub use chair::Chair;\npub use table::Table;\n",
        ),
        (
            "room/chair.rs",
            "use super::{Size, Table};\npub struct Chair(Size);\n",
        ),
        (
            "room/table.rs",
            "use super::{Chair, Size};\npub struct Table(Size, Chair);\n",
        ),
    ]);
    assert_eq!(found, [["room/chair.rs", "room/table.rs"]]);
}

/// A `mod.rs` that goes round with a file of another folder counts like any file.
#[test]
fn a_mod_file_that_uses_another_folder_and_is_used_by_it_is_a_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod door;\nmod room;\n"),
        ("door.rs", "use crate::room::Size;\npub struct Door(Size);\n"),
        (
            "room/mod.rs",
            "mod table;\npub struct Size;\nfn table() -> Option<table::Table> { None }\n",
        ),
        (
            "room/table.rs",
            "use crate::door::Door;\npub struct Table(Door);\n",
        ),
    ]);
    assert_eq!(found, [["door.rs", "room/mod.rs", "room/table.rs"]]);
}

#[test]
fn imports_that_name_each_other_end() {
    let found = arrows_of(&[
        TWO,
        ("one.rs", "pub use crate::two::*;\npub use crate::two::Thing;\n"),
        ("two.rs", "pub use crate::one::*;\npub use crate::one::Thing;\n"),
    ]);
    assert_eq!(found.len(), 2, "{found:?}");
}
