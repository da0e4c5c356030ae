//! Handing a mail over: to an SMTP server, or in development to a folder.

use std::{io::Write, os::unix::fs::OpenOptionsExt, path::PathBuf, time::Duration};

use chrono::{DateTime, Utc};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{self, authentication::Credentials},
};
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::letter::Written;
use crate::config::{Config, SmtpTls};

/// Longest time a mail server may take for one step.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Settings that no mail can be sent with.
#[derive(Debug, thiserror::Error)]
#[error("mail: {0}")]
pub struct BadMail(&'static str);

/// One mail, ready to leave.
pub struct Mail {
    /// The same at every attempt, so that a mail that left twice is shown once.
    pub id: Uuid,
    pub name: &'static str,
    pub to: String,
    pub written: Written,
    pub at: DateTime<Utc>,
}

/// Why a mail did not leave, without any address: what a server says may hold one.
#[derive(Debug)]
pub enum Failure {
    /// It may go better later.
    Later(&'static str),
    /// It never will.
    Never(&'static str),
}

enum Way {
    Folder(PathBuf),
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
}

/// Sends mails as the settings say.
pub struct Sender {
    from: Mailbox,
    way: Way,
}

impl Sender {
    /// Without an SMTP server mails become files in `data_dir/mail`.
    pub fn new(config: &Config) -> Result<Self, BadMail> {
        let from = config.mail.from.parse().map_err(|_| BadMail("from is not an address"))?;
        let way = if config.mail.smtp_host.is_empty() {
            Way::Folder(config.data_dir.join("mail"))
        } else {
            Way::Smtp(Box::new(smtp(config)?))
        };
        Ok(Self { from, way })
    }

    pub async fn send(&self, mail: Mail) -> Result<(), Failure> {
        let message = self.message(&mail)?;
        match &self.way {
            Way::Folder(folder) => {
                let name = format!("{}-{}-{}.eml", mail.at.format("%Y%m%dT%H%M%S%3f"), mail.id, mail.name);
                write(folder.clone(), name, message.formatted())
                    .await
                    .map_err(|_| Failure::Later("the folder cannot be written"))
            }
            Way::Smtp(server) => server.send(message).await.map(drop).map_err(|error| failure(&error)),
        }
    }

    /// Whether the mail server lets us in, without a mail; nothing where mails become files.
    pub async fn greet(&self) -> Option<Result<(), Failure>> {
        let Way::Smtp(server) = &self.way else { return None };
        Some(match server.test_connection().await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Later("the mail server does not go on after its greeting")),
            Err(error) => Err(failure(&error)),
        })
    }

    fn message(&self, mail: &Mail) -> Result<Message, Failure> {
        let to = mail.to.parse().map_err(|_| Failure::Never("the address is none that mail goes to"))?;
        let domain = self.from.email.domain();
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(mail.written.subject.clone())
            .date(mail.at.into())
            .message_id(Some(format!("<{}@{domain}>", mail.id)))
            .raw_header(lettre::message::header::HeaderValue::new(
                lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .header(ContentType::TEXT_PLAIN)
            .body(mail.written.body.clone())
            .map_err(|_| Failure::Never("it could not be put together"))
    }
}

fn smtp(config: &Config) -> Result<AsyncSmtpTransport<Tokio1Executor>, BadMail> {
    let mail = &config.mail;
    let host = &mail.smtp_host;
    let bad = |_| BadMail("smtp_host is not a host name, or there are no certificates to check it by");
    let mut builder = match mail.smtp_tls {
        SmtpTls::Implicit => AsyncSmtpTransport::<Tokio1Executor>::relay(host).map_err(bad)?,
        SmtpTls::Starttls => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host).map_err(bad)?,
        SmtpTls::None => AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host),
    };
    if mail.smtp_port != 0 {
        builder = builder.port(mail.smtp_port);
    }
    if !mail.smtp_user.is_empty() {
        let password = mail.smtp_password.expose_secret().to_owned();
        builder = builder.credentials(Credentials::new(mail.smtp_user.clone(), password));
    }
    Ok(builder.timeout(Some(TIMEOUT)).build())
}

/// Refusals of this one mail or its recipient (RFC 5321, section 4.2.3; RFC 7504). Every other 5xx is about this server,
/// such as a password that was changed or a sender that is not allowed: what waits leaves once that is mended.
const OF_THIS_MAIL: [u16; 5] = [550, 551, 552, 553, 556];

fn failure(error: &smtp::Error) -> Failure {
    if error.status().is_some_and(|code| OF_THIS_MAIL.contains(&code.into())) {
        Failure::Never("the mail server refused it")
    } else if error.is_permanent() {
        Failure::Later("the mail server refuses this server: its password, or what it may send")
    } else if error.is_transient() {
        Failure::Later("the mail server cannot take it now")
    } else if error.is_timeout() {
        Failure::Later("the mail server did not answer in time")
    } else if error.is_tls() {
        Failure::Later("no encrypted connection to the mail server came about")
    } else {
        Failure::Later("the mail server cannot be reached")
    }
}

async fn write(folder: PathBuf, name: String, bytes: Vec<u8>) -> std::io::Result<()> {
    let work = move || {
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(name);
        let mut file =
            std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(&bytes)
    };
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
}
