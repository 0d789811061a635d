//! `[[caller_id_pool]]` as a whole: names that are there once, and campaigns that name one.

use super::Config;

impl Config {
    /// What is wrong with the pools, and with campaigns that ask for one: each with its key.
    pub(super) fn check_pools(&self, fault: &mut impl FnMut(String, String)) {
        for (i, pool) in self.caller_id_pools.iter().enumerate() {
            if self.caller_id_pools[..i].iter().any(|other| other.name == pool.name) {
                let text = format!("caller_id_pool {:?} is there twice", pool.name);
                fault(format!("caller_id_pool.{i}.name"), text);
            }
            for (key, text) in pool.faults() {
                fault(format!("caller_id_pool.{i}.{key}"), text);
            }
        }
        for (i, campaign) in self.campaigns.iter().enumerate() {
            let rules = &campaign.rules;
            if let Some(name) = rules.pool()
                && !self.caller_id_pools.iter().any(|pool| pool.name == name)
            {
                let key = if rules.caller_id_pool.is_some() { "caller_id_pool" } else { "caller_id" };
                fault(format!("campaign.{i}.{key}"), format!("no [[caller_id_pool]] is called {name:?}"));
            }
        }
    }
}
