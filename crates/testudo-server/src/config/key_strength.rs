//! Detects key-encryption keys that are obviously not random, which an attacker could guess.

/// The minimum number of different byte values in a key. 32 random bytes have about 30 and never have so few.
const VALUES_MIN: usize = 8;

/// Why a key is obviously not random; `None` if that cannot be seen.
pub(crate) fn weakness(key: &[u8; 32]) -> Option<&'static str> {
    let mut values = key.to_vec();
    values.sort_unstable();
    values.dedup();
    let is_poor = values.len() < VALUES_MIN;
    zeroize::Zeroize::zeroize(&mut values);
    if is_poor {
        return Some("is not random: most of its bytes are the same few values");
    }
    let [first, second, ..] = *key;
    let step = second.wrapping_sub(first);
    let is_counted = key
        .windows(2)
        .all(|pair| matches!(pair, [one, next] if next.wrapping_sub(*one) == step));
    is_counted.then_some("is not random: its bytes count up or down")
}

#[cfg(test)]
mod tests {
    use super::weakness;

    #[test]
    fn keys_that_are_not_random_are_found() {
        let counted = |step: u8| std::array::from_fn(|at| (at as u8).wrapping_mul(step).wrapping_add(9));
        let repeated: [u8; 32] = std::array::from_fn(|at| b"secret!"[at % 7]);
        for key in [
            [0; 32],
            [0x11; 32],
            counted(1),
            counted(255),
            counted(3),
            repeated,
        ] {
            assert!(weakness(&key).is_some(), "{key:?}");
        }
        let mut random = [0; 32];
        aws_lc_rs::rand::fill(&mut random).unwrap();
        assert_eq!(weakness(&random), None, "{random:?}");
    }
}
