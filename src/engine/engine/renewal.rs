//! A changed configuration under running calls: trunks are added, changed and taken out, campaigns have other rules, and no call
//! notices.

use super::trunks::name_of;
use super::*;
use crate::sip::locate::Hop;

/// What became of the trunks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Renewed {
    /// So many are new.
    pub added: usize,
    /// So many have other settings.
    pub changed: usize,
    /// So many take no further call and are let go once their calls are over.
    pub retired: usize,
}

impl Engine {
    /// Whether there is a trunk of this name that takes calls.
    pub fn has_trunk(&self, name: &str) -> bool {
        self.trunks.iter().any(|trunk| trunk.options.name == name && !trunk.retired)
    }

    /// New rules and a new treatment for a campaign that runs already; calls in flight keep theirs. False when no
    /// campaign has that name.
    pub fn handle_rules(
        &mut self,
        now: Now,
        rules: campaign::Options,
        treatment: Treatment,
        agent_trunk: Option<&str>,
    ) -> bool {
        let known = |running: &&mut Running| running.campaign.options().name == rules.name;
        let trunks = self.places_of(&rules.trunks);
        let Some(running) = self.campaigns.iter_mut().find(known) else { return false };
        running.trunks = trunks;
        running.pool = rules.pool().and_then(|name| self.pools.iter().position(|pool| pool.name() == name));
        running.treatment = Arc::new(treatment);
        running.agent_trunk =
            agent_trunk.and_then(|name| self.trunks.iter().position(|trunk| trunk.options.name == name));
        running.campaign.handle_options(now, rules);
        self.settle(now);
        true
    }

    /// The trunks are these from now on. Calls in flight keep what they have; a trunk that is not among them carries its
    /// calls to their end.
    pub fn handle_trunks(&mut self, now: Now, setups: Vec<TrunkSetup>) -> Renewed {
        let mut renewed = Renewed::default();
        let named = |name: &str| setups.iter().any(|setup| setup.options.name == name);
        let gone = |trunk: &Trunk| !trunk.retired && !named(&trunk.options.name);
        let gone: Vec<usize> = (0..self.trunks.len()).filter(|place| gone(&self.trunks[*place])).collect();
        for place in gone {
            self.retire_trunk(now, place);
            renewed.retired += 1;
        }
        for setup in setups {
            let known = |trunk: &Trunk| trunk.options.name == setup.options.name;
            match self.trunks.iter().position(known) {
                None => {
                    let place = self.trunks.len();
                    self.trunks.push(Trunk::new(now.instant, setup.options, setup.target, setup.credentials));
                    self.change_peers(now, &[], &self.trunks[place].options.peers());
                    self.locate_trunk(now, place);
                    self.register_trunk(now, place);
                    self.note_trunk(now, place, "is new".to_owned());
                    renewed.added += 1;
                }
                Some(place) => renewed.changed += usize::from(self.renew_trunk(now, place, setup)),
            }
        }
        self.drain_locator(now);
        self.settle(now);
        renewed
    }

    fn retire_trunk(&mut self, now: Now, place: usize) {
        if let Some(destination) = name_of(&self.trunks[place]) {
            self.locator.forget(now.instant, &destination);
        }
        if let Some((key, _)) = self.trunks[place].registration {
            self.endpoint.unregister(now.instant, key);
        }
        let (before, _) = self.trunks[place].handle_located(now.instant, Vec::new());
        self.allow_sources(&before, &[]);
        self.change_peers(now, &self.trunks[place].options.peers(), &[]);
        self.trunks[place].retired = true;
        self.note_trunk(
            now,
            place,
            "is not in the configuration any more: it takes no further call".to_owned(),
        );
    }

    /// Gives a trunk its new settings; false when they are the old ones.
    fn renew_trunk(&mut self, now: Now, place: usize, setup: TrunkSetup) -> bool {
        let trunk = &mut self.trunks[place];
        let (was_retired, old) = (trunk.retired, trunk.options.clone());
        if !was_retired && old == setup.options && trunk.credentials == setup.credentials {
            return false;
        }
        let old_name = name_of(trunk).filter(|_| !was_retired);
        let (old_place, new_place) = (old.destination(), setup.options.destination());
        let registration = |o: &trunk::Options| (o.register, o.aor());
        let registers_anew = registration(&old) != registration(&setup.options);
        let renews = trunk.credentials != setup.credentials
            || old.register_expires_s != setup.options.register_expires_s;
        let peers = if was_retired { Vec::new() } else { old.peers() };
        let target = setup.target;
        trunk.reconfigure(now.instant, setup.options, setup.credentials);
        self.change_peers(now, &peers, &self.trunks[place].options.peers());
        if (was_retired || registers_anew) && self.trunks[place].options.register {
            // Before anybody is found at the new place: the old account is nobody's there.
            self.leave_registrar(now, place);
        }
        if was_retired || old_place != new_place {
            if let Some(name) = old_name {
                self.locator.forget(now.instant, &name);
            }
            let known = !target.address.ip().is_unspecified();
            let (transport, address) = (target.transport, target.address);
            let why = "as configured".to_owned();
            let hops = known.then_some(Hop { transport, address, rank: 0, why }).into_iter().collect();
            let (before, _) = self.trunks[place].handle_located(now.instant, hops);
            self.allow_sources(&before, &[]);
            self.locate_trunk(now, place);
        }
        match self.trunks[place].registration {
            Some((key, _)) if !self.trunks[place].options.register => {
                self.endpoint.unregister(now.instant, key);
            }
            Some(_) if renews => self.renew_registration(now, place),
            _ => self.register_trunk(now, place),
        }
        self.note_trunk(now, place, "has new settings".to_owned());
        true
    }

    /// The places of these trunks, for a campaign.
    pub(super) fn places_of(&self, names: &[String]) -> Vec<usize> {
        let place = |name: &String| {
            self.trunks.iter().position(|trunk| !trunk.retired && trunk.options.name == *name)
        };
        names.iter().filter_map(place).collect()
    }
}
