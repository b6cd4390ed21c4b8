//! What unlocks real money. A [`LiveKey`] has no other way into the world than through here, and nobody gets credentials
//! of the live account without one; what only tightens asks for no more than that ([`Locked::to_tighten`]). Three proofs are taken: the file says `live = true` ([`Allowed`]), a person typed the
//! account's tail ([`Ceremony`]), and the venue said that the key may trade and may not take money out ([`Checked`]).

use std::sync::Arc;

use zeroize::Zeroizing;

use super::account::check_key;
use super::credentials::{Credentials, CredentialsError, PrivateAccount};
use super::hosts::{HostError, Overrides, PrivateHosts, Region};
use super::parse::rest::account::KeyInfo;
use super::rest::{Rest, RestError, RestOptions, SharedLimits, VenueClock};
use crate::engine::ceremony::Ceremony;
use crate::venue::line::Now;

/// The token that real money takes. It has no size and no public constructor:
///
/// ```compile_fail,E0423
/// let key = tickdeck::venue::bybit::unlock::LiveKey(());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LiveKey(());

/// Proof that the file allows the live account.
#[derive(Debug)]
pub struct Allowed(());

impl Allowed {
    /// From `live` of the configuration.
    pub const fn by_file(live: bool) -> Result<Self, UnlockError> {
        if live { Ok(Self(())) } else { Err(UnlockError::NotAllowed) }
    }
}

