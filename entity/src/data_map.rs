//! The data map: for every column what it is, how it is stored, whether its owner gets it exported, and what erasure
//! does to it. The schema, plaintext, export and erasure tests and docs/PRIVACY.md read it.

/// What kind of information a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Names, addresses and what else tells who somebody is.
    Identity,
    /// Anything about a person's health or treatment.
    Health,
    /// Keys, hashes of credentials, push addresses.
    Secret,
    /// Opaque ids.
    Reference,
    /// Instants and local dates.
    Time,
    /// Choices and states.
    Setting,
    /// What only the program needs.
    Bookkeeping,
}

/// Whose data key seals a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// What the patient wrote; destroyed on erasure.
    Patient,
    /// What clinicians recorded about a patient; kept for the clinic's retention.
    ClinicRecord,
    /// An account's own fields: the patient's key for patients, a key of their own for staff.
    Account,
    /// The clinic's own words.
    Clinic,
}

/// How a column is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Clear,
    Sealed(KeyOwner),
    /// A hash, MAC or wrapped key: useless without the key files.
    Hashed,
}

/// Whether the owner's export holds the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Export {
    Yes,
    /// Left out, and why.
    No(&'static str),
}

/// Through which column a row belongs to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Patient(&'static str),
    Account(&'static str),
    Login(&'static str),
    Clinic(&'static str),
    KeyOwner(&'static str),
    Nobody,
}

/// What erasing a patient does to the rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erasure {
    RowsGo,
    /// Rows stay, and why.
    Stays(&'static str),
}

/// How one column is treated.
#[derive(Clone, Copy, Debug)]
pub struct ColumnRule {
    pub column: &'static str,
    pub class: Class,
    pub form: Form,
    pub export: Export,
}

impl ColumnRule {
    pub const fn new(column: &'static str, class: Class, form: Form, export: Export) -> Self {
        Self { column, class, form, export }
    }
}

/// How one table is treated.
#[derive(Clone, Copy, Debug)]
pub struct TableRule {
    pub table: &'static str,
    pub owner: Owner,
    pub erasure: Erasure,
    pub columns: &'static [ColumnRule],
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write, path::Path};

    use super::*;

    const BEGIN: &str = "<!-- table: begin, written by `just privacy` -->\n";
    const END: &str = "<!-- table: end -->";

    fn owner(owner: Owner) -> &'static str {
        match owner {
            Owner::Patient(_) => "the patient",
            Owner::Account(_) => "the account",
            Owner::Login(_) => "the login",
            Owner::Clinic(_) => "the clinic",
            Owner::KeyOwner(_) => "whoever the key belongs to",
            Owner::Nobody => "nobody",
        }
    }

    fn form(form: Form) -> &'static str {
        match form {
            Form::Clear => "readable",
            Form::Sealed(KeyOwner::Patient) => "sealed, patient's key",
            Form::Sealed(KeyOwner::ClinicRecord) => "sealed, key of the clinic's record",
            Form::Sealed(KeyOwner::Account) => "sealed, account's key",
            Form::Sealed(KeyOwner::Clinic) => "sealed, clinic's key",
            Form::Hashed => "hash, tag or wrapped key",
        }
    }

    fn section(table: &TableRule) -> String {
        let mut text = format!("### `{}`\n\nBelongs to {}. ", table.table, owner(table.owner));
        match table.erasure {
            Erasure::RowsGo => text.push_str("Rows go with their owner.\n\n"),
            Erasure::Stays(why) => writeln!(text, "Rows stay: {why}.\n").unwrap(),
        }
        text.push_str(
            "| column | what it is | how it is stored | belongs in the owner's export |\n|---|---|---|---|\n",
        );
        for rule in table.columns {
            let class = format!("{:?}", rule.class).to_lowercase();
            let export = match rule.export {
                Export::Yes => "yes".to_owned(),
                Export::No(why) => format!("no: {why}"),
            };
            writeln!(text, "| `{}` | {class} | {} | {export} |", rule.column, form(rule.form)).unwrap();
        }
        text
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test has no settings to read the switch from")]
    fn the_privacy_page_holds_the_data_map() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/PRIVACY.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (head, rest) = page.split_once(BEGIN).unwrap();
        let (_, tail) = rest.split_once(END).unwrap();
        let sections: Vec<String> = crate::TABLES.iter().map(|table| section(table)).collect();
        let wanted = format!("{head}{BEGIN}\n{}\n{END}{tail}", sections.join("\n"));
        if std::env::var("UPDATE_DOCS").is_ok() {
            std::fs::write(&path, wanted).unwrap();
        } else {
            assert!(page == wanted, "docs/PRIVACY.md is not what the data map says; run: just privacy");
        }
    }
}
