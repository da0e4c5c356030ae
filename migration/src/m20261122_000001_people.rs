//! People, their keys and logins, who cares for whom, and the audit chain.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(clinics()).await?;
        manager.create_table(accounts()).await?;
        manager.create_table(patients()).await?;
        manager.create_table(data_keys()).await?;
        manager.create_table(logins()).await?;
        manager.create_table(refresh_tokens()).await?;
        manager.create_table(login_attempts()).await?;
        manager.create_table(invitations()).await?;
        manager.create_table(care_relations()).await?;
        manager.create_table(consents()).await?;
        manager.create_table(idempotency_keys()).await?;
        manager.create_table(audit_events()).await?;
        manager.create_table(audit_heads()).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        manager.get_connection().execute_unprepared(
            "CREATE UNIQUE INDEX care_relations_open ON care_relations (patient_id, member_id) WHERE ended_at IS NULL",
        ).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            "audit_heads",
            "audit_events",
            "idempotency_keys",
            "consents",
            "care_relations",
            "invitations",
            "login_attempts",
            "refresh_tokens",
            "logins",
            "data_keys",
            "patients",
            "accounts",
            "clinics",
        ] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn clinics() -> TableCreateStatement {
    Table::create()
        .table("clinics")
        .col(uuid("id").not_null())
        .col(blob("name_sealed").not_null())
        .col(text("country").not_null())
        .col(text("zone").not_null())
        .col(blob("phone_sealed").null())
        .col(int("version").not_null())
        .col(time("created_at").not_null())
        .primary_key(Index::create().col("id"))
        .to_owned()
}

fn accounts() -> TableCreateStatement {
    Table::create()
        .table("accounts")
        .col(uuid("id").not_null())
        .col(text("kind").not_null())
        .col(uuid("clinic_id").not_null())
        .col(text("state").not_null())
        .col(int("epoch").not_null())
        .col(text("capabilities").not_null())
        .col(text("profession").null())
        .col(text("locale").not_null())
        .col(text("zone").not_null())
        .col(text("zone_mode").not_null())
        .col(blob("email_index").not_null())
        .col(text("email_index_kid").not_null())
        .col(blob("email_sealed").not_null())
        .col(blob("name_sealed").not_null())
        .col(text("password_hash").not_null())
        .col(blob("totp_seed_sealed").null())
        .col(big("totp_last_step").null())
        .col(time("totp_confirmed_at").null())
        .col(int("version").not_null())
        .col(time("created_at").not_null())
        .col(time("closed_at").null())
        .primary_key(Index::create().col("id"))
        .to_owned()
}

fn patients() -> TableCreateStatement {
    Table::create()
        .table("patients")
        .col(uuid("patient_id").not_null())
        .col(big("sync_seq").not_null())
        .primary_key(Index::create().col("patient_id"))
        .to_owned()
}

fn data_keys() -> TableCreateStatement {
    Table::create()
        .table("data_keys")
        .col(text("owner_kind").not_null())
        .col(uuid("owner_id").not_null())
        .col(text("kek_id").not_null())
        .col(int("generation").not_null())
        .col(blob("wrapped").not_null())
        .col(time("created_at").not_null())
        .primary_key(Index::create().col("owner_kind").col("owner_id"))
        .to_owned()
}

fn logins() -> TableCreateStatement {
    Table::create()
        .table("logins")
        .col(uuid("id").not_null())
        .col(uuid("account_id").not_null())
        .col(int("epoch").not_null())
        .col(text("assurance").not_null())
        .col(time("factor_at").not_null())
        .col(big("counter").not_null())
        .col(time("rotated_at").not_null())
        .col(blob("device_name_sealed").not_null())
        .col(time("created_at").not_null())
        .col(time("last_used_at").not_null())
        .col(time("idle_expires_at").not_null())
        .col(time("expires_at").not_null())
        .col(time("revoked_at").null())
        .col(text("revoke_reason").null())
        .primary_key(Index::create().col("id"))
        .to_owned()
}

