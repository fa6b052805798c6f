//! JSON answers for administrators, in which every time is RFC 3339 text.
//!
//! Records store times as numbers, and several operations answer with whole records. So this serializer, and not each
//! view, changes the form: it writes a [`Timestamp`] at any depth as text, and every other value as the serializer below
//! it does. A number that a client or an issuer wrote (a claim, a member of client metadata) is not a `Timestamp` and
//! is not changed.

use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use testudo_protocol::Timestamp;

/// A value that is serialized in this form.
pub(super) struct Shown<'a, T: ?Sized>(pub(super) &'a T);

impl<T: Serialize + ?Sized> Serialize for Shown<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Moments(serializer))
    }
}

/// Wraps a serializer, or one of its sequences, maps and structs.
struct Moments<S>(S);

/// Methods for values that contain no other values.
macro_rules! as_it_is {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method(self, $($argument: $type),*) -> Result<S::Ok, S::Error> {
            self.0.$method($($argument),*)
        })*
    };
}

/// Methods that begin a value that contains other values.
macro_rules! begins {
    ($($method:ident($($argument:ident: $type:ty),*) -> $held:ident;)*) => {
        $(fn $method(self, $($argument: $type),*) -> Result<Self::$held, S::Error> {
            self.0.$method($($argument),*).map(Moments)
        })*
    };
}

impl<S: Serializer> Serializer for Moments<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Moments<S::SerializeSeq>;
    type SerializeTuple = Moments<S::SerializeTuple>;
    type SerializeTupleStruct = Moments<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Moments<S::SerializeTupleVariant>;
    type SerializeMap = Moments<S::SerializeMap>;
    type SerializeStruct = Moments<S::SerializeStruct>;
    type SerializeStructVariant = Moments<S::SerializeStructVariant>;

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        if name != Timestamp::NAME {
            return self.0.serialize_newtype_struct(name, &Shown(value));
        }
        let seconds = serde_json::to_value(value).map_err(S::Error::custom)?;
        let seconds = seconds
            .as_i64()
            .ok_or_else(|| S::Error::custom("a Timestamp must serialize as a number"))?;
        self.0.collect_str(&Timestamp(seconds))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(&Shown(value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0
            .serialize_newtype_variant(name, index, variant, &Shown(value))
    }

    as_it_is! {
        serialize_bool(value: bool);
        serialize_i8(value: i8);
        serialize_i16(value: i16);
        serialize_i32(value: i32);
        serialize_i64(value: i64);
        serialize_i128(value: i128);
        serialize_u8(value: u8);
        serialize_u16(value: u16);
        serialize_u32(value: u32);
        serialize_u64(value: u64);
        serialize_u128(value: u128);
        serialize_f32(value: f32);
        serialize_f64(value: f64);
        serialize_char(value: char);
        serialize_str(value: &str);
        serialize_bytes(value: &[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    begins! {
        serialize_seq(length: Option<usize>) -> SerializeSeq;
        serialize_tuple(length: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, length: usize) -> SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, length: usize) -> SerializeTupleVariant;
        serialize_map(length: Option<usize>) -> SerializeMap;
        serialize_struct(name: &'static str, length: usize) -> SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, length: usize) -> SerializeStructVariant;
    }
}

/// The traits of values that contain other values: each contained value is serialized in this form too.
macro_rules! holds {
    ($($holder:ident: $method:ident($($name:ident)?);)*) => {
        $(impl<S: $holder> $holder for Moments<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, $($name: &'static str,)? value: &T) -> Result<(), S::Error> {
                self.0.$method($($name,)? &Shown(value))
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        })*
    };
}

holds! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeStruct: serialize_field(name);
    SerializeStructVariant: serialize_field(name);
}

impl<S: SerializeMap> SerializeMap for Moments<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.0.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.0.serialize_value(&Shown(value))
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;
    use testudo_protocol::Seconds;

    const MOMENT: Timestamp = Timestamp(1_795_000_300);
    const TEXT: &str = "2026-11-18T11:11:40Z";

    #[derive(serde::Serialize)]
    enum Kind {
        Unit,
        Newtype(Timestamp),
        Tuple(Timestamp, i64),
        Struct { at: Timestamp },
    }

    #[derive(serde::Serialize)]
    struct Inner {
        at: Option<Timestamp>,
        none: Option<Timestamp>,
        pair: (String, Timestamp),
    }

    #[derive(serde::Serialize)]
    struct Answer {
        kinds: Vec<Kind>,
        #[serde(flatten)]
        inner: Inner,
        by_name: BTreeMap<String, Timestamp>,
        /// Claims as a client sent them.
        claims: Value,
        number: i64,
        lifetime: Seconds,
    }

    #[test]
    fn timestamp_is_text_at_any_depth_and_other_numbers_are_not_changed() {
        let answer = Answer {
            kinds: vec![
                Kind::Unit,
                Kind::Newtype(MOMENT),
                Kind::Tuple(MOMENT, MOMENT.0),
                Kind::Struct { at: MOMENT },
            ],
            inner: Inner {
                at: Some(MOMENT),
                none: None,
                pair: ("x".into(), MOMENT),
            },
            by_name: [("a".to_owned(), MOMENT)].into(),
            claims: json!({ "time": MOMENT.0, "created": [MOMENT.0] }),
            number: MOMENT.0,
            lifetime: Seconds(60),
        };
        let expected = json!({
            "kinds": ["Unit", { "Newtype": TEXT }, { "Tuple": [TEXT, MOMENT.0] }, { "Struct": { "at": TEXT } }],
            "at": TEXT,
            "none": null,
            "pair": ["x", TEXT],
            "by_name": { "a": TEXT },
            "claims": { "time": MOMENT.0, "created": [MOMENT.0] },
            "number": MOMENT.0,
            "lifetime": 60,
        });
        assert_eq!(serde_json::to_value(Shown(&answer)).unwrap(), expected);
        // In the store and in tokens, a timestamp is a number.
        assert_eq!(serde_json::to_string(&MOMENT).unwrap(), "1795000300");
    }
}
