//! The macro for the table of record kinds in `records/mod.rs`.

/// One line for each kind: its documentation, its name, its stored number, and the type of the record.
macro_rules! kinds {
    ($($(#[$documentation:meta])* $name:ident = $number:literal is $record:ty;)*) => {
        /// The kind of a record. The numbers are stored, so they must never change or be used again.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$documentation])* $name = $number,)*
        }

        impl Kind {
            /// All kinds, in the order of the table.
            pub const ALL: [Kind; [$($number),*].len()] = [$(Kind::$name,)*];

            /// The writes of this kind of which other nodes are notified ([`Record::ANNOUNCED`]).
            pub const fn announced(self) -> Announced {
                match self {
                    $(Kind::$name => <$record>::ANNOUNCED,)*
                }
            }
        }

        // A record type whose `KIND` differs from its line does not compile.
        $(const _: () = assert!(matches!(<$record>::KIND, Kind::$name));)*
    };
}
