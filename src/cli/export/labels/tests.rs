//! A corpus of one's own, from labels and recordings.

use super::super::{Args, ExportError, Format, TableName, run};
use super::*;
use crate::disposition::Disposition;
use crate::record::{CallLabel, ContactState, LabelRecord, Request};
use crate::store::Store;
use crate::store::tests::{at, attempt, claim_one, commit, import, open, path_in, record, update};
use tempfile::TempDir;

fn args(folder: &TempDir, output: Option<PathBuf>) -> Args {
    Args {
        table: TableName::Labels,
        config: None,
        database: Some(path_in(folder).into()),
        format: Format::Csv,
        campaign: None,
        output,
    }
}

/// A call whose callee said `heard` while we said something else, labelled.
async fn call(store: &mut Store, n: u128, heard: &[i16], verdict: &str, label: CallLabel) {
    let contact = claim_one(store).await;
    store.handle(commit(&contact, n, &format!("{n}@host"))).await;
    let path = store.path().parent().unwrap().join(format!("recordings/{n}.wav"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = hound::WavWriter::create(&path, wav::spec(2)).unwrap();
    for sample in heard {
        writer.write_sample(*sample).unwrap();
        writer.write_sample(9_999i16).unwrap();
    }
    writer.finalize().unwrap();
    let mut record = record(&contact, n, Disposition::Machine);
    record.verdict = verdict.to_owned();
    record.verdict_cause = "model 0.970".to_owned();
    record.greeting_end_at = Some(at(1_003 + 700));
    // As an engine writes it that was started in the configuration's folder.
    record.recording = format!("recordings/{n}.wav");
    let contact = update(&contact, ContactState::Done, 0);
    store.handle(Request::FinishAttempt { record: Box::new(record), contact }).await;
    let call = attempt(n).to_string();
    let record = LabelRecord::new(&call, label.as_str(), "ann", at(9_500)).unwrap();
    store.handle(Request::Label { ticket: 1, record }).await;
}

#[tokio::test]
async fn labelled_calls_become_a_corpus() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..4).await;
    let heard: Vec<i16> = (0..16_000).map(|i| (i % 200) as i16).collect();
    call(&mut store, 1, &heard, "machine", CallLabel::Human).await;
    call(&mut store, 2, &vec![5; 40 * 8_000], "machine", CallLabel::Machine).await;
    call(&mut store, 3, &heard, "silence", CallLabel::Music).await;
    let out = folder.path().join("corpus/own");
    assert_eq!(run(&args(&folder, Some(out.clone()))).await.unwrap(), 3);

    let clips = manifest::read(&std::fs::read(out.join("manifest.csv")).unwrap()).unwrap();
    let labels: Vec<(Label, &str)> = clips.iter().map(|clip| (clip.label, clip.subtype.as_str())).collect();
    assert_eq!(labels, [(Label::Human, ""), (Label::Machine, ""), (Label::Other, "moh")]);
    let first = &clips[0];
    assert_eq!(
        (first.kind.as_str(), first.source.as_str(), first.codec.as_str()),
        ("real", "campaign spring", "ulaw")
    );
    assert_eq!(first.greeting_end, Some(Duration::from_millis(700)));
    assert!(first.note.contains("judged machine") && first.note.contains("by ann"), "{}", first.note);
    assert!(!first.may_be_published);
    assert_ne!(clips[0].voice, clips[1].voice);
    // The callee's side alone, from the answer on, and of a long call the beginning.
    let samples = |clip: &Clip| wav::read(&std::fs::read(out.join(&clip.file)).unwrap()).unwrap().samples;
    assert_eq!(samples(first), heard);
    assert_eq!(samples(&clips[1]).len(), CLIP_SAMPLES_MAX);
}

#[tokio::test]
async fn what_cannot_be_read_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..3).await;
    for n in [1, 2] {
        call(&mut store, n, &[1; 8_000], "human", CallLabel::Human).await;
    }
    std::fs::write(folder.path().join("recordings/1.wav"), "no sound").unwrap();
    let out = folder.path().join("own");
    assert_eq!(run(&args(&folder, Some(out.clone()))).await.unwrap(), 1);
    assert!(matches!(run(&args(&folder, None)).await, Err(ExportError::NoFolder)));
    // A folder cannot be where a file is.
    let taken = folder.path().join("recordings/2.wav");
    assert!(matches!(run(&args(&folder, Some(taken))).await, Err(ExportError::Output(..))));
}
