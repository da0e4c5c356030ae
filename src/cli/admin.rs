//! `afterglow admin create`: a clinic and its first admin, who invites everybody else.

use std::io::Read;

use clap::{Args, Subcommand};
use entity::ids::{AccountId, ClinicId};

use super::{CliError, start};
use crate::{
    accounts::{Capabilities, Capability, NewAccount, create_account},
    app::AppState,
    audit::Event,
    care::{NewClinic, create_clinic},
    config::Config,
    db::Writing,
    error::ApiError,
    reminders::rules::localtime::Zone,
};

/// People who manage.
#[derive(Debug, Args)]
pub struct AdminArgs {
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Make a clinic and its first admin.
    Create(CreateArgs),
}

/// A clinic and its first admin.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Name of the clinic, as patients will read it.
    #[arg(long)]
    pub clinic: String,
    /// ISO 3166-1 alpha-2, such as DE.
    #[arg(long)]
    pub country: String,
    /// IANA zone, such as Europe/Berlin.
    #[arg(long)]
    pub zone: String,
    /// Phone number of the clinic.
    #[arg(long)]
    pub phone: Option<String>,
    /// E-mail address of the admin.
    #[arg(long)]
    pub email: String,
    /// Name of the admin.
    #[arg(long, default_value = "Admin")]
    pub name: String,
    /// Also let the admin do this: therapist, medical, coordinator.
    #[arg(long, value_delimiter = ',')]
    pub also: Vec<Capability>,
    /// Read the password from standard input instead of making one.
    #[arg(long)]
    pub password_stdin: bool,
}

pub async fn run(config: Config, args: AdminArgs) -> Result<(), CliError> {
    let AdminCommand::Create(args) = args.command;
    check(&args)?;
    let started = start::start(config).await?;
    start::migrate(&started.app).await?;
    let given = args.password_stdin;
    let password = if given { read_password()? } else { passphrase(&started.app) };
    let mut capabilities = args.also.clone();
    capabilities.push(Capability::Admin);
    let new = NewAdmin {
        clinic: &args.clinic,
        country: &args.country,
        zone: &args.zone,
        phone: args.phone.as_deref(),
        email: &args.email,
        name: &args.name,
        capabilities,
    };
    let clinic = create_clinic_with_admin(&started.app, &new, &password).await?;
    println!("clinic   {clinic}");
    println!("admin    {}", args.email);
    if !given {
        println!("password {password}      shown only now");
    }
    Ok(())
}

fn check(args: &CreateArgs) -> Result<(), CliError> {
    let country = args.country.len() == 2 && args.country.chars().all(|c| c.is_ascii_uppercase());
    if !country {
        return Err(CliError::Advice("--country: give two capital letters, such as DE.".into()));
    }
    if let Err(error) = Zone::parse(&args.zone) {
        return Err(CliError::Advice(format!("--zone: {error}")));
    }
    if !args.email.contains('@') {
        return Err(CliError::Advice("--email: that is not an e-mail address.".into()));
    }
    Ok(())
}

fn read_password() -> Result<String, CliError> {
    let mut text = String::new();
    std::io::stdin().take(1_024).read_to_string(&mut text)?;
    let password = text.trim_end_matches(['\r', '\n']).to_owned();
    if password.chars().count() < 15 {
        return Err(CliError::Advice("The password needs at least 15 characters.".into()));
    }
    Ok(password)
}

/// 25 Crockford characters in five groups: 125 bits.
fn passphrase(app: &AppState) -> String {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let letters: Vec<char> =
        app.random.bytes::<25>().iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    letters.chunks(5).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

/// A clinic and its first admin, as the command line and the demo make them.
#[derive(Debug)]
pub struct NewAdmin<'a> {
    pub clinic: &'a str,
    pub country: &'a str,
    pub zone: &'a str,
    pub phone: Option<&'a str>,
    pub email: &'a str,
    pub name: &'a str,
    pub capabilities: Vec<Capability>,
}

/// Makes both in one transaction; an address that is taken is refused.
pub async fn create_clinic_with_admin(
    app: &AppState,
    new: &NewAdmin<'_>,
    password: &str,
) -> Result<ClinicId, CliError> {
    let now = app.clock.now();
    let (clinic, admin) = (ClinicId(app.random.uuid_v7(now)), AccountId(app.random.uuid_v7(now)));
    let account = NewAccount {
        id: admin,
        clinic,
        is_patient: false,
        capabilities: Capabilities::new(new.capabilities.clone()),
        profession: None,
        email: new.email.to_owned(),
        display_name: new.name.to_owned(),
        zone: new.zone.to_owned(),
        locale: "en".to_owned(),
        password_hash: app.passwords.hash(password).await?,
    };
    let rooms =
        NewClinic { id: clinic, name: new.clinic, country: new.country, zone: new.zone, phone: new.phone };
    let writing = Writing { actor: admin, stream: clinic.0, patient: None, request_id: "command-line" };
    app.db
        .write(&writing, async |tx| {
            create_clinic(tx.conn(), &app.vault, rooms, tx.now()).await?;
            if !create_account(tx.conn(), &app.vault, account, tx.now()).await? {
                return Err(ApiError::conflict("email_taken", "This e-mail address already has an account."));
            }
            tx.audit(Event::new("admin.create", admin, format!("clinics/{clinic}")));
            Ok(())
        })
        .await?;
    Ok(clinic)
}
