//! The locator against a zone in memory, under a virtual clock.

use super::super::target::Transport;
use super::super::uri::Uri;
use super::cache::{STALE_MAX, TTL_MIN};
use super::search::{Abilities, HOPS_MAX};
use super::*;
use crate::rng::Rng;
use crate::time::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

mod fallback;

#[test]
fn naptr_leads_to_srv_and_srv_to_addresses_of_both_families() {
    let mut stage = Stage::new();
    stage.zone.naptr("example.com", 20, 10, "SIP+D2T", "_sip._tcp.example.com");
    stage.zone.naptr("example.com", 10, 10, "SIP+D2U", "_sip._udp.example.com");
    stage.zone.srv("_sip._udp.example.com", 20, 1, 5062, "b.example.com");
    stage.zone.srv("_sip._udp.example.com", 10, 1, 5061, "a.example.com");
    stage.zone.srv("_sip._tcp.example.com", 1, 1, 5063, "a.example.com");
    stage.zone.a("a.example.com", "192.0.2.1");
    stage.zone.a("a.example.com", "192.0.2.2");
    stage.zone.aaaa("a.example.com", "2001:db8::1");
    stage.zone.a("b.example.com", "192.0.2.9");
    stage.want("example.com");
    assert_eq!(
        stage.hops(),
        [
            "0 UDP [2001:db8::1]:5061",
            "0 UDP 192.0.2.1:5061",
            "0 UDP 192.0.2.2:5061",
            "1 UDP 192.0.2.9:5062",
            "2 TCP [2001:db8::1]:5063",
            "2 TCP 192.0.2.1:5063",
            "2 TCP 192.0.2.2:5063",
        ]
    );
    let why = &stage.locator.hops(&stage.destination)[1].why;
    assert!(why.starts_with("NAPTR 10 10 _sip._udp.example.com; SRV 10 1 a.example.com:5061; A of"), "{why}");
}

