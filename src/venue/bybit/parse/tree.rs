//! A JSON value with borrowed text, and how fields of rows are read from it. For everything but the hot public frames.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{LENGTH_MAX, Odd, Page, Rows};
use crate::engine::num::{Money, Price, Qty, Rate, Side};

/// A JSON value. Whole numbers are exact; a float is kept as such and never becomes money.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node<'a> {
    /// `null`, or a key that is not there.
    Nothing,
    /// A bool.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Node<'a>>),
    /// An object.
    Map(Vec<(Cow<'a, str>, Node<'a>)>),
}

static NOTHING: Node<'static> = Node::Nothing;

/// The name of a field that is missing or unreadable.
pub(super) type Bad = &'static str;

/// Reads a whole frame or body.
pub(super) fn read<'a>(text: &'a str, what: &'static str) -> Result<Node<'a>, Odd> {
    if text.len() > LENGTH_MAX {
        return Err(Odd::new(what, "it is too long"));
    }
    let node: Node<'a> = serde_json::from_str(text).map_err(|_| Odd::new(what, "it is not JSON"))?;
    if matches!(node, Node::Map(_)) { Ok(node) } else { Err(Odd::new(what, "it is not an object")) }
}

impl<'a> Node<'a> {
    /// The value of a key; [`Node::Nothing`] where there is none.
    pub(super) fn at(&self, key: &str) -> &Node<'a> {
        match self {
            Self::Map(pairs) => pairs.iter().find(|(name, _)| name == key).map_or(&NOTHING, |(_, node)| node),
            _ => &NOTHING,
        }
    }
    /// The items of an array; none where it is not one.
    pub(super) fn items(&self) -> &[Node<'a>] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }
    /// The pairs of an object; none where it is not one.
    pub(super) fn pairs(&self) -> &[(Cow<'a, str>, Node<'a>)] {
        match self {
            Self::Map(pairs) => pairs,
            _ => &[],
        }
    }
    /// Is there a value at all? `""` is none.
    fn is_nothing(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Text(text) => text.is_empty(),
            _ => false,
        }
    }
    /// A text that is not empty; whole numbers count as text, as ids come both ways.
    pub(super) fn text(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text.clone()),
            Self::Int(number) => Some(Cow::Owned(number.to_string())),
            _ => None,
        }
    }
    /// A whole number, as such or as text.
    pub(super) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
    /// A bool; `0` and `1` count, as numbers or as text.
    pub(super) fn flag(&self) -> Option<bool> {
        match self {
            Self::Bool(flag) => Some(*flag),
            Self::Int(0) => Some(false),
            Self::Int(1) => Some(true),
            Self::Text(text) => match &**text {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }
    /// A number that is not booked.
    pub(super) fn float(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::Text(text) => float(text),
            _ => None,
        }
    }

    /// Reads each item of an array with `read`; what does not fit is kept as [`Odd`]. Not an array: an error.
    pub(super) fn rows<T>(
        &self,
        what: &'static str,
        read: impl Fn(&Row<'_, 'a>) -> Result<T, Bad>,
    ) -> Result<Rows<T>, Odd> {
        let Self::List(items) = self else { return Err(Odd::new(what, "there is no list of rows")) };
        let mut rows = Rows { good: Vec::with_capacity(items.len()), odd: Vec::new() };
        for item in items {
            match read(&Row(item)) {
                Ok(row) => rows.good.push(row),
                Err(field) => rows.odd.push(Odd { symbol: name_of(item), ..Odd::new(what, field) }),
            }
        }
        Ok(rows)
    }
    /// Reads `list` and `nextPageCursor` of a result.
    pub(super) fn page<T>(
        &self,
        what: &'static str,
        read: impl Fn(&Row<'_, 'a>) -> Result<T, Bad>,
    ) -> Result<Page<T>, Odd> {
        let next = self.at("nextPageCursor").text().map(Cow::into_owned);
        Ok(Page { rows: self.at("list").rows(what, read)?, next })
    }
}

