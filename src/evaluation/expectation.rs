//! What is right: which verdict, and which named tone, a label asks for.

use crate::amd::verdict::Class;
use crate::corpus::manifest::{Clip, Label};

/// Every class, in the order of tables.
pub const CLASSES: [Class; 9] = [
    Class::Human,
    Class::Machine,
    Class::Screening,
    Class::Ivr,
    Class::Fax,
    Class::Tone,
    Class::Music,
    Class::Silence,
    Class::Unsure,
];

/// How a verdict stands to the label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grade {
    /// What the label says.
    Right,
    /// A talking machine, but not which kind: `machine` for a phone tree or a screening assistant.
    Near,
    /// `silence` or `unsure` where there was something to tell, or no verdict at all: the call goes to an agent.
    Undecided,
    /// The opposite of the label.
    Wrong,
}

/// Grades a verdict; `None` is no verdict at all.
pub fn grade(clip: &Clip, class: Option<Class>) -> Grade {
    let Some(class) = class else { return Grade::Undecided };
    let right = right_classes(clip);
    if right.contains(&class) || (right.is_empty() && class != Class::Human) {
        Grade::Right
    } else if class == Class::Machine && right.iter().any(|r| matches!(r, Class::Ivr | Class::Screening)) {
        Grade::Near
    } else if matches!(class, Class::Silence | Class::Unsure) {
        Grade::Undecided
    } else {
        Grade::Wrong
    }
}

/// The verdict denies that a living person is there: the call would be hung up or given a message.
pub fn denies_a_person(class: Class) -> bool {
    !matches!(class, Class::Human | Class::Silence | Class::Unsure)
}

/// The verdicts that are right; empty where the label says no more than that it is no person.
pub fn right_classes(clip: &Clip) -> &'static [Class] {
    let subtype = clip.subtype.as_str();
    match clip.label {
        Label::Human => &[Class::Human],
        Label::Machine if is_menu(subtype) => &[Class::Machine, Class::Ivr],
        Label::Machine if subtype.contains("screening") => &[Class::Machine, Class::Screening],
        Label::Machine => &[Class::Machine],
        Label::Other if is_menu(subtype) => &[Class::Ivr],
        Label::Other if subtype.contains("screening") => &[Class::Screening],
        Label::Other if subtype.starts_with("fax") || subtype.starts_with("modem") => &[Class::Fax],
        Label::Other if is_music(subtype) => &[Class::Music],
        Label::Other if subtype == "silence" => &[Class::Silence],
        // Noise is heard, but says nothing: both words are true.
        Label::Other if subtype.starts_with("noise") => &[Class::Silence, Class::Unsure],
        Label::Other if tone_words(clip).is_some() => &[Class::Tone],
        Label::Other => &[],
    }
}

fn is_menu(subtype: &str) -> bool {
    subtype.starts_with("ivr") || subtype.starts_with("phone_tree") || subtype.starts_with("menu")
}

fn is_music(subtype: &str) -> bool {
    subtype.starts_with("moh") || subtype.starts_with("music")
}

/// The words by which the clip's tone may be named, as `amd::verdict::ToneKind` writes them; `None` when the label asks
/// for no tone. For special information tones the subtype or the note may say which of the four they are.
pub fn tone_words(clip: &Clip) -> Option<&'static [&'static str]> {
    let subtype = clip.subtype.as_str();
    if clip.label != Label::Other {
        return None;
    }
    Some(match subtype {
        "fax_cng" => &["fax_cng"],
        "fax_ced" | "fax_ansam" | "ansam" => &["fax_ced", "fax_ansam"],
        "ringback" | "ring_back" => &["ring_back"],
        // One burst of either is like the other's; a label that says both accepts both.
        "busy" if clip.note.contains("reorder") || clip.note.contains("congestion") => &["busy", "reorder"],
        // One unbroken tone, which no rhythm tells from a dial tone.
        "busy" if clip.note.contains("unobtainable") => &["busy", "dial_tone"],
        "busy" => &["busy"],
        "reorder" | "congestion" => &["reorder"],
        "dial_tone" => &["dial_tone"],
        "dtmf" => &["dtmf"],
        _ if is_music(subtype) => &["music"],
        _ if subtype.starts_with("modem") => &["modem", "fax_ced"],
        _ if subtype == "sit" || subtype.starts_with("sit_") => information(clip),
        _ => return None,
    })
}

