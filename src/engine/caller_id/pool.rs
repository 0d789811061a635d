//! A pool at work: which of its numbers the next callee sees, and which rest.

use super::health::{Fate, Health, Sums};
use super::options::{NumberOptions, Options, Strategy};
use crate::campaign::explain::hold::Hold;
use crate::campaign::explain::moment::Moment;
use crate::campaign::window::Day;
use crate::disposition::Disposition;
use crate::engine::status::{CallerIdNumber, CallerIdPoolStatus};
use crate::number::{E164, Masked};
use crate::record::{CallRecord, EndedBy};
use crate::time::{Now, WallTime};
use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Callees whose number of ours is remembered; the oldest is forgotten first.
pub const STICKY_MAX: usize = 200_000;

/// Complaints count for so long, in milliseconds.
const COMPLAINTS_WITHIN_MS: i64 = 24 * 3_600 * 1_000;

/// Complaints that are remembered of a number.
const COMPLAINTS_KEPT_MAX: usize = 1_000;

/// Days that are looked ahead for one on which a number does not rest.
const DAYS_AHEAD_MAX: u64 = 8;

/// A choice, with its reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chosen {
    /// The number that the callee sees.
    pub caller_id: String,
    /// Why this one.
    pub why: String,
}

/// A call of a former run.
#[derive(Clone, PartialEq, Debug)]
pub struct Use {
    /// The number of ours.
    pub caller_id: String,
    /// The callee's.
    pub number: E164,
    /// When.
    pub at: WallTime,
    /// How it ended; none when that says nothing of the caller id.
    pub fate: Option<Fate>,
    /// When somebody did not want it (607, 608).
    pub complained_at: Option<WallTime>,
}

/// Why a number makes no call now.
#[derive(Clone, PartialEq, Debug)]
enum Out {
    Resting { until: WallTime, cause: String },
    RestDay { until: WallTime },
    Cap { until: WallTime, calls: u32 },
}

impl Out {
    fn until(&self) -> WallTime {
        match self {
            Out::Resting { until, .. } | Out::RestDay { until } | Out::Cap { until, .. } => *until,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Out::Resting { .. } => "resting",
            Out::RestDay { .. } => "rest_day",
            Out::Cap { .. } => "at_cap",
        }
    }

    fn cause(&self) -> String {
        match self {
            Out::Resting { cause, .. } => cause.clone(),
            Out::RestDay { .. } => "it is one of its rest days (rest_days)".to_owned(),
            Out::Cap { calls, .. } => format!("it has made its {calls} calls of the day"),
        }
    }
}

#[derive(Clone, Debug)]
struct Member {
    options: NumberOptions,
    /// The civil day of `calls_today`.
    today: NaiveDate,
    calls_today: u32,
    first_day: Option<NaiveDate>,
    health: Health,
    // Bounded by COMPLAINTS_KEPT_MAX.
    complaints: VecDeque<WallTime>,
    rest: Option<(WallTime, String)>,
}

/// A pool.
#[derive(Clone, Debug)]
pub struct Pool {
    options: Options,
    members: Vec<Member>,
    turn: usize,
    // Who saw which number last; bounded by STICKY_MAX.
    seen: HashMap<u64, String>,
    seen_order: VecDeque<u64>,
}

