//! Invitations: made by staff, used once, shown once.

use chrono::{DateTime, Duration, Utc};
use entity::{
    accounts, care_relations,
    ids::{AccountId, ClinicId, InvitationId, PatientId},
    invitations,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait},
};

use super::{
    clinic,
    dto::{Invitation, InvitationCreate, InvitationKind, InvitationPreview},
    queries,
};
use crate::{
    accounts::{
        Caller, Capabilities, Capability, INVITATION_ATTEMPTS, InvitationCode, code_hash, find_invitation,
        take_invitation,
    },
    app::AppState,
    audit::Event,
    db::WriteTx,
    error::{ApiError, ApiResult},
    idempotency::{Answer, Replay},
    vault::{DataKey, Place},
};

/// Life of a code.
const LIFE: Duration = Duration::days(7);

pub fn code_place(id: InvitationId) -> Place {
    Place::new("invitations", "code_sealed", id)
}

fn label_place(id: InvitationId) -> Place {
    Place::new("invitations", "label_sealed", id)
}

/// Admins invite staff, therapists and coordinators invite patients.
fn may(capabilities: &Capabilities, kind: InvitationKind) -> bool {
    let allowed: &[Capability] = match kind {
        InvitationKind::Staff => &[Capability::Admin],
        InvitationKind::Patient => &[Capability::Therapist, Capability::Coordinator],
    };
    allowed.iter().any(|one| capabilities.has(*one))
}

fn may_invite(me: &Caller, kind: InvitationKind) -> ApiResult<()> {
    if may(me.capabilities(), kind) {
        return Ok(());
    }
    Err(ApiError::forbidden(
        "forbidden_role",
        "Admins invite staff, therapists and coordinators invite patients; ask one of them.",
    ))
}

/// Makes an invitation and answers with its code.
pub async fn create(
    app: &AppState,
    me: &Caller,
    input: InvitationCreate,
    replay: Option<&Replay>,
) -> ApiResult<Answer> {
    may_invite(me, input.kind)?;
    let member = whose_care(app, me, &input).await?;
    let input = InvitationCreate { member_id: member, ..input };
    let key = clinic::key(app, me.clinic).await?;
    let code = InvitationCode::draw(app.random.as_ref());
    app.db
        .write_once(&me.writing(), replay, &me.key, async |tx| {
            let row =
                create_invitation_row(app, tx, (me.clinic, me.account), &input, &code, Some(&key)).await?;
            let mut body = view(row, &key)?;
            body.code = Some(code.shown());
            Answer::created(&body, None)
        })
        .await
}

/// Into whose care the patient comes: somebody of this clinic who treats.
async fn whose_care(app: &AppState, me: &Caller, input: &InvitationCreate) -> ApiResult<Option<AccountId>> {
    if input.kind != InvitationKind::Patient {
        return Ok(None);
    }
    let Some(member) = input.member_id else {
        if me.capabilities().has(Capability::Therapist) {
            return Ok(Some(me.account));
        }
        let detail = "say whose care the patient comes into";
        return Err(ApiError::invalid_field("/member_id", "required", detail));
    };
    let found = accounts::Entity::find_by_id(member)
        .filter(accounts::Column::ClinicId.eq(me.clinic))
        .filter(accounts::Column::Kind.eq("staff"))
        .filter(accounts::Column::State.eq("active"))
        .one(app.db.reader())
        .await?;
    let treats = |row: &accounts::Model| Capabilities::parse(&row.capabilities).treat();
    found.filter(treats).map(|row| Some(row.id)).ok_or_else(|| {
        let detail = "must be a therapist or medical staff of your clinic";
        ApiError::invalid_field("/member_id", "not_of_the_clinic", detail)
    })
}

/// The row of a new invitation.
pub async fn create_invitation_row(
    app: &AppState,
    tx: &WriteTx,
    (clinic, by): (ClinicId, AccountId),
    input: &InvitationCreate,
    code: &InvitationCode,
    key: Option<&DataKey>,
) -> ApiResult<invitations::Model> {
    let id = InvitationId(app.random.uuid_v7(tx.now()));
    let label = input.label.as_deref().zip(key).map(|(label, key)| key.seal_text(label_place(id), label));
    let row = invitations::Model {
        id,
        clinic_id: clinic,
        kind: input.kind.as_str().to_owned(),
        code_hash: code_hash(&app.limits_mac, code),
        code_sealed: key.map(|key| key.seal_text(code_place(id), &code.shown())),
        invited_by: by,
        member_id: input.member_id,
        capabilities: Capabilities::new(input.capabilities.clone()).to_string(),
        profession: input.profession.clone(),
        label_sealed: label,
        attempts: 0,
        created_at: tx.now(),
        expires_at: tx.now() + LIFE,
        used_at: None,
        used_by: None,
        revoked_at: None,
    };
    let active: invitations::ActiveModel = row.clone().into();
    invitations::Entity::insert(active.reset_all()).exec_without_returning(tx.conn()).await?;
    tx.audit(Event { subject: None, ..Event::new("care.invite", by, format!("invitations/{id}")) });
    Ok(row)
}

fn view(row: invitations::Model, key: &DataKey) -> ApiResult<Invitation> {
    Ok(Invitation {
        id: row.id,
        kind: kind(&row),
        code: None,
        label: row.label_sealed.map(|sealed| key.open_text(label_place(row.id), &sealed)).transpose()?,
        created_at: row.created_at,
        expires_at: row.expires_at,
        used_at: row.used_at,
        revoked_at: row.revoked_at,
    })
}

