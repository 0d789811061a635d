//! Transactions: the four machines of RFC 3261 section 17, with the Accepted states of RFC 6026.
//!
//! A machine knows neither messages nor addresses. It is told what came (a status, a copy, a timer) and pushes
//! [`Action`]s into its caller's outbox; the caller keeps the bytes: for a client the request and later the ACK, for a
//! server the last response. So a transaction that only lingers is a few words of memory.
//!
//! | file | machine |
//! |---|---|
//! | [`invite_client`] | INVITE as client, 17.1.1: the one to read first |
//! | [`client`] | all other requests as client, 17.1.2 |
//! | [`invite_server`] | INVITE as server, 17.2.1 |
//! | [`server`] | all other requests as server, 17.2.2 |
//! | [`timer`] | the timers' values |
//! | [`layer`] | all transactions of an endpoint: matching, bytes, bounds |
//! | [`owner`] | who started a client transaction |

pub mod client;
mod client_record;
pub mod invite_client;
pub mod invite_server;
pub mod layer;
pub mod owner;
pub mod server;
pub(crate) mod server_record;
pub mod timer;

#[cfg(test)]
pub(crate) mod transcript;

/// What a machine asks of its caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Transmit the message that is kept for this transaction: the request, its ACK, or the last response.
    Transmit,
    /// Make the ACK of RFC 3261 section 17.1.1.3 for the response in hand, keep it in place of the INVITE, transmit it.
    Acknowledge,
    /// Hand the message in hand to the transaction's user.
    Deliver,
    /// Tell the user that the peer stayed silent for 64*T1.
    TimedOut,
    /// Tell the user that the transport failed.
    TransportFailed,
    /// The machine is done: forget it.
    Terminated,
}
