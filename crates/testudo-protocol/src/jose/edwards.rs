//! Checks that 32 bytes encode a point of edwards25519 that is safe as a public key. [RFC8032 §5.1.3]
//!
//! aws-lc-rs 1.19 accepts any 32 bytes, and three kinds of them must be refused: points of small order, under which one
//! fixed signature verifies many messages; encodings with y >= p, which are second encodings of other keys; and values
//! of y for which the curve has no point.

use super::key_error::KeyError;

/// p = 2^255 - 19, little-endian.
const P: [u8; 32] = {
    let mut p = [0xff; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    p
};

/// d of the curve -x^2 + y^2 = 1 + d x^2 y^2, little-endian. [RFC8032 §5.1]
const D: Field = Field::new(&[
    0xa3, 0x78, 0x59, 0x13, 0xca, 0x4d, 0xeb, 0x75, 0xab, 0xd8, 0x41, 0x41, 0x4d, 0x0a, 0x70, 0x00, 0x98,
    0xe8, 0x79, 0x77, 0x79, 0x40, 0xc7, 0x8c, 0x73, 0xfe, 0x6f, 0x2b, 0xee, 0x6c, 0x03, 0x52,
]);

/// Refuses encodings that are not canonical, points of small order, and values that are not on the curve.
pub(super) fn check(encoded: &[u8; 32]) -> Result<(), KeyError> {
    let mut y = *encoded;
    if let Some(last) = y.last_mut() {
        // The highest bit is the sign of x.
        *last &= 0x7f;
    }
    if y.iter().rev().ge(P.iter().rev()) {
        return Err(KeyError::NonCanonical);
    }
    // The y coordinates of the eight points whose order divides 8; the sign of x does not matter.
    const ORDER_8_A: [u8; 32] = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ];
    const ORDER_8_B: [u8; 32] = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ];
    let zero = [0u8; 32];
    let mut one = zero;
    one[0] = 1;
    let mut minus_one = P;
    minus_one[0] = 0xec;
    if [zero, one, minus_one, ORDER_8_A, ORDER_8_B].contains(&y) {
        return Err(KeyError::SmallOrder);
    }
    // x^2 = (y^2 - 1) / (d y^2 + 1). The denominator is never zero, and a fraction is a square exactly if the product
    // of numerator and denominator is a square. Neither is zero here: y = 1 and y = -1 have small order and were
    // refused above.
    let square = Field::new(&y).squared();
    let product = square.minus(Field::ONE).times(D.times(square).plus(Field::ONE));
    if product.is_square() {
        Ok(())
    } else {
        Err(KeyError::NotOnCurve)
    }
}

/// A number modulo p, in four limbs, lowest first; below 2^256, not always below p.
#[derive(Clone, Copy)]
struct Field([u64; 4]);

impl Field {
    const ONE: Field = Field([1, 0, 0, 0]);

    #[expect(clippy::indexing_slicing, reason = "32 bytes are four limbs of eight")]
    const fn new(bytes: &[u8; 32]) -> Field {
        let mut limbs = [0; 4];
        let mut at = 0;
        while at < 32 {
            limbs[at / 8] |= (bytes[at] as u64) << (8 * (at % 8));
            at += 1;
        }
        Field(limbs)
    }

    fn plus(self, other: Field) -> Field {
        let mut out = [0; 4];
        let mut carry = 0u128;
        for (out, (a, b)) in out.iter_mut().zip(self.0.into_iter().zip(other.0)) {
            carry += u128::from(a) + u128::from(b);
            *out = carry as u64;
            carry >>= 64;
        }
        folded(out, carry)
    }

