//! Just enough of Rust's tokens to find what the source says: words, texts, marks, and what stands in brackets.

/// One token, or what stands between two brackets.
#[derive(Debug, PartialEq, Eq)]
pub enum Token {
    Word(String),
    /// A text as the program has it, escapes resolved.
    Text(String),
    Mark(char),
    /// The opening bracket and what follows it.
    Group(char, Vec<Token>),
}

/// The tokens of a file.
pub fn tokens(source: &str) -> Vec<Token> {
    Lexer { source: source.chars().collect(), at: 0 }.group()
}

struct Lexer {
    source: Vec<char>,
    at: usize,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.source.get(self.at + ahead).copied()
    }

    fn take_while(&mut self, holds: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.peek(0).is_some_and(&holds) {
            self.at += 1;
        }
        self.source[start..self.at].iter().collect()
    }

    /// Up to the bracket that closes, or the end.
    fn group(&mut self) -> Vec<Token> {
        let mut found = Vec::new();
        while let Some(next) = self.peek(0) {
            match next {
                '/' if self.peek(1) == Some('/') => drop(self.take_while(|c| c != '\n')),
                ')' | ']' | '}' => {
                    self.at += 1;
                    break;
                }
                '(' | '[' | '{' => {
                    self.at += 1;
                    found.push(Token::Group(next, self.group()));
                }
                '"' => found.push(Token::Text(self.text())),
                '\'' => self.quote(),
                _ if next.is_alphanumeric() || next == '_' => found.extend(self.word()),
                _ => {
                    self.at += 1;
                    if !next.is_whitespace() {
                        found.push(Token::Mark(next));
                    }
                }
            }
        }
        found
    }

    fn word(&mut self) -> Option<Token> {
        let word = self.take_while(|c| c.is_alphanumeric() || c == '_');
        let hashes = self.source[self.at..].iter().take_while(|c| **c == '#').count();
        let raw = matches!(word.as_str(), "r" | "br") && self.peek(hashes) == Some('"');
        if !raw {
            return Some(Token::Word(word));
        }
        self.at += hashes + 1;
        let end: String = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
        let rest: String = self.source[self.at..].iter().collect();
        let text = rest.split(&end).next().unwrap_or_default();
        self.at += text.chars().count() + end.len();
        Some(Token::Text(text.to_owned()))
    }

    fn text(&mut self) -> String {
        self.at += 1;
        let mut text = String::new();
        while let Some(next) = self.peek(0) {
            self.at += 1;
            match next {
                '"' => break,
                '\\' => self.escape(&mut text),
                _ => text.push(next),
            }
        }
        text
    }

    fn escape(&mut self, text: &mut String) {
        let escaped = self.peek(0);
        self.at += 1;
        match escaped {
            Some('\n') => drop(self.take_while(char::is_whitespace)),
            Some('n') => text.push('\n'),
            Some(other) => text.push(other),
            None => {}
        }
    }

    /// A character, or a lifetime: neither says anything.
    fn quote(&mut self) {
        self.at += 1;
        if self.peek(0) == Some('\\') {
            self.at += 2;
            self.take_while(|c| c != '\'');
            self.at += 1;
        } else if self.peek(1) == Some('\'') {
            self.at += 2;
        } else {
            self.take_while(|c| c.is_alphanumeric() || c == '_');
        }
    }
}

#[test]
fn texts_are_found_among_everything_else() {
    let source = "fn f<'a>(x: &'a str) -> char { // \"no\"\n call(r#\"raw \"one\"\"#, '\"', \"two \\\n   lines\"); '\\'' }";
    let Some(Token::Group('{', body)) = tokens(source).pop() else { panic!("no body") };
    let texts = ["raw \"one\"", "two lines"].map(|text| Token::Text(text.to_owned()));
    let [raw, joined] = texts;
    let arguments = vec![raw, Token::Mark(','), Token::Mark(','), joined];
    assert_eq!(body, [Token::Word("call".into()), Token::Group('(', arguments), Token::Mark(';')]);
}
