//! What a result means beside an earlier one.

use crate::measures::definition::{self, Measure, ResponseType};

/// The results a new one is compared with. Without one, nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Earlier {
    /// The last result before this one.
    pub previous: Option<f64>,
    /// The first result of all.
    pub baseline: Option<f64>,
}

/// Whether a difference is large enough to mean something, and which way it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Better,
    Worse,
    NoMeaningfulChange,
}

/// A result beside earlier ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Now minus the last result.
    pub since_previous: Option<f64>,
    /// Now minus the first result.
    pub since_baseline: Option<f64>,
    /// Against the last result, where the file has a threshold for it.
    pub direction: Option<Direction>,
    /// Whether the difference to the last result is more than the error of measurement, where the file knows it.
    pub reliable: Option<bool>,
    /// Against the first result; nothing where that was too low for the rule.
    pub response: Option<bool>,
    pub remission: Option<bool>,
}

/// Compares a total with earlier ones, nothing without any or for a form whose file has no rule of change.
pub fn change(measure: &Measure, total: f64, earlier: Earlier) -> Option<Change> {
    let rule = measure.scoring.change.as_ref()?;
    if earlier == Earlier::default() {
        return None;
    }
    let since_previous = earlier.previous.map(|previous| total - previous);
    let up_is_worse = measure.principal()?.direction != definition::Direction::HigherBetter;
    let direction = since_previous.zip(rule.clinically_meaningful).map(|(difference, least)| {
        if difference.abs() < least {
            Direction::NoMeaningfulChange
        } else if (difference > 0.0) == up_is_worse {
            Direction::Worse
        } else {
            Direction::Better
        }
    });
    let reliable = since_previous.zip(rule.reliable).map(|(difference, least)| difference.abs() >= least);
    let high_enough =
        |least: Option<f64>| earlier.baseline.filter(|baseline| least.is_none_or(|least| *baseline >= least));
    let response = rule.response.as_ref().and_then(|rule| {
        let baseline = high_enough(rule.baseline_at_least)?;
        let fall = baseline - total;
        Some(match rule.kind {
            // Multiplied out, so that nothing is divided by a baseline of zero.
            ResponseType::PercentReduction => fall > 0.0 && fall * 100.0 >= rule.value * baseline,
            ResponseType::AbsoluteReduction => fall >= rule.value,
        })
    });
    let remission = rule.remission.as_ref().and_then(|rule| {
        high_enough(rule.baseline_at_least)?;
        Some(rule.op.holds(total, rule.value))
    });
    Some(Change {
        since_previous,
        since_baseline: earlier.baseline.map(|baseline| total - baseline),
        direction,
        reliable,
        response,
        remission,
    })
}
