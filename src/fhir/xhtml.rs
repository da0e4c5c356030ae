//! What somebody wrote as the XHTML of a narrative: words stay words, whatever is in them.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::markup::escape;

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
