//! A share and how far it can be trusted: the Wilson score interval.
//!
//! E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of the American
//! Statistical Association 22 (1927): unlike the plain interval it says something honest about 0 of n and n of n.

use serde::{Serialize, Serializer};

/// The normal distribution's two-sided 95 % point.
const Z: f64 = 1.959_963_984_540_054;

/// So many hits of so many; in JSON an object of `hits`, `of`, `share`, and the 95 % interval `low` to `high`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Share {
    /// Those that did.
    pub hits: u64,
    /// All that could.
    pub of: u64,
}

impl Share {
    /// Counts one that did or did not.
    pub fn count(&mut self, hit: bool) {
        self.hits += u64::from(hit);
        self.of += 1;
    }

    /// 0 to 1; `None` of nothing.
    pub fn value(&self) -> Option<f64> {
        (self.of > 0).then(|| self.hits as f64 / self.of as f64)
    }

    /// Where the true share lies with 95 % confidence; `None` of nothing.
    pub fn interval(&self) -> Option<(f64, f64)> {
        let share = self.value()?;
        let of = self.of as f64;
        let scale = 1.0 + Z * Z / of;
        let middle = share + Z * Z / (2.0 * of);
        let reach = Z * (share * (1.0 - share) / of + Z * Z / (4.0 * of * of)).sqrt();
        // Exactly 0 and 1 at the ends, where rounding would leave a trace.
        let low = if self.hits == 0 { 0.0 } else { (middle - reach) / scale };
        let high = if self.hits == self.of { 1.0 } else { (middle + reach) / scale };
        Some((low, high))
    }
}

#[derive(Serialize)]
struct Written {
    hits: u64,
    of: u64,
    share: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let interval = self.interval();
        Written {
            hits: self.hits,
            of: self.of,
            share: self.value().map(rounded),
            low: interval.map(|(low, _)| rounded(low)),
            high: interval.map(|(_, high)| rounded(high)),
        }
        .serialize(serializer)
    }
}

/// Four places are more than any corpus supports.
fn rounded(share: f64) -> f64 {
    (share * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_the_published_one() {
        // Newcombe, Statistics in Medicine 17 (1998), table I, method 3 (score, no continuity correction).
        for (hits, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (l, h) = Share { hits, of }.interval().unwrap();
            assert!((l - low).abs() < 5e-5 && (h - high).abs() < 5e-5, "{hits} of {of}: {l} to {h}");
        }
    }

    #[test]
    fn nothing_has_no_share_and_all_reaches_to_one() {
        assert_eq!((Share::default().value(), Share::default().interval()), (None, None));
        let (low, high) = Share { hits: 10, of: 10 }.interval().unwrap();
        assert!((low - 0.7225).abs() < 5e-5 && high == 1.0, "{low} to {high}");
    }

    #[test]
    fn it_is_written_with_its_interval() {
        let json = serde_json::to_string(&Share { hits: 15, of: 148 }).unwrap();
        assert_eq!(json, r#"{"hits":15,"of":148,"share":0.1014,"low":0.0624,"high":0.1605}"#);
        let json = serde_json::to_string(&Share::default()).unwrap();
        assert_eq!(json, r#"{"hits":0,"of":0,"share":null,"low":null,"high":null}"#);
    }
}
