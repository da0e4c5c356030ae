//! The database as it was migrated against the entities and against the data map.

use std::collections::{BTreeMap, BTreeSet};

use afterglow::db::Engine;
use entity::{
    TABLES,
    data_map::{Erasure, Export, Form, Owner},
};
use migration::{Migrator, MigratorTrait};
use sea_orm::{ColumnTrait, EntityTrait, IdenStatic, Iterable, sea_query::ColumnType};

use crate::harness::{TestApp, both_engines};

both_engines![entities_are_the_migrated_tables, every_migration_goes_down_and_up_again];

/// Kind of value and whether it may be null.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    kind: &'static str,
    nullable: bool,
}

type Schema = BTreeMap<String, BTreeMap<String, Column>>;

fn columns_of<E: EntityTrait>(schema: &mut Schema, _: E) {
    let columns = E::Column::iter().map(|column| {
        let definition = column.def();
        let kind = match definition.get_column_type() {
            ColumnType::Uuid => "uuid",
            ColumnType::Text => "text",
            ColumnType::Integer => "integer",
            ColumnType::BigInteger => "bigint",
            ColumnType::Boolean => "boolean",
            ColumnType::Double => "double",
            ColumnType::TimestampWithTimeZone => "instant",
            ColumnType::Date => "date",
            ColumnType::Blob | ColumnType::VarBinary(_) | ColumnType::Binary(_) => "bytes",
            other => panic!("{}: {other:?} is used nowhere else", column.as_str()),
        };
        (column.as_str().to_owned(), Column { kind, nullable: definition.is_null() })
    });
    schema.insert(E::default().table_name().to_owned(), columns.collect());
}

macro_rules! entities {
    ($($table:ident),* $(,)?) => {{
        let mut schema = Schema::new();
        $(columns_of(&mut schema, entity::$table::Entity);)*
        schema
    }};
}

fn entities() -> Schema {
    entities![
        accounts,
        administrations,
        alerts,
        attachment_chunks,
        attachments,
        audit_events,
        audit_heads,
        care_relations,
        checkins,
        clinic_plan_templates,
        clinics,
        consents,
        covers,
        data_keys,
        deliveries,
        delivery_policies,
        erasures,
        export_chunks,
        exports,
        goal_entries,
        goal_progress,
        goal_shares,
        goals,
        handovers,
        idempotency_keys,
        invitations,
        jobs,
        journal_comments,
        journal_entries,
        journal_revisions,
        journal_shares,
        known_devices,
        login_attempts,
        logins,
        measure_assignments,
        measure_responses,
        notifications,
        patients,
        plans,
        prompt_favourites,
        prompt_offers,
        push_subscriptions,
        recovery_codes,
        refresh_tokens,
        reminders,
        reset_requests,
        reset_tokens,
        safety_plans,
        session_readiness,
        session_requests,
        sessions,
        sync_ops,
        tombstones,
        zone_history,
    ]
}

/// SQLite has one kind of whole number.
fn as_kept_by(engine: Engine, schema: Schema) -> Schema {
    let keep = |column: Column| match (engine, column.kind) {
        (Engine::Sqlite, "bigint") => Column { kind: "integer", ..column },
        _ => column,
    };
    let table = |columns: BTreeMap<String, Column>| {
        columns.into_iter().map(|(name, one)| (name, keep(one))).collect()
    };
    schema.into_iter().map(|(name, columns)| (name, table(columns))).collect()
}

