//! Reads the program's own source for what it says to clients, so that nothing is said in English only.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::{
    SPANISH,
    tokens::{Token, tokens},
};

/// Calls whose last argument is what the client reads.
const SAYING: [&str; 6] = ["refused", "bad_request", "forbidden", "conflict", "invalid_field", "require"];
/// What speaks to operators and developers only.
const SILENT: [&str; 6] = ["backup", "cli", "config", "demo", "http", "vault"];
/// Files whose texts reach clients without one of the calls.
const WHOLE: [&str; 3] = ["error.rs", "extract.rs", "extract/body.rs"];
/// Files whose error types are said to clients by their `#[error("…")]`.
const ERRORS: [&str; 4] = [
    "reminders/rules/localtime.rs",
    "reminders/rules/recurrence.rs",
    "push/protocol/endpoint.rs",
    "push/protocol/keys.rs",
];
/// Texts in those files that no client reads.
const NOT_SAID: [&str; 9] = [
    "expected ",
    "unknown field",
    "missing field `",
    "duplicate field `",
    "duplicate field",
    "unknown variant",
    "request failed",
    "`{0}` is not a host name; write it as push.example.org, or *.example.org for all names below it",
    "{} {route}",
];

#[derive(Default)]
struct Found {
    /// Text to the file it stands in.
    said: BTreeMap<String, String>,
    /// Every text of the source, said or not.
    all: BTreeSet<String>,
    /// Calls in which no text was found.
    unclear: Vec<String>,
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            if name != "tests" && !SILENT.contains(&name.as_str()) {
                files(&path, found);
            }
        } else if name.ends_with(".rs")
            && !name.ends_with("tests.rs")
            && !path.ends_with("messages/source.rs")
            && name != "tokens.rs"
            // What operators read of their own questionnaire files.
            && !path.ends_with("measures/check.rs")
        {
            found.push(path);
        }
    }
}

fn read() -> Found {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    let mut found = Found::default();
    for path in paths {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        let tokens = tokens(&fs::read_to_string(&path).unwrap());
        Reading { file: &name, found: &mut found }.tokens(&tokens);
    }
    found
}

struct Reading<'a> {
    file: &'a str,
    found: &'a mut Found,
}

impl Reading<'_> {
    fn tokens(&mut self, tokens: &[Token]) {
        let mut at = 0;
        while at < tokens.len() {
            at += self.step(tokens, at);
        }
    }

    /// Reads what begins at `at` and says how many tokens that was.
    fn step(&mut self, tokens: &[Token], at: usize) -> usize {
        match (&tokens[at], tokens.get(at + 1)) {
            (Token::Mark('#'), Some(Token::Group('[', attribute))) => self.attribute(tokens, at, attribute),
            (Token::Word(name), Some(Token::Group('(', arguments))) if saying(tokens, at, name) => {
                self.call(name, arguments);
                self.tokens(arguments);
                2
            }
            (Token::Word(name), _) if name == "let" => self.binding(&tokens[at..]),
            (Token::Word(name), Some(Token::Mark(':'))) if name == "detail" => {
                let value = tokens[at + 2..].split(|token| *token == Token::Mark(',')).next();
                self.say(texts(value.unwrap_or_default()));
                1
            }
            (Token::Group(_, tokens), _) => {
                self.tokens(tokens);
                1
            }
            (Token::Text(text), _) => {
                self.found.all.insert(text.clone());
                if WHOLE.contains(&self.file) {
                    self.say(vec![text.clone()]);
                }
                1
            }
            _ => 1,
        }
    }

    /// Tests are left out; what an error type says may be said to clients.
    fn attribute(&mut self, tokens: &[Token], at: usize, attribute: &[Token]) -> usize {
        let word = |index: usize| match attribute.get(index) {
            Some(Token::Word(word)) => word.as_str(),
            _ => "",
        };
        let test = matches!(attribute.get(1), Some(Token::Group('(', only)) if *only == [Token::Word("test".into())]);
        if word(0) == "cfg" && test {
            let is_end = |token: &Token| matches!(token, Token::Group('{', _) | Token::Mark(';'));
            return tokens[at..].iter().position(is_end).unwrap_or(0) + 1;
        }
        if word(0) == "error" && ERRORS.contains(&self.file) {
            self.say(texts(attribute));
        }
        2
    }

    /// `let detail = …;`, also among others in a tuple: the words are in there.
    fn binding(&mut self, tokens: &[Token]) -> usize {
        let detail = Token::Word("detail".into());
        let named = match tokens.get(1) {
            Some(Token::Group(_, names)) => names.contains(&detail),
            name => name == Some(&detail),
        };
        if named {
            let value = tokens.split(|token| *token == Token::Mark(';')).next();
            self.say(texts(value.unwrap_or_default()));
        }
        1
    }

    fn call(&mut self, name: &str, arguments: &[Token]) {
        let mut arguments = arguments.split(|token| *token == Token::Mark(','));
        let Some(last) = arguments.rfind(|argument| !argument.is_empty()) else { return };
        let said = texts(last);
        let is_bound =
            |token: &Token| matches!(token, Token::Word(word) if word == "detail" || word == "to_string");
        if said.is_empty() && !last.iter().any(is_bound) {
            self.found.unclear.push(format!("src/{}: {name}(…, {last:?})", self.file));
        }
        self.say(said);
    }

    fn say(&mut self, texts: Vec<String>) {
        for text in texts {
            self.found.all.insert(text.clone());
            let is_sentence = text.contains(' ') && text.contains(|c: char| c.is_ascii_lowercase());
            if is_sentence && !NOT_SAID.contains(&text.as_str()) {
                self.found.said.insert(text, format!("src/{}", self.file));
            }
        }
    }
}

