//! Bodies of REST answers (contract 3): first the envelope, then, where its code is 0, the result.

pub mod account;
pub mod market;
pub mod orders;

use std::borrow::Cow;

use super::Odd;
use super::tree::{self, Node};

/// What every answer carries. Read the code before the result: on a failure the result is empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<'a> {
    /// 0 is success; for the rest see [`crate::venue::bybit::codes::classify`].
    pub code: i64,
    /// The venue's words.
    pub message: Cow<'a, str>,
    /// When the venue answered, ms since 1970.
    pub time_ms: Option<i64>,
    tree: Node<'a>,
}

impl<'a> Envelope<'a> {
    /// Reads a body. An error means that this is no answer of the API: a page of the network before it, or nothing.
    /// For a create that is an unknown outcome (contract 8.9).
    pub fn parse(body: &'a [u8]) -> Result<Self, Odd> {
        let text = std::str::from_utf8(body).map_err(|_| Odd::new("answer", "it is not UTF-8"))?;
        let tree = tree::read(text, "answer")?;
        Ok(Self {
            code: tree.at("retCode").int().ok_or(Odd::new("answer", "retCode"))?,
            message: tree.at("retMsg").text().unwrap_or_default(),
            time_ms: tree.at("time").int(),
            tree,
        })
    }

    fn result(&self) -> &Node<'a> {
        self.tree.at("result")
    }
    fn extra(&self) -> &Node<'a> {
        self.tree.at("retExtInfo")
    }
}
