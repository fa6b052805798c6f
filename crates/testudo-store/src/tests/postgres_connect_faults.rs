//! A connection that cannot be opened: the message must name host, port, database, user and a remedy, and never the
//! password.

use super::postgres;
use super::postgres_faults::session;
use crate::Store;

#[tokio::test(flavor = "multi_thread")]
async fn failed_connection_names_the_database_and_the_remedy_and_never_the_password() {
    let server = postgres();
    let latin =
        "CREATE DATABASE connect_latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
    for sql in [
        "CREATE DATABASE connect_pw",
        latin,
        "CREATE ROLE connect LOGIN PASSWORD 'right'",
    ] {
        server.execute("postgres", sql).unwrap();
    }
    let port = server.port();
    let admin = session(&format!("postgres://postgres@127.0.0.1:{port}/postgres")).await;
    let row = admin.query_one("SHOW hba_file", &[]).await.unwrap();
    let file: String = row.get(0);
    let rules = format!(
        "COPY (VALUES ('host connect_pw all 127.0.0.1/32 scram-sha-256'), ('host all all 127.0.0.1/32 trust')) TO '{file}'"
    );
    admin.batch_execute(&rules).await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    // The server reads the file in the background.
    super::postgres_faults::until("the password is required", async || {
        let url = format!("postgres://connect@127.0.0.1:{port}/connect_pw");
        tokio_postgres::connect(&url, tokio_postgres::NoTls)
            .await
            .is_err()
    })
    .await;
    let closed = testudo_testkit::free_port();
    let own = format!("127.0.0.1:{port}");
    let of = |user: &str, place: &str, rest: &str| format!("postgres://{user}@{place}/{rest}");
    for (name, url, place, remedy) in [
        (
            "closed port",
            of("connect:hidden", &format!("127.0.0.1:{closed}"), "t"),
            format!("host 127.0.0.1, port {closed}, database \"t\", user \"connect\""),
            "start PostgreSQL there",
        ),
        (
            "closed port of two hosts",
            of(
                "connect:hidden",
                &format!("127.0.0.1:{closed},localhost:{closed}"),
                "t",
            ),
            format!("host 127.0.0.1, port {closed} and host localhost, port {closed}"),
            "start PostgreSQL there",
        ),
        (
            "no TLS",
            of("connect:hidden", &own, "t?sslmode=verify-full"),
            format!("port {port}"),
            "ssl = on",
        ),
        (
            "wrong password",
            of("connect:hidden", &own, "connect_pw"),
            "database \"connect_pw\"".to_owned(),
            "correct the password",
        ),
        (
            "no password",
            of("connect", &own, "connect_pw"),
            "user \"connect\"".to_owned(),
            "write the password",
        ),
        (
            "unknown database",
            of("connect:hidden", &own, "connect_none"),
            "database \"connect_none\"".to_owned(),
            "createdb --encoding=UTF8",
        ),
        (
            "unknown role",
            of("connect_none:hidden", &own, "postgres"),
            "user \"connect_none\"".to_owned(),
            "create the role",
        ),
        (
            "wrong encoding",
            of("connect", &own, "connect_latin"),
            "the encoding LATIN1".to_owned(),
            "--encoding=UTF8",
        ),
    ] {
        for (way, opened) in [
            ("serve", Store::postgres(&url, None).await.map(drop)),
            ("doctor", Store::inspect_postgres(&url, None).await.map(drop)),
        ] {
            let text = opened.err().unwrap_or_else(|| panic!("{name}")).to_string();
            assert!(
                text.contains(&place) && text.contains(remedy),
                "{name}, {way}: {text}"
            );
            assert!(!text.contains("hidden"), "{name}, {way}: {text}");
        }
    }
}
