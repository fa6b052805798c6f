//! What other nodes are told of each kind of record.

use super::alias::ClientIdAlias;
use super::block::Block;
use super::bundle_sequence::BundleSequence;
use super::client::{Client, Removed};
use super::event::Event;
use super::record::{Announced, Kind, Record};
use super::reload::ReloadOrder;
use super::replay::Replay;
use super::secret::{ServerSecret, StoredSigningKey, WithdrawnKey};
use super::switch::Switch;

impl Kind {
    /// What the record of this kind says of itself ([`Record::ANNOUNCED`]).
    pub const fn announced(self) -> Announced {
        match self {
            Kind::Client => Client::ANNOUNCED,
            Kind::Removed => Removed::ANNOUNCED,
            Kind::Block => Block::ANNOUNCED,
            Kind::Event => Event::ANNOUNCED,
            Kind::Switch => Switch::ANNOUNCED,
            Kind::SigningKey => StoredSigningKey::ANNOUNCED,
            Kind::Replay => Replay::ANNOUNCED,
            Kind::ServerSecret => ServerSecret::ANNOUNCED,
            Kind::ClientIdAlias => ClientIdAlias::ANNOUNCED,
            Kind::ReloadOrder => ReloadOrder::ANNOUNCED,
            Kind::WithdrawnKey => WithdrawnKey::ANNOUNCED,
            Kind::BundleSequence => BundleSequence::ANNOUNCED,
        }
    }
}
