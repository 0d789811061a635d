//! What the DNS says that it has not, and what it does not say: the first leads on to the next rule, the second does not.

use super::*;

#[test]
fn a_failed_lookup_is_not_an_absent_record() {
    // NAPTR, whether _sip._udp has a server, and what fails.
    let table: &[(&str, bool, &[&'static str])] = &[
        ("SIP+D2T", false, &["_sip._tcp.x.example SRV"]),
        ("SIPS+D2T", false, &["_sips._tcp.x.example SRV"]),
        ("SIPS+D2T", true, &["x.example NAPTR"]),
        ("", false, &["x.example NAPTR"]),
        ("", false, &["_sip._udp.x.example SRV"]),
        ("", false, &["_sips._tcp.x.example SRV"]),
    ];
    for (service, has_udp, failing) in table {
        let mut stage = Stage::new();
        let srv_name = if *service == "SIP+D2T" { "_sip._tcp.x.example" } else { "_sips._tcp.x.example" };
        if !service.is_empty() {
            stage.zone.naptr("x.example", 1, 1, service, srv_name);
            stage.zone.srv(srv_name, 1, 1, 5075, "a.x.example");
        }
        if *has_udp {
            stage.zone.srv("_sip._udp.x.example", 1, 1, 5076, "a.x.example");
        }
        stage.zone.a("x.example", "192.0.2.80");
        stage.zone.a("a.x.example", "192.0.2.7");
        stage.zone.failing = failing.iter().copied().collect();
        stage.want("x.example");
        stage.pass(40);
        assert_eq!(stage.hops(), [""; 0], "{service} {failing:?}");
        assert_eq!(stage.located, [[""; 0]; 0], "{failing:?}: it is trouble, not an outcome");
        assert_eq!(stage.troubles, 1, "{failing:?}");
        assert_eq!(stage.locator.lack(&stage.destination), Some(Lack::Unanswered));
        assert!(stage.locator.is_complete(&stage.destination), "the start does not wait for it");
        let asked = stage.asked.iter().filter(|question| *question == failing[0]).count();
        assert!((4..8).contains(&asked), "{failing:?} was asked {asked} times");
        stage.zone.failing.clear();
        stage.pass(31);
        let expected = match *service {
            "SIP+D2T" => "0 TCP 192.0.2.7:5075",
            "SIPS+D2T" => "0 TLS 192.0.2.7:5075",
            _ => "0 UDP 192.0.2.80:5060",
        };
        assert_eq!(stage.hops(), [expected], "{failing:?}: it answers again");
        assert_eq!(stage.recoveries, 1);
    }
}

#[test]
fn what_was_found_stands_while_a_new_record_leads_to_a_question_that_fails() {
    let mut stage = Stage::new();
    stage.zone.ttl = Duration::from_secs(30);
    stage.zone.a("x.example", "192.0.2.80");
    stage.want("x.example");
    assert_eq!(stage.hops(), ["0 UDP 192.0.2.80:5060"]);
    stage.zone.naptr("x.example", 1, 1, "SIP+D2T", "_sip._tcp.new.example");
    stage.zone.failing = ["_sip._tcp.new.example SRV"].into();
    stage.pass(300);
    assert_eq!(stage.hops(), ["0 UDP 192.0.2.80:5060"], "as it was");
    assert_eq!(stage.located.len(), 1);
    stage.pass(STALE_MAX.as_secs());
    assert_eq!(stage.hops(), [""; 0], "but not for ever");
    assert_eq!(stage.locator.lack(&stage.destination), Some(Lack::Unanswered));
}

#[test]
fn a_service_that_is_known_serves_while_another_fails() {
    let mut stage = Stage::new();
    stage.zone.srv("_sip._udp.x.example", 1, 1, 5070, "a.x.example");
    stage.zone.a("a.x.example", "192.0.2.7");
    stage.zone.failing = ["_sips._tcp.x.example SRV", "_sip._tcp.x.example SRV"].into();
    stage.want("x.example");
    assert_eq!(stage.hops(), ["0 UDP 192.0.2.7:5070"]);
}

#[test]
fn that_there_is_no_address_is_said_only_when_the_dns_has_said_so() {
    let mut stage = Stage::new();
    stage.mute = true;
    stage.want("x.example");
    assert_eq!(stage.locator.lack(&stage.destination), None, "nobody knows yet");
    stage.pass(7);
    assert_eq!(stage.locator.lack(&stage.destination), Some(Lack::Unanswered), "nor after a while");
    assert_eq!(stage.located, [[""; 0]; 0]);
    stage.mute = false;
    stage.pass(30);
    assert_eq!(stage.locator.lack(&stage.destination), Some(Lack::NoRecord));
    assert_eq!(stage.located, [[""; 0]], "now it is known, and told");
}

#[test]
fn a_service_that_is_denied_and_servers_without_an_address_do_not_lead_to_the_bare_name() {
    const UDP: &str = "_sip._udp.x.example";
    const TCP: &str = "_sip._tcp.x.example";
    type Case = (&'static [(&'static str, &'static str)], &'static [&'static str], Option<Lack>);
    let table: &[Case] = &[
        (&[(UDP, ".")], &[], Some(Lack::NoService)),
        (&[(UDP, "."), (TCP, ".")], &[], Some(Lack::NoService)),
        (&[(UDP, "."), (TCP, "a.x.example")], &["0 TCP 192.0.2.7:5070"], None),
        (&[(TCP, ".")], &["0 UDP 192.0.2.80:5060"], None),
        (&[(UDP, "gone.x.example")], &[], Some(Lack::NoAddress)),
        (&[(TCP, "gone.x.example")], &[], Some(Lack::NoAddress)),
        (&[(UDP, "."), (TCP, "gone.x.example")], &[], Some(Lack::NoAddress)),
        (&[(UDP, "gone.x.example"), (UDP, "a.x.example")], &["0 UDP 192.0.2.7:5070"], None),
    ];
    for (records, expected, lack) in table {
        let mut stage = Stage::new();
        records.iter().for_each(|(service, target)| stage.zone.srv(service, 1, 1, 5070, target));
        stage.zone.a("x.example", "192.0.2.80");
        stage.zone.a("a.x.example", "192.0.2.7");
        stage.want("x.example");
        assert_eq!(stage.hops(), *expected, "{records:?}");
        assert_eq!(stage.locator.lack(&stage.destination), *lack, "{records:?}");
        assert_eq!(stage.located, [expected.to_vec()], "{records:?}: it is told");
    }
    // So it is where NAPTR or the transport leads there.
    let mut stage = Stage::new();
    stage.zone.naptr("x.example", 1, 1, "SIP+D2T", TCP);
    stage.zone.srv(TCP, 0, 0, 0, ".");
    stage.zone.a("x.example", "192.0.2.80");
    stage.want("x.example");
    assert_eq!((stage.hops().len(), stage.locator.lack(&stage.destination)), (0, Some(Lack::NoService)));
    stage.want_uri("sip:x.example;transport=tcp");
    assert_eq!((stage.hops().len(), stage.locator.lack(&stage.destination)), (0, Some(Lack::NoService)));
}

#[test]
fn a_lower_priority_waits_for_the_address_of_the_first_but_not_for_long() {
    let first = Question::new("a.x.example", Kind::A).unwrap();
    let stage = || {
        let mut stage = Stage::with(Abilities { transports: vec![Transport::Udp], v4: true, v6: true });
        stage.zone.ttl = Duration::from_secs(10);
        stage.zone.srv("_sip._udp.x.example", 1, 1, 5070, "a.x.example");
        stage.zone.srv("_sip._udp.x.example", 2, 1, 5070, "b.x.example");
        stage.zone.a("a.x.example", "192.0.2.7");
        stage.zone.a("b.x.example", "192.0.2.8");
        stage.mute_questions = ["a.x.example A", "a.x.example AAAA"].into();
        stage.want("x.example");
        assert_eq!(stage.located, [[""; 0]; 0], "nothing is told yet");
        stage
    };
    let both = ["0 UDP 192.0.2.7:5070", "1 UDP 192.0.2.8:5070"];
    let second = ["1 UDP 192.0.2.8:5070"];

    let mut answered = stage();
    answered.pass(1);
    answered.answer(first.clone());
    assert_eq!(answered.located, [both], "the other family is not waited for");

    let mut late = stage();
    late.pass(1);
    assert_eq!(late.hops(), [""; 0]);
    late.pass(1);
    assert_eq!(late.located, [second.to_vec()], "the second serves alone after 2 s");
    late.answer(first.clone());
    assert_eq!(late.located, [second.to_vec(), both.to_vec()]);

    let mut failed = stage();
    failed.zone.failing = ["a.x.example A", "a.x.example AAAA"].into();
    failed.answer(first.clone());
    assert_eq!(failed.hops(), [""; 0], "the other family may still come");
    failed.answer(Question::new("a.x.example", Kind::Aaaa).unwrap());
    assert_eq!(failed.located, [second.to_vec()], "what has failed is not waited for");

    // A list that is known stands meanwhile.
    let mut moved = stage();
    moved.mute_questions = ["new.x.example A", "new.x.example AAAA"].into();
    moved.answer(first);
    moved.zone.srv("_sip._udp.x.example", 0, 1, 5070, "new.x.example");
    moved.pass(9);
    assert!(moved.asked.contains(&"new.x.example A".to_owned()), "{:?}", moved.asked);
    assert_eq!(moved.hops(), both);
    moved.pass(2);
    assert_eq!(moved.hops(), ["1 UDP 192.0.2.7:5070", "2 UDP 192.0.2.8:5070"]);
}

#[test]
fn the_transport_that_naptr_chose_stays_chosen_where_there_is_no_srv_record() {
    let table: &[(&[&str], &[&str])] = &[
        (&["SIP+D2T"], &["0 TCP 192.0.2.80:5060"]),
        (&["SIPS+D2T"], &["0 TLS 192.0.2.80:5061"]),
        (&["SIP+D2U"], &["0 UDP 192.0.2.80:5060"]),
        (&["SIPS+D2T", "SIP+D2T"], &["0 TLS 192.0.2.80:5061"]),
        (&["E2U+sip"], &["0 UDP 192.0.2.80:5060"]),
    ];
    for (services, expected) in table {
        let mut stage = Stage::new();
        for (order, service) in (1..).zip(*services) {
            stage.zone.naptr("x.example", order, 1, service, &format!("_{order}._tcp.x.example"));
        }
        stage.zone.a("x.example", "192.0.2.80");
        stage.want("x.example");
        assert_eq!(stage.hops(), *expected, "{services:?}");
    }
}
