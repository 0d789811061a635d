//! Who started a client transaction, and so who hears of its responses.

use crate::slab::Key;

/// The user of a client transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// A session's first INVITE.
    Dial(Key),
    /// A session's re-INVITE or UPDATE.
    Reinvite(Key),
    /// A session's PRACK.
    Prack(Key),
    /// A session's REFER.
    Refer(Key),
    /// A session's NOTIFY about a REFER of its peer.
    Notify(Key),
    /// A session's INFO.
    Info(Key),
    /// A registration.
    Registration(Key),
    /// An OPTIONS.
    Ping(Key),
    /// A BYE; it may yet be challenged when its session has gone.
    Farewell(Key),
    /// A call of a former run: its INVITEs, their CANCELs, its BYEs.
    Orphan(Key),
    /// An INVITE that its session waits for no more, though it may yet be answered.
    Late(Key),
    /// Nobody: a CANCEL, or what is left of a session.
    Nobody,
}
