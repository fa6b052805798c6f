//! Randomness and the time in milliseconds. The server passes them as arguments, since this crate is pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Random bytes for the ids of one decision, and values that order the events of one second.
#[derive(Clone, Copy, Debug)]
pub struct Entropy {
    /// Milliseconds since the epoch.
    pub millis: u64,
    /// A counter of this node, one higher for each decision.
    pub sequence: u32,
    /// Random bytes; each byte is used for one purpose only.
    pub random: [u8; Entropy::RANDOM_BYTES],
}

impl Entropy {
    /// How many random bytes one decision gets: 16 for the `jti` or the id of a grant, 3 for ids of events, 32 for a
    /// secret.
    pub const RANDOM_BYTES: usize = 52;

    /// A `jti` of 128 random bits. [RFC9068 §2.2]
    pub fn jwt_id(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.id())
    }

    /// 128 random bits for the id of a grant or a person. A decision that issues an access token makes no such id, because
    /// the `jti` has these bits.
    pub fn id(&self) -> &[u8; 16] {
        self.random.first_chunk().unwrap_or(&[0; 16])
    }

    /// 256 random bits for one secret: a code, a refresh token, a session or a request URI.
    pub fn secret(&self) -> &[u8; 32] {
        self.random.last_chunk().unwrap_or(&[0; 32])
    }

    /// The value for one of several events of the same kind in one decision, counted from 0.
    pub fn numbered(self, number: u32) -> Entropy {
        Entropy {
            sequence: self.sequence.wrapping_add(number),
            ..self
        }
    }

    /// The id of an event: 32 hexadecimal digits that sort by time. Within one decision, each pair of `kind_tag` and
    /// number is used at most once.
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
        hex::encode(bytes)
    }
}
