//! A trunk: a way to the telephone network, with its caps, its health and its registration.
//!
//! A trunk has one hop or several (`sip::locate`). `health` has the OPTIONS that tell which of them live (two unanswered:
//! dead; two answered: alive again; a 503 says that the trunk is full, not that it is dead), `breaker` keeps calls from a
//! trunk that fails too often or has asked for a rest, `score` says how well it carries them; `duty` has it all together.

pub mod breaker;
mod duty;
pub mod health;
pub mod score;
pub mod service_route;

use crate::call::keys::Dtmf;
use crate::engine::{headers, identity, passport, redirect};
use crate::sdp::Codec;
use crate::sip::endpoint::{Extensions, ReliableProvisionals, Transport};
use crate::sip::locate::Destination;
use crate::sip::uri::{Uri, escape_user, without_port};
use breaker::Limits;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use duty::{Standing, Trunk, Unavailable};

/// The next trunk's INVITE is to be out when `answer_timeout_s` is over, and it has still to be committed.
const COMMIT_MARGIN: Duration = Duration::from_millis(200);

/// A carrier may not send us away for longer than this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// The most further addresses of a trunk.
const PEERS_MAX: usize = 64;

/// No session interval is shorter (RFC 4028 section 4).
const SESSION_EXPIRES_S_MIN: u64 = 90;

/// `[[trunk]]`, as configured.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// What it is called elsewhere in the configuration and in records.
    pub name: String,
    /// Name or address, with or without a port.
    pub host: String,
    /// The transport.
    #[serde(default)]
    pub transport: TransportOption,
    /// Which of our listeners it is to see.
    pub from: Option<IpAddr>,
    /// A URI with `lr`: requests go there first (RFC 3261 section 8.1.2), over TLS where its scheme or transport says so.
    pub outbound_proxy: Option<String>,
    /// Further addresses that belong to it: requests are taken from them, and those within a call may go to them.
    #[serde(default)]
    pub peers: Vec<String>,
    /// Whether it is called with `sips` URIs: every hop must be secured.
    #[serde(default)]
    pub sips: bool,
    /// Who may issue its certificate; unset, what `[sip]` says.
    pub ca_file: Option<PathBuf>,
    /// The certificate that we show it; unset, that of `[sip]`.
    pub certificate_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// For digest.
    pub username: Option<String>,
    /// For digest.
    pub password: Option<String>,
    /// A file that holds the password.
    pub password_file: Option<PathBuf>,
    /// Whether to register.
    #[serde(default)]
    pub register: bool,
    /// The registration's life.
    #[serde(default = "default_register_expires_s")]
    pub register_expires_s: u64,
    /// Host part of From and To.
    pub domain: Option<String>,
    /// Lower is tried first.
    #[serde(default = "default_priority")]
    pub priority: u32,
    /// Share among equals.
    #[serde(default = "default_weight")]
    pub weight: u32,
    /// Calls at once.
    #[serde(default = "default_channels_max")]
    pub channels_max: u32,
    /// Calls per second.
    #[serde(default = "default_calls_per_second_max")]
    pub calls_per_second_max: f64,
    /// In order of preference.
    #[serde(default = "default_codecs")]
    pub codecs: Vec<String>,
    /// How keys are sent.
    #[serde(default)]
    pub dtmf: Dtmf,
    /// Send the level of silence in place of silence (RFC 3389), where the trunk knows it.
    #[serde(default)]
    pub comfort_noise: bool,
    /// OPTIONS keepalive; 0 turns it off.
    #[serde(default = "default_options_interval_s")]
    pub options_interval_s: u64,
    /// How it wants numbers.
    #[serde(default)]
    pub number_format: NumberFormat,
    /// Put before the number.
    #[serde(default)]
    pub number_prefix: String,
    /// Who we say we are.
    #[serde(default)]
    pub identity: identity::Options,
    /// Further headers of its INVITEs, with variables.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The only realm that the password is for.
    pub realm: Option<String>,
    /// 3xx that one call follows; 0: none.
    #[serde(default)]
    pub redirects_max: u32,
    /// What a number begins with that a 3xx may lead to.
    #[serde(default)]
    pub redirect_prefixes: Vec<String>,
    /// Sign the caller id.
    pub stir: Option<passport::Options>,
    /// Whether media is protected by SRTP with keys in SDP.
    #[serde(default)]
    pub srtp: SrtpOption,
    /// No response to an INVITE for this long: the next hop, or the next trunk.
    #[serde(default = "default_answer_timeout_s")]
    pub answer_timeout_s: u64,
    /// Statuses before any ringing after which the next trunk is tried.
    #[serde(default = "default_failover_on")]
    pub failover_on: Vec<u16>,
    /// So many failures within `breaker_window_s`: the trunk rests; 0: it never does.
    #[serde(default = "default_breaker_failures")]
    pub breaker_failures: u32,
    /// See `breaker_failures`.
    #[serde(default = "default_breaker_s")]
    pub breaker_window_s: u64,
    /// The first rest; each further one is twice as long.
    #[serde(default = "default_breaker_s")]
    pub breaker_rest_s: u64,
    /// PRACK.
    #[serde(default)]
    pub reliable_provisionals: ReliableProvisionals,
    /// Whether a transfer is handed on to it by REFER.
    #[serde(default)]
    pub refer: bool,
    /// The session interval that is asked for; 0 turns session timers off.
    #[serde(default = "default_session_expires_s")]
    pub session_expires_s: u64,
}

