//! One file per noun.

pub mod call;
pub mod check;
pub mod client;
pub mod completions;
pub mod dev;
pub mod doctor;
pub mod event;
pub mod explain;
pub mod grant;
pub mod healthcheck;
pub mod identity;
pub mod init;
pub mod key;
pub mod rule;
pub mod serve;
pub mod server;
pub mod session;
pub mod token;
pub mod trust;
pub mod user;
pub mod version;
pub mod workload;
