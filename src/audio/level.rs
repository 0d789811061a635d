//! How loud: the level of samples in dBFS.
//!
//! Zero is the power of a square wave at full scale, so the loudest sine has -3.01 dBFS.

/// What the level of true silence is called, in dBFS: just under the smallest step of 16 bits.
pub const SILENCE_DBFS: f32 = -96.0;

/// The level in dBFS, [`SILENCE_DBFS`] or more.
pub fn dbfs(samples: &[i16]) -> f32 {
    dbfs_of_energy(energy(samples), samples.len())
}

/// The sum of the squares, for levels over several frames.
pub fn energy(samples: &[i16]) -> u64 {
    samples.iter().map(|&sample| (i32::from(sample) * i32::from(sample)) as u64).sum()
}

/// The level in dBFS of so many samples whose squares sum up to `energy`.
pub fn dbfs_of_energy(energy: u64, samples: usize) -> f32 {
    if energy == 0 || samples == 0 {
        return SILENCE_DBFS;
    }
    let power = energy as f64 / samples as f64 / (32_768.0 * 32_768.0);
    ((10.0 * power.log10()) as f32).max(SILENCE_DBFS)
}

/// The root mean square in sample steps of a signal with this level in dBFS.
pub fn rms_of_dbfs(dbfs: f32) -> f64 {
    32_768.0 * 10f64.powf(f64::from(dbfs) / 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_known_signals() {
        for (samples, expected) in [
            (vec![0i16; 160], SILENCE_DBFS),
            (vec![], SILENCE_DBFS),
            (vec![i16::MIN; 160], 0.0),
            (vec![16_384; 160], -6.02),
            (vec![328, -328, 328, -328], -39.99),
            (vec![1; 160], -90.31),
        ] {
            assert!((dbfs(&samples) - expected).abs() < 0.01, "{} for {expected}", dbfs(&samples));
        }
        assert!((rms_of_dbfs(-6.02) - 16_384.0).abs() < 5.0);
    }
}
