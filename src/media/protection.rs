//! What protects one stream, both ways, once it was agreed on (RFC 3711, RFC 4568).

use crate::rtp::srtp::{Incoming, Keys, MasterKey, Outgoing, Refused, Suite};
use crate::time::Instant;
use std::time::Duration;

/// Longer datagrams are no audio, and are not opened.
pub const DATAGRAM_MAX: usize = 1_500;

/// Keys of ours that are remembered: as many as a call has transfers, and more.
const SPENT_MAX: usize = 8;

/// How long the peer's packets are opened with its former key as well: those that were on their way at the change.
const FORMER_KEY: Duration = Duration::from_secs(2);

/// The keys of a stream, and how far each direction is.
#[derive(Clone)]
pub struct Protection {
    keys: Keys,
    outgoing: Outgoing,
    /// Our keys that have had their time, each with the first count of rollovers that it has not seen.
    spent: [Option<(MasterKey, u32)>; SPENT_MAX],
    /// There were more of them.
    has_forgotten: bool,
    /// What none of all has seen.
    unseen: u32,
    incoming: Incoming,
    former: Option<Former>,
}

/// How the peer protected before it changed its key.
#[derive(Clone)]
struct Former {
    remote: MasterKey,
    incoming: Incoming,
    until: Instant,
}

impl Protection {
    /// Of the first keys of a stream.
    pub fn new(keys: Keys) -> Self {
        Protection {
            keys,
            outgoing: Outgoing::new(keys.suite, &keys.local),
            spent: [None; SPENT_MAX],
            has_forgotten: false,
            unseen: 0,
            incoming: Incoming::new(keys.suite, &keys.remote),
            former: None,
        }
    }

    /// Other keys from now on. A key that stays goes on where it was, and so does the count of rollovers under another one (RFC
    /// 3711, 3.3.1); only a peer that has `moved` knows nothing of it (RFC 4568, 7.1.4).
    pub fn change(&mut self, now: Instant, keys: Keys, moved: bool) {
        let Keys { suite, local, remote } = keys;
        let before = std::mem::replace(&mut self.keys, keys);
        if local != before.local {
            self.outgoing = self.outgoing_by(suite, &before.local, &local, moved);
        } else if suite != before.suite {
            self.outgoing = self.outgoing.rekeyed(suite, &local, 0);
        }
        if remote != before.remote {
            let known = self.former.take().filter(|former| former.remote == remote);
            let mut incoming = match known {
                Some(former) => former.incoming.with_suite(suite),
                None => Incoming::new(suite, &remote),
            };
            incoming.follow(&self.incoming);
            let incoming = std::mem::replace(&mut self.incoming, incoming);
            self.former = Some(Former { remote: before.remote, incoming, until: now + FORMER_KEY });
        } else if suite != before.suite {
            self.incoming = self.incoming.with_suite(suite);
        }
    }

    /// Ours under another key. One that comes back must not meet a count that it has seen, and one that is new to the peer begins
    /// with none, as long as all that were used are known.
    fn outgoing_by(&mut self, suite: Suite, before: &MasterKey, local: &MasterKey, moved: bool) -> Outgoing {
        let left = self.outgoing.rollovers().saturating_add(1);
        self.unseen = self.unseen.max(left);
        let place = self.spent.iter().position(|spent| spent.is_none_or(|(key, _)| key == *before));
        if let Some(place) = place {
            let seen = self.spent[place].map_or(0, |(_, unseen)| unseen);
            self.spent[place] = Some((*before, left.max(seen)));
        }
        self.has_forgotten |= place.is_none();
        let known = self.spent.iter().flatten().find(|(key, _)| key == local).map(|(_, unseen)| *unseen);
        match (known, self.has_forgotten) {
            (Some(unseen), _) => self.outgoing.rekeyed(suite, local, unseen),
            (None, true) => self.outgoing.rekeyed(suite, local, self.unseen),
            (None, false) if moved => self.outgoing.begun_anew(suite, local),
            (None, false) => self.outgoing.rekeyed(suite, local, 0),
        }
    }

    /// What was agreed on.
    pub fn keys(&self) -> Keys {
        self.keys
    }

