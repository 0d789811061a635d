//! Keeps the hops of every wanted destination known and fresh: asks, is answered, and says what has changed.

use super::cache::{Cache, STALE_MAX};
use super::destination::Destination;
use super::record::{Answer, Failure, Question};
use super::search::{Abilities, Found, Hop, Lack, Search};
use crate::rng::Rng;
use crate::time::Instant;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Questions under way at once.
const UNDER_WAY_MAX: usize = 64;

/// What the locator asks and tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Ask the DNS; [`Locator::handle_answer`] is waited for.
    Ask(Question),
    /// A destination's hops are known now, or others than before; none when the DNS says that there are none, or has not
    /// answered for as long as what was known may serve. [`Locator::lack`] tells the two apart.
    Located {
        /// Which.
        destination: Destination,
        /// In the order in which they are to be tried.
        hops: Vec<Hop>,
    },
    /// The DNS has begun to fail for a destination.
    Trouble {
        /// Which.
        destination: Destination,
        /// What it was asked.
        question: Question,
        /// How it failed.
        failure: Failure,
        /// What was known before serves on.
        serves_stale: bool,
    },
    /// The DNS answers again.
    Recovered(Destination),
}

#[derive(Clone, Debug)]
struct Wanted {
    /// How many want it.
    count: usize,
    /// Copied for each search, so that the same answers give the same order.
    rng: Rng,
    found: Found,
    /// A search has come to its end, with hops or without.
    located: bool,
    /// Its outcome has been told.
    told: bool,
    troubled: bool,
    /// For so long its hops stand while the DNS fails at questions that are new.
    stands_until: Instant,
}

/// See the module's page.
#[derive(Clone, Debug)]
pub struct Locator {
    abilities: Abilities,
    cache: Cache,
    wanted: BTreeMap<Destination, Wanted>,
    under_way: BTreeSet<Question>,
    rng: Rng,
    outputs: VecDeque<Output>,
    due: Option<Instant>,
}

impl Locator {
    /// Nothing is wanted yet.
    pub fn new(abilities: Abilities, rng: Rng) -> Self {
        Locator {
            abilities,
            cache: Cache::default(),
            wanted: BTreeMap::new(),
            under_way: BTreeSet::new(),
            rng,
            outputs: VecDeque::new(),
            due: None,
        }
    }

    /// Keeps this destination located until [`Locator::forget`] was called as often.
    pub fn want(&mut self, now: Instant, destination: &Destination) {
        if let Some(wanted) = self.wanted.get_mut(destination) {
            wanted.count += 1;
            return;
        }
        let rng = self.rng.fork();
        let wanted = Wanted {
            count: 1,
            rng,
            found: Found::default(),
            located: false,
            told: false,
            troubled: false,
            stands_until: Instant::ZERO,
        };
        self.wanted.insert(destination.clone(), wanted);
        self.search(now, destination);
        self.settle(now);
    }

    /// One fewer wants it.
    pub fn forget(&mut self, now: Instant, destination: &Destination) {
        let Some(wanted) = self.wanted.get_mut(destination) else { return };
        wanted.count -= 1;
        if wanted.count == 0 {
            self.wanted.remove(destination);
            self.settle(now);
        }
    }

    /// What became of a question.
    pub fn handle_answer(&mut self, now: Instant, question: &Question, answer: Answer) {
        self.under_way.remove(question);
        self.cache.handle_answer(now, question, answer);
        self.search_those_with(now, question);
        self.settle(now);
    }

