//! The bridge: each leg lays down what it hears, its partner takes it in its own slot.
//!
//! Both legs belong to one worker and each has one slot in 20 ms, so every frame that is laid down is taken once, less
//! than 20 ms later. The sound is sent on under the partner's own SSRC, sequence and timestamp: as it came where both
//! legs are coded alike, coded anew where they are not.

use super::command::Coding;
use crate::audio::Frame;
use crate::audio::g711::CodedFrame;

/// What a leg heard, for its partner.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Laid {
    /// The sound.
    pub sound: Frame,
    /// The same as it came, unless it was lost or replaced.
    pub codes: Option<(Coding, CodedFrame)>,
}

/// One leg's side of the bridge. Whether there is a partner is asked in each slot, and lies beside what else is.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Bridge {
    laid_down: Option<Laid>,
    partner: Option<usize>,
}

impl Bridge {
    /// Joins this leg with the one at `partner` in the worker's table.
    pub fn join(&mut self, partner: usize) {
        *self = Bridge { partner: Some(partner), laid_down: None };
    }

    /// Parts them; tells who the partner was.
    pub fn part(&mut self) -> Option<usize> {
        std::mem::take(self).partner
    }

    /// Where the partner is.
    pub fn partner(&self) -> Option<usize> {
        self.partner
    }

    /// A frame was heard on this leg; it is made only for a partner.
    pub fn lay_down(&mut self, heard: impl FnOnce() -> Laid) {
        if self.partner.is_some() {
            self.laid_down = Some(heard());
        }
    }

    /// The partner takes it.
    pub fn take(&mut self) -> Option<Laid> {
        self.laid_down.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::FRAME_SAMPLES;

    #[test]
    fn a_frame_is_taken_once_and_nothing_is_laid_down_without_a_partner() {
        let frame = Laid { sound: [7; FRAME_SAMPLES], codes: None };
        let mut bridge = Bridge::default();
        bridge.lay_down(|| frame);
        assert_eq!(bridge.take(), None);
        bridge.join(3);
        bridge.lay_down(|| frame);
        assert_eq!((bridge.take(), bridge.take()), (Some(frame), None));
        bridge.lay_down(|| frame);
        assert_eq!((bridge.part(), bridge.take(), bridge.part()), (Some(3), None, None));
    }
}
