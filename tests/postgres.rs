//! Several nodes on one PostgreSQL server, judged by the carrier's own ledger: nodes are killed and frozen, the server is frozen,
//! and still nobody is dialed twice, the caps hold over all nodes together, and what a dead node led goes on within seconds.

#[path = "postgres/carrier.rs"]
mod carrier;
mod peers;

use carrier::{Carrier, Ledger, called_twice, most_at_once, most_within};
use peers::outdial::{ALWAYS_OPEN, Outdial};
use peers::postgres::Cluster;
use peers::{eventually, own_address};
use std::net::IpAddr;
use std::time::{Duration, Instant};

const NODES: usize = 4;
const LINES: usize = 120;
const CALLS_PER_SECOND: usize = 500;

/// From the engine's clock to the carrier's a call may be late by so much: two that were a second apart are at least this
/// far apart on the wire.
const WINDOW: Duration = Duration::from_millis(900);

/// What the issue demands of a leader's successor, with `OUTDIAL_LONG=1`; on a machine that does other work
/// the clock proves no more than that somebody comes.
fn taken_over_within() -> Duration {
    Duration::from_secs(if std::env::var("OUTDIAL_LONG").is_ok() { 5 } else { 30 })
}

/// So long nodes and the server sleep: longer than any lease, `OUTDIAL_LONG=1` for a minute.
fn frozen() -> Duration {
    Duration::from_secs(if std::env::var("OUTDIAL_LONG").is_ok() { 60 } else { 8 })
}

/// With work left, something of it is done in this time.
const STALLS_WITHIN: Duration = Duration::from_secs(60);

fn contacts() -> u32 {
    std::env::var("OUTDIAL_POSTGRES_CONTACTS")
        .map_or(50_000, |text| text.parse().expect("a number of contacts"))
}

struct Fleet {
    cluster: Cluster,
    carrier: Carrier,
    nodes: Vec<Outdial>,
    contacts: u32,
}

impl Fleet {
    /// Only the first node's list has all contacts: the others find them in the database.
    fn new(contacts: u32) -> Fleet {
        let cluster = Cluster::start().unwrap_or_else(|error| panic!("{error}"));
        let carrier = Carrier::start(own_address());
        let url = cluster.create("dialer");
        let nodes = (0..NODES).map(|place| {
            let node = Outdial::new();
            let many = if place == 0 { contacts } else { 1 };
            node.write_contacts("contacts.csv", (0..many).map(|n| format!("+120255{n:05}")));
            node.configure(CALLS_PER_SECOND as f64, &configuration(carrier.address));
            let engine = format!("[engine]\ndatabase = \"{url}\"\nnode = \"node-{place}\"\n");
            node.write("outdial.toml", &node.configuration().replacen("[engine]\n", &engine, 1));
            node
        });
        let nodes = nodes.collect();
        Fleet { cluster, carrier, nodes, contacts }
    }

    fn sql(&self, sql: &str) -> String {
        self.cluster.sql("dialer", sql)
    }

    fn count(&self, sql: &str) -> usize {
        self.sql(sql).parse().unwrap_or_else(|_| panic!("{sql} gives no number"))
    }

    /// Contacts that are not settled.
    fn left(&self) -> usize {
        self.count("SELECT count(*) FROM contacts WHERE state <> 'done'")
    }

    /// Whose campaign it is, by the node's place.
    fn leader(&self) -> Option<usize> {
        let name =
            self.sql("SELECT name FROM leaders JOIN nodes USING (token) WHERE scope = 'campaign spring'");
        name.strip_prefix("node-")?.parse().ok()
    }

    /// Waits until the carrier has had so many calls more, as long as there are more of them from time to
    /// time.
    fn dial(&self, more: usize) {
        let mut count = self.carrier.count();
        let goal = (count + more).min(self.contacts as usize);
        while count < goal {
            count = eventually(STALLS_WITHIN, &format!("calls go on, of which there were {count}"), || {
                Some(self.carrier.count()).filter(|now| *now > count)
            });
        }
    }

