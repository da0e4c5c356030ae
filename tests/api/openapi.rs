//! The contract: the committed file is the generated one, and every operation says what a client needs.

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use serde_json::Value;

/// Who needs no login, and nobody else.
const OPEN: &[&str] = &[
    "confirm_password_reset",
    "create_login",
    "create_push_receipt",
    "get_crisis_resources",
    "get_fhir_metadata",
    "get_health",
    "get_measure",
    "get_invitation_preview",
    "get_passphrase_suggestion",
    "get_push_key",
    "get_readiness",
    "list_goal_templates",
    "list_journal_templates",
    "list_measures",
    "list_consent_texts",
    "list_signing_keys",
    "recover_account",
    "refresh_login",
    "register_account",
    "request_password_reset",
];
/// What takes no input and needs nothing, so that nothing can be wrong.
const WITHOUT_PROBLEMS: &[&str] = &["get_health", "get_push_key", "list_signing_keys"];

/// The document as a client reads it.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> =
        LazyLock::new(|| serde_json::to_value(afterglow::app::api().into_openapi()).unwrap());
    &DOCUMENT
}

/// One operation of the document.
pub struct Operation {
    pub id: String,
    pub method: String,
    pub path: String,
    pub spec: Value,
}

impl Operation {
    /// Whether it has to be said which version was read.
    pub fn takes_version(&self) -> bool {
        self.spec["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == "If-Match"))
    }
}

/// All operations, by id.
pub fn operations() -> &'static [Operation] {
    static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| read(document()));
    &OPERATIONS
}

/// One of them.
pub fn operation(id: &str) -> &'static Operation {
    operations().iter().find(|operation| operation.id == id).unwrap_or_else(|| panic!("{id} is no operation"))
}

fn read(document: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, spec) in methods.as_object().unwrap() {
            if !["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                continue;
            }
            let id =
                spec["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no operationId"));
            let method = method.to_uppercase();
            all.push(Operation { id: id.to_owned(), method, path: path.clone(), spec: spec.clone() });
        }
    }
    all.sort_by(|one, other| one.id.cmp(&other.id));
    all
}

/// Every value below `value` with the names on the way to it.
fn walk(value: &Value, at: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(at, value);
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, below)| walk(below, &format!("{at}/{name}"), visit))
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, below)| walk(below, &format!("{at}/{index}"), visit));
        }
        _ => {}
    }
}

#[test]
fn the_committed_file_is_the_generated_one() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.yaml");
    let generated = afterglow::app::api().into_openapi().to_yaml().unwrap();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&file, &generated).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == generated, "openapi.yaml is not current; run: cargo run -- openapi > openapi.yaml");
}

#[test]
fn every_operation_has_an_id_of_its_own_and_one_known_tag() {
    let document = document();
    let tags: Vec<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut seen = BTreeMap::new();
    for operation in operations() {
        let own = operation.spec["tags"].as_array().unwrap();
        assert_eq!(own.len(), 1, "{}", operation.id);
        assert!(tags.contains(&own[0].as_str().unwrap()), "{}: tag {} is not declared", operation.id, own[0]);
        assert!(operation.spec["summary"].as_str().is_some_and(|text| !text.is_empty()), "{}", operation.id);
        let twin = seen.insert(operation.id.clone(), operation.path.clone());
        assert_eq!(twin, None, "{} is also {}", operation.id, operation.path);
    }
}

#[test]
fn every_operation_needs_a_login_or_says_that_it_needs_none() {
    let document = document();
    assert_eq!(document["security"], serde_json::json!([{"bearer": []}]));
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    for operation in operations() {
        let open = match &operation.spec["security"] {
            Value::Null => false,
            own => {
                assert_eq!(*own, serde_json::json!([{}]), "{}", operation.id);
                true
            }
        };
        assert_eq!(
            open,
            OPEN.contains(&operation.id.as_str()),
            "{}: {}",
            operation.id,
            operation.spec["security"]
        );
    }
}

#[test]
fn every_operation_has_one_success_and_says_how_it_fails() {
    let document = document();
    for operation in operations() {
        let responses = operation.spec["responses"].as_object().unwrap();
        let successes = responses.keys().filter(|status| status.starts_with('2')).count();
        assert_eq!(successes, 1, "{}", operation.id);
        let failures: Vec<&Value> = responses
            .iter()
            .filter(|(status, _)| status.starts_with(['4', '5']))
            .map(|(_, one)| one)
            .collect();
        let exempt = WITHOUT_PROBLEMS.contains(&operation.id.as_str());
        assert_eq!(failures.is_empty(), exempt, "{}", operation.id);
        for failure in failures {
            let failure = match failure["$ref"].as_str() {
                Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
                None => failure,
            };
            let schema = &failure["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Problem", "{}", operation.id);
        }
    }
}

#[test]
fn every_path_parameter_is_described_and_every_reference_resolves() {
    let document = document();
    for operation in operations() {
        let parameters = operation.spec["parameters"].as_array().cloned().unwrap_or_default();
        for name in operation.path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()) {
            let described = parameters.iter().any(|one| one["in"] == "path" && one["name"] == name);
            assert!(described, "{}: {name}", operation.id);
        }
    }
    walk(document, "", &mut |at, value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let target = document.pointer(reference.trim_start_matches('#'));
            assert!(target.is_some(), "{at}: {reference}");
        }
    });
}

#[test]
fn no_schema_uses_what_client_generators_stumble_over() {
    let mut found = Vec::new();
    walk(document(), "", &mut |at, value| {
        let Some(fields) = value.as_object() else { return };
        let here = at.rsplit('/').next().unwrap_or_default();
        if here == "properties" || at.contains("/example") {
            return;
        }
        let nullable =
            fields.contains_key("$ref") && fields.keys().any(|name| name == "nullable" || name == "type");
        if nullable || fields.contains_key("oneOf") || fields.contains_key("anyOf") {
            found.push(at.to_owned());
        }
    });
    assert!(found.is_empty(), "oneOf, anyOf or a nullable reference at {found:#?}");
}

#[test]
fn no_two_types_share_a_schema_name() {
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut |file, text| {
        let mut schema = false;
        for line in text.lines() {
            if line.starts_with("#[derive(") {
                schema = line.contains("ToSchema");
            }
            let declared = line.strip_prefix("pub ").unwrap_or(line);
            let name = declared.strip_prefix("struct ").or_else(|| declared.strip_prefix("enum "));
            if let (true, Some(name)) = (schema, name) {
                let name: String = name.chars().take_while(|c| c.is_alphanumeric()).collect();
                named.entry(name).or_default().push(file.display().to_string());
                schema = false;
            }
        }
    });
    assert!(named.len() > 20, "the search finds nothing: {named:?}");
    let twice: Vec<_> = named.iter().filter(|(_, files)| files.len() > 1).collect();
    assert!(twice.is_empty(), "one of them hides the other in the document: {twice:?}");
}

fn sources(folder: &Path, visit: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, visit);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            visit(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}