    /// The deadline that it asked for has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        for question in self.questions() {
            if self.cache.give_up(now, &question) {
                self.under_way.remove(&question);
                self.search_those_with(now, &question);
            }
        }
        let is_due = |wanted: &Wanted| wanted.found.waits_until.is_some_and(|until| until <= now);
        let overdue = self.wanted.iter().filter(|(_, wanted)| is_due(wanted));
        let overdue: Vec<Destination> = overdue.map(|(destination, _)| destination.clone()).collect();
        overdue.iter().for_each(|destination| self.search(now, destination));
        self.settle(now);
    }

    /// When [`Locator::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// What to do or to know.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The hops of a destination as they are known.
    pub fn hops(&self, destination: &Destination) -> &[Hop] {
        self.wanted.get(destination).map_or(&[], |wanted| &wanted.found.hops)
    }

    /// Whether the first search for a destination has come to its end, with hops or without.
    pub fn is_located(&self, destination: &Destination) -> bool {
        self.wanted.get(destination).is_some_and(|wanted| wanted.located)
    }

    /// Why there is no hop of a destination; `None` while that is not known.
    pub fn lack(&self, destination: &Destination) -> Option<Lack> {
        self.wanted.get(destination)?.found.lack
    }

    /// Whether every question of a destination has its answer, or has failed.
    pub fn is_complete(&self, destination: &Destination) -> bool {
        let awaits = |question: &Question| self.under_way.contains(question);
        self.wanted
            .get(destination)
            .is_some_and(|wanted| wanted.located && !wanted.found.questions.iter().any(awaits))
    }

    /// What the DNS has not answered of late.
    pub fn trouble(&self, destination: &Destination) -> Option<&(Question, Failure, bool)> {
        self.wanted.get(destination)?.found.trouble.as_ref()
    }

    fn questions(&self) -> Vec<Question> {
        let all = self.wanted.values().flat_map(|wanted| &wanted.found.questions);
        all.collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    fn search_those_with(&mut self, now: Instant, question: &Question) {
        let concerns = |wanted: &Wanted| wanted.found.questions.contains(question);
        let concerned: Vec<Destination> = self
            .wanted
            .iter()
            .filter(|(_, wanted)| concerns(wanted))
            .map(|(destination, _)| destination.clone())
            .collect();
        concerned.iter().for_each(|destination| self.search(now, destination));
    }

    /// Makes a destination's search anew, and says what has changed.
    fn search(&mut self, now: Instant, destination: &Destination) {
        let Some(wanted) = self.wanted.get_mut(destination) else { return };
        let mut rng = wanted.rng.clone();
        let mut found = Search::run(destination, &self.cache, now, &self.abilities, &mut rng);
        if let Some((question, failure, serves_stale)) = found.trouble.clone() {
            if !std::mem::replace(&mut wanted.troubled, true) {
                let destination = destination.clone();
                self.outputs.push_back(Output::Trouble { destination, question, failure, serves_stale });
            }
        } else if found.settled && std::mem::take(&mut wanted.troubled) {
            self.outputs.push_back(Output::Recovered(destination.clone()));
        }
        let is_unanswered = found.lack == Some(Lack::Unanswered);
        if !found.settled || (is_unanswered && now < wanted.stands_until) {
            // Something on the way is not known: what was found before stands.
            found.hops.clone_from(&wanted.found.hops);
        } else if !found.hops.is_empty() && !found.stale {
            wanted.stands_until = now + STALE_MAX;
        }
        wanted.located |= found.settled;
        let place = |hop: &Hop| (hop.transport, hop.address, hop.rank);
        let changed = !found.hops.iter().map(place).eq(wanted.found.hops.iter().map(place));
        // Where nothing was known before, a failure of the DNS is trouble and no outcome.
        if found.settled && (changed || (!wanted.told && !is_unanswered)) {
            wanted.told = true;
            let (destination, hops) = (destination.clone(), found.hops.clone());
            self.outputs.push_back(Output::Located { destination, hops });
        }
        wanted.found = found;
    }

    /// Asks whatever is due, and finds out when something is again.
    fn settle(&mut self, now: Instant) {
        self.due = self.wanted.values().filter_map(|wanted| wanted.found.waits_until).min();
        for question in self.questions() {
            if !self.cache.want(now, &question) {
                continue;
            }
            let free = self.under_way.len() < UNDER_WAY_MAX;
            if free && self.cache.ask(now, &question) {
                self.under_way.insert(question.clone());
                self.outputs.push_back(Output::Ask(question.clone()));
            }
            let due = self.cache.due(&question).filter(|due| free || *due > now);
            self.due = [self.due, due].into_iter().flatten().min();
        }
    }
}