/// The instrument of a row that could not be read, where that is a plain name.
fn name_of(row: &Node<'_>) -> Option<String> {
    let plain = |name: &str| {
        !name.is_empty() && name.len() <= 32 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    row.at("symbol").text().filter(|name| plain(name)).map(Cow::into_owned)
}

/// A plain decimal as a float; words such as `nan` are none.
pub(super) fn float(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
    if plain { text.parse().ok() } else { None }
}

/// The fields of one row. `need_…` is an error where there is no value; the others give `None` for `""`, `null` and
/// missing, and are an error where there is a value that cannot be read.
pub(super) struct Row<'n, 'a>(pub(super) &'n Node<'a>);

impl<'a> Row<'_, 'a> {
    pub(super) fn at(&self, key: Bad) -> Row<'_, 'a> {
        Row(self.0.at(key))
    }

    fn read<T>(&self, key: Bad, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Bad> {
        match self.0.at(key) {
            node if node.is_nothing() => Ok(None),
            Node::Text(text) => parse(text).map(Some).ok_or(key),
            Node::Int(number) => parse(&number.to_string()).map(Some).ok_or(key),
            _ => Err(key),
        }
    }

    /// A text. `UNKNOWN` is no value.
    pub(super) fn text(&self, key: Bad) -> Option<String> {
        self.0.at(key).text().filter(|text| text != "UNKNOWN").map(Cow::into_owned)
    }
    pub(super) fn need_text(&self, key: Bad) -> Result<String, Bad> {
        self.0.at(key).text().map(Cow::into_owned).ok_or(key)
    }
    /// A word of a closed set, `""` where there is none.
    pub(super) fn word(&self, key: Bad) -> &str {
        match self.0.at(key) {
            Node::Text(text) => text,
            _ => "",
        }
    }
    /// A price. Zero is no value.
    pub(super) fn price(&self, key: Bad) -> Result<Option<Price>, Bad> {
        Ok(self.read(key, |text| Price::parse(text).ok())?.filter(|price| *price > Price::ZERO))
    }
    pub(super) fn need_price(&self, key: Bad) -> Result<Price, Bad> {
        self.price(key)?.ok_or(key)
    }
    /// A price that is reckoned and not ordered at: cut after nine decimals.
    pub(super) fn reckoned_price(&self, key: Bad) -> Result<Option<Price>, Bad> {
        Ok(self.read(key, |text| Price::parse(cut(text, 9)).ok())?.filter(|price| *price > Price::ZERO))
    }
    pub(super) fn qty(&self, key: Bad) -> Result<Option<Qty>, Bad> {
        self.read(key, |text| Qty::parse(text).ok())
    }
    pub(super) fn need_qty(&self, key: Bad) -> Result<Qty, Bad> {
        self.qty(key)?.ok_or(key)
    }
    pub(super) fn money(&self, key: Bad) -> Result<Option<Money>, Bad> {
        self.read(key, |text| Money::parse(text).ok())
    }
    pub(super) fn need_money(&self, key: Bad) -> Result<Money, Bad> {
        self.money(key)?.ok_or(key)
    }
    /// An amount that is reckoned and not booked: cut after eighteen decimals.
    pub(super) fn reckoned_money(&self, key: Bad) -> Result<Option<Money>, Bad> {
        self.read(key, |text| Money::parse(cut(text, 18)).ok())
    }
    /// A rate, cut after nine decimals: amounts are booked from amounts, never from rates.
    pub(super) fn rate(&self, key: Bad) -> Result<Option<Rate>, Bad> {
        self.read(key, |text| Rate::parse(cut(text, 9)).ok())
    }
    pub(super) fn need_rate(&self, key: Bad) -> Result<Rate, Bad> {
        self.rate(key)?.ok_or(key)
    }
    pub(super) fn int(&self, key: Bad) -> Result<Option<i64>, Bad> {
        self.read(key, |text| text.parse().ok())
    }
    pub(super) fn need_int(&self, key: Bad) -> Result<i64, Bad> {
        self.int(key)?.ok_or(key)
    }
    /// A moment in ms since 1970. Zero is no value.
    pub(super) fn ms(&self, key: Bad) -> Result<Option<i64>, Bad> {
        Ok(self.int(key)?.filter(|ms| *ms > 0))
    }
    pub(super) fn need_ms(&self, key: Bad) -> Result<i64, Bad> {
        self.ms(key)?.ok_or(key)
    }
    /// A bool; none is false.
    pub(super) fn flag(&self, key: Bad) -> Result<bool, Bad> {
        Ok(self.some_flag(key)?.unwrap_or(false))
    }
    pub(super) fn some_flag(&self, key: Bad) -> Result<Option<bool>, Bad> {
        let node = self.0.at(key);
        if node.is_nothing() { Ok(None) } else { node.flag().map(Some).ok_or(key) }
    }
    pub(super) fn need_float(&self, key: Bad) -> Result<f64, Bad> {
        self.0.at(key).float().ok_or(key)
    }
    pub(super) fn float(&self, key: Bad) -> Result<Option<f64>, Bad> {
        let node = self.0.at(key);
        if node.is_nothing() { Ok(None) } else { node.float().map(Some).ok_or(key) }
    }
    /// A side; `""` and `None` (older) are no value.
    pub(super) fn side(&self, key: Bad) -> Result<Option<Side>, Bad> {
        match self.word(key) {
            "Buy" => Ok(Some(Side::Buy)),
            "Sell" => Ok(Some(Side::Sell)),
            "" | "None" => Ok(None),
            _ => Err(key),
        }
    }
    pub(super) fn need_side(&self, key: Bad) -> Result<Side, Bad> {
        self.side(key)?.ok_or(key)
    }
}

/// A decimal without what stands after `decimals` decimals.
pub(super) fn cut(text: &str, decimals: usize) -> &str {
    match text.find('.') {
        Some(dot) if text.is_ascii() => text.get(..dot + 1 + decimals).unwrap_or(text),
        _ => text,
    }
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Nodes)
    }
}

/// A kind of row: each field stands once, with its meaning, its type and how it is read.
macro_rules! row {
    (
        $(#[$about:meta])*
        struct $name:ident of $row:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $read:expr,)* }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl $name {
            /// Reads one; the error names the field that is missing or unreadable.
            pub(in crate::venue::bybit::parse) fn read($row: &Row) -> Result<Self, Bad> {
                Ok(Self { $($field: $read,)* })
            }
        }
    };
}
pub(super) use row;

struct Nodes;

impl<'de> Visitor<'de> for Nodes {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Node::Nothing)
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Node::Bool(flag))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Node::Int(number))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Node::Float(number as f64), Node::Int))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Node::Float(number))
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Self::Value, A::Error> {
        let mut map = Vec::new();
        while let Some(Key(key)) = pairs.next_key()? {
            map.push((key, pairs.next_value()?));
        }
        Ok(Node::Map(map))
    }
}

/// A key, borrowed where it has no escape.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Keys).map(Self)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
