//! `outdial evaluate` and `outdial classify --explain` as a person runs them: on a small corpus of the clips in
//! `fixtures/audio`, with and without faults.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// Two persons, two machines with a beep, two tones; greetings and beeps as `fixtures/audio/labels.csv` has them.
const MANIFEST: &str = "\
file,label,subtype,source,kind,greeting_start_s,greeting_end_s,beep_start_s,beep,codec,noise
human-word-bed.wav,human,word,words one,real,0.681,1.131,,,ulaw,none
human-word-three.wav,human,word,words two,real,0.931,1.331,,,gsm,line
machine-english-beep.wav,machine,vm_system,prompts/english,real,,,,,ulaw,none
machine-karen-beep.wav,machine,vm_greeting,prompts/karen,real,,,,,ulaw,none
busy.wav,other,busy,synthesised,synth,,,,,ulaw,none
sit-number-invalid.wav,other,sit_intercept,synthesised,synth,,,,,alaw,none
";

#[test]
fn a_corpus_is_measured_as_tables_and_as_json() {
    let corpus = corpus(MANIFEST);
    let out = outdial(corpus.path(), &["evaluate", "manifest.csv"]);
    assert!(out.status.success(), "{out:?}");
    let told = text(&out.stdout);
    for want in
        ["6 clips: 2 human, 2 machine, 2 other", "FIRST VERDICT", "BY CODEC", "Every clip was judged rightly"]
    {
        assert!(told.contains(want), "no «{want}» in\n{told}");
    }
    let out = outdial(corpus.path(), &["evaluate", "manifest.csv", "--json"]);
    let json: Value = serde_json::from_slice(&out.stdout).expect("one JSON object");
    assert_eq!(json["clips"], 6);
    assert_eq!(json["figures"]["human_lost"]["hits"], 0);
    assert_eq!(json["figures"]["machine_found_finally"]["share"], 1.0);
    assert_eq!(json["first_verdicts"][2]["called"]["tone"], 1, "{}", json["first_verdicts"]);
    assert_eq!(json["settings"]["deadline_ms"], 5000);
    assert_eq!(json["unread"], 0);
    assert!(json["times"]["human_after_speech"]["median_ms"].is_i64(), "{}", json["times"]);
}

#[test]
fn two_runs_tell_the_same() {
    let corpus = corpus(MANIFEST);
    let run = || outdial(corpus.path(), &["evaluate", "manifest.csv", "--json", "--html", "page.html"]);
    let (first, page) = (run().stdout, fs::read(corpus.path().join("page.html")).unwrap());
    assert!(first == run().stdout && page == fs::read(corpus.path().join("page.html")).unwrap());
}

#[test]
fn the_page_shows_every_clip_and_needs_nothing_from_outside() {
    let corpus = corpus(MANIFEST);
    let out = outdial(corpus.path(), &["evaluate", "manifest.csv", "--html", "page.html"]);
    assert!(out.status.success(), "{out:?}");
    let page = fs::read_to_string(corpus.path().join("page.html")).unwrap();
    assert_eq!(page.matches("<svg class=\"picture\"").count(), 6);
    for outside in ["http:", "https:", "src=", "url(", "<script"] {
        assert!(!page.contains(outside), "{outside} in the page");
    }
}

#[test]
fn enrolled_prompts_are_heard_here_too() {
    let corpus = corpus(MANIFEST);
    let prompts = corpus.path().join("prompts/screening");
    fs::create_dir_all(&prompts).unwrap();
    fs::copy(corpus.path().join("machine-karen-beep.wav"), prompts.join("karen.wav")).unwrap();
    let args = ["evaluate", "manifest.csv", "--json", "--set", "prompts_dir=prompts"];
    let out = outdial(corpus.path(), &args);
    let json: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{out:?}"));
    assert_eq!(json["last_verdicts"][1]["called"]["screening"], 1, "{}", json["last_verdicts"]);
    fs::write(prompts.join("broken.wav"), b"no sound").unwrap();
    let out = outdial(corpus.path(), &args);
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("broken.wav"), "{out:?}");
}