/// ITU-T E.180 knows one sequence, Telcordia SR-3275 four; who labels may know which.
fn information(clip: &Clip) -> &'static [&'static str] {
    let says = |kind: &str| {
        clip.subtype == format!("sit_{}", kind.to_lowercase()) || clip.note.contains(&format!("SIT {kind}"))
    };
    let is = |word: &str| clip.subtype == word;
    if is("sit_invalid") {
        &["sit_invalid", "sit_ic", "sit_intercept", "sit_vc", "sit_vacant", "sit_vacant_code"]
    } else if is("sit_congestion") {
        &["sit_congestion", "sit_ro", "sit_reorder", "sit_nc", "sit_no_circuit"]
    } else if says("IC") {
        &["sit_ic", "sit_intercept", "sit_invalid"]
    } else if says("VC") {
        &["sit_vc", "sit_vacant", "sit_vacant_code", "sit_invalid"]
    } else if says("RO") {
        &["sit_ro", "sit_reorder", "sit_congestion"]
    } else if says("NC") {
        &["sit_nc", "sit_no_circuit", "sit_congestion"]
    } else {
        &[
            "sit",
            "sit_invalid",
            "sit_congestion",
            "sit_ic",
            "sit_intercept",
            "sit_vc",
            "sit_vacant",
            "sit_vacant_code",
            "sit_ro",
            "sit_reorder",
            "sit_nc",
            "sit_no_circuit",
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_label_has_its_right_verdict() {
        use Grade::*;
        let cases = [
            (Label::Human, "word", Class::Human, Right),
            (Label::Human, "word", Class::Ivr, Wrong),
            (Label::Human, "word", Class::Silence, Undecided),
            (Label::Machine, "vm_system", Class::Machine, Right),
            (Label::Machine, "vm_system", Class::Ivr, Wrong),
            (Label::Machine, "vm_system", Class::Unsure, Undecided),
            (Label::Other, "ivr", Class::Ivr, Right),
            (Label::Other, "ivr", Class::Machine, Near),
            (Label::Other, "call_screening", Class::Screening, Right),
            (Label::Other, "call_screening", Class::Human, Wrong),
            (Label::Other, "sit_intercept", Class::Tone, Right),
            (Label::Other, "sit_intercept", Class::Machine, Wrong),
            (Label::Other, "fax_cng", Class::Fax, Right),
            (Label::Other, "moh", Class::Music, Right),
            (Label::Other, "noise", Class::Unsure, Right),
            (Label::Other, "something new", Class::Music, Right),
            (Label::Other, "something new", Class::Human, Wrong),
        ];
        for (label, subtype, class, want) in cases {
            let clip = Clip { subtype: subtype.into(), ..Clip::new("a.wav", label) };
            assert_eq!(grade(&clip, Some(class)), want, "{label:?} {subtype} called {class}");
        }
        assert_eq!(grade(&Clip::new("a.wav", Label::Human), None), Undecided);
    }

    #[test]
    fn only_three_verdicts_leave_a_person_the_benefit_of_the_doubt() {
        let kept: Vec<Class> = CLASSES.into_iter().filter(|class| !denies_a_person(*class)).collect();
        assert_eq!(kept, [Class::Human, Class::Silence, Class::Unsure]);
    }

    #[test]
    fn the_note_says_which_information_tones() {
        let sit = |note: &str| Clip {
            subtype: "sit_intercept".into(),
            note: note.into(),
            ..Clip::new("a.wav", Label::Other)
        };
        assert!(tone_words(&sit("SIT RO + text")).unwrap().contains(&"sit_congestion"));
        assert!(!tone_words(&sit("SIT VC + text")).unwrap().contains(&"sit_congestion"));
        assert!(tone_words(&sit("")).unwrap().contains(&"sit"));
        assert_eq!(tone_words(&Clip { subtype: "busy".into(), ..Clip::new("a.wav", Label::Human) }), None);
    }
}
