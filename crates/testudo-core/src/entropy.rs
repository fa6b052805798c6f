//! Randomness and the fine clock: the server passes them in, since this crate may not read either.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What one decision may need that cannot be computed: random names, and an order among events of one second.
#[derive(Clone, Copy, Debug)]
pub struct Entropy {
    /// Milliseconds since the epoch.
    pub millis: u64,
    /// Grows by one with each value made on this node.
    pub sequence: u32,
    /// Random bytes; each is used for one thing only.
    pub random: [u8; 20],
}

impl Entropy {
    /// A `jti` of 128 random bits. [RFC9068 §2.2]
    pub fn jwt_id(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.random.first_chunk::<16>().unwrap_or(&[0; 16]))
    }

    /// For one of several events of the same kind in one decision, counted from 0.
    pub fn numbered(self, number: u32) -> Entropy {
        Entropy {
            sequence: self.sequence.wrapping_add(number),
            ..self
        }
    }

    /// The id of an event: 32 hexadecimal digits that sort by time. One decision makes at most one event per
    /// `kind_tag` and number.
    pub fn event_id(&self, kind_tag: u8) -> String {
        let node: [u8; 3] = [self.random[16], self.random[17], self.random[18]];
        let mut bytes = [0u8; 16];
        for (slot, byte) in bytes.iter_mut().zip(
            self.millis
                .to_be_bytes()
                .into_iter()
                .chain(self.sequence.to_be_bytes())
                .chain([kind_tag])
                .chain(node),
        ) {
            *slot = byte;
        }
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
