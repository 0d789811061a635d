//! The only meeting place: campaigns decide, attempts act, sessions and streams carry, the store remembers.
//!
//! [`engine::Engine`] is one plain struct. Inputs are datagrams, media events, the store's answers, the operator's wishes and
//! time; outputs are SIP bytes, media commands, store requests and journal entries.
//!
//! * [`trunk`]: a way to the telephone network, its caps and its health;
//! * [`rate`]: calls per second, exact in every window of one second;
//! * [`identity`]: who we say we are to a trunk; [`headers`]: what else an INVITE says; [`passport`]: who vouches for it;
//! * [`redirect`]: where a 3xx may send a call;
//! * [`caller_id`]: which number of ours a callee sees;
//! * [`placement`]: which trunk carries a call, and in what form it wants the number;
//! * [`media_keys`]: the keys of protected media;
//! * [`journal`]: what the world is told, one line a step;
//! * [`status`]: what the operator is told on asking; [`explain`]: why it does not dial.

pub mod caller_id;
#[expect(clippy::module_inception, reason = "the folder is the layer, the file its one struct")]
pub mod engine;
pub mod explain;
pub mod headers;
pub mod identity;
pub mod journal;
pub mod measures;
pub mod media_keys;
pub mod membership;
pub mod passport;
pub mod placement;
pub mod rate;
pub mod redirect;
pub mod status;
pub mod trunk;