    /// Waits until every contact is settled, as long as there are fewer of the others from time to time: how fast that goes is
    /// the machine's business.
    fn settle(&self) {
        let (mut left, mut since) = (self.left(), Instant::now());
        while left > 0 {
            std::thread::sleep(Duration::from_millis(100));
            let now = self.left();
            if now < left {
                (left, since) = (now, Instant::now());
            }
            assert!(since.elapsed() < STALLS_WITHIN, "{left} contacts are left:\n{}", self.those_left());
        }
    }

    /// All that there is to know of some of them.
    fn those_left(&self) -> String {
        [
            "SELECT id, number, state, holder, attempt, next_attempt_at, last_reason FROM contacts
                 WHERE state <> 'done' LIMIT 9",
            "SELECT a.* FROM attempts AS a JOIN contacts AS c ON c.id = a.contact WHERE c.state <> 'done' LIMIT 9",
            "SELECT d.call_id, d.attempt, d.trunk FROM dialogs AS d JOIN attempts AS a ON a.id = d.attempt
                 JOIN contacts AS c ON c.id = a.contact WHERE c.state <> 'done' LIMIT 9",
            "SELECT * FROM nodes",
            "SELECT * FROM campaigns",
            "SELECT extract(epoch FROM clock_timestamp()) * 1000",
        ]
        .map(|sql| self.sql(sql))
        .join("\n--\n")
    }

    fn calls_of(&self, node: usize, from: Instant, until: Instant) -> usize {
        let address = IpAddr::from(self.nodes[node].address());
        let ledger = self.carrier.ledger();
        ledger.values().filter(|c| c.from == address && c.invited_at >= from && c.invited_at < until).count()
    }
}

#[test]
fn four_nodes_that_are_killed_and_frozen_dial_everybody_once_within_the_caps() {
    if !peers::installed() {
        return;
    }
    let mut fleet = Fleet::new(contacts());
    let step = fleet.contacts as usize / 10;
    for node in &mut fleet.nodes {
        node.start();
    }
    fleet.dial(step);

    // The leader dies, and its successor is there in time.
    let leader = eventually(Duration::from_secs(30), "somebody leads", || fleet.leader());
    fleet.nodes[leader].engine().kill();
    let died = Instant::now();
    let successor = eventually(Duration::from_secs(30), "somebody else leads", || {
        fleet.leader().filter(|next| *next != leader)
    });
    let taken_over = died.elapsed();
    assert!(taken_over <= taken_over_within(), "the lead was taken over after {taken_over:?}");
    fleet.dial(step);
    fleet.nodes[leader].start();

    // A node sleeps for longer than its lease, and wakes up with contacts and INVITEs that are others' by now.
    let sleeper = (0..NODES).find(|node| *node != leader && *node != successor).unwrap();
    fleet.nodes[sleeper].engine().signal("STOP");
    std::thread::sleep(frozen());
    let before = fleet.carrier.ledger();
    fleet.nodes[sleeper].engine().signal("CONT");
    fleet.dial(step);
    assert!(!before.is_empty());

    // The server itself sleeps: nothing new leaves, and all goes on by itself.
    fleet.cluster.freeze(true);
    let frozen_at = Instant::now();
    std::thread::sleep(frozen());
    fleet.cluster.freeze(false);
    let thawed = Instant::now();
    let silent_from = frozen_at + Duration::from_secs(3);
    for node in 0..NODES {
        assert_eq!(fleet.calls_of(node, silent_from, thawed), 0, "node-{node} dialed without its database");
    }
    fleet.dial(step);

    // Two at once, one of them for good.
    fleet.nodes[successor].engine().kill();
    fleet.nodes[leader].engine().kill();
    fleet.dial(step);
    fleet.nodes[leader].start();

    fleet.settle();
    for node in (0..NODES).filter(|node| *node != successor) {
        fleet.nodes[node].stop();
    }
    judge(&fleet, &fleet.carrier.ledger());
    eprintln!(
        "{} calls, most at once {}, most in {WINDOW:?} {}, lead taken over after {taken_over:?}",
        fleet.carrier.count(),
        most_at_once(&fleet.carrier.ledger()),
        most_within(&fleet.carrier.ledger(), WINDOW)
    );
}

