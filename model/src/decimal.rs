//! Exact decimal numbers of up to 76 digits.

use std::cmp::Ordering;
use std::fmt;

use arrow::datatypes::i256;

/// `unscaled * 10^-scale`, exactly. Two decimals are equal when they are the same mathematical value:
/// construction normalises, so trailing zeros and signs of zero don't survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    unscaled: i256,
    scale: i32,
}

/// The largest number of digits that a [`Decimal`] holds for certain.
pub const MAX_DIGITS: usize = 76;

impl Decimal {
    /// Builds the normalised decimal `unscaled * 10^-scale`.
    pub fn new(unscaled: i256, scale: i32) -> Self {
        let ten = i256::from_i128(10);
        let (mut unscaled, mut scale) = (unscaled, scale);
        if unscaled == i256::ZERO {
            return Self { unscaled, scale: 0 };
        }
        while let Some(rest) = unscaled.checked_rem(ten) {
            if rest != i256::ZERO {
                break;
            }
            unscaled = unscaled.wrapping_div(ten);
            scale -= 1;
        }
        Self { unscaled, scale }
    }

    /// The digits without the point, normalised (no trailing zero unless the value is 0).
    pub fn unscaled(&self) -> i256 {
        self.unscaled
    }

    /// How many digits stand after the point; negative for multiples of ten.
    pub fn scale(&self) -> i32 {
        self.scale
    }

    /// Reads `-12.50`, `1e3`, `.5`; `None` for anything else or for more than 76 digits.
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.as_bytes().first()? {
            b'-' => (true, &mantissa[1..]),
            b'+' => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        if !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return None;
        }
        let mut all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let mut scale = i32::try_from(fraction.len()).ok()?;
        while all.last() == Some(&b'0') {
            all.pop();
            scale -= 1;
        }
        let start = all.iter().position(|b| *b != b'0').unwrap_or(all.len());
        let significant = &all[start..];
        if significant.is_empty() {
            return Some(Self { unscaled: i256::ZERO, scale: 0 });
        }
        if significant.len() > MAX_DIGITS {
            return None;
        }
        let mut unscaled = i256::ZERO;
        for digit in significant {
            unscaled = unscaled
                .wrapping_mul(i256::from_i128(10))
                .wrapping_add(i256::from_i128(i128::from(digit - b'0')));
        }
        if negative {
            unscaled = unscaled.wrapping_neg();
        }
        Some(Self { unscaled, scale: scale.checked_sub(exponent)? })
    }

    /// The shortest decimal that reads back as this float (NUM-2); `None` for NaN and infinities.
    pub fn shortest(float: f64) -> Option<Self> {
        if float.is_finite() { Self::parse(&format!("{float:e}")) } else { None }
    }

    /// Whether the float's exact binary value is this decimal (NUM-2).
    pub fn is_exactly(&self, float: f64) -> bool {
        if !float.is_finite() {
            return false;
        }
        if float == 0.0 {
            return self.unscaled == i256::ZERO;
        }
        let bits = float.to_bits();
        let raw_exponent = ((bits >> 52) & 0x7ff) as i32;
        let fraction = bits & ((1 << 52) - 1);
        let (mut mantissa, mut exponent) = match raw_exponent {
            0 => (fraction, -1074),
            e => (fraction | (1 << 52), e - 1075),
        };
        let zeros = mantissa.trailing_zeros();
        mantissa >>= zeros;
        exponent += zeros as i32;
        let mut exact = i256::from_i128(i128::from(mantissa));
        // An odd number over 2^k has exactly k decimal places, so larger k can't be held and can't be equal.
        let (factor, times, scale) = if exponent < 0 { (5, -exponent, -exponent) } else { (2, exponent, 0) };
        if times > 256 {
            return false;
        }
        for _ in 0..times {
            match exact.checked_mul(i256::from_i128(factor)) {
                Some(next) => exact = next,
                None => return false,
            }
        }
        if float.is_sign_negative() {
            exact = exact.wrapping_neg();
        }
        Self::new(exact, scale) == *self
    }

    /// The value as `i128` when it is a whole number that fits.
    pub fn to_i128(&self) -> Option<i128> {
        if self.scale > 0 {
            return None;
        }
        let mut value = self.unscaled.to_i128()?;
        for _ in self.scale..0 {
            value = value.checked_mul(10)?;
        }
        Some(value)
    }

    /// The unscaled digits at a wanted scale, or `None` where digits would be lost or overflow.
    pub fn at_scale(&self, scale: i32) -> Option<i256> {
        let mut value = self.unscaled;
        if self.scale > scale {
            return None;
        }
        for _ in self.scale..scale {
            value = value.checked_mul(i256::from_i128(10))?;
        }
        Some(value)
    }

    /// The nearest float.
    pub fn to_f64(&self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// How many digits the number has, without leading zeros.
    pub fn digits(&self) -> usize {
        self.unscaled.to_string().trim_start_matches('-').len()
    }
}

