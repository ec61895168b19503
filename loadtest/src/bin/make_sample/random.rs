//! Numbers that are the same in every version of every library: SplitMix64, and draws by weight.

/// A seeded source of numbers.
pub struct Random(u64);

impl Random {
    pub const fn seeded(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From zero up to `bound`, without it; zero for a bound of zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// Whether a thing happens that happens `parts` times of `of`.
    pub fn happens(&mut self, parts: u64, of: u64) -> bool {
        self.below(of) < parts
    }

    /// Below `bound`, small numbers far more often: the product of three even draws.
    pub fn skewed_below(&mut self, bound: u64) -> u64 {
        let first = self.below(bound << 24);
        let second = self.below(first + 1);
        self.below(second + 1) >> 24
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let at = self.below(u64::try_from(of.len()).unwrap_or_default());
        of.get(usize::try_from(at).unwrap_or_default())
    }
}

/// Draws positions by weight.
pub struct Weights(Vec<u64>);

impl Weights {
    pub fn new(weights: impl IntoIterator<Item = u64>) -> Weights {
        let mut sum = 0;
        let add = |weight| {
            sum += weight;
            sum
        };
        Weights(weights.into_iter().map(add).collect())
    }

    pub fn draw(&self, random: &mut Random) -> usize {
        let at = random.below(self.0.last().copied().unwrap_or_default());
        self.0.partition_point(|sum| *sum <= at)
    }
}
