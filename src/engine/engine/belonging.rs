//! The engine as one node among several: what it tells of itself, what it is told, and what it may not do meanwhile.

use super::*;
use crate::campaign::pacing::mode::Mode;
use crate::engine::membership::Membership;
use crate::record::{Allowance, BEAT, Beat, Inherited, Standing};

/// The cap over all campaigns.
const ENGINE: &str = "engine";

fn of_trunk(name: &str) -> String {
    format!("trunk {name}")
}

fn of_campaign(name: &str) -> String {
    format!("campaign {name}")
}

fn allowance(lines: u32, per_second: f64) -> Allowance {
    Allowance { lines, calls_per_1000_s: (per_second * 1_000.0).floor() as u32 }
}

impl Engine {
    /// The store is shared with other nodes from now on: nothing is dialed without a lease and a share.
    pub fn join(&mut self, now: Now) {
        let per_second = self.calls_per_second_max;
        let mut caps = vec![(ENGINE.to_owned(), allowance(self.lines.limit() as u32, per_second))];
        for trunk in &self.trunks {
            let options = &trunk.options;
            let cap = allowance(options.channels_max, options.calls_per_second_max);
            caps.push((of_trunk(&options.name), cap));
        }
        for running in &self.campaigns {
            caps.push((of_campaign(&running.campaign.options().name), campaign_cap(running, per_second)));
        }
        self.membership = Some(Membership::new(now.instant, caps));
        self.beat(now);
    }

    /// Tells of itself when it is time to.
    pub(super) fn beat(&mut self, now: Now) {
        let Some(mut membership) = self.membership.take() else { return };
        for trunk in &self.trunks {
            let options = &trunk.options;
            let cap = allowance(options.channels_max, options.calls_per_second_max);
            membership.set_cap(&of_trunk(&options.name), cap);
        }
        for running in &self.campaigns {
            let name = of_campaign(&running.campaign.options().name);
            membership.set_cap(&name, campaign_cap(running, self.calls_per_second_max));
        }
        if let Some(usage) = membership.beat(now.instant, |scope| self.lines_in_use(scope)) {
            self.outputs.push_back(Output::Store(Request::Beat(usage)));
        }
        self.membership = Some(membership);
    }

    fn lines_in_use(&self, scope: &str) -> u32 {
        let trunk = self.trunks.iter().find(|trunk| of_trunk(&trunk.options.name) == scope);
        let campaign =
            self.campaigns.iter().find(|running| of_campaign(&running.campaign.options().name) == scope);
        match (trunk, campaign) {
            (Some(trunk), _) => trunk.channels_used(),
            (None, Some(running)) => (running.in_flight + self.orphans.lines_of(running)) as u32,
            (None, None) => (self.lines.len() + self.orphans.lines()) as u32,
        }
    }

    /// The database has heard of us.
    pub(super) fn handle_beat(&mut self, now: Now, beat: Beat) {
        let Some(membership) = &mut self.membership else { return };
        membership.handle_beat(now.instant, beat.standing, &beat.shares, beat.nodes);
        match beat.standing {
            Standing::Alive => {}
            Standing::Buried => {
                let note = "this node was taken for dead: its calls are ended, and it begins anew".to_owned();
                self.journal(now, Event::Store { note });
                self.each_attempt(now, |attempt, out| attempt.handle_kill(now, out));
            }
            Standing::Replaced => {
                let note = "another node has this node's name: give each its own `node`".to_owned();
                self.journal(now, Event::Store { note });
                self.each_attempt(now, |attempt, out| attempt.handle_kill(now, out));
            }
        }
        self.remember_suppressed(now, &beat.suppressed);
        self.follow_campaigns(now, beat.campaigns);
        if !beat.inherited.is_empty() {
            let Inherited { attempts, dialogs } = beat.inherited;
            self.handle_former_run(now, FormerRun { attempts, dialogs, dialed_lately: false });
        }
    }

    /// What another node was told: it is in the store already.
    fn remember_suppressed(&mut self, now: Now, numbers: &[E164]) {
        let mut news = false;
        for number in numbers {
            news |= !self.ledger.is_suppressed(number);
            if self.ledger.suppress(number).is_err() {
                self.draining = true;
            }
        }
        if news {
            for running in &mut self.campaigns {
                running.campaign.handle_suppressed(now, &self.ledger);
            }
            self.cancel_suppressed(now);
        }
    }

