//! The rules of reminders, without clock, database or network: given the facts they say what is planned, when and why
//! not. Whoever calls them writes the rows.

pub mod attention;
pub mod localtime;
pub mod planned;
pub mod policy;
pub mod recurrence;
pub mod recurring;
pub mod session;
pub mod timeline;

#[cfg(test)]
mod tests;
