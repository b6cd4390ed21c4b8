//! Which hosts a run may talk to (contract 1). A paper run cannot name a private host: [`PrivateHosts`] are made from
//! [`Credentials`] only. An override is accepted for loopback and for hosts of the same family, nothing else: an order is
//! never priced from another environment's book, and a key never travels to a stranger.

use reqwest::Url;

use super::credentials::{Credentials, PrivateAccount};

/// Which public market.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Network {
    /// Real prices: paper, the demo account and live read it.
    Mainnet,
    /// The test network's own prices.
    Testnet,
}

/// Where the account was registered: regional accounts have their own hosts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)] // named after the countries
pub enum Region {
    #[default]
    Global,
    Netherlands,
    Turkey,
    Kazakhstan,
    Georgia,
    Emirates,
    Europe,
    Indonesia,
    Japan,
}

impl Region {
    /// Every region with its word in the configuration and its domain.
    const TABLE: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Global, "global", "bybit.com"),
        (Self::Netherlands, "nl", "bybit.nl"),
        (Self::Turkey, "tr", "bybit.tr"),
        (Self::Kazakhstan, "kz", "bybit.kz"),
        (Self::Georgia, "ge", "bybitgeorgia.ge"),
        (Self::Emirates, "ae", "bybit.ae"),
        (Self::Europe, "eu", "bybit.eu"),
        (Self::Indonesia, "id", "bybit.id"),
        (Self::Japan, "jp", "manepa.jp"),
    ];

    /// From the word in the configuration; empty is the global site.
    pub fn parse(word: &str) -> Result<Self, HostError> {
        let word = if word.is_empty() { "global" } else { word };
        let found = Self::TABLE.iter().find(|row| row.1 == word).map(|row| row.0);
        found.ok_or_else(|| HostError::Region(word.chars().take(20).collect()))
    }

    fn domain(self) -> &'static str {
        Self::TABLE.iter().find(|row| row.0 == self).map_or("bybit.com", |row| row.2)
    }

    /// Regions without documented stream hosts of their own read the global ones (correction 1.3).
    fn stream_domain(self) -> &'static str {
        match self {
            Self::Netherlands | Self::Emirates | Self::Europe => "bybit.com",
            _ => self.domain(),
        }
    }
}

/// URLs from the configuration that replace the defaults; `None` keeps the default.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Overrides {
    /// `[bybit] rest_url`.
    pub rest: Option<String>,
    /// `[bybit] ws_public_url`.
    pub ws_public: Option<String>,
    /// `[bybit] ws_private_url`.
    pub ws_private: Option<String>,
    /// `[bybit] ws_trade_url`.
    pub ws_trade: Option<String>,
}

/// Why a host is not used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HostError {
    /// Not a URL, or one with a path, a query or a user.
    #[error("`{key}` is not a plain address such as `{example}`: {why}")]
    Address {
        /// Configuration key.
        key: &'static str,
        /// What one looks like.
        example: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A host of another environment, or of nobody we know.
    #[error("`{key}` names {host}, which is not a host of {family}: only loopback and {family}'s own hosts are used")]
    Stranger {
        /// Configuration key.
        key: &'static str,
        /// The host that was named.
        host: String,
        /// Whose hosts are allowed.
        family: &'static str,
    },
    /// Plain text beyond this machine.
    #[error("`{key}` is not encrypted: plain http and ws are for loopback only")]
    Plain {
        /// Configuration key.
        key: &'static str,
    },
    /// An unknown region.
    #[error("`region` is `{0}`; known are global, nl, tr, kz, ge, ae, eu, id, jp")]
    Region(String),
}

/// Where public data comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicHosts {
    /// Addresses on this machine may be the same for both: the markets are not.
    network: Network,
    rest: Address,
    stream: Address,
}

/// Where an account is reached. Nobody can name such a host without the credentials of an account at the venue:
///
/// ```
/// # use tickdeck::venue::bybit::{credentials::{Credentials, PrivateAccount}, hosts::{Overrides, PrivateHosts}};
/// let credentials = Credentials::new(PrivateAccount::Demo, "key", "secret".to_owned().into())?;
/// let hosts = PrivateHosts::new(&credentials, &Overrides::default())?;
/// assert_eq!(hosts.rest(), "https://api-demo.bybit.com");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The paper account is none: there is no such credential,
///
/// ```compile_fail,E0599
/// # use tickdeck::venue::bybit::{credentials::{Credentials, PrivateAccount}, hosts::{Overrides, PrivateHosts}};
/// let credentials = Credentials::new(PrivateAccount::Paper, "key", "secret".to_owned().into())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// no hosts without one,
///
/// ```compile_fail,E0061
/// # use tickdeck::venue::bybit::{credentials::{Credentials, PrivateAccount}, hosts::{Overrides, PrivateHosts}};
/// let hosts = PrivateHosts::new(&Overrides::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// and none put together by hand:
///
/// ```compile_fail,E0451
/// # use tickdeck::venue::bybit::hosts::{Network, Overrides, PrivateHosts, PublicHosts, Region};
/// # fn mix(paper: PrivateHosts) {
/// let hosts = PrivateHosts { trade: None, ..paper };
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrivateHosts {
    rest: Address,
    stream: Address,
    trade: Option<Address>,
}

