//! One side of a call: its stream, how far its INVITE has come, and its session description (RFC 3264).

use crate::audio::g711::Law;
use crate::call::attempt::Placement;
use crate::call::keys::Dtmf;
use crate::media::command::{self, Coding, Session, StreamKey};
use crate::sdp::{self, Codec, Direction, Negotiated, Security};
use std::net::SocketAddr;

/// The payload type that we offer for telephone-event (RFC 4733); any dynamic number would do.
const TELEPHONE_EVENT: u8 = 101;

/// Packet time that we offer, in milliseconds.
const PTIME_MS: u8 = 20;

/// How far a leg has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Nothing has been asked for it.
    Idle,
    /// Its port is being taken.
    Opening,
    /// It has a port and no INVITE.
    Open,
    /// Its INVITE is out.
    Calling,
    /// It was answered.
    Answered,
    /// Its session has ended, or its end is under way and needs no more of us.
    Over,
}

/// One side of a call.
#[derive(Clone, Debug)]
pub struct Leg {
    /// Its stream.
    pub stream: StreamKey,
    /// How far it has come.
    pub progress: Progress,
    /// Whether the media plane holds a port for it (or is about to).
    pub port_held: bool,
    /// Its stream has been told to close.
    pub closing: bool,
    local: Option<SocketAddr>,
    codecs: Vec<Codec>,
    security: Security,
    dtmf: Dtmf,
    comfort_noise: bool,
    session_id: u64,
    version: u64,
    /// Which way we want media to flow.
    direction: Direction,
    /// What was settled last.
    session: Option<Session>,
}

impl Leg {
    /// A leg that has nothing yet. `session_id` is the o= line's, unique for this call.
    pub fn new(stream: StreamKey, session_id: u64) -> Self {
        Leg {
            stream,
            progress: Progress::Idle,
            port_held: false,
            closing: false,
            local: None,
            codecs: Vec::new(),
            security: Security::Plain,
            dtmf: Dtmf::Auto,
            comfort_noise: false,
            session_id,
            version: 1,
            direction: Direction::BOTH,
            session: None,
        }
    }

    /// Its port is taken.
    pub fn handle_opened(&mut self, local: SocketAddr) {
        self.local = Some(local);
        self.progress = Progress::Open;
    }

    /// The offer of an INVITE by the trunk's rules.
    pub fn offer(&mut self, placement: &Placement) -> Vec<u8> {
        self.codecs.clone_from(&placement.codecs);
        self.security = placement.security;
        (self.dtmf, self.comfort_noise) = (placement.dtmf, placement.comfort_noise);
        sdp::offer(&self.local_description())
    }

    /// Whether keys for its party go by INFO.
    pub fn has_keys_by_info(&self) -> bool {
        self.session.is_some_and(|session| session.keys_by_info)
    }

    /// What the peer's answer settles.
    pub fn read_answer(&mut self, answer: &[u8]) -> Result<Session, sdp::Unusable> {
        let negotiated = sdp::read_answer(&self.local_description(), answer)?;
        Ok(self.settle(negotiated))
    }

    /// Answers the offer of a re-INVITE. Without an offer in it (RFC 3261, 14.2) our own offer is repeated and the answer
    /// comes in the ACK, so the session stays as it is.
    pub fn answer(&mut self, offer: Option<&[u8]>) -> Result<(Vec<u8>, Option<Session>), sdp::Unusable> {
        let Some(offer) = offer else {
            self.version += 1;
            return Ok((sdp::offer(&self.local_description()), None));
        };
        // An offer that is refused leaves our description as it was said last.
        let next = sdp::Offer { version: self.version + 1, ..self.local_description() };
        let (answer, negotiated) = sdp::answer(&next, offer)?;
        self.version += 1;
        Ok((answer, Some(self.settle(negotiated))))
    }

    /// An offer that puts the peer on hold (RFC 3264 section 8.4), or one that takes that back.
    pub fn offer_hold(&mut self, hold: bool) -> Vec<u8> {
        self.version += 1;
        self.direction = if hold { Direction::SEND_ONLY } else { Direction::BOTH };
        sdp::offer(&self.local_description())
    }

