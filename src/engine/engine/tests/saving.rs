//! A store that could not write: what it did not take goes before whatever rests upon it.

use super::*;
use crate::record::{ContactState, ContactUpdate};

#[test]
fn whoever_waits_to_be_written_down_is_written_before_the_store_is_asked_who_is_left() {
    let mut stage = Stage::new(&[""], Human::HangUp);
    let (id, state, next_attempt_at) = (ContactId(1), ContactState::Pending, stage.now.wall);
    let contact = ContactUpdate { id, state, next_attempt_at };
    let request = Box::new(Request::ReleaseContact { contact, reason: "closed".into() });
    stage.contacts(&[]);
    stage.of_store.clear();
    stage.engine.handle_answer(stage.now, Answer::Failed { request, error: "disk I/O error".into() });
    // The next question is due before what was not written is tried again by itself.
    stage.pass(1_500);
    let asked: Vec<&str> = stage
        .of_store
        .iter()
        .filter_map(|request| match request {
            Request::ReleaseContact { .. } => Some("release"),
            Request::Refill { .. } => Some("refill"),
            _ => None,
        })
        .collect();
    assert_eq!(asked, ["release", "refill"], "else the last contact is forgotten, and the campaign over");
}
