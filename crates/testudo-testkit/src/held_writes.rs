//! A proxy before PostgreSQL that holds one batch of a server at an exact moment, so that a test can kill the server or the
//! database then: before the database has the batch, or after the commit and before the server has the answer.
//!
//! It reads the messages of the protocol of PostgreSQL, and knows a batch by the function that writes it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// The function of the schema with which a server writes its batches.
const WRITES: &[u8] = b"testudo_write(";

/// The code of the message in which a client asks for TLS; it is answered with one byte.
const ASKS_FOR_TLS: [u8; 4] = 80_877_103_u32.to_be_bytes();

/// When a batch is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldAt {
    /// The database never receives it.
    BeforeCommit,
    /// The database committed it, and the server never receives the answer.
    AfterCommit,
}

/// What is held next.
struct Order {
    at: HeldAt,
    /// Bytes that the batch contains.
    containing: Vec<u8>,
    reached: oneshot::Sender<()>,
}

/// The order, if there is one that no batch met yet.
type Orders = Arc<Mutex<Option<Order>>>;

/// The proxy.
pub struct HeldWrites {
    address: SocketAddr,
    orders: Orders,
}

impl HeldWrites {
    /// A proxy to the database that listens here.
    pub async fn before(database: SocketAddr) -> HeldWrites {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let orders = Orders::default();
        let orders_of_all = orders.clone();
        tokio::spawn(async move {
            while let Ok((server, _)) = listener.accept().await {
                let orders = orders_of_all.clone();
                tokio::spawn(async move {
                    if let Ok(database) = TcpStream::connect(database).await {
                        forward(server, database, orders).await;
                    }
                });
            }
        });
        HeldWrites { address, orders }
    }

    /// Where servers reach the database through it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Holds the next batch that contains this text. The connection of the batch then carries nothing more. The answer
    /// arrives when the batch is held.
    pub fn hold(&self, at: HeldAt, containing: &str) -> oneshot::Receiver<()> {
        let (reached, waiting) = oneshot::channel();
        *self.orders.lock().expect("no holder panics") = Some(Order {
            at,
            containing: containing.as_bytes().to_vec(),
            reached,
        });
        waiting
    }
}

/// A batch that was passed on and whose answer is held.
type Passed = Arc<Mutex<Option<oneshot::Sender<()>>>>;

/// Forwards a connection until one side ends.
async fn forward(server: TcpStream, database: TcpStream, orders: Orders) {
    for stream in [&server, &database] {
        let _ = stream.set_nodelay(true);
    }
    let (mut from_server, mut to_server) = server.into_split();
    let (mut from_database, mut to_database) = database.into_split();
    // The first message has no type. A request for TLS is answered before the real first message comes.
    loop {
        let Some(message) = read(&mut from_server, Vec::new()).await else {
            return;
        };
        let asks_for_tls = message.get(4..8) == Some(&ASKS_FOR_TLS);
        if to_database.write_all(&message).await.is_err() {
            return;
        }
        if !asks_for_tls {
            break;
        }
        let mut answer = [0];
        if from_database.read_exact(&mut answer).await.is_err() || to_server.write_all(&answer).await.is_err()
        {
            return;
        }
    }
    let passed = Passed::default();
    tokio::select! {
        () = requests(from_server, to_database, &orders, &passed) => {}
        () = answers(from_database, to_server, &passed) => {}
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, orders: &Orders, passed: &Passed) {
    // The names of prepared statements that write batches.
    let mut writing = HashSet::new();
    while let Some(message) = read_typed(&mut from).await {
        let mut texts = message.get(5..).unwrap_or_default().split(|byte| *byte == 0);
        match message.first() {
            // Parse: the name of the statement, and its text.
            Some(b'P') => {
                if let (Some(name), Some(text)) = (texts.next(), texts.next())
                    && contains(text, WRITES)
                {
                    writing.insert(name.to_vec());
                }
            }
            // Bind: the name of the portal, and that of the statement.
            Some(b'B') if texts.nth(1).is_some_and(|name| writing.contains(name)) => {
                if let Some(order) = due(orders, &message) {
                    match order.at {
                        HeldAt::BeforeCommit => {
                            let _ = order.reached.send(());
                            // Nothing is forwarded any more, until the server ends.
                            while read_typed(&mut from).await.is_some() {}
                            return;
                        }
                        HeldAt::AfterCommit => {
                            *passed.lock().expect("no holder panics") = Some(order.reached);
                        }
                    }
                }
            }
            Some(_) | None => {}
        }
        if to.write_all(&message).await.is_err() {
            return;
        }
    }
}

/// Takes the order, if this batch is the one that it means.
fn due(orders: &Orders, batch: &[u8]) -> Option<Order> {
    let mut orders = orders.lock().expect("no holder panics");
    let is_due = orders
        .as_ref()
        .is_some_and(|order| contains(batch, &order.containing));
    is_due.then(|| orders.take()).flatten()
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, passed: &Passed) {
    let mut is_held = false;
    while let Some(message) = read_typed(&mut from).await {
        is_held |= is_of_held_batch(&message, passed);
        if !is_held && to.write_all(&message).await.is_err() {
            return;
        }
    }
}

/// True if a batch of this connection is held. ReadyForQuery says that its transaction has ended.
fn is_of_held_batch(message: &[u8], passed: &Passed) -> bool {
    let mut passed = passed.lock().expect("no holder panics");
    let is_held = passed.is_some();
    if message.first() == Some(&b'Z')
        && let Some(reached) = passed.take()
    {
        let _ = reached.send(());
    }
    is_held
}

/// The next message with its type, whole; `None` at the end of the connection.
async fn read_typed(from: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let kind = from.read_u8().await.ok()?;
    read(from, vec![kind]).await
}

/// A length, which counts itself, and what follows it.
async fn read(from: &mut (impl AsyncRead + Unpin), mut message: Vec<u8>) -> Option<Vec<u8>> {
    let length = from.read_u32().await.ok()?;
    message.extend(length.to_be_bytes());
    let begin = message.len();
    message.resize(begin + usize::try_from(length).ok()?.checked_sub(4)?, 0);
    from.read_exact(&mut message[begin..]).await.ok()?;
    Some(message)
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
