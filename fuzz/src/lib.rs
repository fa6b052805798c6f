//! What the fuzz targets share: the limits of what a parser may allocate for its input. The test `allocations` of
//! `testudo-core` has the same.

/// Bytes that a parser may have allocated at one time, for each begun KiB of an input.
const HELD_PER_KIB_MAX: u64 = 8 * 1024;

/// Bytes that it may allocate in all, those included that it frees.
const ALLOCATED_PER_KIB_MAX: u64 = 16 * 1024;

/// Parses an input of this size, and checks what that allocated.
#[track_caller]
pub fn parse_within_limits(size: usize, parse: impl FnOnce()) {
    let measured = allocation_counter::measure(parse);
    let begun = (size as u64).div_ceil(1024).max(1);
    assert!(measured.bytes_max <= begun * HELD_PER_KIB_MAX, "{size} bytes: {measured:?}");
    assert!(measured.bytes_total <= begun * ALLOCATED_PER_KIB_MAX, "{size} bytes: {measured:?}");
}
