//! The pools of caller ids as a restart finds them: the configuration's numbers with what the store knows of their calls.

use crate::engine::caller_id::{Pool, Use, pool};
use crate::io::config::Config;
use crate::store::{CallerIdUse, CallerIdUses};

/// Calls that are looked back upon: as many as callees whose number of ours is remembered.
pub const CALLS_MAX: usize = pool::STICKY_MAX;

/// SIP statuses with which callees (RFC 8197) and networks (RFC 8688) say that they do not want a caller id.
const UNWANTED: [i64; 2] = [607, 608];

/// The configured pools; their caps, warm-up days, health and rests go on where they were.
pub fn pools(config: &Config, uses: &CallerIdUses) -> Vec<Pool> {
    let mut pools: Vec<Pool> = config.caller_id_pools.iter().cloned().map(Pool::new).collect();
    for pool in &mut pools {
        for (caller_id, at) in &uses.first {
            pool.handle_first_use(caller_id, *at);
        }
        let short_call_s = pool.short_call_s();
        for call in &uses.recent {
            pool.handle_past_use(&past_use(call, short_call_s));
        }
    }
    pools
}

fn past_use(call: &CallerIdUse, short_call_s: u32) -> Use {
    let end = call.end.as_ref();
    Use {
        caller_id: call.caller_id.clone(),
        number: call.number.clone(),
        at: call.at,
        fate: end
            .and_then(|end| pool::fate_of(end.disposition, end.answered_at, end.at, &end.by, short_call_s)),
        complained_at: end.filter(|end| UNWANTED.contains(&end.sip_status)).map(|end| end.at),
    }
}
