//! People's words on who answered.

use super::*;
use crate::store::{Reader, Tally};

fn label(call: &str, word: &str) -> Request {
    Request::Label { ticket: 7, record: LabelRecord::new(call, word, "ann", at(2_000)).unwrap() }
}

fn labelled(n: Option<u128>) -> Option<Answer> {
    Some(Answer::Labelled { ticket: 7, attempt: n.map(|n| attempt(n).to_string()) })
}

#[tokio::test]
async fn a_call_is_labelled_by_its_attempt_or_a_call_id_and_the_last_word_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = one_call(&folder).await;
    assert_eq!(store.handle(label(&attempt(1).to_string(), "human")).await, labelled(Some(1)));
    assert_eq!(store.handle(label("b@host", "machine")).await, labelled(Some(1)));
    // In flight still: its record will come.
    assert_eq!(store.handle(label("c@host", "fax")).await, labelled(Some(2)));
    for unknown in ["nobody@host", "01928f5a-1b2c-7fff-bfff-ffffffffffff"] {
        assert_eq!(store.handle(label(unknown, "human")).await, labelled(None), "{unknown}");
    }
    let mut reader = Reader::open(&path_in(&folder)).await.unwrap();
    let calls = reader.labelled(None, 0).await.unwrap();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!((calls[0].label.as_str(), calls[0].labelled_by.as_str()), ("machine", "ann"));
    assert!(reader.labelled(None, calls[0].sequence).await.unwrap().is_empty());
    assert!(reader.labelled(Some("autumn"), 0).await.unwrap().is_empty());
}

#[tokio::test]
async fn labels_are_counted_against_the_last_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..4).await;
    let cases = [
        ("human", "", Some("human")),
        ("human", "machine", Some("machine")),
        ("machine", "", Some("human")),
        ("machine", "", None),
    ];
    for (n, (verdict, revised, word)) in (1u128..).zip(cases) {
        let contact = claim_one(&mut store).await;
        store.handle(commit(&contact, n, &format!("{n}@host"))).await;
        let mut record = record(&contact, n, Disposition::Machine);
        (record.verdict, record.revised_verdict) = (verdict.to_owned(), revised.to_owned());
        let contact = update(&contact, ContactState::Done, 0);
        store.handle(Request::FinishAttempt { record: Box::new(record), contact }).await;
        if let Some(word) = word {
            assert_eq!(store.handle(label(&attempt(n).to_string(), word)).await, labelled(Some(n)));
        }
    }
    let mut reader = Reader::open(&path_in(&folder)).await.unwrap();
    let tally = |verdict: &str, calls, labelled, humans, machines| Tally {
        campaign: CAMPAIGN.to_owned(),
        verdict: verdict.to_owned(),
        calls,
        labelled,
        humans,
        machines,
    };
    let want = [tally("human", 1, 1, 1, 0), tally("machine", 3, 2, 1, 1)];
    assert_eq!(reader.tallies(None).await.unwrap(), want);
    assert!(reader.tallies(Some("autumn")).await.unwrap().is_empty());
}

#[test]
fn what_is_no_label_says_what_is() {
    for (call, word, by, want) in [
        ("", "human", "ann", "which call?"),
        ("x", "robot", "ann", "there are human, machine, fax"),
        ("x", "human", " ", "no name"),
        ("x", "human", "a\nb", "no name"),
    ] {
        let fault = LabelRecord::new(call, word, by, at(1)).unwrap_err();
        assert!(fault.contains(want), "{fault}");
    }
}
