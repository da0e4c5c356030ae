//! Mail: written into `jobs` in the transaction of its cause, sent later by any worker. A mail server that is down holds
//! up no request, and a mail of something that was rolled back never leaves. Words are discreet: whoever looks over a
//! shoulder learns nothing of health, clinic or person.

mod letter;
mod outbox;
mod runner;
mod sender;

pub use letter::Letter;
pub use outbox::{MailReport, enqueue, offer, tick};
pub use runner::run;
pub use sender::{BadMail, Failure, Sender};
