//! Questionnaires: what was asked for and what was answered, and what a clinic has to have written down before it asks.

use sea_orm_migration::prelude::*;

use crate::columns::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const CLINIC_COLUMNS: [&str; 3] =
    ["response_policy_sealed", "form_thresholds_signed_at", "form_thresholds_signed_by"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(measure_assignments()).await?;
        manager.create_table(measure_responses()).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        let [policy, signed_at, signed_by] = CLINIC_COLUMNS;
        for column in [blob(policy), time(signed_at), uuid(signed_by)] {
            let mut column = column;
            let alter = Table::alter().table("clinics").add_column(column.null()).to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in CLINIC_COLUMNS {
            manager.alter_table(Table::alter().table("clinics").drop_column(column).to_owned()).await?;
        }
        for table in ["measure_responses", "measure_assignments"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn measure_assignments() -> TableCreateStatement {
    Table::create()
        .table("measure_assignments")
        .col(uuid("patient_id").not_null())
        .col(uuid("id").not_null())
        .col(int("version").not_null())
        .col(big("sync_seq").not_null())
        .col(uuid("clinic_id").not_null())
        .col(uuid("member_id").not_null())
        .col(text("measure_id").not_null())
        .col(time("opens_at").not_null())
        .col(time("due_at").not_null())
        .col(text("state").not_null())
        .col(uuid("response_id").null())
        .col(uuid("plan_id").null())
        .col(time("closed_at").null())
        .col(time("created_at").not_null())
        .col(time("updated_at").not_null())
        .primary_key(Index::create().col("patient_id").col("id"))
        .to_owned()
}

fn measure_responses() -> TableCreateStatement {
    Table::create()
        .table("measure_responses")
        .col(uuid("patient_id").not_null())
        .col(uuid("id").not_null())
        .col(int("version").not_null())
        .col(big("sync_seq").not_null())
        .col(text("measure_id").not_null())
        .col(text("measure_version").not_null())
        .col(text("language").not_null())
        .col(text("state").not_null())
        .col(uuid("assignment_id").null())
        .col(time("shared_at").null())
        .col(time("started_at").null())
        .col(time("taken_at").not_null())
        .col(double("total").null())
        .col(text("band").null())
        .col(text("scores").not_null())
        .col(text("flags").not_null())
        .col(blob("answers_sealed").not_null())
        .col(time("created_at").not_null())
        .col(time("updated_at").not_null())
        .primary_key(Index::create().col("patient_id").col("id"))
        .to_owned()
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        index("measure_assignments", &["patient_id", "due_at", "id"]),
        index("measure_assignments", &["patient_id", "sync_seq"]),
        index("measure_responses", &["patient_id", "taken_at", "id"]),
        index("measure_responses", &["patient_id", "measure_id", "taken_at", "id"]),
        index("measure_responses", &["patient_id", "sync_seq"]),
    ]
}
