//! A disk whose power can be cut and that can fail: `tests/power/shim.c` under the engine, and what it noted taken back.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const NOTE_MAGIC: u64 = 0x4f44_504f;
const HEAD_BYTES: usize = 48;

/// What is wrong with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// When the power is cut, what was not synced is lost.
    pub forgets: bool,
    /// It says that it has synced, and has not.
    pub lies: bool,
    /// Every so-manieth write fails; 0: none does.
    pub fails_every: u64,
    /// The write of this number fails, and no other; 0: none does.
    pub fails_once: u64,
}

/// The disk.
#[derive(Debug)]
pub struct Disk {
    faults: Faults,
    /// Picks which unsynced writes survive.
    seed: u64,
    folder: PathBuf,
    /// Bytes of unsynced writes that a cut has taken.
    pub lost_bytes: u64,
}

/// One write or truncation that was not synced.
struct Note {
    is_truncation: bool,
    offset: u64,
    old_size: u64,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Disk {
    pub fn new(faults: Faults, seed: u64) -> Disk {
        Disk { faults, seed, folder: PathBuf::new(), lost_bytes: 0 }
    }

    /// Whether an engine may find that it cannot start on it.
    pub fn fails(&self) -> bool {
        self.faults.fails_every > 0 || self.faults.fails_once > 0
    }

    /// Under the folder of an engine, whose database is in `data/`.
    pub fn mount(&mut self, folder: &Path) {
        self.folder = folder.to_owned();
        fs::create_dir(folder.join("undo")).unwrap();
    }

    pub fn put_under(&self, command: &mut Command) {
        let data = fs::canonicalize(self.folder.join("data")).unwrap();
        command.env("LD_PRELOAD", shim());
        command.env("POWER_DIR", format!("{}/", data.display()));
        command.env("POWER_UNDO", self.folder.join("undo"));
        command.env("POWER_FULL", self.folder.join("full"));
        if self.faults.lies {
            command.env("POWER_LIES", "1");
        }
        if self.faults.fails_once > 0 && !self.has_failed_once() {
            command.env("POWER_ONCE", self.faults.fails_once.to_string());
        }
        if self.faults.fails_every > 0 {
            command.env("POWER_FAIL", self.faults.fails_every.to_string());
        }
    }

    /// How many writes the engine made that ended in order.
    pub fn writes(&self) -> u64 {
        let text = fs::read_to_string(self.folder.join("undo.count")).unwrap_or_default();
        text.parse().unwrap_or_default()
    }

    /// An engine has ended since: the one write that fails was an earlier one's.
    fn has_failed_once(&self) -> bool {
        self.folder.join("undo.count").exists()
    }

    /// No byte goes on it any more, or again.
    pub fn set_full(&self, full: bool) {
        let path = self.folder.join("full");
        if full { fs::write(path, "").unwrap() } else { fs::remove_file(path).unwrap() }
    }

    /// Takes unsynced writes back: all of them, or, at every other cut, some, for a disk writes in an order of its own.
    pub fn cut_power(&mut self) {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let keeps_some = self.seed >> 40 & 1 == 1;
        for entry in fs::read_dir(self.folder.join("undo")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_owned();
            let notes = read_notes(&fs::read(&path).unwrap());
            let file = self.folder.join("data").join(name);
            if self.faults.forgets && file.exists() {
                self.take_back(&file, &notes, keeps_some);
            }
            fs::remove_file(path).unwrap();
        }
    }

    fn take_back(&mut self, path: &Path, notes: &[Note], keeps_some: bool) {
        let file = fs::File::options().read(true).write(true).open(path).unwrap();
        for note in notes.iter().rev() {
            file.write_all_at(&note.old, note.offset).unwrap();
            file.set_len(note.old_size).unwrap();
        }
        for note in notes {
            self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let survives = keeps_some && self.seed >> 33 & 1 == 1;
            match (survives, note.is_truncation) {
                (true, true) => file.set_len(note.offset).unwrap(),
                (true, false) => file.write_all_at(&note.new, note.offset).unwrap(),
                (false, _) => self.lost_bytes += note.new.len() as u64,
            }
        }
    }
}

/// The last may be cut short by the kill: then its write has not begun either.
fn read_notes(bytes: &[u8]) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut rest = bytes;
    while rest.len() >= HEAD_BYTES {
        let number = |place: usize| u64::from_ne_bytes(rest[8 * place..][..8].try_into().unwrap());
        assert_eq!(number(0), NOTE_MAGIC, "the notes are in order");
        let (length, old_length) = (number(3) as usize, number(5) as usize);
        let Some(body) = rest.get(HEAD_BYTES..HEAD_BYTES + old_length + length) else { break };
        notes.push(Note {
            is_truncation: number(1) == 1,
            offset: number(2),
            old_size: number(4),
            old: body[..old_length].to_vec(),
            new: body[old_length..].to_vec(),
        });
        rest = &rest[HEAD_BYTES + old_length + length..];
    }
    notes
}

/// The shim, compiled once by the C compiler that the engine's own dependencies need.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power/shim.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libpower.so");
        let unique = library.with_extension(format!("{}.so", std::process::id()));
        let output = Command::new("cc")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
            .args([&unique, &source])
            .args(["-ldl", "-lpthread"])
            .output()
            .expect("a C compiler, which the dependencies need too");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::rename(&unique, &library).unwrap();
        library
    })
}
