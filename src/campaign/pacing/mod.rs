//! How fast a campaign dials.
//!
//! [`even`] spreads calls over the minute, for campaigns that need no agents. [`Pacer`] is for those that do: it is told
//! what agents and lines do ([`floor`]), learns how long each thing takes and what comes of it ([`forecast`], from
//! [`durations`] and [`cohort`] shares in dial order), and says how many more lines may be dialed, by one of the laws of
//! [`mode`]. The predictive one bounds the risk of each further line ([`lookahead`]) by a threshold that is steered to the
//! target ([`target`]). Whatever the law, [`budget`] keeps the ledger of abandoned people and holds it at one line for
//! each waiting agent where the next one would be one too many.

pub mod budget;
pub mod cohort;
pub mod durations;
pub mod even;
pub mod floor;
pub mod forecast;
pub mod held;
pub mod lookahead;
pub mod mode;
pub mod outlook;
pub mod pacer;
pub mod target;

pub use floor::{AgentId, Attempt, Presence};
pub use forecast::Guess;
pub use held::Held;
pub use mode::{Dialing, Mode, PreviewEnd};
pub use pacer::Pacer;
