//! The extractors by which a handler says who may call it. Each request reads login, account, clinic and wrapped key
//! in one statement, so a logout, a lost capability or an erasure counts from the next request on, on every replica.

use std::ops::Deref;

use axum::{extract::FromRequestParts, http::header, http::request::Parts};
use chrono::{DateTime, Duration, Utc};
use entity::ids::{AccountId, ClinicId, LoginId, PatientId};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};

use crate::{
    app::AppState,
    audit::{Asker, Who},
    db::Writing,
    error::{ApiError, ApiResult},
    language::Reader,
    telemetry::RequestId,
    vault::{DataKey, KeyColumns, OwnerKind},
};

/// How long a factor counts as fresh.
const FRESH: Duration = Duration::minutes(5);

/// What a member of staff may do. Several in one person are common in small clinics.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Reads what patients share, schedules sessions, invites patients.
    Therapist,
    /// Records administration, vitals and checks.
    Medical,
    /// Keeps the calendar and invites patients.
    Coordinator,
    /// Manages people and settings; sees no clinical content.
    Admin,
}

impl Capability {
    const ALL: [Self; 4] = [Self::Therapist, Self::Medical, Self::Coordinator, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Therapist => "therapist",
            Self::Medical => "medical",
            Self::Coordinator => "coordinator",
            Self::Admin => "admin",
        }
    }
}

/// A set of capabilities, kept as words in one column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities(Vec<Capability>);

impl Capabilities {
    pub fn new(mut list: Vec<Capability>) -> Self {
        list.sort_unstable();
        list.dedup();
        Self(list)
    }

    pub fn parse(text: &str) -> Self {
        Self(
            Capability::ALL
                .into_iter()
                .filter(|one| text.split(' ').any(|word| word == one.as_str()))
                .collect(),
        )
    }

    pub fn has(&self, one: Capability) -> bool {
        self.0.contains(&one)
    }

    /// Whether they treat, as [`treats`] says it of a row.
    pub fn treat(&self) -> bool {
        self.has(Capability::Therapist) || self.has(Capability::Medical)
    }

    pub fn list(&self) -> &[Capability] {
        &self.0
    }
}

/// Who treats, of the accounts that a statement calls `alias`. Whoever has stopped keeps an account that is active, and
/// has no capability any more.
pub fn treats(alias: &str) -> String {
    format!("({alias}.capabilities LIKE '%therapist%' OR {alias}.capabilities LIKE '%medical%')")
}

impl std::fmt::Display for Capabilities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<&str> = self.0.iter().map(|one| one.as_str()).collect();
        f.write_str(&words.join(" "))
    }
}

/// Anybody with a valid login.
#[derive(Debug, Clone)]
pub struct Caller {
    pub account: AccountId,
    pub login: LoginId,
    pub clinic: ClinicId,
    pub locale: String,
    pub zone: String,
    pub assurance: String,
    /// When a password or code was last given on this device.
    pub factor_at: DateTime<Utc>,
    pub request_id: String,
    /// Seals the caller's own fields and stored answers.
    pub key: DataKey,
    is_patient: bool,
    capabilities: Capabilities,
}

impl Caller {
    pub fn is_patient(&self) -> bool {
        self.is_patient
    }

    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// 403 unless a password or code was given within the last five minutes: a phone left open must not be enough.
    pub fn require_fresh_factor(&self, now: DateTime<Utc>) -> ApiResult<()> {
        if now - self.factor_at <= FRESH {
            return Ok(());
        }
        Err(ApiError::forbidden(
            "step_up_required",
            "Give your password or a code again first, then repeat this within five minutes.",
        ))
    }

    /// A write on this caller's behalf; for a patient it is about their own records.
    pub fn writing(&self) -> Writing<'_> {
        Writing {
            actor: self.account,
            stream: self.clinic.0,
            patient: self.is_patient.then_some(PatientId(self.account.0)),
            request_id: &self.request_id,
        }
    }

    fn with(self, capability: Capability) -> ApiResult<Self> {
        if !self.is_patient && self.capabilities.has(capability) {
            return Ok(self);
        }
        Err(wrong_role(capability.as_str()))
    }
}

fn wrong_role(needed: &str) -> ApiError {
    ApiError::forbidden("forbidden_role", format!("This needs the role `{needed}`; ask your clinic's admin."))
}

#[derive(FromQueryResult)]
struct Row {
    account_id: AccountId,
    clinic_id: ClinicId,
    kind: String,
    capabilities: String,
    locale: String,
    zone: String,
    assurance: String,
    factor_at: DateTime<Utc>,
    #[sea_orm(nested)]
    key: KeyColumns,
}

