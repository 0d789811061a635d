//! The DNS, asked for the core: `sip::locate` says what to ask and what the answers mean.
//!
//! Each question is a task of its own, so that a slow server holds up nothing. What is kept, and for how long, is decided
//! by the core alone: there is no cache here. Answers that were cut short come again over TCP. A name of the file of hosts
//! is what that file says and nothing else, whether the DNS answers or not; name-service switches beyond it are not honoured.

use crate::engine::engine::TrunkSetup;
use crate::io::clock::Clock;
use crate::io::entropy;
use crate::sip::locate::destination::Host;
use crate::sip::locate::search::Abilities;
use crate::sip::locate::{
    Answer, Data, Destination, Failure, Hop, Kind, Lack, Locator, Output, Question, Record,
};
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{self, Name, RData, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::sync::mpsc;

/// The port of DNS.
const DNS_PORT: u16 = 53;

/// A server has so long for each of two tries.
const TRY_WITHIN: Duration = Duration::from_millis(1_500);

/// Whatever servers there are, a question has failed after this.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// Answers that wait for the loop.
const ANSWERS_MAX: usize = 256;

/// Questions under way, whoever asks.
const UNDER_WAY_MAX: usize = 64;

/// An answer, with its question.
pub type Answered = (Question, Answer);

/// Asks the DNS.
pub struct Resolver {
    hickory: Option<TokioResolver>,
    hosts: Hosts,
    answers: mpsc::Sender<Answered>,
    free: std::sync::Arc<tokio::sync::Semaphore>,
}

/// A name server as configured: an address, with a port where it is not 53.
pub fn server(text: &str) -> Option<SocketAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let with_port = text.parse::<SocketAddr>().ok();
    with_port.or_else(|| Some(SocketAddr::new(bare.parse::<IpAddr>().ok()?, DNS_PORT)))
}

impl Resolver {
    /// Asks these servers, or those of the system when there are none; answers come from the receiver.
    pub fn new(servers: &[String]) -> (Self, mpsc::Receiver<Answered>) {
        let (answers, receiver) = mpsc::channel(ANSWERS_MAX);
        let hickory = match servers {
            [] => TokioResolver::builder_tokio().map_err(|error| error.to_string()),
            some => Ok(TokioResolver::builder_with_config(
                ResolverConfig::from_name_servers(
                    some.iter().filter_map(|text| server(text)).map(at).collect(),
                ),
                TokioRuntimeProvider::default(),
            )),
        };
        let hickory = hickory.and_then(|mut builder| {
            settle(builder.options_mut());
            builder.build().map_err(|error| error.to_string())
        });
        if let Err(error) = &hickory {
            tracing::error!("the DNS cannot be asked, names are not resolved: {error}");
        }
        // Whoever names servers wants to hear them alone.
        let hosts =
            if servers.is_empty() { Hosts::from_system().unwrap_or_default() } else { Hosts::default() };
        let free = std::sync::Arc::new(tokio::sync::Semaphore::new(UNDER_WAY_MAX));
        (Resolver { hickory: hickory.ok(), hosts, answers, free }, receiver)
    }

    /// Asks; the answer comes when it comes. Never waits.
    pub fn ask(&self, question: Question) {
        let (hickory, answers) = (self.hickory.clone(), self.answers.clone());
        let local = local(&self.hosts, &question);
        let Ok(permit) = std::sync::Arc::clone(&self.free).try_acquire_owned() else {
            // The core takes silence for a failure and asks again.
            return;
        };
        tokio::spawn(async move {
            let answer = match (local, hickory) {
                (Some(local), _) => local,
                (None, None) => Err(Failure::Refused),
                (None, Some(hickory)) => tokio::time::timeout(ANSWER_WITHIN, look_up(&hickory, &question))
                    .await
                    .unwrap_or(Err(Failure::TimedOut)),
            };
            drop(permit);
            let _ = answers.send((question, answer)).await;
        });
    }
}

fn at(address: SocketAddr) -> NameServerConfig {
    let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
    (udp.port, tcp.port) = (address.port(), address.port());
    NameServerConfig::new(address.ip(), true, vec![udp, tcp])
}

fn settle(options: &mut ResolverOpts) {
    options.timeout = TRY_WITHIN;
    options.attempts = 2;
    options.cache_size = 0;
    // It is read here, for questions that it would not be asked for there.
    options.use_hosts_file = ResolveHosts::Never;
    options.try_tcp_on_error = true;
}

/// What the file of hosts says of a name that stands there; it has addresses only, so nothing leads from the name elsewhere.
fn local(hosts: &Hosts, question: &Question) -> Option<Answer> {
    let name = match question.kind {
        // A service's name begins with two labels of its own (RFC 2782).
        Kind::Srv => question.name.splitn(3, '.').nth(2)?,
        Kind::Naptr | Kind::A | Kind::Aaaa => &question.name,
    };
    let name = Name::from_utf8(name).ok()?;
    let kept = |kind| hosts.lookup_static_host(&Query::query(name.clone(), kind));
    let (v4, v6) = (kept(RecordType::A), kept(RecordType::AAAA));
    if v4.is_none() && v6.is_none() {
        return None;
    }
    let kept = match question.kind {
        Kind::A => v4,
        Kind::Aaaa => v6,
        Kind::Naptr | Kind::Srv => None,
    };
    Some(kept.map(|lookup| records(&lookup)).ok_or(Failure::NoData(None)))
}

