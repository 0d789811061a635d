//! The contract between the planes: what the engine asks of the media plane, and what it hears back.
//!
//! A stream is one leg's RTP session: a socket, a codec, a jitter buffer, and, on demand, a detector, a player, a
//! recording, a partner. Commands for one stream are carried out in order; an event carries the key of its stream.

pub use super::presses::{Means, Presses};
use crate::amd::verdict::Finding;
use crate::audio::g711::Law;
pub use crate::rtp::srtp::{Keys, MasterKey, Suite};
use crate::slab::Key;
use crate::time::Instant;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A stream, by the engine's own key.
pub type StreamKey = Key;

/// A prompt, by its place in the table that was loaded at the start.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PromptId(pub u32);

/// What the offer and the answer settled.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Session {
    /// Where the peer takes RTP; packets of other addresses are dropped.
    pub remote: SocketAddr,
    /// Where the peer takes RTCP.
    pub remote_rtcp: SocketAddr,
    /// The address of ours that SDP has named, where another may lead to the peer: it sends there.
    pub local: Option<IpAddr>,
    /// How both directions are coded.
    pub coding: Coding,
    /// The payload type of the audio that we send (0 PCMU, 8 PCMA, 9 G722, or the peer's own number for one of them).
    pub payload_type: u8,
    /// The payload type of telephone-event (RFC 4733), when agreed.
    pub telephone_event: Option<u8>,
    /// Another one by which the peer may send them: ours, where it has its own (RFC 3264, 5.1 and 6.1).
    pub own_telephone_event: Option<u8>,
    /// We may send (`sendrecv`, `sendonly` on our side). When false the stream is on hold and sends nothing.
    pub send: bool,
    /// The peer may send.
    pub receive: bool,
    /// How many milliseconds of audio the peer likes in a packet, 10 to 60.
    pub ptime_ms: u8,
    /// The peer may send G.711 of the other law too, beside G.722 of either, on its static payload type (RFC 3264, 5.1: all
    /// that was agreed on counts).
    pub g711_beside: bool,
    /// The peer may send G.722 too, beside G.711, on its static payload type (as above).
    pub g722_beside: bool,
    /// RTCP travels on the port of RTP (RFC 5761).
    pub rtcp_mux: bool,
    /// Keys are listened for in the sound, as the peer knows no telephone-event.
    pub audible_keys: bool,
    /// The peer takes reports. One that holds by an address of nowhere takes none (RFC 3264, 8.4), and nobody is there to.
    pub reports: bool,
    /// Keys for the peer go by signalling: none is sent here.
    pub keys_by_info: bool,
    /// The peer makes its own comfort noise while nothing is said (RFC 3389): its level is sent in place of silence.
    pub comfort_noise: bool,
    /// Both directions are protected (RFC 3711); nothing that is not is taken.
    pub srtp: Option<Keys>,
}

impl Session {
    /// Plain G.711 of one law both ways, 20 ms a packet, with telephone events on 101 and RTCP on the next port.
    pub fn plain(remote: SocketAddr, law: Law) -> Self {
        Session {
            remote,
            remote_rtcp: SocketAddr::new(remote.ip(), remote.port().saturating_add(1)),
            local: None,
            coding: Coding::G711(law),
            payload_type: Coding::G711(law).payload_type(),
            telephone_event: Some(101),
            own_telephone_event: None,
            send: true,
            receive: true,
            ptime_ms: 20,
            g711_beside: false,
            g722_beside: false,
            rtcp_mux: false,
            reports: true,
            audible_keys: false,
            keys_by_info: false,
            comfort_noise: false,
            srtp: None,
        }
    }

    /// Whether it holds one side or both: then the peer need not send. Who holds with `sendonly` may play music, or nothing
    /// (RFC 3264, 8.4).
    pub fn may_be_silent(&self) -> bool {
        !self.receive || !self.send
    }

    /// Whether telephone-events may come by this payload type.
    pub fn is_telephone_event(&self, payload_type: u8) -> bool {
        [self.telephone_event, self.own_telephone_event].contains(&Some(payload_type))
    }

    /// The coding of a payload type, when it is one of audio that may come. Who answers with a number of its own sends with that
    /// of our offer, the static one (RFC 3264, 5.1).
    pub fn coding_of(&self, payload_type: u8) -> Option<Coding> {
        if [self.payload_type, self.coding.payload_type()].contains(&payload_type) {
            return Some(self.coding);
        }
        let beside = [
            (Coding::G711(Law::Mu), self.g711_beside),
            (Coding::G711(Law::A), self.g711_beside),
            (Coding::G722, self.g722_beside),
        ];
        let is_meant = |coding: &Coding| coding.payload_type() == payload_type;
        beside.into_iter().filter_map(|(coding, may_come)| may_come.then_some(coding)).find(is_meant)
    }
}

/// How audio is coded on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Coding {
    /// G.711.
    G711(Law),
    /// G.722 at 64 kbit/s.
    G722,
}

impl Coding {
    /// The law in which what is to be said is kept before it is coded: for G.711 that is all.
    pub fn law(self) -> Law {
        match self {
            Coding::G711(law) => law,
            Coding::G722 => Law::Mu,
        }
    }

    /// Its static payload type (RFC 3551, 6).
    fn payload_type(self) -> u8 {
        match self {
            Coding::G711(Law::Mu) => 0,
            Coding::G711(Law::A) => 8,
            Coding::G722 => 9,
        }
    }
}

