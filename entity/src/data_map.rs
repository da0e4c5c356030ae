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
