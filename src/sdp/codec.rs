//! The codecs that we speak (RFC 3551 section 6).

/// G.711 of one law or the other, or G.722: one channel, and a payload type of its own, beside which a peer may use another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Codec {
    /// Mu-law, payload type 0.
    Pcmu,
    /// A-law, payload type 8.
    Pcma,
    /// G.722 at 64 kbit/s, payload type 9: twice the band, for agents' telephones.
    G722,
}

impl Codec {
    /// Its static payload type.
    pub fn payload_type(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
            Codec::G722 => 9,
        }
    }

    /// Its name in an rtpmap.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
            Codec::G722 => "G722",
        }
    }

    /// Its RTP clock rate in hertz; that of G.722 is half its sampling rate (RFC 3551, 4.5.2).
    pub fn clock_hz(self) -> u32 {
        8000
    }

    /// The codec of a name in an rtpmap.
    pub fn from_name(name: &str) -> Option<Codec> {
        [Codec::Pcmu, Codec::Pcma, Codec::G722]
            .into_iter()
            .find(|codec| name.eq_ignore_ascii_case(codec.name()))
    }

    /// The codec of a static payload type.
    pub fn from_payload_type(payload_type: u8) -> Option<Codec> {
        [Codec::Pcmu, Codec::Pcma, Codec::G722].into_iter().find(|codec| codec.payload_type() == payload_type)
    }
}
