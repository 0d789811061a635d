//! `outdial train` as a person runs it: on the open test set.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/amd/manifest.csv");

#[test]
fn one_corpus_and_seed_give_one_file_byte_for_byte_and_it_judges() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let train = |file: &str| outdial(folder.path(), &["train", MANIFEST, "--output", file, "--json"]);
    let out = train("a.json");
    assert!(out.status.success(), "{out:?}");
    assert!(train("b.json").status.success());
    let file = fs::read(folder.path().join("a.json")).unwrap();
    assert!(file == fs::read(folder.path().join("b.json")).unwrap(), "two runs, two files");

    let model: Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(model["corpora"][0]["humans"], 118, "{}", model["corpora"]);
    assert_eq!(model["folds"], 5);
    assert!(model["commit"].as_str().is_some_and(|commit| !commit.is_empty()));
    let score = |name: &str| model["scores"][name].as_f64().unwrap_or_else(|| panic!("no {name}"));
    assert!(score("moments_area_under_curve") > 0.75, "{}", model["scores"]);
    assert!(score("amd: machine found finally") > 0.7, "{}", model["scores"]);

    let told: Value = serde_json::from_slice(&out.stdout).expect("one JSON object");
    assert_eq!(told["cross_validation"]["amd"]["clips"], 259);
    let set = ["evaluate", MANIFEST, "--json", "--set", "model_file=a.json"];
    let judged = outdial(folder.path(), &set);
    assert!(judged.status.success(), "{judged:?}");
}

#[test]
fn what_cannot_be_learned_from_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let few = "file,label\na.wav,human\nb.wav,machine\n";
    fs::write(folder.path().join("few.csv"), few).unwrap();
    fs::write(folder.path().join("wrong.csv"), "file,label\na.wav,robot\n").unwrap();
    for (file, want) in [
        ("missing.csv", "No such file"),
        ("wrong.csv", "line 2: label `robot` is none of"),
        ("few.csv", "a.wav: No such file or directory (os error 2); mend the file"),
    ] {
        let out = outdial(folder.path(), &["train", file]);
        let told = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{file}: {told}");
        assert!(told.contains(want), "{file}: {told}");
    }
    assert!(!folder.path().join("amd-model.json").exists(), "nothing half-made is left");
}

fn outdial(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_outdial")).args(args).current_dir(folder).output().unwrap()
}
