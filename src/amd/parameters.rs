//! The parameters of the [`asterisk`](super::asterisk) engine, by the names and with the defaults of Asterisk's `amd.conf`,
//! or as one string, the way a dialplan gives them to `AMD()`.

use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// VICIdial's settings, as its installation guide gives them.
pub const VICIDIAL: &str = "2000|2000|1000|5000|120|50|4|256";
/// Longer times are refused: nobody waits so long for a verdict.
pub const TIME_MAX_MS: u32 = 30_000;
/// More words than anybody would wait for.
pub const WORDS_MAX: u32 = 1_000;
/// The magnitude of the loudest sample.
pub const THRESHOLD_MAX: u32 = 32_767;

/// The configuration's `[amd.asterisk]` table; times in milliseconds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Parameters {
    /// Silence this long before the first word is a machine.
    pub initial_silence: u32,
    /// Voice of this length in all, gaps not counted, is a machine.
    pub greeting: u32,
    /// Silence this long after a word is a human.
    pub after_greeting_silence: u32,
    /// After this the verdict is `unsure`.
    pub total_analysis_time: u32,
    /// Less voice is no word.
    pub min_word_length: u32,
    /// Silence this long ends a word.
    pub between_words_silence: u32,
    /// More words are a machine.
    pub maximum_number_of_words: u32,
    /// A frame whose mean magnitude is below this is silence; 256 of 32768 is -42 dBFS.
    pub silence_threshold: u32,
    /// One word of this length is a machine.
    pub maximum_word_length: u32,
}

impl Default for Parameters {
    fn default() -> Self {
        Parameters {
            initial_silence: 2_500,
            greeting: 1_500,
            after_greeting_silence: 800,
            total_analysis_time: 5_000,
            min_word_length: 100,
            between_words_silence: 50,
            maximum_number_of_words: 2,
            silence_threshold: 256,
            maximum_word_length: 5_000,
        }
    }
}

impl Parameters {
    /// In the order of AMD's arguments, with the most that each may be.
    fn places(&mut self) -> [(&'static str, &mut u32, u32); 9] {
        [
            ("initial_silence", &mut self.initial_silence, TIME_MAX_MS),
            ("greeting", &mut self.greeting, TIME_MAX_MS),
            ("after_greeting_silence", &mut self.after_greeting_silence, TIME_MAX_MS),
            ("total_analysis_time", &mut self.total_analysis_time, TIME_MAX_MS),
            ("min_word_length", &mut self.min_word_length, TIME_MAX_MS),
            ("between_words_silence", &mut self.between_words_silence, TIME_MAX_MS),
            ("maximum_number_of_words", &mut self.maximum_number_of_words, WORDS_MAX),
            ("silence_threshold", &mut self.silence_threshold, THRESHOLD_MAX),
            ("maximum_word_length", &mut self.maximum_word_length, TIME_MAX_MS),
        ]
    }

    /// Takes over the arguments of a dialplan's `AMD(...)`; those left empty or out stay as they are.
    fn take(&mut self, text: &str) -> Result<(), String> {
        let text = text.trim();
        let inner = text.strip_prefix("AMD(").and_then(|inner| inner.strip_suffix(')')).unwrap_or(text);
        let mut places = self.places();
        for (i, word) in inner.split(['|', ',']).map(str::trim).enumerate() {
            let Some((name, value, _)) = places.get_mut(i) else {
                let text = "takes nine numbers at most; the tenth, an audio file, is not supported here";
                return Err(format!("{inner:?}: {text}"));
            };
            if !word.is_empty() {
                let parsed = word.parse();
                **value = parsed.map_err(|_| format!("{word:?} is no whole number for {name}"))?;
            }
        }
        Ok(())
    }

    fn checked(mut self) -> Result<Self, String> {
        for (name, value, most) in self.places() {
            if *value > most {
                return Err(format!("{name} is {value}, and may be {most} at most"));
            }
        }
        if self.total_analysis_time == 0 {
            return Err("total_analysis_time must be above 0".to_owned());
        }
        Ok(self)
    }
}

impl FromStr for Parameters {
    type Err = String;

    /// Reads `2000|2000|1000|5000|120|50|4|256`, separated by commas as well, with or without `AMD()` around it.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parameters = Parameters::default();
        parameters.take(text)?;
        parameters.checked()
    }
}

/// The table as it may be written: named settings, and arguments, which overrule them as AMD's overrule `amd.conf`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    arguments: Option<String>,
    initial_silence: Option<u32>,
    greeting: Option<u32>,
    after_greeting_silence: Option<u32>,
    total_analysis_time: Option<u32>,
    #[serde(alias = "minimum_word_length")]
    min_word_length: Option<u32>,
    between_words_silence: Option<u32>,
    maximum_number_of_words: Option<u32>,
    silence_threshold: Option<u32>,
    maximum_word_length: Option<u32>,
}

impl TryFrom<Written> for Parameters {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let mut parameters = Parameters::default();
        let named = [
            written.initial_silence,
            written.greeting,
            written.after_greeting_silence,
            written.total_analysis_time,
            written.min_word_length,
            written.between_words_silence,
            written.maximum_number_of_words,
            written.silence_threshold,
            written.maximum_word_length,
        ];
        for ((_, place, _), value) in parameters.places().into_iter().zip(named) {
            *place = value.unwrap_or(*place);
        }
        if let Some(arguments) = written.arguments {
            parameters.take(&arguments).map_err(|fault| format!("arguments: {fault}"))?;
        }
        parameters.checked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_as_a_dialplan_writes_them() {
        let vicidial = Parameters {
            initial_silence: 2_000,
            greeting: 2_000,
            after_greeting_silence: 1_000,
            min_word_length: 120,
            maximum_number_of_words: 4,
            ..Parameters::default()
        };
        for text in [
            VICIDIAL,
            "2000,2000,1000,5000,120,50,4,256",
            "AMD(2000, 2000, 1000, 5000, 120, 50, 4)",
            "2000|2000|1000||120||4",
        ] {
            assert_eq!(text.parse(), Ok(vicidial.clone()), "{text}");
        }
        assert_eq!("".parse(), Ok(Parameters::default()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, want) in [
            ("2000|two", r#""two" is no whole number for greeting"#),
            ("-1", "no whole number for initial_silence"),
            ("1|2|3|4|5|6|7|8|9|hello.wav", "the tenth, an audio file"),
            ("|||31000", "total_analysis_time is 31000, and may be 30000"),
            ("|||0", "above 0"),
            ("|||||||40000", "silence_threshold is 40000"),
        ] {
            let fault = text.parse::<Parameters>().expect_err(text);
            assert!(fault.contains(want), "{text}: {fault}");
        }
    }

    #[test]
    fn a_table_holds_names_and_arguments_overrule_them() {
        let read = |text: &str| toml::from_str::<Parameters>(text);
        let got = read("greeting = 1700\nminimum_word_length = 90\narguments = \"|1800\"").unwrap();
        assert_eq!((got.greeting, got.min_word_length, got.initial_silence), (1800, 90, 2500));
        assert!(read("greetings = 1700").unwrap_err().message().contains("unknown field"));
        assert!(read("arguments = \"x\"").unwrap_err().message().contains("arguments: \"x\" is no whole"));
        assert_eq!(read("").unwrap(), Parameters::default());
    }
}
