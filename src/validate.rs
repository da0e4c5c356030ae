//! Collects what is wrong with an input, so that one answer names every field. The bounds here and those in the
//! schemas of the same fields are compared by a test.

use crate::error::{ApiError, ApiResult, FieldError};

/// An input that can say what is wrong with itself, without a database or a clock.
pub trait Validate {
    fn validate(&self, checks: &mut Checks);
}

/// The problems found so far.
#[derive(Debug, Default)]
pub struct Checks {
    errors: Vec<FieldError>,
}

impl Checks {
    /// Refuse `pointer` unless `holds`.
    pub fn require(&mut self, holds: bool, pointer: &str, code: &str, detail: impl Into<String>) {
        if !holds {
            self.errors.push(FieldError::new(pointer, code, detail));
        }
    }

    /// A number within bounds, both included.
    pub fn range<N: PartialOrd + std::fmt::Display>(
        &mut self,
        pointer: &str,
        value: Option<N>,
        min: N,
        max: N,
    ) {
        if let Some(value) = value {
            let detail = format!("must be from {min} to {max}");
            self.require(value >= min && value <= max, pointer, "out_of_range", detail);
        }
    }

    /// A text of so many Unicode scalar values, both bounds included.
    pub fn text(&mut self, pointer: &str, value: Option<&str>, min: usize, max: usize) {
        if let Some(value) = value {
            let length = value.chars().count();
            let detail = format!("must have {min} to {max} characters, has {length}");
            self.require(length >= min && length <= max, pointer, "wrong_length", detail);
        }
    }

    /// A list with at most so many items.
    pub fn items<T>(&mut self, pointer: &str, value: &[T], max: usize) {
        self.require(value.len() <= max, pointer, "too_many_items", format!("must have at most {max} items"));
    }

    /// 422 with everything that was found, or nothing.
    pub fn finish(self) -> ApiResult<()> {
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(self.errors)) }
    }
}
