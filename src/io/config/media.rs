//! `[media]`.

use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr};

/// `[media]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaSection {
    /// Address of the RTP sockets.
    pub listen: IpAddr,
    /// What SDP says, where NAT hides `listen`.
    pub advertise: Option<IpAddr>,
    /// First port.
    pub port_min: u16,
    /// Last port.
    pub port_max: u16,
    /// Worker threads.
    pub threads: usize,
    /// Playout delay.
    pub jitter_ms: u32,
    /// Whether it follows the network on agents' legs.
    pub jitter: JitterOption,
    /// Its lower bound then.
    pub jitter_min_ms: u32,
    /// Its upper bound then.
    pub jitter_max_ms: u32,
    /// A call without any packet for this long is ended.
    pub timeout_s: u64,
}

impl Default for MediaSection {
    fn default() -> Self {
        MediaSection {
            listen: Ipv4Addr::UNSPECIFIED.into(),
            advertise: None,
            port_min: 16_384,
            port_max: 32_767,
            threads: 1,
            jitter_ms: 40,
            jitter: JitterOption::Fixed,
            jitter_min_ms: 20,
            jitter_max_ms: 120,
            timeout_s: 30,
        }
    }
}

/// `jitter`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JitterOption {
    /// Always `jitter_ms`.
    #[default]
    Fixed,
    /// As long as the network needs, between `jitter_min_ms` and `jitter_max_ms`, on agents' legs. Callees' legs keep
    /// theirs: a detector's clock must not be stretched.
    Adaptive,
}