impl Pool {
    /// With numbers that have made no call yet. `options` have no [`Options::faults`].
    pub fn new(options: Options) -> Self {
        let members = options.number.iter().map(Member::new).collect();
        Pool { options, members, turn: 0, seen: HashMap::new(), seen_order: VecDeque::new() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// A call that the callee ended within so many seconds of the answer is a short one.
    pub fn short_call_s(&self) -> u32 {
        self.options.short_call_s
    }

    /// Other rules and numbers from now on; a number that stays keeps its counts, its health and its rest.
    pub fn set_options(&mut self, options: Options) {
        let kept = |new: &NumberOptions| self.members.iter().find(|known| known.options.number == new.number);
        self.members = options
            .number
            .iter()
            .map(|new| match kept(new) {
                Some(known) => Member { options: new.clone(), ..known.clone() },
                None => Member::new(new),
            })
            .collect();
        self.turn = 0;
        self.options = options;
    }

    /// On which day a number made its first call, as the store has it.
    pub fn handle_first_use(&mut self, caller_id: &str, at: WallTime) {
        let day = self.day(at);
        if let Some(member) = self.member(caller_id) {
            member.first_day = Some(member.first_day.map_or(day, |known| known.min(day)));
        }
    }

    /// A call of a former run, in the order in which they were made.
    pub fn handle_past_use(&mut self, past: &Use) {
        let day = self.day(past.at);
        let (complaints_max, rest) = (self.options.complaints_max, self.rest());
        let Some(member) = self.member(&past.caller_id) else { return };
        member.count(day);
        member.first_day = Some(member.first_day.map_or(day, |known| known.min(day)));
        past.fate.into_iter().for_each(|fate| member.health.handle_call(fate));
        if let Some(at) = past.complained_at {
            member.complain(at, complaints_max, rest);
        }
        self.remember(&past.number, &past.caller_id);
    }

    /// When the first of its numbers may make a call: now, or then.
    pub fn free_at(&self, now: WallTime) -> Result<(), WallTime> {
        let mut first: Option<WallTime> = None;
        for member in &self.members {
            match self.out(member, now) {
                None => return Ok(()),
                Some(out) => first = Some(first.map_or(out.until(), |known| known.min(out.until()))),
            }
        }
        Err(first.unwrap_or(now + Duration::from_secs(3_600)))
    }

    /// The number that this callee sees now; the call is counted. None when no number may make one.
    pub fn choose(&mut self, now: WallTime, callee: &E164) -> Option<Chosen> {
        let free: Vec<usize> =
            (0..self.members.len()).filter(|at| self.out(&self.members[*at], now).is_none()).collect();
        let (place, why) = self.pick(now, callee, &free)?;
        let day = self.day(now);
        let member = &mut self.members[place];
        member.count(day);
        member.first_day.get_or_insert(day);
        let caller_id = member.options.number.clone();
        if self.options.sticky {
            self.remember(callee, &caller_id);
        }
        Some(Chosen { caller_id, why })
    }

    /// The call did not leave.
    pub fn handle_not_dialed(&mut self, caller_id: &str) {
        if let Some(member) = self.member(caller_id) {
            member.calls_today = member.calls_today.saturating_sub(1);
        }
    }

    /// A call is over. Gives the cause when its number rests from now on.
    pub fn handle_record(&mut self, now: Now, record: &CallRecord) -> Option<String> {
        let (answered_at, ended_by) = (record.answered_at, record.ended_by.as_str());
        let fate =
            fate_of(record.disposition, answered_at, record.ended_at, ended_by, self.options.short_call_s)?;
        let place = self.place(&record.caller_id)?;
        self.members[place].health.handle_call(fate);
        let others = self.sums_but(place);
        let finding = self.members[place].health.judge(others)?;
        let until = now.wall + self.rest();
        let member = &mut self.members[place];
        member.health.clear();
        member.rest_until(until, finding.to_string())
    }

    /// A callee (607) or its network (608) did not want the call. Gives the cause when the number rests from now on.
    pub fn handle_complaint(&mut self, now: Now, caller_id: &str) -> Option<String> {
        let (complaints_max, rest) = (self.options.complaints_max, self.rest());
        self.member(caller_id)?.complain(now.wall, complaints_max, rest)
    }

    /// Why none of its numbers makes a call; none when one does.
    pub fn hold(&self, now: Now) -> Option<Hold> {
        let until = self.free_at(now.wall).err()?;
        let outs: Vec<Out> = self.members.iter().filter_map(|member| self.out(member, now.wall)).collect();
        let count = |word: &str| outs.iter().filter(|out| out.word() == word).count();
        let (at_cap, resting, rest_day) = (count("at_cap"), count("resting"), count("rest_day"));
        let mut parts = Vec::new();
        let mut part = |n: usize, words: &str| {
            if n > 0 {
                parts.push(format!("{n} {words}"));
            }
        };
        part(at_cap, "made their calls of the day (daily_max, warm_up)");
        part(resting, "rest");
        part(rest_day, "have a rest day (rest_days)");
        let all = self.members.len();
        let text =
            format!("no caller id of the pool {:?} is free: of {all}, {}", self.name(), parts.join(", "));
        let cause = outs.iter().find(|out| out.word() == "resting").map(Out::cause);
        let text = cause.map_or(text.clone(), |cause| format!("{text} ({cause})"));
        let hold = Hold::new("caller_ids", text)
            .with_count("numbers", all as u64)
            .with_count("at_cap", at_cap as u64)
            .with_count("resting", resting as u64)
            .with_count("rest_day", rest_day as u64);
        Some(hold.until(now, until, Some(self.options.zone)))
    }

    /// For people and programs.
    pub fn status(&self, now: WallTime) -> CallerIdPoolStatus {
        CallerIdPoolStatus {
            name: self.options.name.clone(),
            strategy: self.options.strategy.as_str().to_owned(),
            numbers: self.members.iter().map(|member| self.number_status(member, now)).collect(),
        }
    }

    fn number_status(&self, member: &Member, now: WallTime) -> CallerIdNumber {
        let (out, day, sums) = (self.out(member, now), self.day(now), member.health.sums());
        let cap = self.cap(member, day);
        let rounded = |share: Option<f64>| share.map(|share| (share * 1_000.0).round() / 10.0);
        let recent = |at: &&WallTime| now.unix_ms() - at.unix_ms() < COMPLAINTS_WITHIN_MS;
        CallerIdNumber {
            number: member.options.number.clone(),
            region: member.options.region.clone(),
            prefixes: member.options.prefixes.clone(),
            proof: member.options.proof.clone(),
            state: out.as_ref().map_or("free", Out::word).to_owned(),
            cause: out.as_ref().map(Out::cause).unwrap_or_default(),
            until: out.as_ref().map(|out| Moment::in_zone(out.until(), Some(self.options.zone)).to_string()),
            calls_today: member.calls_on(day),
            calls_today_max: (cap < u32::MAX).then_some(cap),
            day_of_use: member.first_day.map(|first| (day - first).num_days().max(0) as u32 + 1),
            calls: sums.calls,
            answered_percent: rounded(sums.answer_share()),
            short_percent: rounded(sums.short_share()),
            complaints: member.complaints.iter().filter(recent).count() as u32,
        }
    }

    fn pick(&mut self, now: WallTime, callee: &E164, free: &[usize]) -> Option<(usize, String)> {
        let mut instead = String::new();
        if let Some(known) = self.seen.get(&key(callee)).filter(|_| self.options.sticky)
            && let Some(place) = self.place(known)
        {
            if free.contains(&place) {
                return Some((place, "the same as on the last attempt (sticky)".to_owned()));
            }
            let out = self.out(&self.members[place], now)?;
            instead = format!("; that of the last attempt, {}, is not free: {}", Masked(known), out.cause());
        }
        let (place, why) = match self.options.strategy {
            Strategy::Fixed => (*free.first()?, "the first of the pool that is free (fixed)".to_owned()),
            Strategy::RoundRobin => (self.next_in_turn(free)?, "next in turn (round_robin)".to_owned()),
            Strategy::Local => self.nearest(now, callee, free)?,
        };
        Some((place, why + &instead))
    }

    fn next_in_turn(&mut self, free: &[usize]) -> Option<usize> {
        let place = free.iter().find(|place| **place >= self.turn).or(free.first()).copied()?;
        self.turn = place + 1;
        Some(place)
    }

    /// The longest prefix that fits; among equals the one with the fewest calls of the day.
    fn nearest(&mut self, now: WallTime, callee: &E164, free: &[usize]) -> Option<(usize, String)> {
        let day = self.day(now);
        let fit = |place: &usize| self.members[*place].fit(callee);
        let longest = free.iter().map(fit).max()?;
        if longest == 0 {
            let place = self.next_in_turn(free)?;
            return Some((place, "no prefix of the pool fits the callee; next in turn (local)".to_owned()));
        }
        let place = free
            .iter()
            .copied()
            .filter(|place| fit(place) == longest)
            .min_by_key(|place| self.members[*place].calls_on(day))?;
        let prefix = &callee.as_str()[..longest];
        Some((place, format!("its prefix {prefix} fits the callee longest (local)")))
    }

    /// Why it makes no call now.
    fn out(&self, member: &Member, now: WallTime) -> Option<Out> {
        if let Some((until, cause)) = member.rest.as_ref().filter(|(until, _)| *until > now) {
            return Some(Out::Resting { until: *until, cause: cause.clone() });
        }
        let day = self.day(now);
        if self.rests_on(member, day) {
            return Some(Out::RestDay { until: self.next_day(member, day) });
        }
        let cap = self.cap(member, day);
        (member.calls_on(day) >= cap).then(|| Out::Cap { until: self.next_day(member, day), calls: cap })
    }

    fn rests_on(&self, member: &Member, day: NaiveDate) -> bool {
        let days = member.options.rest_days.as_ref().unwrap_or(&self.options.rest_days);
        days.iter().any(|rest: &Day| *rest as u32 == day.weekday().num_days_from_monday())
    }

    /// How many calls it may make on a day.
    fn cap(&self, member: &Member, day: NaiveDate) -> u32 {
        let full = match member.options.daily_max.unwrap_or(self.options.daily_max) {
            0 => u32::MAX,
            cap => cap,
        };
        let age = member.first_day.map_or(0, |first| (day - first).num_days().max(0)) as usize;
        self.options.warm_up.get(age).map_or(full, |warm| full.min(*warm))
    }

    /// The beginning of its next day that is no rest day.
    fn next_day(&self, member: &Member, day: NaiveDate) -> WallTime {
        let ahead = (1..=DAYS_AHEAD_MAX).filter_map(|n| day.checked_add_days(Days::new(n)));
        let next =
            ahead.clone().find(|day| !self.rests_on(member, *day)).or(ahead.clone().next()).unwrap_or(day);
        midnight(self.options.zone, next)
    }

    fn day(&self, at: WallTime) -> NaiveDate {
        let utc = DateTime::<Utc>::from_timestamp_millis(at.unix_ms()).unwrap_or_default();
        utc.with_timezone(&self.options.zone).date_naive()
    }

    fn rest(&self) -> Duration {
        Duration::from_secs(u64::from(self.options.rest_h) * 3_600)
    }

    fn place(&self, caller_id: &str) -> Option<usize> {
        self.members.iter().position(|member| member.options.number == caller_id)
    }

    fn member(&mut self, caller_id: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.options.number == caller_id)
    }

    fn sums_but(&self, place: usize) -> Sums {
        let others = self.members.iter().enumerate().filter(|(at, _)| *at != place);
        others.fold(Sums::default(), |sums, (_, member)| sums.plus(member.health.sums()))
    }

    fn remember(&mut self, callee: &E164, caller_id: &str) {
        if self.seen.insert(key(callee), caller_id.to_owned()).is_none() {
            self.seen_order.push_back(key(callee));
        }
        while self.seen_order.len() > STICKY_MAX {
            let oldest = self.seen_order.pop_front();
            oldest.into_iter().for_each(|oldest| drop(self.seen.remove(&oldest)));
        }
    }
}

impl Member {
    fn new(options: &NumberOptions) -> Self {
        Member {
            options: options.clone(),
            today: NaiveDate::MIN,
            calls_today: 0,
            first_day: None,
            health: Health::default(),
            complaints: VecDeque::new(),
            rest: None,
        }
    }