impl From<i128> for Decimal {
    fn from(value: i128) -> Self {
        Self::new(i256::from_i128(value), 0)
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = (self.unscaled.signum()).cmp(&other.unscaled.signum());
        if signs != Ordering::Equal || self.unscaled == i256::ZERO {
            return signs;
        }
        let magnitude = |d: &Self| d.digits() as i64 - i64::from(d.scale);
        let by_size = match magnitude(self).cmp(&magnitude(other)) {
            Ordering::Equal => {
                // Same place of the first digit: compare digit strings, which have no trailing zeros.
                let text = |d: &Self| d.unscaled.to_string().trim_start_matches('-').to_owned();
                text(self).cmp(&text(other))
            }
            other => other,
        };
        if self.unscaled.is_negative() { by_size.reverse() } else { by_size }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.unscaled.to_string();
        let (sign, digits) = match digits.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", digits.as_str()),
        };
        if self.scale <= 0 {
            // A huge power of ten is written with an exponent instead of a thousand zeros.
            if self.scale < -(MAX_DIGITS as i32) {
                return write!(f, "{sign}{digits}e{}", -self.scale);
            }
            return write!(f, "{sign}{digits}{}", "0".repeat((-self.scale) as usize));
        }
        let places = self.scale as usize;
        if places > 400 {
            return write!(f, "{sign}{digits}e-{places}");
        }
        let padded = format!("{digits:0>width$}", width = places + 1);
        let (whole, fraction) = padded.split_at(padded.len() - places);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

/// The float that a number's text says digit for digit (`1e300`), where no decimal can hold it; `None` where the nearest
/// float is another number.
pub fn float_of_that_value(text: &str) -> Option<f64> {
    let float: f64 = text.parse().ok()?;
    (float.is_finite() && significant(text)? == significant(&float.to_string())?).then_some(float)
}

/// Sign, significant digits, and the power of ten that the first of them stands before.
fn significant(text: &str) -> Option<(bool, String, i64)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (negative, whole) = (whole.starts_with('-'), whole.trim_start_matches(['-', '+']));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let leading = i64::try_from(all.len() - digits.len()).ok()?;
    let power = exponent.parse::<i64>().ok()?.checked_add(i64::try_from(whole.len()).ok()?)? - leading;
    Some((negative, digits.trim_end_matches('0').to_owned(), power))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn equal_values_are_equal_however_written() {
        assert_eq!(d("1.50"), d("1.5"));
        assert_eq!(d("-0.000"), d("0"));
        assert_eq!(d("1e3"), d("1000"));
        assert_eq!(d("0.00012").to_string(), "0.00012");
        assert_ne!(d("1.5"), d("1.51"));
        assert_eq!(d("12300").to_string(), "12300");
    }

    #[test]
    fn order_is_numeric() {
        let sorted = ["-100", "-1.5", "-0.2", "0", "0.19", "0.2", "1", "9", "10", "99.99"];
        for pair in sorted.windows(2) {
            assert!(d(pair[0]) < d(pair[1]), "{} < {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn floats_equal_their_exact_and_shortest_decimals_only() {
        assert!(d("0.5").is_exactly(0.5));
        assert!(!d("0.1").is_exactly(0.1));
        assert!(d("0.1000000000000000055511151231257827021181583404541015625").is_exactly(0.1));
        assert_eq!(Decimal::shortest(0.99), Some(d("0.99")));
        assert!(d("9007199254740993").to_i128() == Some(9_007_199_254_740_993));
        assert!(!d("9007199254740993").is_exactly(9_007_199_254_740_992.0));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(Decimal::parse(&"9".repeat(77)), None);
        assert!(Decimal::parse(&"9".repeat(76)).is_some());
        for bad in ["", ".", "-", "1.2.3", "1e", "abc", " 1", "1_000"] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_float_stands_for_a_text_only_digit_for_digit() {
        assert_eq!(float_of_that_value("1e300"), Some(1e300));
        assert_eq!(float_of_that_value("-1.5E+200"), Some(-1.5e200));
        assert_eq!(float_of_that_value("5e-324"), Some(5e-324));
        let long = "123456789".repeat(10);
        for other in ["1e400", "1e-400", "3e-324", &long, &format!("0.{long}"), "x"] {
            assert_eq!(float_of_that_value(other), None, "{other}");
        }
    }
}
