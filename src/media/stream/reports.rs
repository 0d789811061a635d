//! What a leg says and is told by RTCP (RFC 3550, 6).

use super::Stream;
use crate::media::protection::DATAGRAM_MAX;
use crate::media::worker::Sink;
use crate::rtp::rtcp::{self, COMPOUND_MAX, Report};
use crate::rtp::srtp::RTCP_GROWTH;
use crate::time::Instant;
use std::net::SocketAddr;

impl Stream {
    /// A datagram on the port of RTCP: of any port of the host that the peer names or was found at, as many send it from
    /// elsewhere. A goodbye does not end a call, which only signalling does.
    pub fn handle_rtcp(&mut self, now: Instant, source: SocketAddr, bytes: &[u8]) {
        let ours = self.session().is_some_and(|session| {
            let found = self.receiver.target().unwrap_or(session.remote);
            [session.remote_rtcp, session.remote, found].iter().any(|address| address.ip() == source.ip())
        });
        if !ours {
            // A stranger's is not even looked at.
            self.receiver.refuse();
            return;
        }
        let mut plain = [0; DATAGRAM_MAX];
        let bytes = match &mut self.protection {
            None => Some(bytes),
            Some(protection) => protection.open_rtcp(now, bytes, &mut plain),
        };
        match bytes.map(|bytes| rtcp::read(now, bytes, self.sender.ssrc(), self.receiver.source())) {
            Some(Ok(told)) => self.receiver.handle_report(&told),
            Some(Err(_)) | None => {
                self.receiver.refuse();
            }
        }
    }

    /// What it has sent and heard; with `bye` for the last time.
    pub(super) fn report(&mut self, now: Instant, bye: bool, sink: &mut impl Sink) {
        let Some(rtcp_mux) = self.session().filter(|session| session.reports).map(|session| session.rtcp_mux)
        else {
            return;
        };
        let sent = self.sender.report();
        let ssrc = self.sender.ssrc();
        let (heard, peer_report) = self.receiver.report();
        let report = Report { ssrc, cname: &self.cname, sent, heard, peer_report, bye };
        let mut buffer = [0; COMPOUND_MAX + RTCP_GROWTH];
        let (compound, _) = buffer.split_first_chunk_mut().expect("the buffer is longer");
        let length = report.write(now, compound);
        let length = match &mut self.protection {
            None => Some(length),
            Some(protection) => protection.protect_rtcp(&mut buffer, length),
        };
        let Some(length) = length else { return };
        match rtcp_mux {
            true => sink.send(self.key, &buffer[..length]),
            false => sink.send_rtcp(self.key, &buffer[..length]),
        }
    }

    /// BYE (RFC 3550, 6.6), when anything was ever sent.
    pub(super) fn say_goodbye(&mut self, now: Instant, sink: &mut impl Sink) {
        if self.session().is_some() && self.sender.packets() > 0 {
            self.report(now, true, sink);
        }
    }
}
