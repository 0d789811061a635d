//! OPTIONS to every trunk, without an engine: for `outdial check`.

use crate::engine::engine::TrunkSetup;
use crate::io::access::Prepared;
use crate::io::clock::Clock;
use crate::io::entropy;
use crate::io::sockets::{Arrival, Sockets};
use crate::io::stream::StreamEvent;
use crate::sip::endpoint::{self, Endpoint, Event, Output, PingOutcome, Target};
use std::io;
use std::time::Duration;

/// How long a trunk has to answer.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// Asks all trunks at once; `None` for one that did not answer in time.
pub async fn options(trunks: &[TrunkSetup], prepared: Prepared) -> io::Result<Vec<Option<PingOutcome>>> {
    let clock = Clock::start();
    let Prepared { mut sockets, table, .. } = prepared;
    let own = endpoint::Options { access: table, ..endpoint::Options::default() };
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
    let mut buffer = vec![0u8; 65_536];
    let deadline = tokio::time::Instant::now() + ANSWER_WITHIN;
    loop {
        while let Some(output) = endpoint.poll_output() {
            match output {
                Output::Transmit { target, bytes } => {
                    transmit(&mut endpoint, &clock, &mut sockets, target, bytes).await;
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
            arrival = sockets.next(&mut buffer) => {
                let now = clock.now().instant;
                match arrival {
                    Arrival::Datagram(came) => endpoint.handle_from(now, came.source, &buffer[..came.length]),
                    Arrival::Stream(StreamEvent::Message { source, bytes }) => endpoint.handle_from(now, source, &bytes),
                    Arrival::Stream(StreamEvent::Closed { target, .. }) => endpoint.handle_transport_error(now, target),
                    Arrival::Unreachable(address) => endpoint.handle_unreachable(now, address),
                    // Nobody has anything to ask while trunks are asked.
                    Arrival::Accepted { .. } | Arrival::Nothing => {}
                }
            }
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
    sockets: &mut Sockets,
    target: Target,
    bytes: Vec<u8>,
) {
    if !sockets.send(target, bytes).await {
        endpoint.handle_transport_error(clock.now().instant, target);
    }
}
