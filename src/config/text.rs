//! The configuration as text: the example file with every key and default, and a JSON schema for editors.

use std::fmt::Write as _;

use super::slot::Slot;
use super::{Config, KEYS, Literal};
use crate::engine::risk::limits::LimitUnit;

const HEAD: &str = "\
# tickdeck configuration. Every key is here with its default, switched off by the `#` before it.
# A value comes from the command line (--set risk.max_daily_loss=50), else from the environment
# (TICKDECK__RISK__MAX_DAILY_LOSS=50), else from this file, else it is the default.
# Unknown keys and impossible combinations are refused: nothing starts (exit code 4).
# No secret is written here. An account's API key and secret come from the environment (live: BYBIT_API_KEY and
# BYBIT_API_SECRET, demo account: BYBIT_DEMO_API_KEY and BYBIT_DEMO_API_SECRET, testnet: BYBIT_TESTNET_API_KEY and
# BYBIT_TESTNET_API_SECRET), else from a file of mode 0600, else from the system's keyring (`tickdeck keys set live`),
# else from a program; the first that has it counts. The places of files and programs are in [keys.ACCOUNT].
";

/// The example file: every key, commented, with its default. `config init` writes it.
pub fn example() -> String {
    let defaults = Config::default();
    let mut out = HEAD.to_owned();
    let mut section = "";
    for key in KEYS {
        if key.section() != section {
            section = key.section();
            // Writing to a String cannot fail.
            let _ = write!(out, "\n#[{section}]\n");
        }
        let _ = write!(out, "## {} ({})\n#{} = {}\n", key.help, key.allowed(), key.name(), key.get(&defaults));
    }
    out
}

/// A JSON schema of the file.
pub fn schema() -> serde_json::Value {
    let defaults = Config::default();
    let mut top = serde_json::Map::new();
    for key in KEYS {
        let described = serde_json::json!({
            "description": format!("{} ({})", key.help, key.allowed()),
            "default": json(&key.get(&defaults)),
        });
        let mut described = described;
        if let (Some(target), serde_json::Value::Object(kind)) = (described.as_object_mut(), kind(&key.slot)) {
            target.extend(kind);
        }
        if let Some(properties) = properties(&mut top, key.section()) {
            properties.insert(key.name().to_owned(), described);
        }
    }
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tickdeck configuration",
        "type": "object",
        "additionalProperties": false,
        "properties": top,
    })
}

/// The keys of a section such as `risk` or `keys.live`, made where they are missing.
fn properties<'a>(
    top: &'a mut serde_json::Map<String, serde_json::Value>,
    section: &str,
) -> Option<&'a mut serde_json::Map<String, serde_json::Value>> {
    section.split('.').filter(|part| !part.is_empty()).try_fold(top, |inner, part| {
        let empty = || serde_json::json!({ "type": "object", "additionalProperties": false, "properties": {} });
        inner.entry(part).or_insert_with(empty).get_mut("properties")?.as_object_mut()
    })
}

fn json(literal: &Literal) -> serde_json::Value {
    match literal {
        Literal::Flag(flag) => (*flag).into(),
        Literal::List(list) => list.clone().into(),
        // A number's digits are its value; only what JSON cannot hold stays text.
        Literal::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()),
        Literal::Names(_) => serde_json::json!({}),
        Literal::Text(text) | Literal::Bare(text) => text.as_str().into(),
        Literal::Other(what) => (*what).into(),
    }
}

fn kind(slot: &Slot) -> serde_json::Value {
    let amount = serde_json::json!({ "type": ["number", "string"] });
    match slot {
        Slot::Flag(_) => serde_json::json!({ "type": "boolean" }),
        Slot::Word(_, words) => serde_json::json!({ "enum": words }),
        Slot::Symbols(_) => {
            serde_json::json!({ "type": "array", "items": { "type": "string", "pattern": "^[A-Z0-9]{2,30}$" }, "minItems": 1, "uniqueItems": true })
        }
        Slot::Names(_) | Slot::Texts(_) | Slot::Program(_) => {
            serde_json::json!({ "type": "array", "items": { "type": "string" } })
        }
        Slot::Choice(_, numbers) => serde_json::json!({ "enum": numbers }),
        Slot::Folder(_)
        | Slot::File(_)
        | Slot::Address(..)
        | Slot::Text(_)
        | Slot::Listen(_)
        | Slot::DayStart(_)
        | Slot::Span(..) => {
            serde_json::json!({ "type": "string" })
        }
        Slot::Float(_, min, max) => serde_json::json!({ "type": "number", "minimum": min, "maximum": max }),
        Slot::Count(_, min, max) => serde_json::json!({ "type": "integer", "minimum": min, "maximum": max }),
        Slot::Millis(_, min, max) | Slot::Seconds(_, min, max) => {
            serde_json::json!({ "type": "integer", "minimum": min, "maximum": max })
        }
        Slot::Limit(which) if which.unit() == LimitUnit::Count => {
            serde_json::json!({ "type": "integer", "minimum": 0 })
        }
        Slot::Money(_) | Slot::Bps(..) | Slot::Limit(_) | Slot::LiveLimit(_) => amount,
        Slot::Keymap(_) => {
            serde_json::json!({ "type": "object", "additionalProperties": { "type": ["string", "array"] } })
        }
    }
}
