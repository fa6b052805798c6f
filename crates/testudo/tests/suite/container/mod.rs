//! Tests of the container without a container engine: its root file system is built in a folder, and the binary runs in
//! it with `chroot`, as the user of the container. CI uses the binary of the build, `cargo xtask dist check` the static
//! one.

mod name_server;
mod root_fs;

use crate::binary::{ISSUER, RULES, Server, folder, now, stderr};
use name_server::NameServer;
use root_fs::RootFs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::Ordering;
use testudo_testkit::web::DocumentServer;
use testudo_testkit::{TestIssuer, svid_form};

const BUNDLE_HOST: &str = "bundles.prod.example";

/// The tests need root for `chroot` and for port 53. Without root, they fail in CI; on other machines they are skipped
/// with a message.
fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    let is_root = id.stdout == b"0\n";
    assert!(
        is_root || std::env::var_os("CI").is_none(),
        "CI must test the container as root"
    );
    if !is_root {
        eprintln!("skipped: the container can be tested only as root");
    }
    is_root
}

/// The process id of the server, which is the child of `unshare`.
fn inner_process(server: &Server) -> String {
    let children = format!("/proc/{0}/task/{0}/children", server.child.id());
    std::fs::read_to_string(children).unwrap().trim().to_owned()
}

/// Ends the server process itself: ending `unshare` does not end a process that changed its user.
fn end(mut server: Server) {
    let killed = Command::new("kill").arg(inner_process(&server)).status().unwrap();
    assert!(killed.success());
    let ended = tokio::task::block_in_place(|| server.child.wait()).unwrap();
    assert!(ended.success(), "{ended}\n{}", server.log.lock().unwrap());
}

/// A container, and a bundle endpoint of its trust domain at a host name.
struct Container {
    scratch: PathBuf,
    root: RootFs,
    issuer: TestIssuer,
    bundles: DocumentServer,
}

impl Container {
    async fn new() -> Option<Container> {
        if !is_root() {
            return None;
        }
        let scratch = folder();
        let root = RootFs::build(&scratch.join("root"));
        let issuer = TestIssuer::new("prod.example");
        let bundles = DocumentServer::start(BUNDLE_HOST).await;
        bundles.answers(200, None, &issuer.bundle().to_string());
        let configuration = format!(
            r#"
issuer = "{ISSUER}"
[server]
listen = ["127.0.0.1:0"]
[store]
url = "sqlite:/var/lib/testudo/testudo.db"
key_encryption_key = {{ file = "/etc/testudo/kek" }}
[admin]
socket = "/run/testudo/testudo.sock"
[outbound]
ca = "/etc/testudo/root.pem"
[[trust_domains]]
name = "prod.example"
bundle = {{ url = "https://{BUNDLE_HOST}:{}", profile = "https_web" }}
{RULES}
"#,
            bundles.address.port()
        );
        root.write("/etc/testudo/testudo.toml", &configuration, 0o644);
        root.write("/etc/testudo/root.pem", &bundles.root_pem, 0o644);
        // As in a Secret volume with fsGroup: the owner of the file is root, and the group of the server's user may read
        // it.
        root.write(
            "/etc/testudo/kek",
            "P4DmWGtsyIpx4YFDV-kWotaK7o9RQT54KpalCx2qcl0",
            0o440,
        );
        let kek = root.folder.join("etc/testudo/kek");
        let group = format!("0:{}", root.user.rsplit(':').next().unwrap());
        let done = Command::new("chown").arg(group).arg(kek).status().unwrap();
        assert!(done.success());
        Some(Container {
            scratch,
            root,
            issuer,
            bundles,
        })
    }

    /// Starts the server, gets a token, for which the server must have resolved the host name of its bundle source, and
    /// ends the server by a signal, which it must handle as process 1 of its container.
    async fn server_issues_a_token(&self) {
        let before = self.bundles.connections();
        let server = tokio::task::block_in_place(|| Server::spawn(self.root.command(&["serve"])));
        let svid = self.issuer.svid("/ns/shop/sa/pay", ISSUER, now());
        let answer = server.token(svid_form(&svid, &[])).await;
        assert_eq!(answer.status, 200, "{answer:?}\n{}", server.log.lock().unwrap());
        assert!(
            self.bundles.connections() > before,
            "the bundle must be fetched by its host name"
        );
        end(server);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.scratch);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_in_the_container_resolves_host_names_with_etc_hosts() {
    let Some(container) = Container::new().await else {
        return;
    };
    container
        .root
        .write("/etc/hosts", &format!("127.0.0.1 {BUNDLE_HOST}\n"), 0o644);
    container.server_issues_a_token().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn server_in_the_container_resolves_host_names_with_a_name_server() {
    let Some(container) = Container::new().await else {
        return;
    };
    let names = NameServer::start(BUNDLE_HOST);
    let resolvers = format!("nameserver {}\noptions timeout:5\n", names.address);
    container.root.write("/etc/resolv.conf", &resolvers, 0o644);
    container.server_issues_a_token().await;
    let asked = names.asked.load(Ordering::SeqCst);
    assert!(asked > 0);
    // nsswitch.conf of a machine may name modules that are not installed: the name server must still be used.
    let modules = "hosts: files mymachines resolve [!UNAVAIL=return] dns\n";
    container.root.write("/etc/nsswitch.conf", modules, 0o644);
    container.server_issues_a_token().await;
    assert!(names.asked.load(Ordering::SeqCst) > asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn server_in_the_container_does_not_run_as_root_and_can_write_to_two_folders_only() {
    let Some(container) = Container::new().await else {
        return;
    };
    container
        .root
        .write("/etc/hosts", &format!("127.0.0.1 {BUNDLE_HOST}\n"), 0o644);
    let server = tokio::task::block_in_place(|| Server::spawn(container.root.command(&["serve"])));
    let (user, _) = container.root.user.split_once(':').unwrap();
    let line = |status: &str, name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace()
            .skip(1)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let status = std::fs::read_to_string(format!("/proc/{}/status", inner_process(&server))).unwrap();
    assert_eq!(line(&status, "Uid:"), [user; 4]);
    assert_eq!(line(&status, "CapEff:"), ["0000000000000000"]);
    let found = Command::new("find")
        .arg(&container.root.folder)
        .args(["-uid", user, "-type", "d"])
        .output()
        .unwrap();
    let text = String::from_utf8(found.stdout).unwrap();
    let mut writable: Vec<&str> = text
        .lines()
        .filter_map(|path| path.strip_prefix(container.root.folder.to_str().unwrap()))
        .collect();
    writable.sort_unstable();
    assert_eq!(writable, ["/run/testudo", "/var/lib/testudo"]);
    let inside = container.root.command(&["status"]).output().unwrap();
    assert!(inside.status.success(), "{}", stderr(&inside));
    let check: Vec<&str> = container.root.health_check.iter().map(String::as_str).collect();
    let well = container.root.command(&check).output().unwrap();
    assert!(well.status.success(), "{}", stderr(&well));
    end(server);
    let gone = container.root.command(&check).output().unwrap();
    assert_eq!(gone.status.code(), Some(1), "{}", stderr(&gone));
}
