//! Trunks that are known by a name: the binary, a DNS server whose records change under it, and carriers that live and die.

mod peers;
#[path = "trunks/zone.rs"]
mod zone;

use outdial::cli::demo_carrier::Runner;
use outdial::rng::Rng;
use outdial::sim::callee::Callee;
use outdial::sim::carrier;
use outdial::sim::subscribers::Subscriber;
use peers::outdial::{ALWAYS_OPEN, Outdial};
use peers::{eventually, own_address};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use zone::{Manner, Zone};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn fault_31_a_dead_first_target_a_change_of_records_and_a_dns_that_is_down_while_calls_go_on() {
    let (zone, here, there) = (Zone::start(), far_end(200), far_end(200));
    let mute = UdpSocket::bind((own_address(), 5060)).unwrap();
    zone.servers(&[mute.local_addr().unwrap(), here.address()]);
    let mut outdial = Outdial::new();
    configure(&outdial, &zone, &["spring", "summer", "autumn"], "options_interval_s = 0");
    outdial.start();

    // The first target is dead: the call goes on to the second in time, as one attempt.
    start(&outdial, "spring");
    outdial.wait_until_completed("spring", SOON);
    let call = outdial.call_of("+12025550101");
    assert_eq!(call["disposition"], "busy", "{call:#}");
    assert_eq!(here.counts().calls, 1);
    let moment =
        |field: &str| call[field].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    let took = moment("ended_at") - moment("dialed_at");
    // A transaction that is let run to its end takes 32 s. How soon the next target comes to its turn, only a
    // machine that does nothing else can tell.
    let most = if std::env::var_os("OUTDIAL_LONG").is_some() { 4_500 } else { 20_000 };
    assert!(took.num_milliseconds() <= most, "from the first INVITE to the callee's word: {took}");

    // The records change while it runs, at a TTL of 0.
    zone.servers(&[there.address()]);
    let moved =
        |status: &serde_json::Value| status["trunks"][0]["hops"][0]["address"] == there.address().to_string();
    eventually(SOON, "the trunk has moved", || moved(&outdial.status()).then_some(()));
    start(&outdial, "summer");
    outdial.wait_until_completed("summer", SOON);
    assert_eq!((here.counts().calls, there.counts().calls), (1, 1));

    // The DNS is down: what was known serves.
    zone.be(Manner::Fails);
    let told =
        |status: &serde_json::Value| status["trunks"][0]["dns"].as_str().is_some_and(|dns| !dns.is_empty());
    eventually(SOON, "the failure is told", || told(&outdial.status()).then_some(()));
    zone.be(Manner::Mute);
    // Longer than the least that a record is kept for: 5 s.
    std::thread::sleep(Duration::from_secs(3));
    start(&outdial, "autumn");
    outdial.wait_until_completed("autumn", SOON);
    assert_eq!(there.counts().calls, 2);
    outdial.stop();
    let log = outdial.engine_log();
    assert!(log.contains("goes on with what was known"), "{log}");
}

#[test]
fn a_target_whose_host_says_by_icmp_that_nobody_is_there_is_not_waited_for() {
    let (zone, far) = (Zone::start(), far_end(200));
    zone.servers(&[nobody(), far.address()]);
    let mut outdial = Outdial::new();
    configure(&outdial, &zone, &["spring"], "options_interval_s = 0\nanswer_timeout_s = 32");
    outdial.start();
    start(&outdial, "spring");
    // SOON is too soon for who waits for an answer first.
    outdial.wait_until_completed("spring", SOON);
    assert_eq!(outdial.call_of("+12025550101")["disposition"], "busy");
    outdial.stop();
}

#[test]
fn check_shows_what_a_trunk_resolves_to_and_why_and_what_each_address_says() {
    let (zone, far) = (Zone::start(), far_end(403));
    zone.servers(&[nobody(), far.address()]);
    let outdial = Outdial::new();
    configure(&outdial, &zone, &["spring"], "");
    let output = outdial.command(&["check"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "one address is dead: {text}");
    for words in [
        format!("trunk gw address 1: {} over UDP (SRV 0 1 s0.gw.example:5060; A of s0.gw.example", nobody()),
        format!("trunk gw address 2: {} over UDP (SRV 1 1 s1.gw.example", far.address()),
        format!("trunk gw does not answer OPTIONS at {}; calls go to its other addresses", nobody()),
        "trunk gw answers OPTIONS with 403".to_owned(),
        "it is alive, but refuses us".to_owned(),
    ] {
        assert!(text.contains(&words), "no {words:?} in:\n{text}");
    }
    zone.be(Manner::Fails);
    let output = outdial.command(&["check"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("the DNS server"), "{text}");
}

#[test]
fn a_test_call_says_by_its_exit_status_that_no_trunk_carried_it() {
    let (zone, far) = (Zone::start(), far_end(200));
    zone.servers(&[nobody()]);
    let outdial = Outdial::new();
    configure(&outdial, &zone, &["spring"], "options_interval_s = 0");
    let begun = Instant::now();
    let output = outdial.command(&["call", "+12025550101"]);
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no trunk carried the call"));
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    zone.servers(&[far.address()]);
    let output = outdial.command(&["call", "+12025550101"]);
    assert_eq!(output.status.code(), Some(0), "busy is the callee's word, the trunk has carried the call");
}

/// An address where nobody is, and whose host says so.
fn nobody() -> SocketAddr {
    static ADDRESS: std::sync::OnceLock<SocketAddr> = std::sync::OnceLock::new();
    *ADDRESS.get_or_init(|| SocketAddr::from((own_address(), 5060)))
}

/// A carrier whose callees are busy, and that answers OPTIONS with this.
fn far_end(options_status: u16) -> Runner {
    let runner = Runner::start(Instant::now(), 8, Rng::from_seed(7), |address, ports| {
        let mut options = carrier::Options::new(address, ports);
        options.options_status = options_status;
        for number in ["+12025550101", "+12025550102", "+12025550103"] {
            let ring = Duration::from_millis(50);
            options.subscribers.insert(number, Subscriber { callee: Callee::Busy, ring, fault: None });
        }
        options
    });
    runner.expect("loopback has free ports")
}

/// The trunk by its name, and campaigns that wait to be started, of one number each.
fn configure(outdial: &Outdial, zone: &Zone, campaigns: &[&str], trunk: &str) {
    let mut text = format!("[[trunk]]\nname = \"gw\"\nhost = \"gw.example\"\n{trunk}\n");
    for (place, name) in campaigns.iter().enumerate() {
        outdial.write_contacts(&format!("{name}.csv"), [format!("+1202555010{}", place + 1)]);
        text += &format!(
            "[[campaign]]\nname = \"{name}\"\ntrunks = [\"gw\"]\ncontacts = \"{name}.csv\"\nmax_attempts = 1\n\
             caller_id = \"+12025550199\"\nautostart = false\n\n{ALWAYS_OPEN}\n\n[campaign.human]\naction = \"hang_up\"\n"
        );
    }
    outdial.configure(50.0, &text);
    let dns = format!("[sip]\ndns = [\"{}\"]\n", zone.address);
    outdial.write("outdial.toml", &outdial.configuration().replace("[sip]\n", &dns));
}

fn start(outdial: &Outdial, campaign: &str) {
    let output = outdial.command(&["campaign start", campaign]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
