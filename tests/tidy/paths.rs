//! Which paths a Rust source names: comments and literals left out, `use` trees spread out, `self`, `super` and renamed
//! imports resolved. Far from a parser; just enough that no way of writing a path escapes.

use std::collections::HashMap;

/// A path that a source names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    /// Its segments, from the crate's name (`crate`, `std`, `tokio` ...) on; `*` ends a glob import.
    pub path: Vec<String>,
    /// The line it stands on.
    pub line: usize,
}

impl Named {
    /// The path as it would be written.
    pub fn text(&self) -> String {
        self.path.join("::")
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Token {
    text: String,
    line: usize,
}

/// All paths that `source` names; `module` is the place of the file in the crate, such as `["sip", "dialog"]`.
pub fn named(module: &[String], source: &str) -> Vec<Named> {
    let tokens = tokens(source);
    let mut reader = Reader { tokens: &tokens, at: 0, imports: HashMap::new(), found: Vec::new() };
    reader.read(module);
    reader.resolve_imported()
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    /// Local name -> full path, of every `use` in the file.
    imports: HashMap<String, Vec<String>>,
    found: Vec<Named>,
}

impl Reader<'_> {
    fn read(&mut self, module: &[String]) {
        let mut depth = 0;
        let mut inline: Vec<(String, usize)> = Vec::new();
        while self.at < self.tokens.len() {
            match self.text(0) {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    inline.retain(|(_, opened_at)| *opened_at <= depth);
                }
                "mod" if self.text(2) == "{" => {
                    inline.push((self.text(1).to_string(), depth + 1));
                    self.at += 1;
                }
                word if is_word(word) => {
                    let place: Vec<String> =
                        module.iter().cloned().chain(inline.iter().map(|(name, _)| name.clone())).collect();
                    self.read_word(&place);
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn read_word(&mut self, place: &[String]) {
        if self.text(0) == "use" && self.text(1) != "<" {
            self.at += 1;
            self.skip("::");
            self.read_use_tree(place, Vec::new());
            return;
        }
        let (line, mut path) = (self.tokens[self.at].line, vec![self.text(0).to_string()]);
        self.at += 1;
        while self.text(0) == "::" && is_word(self.text(1)) {
            path.push(self.text(1).to_string());
            self.at += 2;
        }
        if self.text(0) == "!" && self.text(1) != "=" {
            path.last_mut().expect("it has one segment").push('!'); // a macro, not a function of that name
        }
        self.found.push(Named { path: absolute(place, path), line });
    }

    /// One branch of a `use`: `a::b`, `a::{b, c::d}`, `a::*`, `a as b`.
    fn read_use_tree(&mut self, place: &[String], prefix: Vec<String>) {
        let line = self.tokens.get(self.at).map_or(0, |t| t.line);
        let mut path = prefix;
        loop {
            match self.text(0) {
                "{" => {
                    self.at += 1;
                    while !matches!(self.text(0), "}" | "") {
                        self.read_use_tree(place, path.clone());
                        self.skip(",");
                    }
                    self.at += 1;
                    return;
                }
                word if is_word(word) || word == "*" => path.push(word.to_string()),
                _ => break,
            }
            self.at += 1;
            if self.text(0) != "::" {
                break;
            }
            self.at += 1;
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let mut local = path.last().cloned().unwrap_or_default();
        if self.text(0) == "as" {
            local = self.text(1).to_string();
            self.at += 2;
        }
        if path.is_empty() {
            self.at += 1; // nothing that a `use` may hold: step over it, so that reading always ends
            return;
        }
        let path = absolute(place, path);
        self.imports.insert(local, path.clone());
        self.found.push(Named { path, line });
    }

    /// Puts the full path in place of an imported first segment: after `use std::fs`, `fs::read` is `std::fs::read`.
    fn resolve_imported(self) -> Vec<Named> {
        let imports = self.imports;
        self.found
            .into_iter()
            .map(|named| match imports.get(&named.path[0]) {
                Some(full) if *full != named.path => {
                    Named { path: full.iter().chain(&named.path[1..]).cloned().collect(), line: named.line }
                }
                _ => named,
            })
            .collect()
    }

    fn text(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |t| t.text.as_str())
    }

    fn skip(&mut self, text: &str) {
        if self.text(0) == text {
            self.at += 1;
        }
    }
}

/// `self::x` and `super::x` from the crate's root on.
fn absolute(place: &[String], path: Vec<String>) -> Vec<String> {
    let supers = path.iter().take_while(|s| *s == "super" || *s == "self").filter(|s| *s == "super").count();
    let rest = path.iter().skip_while(|s| *s == "super" || *s == "self");
    if path[0] != "super" && (path[0] != "self" || path.len() == 1) {
        return path;
    }
    let kept = place.len().saturating_sub(supers);
    std::iter::once("crate".to_string()).chain(place[..kept].iter().cloned()).chain(rest.cloned()).collect()
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::`, and single signs; comments, strings and characters are gone.
fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let end = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => until(&chars, at, |rest| rest[0] == '\n'),
            '/' if chars.get(at + 1) == Some(&'*') => end_of_block_comment(&chars, at),
            '"' => end_of_string(&chars, at),
            'r' | 'b' | 'c' if literal_prefix(&chars[at..]).is_some() => {
                let (quote, hashes) = literal_prefix(&chars[at..]).expect("the guard has just seen it");
                match hashes {
                    Some(hashes) => end_of_raw_string(&chars, at + quote, hashes),
                    None => end_of_string(&chars, at + quote),
                }
            }
            '\'' => end_of_character(&chars, at),
            c if c.is_alphanumeric() || c == '_' => {
                let end = until(&chars, at, |rest| !(rest[0].is_alphanumeric() || rest[0] == '_'));
                tokens.push(Token { text: chars[at..end].iter().collect(), line });
                end
            }
            ':' if chars.get(at + 1) == Some(&':') => {
                tokens.push(Token { text: "::".to_string(), line });
                at + 2
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push(Token { text: c.to_string(), line });
                }
                at + 1
            }
        };
        line += chars[at..end].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    tokens
}

fn until(chars: &[char], from: usize, stop: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len()).find(|at| stop(&chars[*at..])).unwrap_or(chars.len())
}

fn end_of_block_comment(chars: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The distance to the opening quote of `r"`, `r#"`, `b"`, `br#"`, `c"` ..., and the hashes of a raw one.
fn literal_prefix(rest: &[char]) -> Option<(usize, Option<usize>)> {
    let letters = rest.iter().take_while(|c| matches!(c, 'r' | 'b' | 'c')).count();
    let hashes = rest[letters..].iter().take_while(|c| **c == '#').count();
    let raw = rest[..letters].contains(&'r');
    (letters <= 2 && rest.get(letters + hashes) == Some(&'"') && (raw || hashes == 0))
        .then_some((letters + hashes, raw.then_some(hashes)))
}

fn end_of_string(chars: &[char], quote: usize) -> usize {
    let mut at = quote + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn end_of_raw_string(chars: &[char], quote: usize, hashes: usize) -> usize {
    let closes =
        |rest: &[char]| rest[0] == '"' && rest.len() > hashes && rest[1..=hashes].iter().all(|c| *c == '#');
    (until(chars, quote + 1, closes) + hashes + 1).min(chars.len())
}

/// The end of `'x'` or `'\n'`; of a lifetime only its apostrophe.
fn end_of_character(chars: &[char], from: usize) -> usize {
    match (chars.get(from + 1), chars.get(from + 2)) {
        (Some('\\'), _) => (until(chars, from + 3, |rest| rest[0] == '\'') + 1).min(chars.len()),
        (Some(_), Some('\'')) => from + 3,
        _ => from + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(module: &str, source: &str) -> Vec<String> {
        let module: Vec<String> = module.split("::").map(str::to_string).collect();
        named(&module, source).iter().map(Named::text).filter(|text| text.contains("::")).collect()
    }

    #[test]
    fn use_trees_are_spread_out() {
        let found = texts("sip", "use crate::{time::{self, Instant}, rng::Rng as Dice, slab::*};");
        assert_eq!(found, ["crate::time", "crate::time::Instant", "crate::rng::Rng", "crate::slab::*"]);
    }

    #[test]
    fn imported_names_lead_to_their_full_path() {
        assert_eq!(
            texts("sip", "use std::time as t; fn f() { t::Instant::now() }")[1],
            "std::time::Instant::now"
        );
        assert_eq!(texts("sip", "use std::{fs}; fn f() { fs::read(\"x\") }")[1], "std::fs::read");
    }

    #[test]
    fn self_and_super_are_followed_to_the_root() {
        assert_eq!(texts("sip::dialog", "use super::super::campaign::X;"), ["crate::campaign::X"]);
        assert_eq!(
            texts("sip::dialog", "mod tests { use super::super::digest::X; }"),
            ["crate::sip::digest::X"]
        );
        assert_eq!(texts("sip::dialog", "mod tests { fn f() {} } use super::x::Y;"), ["crate::sip::x::Y"]);
        assert_eq!(texts("sip", "fn f() { self::digest::g() }"), ["crate::sip::digest::g"]);
    }

    #[test]
    fn a_macro_is_told_from_a_function_of_its_name() {
        let found = named(&["sip".to_string()], "fn f() { print(); print!(); a != b }");
        let paths: Vec<String> = found.iter().map(Named::text).collect();
        assert_eq!(paths, ["fn", "f", "print", "print!", "a", "b"]);
    }

    #[test]
    fn comments_and_literals_name_nothing() {
        let source = r####"
            // crate::a::b
            /* crate::c /* crate::d::e */ crate::f::g */
            const S: &str = "crate::h::i \" crate::j::k";
            const R: &str = r#"crate::l::m " crate::n::o"#;
            const B: &[u8] = b"crate::p::q";
            const C: char = '"'; const D: char = '\''; fn f<'a>(x: &'a str) {}
            use crate::time::Instant;
        "####;
        assert_eq!(texts("sip", source), ["crate::time::Instant"]);
    }

    #[test]
    fn a_line_is_the_one_that_names_the_path() {
        let found =
            named(&["sip".to_string()], "/* a\nb */\nuse crate::rng;\n\nfn f() { std::fs::read(\"a\nb\") }");
        let lines: Vec<usize> = found.iter().filter(|n| n.path.len() > 1).map(|n| n.line).collect();
        assert_eq!(lines, [3, 5]);
    }
}