    /// What an operator has asked of a campaign on another node.
    fn follow_campaigns(&mut self, now: Now, states: Vec<(String, CampaignState)>) {
        for (name, state) in states {
            let known = |running: &&mut Running| running.campaign.options().name == name;
            let Some(running) = self.campaigns.iter_mut().find(known) else { continue };
            let before = running.followed.replace(state);
            if before.is_none_or(|before| before == state) || running.campaign.state() == state {
                continue;
            }
            match state {
                CampaignState::Running if running.campaign.state() == CampaignState::Paused => {
                    running.campaign.resume(now);
                }
                CampaignState::Running => drop(running.campaign.start(now)),
                CampaignState::Paused => drop(running.campaign.pause(now)),
                CampaignState::Stopped => drop(running.campaign.stop(now)),
                // Each comes to it by itself.
                CampaignState::Draft | CampaignState::Completed => {}
            }
        }
    }

    /// Whether this node may begin calls now; when not, the next beat will tell.
    pub(super) fn belongs(&self, now: Now) -> bool {
        self.membership.as_ref().is_none_or(|membership| membership.is_good(now.instant))
    }

    /// When the shares let a campaign's next call be begun: now, later, or not before they change.
    pub(super) fn shares_free_at(&self, now: Now, turn: Option<usize>) -> Option<Instant> {
        let Some(membership) = &self.membership else { return Some(now.instant) };
        let scope = match turn {
            Some(turn) => of_campaign(&self.campaigns[turn].campaign.options().name),
            None => ENGINE.to_owned(),
        };
        let has_line = self.lines_in_use(&scope) < membership.lines(&scope);
        if has_line { membership.free_at(&scope, now.instant) } else { None }
    }

    /// Trunks of which this node's share is used up.
    pub(super) fn trunks_without_share(&self, now: Now) -> Vec<usize> {
        let Some(membership) = &self.membership else { return Vec::new() };
        let used_up = |trunk: &Trunk| {
            let scope = of_trunk(&trunk.options.name);
            trunk.channels_used() >= membership.lines(&scope)
                || membership.free_at(&scope, now.instant).is_none_or(|at| at > now.instant)
        };
        self.trunks.iter().enumerate().filter(|(_, trunk)| used_up(trunk)).map(|(place, _)| place).collect()
    }

    fn scopes_of(&self, turn: usize, place: usize) -> [String; 3] {
        let trunk = of_trunk(&self.trunks[place].options.name);
        [ENGINE.to_owned(), trunk, of_campaign(&self.campaigns[turn].campaign.options().name)]
    }

    pub(super) fn record_share_begun(&mut self, now: Now, turn: usize, place: usize) {
        if self.membership.is_some() {
            let scopes = self.scopes_of(turn, place);
            self.membership.iter_mut().for_each(|member| member.record_begun(&scopes, now.instant));
        }
    }

    /// When the shares let a committed INVITE leave.
    pub(super) fn shares_leave_at(&self, now: Now, turn: usize, place: usize) -> Option<Instant> {
        let membership = self.membership.as_ref()?;
        let scopes = self.scopes_of(turn, place);
        // Without a share it waits for the next beat.
        let at = |scope: &String| membership.leaves_at(scope, now.instant).unwrap_or(now.instant + BEAT);
        scopes.iter().map(at).max()
    }

    pub(super) fn record_share_left(&mut self, now: Now, turn: usize, place: usize) {
        if self.membership.is_some() {
            let scopes = self.scopes_of(turn, place);
            self.membership.iter_mut().for_each(|member| member.record_left(&scopes, now.instant));
        }
    }

    /// The last look at a message, at the socket: no INVITE to a callee leaves, nor is repeated, once the lease is over,
    /// which it may be since the engine has made the message.
    pub fn may_leave(&self, now: Now, bytes: &[u8]) -> bool {
        if !bytes.starts_with(b"INVITE ") || self.belongs(now) {
            return true;
        }
        let text = String::from_utf8_lossy(bytes);
        !self.lines.iter().any(|(_, line)| {
            // The callee's leg is the first; once it is answered, an INVITE within it offers new media.
            !line.attempt.is_answered()
                && line.attempt.call_ids().next().is_some_and(|call_id| text.contains(call_id))
        })
    }
}

/// A campaign's lines, and its pace where it is paced; another mode has no rate of its own.
fn campaign_cap(running: &Running, calls_per_second_max: f64) -> Allowance {
    let options = running.campaign.options();
    let pace = match options.dialing.mode {
        Mode::Paced => options.calls_per_minute / 60.0,
        _ => calls_per_second_max,
    };
    allowance(options.lines_max, pace)
}
