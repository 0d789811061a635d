//! Secure RTP and RTCP (RFC 3711) with AES in counter mode and HMAC-SHA1, as SDES agrees on it (RFC 4568, 6.2).
//!
//! ```text
//!  RTP   header | encrypted payload | tag of 10 or 4 bytes          authenticated: all of it, and the rollover counter
//!  RTCP  first 8 bytes | encrypted rest | E and index | tag of 10   authenticated: all of it
//! ```
//!
//! Keys are derived once (4.3.1, with a key derivation rate of zero). The way of a packet takes no memory. Nothing of a
//! packet is believed before its tag was found right, and each packet is taken once (3.3.2). A lifetime that the peer
//! gave its key is ignored: the limits of 9.2 are years away at fifty packets a second, and are kept.

use super::Ssrc;
use aes::Aes128;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use std::fmt;

/// The most bytes that protection adds to a packet of RTP.
pub const RTP_GROWTH: usize = 10;

/// The bytes that protection adds to a compound of RTCP: flag, index and tag.
pub const RTCP_GROWTH: usize = 4 + RTCP_TAG;

/// Bytes of a master key and its salt together.
pub const MASTER_KEY: usize = 30;

/// Both suites protect RTCP with the long tag (RFC 4568, 6.2.2).
const RTCP_TAG: usize = 10;

/// The encryption of RTCP begins behind the first header.
const RTCP_CLEAR: usize = 8;

/// Sources of one peer whose packets are told apart, for the replay window; the one that was longest silent gives way.
const SOURCES_MAX: usize = 4;

/// The last index of RTCP under one key (9.2).
const RTCP_INDEX_MAX: u32 = 0x7fff_ffff;

/// A crypto suite of SDES.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Suite {
    /// AES_CM_128_HMAC_SHA1_80.
    Tag80,
    /// AES_CM_128_HMAC_SHA1_32.
    Tag32,
}

impl Suite {
    fn tag(self) -> usize {
        match self {
            Suite::Tag80 => 10,
            Suite::Tag32 => 4,
        }
    }
}

/// A master key of 16 bytes, and its salt of 14. It is never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MasterKey(pub [u8; MASTER_KEY]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(***)")
    }
}

/// What offer and answer agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keys {
    /// Of both directions.
    pub suite: Suite,
    /// Protects what we send.
    pub local: MasterKey,
    /// Protects what the peer sends.
    pub remote: MasterKey,
}

/// A packet that is not to be used, nor relayed, nor answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Shorter than its header and its tag.
    Truncated,
    /// The tag is wrong.
    Forged,
    /// It was taken already, or is older than the window can tell.
    Replayed,
}

/// What is derived from a master key for RTP, or for RTCP.
#[derive(Clone)]
struct SessionKeys {
    cipher: Aes128,
    salt: [u8; 14],
    authenticator: Hmac<Sha1>,
}

impl SessionKeys {
    /// `label` is that of encryption; authentication and salt have the next two (4.3.2).
    fn derive(master: &MasterKey, label: u8) -> Self {
        let (key, master_salt) = master.0.split_at(16);
        let master_cipher = Aes128::new_from_slice(key).expect("a key of sixteen bytes");
        let mut master_salt: [u8; 14] = master_salt.try_into().expect("a salt of fourteen bytes");
        let mut derived = |label: u8, out: &mut [u8]| {
            master_salt[7] ^= label;
            apply_keystream(&master_cipher, &counter(&master_salt, 0, 0), out);
            master_salt[7] ^= label;
        };
        let (mut key, mut authentication, mut salt) = ([0; 16], [0; 20], [0; 14]);
        derived(label, &mut key);
        derived(label + 1, &mut authentication);
        derived(label + 2, &mut salt);
        SessionKeys {
            cipher: Aes128::new_from_slice(&key).expect("a key of sixteen bytes"),
            salt,
            authenticator: Hmac::new_from_slice(&authentication).expect("a key of any length will do"),
        }
    }

    fn crypt(&self, ssrc: u32, index: u64, bytes: &mut [u8]) {
        apply_keystream(&self.cipher, &counter(&self.salt, ssrc, index), bytes);
    }