    fn calls_on(&self, day: NaiveDate) -> u32 {
        if self.today == day { self.calls_today } else { 0 }
    }

    fn count(&mut self, day: NaiveDate) {
        self.calls_today = self.calls_on(day) + 1;
        self.today = day;
    }

    /// So many characters of the callee's number, the + among them, say that it is near.
    fn fit(&self, callee: &E164) -> usize {
        let (own, callee) = (&self.options, callee.as_str());
        if own.prefixes.is_empty() {
            let common = own.number.bytes().zip(callee.bytes()).take_while(|(a, b)| a == b).count();
            // The + alone is shared by all.
            return if common > 1 { common } else { 0 };
        }
        own.prefixes
            .iter()
            .filter(|prefix| callee.starts_with(prefix.as_str()))
            .map(String::len)
            .max()
            .unwrap_or(0)
    }

    fn complain(&mut self, at: WallTime, complaints_max: u32, rest: Duration) -> Option<String> {
        self.complaints.push_back(at);
        let old = |known: &WallTime| at.unix_ms() - known.unix_ms() >= COMPLAINTS_WITHIN_MS;
        while self.complaints.len() > COMPLAINTS_KEPT_MAX || self.complaints.front().is_some_and(old) {
            self.complaints.pop_front();
        }
        let count = self.complaints.len();
        if complaints_max == 0 || count < complaints_max as usize {
            return None;
        }
        let cause = format!("{count} callees or networks did not want its calls within 24 hours (607, 608)");
        self.rest_until(at + rest, cause)
    }