fn kind(row: &invitations::Model) -> InvitationKind {
    if row.kind == "staff" { InvitationKind::Staff } else { InvitationKind::Patient }
}

/// Which invitations are the caller's to see and to revoke: their own, and for an admin all of the clinic's staff. One
/// that another admin made must not outlive them.
fn within_reach(me: &Caller) -> Condition {
    use invitations::Column::{ClinicId, InvitedBy, Kind};
    let mut reach = Condition::any().add(InvitedBy.eq(me.account));
    if me.capabilities().has(Capability::Admin) {
        reach = reach.add(Kind.eq(InvitationKind::Staff.as_str()));
    }
    Condition::all().add(ClinicId.eq(me.clinic)).add(reach)
}

/// What [`within_reach`] says, latest first.
pub async fn list(app: &AppState, me: &Caller) -> ApiResult<Vec<Invitation>> {
    let key = clinic::key(app, me.clinic).await?;
    let rows = invitations::Entity::find()
        .filter(within_reach(me))
        .order_by_desc(invitations::Column::CreatedAt)
        .order_by_desc(invitations::Column::Id)
        .limit(100)
        .all(app.db.reader())
        .await?;
    rows.into_iter().map(|row| view(row, &key)).collect()
}

/// Revokes an invitation within the caller's reach that was not used yet.
pub async fn revoke(app: &AppState, me: &Caller, id: InvitationId) -> ApiResult<()> {
    app.db
        .write(&me.writing(), async |tx| {
            let which = within_reach(me).add(invitations::Column::Id.eq(id));
            if revoke_open(tx, which).await?.is_empty() {
                return Err(ApiError::NotFound);
            }
            audit_revoked(tx, me.account, id);
            Ok(())
        })
        .await
}

/// Revokes what a member who has only these capabilities left could not invite to any more: what they made beyond
/// that, and, once they treat nobody, every invitation into their care.
pub async fn revoke_beyond(tx: &WriteTx, member: AccountId, left: &Capabilities) -> ApiResult<()> {
    use invitations::Column::{InvitedBy, Kind, MemberId};
    let mut which = Condition::any();
    for kind in [InvitationKind::Staff, InvitationKind::Patient] {
        if !may(left, kind) {
            which = which.add(InvitedBy.eq(member).and(Kind.eq(kind.as_str())));
        }
    }
    if !left.treat() {
        which = which.add(MemberId.eq(member));
    }
    if which.is_empty() {
        return Ok(());
    }
    for id in revoke_open(tx, Condition::all().add(which)).await? {
        audit_revoked(tx, member, id);
    }
    Ok(())
}

/// Returns which of them were open.
async fn revoke_open(tx: &WriteTx, which: Condition) -> ApiResult<Vec<InvitationId>> {
    let open = which.add(invitations::Column::UsedAt.is_null()).add(invitations::Column::RevokedAt.is_null());
    let revoked = invitations::Entity::update_many()
        .col_expr(invitations::Column::RevokedAt, Expr::value(tx.now()))
        .col_expr(invitations::Column::CodeSealed, Expr::value(None::<Vec<u8>>))
        .filter(open)
        .exec_with_returning(tx.conn())
        .await?;
    Ok(revoked.into_iter().map(|row| row.id).collect())
}

fn audit_revoked(tx: &WriteTx, member: AccountId, id: InvitationId) {
    let event = Event::new("care.revoke_invitation", member, format!("invitations/{id}"));
    tx.audit(Event { subject: None, ..event });
}

/// What a valid code leads to; 404 for any other.
pub async fn preview(app: &AppState, typed: &str, now: DateTime<Utc>) -> ApiResult<InvitationPreview> {
    let code = InvitationCode::read(typed).ok_or(ApiError::NotFound)?;
    let row = invitations::Entity::find()
        .filter(invitations::Column::CodeHash.eq(code_hash(&app.limits_mac, &code)))
        .filter(invitations::Column::UsedAt.is_null())
        .filter(invitations::Column::RevokedAt.is_null())
        .filter(invitations::Column::Attempts.lt(INVITATION_ATTEMPTS))
        .filter(invitations::Column::ExpiresAt.gt(now))
        .one(app.db.reader())
        .await?
        .ok_or(ApiError::NotFound)?;
    let clinic_name = clinic::read(app, row.clinic_id).await?.name;
    Ok(InvitationPreview { kind: kind(&row), clinic_name, expires_at: row.expires_at })
}

/// Takes an invitation up for a patient who has an account: whoever invited joins their care team. Returns who that is.
pub async fn accept(
    app: &AppState,
    tx: &WriteTx,
    (patient, clinic): (PatientId, ClinicId),
    typed: &str,
) -> ApiResult<AccountId> {
    let invitation = find_invitation(app, tx.conn(), typed).await?;
    let member = invitation.member_id.filter(|_| invitation.clinic_id == clinic).ok_or_else(|| {
        ApiError::conflict(
            "wrong_invitation",
            "This invitation is not for patients of your clinic. Ask your therapist for another one.",
        )
    })?;
    let known = care_relations::Entity::find()
        .filter(care_relations::Column::PatientId.eq(patient))
        .filter(care_relations::Column::MemberId.eq(member))
        .filter(care_relations::Column::EndedAt.is_null())
        .one(tx.conn())
        .await?;
    if known.is_some() {
        return Err(ApiError::conflict(
            "already_in_care",
            "This person is in your care team already. The invitation was not used.",
        ));
    }
    take_invitation(tx, &invitation, patient.into()).await?;
    queries::begin(app, tx, patient, member, clinic).await?;
    Ok(member)
}
