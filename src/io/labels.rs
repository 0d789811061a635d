//! Labels on their way through the store: who waits for which answer.

use crate::io::operator::Reply;
use crate::record::{Answer, LabelRecord, Request};
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// Operators who wait for the store at once; more are sent away.
const WAITING_MAX: usize = 1_000;

/// Those who wait, by their tickets.
#[derive(Debug, Default)]
pub struct Labels {
    waiting: BTreeMap<u64, oneshot::Sender<Reply>>,
    last: u64,
}

impl Labels {
    /// What to ask the store; none when too many wait already.
    pub fn handle_wish(&mut self, record: LabelRecord, back: oneshot::Sender<Reply>) -> Option<Request> {
        if self.waiting.len() >= WAITING_MAX {
            let _nobody_listens = back.send(Reply::Error("too many labels wait for the store".to_owned()));
            return None;
        }
        self.last += 1;
        self.waiting.insert(self.last, back);
        Some(Request::Label { ticket: self.last, record })
    }

    /// Tells who waits; gives back what is not an answer to a label.
    pub fn handle_answer(&mut self, answer: Answer) -> Option<Answer> {
        let (ticket, reply) = match answer {
            Answer::Labelled { ticket, attempt: Some(_) } => (ticket, Reply::Ok(true)),
            Answer::Labelled { ticket, attempt: None } => (ticket, Reply::Error(unknown_call())),
            Answer::Failed { request, error } => match *request {
                Request::Label { ticket, .. } if self.waiting.contains_key(&ticket) => {
                    (ticket, Reply::Error(error))
                }
                request => return Some(Answer::Failed { request: Box::new(request), error }),
            },
            other => return Some(other),
        };
        if let Some(back) = self.waiting.remove(&ticket) {
            let _nobody_listens = back.send(reply);
        }
        None
    }
}

/// For people.
pub fn unknown_call() -> String {
    "there is no such call: give an attempt's id or a Call-ID, as `outdial export calls` shows".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::WallTime;

    fn ask(labels: &mut Labels) -> (Option<Request>, oneshot::Receiver<Reply>) {
        let record = LabelRecord::new("a@host", "machine", "ann", WallTime::from_unix_ms(1)).unwrap();
        let (back, reply) = oneshot::channel();
        (labels.handle_wish(record, back), reply)
    }

    #[test]
    fn each_who_waits_gets_the_own_answer() {
        let mut labels = Labels::default();
        let (_, mut kept) = ask(&mut labels);
        let (_, mut unknown) = ask(&mut labels);
        let (failed, mut told) = ask(&mut labels);
        let failed = Answer::Failed { request: Box::new(failed.unwrap()), error: "disk full".to_owned() };
        assert_eq!(labels.handle_answer(failed), None);
        assert_eq!(labels.handle_answer(Answer::Labelled { ticket: 2, attempt: None }), None);
        assert_eq!(labels.handle_answer(Answer::Labelled { ticket: 1, attempt: Some("x".into()) }), None);
        assert_eq!(kept.try_recv(), Ok(Reply::Ok(true)));
        assert_eq!(unknown.try_recv(), Ok(Reply::Error(unknown_call())));
        assert_eq!(told.try_recv(), Ok(Reply::Error("disk full".to_owned())));
    }

    #[test]
    fn other_answers_pass_and_a_crowd_is_sent_away() {
        let mut labels = Labels::default();
        let request =
            Box::new(Request::Refill { campaign: "a".into(), due_at: WallTime::from_unix_ms(1), limit: 1 });
        let other = Answer::Failed { request, error: "disk full".to_owned() };
        assert_eq!(labels.handle_answer(other.clone()), Some(other));
        // An agent's key: the engine keeps it for when the store works again.
        let record = LabelRecord::new("a@host", "machine", "sip:600@pbx", WallTime::from_unix_ms(1)).unwrap();
        let request = Box::new(Request::Label { ticket: 0, record });
        let failed = Answer::Failed { request, error: "disk full".to_owned() };
        assert_eq!(labels.handle_answer(failed.clone()), Some(failed));
        let waiting: Vec<_> = (0..WAITING_MAX).map(|_| ask(&mut labels)).collect();
        let (request, mut reply) = ask(&mut labels);
        assert_eq!(request, None);
        assert!(matches!(reply.try_recv(), Ok(Reply::Error(text)) if text.contains("too many")));
        drop(waiting);
    }
}
