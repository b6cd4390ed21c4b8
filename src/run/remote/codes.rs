//! One-time codes by time (RFC 6238: HMAC-SHA-1, 30 seconds, six digits), as every authenticator app makes them. A code is taken
//! once, over restarts too, and whoever guesses is shut out for a while.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use zeroize::Zeroizing;

use crate::engine::time::{Span, Ts};

/// How long a code is shown.
const STEP: Span = Span::from_secs(30);
/// Codes before and after now that are taken: clocks differ, and a person types.
const AROUND: u64 = 1;
/// Wrong codes within [`WRONG_WITHIN`] after which none is taken until that time has passed.
pub const WRONG_MAX: usize = 5;
/// See [`WRONG_MAX`].
const WRONG_WITHIN: Span = Span::from_secs(900);
/// Fewest bytes of a secret: authenticator apps make 10, 16 or 20.
const SECRET_MIN: usize = 10;

/// Takes codes.
pub struct Codes {
    secret: Zeroizing<Vec<u8>>,
    /// Where the last step that was used is kept.
    used: PathBuf,
    wrong: Vec<Ts>,
}

/// Why a code is not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoCode {
    /// Not the code of now.
    #[error("wrong code ({0} more wrong ones and no code is taken for a while)")]
    Wrong(usize),
    /// It was used.
    #[error("that code was used already: wait for the next one")]
    Used,
    /// Too many wrong ones.
    #[error("too many wrong codes: none is taken before {0} UTC")]
    Shut(String),
    /// It could not be noted that it is used.
    #[error("that the code is used could not be noted ({0}): nothing was done")]
    Unkept(String),
}

/// Why a text is no secret of codes. Never says what it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoSecret {
    /// Not base32.
    #[error("it is not base32 (letters and the digits 2 to 7), as authenticator apps take it")]
    Base32,
    /// Too short.
    #[error("it is too short: make one of 32 characters, `head -c 20 /dev/urandom | base32`")]
    Short,
}

impl Codes {
    /// From a secret in base32. What was used is remembered in this file.
    pub fn new(secret: &str, used: PathBuf) -> Result<Self, NoSecret> {
        let secret = base32(secret).ok_or(NoSecret::Base32)?;
        if secret.len() < SECRET_MIN {
            return Err(NoSecret::Short);
        }
        Ok(Self { secret, used, wrong: Vec::new() })
    }

    /// Takes a code, once.
    pub fn take(&mut self, code: &str, now: Ts) -> Result<(), NoCode> {
        self.wrong.retain(|at| now.since(*at) < WRONG_WITHIN);
        if let Some(last) = self.wrong.last().filter(|_| self.wrong.len() >= WRONG_MAX) {
            return Err(NoCode::Shut((*last + WRONG_WITHIN).clock()));
        }
        let step = u64::try_from(now.0 / STEP.0).unwrap_or(0);
        let steps = step.saturating_sub(AROUND)..=step + AROUND;
        let known = steps.clone().find(|step| self.code(*step) == code);
        let Some(step) = known else {
            self.wrong.push(now);
            return Err(NoCode::Wrong(WRONG_MAX - self.wrong.len()));
        };
        if self.last_used().is_some_and(|used| step <= used) {
            return Err(NoCode::Used);
        }
        self.note(step).map_err(|error| NoCode::Unkept(error.to_string()))
    }

    fn code(&self, step: u64) -> String {
        format!("{:06}", truncated(&self.secret, step) % 1_000_000)
    }

    /// `None` where no code was ever used; a note that cannot be read counts as the latest.
    fn last_used(&self) -> Option<u64> {
        match fs::read_to_string(&self.used) {
            Ok(text) => Some(text.trim().parse().unwrap_or(u64::MAX)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(_) => Some(u64::MAX),
        }
    }

    fn note(&self, step: u64) -> std::io::Result<()> {
        let beside = self.used.with_extension("new");
        let mut options = fs::OpenOptions::new();
        options.create(true).truncate(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        writeln!(file, "{step}")?;
        file.sync_all()?;
        fs::rename(&beside, &self.used)
    }
}

/// The 31 bits of RFC 4226, 5.3.
fn truncated(secret: &[u8], counter: u64) -> u32 {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret) else { return 0 };
    mac.update(&counter.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let offset = usize::from(hash.last().copied().unwrap_or(0) & 15);
    let four = hash.iter().skip(offset).take(4);
    four.fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) & 0x7fff_ffff
}

/// RFC 4648, without regard to case, blanks and padding.
fn base32(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes().filter(|b| !matches!(b, b' ' | b'-' | b'=')) {
        let value = match letter.to_ascii_uppercase() {
            letter @ b'A'..=b'Z' => letter - b'A',
            digit @ b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        bits = (bits << 5) | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).unwrap_or(0));
        }
        bits &= (1 << count) - 1;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of RFC 6238, appendix B: twenty ASCII digits.
    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn codes_are_those_of_the_rfc() {
        assert_eq!(base32(SECRET).unwrap().as_slice(), b"12345678901234567890");
        let eight_digits = [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ];
        for (seconds, code) in eight_digits {
            assert_eq!(truncated(b"12345678901234567890", seconds / 30) % 100_000_000, code, "{seconds}");
        }
    }

    fn codes(folder: &std::path::Path) -> Codes {
        Codes::new(SECRET, folder.join("used")).unwrap()
    }

    #[test]
    fn a_code_is_taken_once_and_within_half_a_minute_around() {
        let folder = tempfile::tempdir().unwrap();
        let mut taker = codes(folder.path());
        let at = Ts::from_ms(59_000);
        assert_eq!(taker.take("287082", at), Ok(()));
        assert_eq!(taker.take("287082", at), Err(NoCode::Used));
        assert_eq!(codes(folder.path()).take("287082", at), Err(NoCode::Used), "over a restart too");
        let before = taker.code(0);
        assert_eq!(taker.take(&before, at), Err(NoCode::Used), "nor one before it");
        let next = taker.code(2);
        assert_eq!(taker.take(&next, at), Ok(()), "a clock that is ahead");
        let far = taker.code(4);
        assert_eq!(taker.take(&far, at), Err(NoCode::Wrong(4)));
        fs::write(folder.path().join("used"), "?").unwrap();
        let code = taker.code(3);
        assert_eq!(taker.take(&code, Ts::from_ms(90_000)), Err(NoCode::Used), "a note that is damaged allows nothing");
    }

    #[test]
    fn whoever_guesses_is_shut_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut taker = codes(folder.path());
        let at = |seconds: i64| Ts::from_ms(seconds * 1000);
        for left in (0..WRONG_MAX).rev() {
            assert_eq!(taker.take("000000", at(60)), Err(NoCode::Wrong(left)));
        }
        let code = taker.code(30);
        assert!(matches!(taker.take(&code, at(900)), Err(NoCode::Shut(_))), "the right one too");
        let code = taker.code(34);
        assert_eq!(taker.take(&code, at(60 + 961)), Ok(()));
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_told() {
        let used = || PathBuf::from("used");
        assert_eq!(Codes::new("not base32 at all!", used()).err(), Some(NoSecret::Base32));
        assert_eq!(Codes::new("GEZDGNBV", used()).err(), Some(NoSecret::Short));
        assert!(Codes::new("gezd gnbv gy3t qojq gezd gnbv gy3t qojq", used()).is_ok());
    }
}
