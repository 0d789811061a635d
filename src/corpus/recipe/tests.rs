//! Plans keep the bounds that recipes promise, one seed gives one plan, and faults name the place and the remedy.

use super::super::plan::{Act, plan};
use super::*;

const RECIPE: &str = r#"
seed = 5

[[voice]]
name = "engine a"
source = "TTS a"
licence = "free"
words = "en"
say = ["speak", "-o", "{out}", "{text}"]

[[voice]]
name = "prompts b"
source = "prompts b"
licence = "CC BY-SA 3.0"
words = "prompts"
folder = "/sounds/b"

[words.en]
short = ["Hello?", "{name}."]
medium = ["Hello, this is {name}."]
long = ["{company}, good morning, this is {name}."]
greetings = [["Hi, it's {name}.", "Leave a message."], ["Hello.", "~0.7-1.8", "You've reached", "{number}"]]
screenings = [["Who is calling?"]]
trees = [["For sales, press one."]]
digits = ["zero", "one"]
names = ["Ann"]
companies = ["Baker"]

[words.prompts]
greetings = [["vm-theperson", "{number}", "vm-isunavail"]]
digits = ["digits/0"]
strung = true

[[tone]]
name = "busy"
subtype = "busy"
steps = [{ hz = [425], s = 0.5 }, { s = 0.5 }]

[[sound]]
name = "tune"
use_as = "music"
command = ["play", "{out}"]
source = "a tune"
licence = "CC BY"

[[make]]
what = "human"
count = 60

[[make]]
what = "machine"
count = 60

[[make]]
what = "tone"
count = 2

[[make]]
what = "music"
count = 2

[[make]]
what = "silence"
count = 1
"#;

fn catalogue() -> Catalogue {
    let recordings = [
        ("digits/0", 400),
        ("word", 600),
        ("phrase", 1_100),
        ("sentence", 2_400),
        ("speech", 9_000),
        ("click", 40),
        ("again", 300),
        ("other", 700),
    ];
    Catalogue::from([(1, recordings.map(|(name, ms)| (name.to_owned(), ms)).to_vec())])
}

#[test]
fn one_seed_gives_one_plan_and_another_seed_another() {
    let recipe = read(RECIPE).unwrap();
    let first = plan(&recipe, &catalogue(), recipe.seed).unwrap();
    assert_eq!(first, plan(&recipe, &catalogue(), recipe.seed).unwrap());
    assert_ne!(first, plan(&recipe, &catalogue(), recipe.seed + 1).unwrap());
    assert_eq!(first.len(), 125);
}

#[test]
fn every_voice_answers_and_greets_and_no_file_is_named_twice() {
    let recipe = read(RECIPE).unwrap();
    let takes = plan(&recipe, &catalogue(), 1).unwrap();
    for label in [Label::Human, Label::Machine] {
        for voice in [0, 1] {
            let count = takes.iter().filter(|take| take.label == label && take.voice == Some(voice)).count();
            assert_eq!(count, 30, "{label:?} by voice {voice}");
        }
    }
    let mut files: Vec<&str> = takes.iter().map(|take| take.file.as_str()).collect();
    files.sort_unstable();
    files.dedup();
    assert_eq!(files.len(), takes.len());
}

#[test]
fn people_say_little_wait_within_bounds_and_leave_time_to_revise() {
    let recipe = read(RECIPE).unwrap();
    let takes = plan(&recipe, &catalogue(), 2).unwrap();
    let mut again = 0;
    for take in takes.iter().filter(|take| take.label == Label::Human) {
        assert!((800..=17_600).contains(&take.lead), "{}", take.lead);
        assert!(matches!(take.acts[0], Act::Say(_)));
        assert!(take.acts.iter().all(|act| !matches!(act, Act::Beep(_))));
        assert!(!format!("{:?}", take.acts).contains("speech"), "nine seconds are no answer");
        let waits: usize = take.acts
            [take.acts.iter().rposition(|act| matches!(act, Act::Say(_))).unwrap() + 1..]
            .iter()
            .map(|act| match act {
                Act::Pause(samples) => *samples,
                Act::Again(_) => {
                    again += 1;
                    0
                }
                act => panic!("{act:?}"),
            })
            .sum();
        assert!(waits + take.tail >= 23_200, "{waits} and {}", take.tail);
        assert!(waits == 0 || (12_000..=24_000).contains(&waits));
    }
    assert!((12..=36).contains(&again), "{again} of 60 say it again");
}

#[test]
fn marks_in_texts_are_filled_and_numbers_are_read_digit_by_digit() {
    let recipe = read(RECIPE).unwrap();
    let takes = plan(&recipe, &catalogue(), 3).unwrap();
    for act in takes.iter().flat_map(|take| &take.acts) {
        if let Act::Say(text) | Act::Again(text) = act {
            assert!(!text.contains(['{', '~']), "{text}");
        }
    }
    let digits = |take: &super::super::plan::Take| {
        take.acts.iter().filter(|act| matches!(act, Act::Say(name) if name == "digits/0")).count()
    };
    assert!(takes.iter().filter(|take| take.label == Label::Machine).any(|take| digits(take) >= 3));
}

#[test]
fn a_faulty_recipe_names_the_place_and_the_remedy() {
    let faults = [
        ("words = \"en\"", "words = \"xx\"", "voice `engine a`: no [words.xx]; write that table"),
        ("\"{out}\", \"{text}\"]", "\"{out}\"]", "voice `engine a`: `say` needs {text}"),
        ("folder = \"/sounds/b\"", "", "voice `prompts b`: give either `say`"),
        ("name = \"prompts b\"", "name = \"engine a\"", "`engine a` stands twice"),
        ("use_as = \"music\"", "use_as = \"song\"", "sound `tune`: use_as is `music` or `room`, not `song`"),
        ("command = [\"play\", \"{out}\"]", "command = [\"play\"]", "sound `tune`: `command` needs {out}"),
        ("{ hz = [425], s = 0.5 }, { s = 0.5 }", "{ s = 0.0 }", "tone `busy`: its steps last no time"),
        (
            "what = \"tone\"\ncount = 2",
            "what = \"tone\"\ncount = 2\nof = [\"sit*\"]",
            "make number 3 (Tone): no tone or sound is named",
        ),
        ("count = 60", "count = 600000", "lower the counts in [[make]]"),
        ("seed = 5", "seed = 5\n[line]\ngsm = 0.9\nalaw = 0.4", "[line]: gsm + alaw is 1.3"),
        ("seed = 5", "seed = 5\ncolour = 1", "unknown field `colour`"),
        ("what = \"silence\"", "what = \"quiet\"", "unknown variant `quiet`"),
    ];
    assert!(read(RECIPE).is_ok());
    for (from, to, want) in faults {
        assert!(RECIPE.contains(from), "{from}");
        let fault = read(&RECIPE.replacen(from, to, 1)).expect_err(to).to_string();
        assert!(fault.contains(want), "{fault} instead of {want}");
    }
    let recipe = read(RECIPE).unwrap();
    let fault = plan(&recipe, &Catalogue::new(), 1).unwrap_err().to_string();
    assert!(fault.contains("voice `prompts b`") && fault.contains("nothing to answer with"), "{fault}");
}
