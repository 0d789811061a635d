//! Why the engine does not dial for a campaign that wants to: trunks, lines, rates, as holds with numbers and ends.

use crate::campaign::explain::checks::Examined;
use crate::campaign::explain::hold::Hold;
use crate::engine::trunk::{Standing, Trunk, Unavailable};
use crate::time::Now;
use serde::{Deserialize, Serialize};

/// A contact, as the engine sees it at this moment.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ContactExplained {
    /// Every rule about it.
    pub examined: Examined,
    /// What keeps the campaign from dialing anybody.
    pub holds: Vec<Hold>,
}

/// An attempt in flight, as the engine sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AttemptExplained {
    /// The number that the callee sees.
    pub caller_id: String,
    /// Why that one.
    pub caller_id_why: String,
    /// The trunk that carries it.
    pub trunk: String,
}

/// Why a trunk takes no call, with its numbers and its end.
pub fn trunk_hold(trunk: &Trunk, why: Unavailable, now: Now) -> Hold {
    let (name, options) = (&trunk.options.name, &trunk.options);
    let hold = |reason: &str, text: String| Hold::new(reason, format!("trunk {name} {text}"));
    match why {
        Unavailable::Retired => hold("trunk_retired", "is not in the configuration any more".to_owned()),
        Unavailable::NotLocated => {
            let dns = if trunk.dns.is_empty() { "the DNS is being asked" } else { trunk.dns.as_str() };
            hold("trunk_not_located", format!("has no address: {dns}"))
        }
        Unavailable::Down => {
            let hops: Vec<String> =
                trunk.hops().states(now.instant).map(|state| state.hop.address.to_string()).collect();
            let every = options.options_interval_s;
            let text =
                format!("is down: OPTIONS goes unanswered at {}; asked every {every} s", hops.join(", "));
            hold("trunk_down", text).with("options_interval_s", every as f64)
        }
        Unavailable::Resting { until } => {
            let text = "rests: it asked to be left alone (Retry-After)".to_owned();
            hold("trunk_resting", text).until(now, now.wall_at(until), None)
        }
        Unavailable::Broken { until } => {
            let (failures, window) = (options.breaker_failures, options.breaker_window_s);
            let text = format!(
                "rests: it failed too often (circuit breaker: breaker_failures = {failures} within {window} s)"
            );
            let hold = hold("trunk_breaker", text).with("breaker_failures", failures);
            hold.with("breaker_window_s", window as f64).until(now, now.wall_at(until), None)
        }
        Unavailable::Probing => {
            hold("trunk_probing", "comes back from a rest: one call tries whether it works again".to_owned())
        }
        Unavailable::NotRegistered => {
            let text = format!("is not registered: {}", trunk.standing.describe());
            let hold = hold("trunk_not_registered", text);
            match trunk.standing {
                Standing::Refused { status, again_at } => {
                    hold.with("status", status).until(now, now.wall_at(again_at), None)
                }
                Standing::Unknown | Standing::Registered | Standing::Lapsed | Standing::Unsent(_) => hold,
            }
        }
        Unavailable::Full => {
            let (used, max) = (trunk.channels_used(), options.channels_max);
            let hold = hold("trunk_channels", format!("has all its {max} channels in use (channels_max)"));
            hold.with("channels", used).with("channels_max", max)
        }
        Unavailable::Rate { until } => {
            let rate = options.calls_per_second_max;
            let text = format!("has made its {rate} calls of this second (calls_per_second_max)");
            hold("trunk_rate", text).with("calls_per_second_max", rate).until(now, now.wall_at(until), None)
        }
    }
}