    fn tag(&self, bytes: &[u8], behind: &[u8]) -> [u8; 20] {
        let mut authenticator = self.authenticator.clone();
        authenticator.update(bytes);
        authenticator.update(behind);
        authenticator.finalize().into_bytes().into()
    }
}

/// The first counter block of a packet (4.1.1).
fn counter(salt: &[u8; 14], ssrc: u32, index: u64) -> [u8; 16] {
    let mut block = [0; 16];
    block[..14].copy_from_slice(salt);
    block[4..8].iter_mut().zip(ssrc.to_be_bytes()).for_each(|(byte, with)| *byte ^= with);
    block[8..14].iter_mut().zip(&index.to_be_bytes()[2..]).for_each(|(byte, with)| *byte ^= with);
    block
}

fn apply_keystream(cipher: &Aes128, counter: &[u8; 16], bytes: &mut [u8]) {
    let core = CtrCore::<&Aes128, Ctr128BE>::inner_iv_slice_init(cipher, counter);
    StreamCipherCoreWrapper::from_core(core.expect("a block of sixteen bytes")).apply_keystream(bytes);
}

/// In constant time: how many bytes were right is nobody's business.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// Where the payload of a packet of RTP begins.
fn header_length(bytes: &[u8]) -> Option<usize> {
    let contributors = 12 + 4 * usize::from(bytes.first()? & 0x0f);
    if bytes[0] & 0x10 == 0 {
        return Some(contributors);
    }
    let words = bytes.get(contributors + 2..contributors + 4)?;
    Some(contributors + 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]])))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Protects what we send: one source, one key.
#[derive(Clone)]
pub struct Outgoing {
    suite: Suite,
    rtp: SessionKeys,
    rtcp: SessionKeys,
    last_sequence: Option<u16>,
    rollovers: u32,
    rtcp_index: u32,
}

impl Outgoing {
    /// Derives the keys.
    pub fn new(suite: Suite, master: &MasterKey) -> Self {
        Outgoing {
            suite,
            rtp: SessionKeys::derive(master, 0),
            rtcp: SessionKeys::derive(master, 3),
            last_sequence: None,
            rollovers: 0,
            rtcp_index: 0,
        }
    }

    /// The same source under another key: no counter begins anew (3.3.1 and 3.2.1). The rollovers are at least `rollovers_min`.
    pub fn rekeyed(&self, suite: Suite, master: &MasterKey, rollovers_min: u32) -> Self {
        let Outgoing { last_sequence, rollovers, rtcp_index, .. } = *self;
        let rollovers = rollovers.max(rollovers_min);
        Outgoing { last_sequence, rollovers, rtcp_index, ..Outgoing::new(suite, master) }
    }

    /// The same for a peer that has not heard of it: no rollover yet. Reports say their number, which need not begin anew.
    pub fn begun_anew(&self, suite: Suite, master: &MasterKey) -> Self {
        Outgoing { rtcp_index: self.rtcp_index, ..Outgoing::new(suite, master) }
    }

    /// How often the sequence number has rolled over.
    pub fn rollovers(&self) -> u32 {
        self.rollovers
    }

    /// Protects the packet of `length` bytes at the begin of `buffer`, whose sequence number follows on the last one's;
    /// tells its new length.
    ///
    /// # Panics
    /// When the buffer has no room for [`RTP_GROWTH`] bytes more, or what it holds is no packet: both are ours.
    pub fn protect(&mut self, buffer: &mut [u8], length: usize) -> usize {
        let sequence = u16::from_be_bytes([buffer[2], buffer[3]]);
        if self.last_sequence.is_some_and(|last| sequence < last) {
            self.rollovers = self.rollovers.wrapping_add(1);
        }
        self.last_sequence = Some(sequence);
        let header = header_length(&buffer[..length]).expect("our packets have their header");
        let index = u64::from(self.rollovers) << 16 | u64::from(sequence);
        self.rtp.crypt(word(buffer, 8), index, &mut buffer[header..length]);
        let tag = self.rtp.tag(&buffer[..length], &self.rollovers.to_be_bytes());
        let end = length + self.suite.tag();
        buffer[length..end].copy_from_slice(&tag[..self.suite.tag()]);
        end
    }

