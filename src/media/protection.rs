//! What protects one stream, both ways, once it was agreed on (RFC 3711, RFC 4568).

use crate::rtp::srtp::{Incoming, Keys, Outgoing};

/// Longer datagrams are no audio, and are not opened.
pub const DATAGRAM_MAX: usize = 1_500;

/// The keys of a stream, and how far each direction is.
#[derive(Clone)]
pub struct Protection {
    keys: Keys,
    outgoing: Outgoing,
    incoming: Incoming,
}

impl Protection {
    /// Of these keys. What `before` used already goes on where it was: a key that stays must not begin anew.
    pub fn new(keys: Keys, before: Option<&Protection>) -> Self {
        let same_suite = before.filter(|before| before.keys.suite == keys.suite);
        let outgoing = same_suite.filter(|before| before.keys.local == keys.local);
        let incoming = same_suite.filter(|before| before.keys.remote == keys.remote);
        Protection {
            keys,
            outgoing: outgoing
                .map_or_else(|| Outgoing::new(keys.suite, &keys.local), |before| before.outgoing.clone()),
            incoming: incoming
                .map_or_else(|| Incoming::new(keys.suite, &keys.remote), |before| before.incoming.clone()),
        }
    }

    /// What was agreed on.
    pub fn keys(&self) -> Keys {
        self.keys
    }

    /// Opens a packet into `plain`; none when it is not the peer's, or was taken already.
    pub fn open<'a>(&mut self, bytes: &[u8], plain: &'a mut [u8; DATAGRAM_MAX]) -> Option<&'a [u8]> {
        let copy = plain.get_mut(..bytes.len())?;
        copy.copy_from_slice(bytes);
        let length = self.incoming.open(copy).ok()?;
        Some(&plain[..length])
    }

    /// Opens a compound of RTCP into `plain`; none when it is not the peer's, or was taken already.
    pub fn open_rtcp<'a>(&mut self, bytes: &[u8], plain: &'a mut [u8; DATAGRAM_MAX]) -> Option<&'a [u8]> {
        let copy = plain.get_mut(..bytes.len())?;
        copy.copy_from_slice(bytes);
        let length = self.incoming.open_rtcp(copy).ok()?;
        Some(&plain[..length])
    }

    /// Protects a packet in place; tells its new length.
    pub fn protect(&mut self, buffer: &mut [u8], length: usize) -> usize {
        self.outgoing.protect(buffer, length)
    }

    /// Protects a compound of RTCP in place; tells its new length.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Option<usize> {
        self.outgoing.protect_rtcp(buffer, length)
    }
}
