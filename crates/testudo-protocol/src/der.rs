//! A reader of DER for keys and certificates, used before an X.509 library parses them. It accepts exactly one encoding
//! of each value, so that two parsers cannot read different structures from the same bytes.

pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;

/// Reads DER values one after the other; contains the bytes that are not read yet.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

/// One DER value.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    /// Tag, length and content.
    pub(crate) whole: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next value; `None` if the bytes are not DER or the value is longer than 64 KiB.
    pub(crate) fn next(&mut self) -> Option<Value<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        // Keys and certificates use no tags above 30, so the long form of a tag is refused.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (length, header) = match (first, rest) {
            (0..=0x7f, _) => (usize::from(first), 2),
            (0x81, [one @ 0x80..=0xff, ..]) => (usize::from(*one), 3),
            (0x82, [high @ 1..=0xff, low, ..]) => (usize::from(u16::from_be_bytes([*high, *low])), 4),
            _ => return None,
        };
        let whole = self.0.get(..header + length)?;
        self.0 = self.0.get(header + length..)?;
        Some(Value {
            tag,
            content: whole.get(header..)?,
            whole,
        })
    }

    /// Reads the next value if it has this tag; otherwise the reader does not move.
    pub(crate) fn next_if(&mut self, tag: u8) -> Option<Value<'a>> {
        let mut ahead = *self;
        let value = ahead.next().filter(|value| value.tag == tag)?;
        *self = ahead;
        Some(value)
    }

    /// The content of the next value, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next_if(tag).map(|value| value.content)
    }
}

/// The content, if the bytes are exactly one value with this tag.
pub(crate) fn only(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let mut reader = Reader::new(bytes);
    let content = reader.expect(tag)?;
    reader.is_empty().then_some(content)
}

/// The bytes of a BIT STRING without unused bits.
pub(crate) fn whole_bytes(bit_string: &[u8]) -> Option<&[u8]> {
    match bit_string.split_first()? {
        (0, bytes) => Some(bytes),
        _ => None,
    }
}

/// Encodes a value with this tag and content.
pub(crate) fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut out = Vec::with_capacity(content.len() + 6);
    out.push(tag);
    match significant.as_slice() {
        [] => out.push(0),
        [one @ 0..=0x7f] => out.push(*one),
        several => {
            out.push(0x80 | several.len() as u8);
            out.extend_from_slice(several);
        }
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn der_value_that_was_written_is_read_again() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff] {
            let content = vec![7; length];
            let whole = wrap(OCTET_STRING, &content);
            assert_eq!(only(&whole, OCTET_STRING), Some(content.as_slice()), "{length}");
            assert_eq!(only(&whole, INTEGER), None);
        }
    }

    #[test]
    fn malformed_der_values_are_refused() {
        for bad in [
            &[][..],
            &[0x04],
            &[0x04, 0x02, 0x00],
            &[0x04, 0x80, 0x00, 0x00],
            &[0x04, 0x81, 0x01, 0x00],
            &[0x04, 0x82, 0x00, 0x80, 0x00],
            &[0x04, 0x83, 0x01, 0x00, 0x00, 0x00],
            &[0x1f, 0x20, 0x00],
            &[0x04, 0x01, 0x00, 0x00],
        ] {
            assert_eq!(only(bad, OCTET_STRING), None, "{bad:?}");
        }
        assert_eq!(whole_bytes(&[]), None);
        assert_eq!(whole_bytes(&[1, 2]), None);
        assert_eq!(whole_bytes(&[0, 2]), Some(&[2][..]));
    }
}
