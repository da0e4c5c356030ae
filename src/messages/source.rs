//! Reads the program's own source for what it says to clients, so that nothing is said in English only.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

use super::SPANISH;

/// Calls whose last argument is what the client reads.
const SAYING: [&str; 6] = ["refused", "bad_request", "forbidden", "conflict", "invalid_field", "require"];
/// What speaks to operators and developers only.
const SILENT: [&str; 4] = ["cli", "config", "demo", "http"];
/// Files whose texts reach clients without one of the calls.
const WHOLE: [&str; 2] = ["error.rs", "extract.rs"];
/// Files whose error types are said to clients by their `#[error("…")]`.
const ERRORS: [&str; 4] = [
    "reminders/rules/localtime.rs",
    "reminders/rules/recurrence.rs",
    "push/protocol/endpoint.rs",
    "push/protocol/keys.rs",
];
/// Texts in those files that no client reads.
const NOT_SAID: [&str; 8] = [
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
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") && name != "source.rs" {
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
        let tokens: TokenStream = fs::read_to_string(&path).unwrap().parse().unwrap();
        Reading { file: &name, found: &mut found }.stream(tokens);
    }
    found
}

struct Reading<'a> {
    file: &'a str,
    found: &'a mut Found,
}

impl Reading<'_> {
    fn stream(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at += self.step(&tokens, at);
        }
    }

    /// Reads what begins at `at` and says how many tokens that was.
    fn step(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        match (&tokens[at], tokens.get(at + 1)) {
            (TokenTree::Punct(hash), Some(TokenTree::Group(attribute))) if hash.as_char() == '#' => {
                let text = attribute.to_string().replace(' ', "");
                if text == "[cfg(test)]" {
                    let body = tokens[at..].iter().position(is_end_of_item).unwrap_or(0);
                    return body + 1;
                }
                if text.starts_with("[error(") && ERRORS.contains(&self.file) {
                    self.say(texts(attribute.stream()));
                }
                2
            }
            (TokenTree::Ident(name), Some(TokenTree::Group(arguments)))
                if arguments.delimiter() == Delimiter::Parenthesis && saying(tokens, at, name) =>
            {
                self.call(name, arguments.stream());
                self.stream(arguments.stream());
                2
            }
            (TokenTree::Ident(name), _) if name == "let" => self.binding(&tokens[at..]),
            (TokenTree::Ident(name), Some(TokenTree::Punct(colon)))
                if name == "detail" && colon.as_char() == ':' =>
            {
                let value = tokens[at + 2..].iter().take_while(|token| !is_punct(token, ',')).cloned();
                self.say(texts(value.collect()));
                1
            }
            (TokenTree::Group(group), _) => {
                self.stream(group.stream());
                1
            }
            (TokenTree::Literal(_), _) => {
                let own = texts(tokens[at].clone().into());
                self.found.all.extend(own.iter().cloned());
                if WHOLE.contains(&self.file) {
                    self.say(own);
                }
                1
            }
            _ => 1,
        }
    }

    /// `let detail = …;`, also among others in a tuple: the words are in there.
    fn binding(&mut self, tokens: &[TokenTree]) -> usize {
        let is_detail = |token: &TokenTree| matches!(token, TokenTree::Ident(name) if name == "detail");
        let named = match tokens.get(1) {
            Some(TokenTree::Group(group)) => group.stream().into_iter().any(|token| is_detail(&token)),
            Some(token) => is_detail(token),
            None => false,
        };
        if named {
            let value = tokens.iter().take_while(|token| !is_punct(token, ';')).cloned();
            self.say(texts(value.collect()));
        }
        1
    }

    fn call(&mut self, name: &Ident, arguments: TokenStream) {
        let tokens: Vec<TokenTree> = arguments.into_iter().collect();
        let last = tokens.split(|token| is_punct(token, ',')).rfind(|argument| !argument.is_empty());
        let Some(last) = last else { return };
        let said = texts(last.iter().cloned().collect());
        let bound = last
            .iter()
            .any(|token| matches!(token, TokenTree::Ident(word) if word == "detail" || word == "to_string"));
        if said.is_empty() && !bound {
            let argument: TokenStream = last.iter().cloned().collect();
            self.found.unclear.push(format!("src/{}: {name}(…, {argument})", self.file));
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

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

fn is_end_of_item(token: &TokenTree) -> bool {
    let body = matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
    body || is_punct(token, ';')
}

/// Whether a name followed by parentheses is one of the calls, and not the definition of one.
fn saying(tokens: &[TokenTree], at: usize, name: &Ident) -> bool {
    let before = |back: usize| at.checked_sub(back).map(|index| tokens[index].to_string());
    let defined = before(1).as_deref() == Some("fn");
    let of_field = name == "new" && before(3).as_deref() == Some("FieldError");
    !defined && (of_field || SAYING.iter().any(|saying| name == saying))
}

/// The texts in some tokens, as the program has them.
fn texts(tokens: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => found.extend(texts(group.stream())),
            TokenTree::Literal(literal) => found.extend(unquote(&literal.to_string())),
            _ => {}
        }
    }
    found
}

fn unquote(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('r') {
        return Some(raw.trim_matches('#').trim_matches('"').to_owned());
    }
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    let (mut text, mut characters) = (String::new(), inner.chars().peekable());
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('\n') => while characters.next_if(|next| next.is_whitespace()).is_some() {},
            Some('n') => text.push('\n'),
            Some(escaped) => text.push(escaped),
            None => {}
        }
    }
    Some(text)
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