/// Why real money stays locked.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// `live` is false.
    #[error("real money takes `live = true` in the configuration file, and it is not there")]
    NotAllowed,
    /// The key pair cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// An address that is not the live account's.
    #[error("bybit.{0}")]
    Host(#[from] HostError),
    /// What was typed is not the phrase.
    #[error("what was typed is not LIVE and the tail of the live account's API key (`tickdeck keys show` names it)")]
    Tail,
    /// The key can take money out.
    #[error("the API key may WITHDRAW money: make one that may only trade, and delete this one at Bybit")]
    MayWithdraw,
    /// The key cannot trade.
    #[error("{0}")]
    CannotTrade(String),
    /// The venue does not know the key here, or did not answer.
    #[error("the account's API key could not be checked ({0})")]
    Unchecked(#[from] RestError),
}

/// What a check is asked through.
pub struct Through {
    /// `[bybit] recv_window_ms`.
    pub recv_window_ms: u32,
    /// A proxy's URL.
    pub proxy: Option<String>,
    /// Local time.
    pub now: Now,
}

/// The live account's key pair. It can be asked what it may do, and nothing else.
pub struct Locked {
    credentials: Arc<Credentials>,
    hosts: PrivateHosts,
}

/// A key pair that the venue has vouched for, still locked.
pub struct Checked {
    locked: Locked,
    notes: Vec<String>,
}

/// The live account, unlocked.
pub struct Unlocked {
    /// Its key pair.
    pub credentials: Arc<Credentials>,
    /// Where it is reached.
    pub hosts: PrivateHosts,
    /// What the person should know about the key.
    pub notes: Vec<String>,
}

impl Locked {
    /// From a key and its secret. `overrides` as for any account: loopback, or hosts of the main network.
    pub fn new(
        key: &str,
        secret: Zeroizing<String>,
        region: Region,
        overrides: &Overrides,
    ) -> Result<Self, UnlockError> {
        let credentials = Credentials::new(PrivateAccount::Live(LiveKey(())), key, secret)?;
        let hosts = PrivateHosts::of_region(&credentials, region, overrides)?;
        Ok(Self { credentials: Arc::new(credentials), hosts })
    }
    /// The tail that must be typed.
    pub fn tail(&self) -> &str {
        self.credentials.tail()
    }
    /// Is the account on this machine: a simulated exchange?
    pub const fn is_simulated(&self) -> bool {
        self.hosts.is_simulated()
    }

    /// Key pair and hosts for a kill and for a watchdog, which cancel and close and nothing else: no proof may stand between
    /// them and the account.
    pub fn to_tighten(self) -> (Arc<Credentials>, PrivateHosts) {
        (self.credentials, self.hosts)
    }

    /// Asks the venue what the key may do (contract 8.10). One signed read; nothing is changed.
    pub async fn check(self, through: Through) -> Result<Checked, UnlockError> {
        let notes = judge(&ask(&self.credentials, &self.hosts, through).await?)?;
        Ok(Checked { locked: self, notes })
    }
}

/// Does the venue know this key, and may it trade? What else it may do is told by the run that is made with it.
pub async fn may_trade(
    credentials: &Arc<Credentials>,
    hosts: &PrivateHosts,
    through: Through,
) -> Result<(), UnlockError> {
    let key = ask(credentials, hosts, through).await?;
    check_key(&key, &mut Vec::new()).map_or(Ok(()), |why| Err(UnlockError::CannotTrade(why)))
}

async fn ask(credentials: &Arc<Credentials>, hosts: &PrivateHosts, through: Through) -> Result<KeyInfo, RestError> {
    let rest = Rest::new(RestOptions {
        base: hosts.rest().to_owned(),
        credentials: Some(credentials.clone()),
        recv_window_ms: through.recv_window_ms,
        create_recv_window_ms: through.recv_window_ms,
        proxy: through.proxy,
        limits: SharedLimits::default(),
        clock: Arc::new(VenueClock::default()),
        now: through.now,
    })?;
    // A failure here is told by the signed request.
    rest.sync_clock().await.ok();
    rest.key_info().await
}

/// A key that can take money out, or cannot trade, is refused; the rest is told.
fn judge(key: &KeyInfo) -> Result<Vec<String>, UnlockError> {
    if key.may_withdraw() {
        return Err(UnlockError::MayWithdraw);
    }
    let mut notes = Vec::new();
    match check_key(key, &mut notes) {
        Some(why) => Err(UnlockError::CannotTrade(why)),
        None => Ok(notes),
    }
}

impl Checked {
    /// Hands the account out, against the other two proofs.
    pub fn unlock(self, _allowed: &Allowed, ceremony: &Ceremony) -> Result<Unlocked, UnlockError> {
        if !ceremony.is_for(self.locked.tail()) {
            return Err(UnlockError::Tail);
        }
        let Locked { credentials, hosts } = self.locked;
        Ok(Unlocked { credentials, hosts, notes: self.notes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(permissions: &[(&str, &[&str])], ips: &[&str]) -> KeyInfo {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        KeyInfo {
            read_only: false,
            permissions: permissions.iter().map(|(group, list)| ((*group).to_owned(), words(list))).collect(),
            ips: words(ips),
            expires: None,
            days_left: None,
            unified: true,
            user_id: None,
            master: true,
        }
    }

    #[test]
    fn a_key_that_can_withdraw_or_cannot_trade_unlocks_nothing() {
        let trade: (&str, &[&str]) = ("ContractTrade", &["Order", "Position"]);
        assert_eq!(judge(&key(&[trade], &["10.0.0.1"])).unwrap(), Vec::<String>::new());
        assert!(judge(&key(&[trade], &["*"])).unwrap()[0].contains("not bound to an address"));
        let withdraws = key(&[trade, ("Wallet", &["Withdraw"])], &["10.0.0.1"]);
        assert!(matches!(judge(&withdraws), Err(UnlockError::MayWithdraw)));
        let reads = KeyInfo { read_only: true, ..key(&[trade], &["10.0.0.1"]) };
        assert!(matches!(judge(&reads), Err(UnlockError::CannotTrade(_))));
    }

    #[test]
    fn the_tail_of_another_account_and_a_file_that_does_not_allow_it_unlock_nothing() {
        let locked =
            || Locked::new("liveKey1", "secret".to_owned().into(), Region::Global, &Overrides::default()).unwrap();
        let checked = || Checked { locked: locked(), notes: Vec::new() };
        let allowed = Allowed::by_file(true).unwrap();
        let other = Ceremony::typed("LIVE Key2", "Key2").unwrap();
        assert!(matches!(checked().unlock(&allowed, &other), Err(UnlockError::Tail)));
        let right = Ceremony::typed("LIVE Key1", locked().tail()).unwrap();
        let unlocked = checked().unlock(&allowed, &right).unwrap();
        assert_eq!(unlocked.hosts.rest(), "https://api.bybit.com");
        assert!(matches!(Allowed::by_file(false), Err(UnlockError::NotAllowed)));
    }
}
