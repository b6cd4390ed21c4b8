//! Addresses of the configuration: their shape, and that nothing private travels unencrypted beyond this machine.

use std::net::IpAddr;

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// Requests.
    Rest,
    /// A stream.
    Socket,
    /// A proxy.
    Proxy,
}

impl Address {
    /// What may be written.
    pub(super) fn allowed(self) -> &'static str {
        match self {
            Self::Rest => "an address such as \"https://host\"; http only on loopback",
            Self::Socket => "an address such as \"wss://host/path\"; ws only on loopback",
            Self::Proxy => "an address such as \"http://host:3128\" or \"socks5h://host:1080\", without a password",
        }
    }

    fn takes(self, scheme: &str, loopback: bool) -> bool {
        match self {
            Self::Rest => scheme == "https" || (scheme == "http" && loopback),
            Self::Socket => scheme == "wss" || (scheme == "ws" && loopback),
            // What passes through a proxy is encrypted end to end.
            Self::Proxy => matches!(scheme, "http" | "socks5" | "socks5h"),
        }
    }
}

/// Checks the shape. The error is what is wrong, without the address: it may hold a password.
pub(super) fn check(text: &str, kind: Address) -> Result<(), String> {
    let no = String::new;
    let (scheme, rest) = text.split_once("://").ok_or_else(no)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("an address with a user or password".to_owned());
    }
    let (host, port) = host_and_port(authority).ok_or_else(no)?;
    let port_is_sound = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let path_is_plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.".contains(&b));
    if !is_host(host) || !port_is_sound || !path_is_plain {
        return Err(no());
    }
    if kind.takes(scheme, is_loopback(host)) { Ok(()) } else { Err(no()) }
}

fn host_and_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let Some(inner) = authority.strip_prefix('[') else {
        return Some(authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))));
    };
    let (host, rest) = inner.split_once(']')?;
    match rest {
        "" => Some((host, None)),
        rest => Some((host, Some(rest.strip_prefix(':')?))),
    }
}

fn is_host(host: &str) -> bool {
    let is_name = || {
        host.len() <= 253
            && host.split('.').all(|label| {
                !label.is_empty()
                    && !label.starts_with('-')
                    && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            })
    };
    host.parse::<IpAddr>().is_ok() || is_name()
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_scheme_a_host_and_no_password() {
        let sound = [
            ("https://api.bybit.com", Address::Rest),
            ("http://127.0.0.1:8080", Address::Rest),
            ("http://[::1]:8080", Address::Rest),
            ("ws://localhost:9/v5/private", Address::Socket),
            ("wss://stream.bybit.com/v5/public/linear", Address::Socket),
            ("socks5h://10.0.0.1:1080", Address::Proxy),
            ("http://proxy:3128", Address::Proxy),
        ];
        for (text, kind) in sound {
            assert_eq!(check(text, kind), Ok(()), "{text}");
        }
        let wrong = [
            ("http://api.bybit.com", Address::Rest),
            ("http://127.0.0.1.evil.com", Address::Rest),
            ("http://localhost.evil.com", Address::Rest),
            ("https://user:pass@api.bybit.com", Address::Rest),
            ("https://api.bybit.com?x=1", Address::Rest),
            ("https://api.bybit.com#x", Address::Rest),
            ("https://", Address::Rest),
            ("https://a..b", Address::Rest),
            ("https://host:0", Address::Rest),
            ("https://host:99999", Address::Rest),
            ("https://[::1", Address::Rest),
            ("https://[::1]x", Address::Rest),
            ("https://api.bybit.com/ x", Address::Rest),
            ("wss://api.bybit.com", Address::Rest),
            ("ws://stream.bybit.com/v5/private", Address::Socket),
            ("https://stream.bybit.com", Address::Socket),
            ("http://user:pass@proxy:3128", Address::Proxy),
            ("ftp://proxy", Address::Proxy),
            // The streams cannot pass through one, and both transports pass through a proxy or neither.
            ("https://proxy:3128", Address::Proxy),
            ("api.bybit.com", Address::Rest),
        ];
        for (text, kind) in wrong {
            assert!(check(text, kind).is_err(), "{text}");
        }
    }
}
