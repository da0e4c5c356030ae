//! What somebody wrote as the XHTML of a narrative: words stay words, whatever is in them.

use std::fmt::Write;

use serde_json::{Value, json};

/// A narrative around a body that is XHTML already.
pub fn narrative(body: &str) -> Value {
    json!({"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{body}</div>")})
}

/// A text with its line ends.
pub fn paragraph(text: &str) -> String {
    format!("<p>{}</p>", escape(text).replace("\r\n", "<br/>").replace('\n', "<br/>"))
}

pub fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let items = items.into_iter().fold(String::new(), |mut all, item| {
        // Writing to a string cannot fail.
        let _ = write!(all, "<li>{}</li>", escape(item));
        all
    });
    if items.is_empty() { items } else { format!("<ul>{items}</ul>") }
}

/// Text as XML 1.0 can hold it.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(letter),
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_never_become_markup() {
        let hostile = "</p><script>alert(\"&'\")</script>\u{0}\u{b}\nnext";
        assert_eq!(
            paragraph(hostile),
            "<p>&lt;/p&gt;&lt;script&gt;alert(&quot;&amp;&#39;&quot;)&lt;/script&gt;\u{fffd}\u{fffd}<br/>next</p>"
        );
        assert_eq!(list(["a<b", "c"]), "<ul><li>a&lt;b</li><li>c</li></ul>");
        assert_eq!(list([]), "");
    }
}
