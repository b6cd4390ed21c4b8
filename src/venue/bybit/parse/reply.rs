//! Answers to `auth`, `subscribe`, `unsubscribe` and `ping` in any of the documented shapes (contract 2, 10.3, 10.4).

use std::borrow::Cow;

use super::Odd;
use super::tree::{Node, Row};

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// `auth`.
    Auth,
    /// `subscribe`; also the `COMMAND_RESP` of the options socket.
    Subscribe,
    /// `unsubscribe`.
    Unsubscribe,
    /// `ping`: the answer is a pong in one of four shapes.
    Ping,
    /// Something else, or a refusal that does not say what it refuses.
    Other,
}

/// An answer. One failed topic fails the whole request it was in (contract 0.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<'a> {
    /// What it answers.
    pub asked: Asked,
    /// Was it done? A pong always is.
    pub ok: bool,
    /// The venue's words; empty on most successes.
    pub message: Cow<'a, str>,
    /// The `req_id` of the request; `None` where the venue sends none.
    pub request: Option<Cow<'a, str>>,
}

impl Reply<'_> {
    /// Is the wanted state there already: it is subscribed, or the socket is authenticated (contract 10.4)?
    ///
    /// The whole request failed all the same: the other topics of it must be asked for again.
    pub fn already(&self) -> bool {
        self.message.contains("already subscribed")
    }
}

impl<'a> Reply<'a> {
    /// From a frame without a topic, in any of the documented shapes.
    pub(super) fn read(frame: &Node<'a>) -> Result<Self, Odd> {
        let row = Row(frame);
        let message = frame.at("ret_msg").text().or_else(|| frame.at("retMsg").text()).unwrap_or_default();
        // Old refusals repeat the request instead of its `op` (correction 2.9).
        let op =
            if row.word("op").is_empty() { row.at("request").word("op").to_owned() } else { row.word("op").to_owned() };
        let asked = match &*op {
            "auth" => Asked::Auth,
            "subscribe" => Asked::Subscribe,
            "unsubscribe" => Asked::Unsubscribe,
            "ping" | "pong" => Asked::Ping,
            _ if row.word("type") == "COMMAND_RESP" => Asked::Subscribe,
            _ => Asked::Other,
        };
        // The trade socket says `retCode` instead.
        let success = frame.at("success").flag().or_else(|| frame.at("retCode").int().map(|code| code == 0));
        if asked == Asked::Other && success.is_none() {
            return Err(Odd::new("answer", "neither `op` nor `success`"));
        }
        let failed = !frame.at("data").at("failTopics").items().is_empty();
        let ok = success.unwrap_or(asked == Asked::Ping) && !failed;
        Ok(Self { asked, ok, message, request: frame.at("req_id").text().or_else(|| frame.at("reqId").text()) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    fn read(text: &str) -> Reply<'_> {
        Reply::read(&tree::read(text, "answer").unwrap()).unwrap()
    }

    #[test]
    fn pongs_in_four_shapes() {
        for text in [
            r#"{"success":true,"ret_msg":"pong","conn_id":"c","req_id":"","op":"ping"}"#,
            r#"{"args":["1672916271846"],"op":"pong"}"#,
            r#"{"req_id":"test","op":"pong","args":["1675418560633"],"conn_id":"c"}"#,
            r#"{"retCode":0,"retMsg":"OK","op":"pong","data":["1711002002529"],"connId":"c"}"#,
        ] {
            let reply = read(text);
            assert!(reply.ok && reply.asked == Asked::Ping, "{text}");
        }
        assert_eq!(read(r#"{"req_id":"test","op":"pong"}"#).request.as_deref(), Some("test"));
        assert_eq!(read(r#"{"req_id":"","op":"pong"}"#).request, None);
    }

    #[test]
    fn subscriptions_in_three_shapes() {
        for text in [
            r#"{"success":true,"ret_msg":"","op":"subscribe","conn_id":"c"}"#,
            r#"{"success":true,"ret_msg":"subscribe","conn_id":"c","req_id":"10001","op":"subscribe"}"#,
            r#"{"success":true,"conn_id":"c","data":{"failTopics":[],"successTopics":["t"]},"type":"COMMAND_RESP"}"#,
        ] {
            let reply = read(text);
            assert!(reply.ok && reply.asked == Asked::Subscribe, "{text}");
        }
        let failed = r#"{"success":true,"data":{"failTopics":["t"],"successTopics":[]},"type":"COMMAND_RESP"}"#;
        assert!(!read(failed).ok);
        assert_eq!(
            read(r#"{"success":true,"ret_msg":"","req_id":3,"op":"unsubscribe"}"#).request.as_deref(),
            Some("3")
        );
    }

    #[test]
    fn refusals() {
        let reply = read(r#"{"success":false,"ret_msg":"args size \u003e10","conn_id":"c","op":"subscribe"}"#);
        assert_eq!((reply.ok, &*reply.message), (false, "args size >10"));
        assert!(read(r#"{"success":false,"ret_msg":"error:already subscribed,topic:t","op":"subscribe"}"#).already());
        let auth = read(r#"{"success":false,"ret_msg":"Params Error","op":"auth","conn_id":"c"}"#);
        assert_eq!((auth.asked, auth.ok), (Asked::Auth, false));
        let old = read(r#"{"success":false,"ret_msg":"error:request expired","request":{"op":"auth","args":[]}}"#);
        assert_eq!((old.asked, old.ok), (Asked::Auth, false));
        let trade = read(r#"{"retCode":10004,"retMsg":"Invalid sign","op":"auth","reqId":"r","connId":"c"}"#);
        assert_eq!((trade.asked, trade.ok, &*trade.message), (Asked::Auth, false, "Invalid sign"));
        assert_eq!(trade.request.as_deref(), Some("r"));
        assert_eq!(read(r#"{"success":false,"ret_msg":"x"}"#).asked, Asked::Other);
        assert!(!read(r#"{"op":"auth"}"#).ok, "an auth that does not say success is none");
    }

    #[test]
    fn what_says_nothing_is_odd() {
        for text in ["{}", r#"{"op":5}"#, r#"{"conn_id":"c"}"#] {
            assert!(Reply::read(&tree::read(text, "answer").unwrap()).is_err(), "{text}");
        }
    }
}
