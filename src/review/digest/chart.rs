//! Small drawings as inline SVG. They hold numbers, dates and our own words only, and each says in words what it shows.

use std::fmt::Write;

use chrono::NaiveDate;

use super::texts::{Texts, fill};

/// Days of a chart.
pub const DAYS: usize = 14;
const LEFT: f64 = 34.0;
const WIDTH: f64 = 272.0;
const TOP: f64 = 30.0;
const HEIGHT: f64 = 74.0;

/// One number a day, absent where nobody said one.
pub struct Chart<'a> {
    /// Unique on the page.
    pub id: &'a str,
    pub label: &'a str,
    pub from: NaiveDate,
    pub values: [Option<f64>; DAYS],
    /// The upper end of the scale unless a value lies above it.
    pub top: f64,
    /// Days with a session.
    pub marks: &'a [usize],
}

/// At most two decimals, none that are zero.
pub fn number(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    format!("{rounded}")
}

fn x(day: usize) -> f64 {
    LEFT + WIDTH * day as f64 / (DAYS - 1) as f64
}

impl Chart<'_> {
    /// Nothing when no day has a value.
    pub fn draw(&self, texts: &Texts) -> Option<String> {
        let known: Vec<(usize, f64)> =
            self.values.iter().enumerate().filter_map(|(day, value)| Some((day, (*value)?))).collect();
        let (last_day, last) = known.last().copied()?;
        let max = known.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max);
        let min = known.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
        let top = self.top.max(max);
        let y = |value: f64| TOP + (1.0 - value / top) * HEIGHT;
        let count = known.len().to_string();
        let words = fill(&texts.chart, &[self.label, &count, &number(min), &number(max), &number(last)]);
        let (id, label) = (self.id, self.label);
        let mut svg = format!(
            "<svg viewBox=\"0 0 320 130\" role=\"img\" aria-labelledby=\"chart-{id}\"><title id=\"chart-{id}\">{words}</title>\
             <text class=\"label\" x=\"0\" y=\"11\">{label}</text>\
             <text class=\"value\" x=\"306\" y=\"11\" text-anchor=\"end\">{}</text>",
            number(last)
        );
        for line in [0.0, top / 2.0, top] {
            let (at, text) = (y(line), number(line));
            // Writing to a string cannot fail.
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H306\"/><text x=\"26\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                at + 4.0
            );
        }
        for day in self.marks {
            let at = x(*day);
            let _ = write!(
                svg,
                "<path class=\"visit\" d=\"M{at:.1} {TOP}V{}\"/><path class=\"session\" d=\"M{at:.1} {}l4 4-4 4-4-4z\"/>",
                TOP + HEIGHT,
                TOP - 4.0
            );
        }
        let _ = write!(svg, "<path class=\"trace\" d=\"{}\"/>", self.trace(y));
        for (day, value) in &known {
            let (class, radius) = if *day == last_day { ("last", "3.5") } else { ("dot", "2.2") };
            let _ = write!(
                svg,
                "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\"/>",
                x(*day),
                y(*value)
            );
        }
        let end = self.from + chrono::Days::new((DAYS - 1) as u64);
        let (first, end) = (texts.short_date(self.from), texts.short_date(end));
        let _ = write!(
            svg,
            "<text x=\"{LEFT}\" y=\"124\">{first}</text><text x=\"306\" y=\"124\" text-anchor=\"end\">{end}</text></svg>"
        );
        Some(svg)
    }

    /// A line through days that follow each other; a day without a value breaks it.
    fn trace(&self, y: impl Fn(f64) -> f64) -> String {
        let (mut path, mut drawing) = (String::new(), false);
        for (day, value) in self.values.iter().enumerate() {
            match value {
                Some(value) => {
                    let step = if drawing { 'L' } else { 'M' };
                    let _ = write!(path, "{step}{:.1} {:.1}", x(day), y(*value));
                    drawing = true;
                }
                None => drawing = false,
            }
        }
        path
    }
}

/// The course of totals, without a scale; the words stand beside it.
pub fn spark(course: &[f64]) -> String {
    if course.len() < 2 {
        return String::new();
    }
    let (min, max) = course
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
    // A small change must not look like a large one: at least five points high.
    let span = (max - min).max(5.0);
    let x = |index: usize| 4.0 + 136.0 * index as f64 / (course.len() - 1) as f64;
    let y = |value: f64| 5.0 + (1.0 - (value - min) / span) * 30.0;
    let points: Vec<String> =
        course.iter().enumerate().map(|(index, value)| format!("{:.1} {:.1}", x(index), y(*value))).collect();
    let last = course.len() - 1;
    format!(
        "<svg viewBox=\"0 0 144 40\" aria-hidden=\"true\"><path class=\"trace\" d=\"M{}\"/>\
         <circle class=\"last\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"/></svg>",
        points.join("L"),
        x(last),
        y(course[last])
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::digest::texts::texts;

    fn chart(values: [Option<f64>; DAYS]) -> Option<String> {
        let from = "2026-11-13".parse().unwrap();
        Chart { id: "mood", label: "Mood", from, values, top: 10.0, marks: &[7] }.draw(texts("en"))
    }

    #[test]
    fn a_chart_says_in_words_what_it_shows_and_breaks_where_days_are_missing() {
        let mut values = [None; DAYS];
        assert!(chart(values).is_none());
        for (day, value) in [(0, 4.0), (1, 5.5), (3, 6.0)] {
            values[day] = Some(value);
        }
        let svg = chart(values).unwrap();
        assert!(
            svg.contains("<title id=\"chart-mood\">Mood: on 3 of 14 days, from 4 to 6, last 6</title>"),
            "{svg}"
        );
        let trace = svg.split("class=\"trace\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!((trace.matches('M').count(), trace.matches('L').count()), (2, 1), "{trace}");
        assert_eq!(svg.matches("class=\"session\"").count(), 1);
        assert!(svg.contains("13 Nov") && svg.contains("26 Nov") && !svg.contains("style="));
    }

    #[test]
    fn a_course_needs_two_results() {
        assert_eq!(spark(&[7.0]), "");
        assert!(spark(&[7.0, 9.0]).contains("M4.0"));
        assert_eq!(number(7.0), "7");
        assert_eq!(number(5.333_3), "5.33");
    }
}