    fn minus(self, other: Field) -> Field {
        // -b is b times p - 1. This is slow, and done once per key.
        let minus_one = Field([0xffff_ffff_ffff_ffec, u64::MAX, u64::MAX, 0x7fff_ffff_ffff_ffff]);
        self.plus(other.times(minus_one))
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "i and j are below 4, the product has eight limbs"
    )]
    fn times(self, other: Field) -> Field {
        let mut product = [0u64; 8];
        for i in 0..4 {
            let mut carry = 0u128;
            for j in 0..4 {
                carry += u128::from(product[i + j]) + u128::from(self.0[i]) * u128::from(other.0[j]);
                product[i + j] = carry as u64;
                carry >>= 64;
            }
            product[i + 4] = carry as u64;
        }
        // 2^256 is 38 modulo p.
        let mut low = [0; 4];
        let mut carry = 0u128;
        for i in 0..4 {
            carry += u128::from(product[i]) + u128::from(product[i + 4]) * 38;
            low[i] = carry as u64;
            carry >>= 64;
        }
        folded(low, carry)
    }

    fn squared(self) -> Field {
        self.times(self)
    }

    /// Euler's criterion: a number other than zero is a square exactly if its power to (p - 1) / 2 is 1.
    fn is_square(self) -> bool {
        // (p - 1) / 2 is 2^254 - 10: 254 bits, all set but those of 1 and 8.
        let mut power = Field::ONE;
        for bit in (0..254).rev() {
            power = power.squared();
            if bit != 0 && bit != 3 {
                power = power.times(self);
            }
        }
        power.is_one()
    }

    fn is_one(self) -> bool {
        // 1, 1 + p and 1 + 2p: the representatives below 2^256.
        let representatives = [
            [1, 0, 0, 0],
            [0xffff_ffff_ffff_ffee, u64::MAX, u64::MAX, 0x7fff_ffff_ffff_ffff],
            [0xffff_ffff_ffff_ffdb, u64::MAX, u64::MAX, u64::MAX],
        ];
        representatives.contains(&self.0)
    }
}

/// Reduces an overflow: each multiple of 2^256 is 38 modulo p.
fn folded(mut limbs: [u64; 4], over: u128) -> Field {
    let mut over = over;
    while over != 0 {
        let mut carry = over * 38;
        for limb in &mut limbs {
            carry += u128::from(*limb);
            *limb = carry as u64;
            carry >>= 64;
        }
        over = carry;
    }
    Field(limbs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// y of the base point: 4/5.
    const BASE: [u8; 32] = {
        let mut y = [0x66; 32];
        y[0] = 0x58;
        y
    };

    fn number(small: u64) -> Field {
        Field([small, 0, 0, 0])
    }

    #[test]
    fn quadratic_residues_are_recognised() {
        assert!(number(4).is_square());
        assert!(Field::ONE.minus(number(2)).is_square(), "-1: p is 1 modulo 4");
        assert!(!number(2).is_square(), "2: p is 5 modulo 8");
        assert!(
            !D.is_square(),
            "d must not be a square, or the addition law would have exceptions"
        );
    }

    #[test]
    fn base_point_is_on_the_curve_and_about_half_of_the_next_values_are_not() {
        assert_eq!(check(&BASE), Ok(()));
        let neighbours = (0..64u8).map(|low| {
            let mut y = BASE;
            y[0] = low;
            check(&y)
        });
        let off_curve = neighbours
            .filter(|checked| *checked == Err(KeyError::NotOnCurve))
            .count();
        assert!(
            (16..48).contains(&off_curve),
            "about half of the values should have no x: {off_curve}"
        );
    }

    #[test]
    fn y_of_two_is_off_the_curve() {
        // [RFC8032 §5.1.3] (4 - 1) / (4 d + 1) has no root.
        let mut y = [0; 32];
        y[0] = 2;
        assert_eq!(check(&y), Err(KeyError::NotOnCurve));
    }

    proptest! {
        #[test]
        fn every_generated_key_is_on_the_curve(seed: [u8; 32]) {
            use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
            let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
            prop_assert_eq!(check(pair.public_key().as_ref().try_into().unwrap()), Ok(()));
        }

        #[test]
        fn square_is_recognised_and_twice_a_square_is_not_a_square(limbs: [u64; 4]) {
            prop_assume!(limbs != [0; 4]);
            let square = Field(limbs).squared();
            prop_assert!(square.is_square());
            prop_assert!(!square.times(number(2)).is_square());
        }
    }
}
