//! `afterglow seed`: fills a development database with accounts that look like real ones, fast enough for load tests.
//! Everything is sealed as the API would seal it; only the password hash is shared, because hashing is slow on purpose.

mod people;
mod records;
mod writer;

use std::{
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use chrono::Duration;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::{
    people::{Cast, Person},
    writer::Batch,
};
use super::{CliError, NewAdmin, create_clinic_with_admin};
use crate::{accounts::Capability, app::AppState, audit::Event, db::Writing, error::ApiError};

/// How much to make.
#[derive(Debug, Clone, clap::Args)]
pub struct SeedArgs {
    /// Patients; one therapist for every fifty of them.
    #[arg(long, default_value_t = 100)]
    pub patients: usize,
    /// Check-ins of each patient, one a day back from today.
    #[arg(long, default_value_t = 14)]
    pub checkins: usize,
    /// Journal entries of each patient.
    #[arg(long, default_value_t = 5)]
    pub journal: usize,
    /// Of each patient's entries, share every so manieth with the therapist; 0 shares none.
    #[arg(long, default_value_t = 5)]
    pub share_every: usize,
    /// Give each patient one reminder, due spread over this span from now: 0, 90s, 15m, 2h.
    #[arg(long, value_parser = parse_span)]
    pub due_in: Option<Duration>,
    /// Give each patient a push subscription; `{n}` becomes something of each patient's own.
    #[arg(long)]
    pub push_endpoint: Option<String>,
    /// Where to write ids and access tokens, one JSON object a line.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeedReport {
    pub patients: usize,
    pub therapists: usize,
    pub checkins: usize,
    pub entries: usize,
    pub shares: usize,
    pub notifications: usize,
    pub subscriptions: usize,
    pub elapsed: std::time::Duration,
}

const PATIENTS_PER_THERAPIST: usize = 50;
const PATIENTS_PER_TRANSACTION: usize = 500;
/// The one password of everybody who was seeded.
const PASSWORD: &str = "river stone lantern morning";

/// `0`, `90s`, `15m` or `2h`.
fn parse_span(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: i64 = digits.parse().map_err(|_| "give a number with s, m or h, such as 90s".to_owned())?;
    let span = match &text[digits.len()..] {
        "" | "s" => Duration::try_seconds(number),
        "m" => Duration::try_minutes(number),
        "h" => Duration::try_hours(number),
        _ => None,
    };
    span.filter(|span| (Duration::zero()..=Duration::hours(3)).contains(span))
        .ok_or_else(|| "from 0 to 3h".to_owned())
}

/// Fills the database, which is migrated already. Refused in production.
pub async fn run(app: &AppState, args: SeedArgs) -> Result<SeedReport, CliError> {
    if app.config.is_production() {
        return Err(CliError::Advice(
            "seed fills a development database; environment is \"production\".".into(),
        ));
    }
    if args.push_endpoint.as_ref().is_some_and(|pattern| !pattern.contains("{n}")) {
        return Err(CliError::Advice(
            "--push-endpoint: put {n} into it, so that each patient has an own one.".into(),
        ));
    }
    let begun = Instant::now();
    let mut cast = make_staff(app, &args).await?;
    let mut report = make_patients(app, &args, &mut cast).await?;
    finish(app, &cast).await?;
    if let Some(path) = &args.out {
        write_file(app, path, &cast)?;
    }
    report.therapists = cast.therapists.len();
    report.elapsed = begun.elapsed();
    eprintln!(
        "{} patients, {} therapists, {} check-ins, {} entries ({} shared), {} reminders, {} subscriptions in {:.1} s. \
         Password of all: {PASSWORD}",
        report.patients,
        report.therapists,
        report.checkins,
        report.entries,
        report.shares,
        report.notifications,
        report.subscriptions,
        report.elapsed.as_secs_f64(),
    );
    Ok(report)
}

async fn make_staff(app: &AppState, args: &SeedArgs) -> Result<Cast, CliError> {
    // Seeding twice makes a second clinic beside the first, so addresses carry a tag of this run.
    let tag = app.random.bytes::<4>().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let email = format!("admin-{tag}@seed.example");
    let admin = NewAdmin {
        clinic: "Harbour Street Clinic",
        country: "DE",
        zone: "Europe/Berlin",
        phone: Some("+49 30 1234567"),
        email: &email,
        name: "Robin Admin",
        capabilities: vec![Capability::Admin],
    };
    let clinic = create_clinic_with_admin(app, &admin, PASSWORD).await?;
    let mut cast = Cast::new(clinic, tag, app.passwords.hash(PASSWORD).await?);
    let mut batch = Batch::default();
    cast.admit_admin(app, &email, &mut batch).await?;
    for number in 0..args.patients.div_ceil(PATIENTS_PER_THERAPIST).max(1) {
        cast.hire(app, number, &mut batch);
    }
    batch.write(app).await?;
    Ok(cast)
}

async fn make_patients(app: &AppState, args: &SeedArgs, cast: &mut Cast) -> Result<SeedReport, CliError> {
    let bar = progress(args.patients);
    let device = records::Device::draw().map_err(ApiError::internal)?;
    let mut report = SeedReport {
        patients: args.patients,
        therapists: 0,
        checkins: 0,
        entries: 0,
        shares: 0,
        notifications: 0,
        subscriptions: 0,
        elapsed: std::time::Duration::ZERO,
    };
    let numbers: Vec<usize> = (0..args.patients).collect();
    for chunk in numbers.chunks(PATIENTS_PER_TRANSACTION) {
        let mut batch = Batch::default();
        for &number in chunk {
            let patient = cast.admit_patient(app, args, number, &mut batch)?;
            records::fill(app, args, &patient, &device, &mut batch)?;
            cast.patients.push(patient.person);
        }
        report.checkins += batch.checkins.len();
        report.entries += batch.entries.len();
        report.shares += batch.shares.len();
        report.notifications += batch.notifications.len();
        report.subscriptions += batch.subscriptions.len();
        batch.write(app).await?;
        bar.inc(chunk.len() as u64);
    }
    bar.finish_and_clear();
    Ok(report)
}

fn progress(patients: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(patients as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} patients  {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// One line in the audit chain, and a nudge: something may be due at once.
async fn finish(app: &AppState, cast: &Cast) -> Result<(), CliError> {
    let writing = Writing {
        actor: cast.admin.account,
        stream: cast.clinic.0,
        patient: None,
        request_id: "command-line",
    };
    app.db
        .write(&writing, async |tx| {
            let event = Event::new("seed.fill", cast.admin.account, format!("clinics/{}", cast.clinic));
            tx.audit(Event { subject: None, ..event });
            tx.wake_scheduler();
            Ok(())
        })
        .await?;
    Ok(())
}

/// Tokens are signed last, so that their life begins when the load tool can use them.
fn write_file(app: &AppState, path: &Path, cast: &Cast) -> Result<(), CliError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    // It holds credentials, if only of people who do not exist.
    let file = options.create(true).truncate(true).write(true).mode(0o600).open(path)?;
    let mut out = BufWriter::new(file);
    let staff = std::iter::once(&cast.admin).chain(&cast.therapists);
    for person in staff.chain(&cast.patients) {
        writeln!(out, "{}", line(app, cast, person)?)?;
    }
    out.flush()?;
    Ok(())
}

fn line(app: &AppState, cast: &Cast, person: &Person) -> Result<serde_json::Value, CliError> {
    let now = app.clock.now();
    let token = app
        .tokens
        .sign(person.account, person.login, app.random.uuid_v7(now), now)
        .map_err(ApiError::internal)?;
    Ok(serde_json::json!({
        "role": person.role,
        "id": person.account,
        "clinic_id": cast.clinic,
        "email": person.email,
        "therapist_id": person.therapist,
        "checkin_id": person.checkin,
        "entry_id": person.entry,
        "access_token": token,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_with_their_unit() {
        assert_eq!(parse_span("0").unwrap(), Duration::zero());
        assert_eq!(parse_span("90s").unwrap(), Duration::seconds(90));
        assert_eq!(parse_span("15m").unwrap(), Duration::minutes(15));
        assert_eq!(parse_span("2h").unwrap(), Duration::hours(2));
        for wrong in ["", "h", "4h", "1d", "-5s", "99999999999999999999s"] {
            assert!(parse_span(wrong).is_err(), "{wrong}");
        }
    }
}
