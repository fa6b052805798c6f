//! URLs with which an attacker tries to reach servers of this network, or no web server at all.

/// The host of [`ODD_URLS`].
pub const HOST: &str = "keys.example";

/// URLs of another form than https, or with user information.
pub const ODD_URLS: [&str; 6] = [
    "ftp://keys.example/",
    "file:///etc/passwd",
    "data:application/json,{}",
    "http://keys.example/",
    "https://user@keys.example/",
    "https://user:password@keys.example/",
];

/// URLs of https at port 443 with an address that is not public, in different spellings.
pub const PRIVATE_URLS: [&str; 12] = [
    "https://127.0.0.1/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://[fe80::1]/",
    "https://[fd00::1]/",
    "https://[64:ff9b::7f00:1]/",
];
