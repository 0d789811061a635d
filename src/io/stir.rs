//! The private keys that sign caller ids: read once, kept in the process, used by `engine::passport`.

use crate::engine::passport::{Options, Signer};
use crate::io::secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use std::path::Path;
use std::sync::Arc;

/// The signer of `[trunk.stir]`.
///
/// # Errors
/// What is wrong with the key file, and what to do about it.
pub fn signer(options: &Options) -> Result<Signer, String> {
    let file = &options.key_file;
    let shown = file.display();
    let bytes = std::fs::read(file).map_err(|error| format!("cannot read {shown}: {error}"))?;
    secret::owner_only(file)?;
    let der = der_of(&bytes).ok_or_else(|| no_key(file, "its PEM cannot be read"))?;
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &random)
        .map_err(|error| no_key(file, &error.to_string()))?;
    let sign = move |bytes: &[u8]| Some(pair.sign(&random, bytes).ok()?.as_ref().to_vec());
    Ok(Signer { options: options.clone(), sign: Arc::new(sign) })
}

fn no_key(file: &Path, why: &str) -> String {
    let shown = file.display();
    format!(
        "{shown} holds no PKCS#8 key of P-256 ({why}); `openssl pkcs8 -topk8 -nocrypt -in {shown}` makes one of another form"
    )
}

fn der_of(bytes: &[u8]) -> Option<Vec<u8>> {
    const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
    const END: &str = "-----END PRIVATE KEY-----";
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN")) else {
        return Some(bytes.to_vec());
    };
    let inside = text.split_once(BEGIN)?.1.split_once(END)?.0;
    STANDARD.decode(inside.split_whitespace().collect::<String>()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::passport::Attest;
    use crate::number::E164;
    use crate::rng::Rng;
    use crate::time::WallTime;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_file_signs_when_only_its_owner_reads_it_and_says_what_is_wrong_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let options = Options {
            key_file: path.clone(),
            x5u: "https://h/c.pem".into(),
            attest: Attest::B,
            origid: None,
        };
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pem = |kind: &str| {
            format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(document.as_ref()))
        };
        let write = |bytes: &[u8], mode: u32| {
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        assert!(signer(&options).unwrap_err().contains("cannot read"));
        write(pem("PRIVATE KEY").as_bytes(), 0o644);
        assert!(signer(&options).unwrap_err().contains("chmod 600"));
        write(pem("EC PRIVATE KEY").as_bytes(), 0o600);
        assert!(signer(&options).unwrap_err().contains("openssl pkcs8"));
        for bytes in [pem("PRIVATE KEY").into_bytes(), document.as_ref().to_vec()] {
            write(&bytes, 0o600);
            let signer = signer(&options).unwrap();
            let number = E164::from_e164("+12155551213").unwrap();
            let now = WallTime::from_unix_ms(0);
            assert!(signer.identity("+12155551212", &number, now, &mut Rng::from_seed(1)).is_some());
        }
    }
}
