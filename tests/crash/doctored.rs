//! The judge itself: books that are in order pass, and each thing that must not be is found when it is put into them.

use super::judge::Case;
use super::ledger::{Call, Ledger};
use super::rig::{Life, Load};
use serde_json::json;
use std::time::{Duration, Instant};

const CALLEE: &str = "+12025580001";

/// Seconds of two engines' lives: the first dies in a bridged call, the second ends it.
const KILLED_AT: f64 = 3.0;
const STARTED_AT: f64 = 4.0;
const ENDED_AT: f64 = 30.0;

#[test]
fn books_in_order_pass_and_the_judge_sees_what_the_kill_has_met() {
    let found = Doctor::new().case.judge();
    assert_eq!(found.faults, [""; 0]);
    let met = found.bridges;
    assert_eq!((met.legs, met.joined, met.killed_talking, met.killed_wrapping_up), (2, 2, 1, 1));
    assert_eq!((found.orphans, found.ended_by_engine), (2, 2));
}

/// What the judge says of books that were doctored so.
type Case = (&'static str, fn(&mut Doctor));

#[test]
fn each_thing_that_must_not_be_is_found() {
    let cases: [Case; 16] = [
        ("was never ended", |books| books.call("a2").ended_at = None),
        ("the orphan a2 (agent-1) was up for", |books| books.ends("a2", 11.0)),
        ("the orphan c2 (+12025580002) was up for", |books| {
            // Nobody has heard its answer, but the second engine has had all the time for that.
            books.call("c2").acknowledged_at = None;
            books.ends("c2", 11.0);
        }),
        ("was up for 6.5s without its callee (a2)", |books| books.ends("a2", 11.0)),
        ("was left alone for", |books| {
            // Within one life.
            books.ends("c1", 29.0);
            books.case.lives[0].to = books.at(29.5);
        }),
        ("agent-1 had two calls at once", |books| books.rings("a3", "agent-1", CALLEE, 2.6, 2.7)),
        ("agent-0 had no time to write a call up", |books| {
            books.rings("a3", "agent-0", "+12025580002", 2.6, 2.7);
        }),
        ("agent-3 was rung for nobody", |books| books.rings("a3", "agent-3", "+12025580009", 2.6, 2.7)),
        ("5 calls at once, the cap is 4", |books| books.case.ledger.most_at_once = 5),
        ("3 callees at once, the cap is 2", |books| books.case.ledger.most_callees_at_once = 3),
        ("3 INVITEs in", |books| {
            books.rings("a3", "agent-3", CALLEE, 2.0, 2.05);
            books.rings("a4", "agent-4", CALLEE, 2.05, 2.1);
            books.call("c2").invited_at = books.at(2.1);
        }),
        ("was dialed 3 times", |books| {
            books.dials("c3", CALLEE, 10.0);
            books.dials("c4", CALLEE, 12.0);
        }),
        ("was dialed while it was in a call", |books| books.dials("c3", CALLEE, 1.0)),
        ("the call c2 of +12025580002 has no record", |books| drop(books.case.records.remove(1))),
        ("two records of the attempt c1", |books| {
            let again =
                json!({ "attempt": "c1", "call_id": "c9", "number": CALLEE, "disposition": "interrupted" });
            books.case.records.push(again);
        }),
        ("a contact was forgotten", |books| books.case.contacts[0]["state"] = json!("pending")),
    ];
    for (words, doctor) in cases {
        let mut books = Doctor::new();
        doctor(&mut books);
        let faults = books.case.judge().faults;
        assert!(faults.iter().any(|fault| fault.contains(words)), "{words}: {faults:?}");
    }
}

/// Books in the making.
struct Doctor {
    zero: Instant,
    case: Case,
}

impl Doctor {
    /// A first call, bridged and over; a second, in which the engine dies.
    fn new() -> Doctor {
        let zero = Instant::now();
        let load = Load {
            contacts: 2,
            calls_per_second: 2.0,
            channels_max: 4,
            campaign_lines: 2,
            engine_lines: 2,
            agents: 2,
        };
        let life = |from, to| Life { from: moment(zero, from), to: moment(zero, to) };
        let contact = |number: &str| json!({ "number": number, "state": "done" });
        let mut books = Doctor {
            zero,
            case: Case {
                ledger: Ledger::default(),
                lives: vec![life(0.0, KILLED_AT), life(STARTED_AT, ENDED_AT)],
                records: Vec::new(),
                contacts: vec![contact(CALLEE), contact("+12025580002")],
                load,
            },
        };
        books.dials("c1", CALLEE, 0.5);
        books.ends("c1", 2.2);
        books.rings("a1", "agent-0", CALLEE, 0.7, 0.8);
        books.ends("a1", 2.1);
        books.dials("c2", "+12025580002", 2.4);
        books.rings("a2", "agent-1", "+12025580002", 2.5, 2.6);
        for orphan in ["c2", "a2"] {
            books.ends(orphan, 4.5);
            books.call(orphan).by_engine = true;
        }
        books
    }

    fn at(&self, seconds: f64) -> Instant {
        moment(self.zero, seconds)
    }

    fn call(&mut self, id: &str) -> &mut Call {
        self.case.ledger.calls.get_mut(id).expect("it was made")
    }

    /// A callee who answers at once and is there for a tenth of a second, with a record.
    fn dials(&mut self, id: &str, number: &str, at: f64) {
        self.begins(id, number, "+12025550199", at, at + 0.05);
        self.ends(id, at + 0.1);
        let record = json!({ "attempt": id, "call_id": id, "number": number, "disposition": "bridged" });
        self.case.records.push(record);
    }

    /// An agent who answers, and is there for a tenth of a second.
    fn rings(&mut self, id: &str, agent: &str, callee: &str, at: f64, answered: f64) {
        self.begins(id, agent, callee, at, answered);
        self.ends(id, answered + 0.1);
    }

    fn begins(&mut self, id: &str, number: &str, shown: &str, at: f64, answered: f64) {
        let mut call = Call::new(number, shown, self.at(at));
        call.answered_at = Some(self.at(answered));
        call.acknowledged_at = call.answered_at;
        self.case.ledger.calls.insert(id.to_owned(), call);
    }

    fn ends(&mut self, id: &str, at: f64) {
        let at = self.at(at);
        self.call(id).ended_at = Some(at);
    }
}

fn moment(zero: Instant, seconds: f64) -> Instant {
    zero + Duration::from_secs_f64(seconds)
}