    /// Protects the compound of `length` bytes at the begin of `buffer`; tells its new length, none when the key has
    /// protected as many as it may.
    ///
    /// # Panics
    /// When the buffer has no room for [`RTCP_GROWTH`] bytes more, or what it holds is no compound: both are ours.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Option<usize> {
        if self.rtcp_index == RTCP_INDEX_MAX {
            return None;
        }
        self.rtcp_index += 1;
        self.rtcp.crypt(word(buffer, 4), u64::from(self.rtcp_index), &mut buffer[RTCP_CLEAR..length]);
        let flagged = 0x8000_0000 | self.rtcp_index;
        buffer[length..length + 4].copy_from_slice(&flagged.to_be_bytes());
        let tag = self.rtcp.tag(&buffer[..length + 4], &[]);
        let end = length + RTCP_GROWTH;
        buffer[length + 4..end].copy_from_slice(&tag[..RTCP_TAG]);
        Some(end)
    }
}

/// Opens what the peer sends.
#[derive(Clone)]
pub struct Incoming {
    suite: Suite,
    rtp: SessionKeys,
    rtcp: SessionKeys,
    sources: [Option<Source>; SOURCES_MAX],
    /// Counts packets, to tell which source was longest silent.
    clock: u64,
}

/// What is known about a source: how far it is, and which of its last packets and compounds have come; each source counts
/// its own (3.2.3).
#[derive(Clone, Copy, PartialEq, Debug)]
struct Source {
    ssrc: Ssrc,
    window: Window,
    rtcp_window: Window,
    /// How far it was under the key before, until a packet under this one was taken.
    before: Option<u64>,
    heard: u64,
}

impl Source {
    /// The indices that a packet may have, the likeliest first. Once a packet was taken there is one. Before, a peer that has
    /// changed its key goes on counting rollovers, as it must (3.3.1), or begins anew, as some do; and a stream that we join
    /// may be past its first rollover: it began just before, and its first packets are lost.
    fn guesses(&self, sequence: u16) -> impl Iterator<Item = u64> + use<> {
        let kept = self.before.map(|highest| Window { highest: Some(highest), seen: 0 }.estimate(sequence));
        let joined = self.window.highest.is_none().then_some((1 << 16) + u64::from(sequence));
        [kept, Some(self.window.estimate(sequence)), joined].into_iter().flatten()
    }
}

impl Incoming {
    /// Derives the keys.
    pub fn new(suite: Suite, master: &MasterKey) -> Self {
        Incoming {
            suite,
            rtp: SessionKeys::derive(master, 0),
            rtcp: SessionKeys::derive(master, 3),
            sources: [None; SOURCES_MAX],
            clock: 0,
        }
    }

    /// The peer has changed its key from that of `before` to this one: its sources go on from where they were. What was taken is
    /// remembered for each key by itself, as nothing that one protects is right for the other.
    pub fn follow(&mut self, before: &Incoming) {
        for former in before.sources.iter().flatten() {
            let (place, source) = self.source(former.ssrc);
            self.keep(place, Source { before: former.window.highest.or(former.before), ..source });
        }
    }

    /// The same key by another suite. What was taken stays so: a short tag is the begin of a long one.
    pub fn with_suite(&self, suite: Suite) -> Self {
        Incoming { suite, ..self.clone() }
    }

    /// Opens a packet in place; tells the length of the plain one.
    ///
    /// # Errors
    /// When it is not the peer's, or was taken already; `bytes` is then as it came.
    pub fn open(&mut self, bytes: &mut [u8]) -> Result<usize, Refused> {
        let length = bytes.len().checked_sub(self.suite.tag()).ok_or(Refused::Truncated)?;
        let header = header_length(&bytes[..length]).filter(|header| *header <= length && *header >= 12);
        let header = header.ok_or(Refused::Truncated)?;
        let (sequence, ssrc) = (u16::from_be_bytes([bytes[2], bytes[3]]), Ssrc(word(bytes, 8)));
        let (place, mut source) = self.source(ssrc);
        if source.guesses(sequence).all(|index| source.window.has(index)) {
            return Err(Refused::Replayed);
        }
        let mut guesses = source.guesses(sequence).filter(|index| !source.window.has(*index));
        let index = guesses.find(|index| self.is_authentic(bytes, length, *index)).ok_or(Refused::Forged)?;
        source.window.accept(index);
        source.before = None;
        self.rtp.crypt(ssrc.0, index, &mut bytes[header..length]);
        self.keep(place, source);
        Ok(length)
    }

