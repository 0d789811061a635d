//! The records that an attempt begins with.

use super::*;

/// The INVITE as the store commits it.
pub(super) fn invite_record(plan: &Plan, placement: &Placement, at: WallTime) -> InviteRecord {
    InviteRecord {
        attempt: plan.id,
        contact: plan.contact,
        campaign: plan.campaign.clone(),
        number: plan.number.clone(),
        caller_id: plan.caller_id.clone(),
        trunk: placement.trunk.clone(),
        call_id: placement.call_id.clone(),
        at,
    }
}

/// A record in which nothing has happened yet.
pub(super) fn blank_record(invite: &InviteRecord, at: WallTime) -> CallRecord {
    CallRecord {
        attempt: invite.attempt,
        contact: invite.contact,
        campaign: invite.campaign.clone(),
        number: invite.number.clone(),
        caller_id: invite.caller_id.clone(),
        trunk: invite.trunk.clone(),
        call_id: invite.call_id.clone(),
        disposition: Disposition::Canceled,
        dialed_at: at,
        trying_at: None,
        ringing_at: None,
        early_media_at: None,
        answered_at: None,
        first_media_at: None,
        greeting_end_at: None,
        verdict_at: None,
        beep_at: None,
        drop_started_at: None,
        drop_ended_at: None,
        agent_dialed_at: None,
        agent_answered_at: None,
        bridged_at: None,
        ended_at: at,
        ended_by: EndedBy::Us,
        sip_status: 0,
        q850_cause: None,
        reason: String::new(),
        verdict: String::new(),
        verdict_cause: String::new(),
        revised_verdict: String::new(),
        codec: String::new(),
        packets_sent: 0,
        packets_received: 0,
        packets_lost: 0,
        jitter_ms: 0.0,
        round_trip_ms: None,
        recording: String::new(),
        agent: String::new(),
        digits: String::new(),
    }
}
