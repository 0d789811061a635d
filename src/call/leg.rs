//! One side of a call: its stream, how far its INVITE has come, and its session description (RFC 3264).

use crate::audio::g711::Law;
use crate::call::attempt::Placement;
use crate::call::keys::Dtmf;
use crate::media::command::{self, Coding, Session, StreamKey};
use crate::sdp::{self, Codec, Direction, Negotiated, Refused, Security};
use std::net::{IpAddr, SocketAddr};

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
    /// What its party is told instead of the port's address.
    address: Option<IpAddr>,
    codecs: Vec<Codec>,
    security: Security,
    dtmf: Dtmf,
    comfort_noise: bool,
    session_id: u64,
    version: u64,
    /// Which way we want media to flow.
    direction: Direction,
    /// An offer of ours has not been answered.
    offered: bool,
    /// What was settled last.
    session: Option<Session>,
    /// The peer's lines that we have refused, before our audio and behind it.
    refused: (Vec<Refused>, Vec<Refused>),
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
            address: None,
            codecs: Vec::new(),
            security: Security::Plain,
            dtmf: Dtmf::Auto,
            comfort_noise: false,
            session_id,
            version: 1,
            direction: Direction::BOTH,
            offered: false,
            session: None,
            refused: Default::default(),
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
        (self.security, self.address) = (placement.security, placement.media_address);
        (self.dtmf, self.comfort_noise) = (placement.dtmf, placement.comfort_noise);
        self.refused = Default::default();
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
        self.refused = sdp::refused(&answer);
        Ok((answer, Some(self.settle(negotiated))))
    }

    /// An offer that puts the peer on hold (RFC 3264 section 8.4), or one that takes that back.
    pub fn offer_hold(&mut self, hold: bool) -> Vec<u8> {
        self.version += 1;
        self.direction = if hold { Direction::SEND_ONLY } else { Direction::BOTH };
        self.offered = true;
        sdp::offer(&self.local_description())
    }

    /// The same offer anew, when one of ours still waits: the peer has offered something meanwhile, and what was written before
    /// that is of yesterday.
    pub fn offer_anew(&mut self) -> Option<Vec<u8>> {
        self.offered.then(|| {
            self.version += 1;
            sdp::offer(&self.local_description())
        })
    }

    /// An offer of ours has been answered or refused.
    pub fn handle_offer_over(&mut self) {
        self.offered = false;
    }

    /// The peer refused what was offered: nothing is held.
    pub fn handle_hold_refused(&mut self) {
        self.direction = Direction::BOTH;
    }

    /// Another leg at the same port, which takes this one's place once it is answered.
    pub fn successor(&self, session_id: u64) -> Leg {
        let (version, direction, session, refused) = (1, Direction::BOTH, None, Default::default());
        let (progress, offered) = (Progress::Open, false);
        Leg { session_id, version, direction, session, refused, progress, offered, ..self.clone() }
    }

    /// Its party is gone and the port waits for another one: the session in which nothing is sent nor missed, if there was one.
    pub fn forsake(&mut self) -> Option<Session> {
        self.session.take().map(|session| Session { send: false, receive: false, reports: false, ..session })
    }

    /// Who holds by an address of nowhere (RFC 2543 section B.5) is sent nothing, no report either: the address that it
    /// had stays aimed at, and nobody is missed.
    fn settle(&mut self, negotiated: Negotiated) -> Session {
        let mut session = Session { local: self.address, ..session_of(negotiated, self.dtmf) };
        if session.remote.ip().is_unspecified() {
            (session.receive, session.reports) = (false, false);
            let before = self.session.unwrap_or(session);
            (session.remote, session.remote_rtcp) = (before.remote, before.remote_rtcp);
        }
        self.session = Some(session);
        session
    }

    fn local_description(&self) -> sdp::Offer<'_> {
        let local = self.local.expect("a leg speaks of its port only after it was opened");
        sdp::Offer {
            before: &self.refused.0,
            after: &self.refused.1,
            session_id: self.session_id,
            version: self.version,
            address: self.address.unwrap_or(local.ip()),
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
        local: None,
        coding: match negotiated.codec {
            Codec::Pcmu => Coding::G711(Law::Mu),
            Codec::Pcma => Coding::G711(Law::A),
            Codec::G722 => Coding::G722,
        },
        payload_type: negotiated.payload_type,
        telephone_event: negotiated.telephone_event,
        own_telephone_event: negotiated.own_telephone_event,
        send: negotiated.direction.send,
        receive: negotiated.direction.receive,
        ptime_ms: negotiated.ptime_ms,
        g711_beside: negotiated.g711_beside,
        g722_beside: negotiated.g722_beside,
        rtcp_mux: negotiated.rtcp_mux,
        reports: true,
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
        let mut leg = leg();
        let offer = |kind| described(&format!("m={kind} 4000 RTP/AVP 0\r\n"));
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

    #[test]
    fn every_line_that_the_session_has_is_in_our_next_offers_at_its_place() {
        const AUDIO: &str = "m=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n";
        const VIDEO: &str = "m=video 4002 RTP/AVPF 98 99\r\na=rtpmap:98 VP8/90000\r\n";
        const IMAGE: &str = "m=image 4004 udptl t38\r\n";
        const OURS: &str = "audio 20000 RTP/AVP 0 101";
        let table: &[(&[&str], &[&str])] = &[
            (&[AUDIO], &[OURS]),
            (&[AUDIO, VIDEO], &[OURS, "video 0 RTP/AVPF 98"]),
            (&[VIDEO, AUDIO], &["video 0 RTP/AVPF 98", OURS]),
            (&[IMAGE, AUDIO, VIDEO], &["image 0 udptl t38", OURS, "video 0 RTP/AVPF 98"]),
            (&["m=audio 0 RTP/AVP 0\r\n", AUDIO], &["audio 0 RTP/AVP 0", OURS]),
            (&[AUDIO, AUDIO], &[OURS, "audio 0 RTP/AVP 0"]),
        ];
        for (theirs, expected) in table {
            let mut leg = leg();
            leg.answer(Some(described(&theirs.concat()).as_bytes())).unwrap();
            assert_eq!(lines(&leg.answer(None).unwrap().0), *expected, "{theirs:?}: our offer in a 200");
            assert_eq!(lines(&leg.offer_hold(true)), *expected, "{theirs:?}: hold");
            let session = leg.read_answer(described(&theirs.concat()).as_bytes()).unwrap();
            assert_eq!(session.remote.port(), 4000, "{theirs:?}: the answer is read at the same place");
            // An offer that is refused changes nothing.
            assert!(leg.answer(Some(described(IMAGE).as_bytes())).is_err());
            assert_eq!(lines(&leg.offer_hold(false)), *expected, "{theirs:?}");
            let fresh = leg.successor(8).local_description().before.len();
            assert_eq!(fresh, 0, "another session has lines of its own");
        }
        let mut leg = leg();
        let flood = format!("m={} 1 RTP/AVP {}\r\n", "x".repeat(2_000), "9".repeat(2_000));
        let offer = described(&(flood.repeat(sdp::MEDIA_MAX - 1) + AUDIO));
        leg.answer(Some(offer.as_bytes())).unwrap();
        let again = leg.offer_hold(true);
        assert_eq!(lines(&again).len(), sdp::MEDIA_MAX);
        assert!(again.len() < 2_000, "words are cut: {} bytes", again.len());
    }

    #[test]
    fn who_holds_by_an_address_of_nowhere_is_sent_nothing_until_it_names_one_again() {
        let mut leg = leg();
        let offer = described("m=audio 4000 RTP/AVP 0\r\n");
        let held = offer.replace("192.0.2.1", "0.0.0.0");
        let mut settled = |offer: &str| leg.answer(Some(offer.as_bytes())).unwrap().1.unwrap();
        let before = settled(&offer);
        let nowhere = settled(&held);
        assert_eq!((nowhere.send, nowhere.receive, nowhere.reports), (false, false, false));
        assert_eq!((nowhere.remote, nowhere.remote_rtcp), (before.remote, before.remote_rtcp));
        assert_eq!(settled(&offer), before);
        assert!(
            settled(&offer.replace("RTP/AVP 0", "RTP/AVP 0\r\na=inactive")).reports,
            "another hold has them"
        );
    }

    fn leg() -> Leg {
        let mut leg = Leg::new(StreamKey::from_u64(0), 7);
        leg.handle_opened("192.0.2.5:20000".parse().unwrap());
        leg.codecs = vec![Codec::Pcmu];
        leg
    }

    fn described(lines: &str) -> String {
        format!("v=0\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{lines}")
    }

    /// What stands behind each `m=`.
    fn lines(sdp: &[u8]) -> Vec<String> {
        let text = String::from_utf8_lossy(sdp).into_owned();
        text.lines().filter_map(|line| line.strip_prefix("m=")).map(str::to_owned).collect()
    }
}
