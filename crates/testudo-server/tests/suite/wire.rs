//! A proxy between a node and its database that a test can pause or disconnect.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All data passes.
    Whole,
    /// No data passes, and connections stay open.
    Held,
    /// Connections are closed, and new ones are closed at once.
    Cut,
}

pub struct Wire {
    pub address: SocketAddr,
    state: watch::Sender<State>,
}

impl Wire {
    /// A proxy to `target` that passes all data.
    pub async fn to(target: SocketAddr) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, seen) = watch::channel(State::Whole);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let seen = seen.clone();
                if *seen.borrow() == State::Cut {
                    continue;
                }
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(target).await else {
                        return;
                    };
                    let (near_reader, near_writer) = near.into_split();
                    let (far_reader, far_writer) = far.into_split();
                    tokio::select! {
                        () = carry(near_reader, far_writer, seen.clone()) => {}
                        () = carry(far_reader, near_writer, seen.clone()) => {}
                        () = cut(seen.clone()) => {}
                    }
                });
            }
        });
        Wire { address, state }
    }

    pub fn set(&self, state: State) {
        self.state.send_replace(state);
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut seen: watch::Receiver<State>) {
    let mut bytes = [0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if seen.wait_for(|state| *state != State::Held).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

async fn cut(mut seen: watch::Receiver<State>) {
    // An error means that the test has ended.
    let _ = seen.wait_for(|state| *state == State::Cut).await;
}
