//! Connections to other servers are opened by `testudo-fetch` alone, which checks their addresses. [decision 0013] The
//! driver of PostgreSQL and the client of the Workload API open their own, to the place that the configuration names.

use super::repository::Text;
use crate::imports::{imports_of, is_test_only};
use syn::visit::{self, Visit};

/// The crates whose sources are checked: all but `testudo-fetch` and `testudo-testkit`, which is for tests.
const CRATES: &[&str] = &[
    "testudo",
    "testudo-client",
    "testudo-core",
    "testudo-issuer",
    "testudo-protocol",
    "testudo-resource",
    "testudo-server",
    "testudo-store",
];

/// The files that may use one of [`OPENERS`], and what for.
const ALLOWED: &[&str] = &[
    // The command line sends its requests over the admin socket, which is a file on this machine.
    "crates/testudo/src/admin/socket.rs",
    // Sockets that listen are made with the same type.
    "crates/testudo-server/src/listen/accept.rs",
];

/// Parts of paths with which a connection is opened, or a name is resolved to open one.
const OPENERS: &[&[&str]] = &[
    &["TcpStream", "connect"],
    &["TcpStream", "connect_timeout"],
    &["TcpSocket"],
    &["UdpSocket"],
    &["TlsConnector"],
    &["hyper", "client"],
    &["hyper_util", "client"],
    &["tonic", "transport"],
    &["lookup_host"],
    &["ToSocketAddrs"],
];

pub fn check(texts: &[Text], complaints: &mut Vec<String>) -> Result<(), String> {
    let mut allowed: Vec<&str> = ALLOWED.to_vec();
    for text in texts.iter().filter(|text| text.is_code_of(CRATES)) {
        let syntax = syn::parse_file(&text.text).map_err(|error| format!("{}: {error}", text.name))?;
        let mut opens = Opens::default();
        opens.visit_file(&syntax);
        let is_allowed = allowed.contains(&text.name.as_str());
        allowed.retain(|name| *name != text.name || opens.first.is_none());
        if let (Some((line, opener)), false) = (opens.first, is_allowed) {
            complaints.push(format!(
                "{}:{line} uses {opener}: send requests to other servers with `testudo_fetch::Fetcher`, which checks their \
                 addresses; xtask/src/tidy/outbound.rs lists the files that may connect otherwise",
                text.name
            ));
        }
    }
    for name in allowed {
        complaints.push(format!(
            "{name} opens no connection: remove it from xtask/src/tidy/outbound.rs"
        ));
    }
    Ok(())
}

/// The first line, outside of tests, with a path that contains one of [`OPENERS`].
#[derive(Default)]
struct Opens {
    first: Option<(usize, String)>,
}

impl Opens {
    fn note(&mut self, path: &[String], line: usize) {
        let contains = |opener: &&&[&str]| path.windows(opener.len()).any(|part| part == **opener);
        if let Some(opener) = OPENERS.iter().find(contains)
            && self.first.as_ref().is_none_or(|(first, _)| line < *first)
        {
            self.first = Some((line, opener.join("::")));
        }
    }
}

impl<'ast> Visit<'ast> for Opens {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        for import in imports_of(item).iter().filter(|_| !is_test_only(&item.attrs)) {
            self.note(&import.path, import.line);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if let Some(first) = path.segments.first() {
            self.note(&names, first.ident.span().start().line);
        }
        visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "crates/testudo-server/src/new.rs";

    /// Complaints about a file with this name and text, beside files that are allowed and connect.
    fn complaints(name: &str, source: &str) -> Vec<String> {
        let text = |name: &str, text: &str| Text {
            name: name.to_owned(),
            text: text.to_owned(),
        };
        let listed = ALLOWED.iter().filter(|listed| **listed != name);
        let mut texts: Vec<Text> = listed
            .map(|listed| text(listed, "use tokio::net::TcpSocket;"))
            .collect();
        texts.push(text(name, source));
        let mut complaints = Vec::new();
        check(&texts, &mut complaints).unwrap();
        complaints
    }

    #[test]
    fn connection_that_is_opened_outside_of_testudo_fetch_is_a_complaint() {
        for source in [
            "\nasync fn f() { let _ = TcpStream::connect(\"10.0.0.1:80\").await; }",
            "\nfn f() { let _ = std::net::TcpStream::connect_timeout(&a, d); }",
            "\nuse tokio::net::{TcpListener, TcpSocket};",
            "\nuse std::net::UdpSocket as Other;",
            "\nuse tokio_rustls::TlsConnector;",
            "\nuse hyper::client::conn::http1::handshake;",
            "\nuse hyper_util::client::legacy::Client;",
            "\nuse tonic::transport::Endpoint;",
            "\nasync fn f() { tokio::net::lookup_host(\"a.example:80\").await; }",
            "\nuse std::net::{IpAddr, ToSocketAddrs as _};",
        ] {
            let found = complaints(NEW, source);
            let is_named = |text: &String| text.starts_with(&format!("{NEW}:2 uses "));
            assert!(
                found.len() == 1 && found.iter().all(is_named),
                "{source}: {found:?}"
            );
        }
        let in_core = "crates/testudo-core/src/new.rs";
        assert_eq!(complaints(in_core, "use tokio::net::TcpSocket;").len(), 1);
    }

    #[test]
    fn streams_that_arrive_tests_and_the_crate_that_fetches_are_no_complaint() {
        let connect = "fn f() { TcpStream::connect(a); }";
        for (name, source) in [
            (NEW, "use tokio::net::{TcpListener, TcpStream, UnixStream};"),
            (NEW, "fn f(stream: TcpStream) { stream.peer_addr(); }"),
            (
                NEW,
                "#[cfg(test)]\nmod tests { fn f() { TcpStream::connect(a); } }",
            ),
            ("crates/testudo-server/src/new/tests.rs", connect),
            ("crates/testudo-server/tests/suite/new.rs", connect),
            ("crates/testudo-fetch/src/connect.rs", connect),
            ("crates/testudo-testkit/src/http.rs", connect),
        ] {
            assert!(complaints(name, source).is_empty(), "{name}: {source}");
        }
    }

    #[test]
    fn listed_file_that_opens_no_connection_any_more_is_a_complaint() {
        let found = complaints(ALLOWED[0], "use tokio::net::TcpStream;");
        assert!(found.len() == 1 && found[0].starts_with(ALLOWED[0]), "{found:?}");
    }
}