fn default_register_expires_s() -> u64 {
    300
}
fn default_priority() -> u32 {
    1
}
fn default_weight() -> u32 {
    10
}
fn default_channels_max() -> u32 {
    30
}
fn default_calls_per_second_max() -> f64 {
    5.0
}
fn default_codecs() -> Vec<String> {
    vec!["PCMU".into(), "PCMA".into()]
}
fn default_options_interval_s() -> u64 {
    30
}
fn default_answer_timeout_s() -> u64 {
    4
}
fn default_failover_on() -> Vec<u16> {
    crate::call::outcome::FAILOVER_ON.to_vec()
}
fn default_breaker_failures() -> u32 {
    5
}
fn default_breaker_s() -> u64 {
    30
}

/// Statuses with which the callee, or software on the callee's behalf, has spoken: no other trunk may be tried.
const CALLEE_HAS_SPOKEN: [u16; 6] = [486, 487, 600, 603, 607, 608];
fn default_session_expires_s() -> u64 {
    1_800
}

/// `transport`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransportOption {
    /// As the DNS says (RFC 3263), UDP where it says nothing.
    #[default]
    Auto,
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS.
    Tls,
}

impl TransportOption {
    /// The transport, when one is given.
    pub fn fixed(self) -> Option<Transport> {
        match self {
            TransportOption::Auto => None,
            TransportOption::Udp => Some(Transport::Udp),
            TransportOption::Tcp => Some(Transport::Tcp),
            TransportOption::Tls => Some(Transport::Tls),
        }
    }
}

/// `srtp`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SrtpOption {
    /// Plain RTP.
    #[default]
    Never,
    /// SRTP where the trunk takes it.
    Optional,
    /// SRTP or no call.
    Required,
}

/// `number_format`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NumberFormat {
    /// `+12025550101`.
    #[default]
    Plus,
    /// `12025550101`.
    Digits,
    /// `2025550101`.
    National,
}

impl Options {
    /// The codecs, unknown names left out.
    pub fn codecs(&self) -> Vec<Codec> {
        self.codecs.iter().filter_map(|name| codec_of(name)).collect()
    }

