//! `testudo call`: calls an API as a workload does, or for a person who signed in.

use super::workload::{KeyUse, Workload};
use crate::output::{Failed, note, print_bytes};
use clap::Args;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use testudo_client::{Fetched, Outgoing};
use testudo_protocol::printable::excerpt;
use url::Url;

#[derive(Args)]
pub struct Call {
    /// URL of the API.
    pub url: String,
    /// Method of the request; default: `GET`, or `POST` with `--data`.
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
    /// Send the content of this file; `-` is stdin.
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// Send this header field; can be given several times.
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,
    /// Print the status and the header fields of the answer to stderr.
    #[arg(long, short)]
    pub verbose: bool,
    #[command(flatten)]
    pub workload: Workload,
}

/// Header fields that follow from the token and the connection.
const OWN_HEADERS: [&str; 6] = [
    "authorization",
    "dpop",
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
];

pub async fn run(options: Call) -> Result<(), Failed> {
    let url = Url::parse(&options.url).map_err(|_| {
        Failed::new(format!("{:?} is not a URL", excerpt(&options.url)))
            .hint("write the complete URL of the API, such as https://api.example.net/orders")
    })?;
    let headers = options
        .header
        .iter()
        .map(|header| parse_header(header))
        .collect::<Result<Vec<_>, Failed>>()?;
    let default_method = if options.data.is_some() { "POST" } else { "GET" };
    let body = options.data.as_deref().map(read_data).transpose()?;
    let request = Outgoing {
        method: options.method.as_deref().unwrap_or(default_method),
        url: &url,
        headers,
        body: body.unwrap_or_default(),
    };
    let holder = options.workload.holder(KeyUse::Here).await?;
    let answer = holder.call(&request).await?;
    if options.verbose {
        show(&answer);
    }
    print_bytes(&answer.body)?;
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    let challenges: Vec<&str> = answer.values("www-authenticate").collect();
    let why = (!challenges.is_empty()).then(|| format!("the API demands: {}", challenges.join(", ")));
    Err(Failed::new(format!("the API answers {}", answer.status)).hint_if(why))
}

fn parse_header(header: &str) -> Result<(&str, &str), Failed> {
    let about = |problem: &str| Failed::new(format!("--header: {:?} {problem}", excerpt(header)));
    let (name, value) = header.split_once(':').ok_or_else(|| {
        about("has no colon").hint("write the name, a colon and the value: `Accept: text/plain`")
    })?;
    let name = name.trim();
    if OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return Err(about("is set by this command and cannot be given"));
    }
    Ok((name, value.trim()))
}

fn read_data(path: &Path) -> Result<Vec<u8>, Failed> {
    let mut data = Vec::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().read_to_end(&mut data),
        false => std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut data)),
    };
    match read {
        Ok(_) => Ok(data),
        Err(error) => Err(Failed::new(format!(
            "--data: {} cannot be read: {error}",
            path.display()
        ))),
    }
}

fn show(answer: &Fetched) {
    note(&format!("status {}", answer.status));
    for (name, value) in answer.headers() {
        note(&format!("{name}: {value}"));
    }
}
