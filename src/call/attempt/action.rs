//! What an attempt asks of the engine: its whole outbox.

use crate::call::step::Step;
use crate::media::command::Command;
use crate::record::{CallLabel, CallRecord, InviteRecord};

/// Which leg.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// The person that the attempt is for.
    Callee,
    /// The agent.
    Agent,
    /// Who is to take the agent's place, until it has.
    Target,
}

/// What the attempt asks for.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Of the media plane.
    Media(Command),
    /// Of the store: commit this, then call [`super::Attempt::handle_committed`].
    Commit(InviteRecord),
    /// Send an INVITE with this offer. The agent's goes through the trunk that [`super::Attempt::handle_seat`] has named.
    Invite {
        /// To whom.
        side: Side,
        /// Its Call-ID.
        call_id: String,
        /// Its offer.
        sdp: Vec<u8>,
    },
    /// Name an agent, after another one did not answer too: [`super::Attempt::handle_seat`].
    PlaceAgent,
    /// End a session, by CANCEL or BYE.
    HangUp {
        /// Which.
        side: Side,
        /// Q.850 cause for the Reason header.
        q850: u16,
    },
    /// Answer a re-INVITE.
    AnswerOffer {
        /// Whose.
        side: Side,
        /// Our description, or a status.
        answer: Result<Vec<u8>, u16>,
    },
    /// Offer this description anew, by re-INVITE.
    Reoffer {
        /// To whom.
        side: Side,
        /// The offer.
        sdp: Vec<u8>,
    },
    /// The agent wants the call transferred: [`super::Attempt::handle_transfer`] with where to, or why not.
    PlaceTransfer {
        /// The Refer-To URI.
        to: String,
        /// The call that the new one is to replace.
        replaces: Option<String>,
    },
    /// Answer a REFER.
    AnswerRefer {
        /// Whose.
        side: Side,
        /// Accepted, or a status.
        answer: Result<(), u16>,
    },
    /// Tell how the call goes on that a REFER asked for.
    ReportRefer {
        /// Who asked.
        side: Side,
        /// Its status.
        status: u16,
    },
    /// Ask a peer by REFER to call somebody in our place.
    Refer {
        /// Which.
        side: Side,
        /// Whom.
        to: String,
    },
    /// Send a key by INFO.
    SendInfo {
        /// To whom.
        side: Side,
        /// The key.
        digit: char,
    },
    /// The transfer's target is the agent from here on: its session takes the place of the agent's.
    PromoteTarget,
    /// Another trunk is wanted: [`super::Attempt::handle_placement`].
    NextTrunk,
    /// The callee wants no more calls: at once.
    OptOut,
    /// The agent says who answered.
    Label {
        /// Who.
        label: CallLabel,
        /// The agent's URI.
        by: String,
    },
    /// For the journal.
    Journal(Step),
    /// Over before an INVITE left: the contact was not dialed and the attempt does not count.
    NotDialed {
        /// Why.
        reason: String,
    },
    /// Over; this is the record.
    Finished(Box<CallRecord>),
}
