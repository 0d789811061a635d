//! The shell: sockets, threads, files and the clock, around a core that knows none of them.
//!
//! * [`config`]: the configuration file, every fault with its line;
//! * [`clock`]: the only place that reads the time; [`entropy`]: the only one that asks for randomness;
//! * [`launch`]: from a configuration to a running engine; [`lists`]: contact and do-not-call files;
//! * [`rehearse`]: the same for a dry run, over a copy of the database; [`caller_ids`]: pools with their past calls;
//! * [`trunks`]: whether they can be used as they are configured and located;
//! * [`reload`]: a changed configuration into the running engine; [`abandonment`]: who was abandoned before this start;
//! * [`prompts`]: WAV files to the prompt table;
//! * [`probe`]: OPTIONS to every trunk, for `outdial check`;
//! * [`resolver`]: the DNS, asked for the core; [`address`]: which of ours a trunk sees; [`access`]: the way to each trunk;
//! * [`sockets`]: SIP's sockets; [`packet_info`]: where their datagrams come to; [`icmp`]: what ICMP says of them; [`stream`]: its connections; [`tls`]: what
//!   secures them; [`intake`]: what reaches the parser;
//! * [`control`]: the control plane's loop around `engine::Engine`;
//! * [`operator`]: the Unix socket for `outdial status` and `outdial campaign`;
//! * [`priority`]: the right of way of threads that must be in time; [`limits`]: how many descriptors there may be;
//! * [`enrolled`]: the recordings that the detector is to recognise;
//! * [`media`]: the media plane's threads; [`recorder`]: the thread that writes recordings;
//! * [`trace`]: calls as they looked on the wire, for the operator, for capture files and for a Homer server;
//! * [`secret`]: files that hold a password; [`stir`]: keys that sign caller ids.

pub mod abandonment;
pub mod access;
pub mod address;
pub mod books;
pub mod caller_ids;
pub mod clock;
pub mod config;
pub mod control;
pub mod enrolled;
pub mod entropy;
pub mod icmp;
pub mod intake;
pub mod labels;
pub mod launch;
pub mod limits;
pub mod lists;
pub mod media;
pub mod model;
pub mod operator;
pub mod pace;
pub mod packet_info;
pub mod priority;
pub mod probe;
pub mod prompts;
pub mod recorder;
pub mod rehearse;
pub mod reload;
pub mod resolver;
pub mod secret;
pub mod sockets;
pub mod stir;
pub mod stream;
pub mod tls;
pub mod trace;
pub mod trunks;