/// Whether a name followed by parentheses is one of the calls: `ApiError::…`, `FieldError::new` or `checks.require`.
fn saying(tokens: &[Token], at: usize, name: &str) -> bool {
    let before = |back: usize| at.checked_sub(back).map(|index| &tokens[index]);
    let of_field = || before(3) == Some(&Token::Word("FieldError".into()));
    match before(1) {
        Some(Token::Mark('.')) => name == "require",
        Some(Token::Mark(':')) => SAYING.contains(&name) || (name == "new" && of_field()),
        _ => false,
    }
}

/// The texts in some tokens, as the program has them.
fn texts(tokens: &[Token]) -> Vec<String> {
    let below = |token: &Token| match token {
        Token::Group(_, tokens) => texts(tokens),
        Token::Text(text) => vec![text.clone()],
        _ => Vec::new(),
    };
    tokens.iter().flat_map(below).collect()
}

#[test]
fn everything_that_is_said_is_said_in_spanish_too() {
    let found = read();
    assert!(found.said.len() > 80, "the source says almost nothing? {:?}", found.said);
    let known = |text: &String| entries().contains_key(text);
    let missing: Vec<String> =
        found.said.iter().filter(|(text, _)| !known(text)).map(|(text, file)| entry(text, file)).collect();
    assert!(
        missing.is_empty(),
        "add to content/messages.es.json (in Spanish, with the same places in braces):\n{}",
        missing.join("\n")
    );
    assert!(
        found.unclear.is_empty(),
        "what is said here cannot be read; write it there, or bind it with `let detail = …`:\n{}",
        found.unclear.join("\n")
    );
}

#[test]
fn nothing_is_translated_that_is_never_said() {
    let found = read();
    let gone: Vec<String> = entries().into_keys().filter(|text| !found.all.contains(text)).collect();
    assert!(gone.is_empty(), "take out of content/messages.es.json:\n{}", gone.join("\n"));
    assert!(SPANISH.find("is required").is_some());
}

fn entries() -> BTreeMap<String, String> {
    serde_json::from_str(super::TEXT).unwrap()
}

/// A line ready to paste.
fn entry(text: &str, file: &str) -> String {
    format!("  {}: \"\",   ({file})", serde_json::to_string(text).unwrap())
}
