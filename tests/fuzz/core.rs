//! The pure core under the product's own name: the parts that read what a peer or an operator hands in. They are compiled
//! from the product's own files, without the shell around them.
#![allow(dead_code, missing_docs, unused_imports)]

#[path = "../../src/time.rs"]
pub mod time;
#[path = "../../src/rng.rs"]
pub mod rng;
#[path = "../../src/slab.rs"]
pub mod slab;
#[path = "../../src/audio/mod.rs"]
pub mod audio;
#[path = "../../src/rtp/mod.rs"]
pub mod rtp;
#[path = "../../src/sdp/mod.rs"]
pub mod sdp;
#[path = "../../src/sip/mod.rs"]
pub mod sip;

#[cfg(feature = "lists")]
#[path = "../../src/number/mod.rs"]
pub mod number;
#[cfg(feature = "lists")]
#[path = "../../src/disposition.rs"]
pub mod disposition;
#[cfg(feature = "lists")]
pub use files::record;
#[cfg(feature = "lists")]
#[path = "../../src/campaign/mod.rs"]
pub mod campaign;

/// A file with a folder of its own beside it: named by its path, it would look for its parts in the folder around it.
#[cfg(feature = "lists")]
#[path = "../../src"]
mod files {
    pub mod record;
}
