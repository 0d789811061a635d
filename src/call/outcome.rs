//! What a final response means: the disposition of an attempt, and whether another trunk may be tried.
//!
//! The table follows RFC 3261, 21, RFC 3398, 8.2.6.1 (SIP status and Q.850 cause), RFC 8197 (607) and RFC 8688 (608).

use crate::amd::verdict::ToneKind;
use crate::disposition::Disposition;

/// What a refused or unanswered INVITE asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// The callee, or the callee's network, has spoken: no other trunk.
    Final(Disposition),
    /// The trunk failed: try the next one, and only without one this is the outcome.
    OtherTrunk(Disposition),
}

/// Statuses after which another trunk is tried, where nothing else is configured.
pub const FAILOVER_ON: [u16; 8] = [401, 403, 407, 408, 500, 502, 503, 504];

/// Reads a final response other than 2xx. `rang` tells whether an 18x came before it: whoever was rung is not rung again
/// through another trunk, whatever the status. `failover_on` are the statuses that the trunk's owner takes for the trunk's.
pub fn of_response(status: u16, q850: Option<u16>, rang: bool, failover_on: &[u16]) -> Next {
    let disposition = disposition_of(status, q850);
    match (status, disposition) {
        (408, _) if rang => Next::Final(Disposition::NoAnswer),
        // Asterisk, for one, says 403 when the callee rejects the call. Before any ringing that word is the trunk's.
        (_, _) if rang && q850 == Some(21) => Next::Final(Disposition::Declined),
        _ if rang => Next::Final(disposition),
        _ if !failover_on.contains(&status) => Next::Final(disposition),
        // The status is one of a trunk in trouble, and its cause may still say that the callee's network has spoken.
        (_, Disposition::Congestion | Disposition::TrunkRejected) => Next::OtherTrunk(disposition),
        _ if q850.is_none_or(|cause| NETWORK_CAUSES.contains(&cause)) => Next::OtherTrunk(disposition),
        _ => Next::Final(disposition),
    }
}

/// Causes of Q.850 that speak of the network between us and the callee, not of the callee.
const NETWORK_CAUSES: [u16; 7] = [3, 34, 38, 41, 42, 44, 47];

fn disposition_of(status: u16, q850: Option<u16>) -> Disposition {
    match (status, q850) {
        (480, Some(20)) => Disposition::Unreachable,
        (486 | 600, _) => Disposition::Busy,
        (603 | 607 | 608, _) => Disposition::Declined,
        (404 | 410 | 484 | 604, _) => Disposition::InvalidNumber,
        (401 | 403 | 407, _) => Disposition::TrunkRejected,
        (488 | 606, _) => Disposition::MediaMismatch,
        (408, _) => Disposition::Congestion,
        // A gateway may hide the cause behind a general status: the cause is the better witness.
        (_, Some(1 | 22 | 28)) => Disposition::InvalidNumber,
        (_, Some(17)) => Disposition::Busy,
        (_, Some(18 | 19)) => Disposition::NoAnswer,
        (_, Some(20)) => Disposition::Unreachable,
        (_, Some(21)) if status == 480 => Disposition::Declined,
        (_, Some(34 | 38 | 41 | 42 | 47)) => Disposition::Congestion,
        (480 | 487, _) => Disposition::NoAnswer,
        _ => Disposition::Congestion,
    }
}

/// What a network tone says of the number, in early media or after the answer; `None` when it says nothing final.
pub fn of_tone(kind: ToneKind) -> Option<Disposition> {
    match kind {
        ToneKind::SitInvalid => Some(Disposition::InvalidNumber),
        ToneKind::SitCongestion | ToneKind::Reorder => Some(Disposition::Congestion),
        ToneKind::Sit => Some(Disposition::Tone),
        ToneKind::Busy => Some(Disposition::Busy),
        ToneKind::FaxCng
        | ToneKind::FaxCed
        | ToneKind::RingBack
        | ToneKind::DialTone
        | ToneKind::Dtmf
        | ToneKind::Music => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Disposition::*;

    #[test]
    fn statuses_and_causes_give_their_disposition() {
        let table = [
            (486, None, Busy),
            (600, None, Busy),
            (603, None, Declined),
            (607, Some(21), Declined),
            (608, None, Declined),
            (404, Some(1), InvalidNumber),
            (410, None, InvalidNumber),
            (484, Some(28), InvalidNumber),
            (604, None, InvalidNumber),
            (480, None, NoAnswer),
            (480, Some(18), NoAnswer),
            (480, Some(20), Unreachable),
            (480, Some(21), Declined),
            (487, Some(16), NoAnswer),
            (403, Some(57), TrunkRejected),
            (407, None, TrunkRejected),
            (488, Some(88), MediaMismatch),
            (500, None, Congestion),
            (503, Some(34), Congestion),
            (500, Some(1), InvalidNumber),
            (302, None, Congestion),
        ];
        for (status, cause, expected) in table {
            assert_eq!(disposition_of(status, cause), expected, "{status} with cause {cause:?}");
        }
    }

    #[test]
    fn only_a_failure_of_the_trunk_leads_to_another_trunk() {
        for status in [401, 403, 407, 408, 500, 502, 503, 504] {
            assert!(
                matches!(of_response(status, None, false, &FAILOVER_ON), Next::OtherTrunk(_)),
                "{status}"
            );
        }
        for cause in [1, 17, 18, 19, 20, 22, 28] {
            let next = of_response(503, Some(cause), false, &FAILOVER_ON);
            assert!(matches!(next, Next::Final(_)), "503 with cause {cause}");
        }
        for status in [404, 410, 480, 484, 486, 487, 488, 600, 603, 604, 606, 607, 608] {
            assert!(matches!(of_response(status, None, false, &FAILOVER_ON), Next::Final(_)), "{status}");
        }
    }

    #[test]
    fn the_owner_of_a_trunk_says_which_statuses_are_the_trunks() {
        let only_these = [404, 500];
        assert_eq!(of_response(404, None, false, &only_these), Next::OtherTrunk(InvalidNumber));
        assert_eq!(of_response(404, Some(1), false, &only_these), Next::Final(InvalidNumber), "cause 1");
        assert_eq!(of_response(404, Some(3), false, &only_these), Next::OtherTrunk(InvalidNumber), "cause 3");
        assert_eq!(of_response(503, None, false, &only_these), Next::Final(Congestion));
        assert_eq!(of_response(404, None, true, &only_these), Next::Final(InvalidNumber), "the phone rang");
    }

    #[test]
    fn whoever_was_rung_is_not_rung_again_through_another_trunk() {
        for status in 300..700 {
            assert!(matches!(of_response(status, None, true, &FAILOVER_ON), Next::Final(_)), "{status}");
        }
        assert_eq!(of_response(408, None, true, &FAILOVER_ON), Next::Final(NoAnswer));
    }

    #[test]
    fn a_callee_who_rejects_the_ringing_call_has_declined_whatever_the_status() {
        for status in [403, 480, 503, 603] {
            assert_eq!(of_response(status, Some(21), true, &FAILOVER_ON), Next::Final(Declined), "{status}");
        }
        assert_eq!(of_response(403, Some(21), false, &FAILOVER_ON), Next::OtherTrunk(TrunkRejected));
    }
}