/// Scheme, host and port, without a slash at the end.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Address {
    text: String,
    loopback: bool,
}

impl PublicHosts {
    /// The hosts of a network and region, or what the configuration puts in their place.
    pub fn new(network: Network, region: Region, overrides: &Overrides) -> Result<Self, HostError> {
        let (family, rest, stream) = match network {
            Network::Mainnet => (
                MAINNET,
                format!("https://api.{}", region.domain()),
                format!("wss://stream.{}", region.stream_domain()),
            ),
            Network::Testnet => {
                (TESTNET, "https://api-testnet.bybit.com".to_owned(), "wss://stream-testnet.bybit.com".to_owned())
            }
        };
        Ok(Self {
            network,
            rest: family.pick("rest_url", overrides.rest.as_deref(), &rest, &[])?,
            stream: family.pick("ws_public_url", overrides.ws_public.as_deref(), &stream, &["/v5/public/linear"])?,
        })
    }

    /// REST base, without a slash at the end.
    pub fn rest(&self) -> &str {
        &self.rest.text
    }
    /// URL of the stream of linear contracts.
    pub fn linear(&self) -> String {
        format!("{}/v5/public/linear", self.stream.text)
    }
    /// URL of the stream of announcements.
    pub fn status(&self) -> String {
        format!("{}/v5/public/misc/status", self.stream.text)
    }
    /// Does the data come from this machine?
    pub const fn is_simulated(&self) -> bool {
        self.stream.loopback
    }
}

impl PrivateHosts {
    /// The hosts of the account that the credentials are for.
    pub fn new(credentials: &Credentials, overrides: &Overrides) -> Result<Self, HostError> {
        Self::of_region(credentials, Region::Global, overrides)
    }

    /// Would the overrides be taken for this account? Asked without a key; what it would name stays unnamed.
    pub fn check(account: &PrivateAccount, overrides: &Overrides) -> Result<(), HostError> {
        Self::of(*account, Region::Global, overrides).map(drop)
    }

    /// The same for an account of a region; only live accounts have one.
    pub fn of_region(credentials: &Credentials, region: Region, overrides: &Overrides) -> Result<Self, HostError> {
        Self::of(*credentials.account(), region, overrides)
    }

    fn of(account: PrivateAccount, region: Region, overrides: &Overrides) -> Result<Self, HostError> {
        let own = |rest: &str, stream: &str| (format!("https://{rest}"), format!("wss://{stream}"));
        let (family, (rest, stream)) = match account {
            PrivateAccount::Demo => (DEMO, own("api-demo.bybit.com", "stream-demo.bybit.com")),
            PrivateAccount::Testnet => (TESTNET, own("api-testnet.bybit.com", "stream-testnet.bybit.com")),
            PrivateAccount::Live(_) => {
                (MAINNET, own(&format!("api.{}", region.domain()), &format!("stream.{}", region.stream_domain())))
            }
        };
        // The demo account has no trade socket (contract 0.30); a simulated one on loopback may offer it.
        let trade = match (account, overrides.ws_trade.as_deref()) {
            (PrivateAccount::Demo, None) => None,
            (_, given) => Some(family.pick("ws_trade_url", given, &stream, &["/v5/trade"])?),
        };
        Ok(Self {
            rest: family.pick("rest_url", overrides.rest.as_deref(), &rest, &[])?,
            stream: family.pick("ws_private_url", overrides.ws_private.as_deref(), &stream, &["/v5/private"])?,
            trade,
        })
    }

    /// REST base, without a slash at the end.
    pub fn rest(&self) -> &str {
        &self.rest.text
    }
    /// URL of the private stream.
    pub fn stream(&self) -> String {
        format!("{}/v5/private", self.stream.text)
    }
    /// URL of the trade socket; `None` where the account has none.
    pub fn trade(&self) -> Option<String> {
        self.trade.as_ref().map(|address| format!("{}/v5/trade", address.text))
    }
    /// Is the account on this machine: a simulated exchange? The banner then says so.
    pub const fn is_simulated(&self) -> bool {
        self.rest.loopback || self.stream.loopback
    }
}

/// Hosts of one environment.
struct Family {
    name: &'static str,
    hosts: &'static [&'static str],
    regional: bool,
}

const MAINNET: Family = Family {
    name: "Bybit's main network",
    hosts: &["api.bybit.com", "api.bytick.com", "stream.bybit.com"],
    regional: true,
};
const TESTNET: Family = Family {
    name: "Bybit's test network",
    hosts: &["api-testnet.bybit.com", "stream-testnet.bybit.com", "api-testnet.manepa.jp", "stream-testnet.manepa.jp"],
    regional: false,
};
const DEMO: Family =
    Family { name: "Bybit's demo trading", hosts: &["api-demo.bybit.com", "stream-demo.bybit.com"], regional: false };