#[test]
fn other_settings_are_measured_in_their_stead_or_beside_them() {
    let corpus = corpus(MANIFEST);
    fs::write(corpus.path().join("own.toml"), "[amd]\npatience_ms = 400\n").unwrap();
    let json = |args: &[&str]| -> Value {
        let out = outdial(corpus.path(), &[&["evaluate", "manifest.csv", "--json"], args].concat());
        serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{out:?}"))
    };
    assert_eq!(json(&["--config", "own.toml"])["settings"]["patience_ms"], 400);
    assert_eq!(json(&["--config", "own.toml", "--set", "patience_ms=900"])["settings"]["patience_ms"], 900);
    let asterisk = json(&["--engine", "asterisk"]);
    assert_eq!(asterisk["settings"]["engine"], "asterisk");
    assert_eq!(asterisk["first_verdicts"][3]["called"]["tone"], 0, "app_amd knows no tone");
    let vicidial = "engine=asterisk; asterisk.greeting=2000";
    let beside = json(&["--sweep", "deadline_ms=2000,5000", "--against", vicidial]);
    assert_eq!(beside["settings"]["engine"], "outdial");
    let names: Vec<&str> =
        beside["trade_off"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["deadline_ms=2000", "deadline_ms=5000", vicidial]);
}

#[test]
fn a_recording_that_cannot_be_read_is_named_with_its_row_and_the_others_are_judged() {
    let manifest = format!("{MANIFEST}missing.wav,human,word,,,,,,,,\nbroken.wav,human,word,,,,,,,,\n");
    let corpus = corpus(&manifest);
    fs::write(corpus.path().join("broken.wav"), b"RIFF, says nobody").unwrap();
    let out = outdial(corpus.path(), &["evaluate", "manifest.csv", "--json"]);
    assert_eq!(out.status.code(), Some(1));
    let faults = text(&out.stderr);
    assert!(faults.contains("manifest.csv: row 8: missing.wav: "), "{faults}");
    assert!(
        faults.contains("row 9: broken.wav: ") && faults.contains("mend the file, or take the row out"),
        "{faults}"
    );
    let json: Value = serde_json::from_slice(&out.stdout).expect("the others are told");
    assert_eq!((&json["clips"], &json["unread"]), (&Value::from(6), &Value::from(2)));
}

#[test]
fn a_faulty_manifest_is_refused_with_a_remedy() {
    let cases: [(&str, &[&str], &str); 6] = [
        (
            "file,label\na.wav,robot\n",
            &["manifest.csv"],
            "line 2: label `robot` is none of `human`, `machine`, `other`",
        ),
        ("file,label\n", &["manifest.csv"], "no clip; write one row a recording"),
        (MANIFEST, &["nowhere.csv"], "nowhere.csv: "),
        (MANIFEST, &["."], "name the manifest in it: ./manifest.csv"),
        (MANIFEST, &["manifest.csv", "--sweep", "patience_ms"], "write KEY=VALUE,VALUE..."),
        (MANIFEST, &["manifest.csv", "--set", "greeting=1"], "unknown field `greeting`"),
    ];
    for (manifest, args, want) in cases {
        let corpus = corpus(manifest);
        let out = outdial(corpus.path(), &[&["evaluate"], args].concat());
        assert_eq!(out.status.code(), Some(1), "{args:?}: {out:?}");
        assert!(text(&out.stderr).contains(want), "no «{want}» in {}", text(&out.stderr));
        assert!(out.stdout.is_empty(), "{out:?}");
    }
}

#[test]
fn classify_explains_what_it_judged() {
    let corpus = corpus(MANIFEST);
    let out =
        outdial(corpus.path(), &["classify", "busy.wav", "human-word-bed.wav", "--explain", "why.html"]);
    assert!(out.status.success(), "{out:?}");
    let page = fs::read_to_string(corpus.path().join("why.html")).unwrap();
    assert_eq!(page.matches("<svg class=\"picture\"").count(), 2);
    for want in
        ["Why: 2 recordings", "called tone at ", "called human at ", "of silence followed the greeting"]
    {
        assert!(page.contains(want), "no «{want}» in the page");
    }
    let out = outdial(corpus.path(), &["classify", "busy.wav", "--explain", "no/such/folder/why.html"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("no/such/folder/why.html"), "{}", text(&out.stderr));
}

/// A folder with the manifest and the clips of [`MANIFEST`].
fn corpus(manifest: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let audio = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio");
    for row in MANIFEST.lines().skip(1) {
        let file = row.split(',').next().unwrap();
        fs::copy(audio.join(file), folder.path().join(file)).unwrap();
    }
    fs::write(folder.path().join("manifest.csv"), manifest).unwrap();
    folder
}

fn outdial(folder: &Path, args: &[&str]) -> Output {
    let run = Command::new(env!("CARGO_BIN_EXE_outdial")).args(args).current_dir(folder).output();
    run.expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
