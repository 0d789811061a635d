//! A labelled clip and what was said about it.

use crate::amd::replay::Summary;
use crate::amd::verdict::{Class, Verdict};
use crate::corpus::manifest::Clip;
use std::time::Duration;

/// One clip, judged.
#[derive(Clone, PartialEq, Debug)]
pub struct Judged {
    /// What is true.
    pub clip: Clip,
    /// What was said.
    pub summary: Summary,
}

/// Lets `ear` judge each recording. A fold of a training passes the clips it was not trained on, and its own model.
pub fn judge<S: AsRef<[i16]>>(
    recordings: impl IntoIterator<Item = (Clip, S)>,
    mut ear: impl FnMut(&Clip, &[i16]) -> Summary,
) -> Vec<Judged> {
    let one = |(clip, samples): (Clip, S)| {
        let summary = ear(&clip, samples.as_ref());
        Judged { clip, summary }
    };
    recordings.into_iter().map(one).collect()
}

impl Judged {
    /// The class of the first verdict.
    pub fn first(&self) -> Option<Class> {
        self.summary.verdict.map(|verdict| verdict.class)
    }

    /// The class that stands in the end.
    pub fn last(&self) -> Option<Class> {
        self.summary.class()
    }

    /// The verdicts in order of time.
    pub fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        self.summary.verdict.into_iter().chain(self.summary.revised)
    }

    /// How long the labelled greeting is.
    pub fn greeting(&self) -> Option<Duration> {
        self.clip.greeting_end?.checked_sub(self.clip.greeting_start?)
    }
}

/// Whole milliseconds, as reports give times.
pub fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amd::verdict::Cause;
    use crate::corpus::manifest::Label;

    #[test]
    fn whoever_judges_is_asked_once_a_clip() {
        let recordings = [("a", vec![1i16, 2]), ("b", vec![3])];
        let recordings = recordings.map(|(file, samples)| (Clip::new(file, Label::Human), samples));
        let judged = judge(recordings, |clip, samples| {
            let class = if clip.file == "a" { Class::Human } else { Class::Unsure };
            let at = Duration::from_millis(samples.len() as u64);
            Summary { verdict: Some(Verdict { class, cause: Cause::Beep, at }), ..Summary::default() }
        });
        assert_eq!(
            judged.iter().map(Judged::first).collect::<Vec<_>>(),
            [Some(Class::Human), Some(Class::Unsure)]
        );
        assert_eq!(judged[0].summary.verdict.unwrap().at, Duration::from_millis(2));
    }
}