impl Family {
    fn has(&self, host: &str) -> bool {
        let regional =
            |row: &(Region, &str, &str)| host == format!("api.{}", row.2) || host == format!("stream.{}", row.2);
        self.hosts.contains(&host) || (self.regional && Region::TABLE.iter().any(regional))
    }

    /// The address that is given, or the default; `paths` may follow it, as the venue writes its own URLs.
    fn pick(
        &self,
        key: &'static str,
        given: Option<&str>,
        default: &str,
        paths: &[&str],
    ) -> Result<Address, HostError> {
        let text = given.unwrap_or(default).trim();
        let wrong = |why| HostError::Address { key, example: default.to_owned(), why };
        let url = Url::parse(text).map_err(|_| wrong("it cannot be read"))?;
        let encrypted = match (url.scheme(), key == "rest_url") {
            ("https", true) | ("wss", false) => true,
            ("http", true) | ("ws", false) => false,
            _ => return Err(wrong("it begins with the wrong word")),
        };
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("it carries more than a host and a port"));
        }
        if !matches!(url.path(), "" | "/") && !paths.contains(&url.path().trim_end_matches('/')) {
            return Err(wrong("it carries a path"));
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let loopback = is_loopback(&host);
        if !encrypted && !loopback {
            return Err(HostError::Plain { key });
        }
        let known = self.has(&host) && url.port().is_none_or(|port| port == 443);
        if !loopback && !known {
            return Err(HostError::Stranger { key, host, family: self.name });
        }
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        Ok(Address { text: format!("{}://{host}{port}", url.scheme()), loopback })
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(rest: &str) -> Result<PublicHosts, HostError> {
        let overrides = Overrides { rest: Some(rest.into()), ..Overrides::default() };
        PublicHosts::new(Network::Mainnet, Region::Global, &overrides)
    }

    #[test]
    fn defaults_follow_network_and_region() {
        let none = Overrides::default();
        let hosts = PublicHosts::new(Network::Mainnet, Region::Turkey, &none).unwrap();
        assert_eq!(
            (hosts.rest(), hosts.linear().as_str()),
            ("https://api.bybit.tr", "wss://stream.bybit.tr/v5/public/linear")
        );
        let hosts = PublicHosts::new(Network::Testnet, Region::Global, &none).unwrap();
        assert_eq!(hosts.status(), "wss://stream-testnet.bybit.com/v5/public/misc/status");
        assert!(!hosts.is_simulated());
        assert_eq!(Region::parse(""), Ok(Region::Global));
        assert!(Region::parse("us").is_err());
    }

    #[test]
    fn the_demo_account_has_no_trade_socket() {
        let demo = Credentials::new(PrivateAccount::Demo, "key", "secret".to_owned().into()).unwrap();
        let hosts = PrivateHosts::new(&demo, &Overrides::default()).unwrap();
        assert_eq!((hosts.rest(), hosts.trade()), ("https://api-demo.bybit.com", None));
        assert!(!hosts.is_simulated());
        let testnet = Credentials::new(PrivateAccount::Testnet, "key", "secret".to_owned().into()).unwrap();
        let hosts = PrivateHosts::new(&testnet, &Overrides::default()).unwrap();
        assert_eq!(hosts.trade().as_deref(), Some("wss://stream-testnet.bybit.com/v5/trade"));
    }

    #[test]
    fn strangers_and_plain_text_are_refused() {
        assert!(public("https://api.bytick.com").is_ok());
        assert!(public("https://api.bybit.kz/").is_ok());
        for host in
            ["https://api-testnet.bybit.com", "https://api.bybit.com.evil.example", "https://api.bybit.com:8443"]
        {
            assert!(matches!(public(host), Err(HostError::Stranger { .. })), "{host}");
        }
        assert!(matches!(public("http://api.bybit.com"), Err(HostError::Plain { .. })));
        for text in ["api.bybit.com", "ftp://api.bybit.com", "https://u:p@api.bybit.com", "https://api.bybit.com/v5"] {
            assert!(matches!(public(text), Err(HostError::Address { .. })), "{text}");
        }
    }

    #[test]
    fn loopback_is_a_simulation() {
        let url = |port: u16, path: &str| Some(format!("ws://127.0.0.1:{port}{path}"));
        let overrides = Overrides {
            rest: Some("http://[::1]:8080".into()),
            ws_public: url(8080, "/v5/public/linear"),
            ws_private: url(8080, "/v5/private"),
            ws_trade: url(8080, "/v5/trade"),
        };
        let hosts = PublicHosts::new(Network::Mainnet, Region::Global, &overrides).unwrap();
        assert_eq!(
            (hosts.rest(), hosts.linear().as_str()),
            ("http://[::1]:8080", "ws://127.0.0.1:8080/v5/public/linear")
        );
        assert!(hosts.is_simulated());
        let demo = Credentials::new(PrivateAccount::Demo, "key", "secret".to_owned().into()).unwrap();
        let hosts = PrivateHosts::new(&demo, &overrides).unwrap();
        assert!(hosts.is_simulated());
        assert_eq!(hosts.trade().as_deref(), Some("ws://127.0.0.1:8080/v5/trade"));
    }
}
