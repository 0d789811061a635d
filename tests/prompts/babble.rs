//! What is shaped like speech and said by nobody: syllables of three formants over a pitch, with pauses. Each seed babbles
//! something else.

/// Seconds of it at 8 kHz.
pub fn babble(seed: u64, seconds: usize) -> Vec<i16> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut unit = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let mut samples = Vec::with_capacity(seconds * 8_000);
    let (mut phase, mut formants, mut filters) = (0.0f32, [500.0, 1_500.0, 2_500.0], [[0.0f32; 2]; 3]);
    while samples.len() < seconds * 8_000 {
        let length = 700 + (unit() * 1_400.0) as usize;
        let loud = if unit() < 0.15 { 0.0 } else { 0.4 + unit() };
        let noisy = unit() < 0.25;
        let pitch = 90.0 + 130.0 * unit();
        let goals = [250.0 + 600.0 * unit(), 900.0 + 1_300.0 * unit(), 2_300.0 + 900.0 * unit()];
        for i in 0..length {
            phase = (phase + pitch / 8_000.0).fract();
            let voice = if phase < pitch / 8_000.0 { 1.0 } else { 0.0 };
            let source = if noisy { 0.25 * (unit() - 0.5) } else { voice };
            let envelope = loud * (std::f32::consts::PI * i as f32 / length as f32).sin();
            let mut sum = 0.0;
            for ((formant, goal), filter) in formants.iter_mut().zip(goals).zip(&mut filters) {
                *formant += (goal - *formant) * 0.002;
                let (radius, angle) = (0.97f32, std::f32::consts::TAU * *formant / 8_000.0);
                let new =
                    source * envelope + 2.0 * radius * angle.cos() * filter[0] - radius * radius * filter[1];
                *filter = [new, filter[0]];
                sum += new;
            }
            samples.push((sum * 1_500.0).clamp(-32_000.0, 32_000.0) as i16);
        }
    }
    samples.truncate(seconds * 8_000);
    samples
}
