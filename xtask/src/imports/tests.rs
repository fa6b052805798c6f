//! Tests with sources that contain import cycles on purpose.

use super::{Crate, cycles};
use crate::scratch::Scratch;

/// The cycles of a crate with these files, as lists of file names.
#[track_caller]
fn cycles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let folder = Scratch::with(files);
    let source = Crate::read(folder.path()).unwrap();
    cycles(&source)
        .iter()
        .map(|cycle| {
            cycle
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
fn two_files_that_use_each_other_are_a_cycle() {
    let found = cycles_of(&[
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
fn use_in_one_direction_only_is_not_a_cycle() {
    let files = [
        TWO,
        ("one.rs", "use crate::two::Two;\npub struct One(Two);\n"),
        ("two.rs", "pub struct Two;\n"),
    ];
    assert!(cycles_of(&files).is_empty());
    assert_eq!(arrows_of(&files), ["one.rs:1 crate::two::Two two.rs"]);
}

#[test]
fn a_cycle_of_three_files_is_shown_with_the_line_of_each_import() {
    let folder = Scratch::with(&[
        ("lib.rs", "mod a;\nmod b;\nmod c;\n"),
        ("a.rs", "pub fn a() { crate::b::b() }\n"),
        ("b.rs", "pub fn b() { crate::c::c() }\n"),
        ("c.rs", "\npub fn c() { crate::a::a() }\n"),
    ]);
    let source = Crate::read(folder.path()).unwrap();
    let found = cycles(&source);
    assert_eq!(found.len(), 1);
    let lines: Vec<usize> = found[0].example.iter().map(|arrow| arrow.line).collect();
    assert_eq!(lines, [1, 1, 2]);
}

/// The arrow ends at the file that defines the item, not at the file that re-exports it.
#[test]
fn a_cycle_through_a_re_export_is_found() {
    let found = cycles_of(&[
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
fn a_cycle_through_a_glob_re_export_is_found() {
    let found = cycles_of(&[
        ("lib.rs", "mod one;\nmod shared;\nmod two;\n"),
        ("shared.rs", "pub use crate::two::*;\n"),
        ("one.rs", "use crate::shared::Two;\npub struct One(Two);\n"),
        ("two.rs", "pub struct Two;\nuse crate::one::One;\n"),
    ]);
    assert_eq!(found, [["one.rs", "two.rs"]]);
}

#[test]
fn a_cycle_through_super_and_self_is_found() {
    let found = cycles_of(&[
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
fn a_cycle_through_a_macro_call_is_found() {
    let found = cycles_of(&[
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
fn a_cycle_through_a_serde_attribute_is_found() {
    let found = cycles_of(&[
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
fn a_cycle_through_an_import_in_a_function_is_found() {
    let found = cycles_of(&[
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
fn test_code_makes_no_cycle() {
    let found = cycles_of(&[
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
fn code_for_tests_or_a_feature_makes_a_cycle() {
    let found = cycles_of(&[
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
fn mod_lines_visibilities_and_names_of_local_variables_make_no_arrows() {
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

/// The own file of a folder (`mod.rs`) uses the files of the folder, and these use its types: without the own file there
/// is no cycle.
#[test]
fn own_file_of_a_folder_with_the_files_of_the_folder_is_not_a_cycle() {
    for own_file in ["room/mod.rs", "room.rs"] {
        let found = cycles_of(&[
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
fn files_of_a_folder_that_use_each_other_without_its_own_file_are_a_cycle() {
    let found = cycles_of(&[
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

/// A `mod.rs` in a cycle with a file of another folder counts like any file.
#[test]
fn a_mod_file_that_uses_another_folder_and_is_used_by_it_is_a_cycle() {
    let found = cycles_of(&[
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
fn imports_that_refer_to_each_other_do_not_cause_an_endless_loop() {
    let found = arrows_of(&[
        TWO,
        ("one.rs", "pub use crate::two::*;\npub use crate::two::Thing;\n"),
        ("two.rs", "pub use crate::one::*;\npub use crate::one::Thing;\n"),
    ]);
    assert_eq!(found.len(), 2, "{found:?}");
}