    /// Opens a packet into `plain`; none when it is not the peer's, or was taken already.
    pub fn open<'a>(
        &mut self,
        now: Instant,
        bytes: &[u8],
        plain: &'a mut [u8; DATAGRAM_MAX],
    ) -> Option<&'a [u8]> {
        self.open_with(now, bytes, plain, Incoming::open)
    }

    /// Opens a compound of RTCP into `plain`; none when it is not the peer's, or was taken already.
    pub fn open_rtcp<'a>(
        &mut self,
        now: Instant,
        bytes: &[u8],
        plain: &'a mut [u8; DATAGRAM_MAX],
    ) -> Option<&'a [u8]> {
        self.open_with(now, bytes, plain, Incoming::open_rtcp)
    }

    fn open_with<'a>(
        &mut self,
        now: Instant,
        bytes: &[u8],
        plain: &'a mut [u8; DATAGRAM_MAX],
        open: fn(&mut Incoming, &mut [u8]) -> Result<usize, Refused>,
    ) -> Option<&'a [u8]> {
        let copy = plain.get_mut(..bytes.len())?;
        copy.copy_from_slice(bytes);
        let opened = open(&mut self.incoming, copy).ok();
        let former = self.former.as_mut().filter(|former| opened.is_none() && now < former.until);
        let length = opened.or_else(|| open(&mut former?.incoming, copy).ok())?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::srtp::RTP_GROWTH;

    const FIRST: Keys = Keys { suite: Suite::Tag80, local: MasterKey([1; 30]), remote: MasterKey([2; 30]) };
    const SECOND: Keys = Keys { suite: Suite::Tag32, local: MasterKey([3; 30]), ..FIRST };

    fn packet(sequence: u16) -> ([u8; 60 + RTP_GROWTH], usize) {
        let mut bytes = [0; 60 + RTP_GROWTH];
        bytes[0] = 0x80;
        bytes[2..4].copy_from_slice(&sequence.to_be_bytes());
        (bytes, 60)
    }

    /// Sends a packet, which the peer opens when it counts as we do.
    fn is_heard(ours: &mut Protection, theirs: &mut Incoming, sequence: u16) -> bool {
        let (mut bytes, length) = packet(sequence);
        let length = ours.protect(&mut bytes, length);
        theirs.open(&mut bytes[..length]).is_ok()
    }

    /// Our side and the peer's, two rollovers on under the first key.
    fn rolled_over() -> (Protection, Incoming) {
        let mut ours = Protection::new(FIRST);
        let mut theirs = Incoming::new(FIRST.suite, &FIRST.local);
        for quarter in 0u16..9 {
            assert!(is_heard(&mut ours, &mut theirs, quarter << 14));
        }
        (ours, theirs)
    }

    #[test]
    fn our_count_of_rollovers_goes_on_under_another_key_and_begins_anew_for_a_peer_that_moved() {
        for moved in [false, true] {
            let (mut ours, before) = rolled_over();
            ours.change(Instant::ZERO, SECOND, moved);
            let mut theirs = Incoming::new(SECOND.suite, &SECOND.local);
            if !moved {
                theirs.follow(&before);
            }
            // Who knows nothing of the call before opens it only when the count began anew.
            let (mut bytes, length) = packet(1);
            let length = ours.protect(&mut bytes, length);
            let (mut stranger, mut copy) = (Incoming::new(SECOND.suite, &SECOND.local), bytes);
            assert_eq!(stranger.open(&mut copy[..length]).is_ok(), moved);
            assert!(theirs.open(&mut bytes[..length]).is_ok(), "moved: {moved}");
            assert!((2..9).all(|quarter| is_heard(&mut ours, &mut theirs, quarter << 14)));
        }
    }

    #[test]
    fn a_key_that_comes_back_never_protects_two_packets_alike() {
        let (mut ours, _) = rolled_over();
        let (mut once, length) = packet(1);
        ours.protect(&mut once, length);
        for (keys, moved) in [(SECOND, true), (FIRST, true), (SECOND, true), (FIRST, false)] {
            ours.change(Instant::ZERO, keys, moved);
            let (mut bytes, length) = packet(1);
            ours.protect(&mut bytes, length);
            assert!(once[12..length] != bytes[12..length], "{keys:?}");
            let mut first = Incoming::new(Suite::Tag80, &FIRST.local);
            assert!(keys == SECOND || first.open(&mut bytes).is_err(), "no count of the beginning again");
        }
    }

    #[test]
    fn each_new_party_at_our_port_is_begun_anew_with() {
        let (mut ours, _) = rolled_over();
        for party in 10..10 + SPENT_MAX as u8 {
            let local = MasterKey([party; 30]);
            ours.change(Instant::ZERO, Keys { local, ..FIRST }, true);
            let mut theirs = Incoming::new(FIRST.suite, &local);
            assert!((0u16..9).all(|quarter| is_heard(&mut ours, &mut theirs, quarter << 14)), "{party}");
        }
        // Of more than can be remembered none begins anew: what they have seen is not known any more.
        for party in [200, 10, 200] {
            let before = ours.outgoing.rollovers();
            ours.change(Instant::ZERO, Keys { local: MasterKey([party; 30]), ..FIRST }, true);
            assert!(ours.outgoing.rollovers() >= before.max(1), "{party}");
        }
    }

    #[test]
    fn our_reports_are_numbered_on_under_another_key() {
        let mut ours = Protection::new(FIRST);
        let mut numbers = Vec::new();
        for (keys, moved) in [(FIRST, false), (FIRST, false), (SECOND, false), (FIRST, true), (SECOND, true)]
        {
            if keys != ours.keys() {
                ours.change(Instant::ZERO, keys, moved);
            }
            let mut bytes = [0x80; 42];
            let length = ours.protect_rtcp(&mut bytes, 28).unwrap();
            assert_eq!(length, 42);
            numbers.push(bytes[31]);
        }
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
    }
}
