//! The table `[remote]` of a card: where the server is and what it is asked.

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::model::is_name;

/// Where a model is answered for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteCard {
    /// The server, such as `http://127.0.0.1:8000`; paths of the protocol are appended.
    pub url: String,
    /// Name of the model there.
    pub model: String,
    /// Its version there; empty takes whatever the server has.
    #[serde(default)]
    pub version: String,
    /// Name of its input.
    #[serde(default = "input")]
    pub input: String,
    /// Name of the output with the probabilities of up, flat, down by horizon.
    #[serde(default = "output")]
    pub output: String,
    /// Name of the output with expected moves in basis points by horizon, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moves: Option<String>,
    /// Tensors as bytes behind the JSON, which not every server takes.
    #[serde(default)]
    pub binary: bool,
    /// How long an answer may take, in milliseconds.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u32,
    /// Header that carries the token for model servers: with `authorization` as `Bearer TOKEN`, with any other name as it is;
    /// empty sends none. The token itself is never in a card.
    #[serde(default)]
    pub token_header: String,
}

fn input() -> String {
    crate::model::protocol::INPUT.to_owned()
}
fn output() -> String {
    crate::model::protocol::PROBABILITIES.to_owned()
}
const fn timeout_ms() -> u32 {
    500
}

impl RemoteCard {
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        let url = self.address()?;
        if !self.token_header.is_empty() && url.scheme() == "http" && !is_local(&url) {
            return Err("`url` must begin with https:// because a token goes there".to_owned());
        }
        if !is_name(&self.model) || !(self.version.is_empty() || is_name(&self.version)) {
            return Err("`model` and `version` take letters, digits, `-`, `_` and `.`".to_owned());
        }
        if self.input.is_empty() || self.output.is_empty() || self.moves.as_deref() == Some("") {
            return Err("`input`, `output` and `moves` are names of tensors and not empty".to_owned());
        }
        if !(10..=30_000).contains(&self.timeout_ms) {
            return Err(format!("`timeout_ms` is {}: use 10 to 30000", self.timeout_ms));
        }
        Ok(())
    }

    /// The server's address.
    pub(super) fn address(&self) -> Result<Url, String> {
        let wrong = || "`url` must be an address such as \"http://127.0.0.1:8000\", without a password".to_owned();
        let url = Url::parse(&self.url).map_err(|_| wrong())?;
        let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if plain && url.has_host() && matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(wrong()) }
    }

    /// Path of the model's metadata.
    pub(super) fn path(&self) -> String {
        let version = if self.version.is_empty() { String::new() } else { format!("/versions/{}", self.version) };
        format!("/v2/models/{}{version}", self.model)
    }
}

/// Does this address stay on this machine?
pub(super) fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(url: &str, header: &str) -> RemoteCard {
        toml::from_str(&format!("url = \"{url}\"\nmodel = \"m\"\ntoken_header = \"{header}\"")).unwrap()
    }

    #[test]
    fn a_token_travels_encrypted_or_stays_here_and_no_password_is_in_an_address() {
        for (url, header) in [
            ("http://127.0.0.1:8000", "authorization"),
            ("http://[::1]:8000", "x-api-key"),
            ("https://models.example.org/base", "authorization"),
            ("http://models.example.org", ""),
        ] {
            assert_eq!(card(url, header).check(), Ok(()), "{url}");
        }
        for (url, header) in [
            ("http://models.example.org", "authorization"),
            ("https://user:secret@models.example.org", ""),
            ("https://models.example.org/?token=secret", ""),
            ("ftp://127.0.0.1", ""),
            ("127.0.0.1:8000", ""),
            ("", ""),
        ] {
            let told = card(url, header).check().unwrap_err();
            assert!(!told.contains("secret"), "{told}");
        }
        let slow = RemoteCard { timeout_ms: 60_000, ..card("http://127.0.0.1:1", "") };
        assert!(slow.check().unwrap_err().contains("timeout_ms"));
        let out = RemoteCard { model: "../x".into(), ..card("http://127.0.0.1:1", "") };
        assert!(out.check().is_err());
    }
}