fn refresh_tokens() -> TableCreateStatement {
    Table::create()
        .table("refresh_tokens")
        .col(blob("token_hash").not_null())
        .col(uuid("login_id").not_null())
        .col(big("counter").not_null())
        .primary_key(Index::create().col("token_hash"))
        .to_owned()
}

fn login_attempts() -> TableCreateStatement {
    Table::create()
        .table("login_attempts")
        .col(blob("bucket").not_null())
        .col(int("attempts").not_null())
        .col(time("window_start").not_null())
        .primary_key(Index::create().col("bucket"))
        .to_owned()
}

fn invitations() -> TableCreateStatement {
    Table::create()
        .table("invitations")
        .col(uuid("id").not_null())
        .col(uuid("clinic_id").not_null())
        .col(text("kind").not_null())
        .col(blob("code_hash").not_null())
        .col(uuid("invited_by").not_null())
        .col(uuid("member_id").null())
        .col(text("capabilities").not_null())
        .col(text("profession").null())
        .col(blob("label_sealed").null())
        .col(int("attempts").not_null())
        .col(time("created_at").not_null())
        .col(time("expires_at").not_null())
        .col(time("used_at").null())
        .col(uuid("used_by").null())
        .col(time("revoked_at").null())
        .primary_key(Index::create().col("id"))
        .to_owned()
}

fn care_relations() -> TableCreateStatement {
    Table::create()
        .table("care_relations")
        .col(uuid("patient_id").not_null())
        .col(uuid("id").not_null())
        .col(uuid("member_id").not_null())
        .col(uuid("clinic_id").not_null())
        .col(time("started_at").not_null())
        .col(time("ended_at").null())
        .col(uuid("ended_by").null())
        .primary_key(Index::create().col("patient_id").col("id"))
        .to_owned()
}

fn consents() -> TableCreateStatement {
    Table::create()
        .table("consents")
        .col(uuid("patient_id").not_null())
        .col(uuid("id").not_null())
        .col(text("purpose").not_null())
        .col(text("text_version").not_null())
        .col(text("locale").not_null())
        .col(time("given_at").not_null())
        .col(time("withdrawn_at").null())
        .primary_key(Index::create().col("patient_id").col("id"))
        .to_owned()
}

fn idempotency_keys() -> TableCreateStatement {
    Table::create()
        .table("idempotency_keys")
        .col(uuid("account_id").not_null())
        .col(text("operation").not_null())
        .col(text("key").not_null())
        .col(blob("request_mac").not_null())
        .col(int("status").not_null())
        .col(text("etag").null())
        .col(blob("answer_sealed").null())
        .col(time("created_at").not_null())
        .primary_key(Index::create().col("account_id").col("operation").col("key"))
        .to_owned()
}

fn audit_events() -> TableCreateStatement {
    Table::create()
        .table("audit_events")
        .col(uuid("stream").not_null())
        .col(big("seq").not_null())
        .col(time("at").not_null())
        .col(uuid("actor_id").null())
        .col(text("action").not_null())
        .col(uuid("subject_id").null())
        .col(text("resource").not_null())
        .col(text("outcome").not_null())
        .col(text("request_id").not_null())
        .col(blob("mac").not_null())
        .primary_key(Index::create().col("stream").col("seq"))
        .to_owned()
}

fn audit_heads() -> TableCreateStatement {
    Table::create()
        .table("audit_heads")
        .col(uuid("stream").not_null())
        .col(big("seq").not_null())
        .col(blob("mac").not_null())
        .primary_key(Index::create().col("stream"))
        .to_owned()
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        unique("accounts", &["email_index"]),
        index("accounts", &["clinic_id", "kind"]),
        index("data_keys", &["kek_id"]),
        index("logins", &["account_id"]),
        index("refresh_tokens", &["login_id"]),
        unique("invitations", &["code_hash"]),
        index("invitations", &["clinic_id", "created_at"]),
        index("care_relations", &["member_id", "patient_id"]),
        index("idempotency_keys", &["created_at"]),
        index("audit_events", &["subject_id", "at"]),
    ]
}