    /// Opens a compound of RTCP in place; tells the length of the plain one.
    ///
    /// # Errors
    /// As [`Incoming::open`].
    pub fn open_rtcp(&mut self, bytes: &mut [u8]) -> Result<usize, Refused> {
        let length = bytes.len().checked_sub(RTCP_GROWTH).filter(|length| *length >= RTCP_CLEAR);
        let length = length.ok_or(Refused::Truncated)?;
        let (authenticated, tag) = bytes.split_at(length + 4);
        if !is_same(tag, &self.rtcp.tag(authenticated, &[])[..RTCP_TAG]) {
            return Err(Refused::Forged);
        }
        let flagged = word(bytes, length);
        let (index, ssrc) = (u64::from(flagged & RTCP_INDEX_MAX), Ssrc(word(bytes, 4)));
        let (place, mut source) = self.source(ssrc);
        if source.rtcp_window.has(index) {
            return Err(Refused::Replayed);
        }
        source.rtcp_window.accept(index);
        if flagged & 0x8000_0000 != 0 {
            self.rtcp.crypt(ssrc.0, index, &mut bytes[RTCP_CLEAR..length]);
        }
        self.keep(place, source);
        Ok(length)
    }

    /// What is known about a source, which may be nothing yet, and the place to keep it at.
    fn source(&self, ssrc: Ssrc) -> (usize, Source) {
        let known = self.sources.iter().position(|source| source.is_some_and(|source| source.ssrc == ssrc));
        let place = known.unwrap_or_else(|| self.free_place());
        let (window, rtcp_window) = (Window::default(), Window::default());
        let new = Source { ssrc, window, rtcp_window, before: None, heard: 0 };
        (place, known.and_then(|known| self.sources[known]).unwrap_or(new))
    }

    /// Something of a source was taken.
    fn keep(&mut self, place: usize, source: Source) {
        self.clock += 1;
        self.sources[place] = Some(Source { heard: self.clock, ..source });
    }

    fn is_authentic(&self, bytes: &[u8], length: usize, index: u64) -> bool {
        let rollovers = (index >> 16) as u32;
        let tag = self.rtp.tag(&bytes[..length], &rollovers.to_be_bytes());
        is_same(&bytes[length..], &tag[..self.suite.tag()])
    }

    fn free_place(&self) -> usize {
        let heard = |place: &usize| self.sources[*place].map_or(0, |source| source.heard);
        (0..SOURCES_MAX).min_by_key(heard).expect("there are places")
    }
}

/// The last 64 indices of a source (3.3.2).
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Window {
    highest: Option<u64>,
    /// Bit n: the packet n before the highest has come.
    seen: u64,
}

impl Window {
    /// The index that a sequence number most likely belongs to (3.3.1).
    fn estimate(&self, sequence: u16) -> u64 {
        let Some(highest) = self.highest else { return u64::from(sequence) };
        let ahead = i64::from(sequence.wrapping_sub(highest as u16) as i16);
        match highest.checked_add_signed(ahead) {
            Some(index) => index,
            // Before the first rollover there is nothing to go back to.
            None => (highest & !0xffff) | u64::from(sequence),
        }
    }

    fn has(&self, index: u64) -> bool {
        match self.highest {
            Some(highest) if index <= highest => {
                let behind = highest - index;
                behind >= 64 || self.seen >> behind & 1 == 1
            }
            _ => false,
        }
    }

    fn accept(&mut self, index: u64) {
        match self.highest {
            Some(highest) if index <= highest => self.seen |= 1 << (highest - index),
            Some(highest) => {
                let ahead = index - highest;
                self.seen = if ahead < 64 { self.seen << ahead | 1 } else { 1 };
                self.highest = Some(index);
            }
            None => (self.highest, self.seen) = (Some(index), 1),
        }
    }
}

#[cfg(test)]
mod tests;
