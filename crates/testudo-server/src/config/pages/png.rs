//! Whether the bytes of a logo are a PNG that browsers can show. (PNG, chapter 5)

const BYTES_MAX: usize = 64 * 1024;
const PIXELS_MAX: u32 = 1024;
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Checks size, signature, dimensions and the chunks of the file; the error is the rest of a sentence about the file.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    if bytes.len() > BYTES_MAX {
        return Err(format!("is {} bytes long, and may be {BYTES_MAX}", bytes.len()));
    }
    let Some(mut rest) = bytes.strip_prefix(SIGNATURE) else {
        return Err("is not a PNG file".to_owned());
    };
    let damaged = || "is a PNG file that is cut off or damaged".to_owned();
    let mut has_pixels = false;
    let mut is_first = true;
    loop {
        let chunk = Chunk::take(&mut rest).ok_or_else(damaged)?;
        if is_first != (&chunk.kind == b"IHDR") {
            return Err(damaged());
        }
        match &chunk.kind {
            b"IHDR" => dimensions(chunk.data).ok_or_else(damaged)??,
            b"IDAT" => has_pixels = true,
            b"IEND" if has_pixels && rest.is_empty() => return Ok(()),
            b"IEND" => return Err(damaged()),
            _ => {}
        }
        is_first = false;
    }
}

/// A part of the file.
struct Chunk<'b> {
    kind: [u8; 4],
    data: &'b [u8],
}

impl<'b> Chunk<'b> {
    /// The first chunk of the rest of the file: length, kind, data, check sum.
    fn take(rest: &mut &'b [u8]) -> Option<Chunk<'b>> {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (kind, after) = after.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (data, after) = after.split_at_checked(length)?;
        let (_, after) = after.split_first_chunk::<4>()?;
        *rest = after;
        Some(Chunk { kind: *kind, data })
    }
}

/// The first members of the header are width and height.
fn dimensions(header: &[u8]) -> Option<Result<(), String>> {
    let (width, rest) = header.split_first_chunk::<4>()?;
    let (height, _) = rest.split_first_chunk::<4>()?;
    let (width, height) = (u32::from_be_bytes(*width), u32::from_be_bytes(*height));
    let is_small = (1..=PIXELS_MAX).contains(&width) && (1..=PIXELS_MAX).contains(&height);
    Some(match is_small {
        true => Ok(()),
        false => Err(format!(
            "is {width} by {height} pixels, and may be {PIXELS_MAX} by {PIXELS_MAX}"
        )),
    })
}

#[cfg(test)]
pub(in crate::config) mod tests {
    use super::*;

    fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        [&length[..], kind, data, &[0; 4]].concat()
    }

    fn header(width: u32, height: u32) -> Vec<u8> {
        let rest = [8, 6, 0, 0, 0];
        chunk(
            b"IHDR",
            &[&width.to_be_bytes()[..], &height.to_be_bytes(), &rest].concat(),
        )
    }

    /// A file of these dimensions, with so many bytes of pixels.
    pub(in crate::config) fn png(width: u32, height: u32, pixels: usize) -> Vec<u8> {
        let parts = [
            SIGNATURE.to_vec(),
            header(width, height),
            chunk(b"IDAT", &vec![0; pixels]),
            chunk(b"IEND", &[]),
        ];
        parts.concat()
    }

    #[test]
    fn file_at_each_limit_is_a_logo_and_one_above_it_is_not() {
        assert_eq!(check(&png(1024, 1024, 10)), Ok(()));
        for (width, height) in [(1025, 1), (1, 1025), (0, 1), (1, 0)] {
            assert!(
                check(&png(width, height, 10)).unwrap_err().contains("pixels"),
                "{width} {height}"
            );
        }
        let frame = png(1, 1, 0).len();
        assert_eq!(check(&png(1, 1, BYTES_MAX - frame)), Ok(()));
        assert!(
            check(&png(1, 1, BYTES_MAX - frame + 1))
                .unwrap_err()
                .contains("bytes long")
        );
    }

    #[test]
    fn other_files_and_damaged_ones_are_no_logo() {
        for other in [
            &b""[..],
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"\xff\xd8\xff\xe0",
            b"GIF89a",
        ] {
            assert_eq!(check(other).unwrap_err(), "is not a PNG file");
        }
        let good = png(2, 2, 10);
        for length in SIGNATURE.len()..good.len() {
            assert!(check(&good[..length]).is_err(), "cut off after {length} bytes");
        }
        let without_header = [SIGNATURE, &chunk(b"IDAT", &[0]), &chunk(b"IEND", &[])].concat();
        let without_pixels = [SIGNATURE, &header(1, 1), &chunk(b"IEND", &[])].concat();
        let with_two_headers = [SIGNATURE, &header(1, 1), &header(1, 1)].concat();
        let with_a_page_behind = [&good[..], b"<script>"].concat();
        let with_a_wrong_length = [SIGNATURE, &[0xff; 4], b"IHDR"].concat();
        for bad in [
            without_header,
            without_pixels,
            with_two_headers,
            with_a_page_behind,
            with_a_wrong_length,
        ] {
            assert!(check(&bad).unwrap_err().contains("damaged"));
        }
    }
}
