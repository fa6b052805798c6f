//! A DNS server for one host name.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The port of every name server: `/etc/resolv.conf` cannot set another one.
const PORT: u16 = 53;
const TYPE_A: u16 = 1;

pub struct NameServer {
    pub address: Ipv4Addr,
    /// Number of answered queries for the name.
    pub asked: Arc<AtomicUsize>,
}

impl NameServer {
    /// Answers `name` with 127.0.0.1 and every other name with "no such name". It ends with the process.
    pub fn start(name: &str) -> NameServer {
        // Each test run uses another loopback address, so that several runs can use port 53 at the same time.
        let (number, pid) = (std::process::id(), std::process::id().to_be_bytes());
        let mut taken =
            (0..100_u32).map(|step| Ipv4Addr::new(127, 53, pid[2], ((number + step) % 250) as u8 + 1));
        let (socket, address) = taken
            .find_map(|address| Some((UdpSocket::bind((address, PORT)).ok()?, address)))
            .expect("port 53 of a loopback address can be bound, which needs root");
        let asked = Arc::new(AtomicUsize::new(0));
        let (counter, name) = (asked.clone(), name.to_owned());
        std::thread::spawn(move || {
            let mut bytes = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut bytes) {
                if let Some(answer) = answer(&bytes[..length], &name, &counter) {
                    let _ = socket.send_to(&answer, client);
                }
            }
        });
        NameServer { address, asked }
    }
}

/// An answer as in RFC 1035: header, the question again, and one address record if the query has the name and the type A.
fn answer(query: &[u8], name: &str, asked: &AtomicUsize) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes(query.get(at..at + 2)?.try_into().ok()?);
    let is_known = labels.join(".") == name;
    let is_answered = is_known && kind == TYPE_A;
    // A response, recursion available; 3: no such name.
    let code = if is_known { 0 } else { 3 };
    let mut reply = query.get(..2)?.to_vec();
    reply.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(is_answered), 0, 0, 0, 0]);
    reply.extend(query.get(12..at + 4)?);
    if is_answered {
        asked.fetch_add(1, Ordering::SeqCst);
        // The address record: a pointer to the name in the question, type A, class IN, 60 s, 4 bytes.
        reply.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    Some(reply)
}