    /// The scheme of the URIs that it is called with.
    pub fn scheme(&self) -> &'static str {
        if self.sips { "sips" } else { "sip" }
    }

    /// The outbound proxy, when it is one that we can follow.
    pub fn proxy(&self) -> Result<Option<Uri>, String> {
        let Some(text) = &self.outbound_proxy else { return Ok(None) };
        match Uri::parse(text) {
            Ok(uri) if uri.is_sip() && uri.has_parameter("lr") && Destination::of_uri(&uri).is_none() => {
                Err(format!(
                    "{text:?} asks for a transport that is not known: use udp, tcp or tls, with sips no udp"
                ))
            }
            Ok(uri) if uri.is_sip() && uri.has_parameter("lr") => Ok(Some(uri)),
            Ok(_) => Err(format!("{text:?} must be a sip URI with lr: \"sip:proxy.example;lr\"")),
            Err(fault) => Err(format!("{text:?}: {fault}")),
        }
    }

    /// Host part of From and of the registration, where no port stands (RFC 3261, 19.1.1, table 1).
    pub fn domain(&self) -> &str {
        without_port(self.domain.as_deref().unwrap_or(&self.host))
    }

    /// Of whom a registration is asked.
    pub fn registrar(&self) -> String {
        format!("{}:{}", self.scheme(), self.domain.as_deref().unwrap_or(&self.host))
    }

    /// The user name as the user part of a URI; for digest it stays as written.
    pub fn user(&self) -> String {
        escape_user(self.username.as_deref().unwrap_or_default())
    }

    /// Who we are to its registrar: the address of record.
    pub fn aor(&self) -> String {
        format!("{}:{}@{}", self.scheme(), self.user(), self.domain())
    }

    /// Where its requests go, before the DNS is asked: to the outbound proxy, if there is one, as its URI says and else by
    /// `transport` (RFC 3263 section 4.1). `None` when that is no host.
    pub fn destination(&self) -> Option<Destination> {
        let Ok(Some(proxy)) = self.proxy() else {
            return Destination::parse(&self.host, self.transport.fixed());
        };
        let there = Destination::of_uri(&proxy)?;
        let transport = there.transport.or(self.transport.fixed());
        Some(Destination { transport, secure: there.secure || transport == Some(Transport::Tls), ..there })
    }

    /// Whether its requests go over TLS whatever the DNS says.
    pub fn is_secured(&self) -> bool {
        self.transport == TransportOption::Tls || self.destination().is_some_and(|there| there.secure)
    }

    /// Its further addresses, those left out that are none.
    pub fn peers(&self) -> Vec<IpAddr> {
        self.peers.iter().filter_map(|peer| peer.parse().ok()).collect()
    }

    /// Without any response for this long an INVITE has failed.
    pub fn response_timeout(&self) -> Duration {
        Duration::from_secs(self.answer_timeout_s).saturating_sub(COMMIT_MARGIN)
    }

    /// Whether it needs a way of its own, which is made at the start only.
    pub fn needs_restart(&self) -> bool {
        self.transport == TransportOption::Tls || self.outbound_proxy.is_some() || self.from.is_some()
    }

    fn ping_interval(&self) -> Option<Duration> {
        (self.options_interval_s > 0).then(|| Duration::from_secs(self.options_interval_s))
    }

    /// What calls through it may use beyond RFC 3261.
    pub fn extensions(&self) -> Extensions {
        Extensions {
            reliable_provisionals: self.reliable_provisionals,
            session_interval: (self.session_expires_s > 0)
                .then(|| Duration::from_secs(self.session_expires_s)),
            transfer: false,
        }
    }

    fn breaker_limits(&self) -> Limits {
        Limits {
            failures: self.breaker_failures,
            window: Duration::from_secs(self.breaker_window_s),
            rest: Duration::from_secs(self.breaker_rest_s),
        }
    }

    /// What contradicts itself: the key, and what to do about it.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        for name in &self.codecs {
            if codec_of(name).is_none() {
                faults.push((
                    "codecs",
                    format!("codec {name:?} is not known: use \"PCMU\", \"PCMA\" or \"G722\""),
                ));
            }
        }
        if self.codecs.is_empty() {
            faults.push(("codecs", "at least one codec is needed: \"PCMU\", \"PCMA\" or \"G722\"".into()));
        }
        match self.proxy() {
            Err(text) => faults.push(("outbound_proxy", text)),
            Ok(proxy) => faults.extend(proxy.and_then(|proxy| self.contradicts(&proxy))),
        }
        if self.sips && !self.is_secured() {
            faults.push(("sips", "sips = true needs transport = \"tls\"".into()));
        }
        if self.password.is_some() && self.password_file.is_some() {
            faults.push(("password", "give either password or password_file, not both".into()));
        }
        if self.register && self.username.is_none() {
            faults.push(("register", "register = true needs username".into()));
        }
        if !(1..=u64::from(u32::MAX)).contains(&self.register_expires_s) {
            faults.push(("register_expires_s", "must be from 1 to 4294967295".into()));
        }
        if self.username.is_some() && self.password.is_none() && self.password_file.is_none() {
            faults.push(("username", "username needs password_file (or password)".into()));
        }
        faults.extend(self.naming_faults());
        faults.extend(self.peer_faults());
        if !(self.calls_per_second_max > 0.0 && self.calls_per_second_max.is_finite()) {
            faults.push(("calls_per_second_max", "must be a positive number".into()));
        }
        if self.channels_max == 0 {
            faults.push(("channels_max", "must be at least 1".into()));
        }
        if self.srtp != SrtpOption::Never && !self.is_secured() {
            let text =
                "srtp sends its keys within the signalling, which must be secret: use transport = \"tls\"";
            faults.push(("srtp", text.into()));
        }
        if (1..SESSION_EXPIRES_S_MIN).contains(&self.session_expires_s) {
            faults.push((
                "session_expires_s",
                "must be 0 (no session timers) or at least 90 (RFC 4028)".into(),
            ));
        }
        if self.answer_timeout_s == 0 {
            faults.push(("answer_timeout_s", "must be at least 1".into()));
        }
        for status in &self.failover_on {
            if CALLEE_HAS_SPOKEN.contains(status) {
                let text =
                    format!("after {status} the callee has spoken: no other trunk may ring the phone again");
                faults.push(("failover_on", text));
            } else if !(400..700).contains(status) {
                faults.push(("failover_on", format!("{status} is no status of a failure: 400 to 699")));
            }
        }
        if self.breaker_failures > 0 && (self.breaker_window_s == 0 || self.breaker_rest_s == 0) {
            let text =
                "breaker_window_s and breaker_rest_s must be at least 1; breaker_failures = 0 turns it off";
            faults.push(("breaker_failures", text.into()));
        }
        if self.destination().is_none() {
            let text = format!("{:?} is no host: a name or an address, with or without a port", self.host);
            faults.push(("host", text));
        }
        faults.extend(self.identity.faults(self.username.as_deref()));
        faults.extend(headers::faults(&self.headers).into_iter().map(|text| ("headers", text)));
        faults.extend(redirect::faults(self.redirects_max, &self.redirect_prefixes));
        if let Some(stir) = &self.stir {
            faults.extend(stir.faults());
            if self.headers.keys().any(|name| ["identity", "y"].contains(&name.to_ascii_lowercase().as_str()))
            {
                faults.push((
                    "headers",
                    "an Identity is either signed here ([trunk.stir]) or passed on, not both".into(),
                ));
            }
        }
        faults
    }

    /// Whether its proxy's URI asks for another transport than `transport`.
    fn contradicts(&self, proxy: &Uri) -> Option<(&'static str, String)> {
        let there = Destination::of_uri(proxy)?;
        let wanted = there.transport.or(there.secure.then_some(Transport::Tls))?;
        let fixed = self.transport.fixed().filter(|fixed| *fixed != wanted)?;
        let (wanted, fixed) = (wanted.parameter(), fixed.parameter());
        let text = format!(
            "\"{proxy}\" is reached over {wanted}, and transport = \"{fixed}\" says otherwise: leave that out, or let the URI ask \
             for {fixed}"
        );
        Some(("outbound_proxy", text))
    }

    /// What of its further addresses is none.
    fn peer_faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if self.peers.len() > PEERS_MAX {
            let text = format!("{} addresses are too many: {PEERS_MAX} at most", self.peers.len());
            faults.push(("peers", text));
        }
        for peer in &self.peers {
            let ip = peer.parse::<IpAddr>();
            if ip.is_err() || ip.is_ok_and(|ip| ip.is_unspecified() || ip.is_multicast()) {
                let text = format!(
                    "{peer:?} is no address of a peer: write it as in \"192.0.2.77\", without a port; of a network, name each"
                );
                faults.push(("peers", text));
            }
        }
        faults
    }

    /// What of our names there cannot be written as SIP.
    fn naming_faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        for (key, text) in [("username", &self.username), ("realm", &self.realm)] {
            let Some(text) = text else { continue };
            if text.is_empty() || text.contains(char::is_control) {
                faults.push((key, format!("{key} must be a text on one line, and not empty")));
            }
        }
        let hosts = [("host", Some(&self.host)), ("domain", self.domain.as_ref())];
        for (key, host) in hosts.into_iter().filter_map(|(key, host)| Some((key, host?))) {
            if let Err(fault) = Uri::parse(&format!("sip:{host}")) {
                let text =
                    format!("{host:?} cannot stand in a SIP URI: {fault}; an IPv6 address needs brackets");
                faults.push((key, text));
            }
        }
        if faults.is_empty()
            && let Err(fault) = Uri::parse(&self.aor())
        {
            faults.push(("username", format!("cannot stand in a SIP URI: {fault}")));
        }
        faults
    }
}

