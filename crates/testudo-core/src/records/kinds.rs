//! How the table of the kinds of record is written down (`records/mod.rs`).

/// One line per kind: its documentation, its name, its number as it is stored, and the record that is stored so.
macro_rules! kinds {
    ($($(#[$documentation:meta])* $name:ident = $number:literal is $record:ty;)*) => {
        /// The kind of a record. The numbers are stored: they never change, and none is used again.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$documentation])* $name = $number,)*
        }

        impl Kind {
            /// All kinds, in the order of the table.
            pub const ALL: [Kind; [$($number),*].len()] = [$(Kind::$name,)*];

            /// Which writes of this kind the other nodes are told of ([`Record::ANNOUNCED`]).
            pub const fn announced(self) -> Announced {
                match self {
                    $(Kind::$name => <$record>::ANNOUNCED,)*
                }
            }
        }

        // A record that says it is of another kind than its line does not compile.
        $(const _: () = assert!(matches!(<$record>::KIND, Kind::$name));)*
    };
}
