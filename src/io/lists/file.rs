//! A list's file: packed or not, how far it is read, and what tells it from the file of yesterday.

use crate::number::Region;
use crate::store::Identity;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// A packed list gives at most so many times its own size; lists of people give five to twenty, a file made to fill
/// memories and disks a thousand.
const INFLATION_MAX: u64 = 200;

/// So much it may give in any case, in bytes.
const INFLATED_FREE: u64 = 64 << 20;

/// An open list.
pub struct ListFile {
    /// Its text, unpacked.
    pub read: Box<dyn Read + Send>,
    /// Bytes of the file.
    pub size: u64,
    /// How many of them have been read so far.
    pub position: Arc<AtomicU64>,
}

impl ListFile {
    /// Opens it; what is packed with gzip is known by its first bytes, whatever the name.
    pub fn open(path: &Path) -> Result<ListFile, String> {
        let fault = |error: io::Error| format!("cannot read {}: {error}", path.display());
        let file = File::open(path).map_err(fault)?;
        let metadata = file.metadata().map_err(fault)?;
        if metadata.is_dir() {
            return Err(format!("{} is a folder, not a list", path.display()));
        }
        let position = Arc::new(AtomicU64::new(0));
        let counted = Counted { read: file, position: Arc::clone(&position) };
        let mut buffered = BufReader::with_capacity(BUFFER_BYTES, counted);
        let packed = buffered.fill_buf().map_err(fault)?.starts_with(&[0x1f, 0x8b]);
        let read: Box<dyn Read + Send> = if packed {
            let decoder = MultiGzDecoder::new(buffered);
            Box::new(Inflated { decoder, given: 0, position: Arc::clone(&position) })
        } else {
            Box::new(buffered)
        };
        Ok(ListFile { read, size: metadata.len(), position })
    }
}

/// What the file looks like now, without its digest.
pub fn identity(path: &Path, region: Option<Region>) -> Result<Identity, String> {
    let fault = |error: io::Error| format!("cannot read {}: {error}", path.display());
    let metadata = std::fs::metadata(path).map_err(fault)?;
    let modified = metadata.modified().map_err(fault)?;
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(Identity {
        size: metadata.len(),
        modified_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        digest: String::new(),
        region: region.map(|region| format!("{region:?}")).unwrap_or_default(),
    })
}

/// The file's SHA-256 in hexadecimal digits.
pub fn digest(path: &Path) -> Result<String, String> {
    let fault = |error: io::Error| format!("cannot read {}: {error}", path.display());
    let mut file = File::open(path).map_err(fault)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fault(error)),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Counts what is read of the file itself.
struct Counted {
    read: File,
    position: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.read.read(buffer)?;
        self.position.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Unpacks within bounds.
struct Inflated {
    decoder: MultiGzDecoder<BufReader<Counted>>,
    given: u64,
    position: Arc<AtomicU64>,
}

impl Read for Inflated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer)?;
        self.given += count as u64;
        let most = INFLATED_FREE.max(INFLATION_MAX * self.position.load(Ordering::Relaxed));
        if self.given > most {
            let text =
                format!("it unpacks to more than {INFLATION_MAX} times its size, as no list of people does");
            return Err(io::Error::other(text));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    #[test]
    fn a_packed_list_reads_as_the_list_itself_in_one_part_or_several() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv.gz");
        std::fs::write(&path, [packed(b"+12025550101\n"), packed(b"+12025550102\n")].concat()).unwrap();
        let mut text = String::new();
        let mut file = ListFile::open(&path).unwrap();
        file.read.read_to_string(&mut text).unwrap();
        assert_eq!(text, "+12025550101\n+12025550102\n");
        assert_eq!(file.position.load(Ordering::Relaxed), file.size);
    }

    #[test]
    fn a_file_made_to_fill_the_memory_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bomb.gz");
        let mut encoder = GzEncoder::new(File::create(&path).unwrap(), Compression::best());
        for _ in 0..1_024 {
            encoder.write_all(&[b'1'; 128 * 1024]).unwrap();
        }
        encoder.finish().unwrap();
        let error = io::copy(&mut ListFile::open(&path).unwrap().read, &mut io::sink()).unwrap_err();
        assert!(error.to_string().contains("200 times"), "{error}");
    }

    #[test]
    fn a_file_is_known_again_by_its_digest_and_another_one_told_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        std::fs::write(&path, "abc").unwrap();
        // FIPS 180-2, B.1.
        assert!(digest(&path).unwrap().starts_with("ba7816bf8f01cfea414140de5dae2223"));
        let before = identity(&path, Region::from_code("US")).unwrap();
        assert_ne!(before, identity(&path, Region::from_code("DE")).unwrap());
        std::fs::write(&path, "abcd").unwrap();
        assert_ne!(before.size, identity(&path, None).unwrap().size);
    }

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }
}
