//! Treatment plans, a clinic's own templates of them, and when the clinic is open.

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
        manager.create_table(plans()).await?;
        manager.create_table(clinic_plan_templates()).await?;
        manager.create_index(index("plans", &["patient_id", "created_at", "id"])).await?;
        manager.create_index(index("plans", &["patient_id", "sync_seq"])).await?;
        let hours = Table::alter().table("clinics").add_column(text("hours").null()).to_owned();
        manager.alter_table(hours).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("clinics").drop_column("hours").to_owned()).await?;
        for table in ["clinic_plan_templates", "plans"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn plans() -> TableCreateStatement {
    Table::create()
        .table("plans")
        .col(uuid("patient_id").not_null())
        .col(uuid("id").not_null())
        .col(int("version").not_null())
        .col(big("sync_seq").not_null())
        .col(uuid("clinic_id").not_null())
        .col(uuid("member_id").not_null())
        .col(uuid("started_by").not_null())
        .col(text("template_id").not_null())
        .col(text("route").null())
        .col(date("first_dosing_on").not_null())
        .col(text("zone").not_null())
        .col(text("state").not_null())
        .col(time("created_at").not_null())
        .col(time("updated_at").not_null())
        .primary_key(Index::create().col("patient_id").col("id"))
        .to_owned()
}

fn clinic_plan_templates() -> TableCreateStatement {
    Table::create()
        .table("clinic_plan_templates")
        .col(uuid("clinic_id").not_null())
        .col(int("version").not_null())
        .col(blob("templates_sealed").not_null())
        .col(uuid("updated_by").not_null())
        .col(time("updated_at").not_null())
        .primary_key(Index::create().col("clinic_id"))
        .to_owned()
}