/// The engine asks.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Take a port; answered by [`EventKind::Opened`] or [`EventKind::OpenFailed`]. `partner` asks for the same worker thread, so
    /// that both can be bridged.
    Open {
        /// The new stream.
        stream: StreamKey,
        /// The stream that it will be bridged with.
        partner: Option<StreamKey>,
    },
    /// Start, or after a re-INVITE change, the RTP session. Sending begins at once (silence when nothing plays).
    Connect {
        /// Which.
        stream: StreamKey,
        /// What was agreed.
        session: Session,
    },
    /// Listen for network tones on early media: no verdict, only [`Finding::Tone`].
    DetectTones {
        /// Which.
        stream: StreamKey,
    },
    /// Start answering-machine detection: time zero of the detector is now.
    Detect {
        /// Which.
        stream: StreamKey,
    },
    /// Stop the detector.
    StopDetecting {
        /// Which.
        stream: StreamKey,
    },
    /// Play a prompt from its beginning, in place of what played before.
    Play {
        /// Which.
        stream: StreamKey,
        /// What.
        prompt: PromptId,
        /// Again and again, until stopped.
        repeat: bool,
    },
    /// Stop playing.
    StopPlaying {
        /// Which.
        stream: StreamKey,
    },
    /// Send digits by RFC 4733, 100 ms each and 60 ms apart. To a stream with a partner they are what that pressed and told
    /// in SIP INFO: what it has told in the media too, before or after, is sent once ([`Presses`]).
    SendDigits {
        /// Which.
        stream: StreamKey,
        /// `0`-`9`, `*`, `#`, `A`-`D`; others are skipped.
        digits: String,
    },
    /// Join two streams: each hears the other. Ends what plays on both.
    Bridge {
        /// One.
        a: StreamKey,
        /// The other.
        b: StreamKey,
    },
    /// Part them again.
    Unbridge {
        /// One of the two.
        stream: StreamKey,
    },
    /// Hand a copy of every packet of RTP, both ways, to whoever traces the call; or no longer.
    Trace {
        /// Which.
        stream: StreamKey,
        /// From now on, or no longer.
        on: bool,
    },
    /// Record to a stereo WAV file: left what the peer says, right what we send.
    Record {
        /// Which.
        stream: StreamKey,
        /// The file.
        path: PathBuf,
    },
    /// Keep nothing of what is said for now, or again: in the recording silence stands for it, so that both sides stay where
    /// they belong, and a trace has no packet of it.
    Withhold {
        /// Which.
        stream: StreamKey,
        /// From now on, or no longer.
        on: bool,
    },
    /// Report the level of the received audio ten times a second ([`EventKind::Level`]).
    Watch {
        /// Which.
        stream: StreamKey,
    },
    /// Close the stream, give its port back; answered by [`EventKind::Closed`].
    Close {
        /// Which.
        stream: StreamKey,
    },
    /// Replace the prompt table (reload). Streams that play keep what they play.
    LoadPrompts(Arc<crate::media::player::PromptTable>),
    /// The prompts of others that the detectors recognise; calls in flight are listened to for them too.
    Enrol(Arc<crate::amd::Prompts>),
}

impl Command {
    /// Whom it is for, the first of two; `None` where it is for all.
    pub fn stream(&self) -> Option<StreamKey> {
        match self {
            Command::LoadPrompts(_) | Command::Enrol(_) => None,
            Command::Bridge { a: stream, .. }
            | Command::Open { stream, .. }
            | Command::Connect { stream, .. }
            | Command::DetectTones { stream }
            | Command::Detect { stream }
            | Command::StopDetecting { stream }
            | Command::Play { stream, .. }
            | Command::StopPlaying { stream }
            | Command::SendDigits { stream, .. }
            | Command::Unbridge { stream }
            | Command::Record { stream, .. }
            | Command::Trace { stream, .. }
            | Command::Withhold { stream, .. }
            | Command::Watch { stream }
            | Command::Close { stream } => Some(*stream),
        }
    }
}

/// The media plane tells.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Which stream.
    pub stream: StreamKey,
    /// When, on the engine's clock.
    pub at: Instant,
    /// What.
    pub kind: EventKind,
}

/// What the media plane tells.
#[derive(Clone, PartialEq, Debug)]
pub enum EventKind {
    /// The port is taken: offer this address.
    Opened {
        /// The local address of RTP; RTCP is one port above.
        local: SocketAddr,
    },
    /// No port or no memory for another stream; last word on it, there is nothing to close.
    OpenFailed {
        /// Why, for the operator.
        reason: String,
    },
    /// The first packet was sent after [`Command::Connect`].
    FirstSent,
    /// The first valid packet came.
    FirstReceived,
    /// No valid packet came for the configured time.
    MediaTimeout,
    /// The detector speaks. Its times count from [`Command::Detect`], see `detect_started`.
    Finding {
        /// Instant of the detector's time zero.
        detect_started: Instant,
        /// What it found.
        finding: Finding,
    },
    /// The peer pressed a key: by telephone event (RFC 4733), or in its sound.
    Digit(char),
    /// A prompt that does not repeat was played to its end.
    Played(PromptId),
    /// The level of the received audio of the last 100 ms in dBFS.
    Level(f32),
    /// The recording could not be written, or fell behind and lost so many frames.
    RecordingFault(String),
    /// The stream is closed and its port free; last word on it.
    Closed(Statistics),
}

/// RTP statistics of a stream's life.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Statistics {
    /// Packets sent.
    pub packets_sent: u64,
    /// Valid packets received.
    pub packets_received: u64,
    /// Packets lost (RFC 3550, A.3).
    pub packets_lost: u64,
    /// Packets dropped because of their source, SSRC or payload type. For the last reason alone they are received as well, and
    /// not lost.
    pub packets_refused: u64,
    /// Interarrival jitter (RFC 3550, 6.4.1).
    pub jitter: Duration,
    /// Round trip (RFC 3550, 6.4.1: LSR and DLSR), when the peer reported.
    pub round_trip: Option<Duration>,
}
