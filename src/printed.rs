//! Reads the program's own source for types that could be printed with a secret in them. Settings and state that hold
//! one either have no `Debug`, or one that hides it; what clients send is in `SecretString` where it matters.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What holds a secret under these types or names does so in the clear.
const CLEAR_TYPES: [&str; 5] = ["Zeroizing<", "LessSafeKey", "EcdsaKeyPair", "Ed25519KeyPair", "hmac::Key"];
const SECRET_NAMES: [&str; 6] = ["password", "passphrase", "secret", "pkcs8", "token", "seed"];
/// Harmless although a name sounds like it, or useless to whoever reads it.
const HARMLESS: [&str; 5] =
    ["access_token_seconds", "passphrase_file", "password_stdin", "password_hash", "seed"];

/// The files of the program's source.
pub fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The fields of every type that derives `Debug` and is no wire type, with the type's name.
fn printed_fields(source: &str) -> Vec<(String, String)> {
    let (mut fields, mut derives, mut within) = (Vec::new(), false, None::<String>);
    for line in source.lines() {
        let text = line.trim();
        if let Some(name) = &within {
            if line.starts_with('}') {
                within = None;
            } else if !text.starts_with("//") && !text.starts_with('#') && text.contains(": ") {
                fields.push((name.clone(), text.to_owned()));
            }
        } else if text.starts_with("#[derive(") {
            derives = text.contains("Debug") && !text.contains("ToSchema");
        } else if let Some((_, rest)) = line.split_once("struct ") {
            let name = rest.chars().take_while(|letter| letter.is_alphanumeric()).collect();
            if derives && line.ends_with('{') {
                within = Some(name);
            } else if derives && line.ends_with(");") {
                fields.push((name, rest.to_owned()));
            }
            derives = false;
        } else if !text.starts_with("//") && !text.starts_with('#') {
            // Whatever was derived belongs to something else.
            derives = false;
        }
    }
    fields
}

fn in_the_clear(field: &str) -> bool {
    let name = field.split(": ").next().unwrap_or_default().trim_start_matches("pub ");
    let named = SECRET_NAMES.iter().any(|word| name.contains(word)) && !HARMLESS.contains(&name);
    CLEAR_TYPES.iter().any(|kind| field.contains(kind)) || (named && !field.contains("SecretString"))
}

#[test]
fn no_type_that_can_be_printed_holds_a_secret_in_the_clear() {
    let planted = "#[derive(Debug, Clone)]\npub struct Pair {\n    pub refresh_token: String,\n}\n\
        #[derive(Debug)]\nstruct Key(Zeroizing<Vec<u8>>);\n";
    assert_eq!(printed_fields(planted).iter().filter(|(_, field)| in_the_clear(field)).count(), 2);
    assert!(!in_the_clear("pub refresh_token: SecretString,"));
    let (mut paths, mut bad, mut seen) = (Vec::new(), Vec::new(), 0);
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut paths);
    for path in paths.iter().filter(|path| !path.ends_with("src/printed.rs")) {
        for (owner, field) in printed_fields(&fs::read_to_string(path).unwrap()) {
            seen += 1;
            if in_the_clear(&field) {
                bad.push(format!("{}: {owner}: {field}", path.display()));
            }
        }
    }
    assert!(seen > 300, "the source was read: {seen}");
    assert_eq!(bad, Vec::<String>::new(), "write a Debug that hides it, or use SecretString");
}