#[test]
fn a_name_that_offers_tls_first_is_never_reached_in_clear() {
    // ORDER, PREFERENCE and service of each record, and the transports that are gone to.
    type Naptr = (u16, u16, &'static str);
    let table: [(&[Naptr], &[&str]); 4] = [
        (&[(1, 1, "SIPS+D2T"), (2, 1, "SIP+D2U")], &["TLS"]),
        (&[(1, 1, "SIPS+D2T"), (1, 2, "SIP+D2U")], &["TLS"]),
        (&[(1, 1, "SIP+D2T"), (1, 2, "SIP+D2U"), (1, 3, "SIPS+D2T")], &["TCP", "UDP", "TLS"]),
        (&[(1, 1, "SIP+D2S"), (2, 1, "SIP+D2U"), (3, 1, "SIP+D2T")], &["UDP", "TCP"]),
    ];
    for (records, expected) in table {
        let mut stage = Stage::new();
        for (order, preference, service) in records {
            let srv_name = format!("_{order}.{preference}.example.com");
            stage.zone.naptr("example.com", *order, *preference, service, &srv_name);
            stage.zone.srv(&srv_name, 1, 1, 5070, "a.example.com");
        }
        stage.zone.a("a.example.com", "192.0.2.1");
        stage.want("example.com");
        let hops = stage.locator.hops(&stage.destination);
        let transports: Vec<&str> = hops.iter().map(|hop| hop.transport.as_str()).collect();
        assert_eq!(transports, expected, "{records:?}");
    }
}

#[test]
fn what_is_asked_depends_on_what_is_given() {
    let table = [
        ("192.0.2.1", &[][..]),
        ("[2001:db8::1]:5070", &[]),
        ("gw.example:5070", &["gw.example A", "gw.example AAAA"]),
        ("gw.example;transport=tcp", &["_sip._tcp.gw.example SRV", "gw.example A", "gw.example AAAA"]),
        (
            "gw.example",
            &[
                "gw.example NAPTR",
                "_sip._tcp.gw.example SRV",
                "_sip._udp.gw.example SRV",
                "_sips._tcp.gw.example SRV",
                "gw.example A",
                "gw.example AAAA",
            ],
        ),
    ];
    for (uri, asked) in table {
        let mut stage = Stage::new();
        stage.zone.a("gw.example", "192.0.2.7");
        stage.want_uri(&format!("sip:{uri}"));
        assert_eq!(stage.asked, asked, "{uri}");
        assert_eq!(stage.hops().len(), 1, "{uri}");
    }
    let mut stage = Stage::new();
    stage.zone.a("gw.example", "192.0.2.7");
    stage.want_uri("sips:gw.example");
    assert_eq!(stage.asked[..2], ["gw.example NAPTR", "_sips._tcp.gw.example SRV"], "nothing less than TLS");
    assert_eq!(stage.hops(), ["0 TLS 192.0.2.7:5061"]);
}

#[test]
fn a_machine_without_ipv6_asks_for_none() {
    let mut stage = Stage::with(Abilities { transports: vec![Transport::Udp], v4: true, v6: false });
    stage.zone.a("gw.example", "192.0.2.7");
    stage.zone.aaaa("gw.example", "2001:db8::7");
    stage.want("gw.example");
    assert_eq!(stage.hops(), ["0 UDP 192.0.2.7:5060"]);
    assert!(!stage.asked.iter().any(|question| question.ends_with("AAAA") || question.contains("_tcp")));
}

#[test]
fn the_cache_honours_the_ttl_and_asks_ahead_of_its_end() {
    let mut stage = Stage::new();
    stage.zone.ttl = Duration::from_secs(100);
    stage.zone.a("gw.example", "192.0.2.7");
    stage.want("gw.example:5060");
    stage.asked.clear();
    stage.pass(79);
    assert!(!stage.asked.contains(&"gw.example A".to_owned()), "{:?}", stage.asked);
    stage.pass(2);
    assert!(stage.asked.contains(&"gw.example A".to_owned()), "{:?}", stage.asked);
}

#[test]
fn fault_31_a_ttl_of_zero_does_not_ask_for_every_call() {
    let mut stage = Stage::new();
    stage.zone.ttl = Duration::ZERO;
    stage.zone.a("gw.example", "192.0.2.7");
    stage.want("gw.example:5060");
    stage.asked.clear();
    stage.pass(60);
    let asked = stage.asked.iter().filter(|question| question.ends_with(" A")).count() as u64;
    assert!(asked <= 60 / TTL_MIN.as_secs() + 4, "{asked} times in a minute");
    assert!(asked >= 10, "{asked} times in a minute");
    assert_eq!(stage.hops(), ["0 UDP 192.0.2.7:5060"]);
}

#[test]
fn fault_31_records_that_change_are_followed_within_their_ttl() {
    let mut stage = Stage::new();
    stage.zone.ttl = Duration::from_secs(10);
    stage.zone.a("gw.example", "192.0.2.7");
    stage.want("gw.example:5060");
    stage.zone.clear();
    stage.zone.a("gw.example", "192.0.2.8");
    stage.pass(9);
    assert_eq!(stage.located, [vec!["0 UDP 192.0.2.7:5060"], vec!["0 UDP 192.0.2.8:5060"]]);
}

#[test]
fn fault_31_servfail_and_silence_serve_what_was_known_until_the_dns_is_back() {
    for failure in [Failure::Refused, Failure::TimedOut, Failure::Unreadable] {
        let mut stage = Stage::new();
        stage.zone.ttl = Duration::from_secs(30);
        stage.zone.srv("_sip._udp.gw.example", 1, 1, 5070, "a.gw.example");
        stage.zone.a("a.gw.example", "192.0.2.7");
        stage.want("gw.example");
        stage.zone.failure = Some(failure);
        stage.pass(3_600);
        assert_eq!(stage.hops(), ["0 UDP 192.0.2.7:5070"], "{failure:?}");
        assert_eq!(stage.located.len(), 1, "nothing has changed");
        assert_eq!(stage.troubles, 1, "it is told once");
        assert!(stage.locator.hops(&stage.destination)[0].why.contains("last known"));
        stage.asked.clear();
        stage.pass(60);
        assert!(stage.asked.len() <= 5 * 5, "a DNS that is down is not stormed: {}", stage.asked.len());
        stage.zone.failure = None;
        stage.pass(60);
        assert_eq!((stage.recoveries, stage.located.len()), (1, 1), "{failure:?}");
        stage.zone.failure = Some(failure);
        stage.pass(STALE_MAX.as_secs() + 100);
        assert_eq!(stage.hops(), [""; 0], "what is older than three days is nobody's address any more");
    }
}

#[test]
fn fault_31_a_question_that_nobody_answers_is_given_up_and_a_late_answer_taken() {
    let mut stage = Stage::new();
    stage.zone.a("gw.example", "192.0.2.7");
    stage.mute = true;
    stage.want("gw.example:5060");
    stage.pass(5);
    assert_eq!((stage.hops().len(), stage.troubles), (0, 0));
    stage.pass(2);
    assert_eq!(stage.troubles, 1);
    stage.mute = false;
    stage.answer(Question::new("gw.example", Kind::A).unwrap());
    assert_eq!(stage.hops(), ["0 UDP 192.0.2.7:5060"]);
}

#[test]
fn one_family_that_fails_does_not_hold_up_the_other() {
    let mut stage = Stage::new();
    stage.zone.a("gw.example", "192.0.2.7");
    stage.mute_kind = Some(Kind::Aaaa);
    stage.want("gw.example:5060");
    assert_eq!(stage.hops(), ["0 UDP 192.0.2.7:5060"]);
}

#[test]
fn a_name_that_is_gone_is_gone_and_comes_back() {
    let mut stage = Stage::new();
    stage.zone.ttl = Duration::from_secs(10);
    stage.zone.a("gw.example", "192.0.2.7");
    stage.want("gw.example:5060");
    stage.zone.clear();
    stage.pass(10);
    assert_eq!(stage.hops(), [""; 0], "the DNS says so, it has not failed");
    stage.zone.a("gw.example", "192.0.2.8");
    stage.pass(61);
    assert_eq!(stage.hops(), ["0 UDP 192.0.2.8:5060"]);
}

#[test]
fn fault_31_names_that_lead_in_circles_and_floods_of_records_end() {
    let mut stage = Stage::new();
    stage.zone.naptr("loop.example", 1, 1, "SIP+D2U", "loop.example");
    stage.zone.naptr("loop.example", 1, 2, "SIP+D2T", "_sip._tcp.loop.example");
    stage.zone.srv("_sip._tcp.loop.example", 1, 1, 5060, "_sip._tcp.loop.example");
    stage.want("loop.example");
    stage.pass(10);
    assert_eq!(stage.hops(), [""; 0]);
    assert!(stage.asked.len() < 40, "{:?}", stage.asked);

    let mut stage = Stage::new();
    for n in 0..500u16 {
        stage.zone.srv("_sip._udp.flood.example", n % 7, n, 5060, &format!("s{n}.flood.example"));
        for m in 0..40 {
            stage.zone.a(&format!("s{n}.flood.example"), &format!("198.51.{}.{m}", n % 250));
        }
    }
    stage.want("flood.example");
    assert_eq!(stage.hops().len(), HOPS_MAX);
    assert!(stage.asked.len() < 60, "{} questions", stage.asked.len());
}

#[test]
fn addresses_that_are_nobodys_are_left_out() {
    let mut stage = Stage::new();
    for ip in ["0.0.0.0", "255.255.255.255", "224.0.0.1", "192.0.2.7"] {
        stage.zone.a("gw.example", ip);
    }
    for ip in ["::", "ff02::1", "fe80::1", "::ffff:192.0.2.1"] {
        stage.zone.aaaa("gw.example", ip);
    }
    stage.want("gw.example:5060");
    assert_eq!(stage.hops(), ["0 UDP 192.0.2.7:5060"]);
}

#[test]
fn what_nobody_wants_any_more_is_not_asked_any_more() {
    let mut stage = Stage::new();
    stage.zone.a("gw.example", "192.0.2.7");
    stage.want("gw.example:5060");
    stage.locator.want(stage.now, &stage.destination);
    stage.locator.forget(stage.now, &stage.destination);
    assert!(stage.locator.poll_timeout().is_some(), "one still wants it");
    stage.locator.forget(stage.now, &stage.destination);
    assert_eq!(stage.locator.poll_timeout(), None);
}

/// Every answer of the DNS, however mad, leaves the locator within its bounds.
#[test]
fn random_answers_never_hurt() {
    for seed in 0..30 {
        let mut rng = Rng::from_seed(seed);
        let mut stage = Stage::new();
        stage.mute = true;
        stage.want("mad.example");
        for _ in 0..200 {
            stage.pass(rng.below(20));
            let name = mad_name(&mut rng);
            let kind = [Kind::Naptr, Kind::Srv, Kind::A, Kind::Aaaa][rng.below(4) as usize];
            let Some(question) = Question::new(&name, kind) else { continue };
            let answer = mad_answer(&mut rng);
            stage.locator.handle_answer(stage.now, &question, answer);
            stage.drain();
            assert!(stage.locator.hops(&stage.destination).len() <= HOPS_MAX);
        }
    }
}

fn mad_name(rng: &mut Rng) -> String {
    let names =
        ["mad.example", "_sip._udp.mad.example", "_sip._tcp.mad.example", "a.mad.example", ".", "b..c"];
    names[rng.below(names.len() as u64) as usize].to_owned()
}

fn mad_answer(rng: &mut Rng) -> Answer {
    if rng.chance(0.3) {
        let ttl = Some(Duration::from_secs(rng.next_u64()));
        let all = [Failure::NoSuchName(ttl), Failure::NoData(None), Failure::Refused, Failure::TimedOut];
        return Err(all[rng.below(4) as usize]);
    }
    let count = rng.below(60);
    let record = |_| {
        let data = match rng.below(4) {
            0 => Data::Naptr {
                order: rng.next_u32() as u16,
                preference: 0,
                flags: "s".into(),
                services: "SIP+D2U".into(),
                replacement: mad_name(rng),
            },
            1 => Data::Srv {
                priority: rng.below(3) as u16,
                weight: rng.next_u32() as u16,
                port: rng.next_u32() as u16,
                target: mad_name(rng),
            },
            2 => Data::A(rng.next_u32().into()),
            _ => Data::Aaaa(u128::from(rng.next_u64()).into()),
        };
        Record { ttl: Duration::from_secs(rng.next_u64() >> rng.below(64)), data }
    };
    Ok((0..count).map(record).collect())
}

/// What a DNS server says.
struct Zone {
    records: BTreeMap<Question, Vec<Data>>,
    ttl: Duration,
    failure: Option<Failure>,
    /// Questions that it fails at, as they are written.
    failing: BTreeSet<&'static str>,
}

impl Zone {
    fn add(&mut self, name: &str, data: Data) {
        let question = Question::new(name, data.kind()).expect("a name");
        self.records.entry(question).or_default().push(data);
    }

    fn naptr(&mut self, name: &str, order: u16, preference: u16, services: &str, replacement: &str) {
        let (services, replacement) = (services.into(), replacement.into());
        self.add(name, Data::Naptr { order, preference, flags: "s".into(), services, replacement });
    }

    fn srv(&mut self, name: &str, priority: u16, weight: u16, port: u16, target: &str) {
        self.add(name, Data::Srv { priority, weight, port, target: target.into() });
    }

    fn a(&mut self, name: &str, ip: &str) {
        self.add(name, Data::A(ip.parse().expect("an address")));
    }

    fn aaaa(&mut self, name: &str, ip: &str) {
        self.add(name, Data::Aaaa(ip.parse().expect("an address")));
    }

    fn clear(&mut self) {
        self.records.clear();
    }

    fn answer(&self, question: &Question) -> Answer {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if self.failing.contains(question.to_string().as_str()) {
            return Err(Failure::Refused);
        }
        match self.records.get(question) {
            Some(all) => Ok(all.iter().map(|data| Record { ttl: self.ttl, data: data.clone() }).collect()),
            None if self.records.keys().any(|known| known.name == question.name) => {
                Err(Failure::NoData(None))
            }
            None => Err(Failure::NoSuchName(None)),
        }
    }
}

struct Stage {
    locator: Locator,
    zone: Zone,
    destination: Destination,
    now: Instant,
    mute: bool,
    mute_kind: Option<Kind>,
    /// Questions that nobody answers, as they are written.
    mute_questions: BTreeSet<&'static str>,
    asked: Vec<String>,
    located: Vec<Vec<String>>,
    troubles: usize,
    recoveries: usize,
}

impl Stage {
    fn new() -> Stage {
        let transports = vec![Transport::Udp, Transport::Tcp, Transport::Tls];
        Stage::with(Abilities { transports, v4: true, v6: true })
    }

    fn with(abilities: Abilities) -> Stage {
        Stage {
            locator: Locator::new(abilities, Rng::from_seed(1)),
            zone: Zone {
                records: BTreeMap::new(),
                ttl: Duration::from_secs(300),
                failure: None,
                failing: BTreeSet::new(),
            },
            destination: Destination::parse("192.0.2.1", None).expect("an address"),
            now: Instant::ZERO,
            mute: false,
            mute_kind: None,
            mute_questions: BTreeSet::new(),
            asked: Vec::new(),
            located: Vec::new(),
            troubles: 0,
            recoveries: 0,
        }
    }

    fn want(&mut self, host: &str) {
        self.begin(Destination::parse(host, None).expect("a host"));
    }

    fn want_uri(&mut self, uri: &str) {
        self.begin(Destination::of_uri(&Uri::parse(uri).expect("a URI")).expect("a SIP URI"));
    }

    fn begin(&mut self, destination: Destination) {
        self.locator.want(self.now, &destination);
        self.destination = destination;
        self.drain();
    }

    fn answer(&mut self, question: Question) {
        let answer = self.zone.answer(&question);
        self.locator.handle_answer(self.now, &question, answer);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.locator.poll_output() {
            match output {
                Output::Ask(question) => {
                    let words = question.to_string();
                    let is_mute = self.mute || self.mute_kind == Some(question.kind);
                    let answered = !is_mute && !self.mute_questions.contains(words.as_str());
                    self.asked.push(words);
                    if answered {
                        self.answer(question);
                    }
                }
                Output::Located { hops, .. } => self.located.push(hops.iter().map(words).collect()),
                Output::Trouble { .. } => self.troubles += 1,
                Output::Recovered(_) => self.recoveries += 1,
            }
        }
    }

    fn pass(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(due) = self.locator.poll_timeout().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.locator.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    fn hops(&self) -> Vec<String> {
        self.locator.hops(&self.destination).iter().map(words).collect()
    }
}

fn words(hop: &Hop) -> String {
    format!("{} {} {}", hop.rank, hop.transport.as_str(), hop.address)
}
