//! A verdict as a sentence that a person understands.

use super::text::seconds;
use crate::amd::verdict::{Cause, Verdict};
use std::time::Duration;

/// `called machine at 2.31 s: the greeting had gone on for 1.60 s`.
pub fn sentence(verdict: &Verdict) -> String {
    format!("called {} at {}: {}", verdict.class, time(verdict.at), reason(&verdict.cause))
}

/// A revision: `revised to machine at 3.10 s: a beep was heard`.
pub fn revision(verdict: &Verdict) -> String {
    format!("revised to {} at {}: {}", verdict.class, time(verdict.at), reason(&verdict.cause))
}

fn reason(cause: &Cause) -> String {
    match cause {
        Cause::SilenceAfterGreeting(d) => format!("{} of silence followed the greeting", time(*d)),
        Cause::LongGreeting(d) => format!("the greeting had gone on for {}", time(*d)),
        Cause::ManyWords(n) => format!("{n} words had been spoken"),
        Cause::Model(p) => format!("the model gave a machine {:.1} %", p * 100.0),
        Cause::Beep => "a beep was heard".to_owned(),
        Cause::Tone(kind) => format!("a tone was named: {}", kind.as_str().replace('_', " ")),
        Cause::InitialSilence(d) => format!("nothing had been heard for {}", time(*d)),
        Cause::SecondSentence(d) => format!("the voice went on for {} after the first verdict", time(*d)),
        Cause::Deadline(d) => format!("the time was up at {}", time(*d)),
        other => other.to_string(),
    }
}

/// A time as pictures and pages give it.
pub fn time(time: Duration) -> String {
    seconds(i64::try_from(time.as_millis()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amd::verdict::Class;

    #[test]
    fn a_verdict_says_what_when_and_why() {
        let ms = Duration::from_millis;
        let said = |class, cause| sentence(&Verdict { class, cause, at: ms(2310) });
        assert_eq!(
            said(Class::Machine, Cause::LongGreeting(ms(1600))),
            "called machine at 2.31 s: the greeting had gone on for 1.60 s"
        );
        assert_eq!(
            said(Class::Machine, Cause::Model(0.9731)),
            "called machine at 2.31 s: the model gave a machine 97.3 %"
        );
        assert_eq!(
            said(Class::Screening, Cause::Assistant),
            "called screening at 2.31 s: screening assistant"
        );
        let beep = Verdict { class: Class::Machine, cause: Cause::Beep, at: ms(3100) };
        assert_eq!(revision(&beep), "revised to machine at 3.10 s: a beep was heard");
    }
}