    /// The cause, when it did not rest already.
    fn rest_until(&mut self, until: WallTime, cause: String) -> Option<String> {
        let is_new = self.rest.as_ref().is_none_or(|(known, _)| *known < until);
        if is_new {
            self.rest = Some((until, cause.clone()));
        }
        is_new.then_some(cause)
    }
}

/// What a call says of its caller id; nothing where trunk, number or operator made the end.
pub fn fate_of(
    disposition: Disposition,
    answered_at: Option<WallTime>,
    ended_at: WallTime,
    ended_by: &str,
    short_call_s: u32,
) -> Option<Fate> {
    use Disposition::*;
    if matches!(
        disposition,
        InvalidNumber | Congestion | TrunkRejected | MediaMismatch | Canceled | Interrupted
    ) {
        return None;
    }
    let Some(answered_at) = answered_at else { return Some(Fate::Unanswered) };
    let lasted_ms = ended_at.unix_ms() - answered_at.unix_ms();
    let short = ended_by == EndedBy::Callee.as_str() && lasted_ms < i64::from(short_call_s) * 1_000;
    Some(if short { Fate::Short } else { Fate::Answered })
}

/// E.164 has at most fifteen digits.
fn key(number: &E164) -> u64 {
    number.digits().parse().unwrap_or(0)
}

/// The first moment of a civil day; where the clock skips midnight, the end of the skip.
fn midnight(zone: Tz, day: NaiveDate) -> WallTime {
    let civil = day.and_hms_opt(0, 0, 0).unwrap_or_default();
    let found = (0..=180).find_map(|minutes| {
        zone.from_local_datetime(&civil.checked_add_signed(TimeDelta::minutes(minutes))?).earliest()
    });
    let ms = found.map_or_else(|| civil.and_utc().timestamp_millis(), |at| at.timestamp_millis());
    WallTime::from_unix_ms(ms)
}

#[cfg(test)]
mod tests;