async fn migrated(app: &TestApp) -> Schema {
    let sql = match app.engine() {
        Engine::Sqlite => {
            "SELECT m.name AS tab, c.name AS col, LOWER(c.type) AS kind, \
             CASE WHEN c.\"notnull\" = 0 AND c.pk = 0 THEN 1 ELSE 0 END AS nullable \
             FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
        }
        Engine::Postgres => {
            "SELECT table_name::text AS tab, column_name::text AS col, data_type::text AS kind, \
             CASE WHEN is_nullable = 'YES' THEN 1 ELSE 0 END AS nullable \
             FROM information_schema.columns WHERE table_schema = 'public'"
        }
    };
    let mut schema = Schema::new();
    for row in app.query(sql, vec![]).await {
        let text = |name: &str| row.try_get::<String>("", name);
        let (table, column, kind) = (text("tab"), text("col"), text("kind"));
        let (table, column, kind) = (table.unwrap(), column.unwrap(), kind.unwrap());
        if table == "seaql_migrations" {
            continue;
        }
        let kind = match kind.as_str() {
            "uuid" | "uuid_text" => "uuid",
            "text" => "text",
            "integer" => "integer",
            "bigint" => "bigint",
            "boolean" => "boolean",
            "double" | "double precision" => "double",
            "timestamp_with_timezone_text" | "timestamp with time zone" => "instant",
            "date" | "date_text" => "date",
            "blob" | "bytea" => "bytes",
            other => panic!("{table}.{column} is {other}"),
        };
        let nullable = row.try_get::<i32>("", "nullable").unwrap() == 1;
        schema.entry(table).or_default().insert(column, Column { kind, nullable });
    }
    schema
}

async fn entities_are_the_migrated_tables(app: TestApp) {
    let written = as_kept_by(app.engine(), entities());
    let found = as_kept_by(app.engine(), migrated(&app).await);
    assert_eq!(written.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
    for (table, columns) in &written {
        for (name, column) in columns {
            assert_eq!(
                found[table].get(name),
                Some(column),
                "{table}.{name}: left the database, right the entity"
            );
        }
        assert_eq!(columns.len(), found[table].len(), "{table}");
    }
}

async fn every_migration_goes_down_and_up_again(app: TestApp) {
    let before = migrated(&app).await;
    assert!(before.len() > 20);
    let steps = u32::try_from(Migrator::migrations().len()).unwrap();
    for _ in 0..steps {
        Migrator::down(app.conn(), Some(1)).await.unwrap();
    }
    assert_eq!(migrated(&app).await.keys().collect::<Vec<_>>(), Vec::<&String>::new());
    for _ in 0..steps {
        Migrator::up(app.conn(), Some(1)).await.unwrap();
    }
    assert_eq!(migrated(&app).await, before);
}

#[test]
fn every_column_has_a_rule_and_every_rule_a_column() {
    let written = entities();
    let ruled: BTreeMap<String, BTreeSet<String>> = TABLES
        .iter()
        .map(|rules| {
            let columns: BTreeSet<String> = rules.columns.iter().map(|rule| rule.column.to_owned()).collect();
            assert_eq!(columns.len(), rules.columns.len(), "{} has a rule twice", rules.table);
            (rules.table.to_owned(), columns)
        })
        .collect();
    assert_eq!(TABLES.len(), ruled.len(), "a table has its rules twice");
    let columns: BTreeMap<String, BTreeSet<String>> =
        written.into_iter().map(|(table, columns)| (table, columns.into_keys().collect())).collect();
    assert_eq!(columns, ruled);
}

#[test]
fn rules_and_columns_agree_on_what_is_sealed_and_whose_it_is() {
    let written = entities();
    for rules in TABLES {
        for rule in rules.columns {
            let (name, column) = (rule.column, &written[rules.table][rule.column]);
            let sealed = matches!(rule.form, Form::Sealed(_));
            assert_eq!(sealed, name.ends_with("_sealed"), "{}.{name}", rules.table);
            assert!(!sealed || column.kind == "bytes", "{}.{name} is sealed and no bytes", rules.table);
            assert!(
                rule.form != Form::Clear || column.kind != "bytes",
                "{}.{name} is clear bytes",
                rules.table
            );
            if let Export::No(reason) = rule.export {
                assert!(!reason.is_empty(), "{}.{name}", rules.table);
            }
        }
        let owner = match rules.owner {
            Owner::Patient(name) | Owner::Account(name) | Owner::Login(name) => Some(name),
            Owner::Clinic(name) | Owner::KeyOwner(name) => Some(name),
            Owner::Nobody => None,
        };
        if let Some(name) = owner {
            assert!(written[rules.table].contains_key(name), "{} has no {name}", rules.table);
        }
        if let Erasure::Stays(reason) = rules.erasure {
            assert!(!reason.is_empty(), "{}", rules.table);
        }
    }
}
