//! The archive as a page to read: one section a kind of record, no script, nothing loaded from elsewhere.

use std::{collections::BTreeMap, fmt::Write, sync::LazyLock};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    content::{ByLocale, in_locale},
    markup::escape,
};

#[derive(Debug, Deserialize)]
struct Texts {
    title: ByLocale<String>,
    intro: ByLocale<String>,
    /// Headings by table; a table without one is shown under its name.
    tables: BTreeMap<String, ByLocale<String>>,
}

#[expect(clippy::expect_used, reason = "the text is compiled in, and a unit test parses it")]
static TEXTS: LazyLock<Texts> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../content/export.json")).expect("content/export.json parses")
});

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}\
    article{border-top:1px solid #bbb;padding:.5rem 0}dl{display:grid;grid-template-columns:max-content 1fr;gap:0 1rem;\
    margin:0}dt{color:#555}dd{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}@media print{article{break-inside:avoid}}";

/// All records as HTML.
pub fn page(records: &Map<String, Value>, locale: &str, at: DateTime<Utc>) -> String {
    let words = |text: &ByLocale<String>| in_locale(text, locale).cloned().unwrap_or_default();
    let language = if locale.starts_with("es") { "es" } else { "en" };
    let (title, intro) = (escape(&words(&TEXTS.title)), escape(&words(&TEXTS.intro)));
    let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut html = format!(
        "<!doctype html><html lang=\"{language}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>\
         <p>{intro}</p><p>{at}</p>"
    );
    for (table, rows) in records {
        let Some(rows) = rows.as_array().filter(|rows| !rows.is_empty()) else { continue };
        let heading = TEXTS.tables.get(table).map_or_else(|| label(table), words);
        push(
            &mut html,
            format_args!("<section id=\"{table}\"><h2>{} ({})</h2>", escape(&heading), rows.len()),
        );
        for row in rows {
            html.push_str("<article>");
            value(&mut html, row);
            html.push_str("</article>");
        }
        html.push_str("</section>");
    }
    html.push_str("</body></html>");
    html
}

fn value(html: &mut String, shown: &Value) {
    match shown {
        Value::Object(fields) => {
            html.push_str("<dl>");
            for (name, field) in fields {
                push(html, format_args!("<dt>{}</dt><dd>", escape(&label(name))));
                value(html, field);
                html.push_str("</dd>");
            }
            html.push_str("</dl>");
        }
        Value::Array(items) => {
            html.push_str("<ul>");
            for item in items {
                html.push_str("<li>");
                value(html, item);
                html.push_str("</li>");
            }
            html.push_str("</ul>");
        }
        Value::String(text) => html.push_str(&escape(text)),
        other => push(html, format_args!("{other}")),
    }
}

fn label(name: &str) -> String {
    name.replace('_', " ")
}

fn push(html: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = html.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_words_and_never_markup() {
        let records = json!({"checkins": [{"detail": {"note": "<script>alert(\"&'\")</script>"}, "mood": 3}],
            "goals": [], "of_no_heading": [{"steps": ["one", true]}]});
        let records = records.as_object().unwrap();
        for (locale, heading) in [("en", "Check-ins (1)"), ("es-MX", "Registros de ánimo (1)")] {
            let page = page(records, locale, DateTime::UNIX_EPOCH);
            assert!(page.contains(heading), "{page}");
            assert!(page.contains("&lt;script&gt;alert(&quot;&amp;&#39;&quot;)&lt;/script&gt;"), "{page}");
            assert!(!page.contains("<script") && page.contains("of no heading (1)"), "{page}");
            assert!(!page.contains("id=\"goals\""), "an empty section is left out");
        }
    }
}
