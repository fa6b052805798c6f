//! The address of a client that a proxy writes into `X-Forwarded-For`, a similar field, or `Forwarded`. [RFC7239 §4]
//!
//! The proxy writes only the last element; the sender may have written the elements before it. So the field is read
//! from its end: then a quotation mark that the sender left open cannot hide the element of the proxy.

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The last address of the field. `None` where the last element is `unknown`, an obfuscated identifier or malformed.
pub(super) fn last_in(headers: &HeaderMap, field: &HeaderName) -> Option<IpAddr> {
    let value = headers.get_all(field).iter().next_back()?.to_str().ok()?;
    let element = value.rsplit(',').next()?.trim();
    let node = match *field == FORWARDED {
        true => for_of(element)?,
        false => element,
    };
    address_of(node).map(|address| address.to_canonical())
}

/// The value of the only `for` of an element. [RFC7239 §4] `None` where the element is not a list of `name=value`: then
/// the comma before it was inside a quoted text, and the element of the proxy begins earlier.
fn for_of(element: &str) -> Option<&str> {
    let mut found = None;
    for pair in element.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let value = unquoted(value)?;
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    found
}

/// The value without quotation marks. [RFC9110 §5.6.4] `None` where it contains an escape, which no address needs.
fn unquoted(value: &str) -> Option<&str> {
    let inner = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => value,
    };
    (!inner.contains(['"', '\\'])).then_some(inner)
}

/// An address, alone or with a port, with or without brackets around IPv6. [RFC7239 §6]
fn address_of(node: &str) -> Option<IpAddr> {
    if let Some(rest) = node.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        return (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(address.into());
    }
    if let Ok(address) = node.parse() {
        return Some(address);
    }
    let (address, port) = node.split_once(':')?;
    let address: Ipv4Addr = address.parse().ok()?;
    is_port(port).then_some(address.into())
}

/// True for a port number or an obfuscated port. [RFC7239 §6.3]
fn is_port(text: &str) -> bool {
    let is_hidden = text.strip_prefix('_').is_some_and(|name| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    });
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok();
    is_hidden || is_number
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderName;

    #[track_caller]
    fn check(field: &'static str, values: &[&str], expected: Option<&str>) {
        let field = HeaderName::from_static(field);
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&field, value.parse().unwrap());
        }
        let found = last_in(&headers, &field).map(|address| address.to_string());
        assert_eq!(found.as_deref(), expected, "{field}: {values:?}");
    }

    #[test]
    fn address_with_port_or_brackets_is_read_as_the_address() {
        for (value, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7:80", "192.0.2.7"),
            ("192.0.2.7:65535", "192.0.2.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:DB8:0::1]:4711", "2001:db8::1"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("[::ffff:192.0.2.7]:80", "192.0.2.7"),
            ("203.0.113.9:1, 192.0.2.7:2", "192.0.2.7"),
            ("203.0.113.9,[2001:db8::1]:2", "2001:db8::1"),
            ("\"[2001:db8::9]\", 192.0.2.7 ", "192.0.2.7"),
        ] {
            check("x-forwarded-for", &[value], Some(expected));
        }
        check(
            "x-forwarded-for",
            &["192.0.2.7", "[2001:db8::1]:2"],
            Some("2001:db8::1"),
        );
        check("x-real-ip", &["192.0.2.7:80"], Some("192.0.2.7"));
    }

    #[test]
    fn last_element_that_is_not_an_address_gives_none_and_the_element_before_it_is_not_read() {
        for value in [
            "",
            ",",
            "unknown",
            "192.0.2.7, ",
            "192.0.2.7, unknown",
            "192.0.2.7:",
            "192.0.2.7:65536",
            "192.0.2.7:+1",
            "192.0.2.7:x",
            "192.0.2.7:_",
            "192.0.2.256",
            "[192.0.2.7]",
            "[2001:db8::1",
            "[2001:db8::1]4711",
            "[2001:db8::1]:",
            "[fe80::1%eth0]:80",
            "2001:db8::1]",
            "as.example:80",
            "for=192.0.2.7",
        ] {
            check("x-forwarded-for", &[value], None);
        }
        check("x-forwarded-for", &[], None);
        check("x-forwarded-for", &["192.0.2.7", ""], None);
    }

    #[test]
    fn rfc7239_4_for_of_the_last_element_is_the_address() {
        for (value, expected) in [
            ("for=192.0.2.7", "192.0.2.7"),
            ("for=192.0.2.7;", "192.0.2.7"),
            ("For=\"192.0.2.7\"", "192.0.2.7"),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            (
                "proto=https ; FOR=\"[2001:db8:cafe::17]:4711\"",
                "2001:db8:cafe::17",
            ),
            ("for=\"[2001:db8:cafe::17]\"", "2001:db8:cafe::17"),
            ("for=\"192.0.2.43:47011\"", "192.0.2.43"),
            ("for=\"192.0.2.43:_gazonk\"", "192.0.2.43"),
            (
                "for=203.0.113.9, for=192.0.2.43;host=\"as.example:8443\"",
                "192.0.2.43",
            ),
            ("for=203.0.113.9;by=\"", ""),
            // Without the quotation marks that a colon needs.
            ("for=192.0.2.43:47011", "192.0.2.43"),
            ("for=[2001:db8::1]", "2001:db8::1"),
            // The sender left a quotation mark open.
            ("for=\"203.0.113.9, for=192.0.2.43", "192.0.2.43"),
            ("for=203.0.113.9;host=\"x, for=192.0.2.43", "192.0.2.43"),
        ] {
            check(
                "forwarded",
                &[value],
                Some(expected).filter(|text| !text.is_empty()),
            );
        }
        check(
            "forwarded",
            &["for=203.0.113.9", "for=192.0.2.43"],
            Some("192.0.2.43"),
        );
    }

    #[test]
    fn rfc7239_4_an_element_that_is_malformed_or_hides_the_client_has_no_address() {
        for value in [
            "192.0.2.43",
            "for=unknown",
            "for=_hidden",
            "for=",
            "by=192.0.2.43",
            "for=192.0.2.43, for=unknown",
            "for=192.0.2.43;for=192.0.2.44",
            "for=\"192.0.2.43",
            "for=192.0.2.43\"",
            "for=192.0.2.43;secret",
            "for=\"192.0.2\\.43\"",
            // A host name that the sender chose and that the proxy correctly wrote in quotation marks.
            "for=203.0.113.9;host=\"x, for=192.0.2.43\"",
            "for=203.0.113.9;host=\"x, for=192.0.2.43;y=\\\"\"",
        ] {
            check("forwarded", &[value], None);
        }
    }
}
