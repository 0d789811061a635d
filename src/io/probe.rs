//! OPTIONS to every trunk, without an engine: for `outdial check`.

use crate::engine::engine::TrunkSetup;
use crate::io::clock::Clock;
use crate::io::entropy;
use crate::io::stream::{StreamEvent, Streams};
use crate::sip::endpoint::{
    self, AccessTable, Endpoint, Event, Local, Output, PingOutcome, Target, Transport,
};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// How long a trunk has to answer.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// Asks all trunks at once; `None` for one that did not answer in time.
pub async fn options(
    trunks: &[TrunkSetup],
    udp: &UdpSocket,
    advertised: SocketAddr,
) -> io::Result<Vec<Option<PingOutcome>>> {
    let clock = Clock::start();
    let own = endpoint::Options {
        access: AccessTable::new(vec![Local::new(advertised)]),
        ..endpoint::Options::default()
    };
    let mut endpoint = Endpoint::new(own, entropy::rng()?);
    let now = clock.now().instant;
    let keys: Vec<_> = trunks
        .iter()
        .map(|trunk| {
            endpoint.allow_source(trunk.target.address.ip());
            let uri = format!("sip:{}", trunk.options.host);
            let from = format!("<sip:outdial@{}>", trunk.options.domain());
            endpoint.ping(now, trunk.target, &uri, &from)
        })
        .collect();
    let mut outcomes = vec![None; trunks.len()];
    let (events, mut queue) = mpsc::channel(256);
    let local = udp.local_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |address| address.ip());
    let mut streams = Streams::new(local, events);
    let mut buffer = vec![0u8; 65_536];
    let deadline = tokio::time::Instant::now() + ANSWER_WITHIN;
    loop {
        while let Some(output) = endpoint.poll_output() {
            match output {
                Output::Transmit { target, bytes } => {
                    transmit(&mut endpoint, &clock, udp, &mut streams, target, bytes).await;
                }
                Output::Event(Event::Ping { key, outcome }) => {
                    if let Some(place) = keys.iter().position(|known| known.as_ref() == Ok(&key)) {
                        outcomes[place] = Some(outcome);
                    }
                }
                Output::Event(_) => {}
            }
        }
        if outcomes.iter().all(Option::is_some) {
            return Ok(outcomes);
        }
        let due = endpoint
            .poll_timeout()
            .map_or(deadline, |due| tokio::time::Instant::from_std(clock.to_std(due)).min(deadline));
        tokio::select! {
            received = udp.recv_from(&mut buffer) => {
                if let Ok((length, source)) = received {
                    endpoint.handle_datagram(clock.now().instant, source, &buffer[..length]);
                }
            }
            Some(event) = queue.recv() => match event {
                StreamEvent::Message { peer, bytes } => {
                    endpoint.handle_message(clock.now().instant, Transport::Tcp, peer, &bytes);
                }
                StreamEvent::Closed { peer } => {
                    let target = Target::new(Transport::Tcp, peer);
                    endpoint.handle_transport_error(clock.now().instant, target);
                }
            },
            () = tokio::time::sleep_until(due) => {
                if tokio::time::Instant::now() >= deadline {
                    return Ok(outcomes);
                }
                endpoint.handle_timeout(clock.now().instant);
            }
        }
    }
}

async fn transmit(
    endpoint: &mut Endpoint,
    clock: &Clock,
    udp: &UdpSocket,
    streams: &mut Streams,
    target: Target,
    bytes: Vec<u8>,
) {
    let sent = match target.transport {
        Transport::Udp => udp.send_to(&bytes, target.address).await.is_ok(),
        Transport::Tcp | Transport::Tls => streams.send(target.address, bytes),
    };
    if !sent {
        endpoint.handle_transport_error(clock.now().instant, target);
    }
}