const LOGIN: &str = "SELECT l.account_id, a.clinic_id, a.kind, a.capabilities, a.locale, a.zone, l.assurance, \
     l.factor_at, k.kek_id, k.generation, k.wrapped \
     FROM logins l JOIN accounts a ON a.id = l.account_id AND a.epoch = l.epoch \
     JOIN data_keys k ON k.owner_kind = CASE a.kind WHEN 'patient' THEN 'patient' ELSE 'account' END \
     AND k.owner_id = a.id \
     WHERE l.id = $1 AND a.id = $2 AND a.state = 'active' AND l.revoked_at IS NULL AND l.expires_at > $3";

/// The assurance of a login whose owner has to set a second factor up first.
pub const ENROLMENT: &str = "enrolment";

/// Anybody with a valid login, also staff who have no second factor yet. Only what leads to one takes this.
#[derive(Debug, Clone)]
pub struct AnyLogin(Caller);

impl Deref for AnyLogin {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl FromRequestParts<AppState> for AnyLogin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        Caller::load(parts, app).await.map(Self)
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        let caller = Self::load(parts, app).await?;
        if caller.assurance == ENROLMENT {
            return Err(ApiError::forbidden(
                "totp_required",
                "Set up the second step of logging in first, with an authenticator app.",
            ));
        }
        Ok(caller)
    }
}

impl Caller {
    /// Whoever the access token and the database say it is, whatever their assurance.
    async fn load(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        let token = bearer(parts).ok_or(ApiError::Unauthenticated)?;
        let now = app.clock.now();
        let bearer = app.tokens.verify(token, now).ok_or(ApiError::Unauthenticated)?;
        let statement = Statement::from_sql_and_values(
            app.db.reader().get_database_backend(),
            LOGIN,
            [bearer.login.0.into(), bearer.account.0.into(), now.into()],
        );
        let row = app.db.reader().query_one_raw(statement).await?.ok_or(ApiError::Unauthenticated)?;
        let row = Row::from_query_result(&row, "")?;
        Reader::note_account(parts, &row.locale);
        let is_patient = row.kind == "patient";
        Asker::note(parts, Who { account: row.account_id, clinic: row.clinic_id, is_patient });
        let kind = if is_patient { OwnerKind::Patient } else { OwnerKind::Account };
        let key = app.vault.unwrap(&row.key.of(kind, row.account_id))?;
        Ok(Self {
            account: row.account_id,
            login: bearer.login,
            clinic: row.clinic_id,
            locale: row.locale,
            zone: row.zone,
            assurance: row.assurance,
            factor_at: row.factor_at,
            request_id: parts.extensions.get::<RequestId>().map(|id| id.0.to_string()).unwrap_or_default(),
            key,
            is_patient,
            capabilities: Capabilities::parse(&row.capabilities),
        })
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (values.next().is_none() && scheme.eq_ignore_ascii_case("bearer")).then_some(token.trim())
}

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident => |$caller:ident| $check:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(Caller);

        impl Deref for $name {
            type Target = Caller;

            fn deref(&self) -> &Caller {
                &self.0
            }
        }

        impl FromRequestParts<AppState> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
                let $caller = Caller::from_request_parts(parts, app).await?;
                $check.map(Self)
            }
        }
    )*};
}

roles! {
    /// A patient, acting on their own records.
    Patient => |caller| if caller.is_patient { Ok(caller) } else { Err(wrong_role("patient")) };
    /// Any member of staff.
    Staff => |caller| if caller.is_patient { Err(wrong_role("staff")) } else { Ok(caller) };
    /// A member of staff who may see what patients share.
    Therapist => |caller| caller.with(Capability::Therapist);
    /// A member of staff who records what happens on the day of a dosing session.
    Medical => |caller| caller.with(Capability::Medical);
    /// A member of staff who treats: a therapist or medical staff.
    Clinician => |caller| if caller.capabilities.has(Capability::Medical) { Ok(caller) } else { caller.with(Capability::Therapist) };
    /// A member of staff who keeps the calendar.
    Coordinator => |caller| caller.with(Capability::Coordinator);
    /// A member of staff who plans: a therapist or a coordinator.
    Planner => |caller| if caller.capabilities.has(Capability::Coordinator) { Ok(caller) } else { caller.with(Capability::Therapist) };
    /// A member of staff who manages people and settings.
    Admin => |caller| caller.with(Capability::Admin);
}

impl Patient {
    pub fn id(&self) -> PatientId {
        PatientId(self.account.0)
    }
}

impl Staff {
    /// 403 unless they are one.
    pub fn into_therapist(self) -> ApiResult<Therapist> {
        self.0.with(Capability::Therapist).map(Therapist)
    }

    /// Gives up the role and keeps the person.
    pub fn into_caller(self) -> Caller {
        self.0
    }
}

impl Therapist {
    /// Gives up the role and keeps the person.
    pub fn into_caller(self) -> Caller {
        self.0
    }
}