    /// The peer refused what was offered: nothing is held.
    pub fn handle_hold_refused(&mut self) {
        self.direction = Direction::BOTH;
    }

    /// Another leg at the same port, which takes this one's place once it is answered.
    pub fn successor(&self, session_id: u64) -> Leg {
        let (version, direction, session) = (1, Direction::BOTH, None);
        Leg { session_id, version, direction, session, progress: Progress::Open, ..self.clone() }
    }

    /// Its party is gone and the port waits for another one: the session in which nothing is sent nor missed, if there was one.
    pub fn forsake(&mut self) -> Option<Session> {
        self.session.take().map(|session| Session { send: false, receive: false, ..session })
    }

    /// Who holds by an address of nowhere (RFC 2543 section B.5) is sent nothing, no report either: the address that it
    /// had stays aimed at, and nobody is missed.
    fn settle(&mut self, negotiated: Negotiated) -> Session {
        let mut session = session_of(negotiated, self.dtmf);
        if session.remote.ip().is_unspecified() {
            session.receive = false;
            let before = self.session.unwrap_or(session);
            (session.remote, session.remote_rtcp) = (before.remote, before.remote_rtcp);
        }
        self.session = Some(session);
        session
    }

    fn local_description(&self) -> sdp::Offer<'_> {
        let local = self.local.expect("a leg speaks of its port only after it was opened");
        sdp::Offer {
            session_id: self.session_id,
            version: self.version,
            address: local.ip(),
            port: local.port(),
            codecs: &self.codecs,
            telephone_event: Some(TELEPHONE_EVENT),
            comfort_noise: self.comfort_noise,
            ptime_ms: PTIME_MS,
            direction: self.direction,
            rtcp_mux: true,
            security: self.security,
        }
    }
}

fn session_of(negotiated: Negotiated, dtmf: Dtmf) -> Session {
    Session {
        remote: negotiated.remote,
        remote_rtcp: negotiated.remote_rtcp,
        coding: match negotiated.codec {
            Codec::Pcmu => Coding::G711(Law::Mu),
            Codec::Pcma => Coding::G711(Law::A),
            Codec::G722 => Coding::G722,
        },
        payload_type: negotiated.codec.payload_type(),
        telephone_event: negotiated.telephone_event,
        own_telephone_event: negotiated.own_telephone_event,
        send: negotiated.direction.send,
        receive: negotiated.direction.receive,
        ptime_ms: negotiated.ptime_ms,
        g711_beside: negotiated.g711_beside,
        rtcp_mux: negotiated.rtcp_mux,
        audible_keys: negotiated.telephone_event.is_none(),
        keys_by_info: dtmf.is_info(negotiated.telephone_event.is_some()),
        comfort_noise: negotiated.comfort_noise,
        srtp: negotiated.protection.map(keys_of),
    }
}

fn keys_of(protection: sdp::Protection) -> command::Keys {
    command::Keys {
        suite: match protection.suite {
            sdp::Suite::Tag80 => command::Suite::Tag80,
            sdp::Suite::Tag32 => command::Suite::Tag32,
        },
        local: command::MasterKey(protection.local.0),
        remote: command::MasterKey(protection.remote.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_rises_by_one_with_each_description_that_is_said() {
        let mut leg = Leg::new(StreamKey::from_u64(0), 7);
        leg.handle_opened("192.0.2.5:20000".parse().unwrap());
        leg.codecs = vec![Codec::Pcmu];
        let offer = |kind| format!("v=0\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm={kind} 4000 RTP/AVP 0\r\n");
        let version = |sdp: &[u8]| {
            let text = String::from_utf8_lossy(sdp).into_owned();
            text.lines().nth(1).unwrap().split(' ').nth(2).unwrap().parse::<u64>().unwrap()
        };
        assert_eq!(version(&leg.answer(Some(offer("audio").as_bytes())).unwrap().0), 2);
        assert!(leg.answer(Some(offer("video").as_bytes())).is_err());
        assert_eq!(version(&leg.answer(Some(offer("audio").as_bytes())).unwrap().0), 3);
        assert_eq!(version(&leg.answer(None).unwrap().0), 4);
        assert_eq!(version(&leg.offer_hold(true)), 5);
    }
}
