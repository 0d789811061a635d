//! SDP: session descriptions and the offer/answer model (RFC 8866, RFC 3264).
//!
//! [`offer()`] writes what we offer; [`read_answer`] settles what the peer's answer to it means; [`answer()`] does both
//! for an offer of the peer's. What was settled is a [`Negotiated`]: one audio stream, G.711 of either law, with
//! telephone-events where both sides know them. Hold is a direction: offering [`Direction::SEND_ONLY`] puts the peer
//! on hold, and a peer that says it, or gives no address, has put us there. What we have refused beside the audio
//! ([`Refused`]) is said again in later offers. Keys for SRTP travel in `crypto` attributes ([`Security`]).
//!
//! Reading is done by the crate sdp-types, behind [`Description`], which bounds it and drops the lines that nobody
//! here reads before they can be the reason to refuse a call.

mod answer;
mod codec;
mod crypto;
mod description;
mod direction;
mod offer;
mod refused;

pub use answer::{Negotiated, Unusable, answer, read_answer};
pub use codec::Codec;
pub use crypto::{MASTER_KEY, MasterKey, Protection, Security, Suite};
pub use description::{
    ATTRIBUTES_MAX, DESCRIPTION_BYTES_MAX, Description, FORMATS_MAX, MEDIA_MAX, Malformed,
};
pub use direction::Direction;
pub use offer::{Offer, offer};
pub use refused::{Refused, refused};

#[cfg(test)]
mod tests;