fn codec_of(name: &str) -> Option<Codec> {
    match name.to_ascii_uppercase().as_str() {
        "PCMU" => Some(Codec::Pcmu),
        "PCMA" => Some(Codec::Pcma),
        "G722" => Some(Codec::G722),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(more: &str) -> Options {
        toml::from_str(&format!("name = \"t\"\nhost = \"pbx.example\"\n{more}")).unwrap()
    }

    #[test]
    fn an_outbound_proxy_is_reached_by_its_own_scheme_transport_and_port() {
        use Transport::{Tcp, Tls, Udp};
        let table = [
            ("sip:192.0.2.8;lr", "auto", (Udp, "192.0.2.8:5060")),
            ("sip:192.0.2.8;lr", "tls", (Tls, "192.0.2.8:5061")),
            ("sip:192.0.2.8:5070;transport=tcp;lr", "auto", (Tcp, "192.0.2.8:5070")),
            ("sip:[2001:db8::8]:5070;transport=TCP;lr", "tcp", (Tcp, "[2001:db8::8]:5070")),
            ("sip:192.0.2.8;transport=tls;lr", "auto", (Tls, "192.0.2.8:5061")),
            ("sips:192.0.2.8;lr", "auto", (Tls, "192.0.2.8:5061")),
            ("sips:192.0.2.8;transport=tcp;lr", "tls", (Tls, "192.0.2.8:5061")),
        ];
        for (proxy, transport, (over, address)) in table {
            let more = format!("transport = \"{transport}\"\noutbound_proxy = \"{proxy}\"");
            let srtp = if over == Tls { "required" } else { "never" };
            let options = options(&format!("{more}\nsips = {}\nsrtp = \"{srtp}\"", over == Tls));
            let found = options.destination().unwrap();
            assert_eq!(found.address(), Some((over, address.parse().unwrap())), "{more}");
            assert_eq!(options.is_secured(), over == Tls, "{more}");
            assert_eq!(options.faults(), [], "{more}");
        }
    }

    #[test]
    fn a_proxy_that_contradicts_the_transport_is_refused_with_both_named() {
        let table = [
            ("sips:192.0.2.8;lr", "udp", "transport = \"udp\""),
            ("sip:192.0.2.8;transport=tls;lr", "tcp", "transport = \"tcp\""),
            ("sip:192.0.2.8;transport=udp;lr", "tls", "transport = \"tls\""),
            ("sip:192.0.2.8;transport=sctp;lr", "auto", "udp, tcp or tls"),
            ("sips:192.0.2.8;transport=udp;lr", "auto", "udp, tcp or tls"),
        ];
        for (proxy, transport, word) in table {
            let options = options(&format!("transport = \"{transport}\"\noutbound_proxy = \"{proxy}\""));
            let faults = options.faults();
            let [(key, text)] = &faults[..] else { panic!("{proxy}: {faults:?}") };
            assert!(*key == "outbound_proxy" && text.contains(word) && text.contains(proxy), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_of_a_peer_is_named_and_their_number_is_bounded() {
        let found = options(r#"peers = ["192.0.2.77", "2001:db8::77"]"#);
        assert_eq!((found.faults().len(), found.peers().len()), (0, 2));
        for bad in
            ["gw.example", "192.0.2.77:5060", "198.51.100.0/28", "[2001:db8::1]", "0.0.0.0", "224.0.1.75", ""]
        {
            let faults = options(&format!("peers = [\"192.0.2.77\", \"{bad}\"]")).faults();
            let [("peers", text)] = &faults[..] else { panic!("{bad}: {faults:?}") };
            assert!(text.starts_with(&format!("{bad:?} is no address")), "{text}");
        }
        let many: Vec<String> = (0..=PEERS_MAX).map(|n| format!("\"192.0.2.{n}\"")).collect();
        let faults = options(&format!("peers = [{}]", many.join(","))).faults();
        assert!(matches!(&faults[..], [("peers", text)] if text.contains("64 at most")), "{faults:?}");
    }
}
