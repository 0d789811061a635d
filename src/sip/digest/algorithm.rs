//! The hashes of digest authentication (RFC 7616 section 3.3, RFC 8760 section 2.1).

use md5::{Digest, Md5};
use sha2::{Sha256, Sha512_256};
use std::fmt::Write;

/// A hash and how the key is made with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// MD5, the default where none is named.
    Md5,
    /// MD5, the key bound to nonce and cnonce.
    Md5Sess,
    /// SHA-256.
    Sha256,
    /// SHA-256, the key bound to nonce and cnonce.
    Sha256Sess,
    /// SHA-512/256.
    Sha512256,
    /// SHA-512/256, the key bound to nonce and cnonce.
    Sha512256Sess,
}

impl Algorithm {
    const ALL: [Algorithm; 6] = [
        Algorithm::Md5,
        Algorithm::Md5Sess,
        Algorithm::Sha256,
        Algorithm::Sha256Sess,
        Algorithm::Sha512256,
        Algorithm::Sha512256Sess,
    ];

    /// The algorithm of this name, compared without case.
    pub fn from_name(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Md5Sess => "MD5-sess",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha256Sess => "SHA-256-sess",
            Algorithm::Sha512256 => "SHA-512-256",
            Algorithm::Sha512256Sess => "SHA-512-256-sess",
        }
    }

    /// Whether the key is bound to nonce and cnonce.
    pub fn is_session(self) -> bool {
        matches!(self, Algorithm::Md5Sess | Algorithm::Sha256Sess | Algorithm::Sha512256Sess)
    }

    /// Whether it is one of MD5, which is answered only when nothing better is offered.
    pub fn is_md5(self) -> bool {
        matches!(self, Algorithm::Md5 | Algorithm::Md5Sess)
    }

    /// The hash of `bytes` in lower-case hexadecimal digits.
    pub fn hash(self, bytes: &[u8]) -> String {
        match self {
            Algorithm::Md5 | Algorithm::Md5Sess => hexadecimal(&Md5::digest(bytes)),
            Algorithm::Sha256 | Algorithm::Sha256Sess => hexadecimal(&Sha256::digest(bytes)),
            Algorithm::Sha512256 | Algorithm::Sha512256Sess => hexadecimal(&Sha512_256::digest(bytes)),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        // Writing into a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1321 section A.5; FIPS 180-4's example of three letters for the others.
    #[test]
    fn published_hashes_of_abc_come_out() {
        let table = [
            (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (Algorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (Algorithm::Sha512256, "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"),
        ];
        for (algorithm, hash) in table {
            assert_eq!(algorithm.hash(b"abc"), hash, "{}", algorithm.name());
        }
    }

    #[test]
    fn names_are_known_without_case() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(&algorithm.name().to_lowercase()), Some(algorithm));
        }
        assert_eq!(Algorithm::from_name("SHA-512"), None);
    }
}