#[test]
fn what_is_done_to_a_database_as_a_whole_is_done_to_a_server_too() {
    if !peers::installed() {
        return;
    }
    let mut fleet = Fleet::new(20);
    fleet.nodes.truncate(1);
    let node = &fleet.nodes[0];
    let server = "[engine]\ndatabase_key_file = \"erased.key\"\n";
    node.write("outdial.toml", &node.configuration().replacen("[engine]\n", server, 1));
    let does = |arguments: &[&str]| {
        let done = node.command(arguments);
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&done.stderr));
        said
    };
    does(&["import", "spring", "contacts.csv"]);
    let said = does(&["backup", "copy.db"]);
    assert!(said.contains("20 contacts"), "{said}");
    let erased = does(&["erase", "+12025500003", "--json"]);
    assert!(erased.contains("\"contacts\":1") && erased.contains("\"left\":0"), "{erased}");
    assert_eq!(fleet.count("SELECT count(*) FROM contacts WHERE number = '+12025500003'"), 0);
    // Its key comes along: the erased number is known in the copy, and stays out of it.
    node.write_contacts("contacts.csv", ["+12025500003", "+12025500077"]);
    let rehearsed = does(&["run", "--dry-run", "--answer-rate", "0.3", "--json"]);
    let rehearsed: serde_json::Value = serde_json::from_str(&rehearsed).unwrap();
    assert_eq!(rehearsed["campaigns"][0]["contacts_called"], 20, "{rehearsed:#}");
    assert_eq!(fleet.sql("SELECT count(*) FROM attempts"), "0", "a dry run writes nothing");
    let restored = does(&["restore", "copy.db"]);
    assert!(restored.contains("20 contacts") && restored.contains("schema before_"), "{restored}");
    assert_eq!(fleet.count("SELECT count(*) FROM contacts WHERE number = '+12025500003'"), 1);
    assert_eq!(fleet.carrier.count(), 0);
}

fn judge(fleet: &Fleet, ledger: &Ledger) {
    let contacts = fleet.contacts as usize;
    assert!(
        ledger.len() > contacts * 9 / 10,
        "the carrier saw only {} calls: nothing is proved",
        ledger.len()
    );
    assert!(called_twice(ledger).is_empty(), "dialed twice: {:?}", called_twice(ledger));
    assert!(most_at_once(ledger) <= LINES, "{} calls at once", most_at_once(ledger));
    let most = most_within(ledger, WINDOW);
    assert!(most <= CALLS_PER_SECOND, "{most} calls in {WINDOW:?}");
    // Every call has its row, and every attempt its one record.
    assert_eq!(fleet.count("SELECT count(*) FROM contacts WHERE state = 'done'"), contacts);
    assert_eq!(fleet.count("SELECT count(*) FROM attempts"), fleet.count("SELECT count(*) FROM calls"));
    let kept = fleet.sql("SELECT call_id FROM invites");
    let kept: std::collections::BTreeSet<&str> = kept.lines().collect();
    let unknown: Vec<&String> = ledger.keys().filter(|call_id| !kept.contains(call_id.as_str())).collect();
    assert!(unknown.is_empty(), "calls without a row: {unknown:?}");
}

fn configuration(carrier: std::net::Ipv4Addr) -> String {
    format!(
        r#"
[[trunk]]
name = "carrier"
host = "{carrier}:5060"
channels_max = {LINES}
calls_per_second_max = {CALLS_PER_SECOND}.0
options_interval_s = 0

[[campaign]]
name = "spring"
trunks = ["carrier"]
contacts = "contacts.csv"
default_region = "US"
caller_id = "+12025550199"
lines_max = {LINES}
ring_timeout_s = 15
max_attempts = 1

[campaign.dialing]
mode = "agentless"

{ALWAYS_OPEN}

[campaign.human]
action = "hang_up"

[campaign.machine]
action = "hang_up"
"#
    )
}
