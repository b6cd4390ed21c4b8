//! Identifiers that look like the venue's, from a seed: the same run gives the same ids.

/// A source of identifiers.
#[derive(Debug)]
pub struct Ids {
    seed: u64,
    drawn: u64,
}

impl Ids {
    /// A source for this seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The next sixty-four bits.
    pub const fn bits(&mut self) -> u64 {
        self.drawn += 1;
        mix(self.seed ^ mix(self.drawn))
    }

    /// A UUID of version 4, as contracts name orders and executions.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.bits(), self.bits());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 48 & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }
}

/// One round of splitmix64.
const fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_and_differ() {
        let mut ids = Ids::new(7);
        let drawn: std::collections::BTreeSet<String> = (0..1_000).map(|_| ids.uuid()).collect();
        assert_eq!(drawn.len(), 1_000);
        assert!(drawn.iter().all(|id| id.len() == 36 && id.as_bytes()[14] == b'4'));
        assert_eq!(Ids::new(7).uuid(), Ids::new(7).uuid());
    }
}