async fn look_up(hickory: &TokioResolver, question: &Question) -> Answer {
    let kind = match question.kind {
        Kind::Naptr => RecordType::NAPTR,
        Kind::Srv => RecordType::SRV,
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
    };
    // The last dot keeps search domains away.
    let lookup = hickory.lookup(format!("{}.", question.name), kind).await;
    lookup.map(|lookup| records(&lookup)).map_err(|error| failure(&error))
}

fn records(lookup: &Lookup) -> Vec<Record> {
    let record = |record: &rr::Record| {
        let ttl = Duration::from_secs(u64::from(record.ttl));
        Some(Record { ttl, data: data(&record.data)? })
    };
    lookup.answers().iter().filter_map(record).collect()
}

fn data(data: &RData) -> Option<Data> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(match data {
        RData::A(ip) => Data::A(ip.0),
        RData::AAAA(ip) => Data::Aaaa(ip.0),
        RData::SRV(srv) => Data::Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: srv.target.to_ascii(),
        },
        RData::NAPTR(naptr) => Data::Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            services: text(&naptr.services),
            replacement: naptr.replacement.to_ascii(),
        },
        _ => return None,
    })
}

fn failure(error: &NetError) -> Failure {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            let ttl = none.negative_ttl.map(|seconds| Duration::from_secs(u64::from(seconds)));
            match none.response_code {
                ResponseCode::NXDomain => Failure::NoSuchName(ttl),
                ResponseCode::NoError => Failure::NoData(ttl),
                _ => Failure::Refused,
            }
        }
        // A server that does not know the kind of record has none of it: it has not failed.
        NetError::Dns(DnsError::ResponseCode(ResponseCode::NotImp)) => Failure::NoData(None),
        NetError::Timeout | NetError::NoConnections | NetError::Io(_) | NetError::Busy => Failure::TimedOut,
        NetError::Proto(_) => Failure::Unreadable,
        _ => Failure::Refused,
    }
}

/// Where a trunk is, as far as it could be found out in time.
#[derive(Clone, Debug, Default)]
pub struct Located {
    /// In the order in which they are tried.
    pub hops: Vec<Hop>,
    /// What the DNS did not answer.
    pub trouble: Option<String>,
    /// Why there is no hop, when the DNS has said so.
    pub lack: Option<Lack>,
}

/// Finds all destinations at once, before anything runs; `None` for one that is no name.
pub async fn locate_all(
    servers: &[String],
    abilities: Abilities,
    destinations: &[Destination],
    within: Duration,
) -> Vec<Located> {
    let clock = Clock::start();
    let Ok(rng) = entropy::rng() else { return vec![Located::default(); destinations.len()] };
    let mut locator = Locator::new(abilities, rng);
    destinations.iter().for_each(|destination| locator.want(clock.now().instant, destination));
    let (resolver, mut answers) = Resolver::new(servers);
    let deadline = tokio::time::Instant::now() + within;
    loop {
        while let Some(output) = locator.poll_output() {
            if let Output::Ask(question) = output {
                resolver.ask(question);
            }
        }
        if destinations.iter().all(|destination| is_complete(&locator, destination)) {
            break;
        }
        let due = locator.poll_timeout().map(|due| tokio::time::Instant::from_std(clock.to_std(due)));
        tokio::select! {
            Some((question, answer)) = answers.recv() => {
                locator.handle_answer(clock.now().instant, &question, answer);
            }
            () = tokio::time::sleep_until(due.map_or(deadline, |due| due.min(deadline))) => {
                if tokio::time::Instant::now() >= deadline {
                    break;
                }
                locator.handle_timeout(clock.now().instant);
            }
        }
    }
    let located = |destination: &Destination| Located {
        hops: locator.hops(destination).to_vec(),
        trouble: locator.trouble(destination).map(|(question, failure, _)| format!("{failure} ({question})")),
        lack: locator.lack(destination),
    };
    destinations.iter().map(located).collect()
}

/// Whether nothing more is to come: a number needs nothing, and a name has its answers.
fn is_complete(locator: &Locator, destination: &Destination) -> bool {
    matches!(destination.host, Host::Address(_)) || locator.is_complete(destination)
}

/// Puts the first hop of each trunk that is found into its setup.
pub fn set_targets(setups: &mut [TrunkSetup], located: &[Located]) {
    for (setup, located) in setups.iter_mut().zip(located) {
        if let Some(hop) = located.hops.first() {
            (setup.target.transport, setup.target.address) = (hop.transport, hop.address);
        }
    }
}

#[cfg(test)]
mod tests;
