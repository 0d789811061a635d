//! Offers and answers after the first: a peer that holds, resumes or moves its media, and our own hold (RFC 3264
//! section 8, RFC 6337).

use super::*;

impl Attempt {
    /// Puts a party on hold, or takes that back: it is offered by re-INVITE, and media follow its answer.
    pub fn handle_hold(&mut self, side: Side, hold: bool, out: &mut Vec<Action>) {
        let leg = self.leg_mut(side);
        if leg.progress == Progress::Answered {
            let sdp = leg.offer_hold(hold);
            out.push(Action::Reoffer { side, sdp });
        }
    }

    /// The peer offers something new, or wants our offer (RFC 3261 section 14.2).
    pub(super) fn answer_offer(&mut self, side: Side, offer: Option<&[u8]>, out: &mut Vec<Action>) {
        let leg = self.leg_mut(side);
        let answer = match leg.answer(offer) {
            Ok((answer, session)) => {
                if let Some(session) = session {
                    out.push(Action::Media(Command::Connect { stream: leg.stream, session }));
                }
                Ok(answer)
            }
            // 488: what is offered cannot be taken, and the session goes on as it was (RFC 3261, 14.2).
            Err(_) => Err(488),
        };
        let anew = if answer.is_ok() { leg.offer_anew() } else { None };
        // The one that waits leaves as soon as the answer has: it must be the new one by then.
        out.extend(anew.map(|sdp| Action::Reoffer { side, sdp }));
        out.push(Action::AnswerOffer { side, answer });
    }

    /// The answer to an offer of ours, whoever asked for it.
    pub(super) fn handle_offer_answered(
        &mut self,
        side: Side,
        status: u16,
        answer: Option<&[u8]>,
        out: &mut Vec<Action>,
    ) {
        let leg = self.leg_mut(side);
        leg.handle_offer_over();
        if status != 200 {
            return leg.handle_hold_refused();
        }
        // An answer that cannot be used leaves the session as it was: the peer knows what it said before.
        if let Some(Ok(session)) = answer.map(|answer| leg.read_answer(answer)) {
            out.push(Action::Media(Command::Connect { stream: leg.stream, session }));
        }
    }

    pub(super) fn leg_mut(&mut self, side: Side) -> &mut Leg {
        match side {
            Side::Callee => &mut self.callee,
            // The new party of a transfer speaks at the agent's port, and in its place once it has answered.
            Side::Agent | Side::Target => &mut self.agent,
        }
    }
}
