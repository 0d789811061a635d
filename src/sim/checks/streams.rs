//! The books of streams: one packet every 20 ms, no more and no fewer.

use super::{Rule, Violation};
use crate::audio::FRAME;
use crate::media::command::StreamKey;
use crate::time::Instant;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
struct Stream {
    sends: bool,
    /// When it was connected, or its last packet.
    last: Instant,
    spoke: bool,
}

/// All streams.
#[derive(Debug, Default)]
pub(super) struct Streams {
    streams: BTreeMap<StreamKey, Stream>,
}

impl Streams {
    pub(super) fn handle_connected(
        &mut self,
        now: Instant,
        key: StreamKey,
        sends: bool,
        found: &mut Vec<Violation>,
    ) {
        let before = self.streams.get(&key).copied();
        if let Some(before) = before {
            missing(now, key, before, found);
        }
        let spoke = before.is_some_and(|before| before.spoke);
        // A stream that goes on keeps its beat; one that begins or begins again starts one.
        let last = before.filter(|before| before.sends && sends).map_or(now, |before| before.last);
        self.streams.insert(key, Stream { sends, last, spoke: spoke && sends });
    }

    pub(super) fn handle_packet(&mut self, now: Instant, key: StreamKey, found: &mut Vec<Violation>) {
        let Some(stream) = self.streams.get_mut(&key).filter(|stream| stream.sends) else {
            let what = format!("stream {key:?} sends though it is not connected, or on hold");
            return found.push(Violation { rule: Rule::NothingIsSentOnHold, call_id: None, what });
        };
        if stream.spoke && now - stream.last < FRAME {
            let what = format!("stream {key:?} sends {:?} after its last packet", now - stream.last);
            found.push(Violation { rule: Rule::OnePacketEach20Ms, call_id: None, what });
        }
        missing(now, key, *stream, found);
        (stream.last, stream.spoke) = (now, true);
    }

    pub(super) fn handle_closed(&mut self, now: Instant, key: StreamKey, found: &mut Vec<Violation>) {
        if let Some(stream) = self.streams.remove(&key) {
            missing(now, key, stream, found);
        }
    }
}

fn missing(now: Instant, key: StreamKey, stream: Stream, found: &mut Vec<Violation>) {
    if stream.sends && now - stream.last > FRAME {
        let what = format!("stream {key:?} was silent for {:?}", now - stream.last);
        found.push(Violation { rule: Rule::NoPacketIsMissing, call_id: None, what });
    }
}
