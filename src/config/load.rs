//! Reading the settings. The strict part is done here rather than by serde, which would stop at the first mistake and
//! quote the value it did not like.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use figment::{
    Figment, Provider,
    error::Kind,
    providers::{Env, Format, Serialized, Toml},
    value::{Dict, Value},
};

use super::{Config, ConfigError, Problems, check};

const PREFIX: &str = "AFTERGLOW_";
const FILE_VARIABLE: &str = "AFTERGLOW_CONFIG";
const DEFAULT_FILE: &str = "afterglow.toml";
const KEK_VARIABLE: &str = "AFTERGLOW_KEYS__KEK";

pub(super) fn load(path: Option<&Path>) -> Result<Config, ConfigError> {
    let mut problems = Problems::default();
    let text = read_file(path, &mut problems);
    let variables = Env::prefixed(PREFIX).ignore(&["config"]).split("__");
    build(text.as_deref().unwrap_or_default(), variables, problems)
}

fn read_file(path: Option<&Path>, problems: &mut Problems) -> Option<String> {
    let named = path.map(Path::to_owned).or_else(|| std::env::var_os(FILE_VARIABLE).map(PathBuf::from));
    let wanted = named.is_some();
    let file = named.unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    match fs::read_to_string(&file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !wanted => None,
        Err(error) => {
            let advice = format!(
                "the file cannot be read ({error}); name a readable one by --config or {FILE_VARIABLE}"
            );
            problems.add(file.display().to_string(), advice);
            None
        }
    }
}

/// Puts the layers together: defaults, then the file, then the variables.
pub(super) fn build(
    file: &str,
    variables: impl Provider,
    mut problems: Problems,
) -> Result<Config, ConfigError> {
    let mut layers = Figment::new();
    match toml::from_str::<toml::Table>(file) {
        Ok(table) => {
            if table.get("keys").is_some_and(|keys| keys.get("kek").is_some()) {
                problems
                    .add("keys.kek", format!("is not read from a file; use keys.kek_file or {KEK_VARIABLE}"));
            }
            layers = layers.merge(Toml::string(file));
        }
        Err(error) => problems.add(position(file, &error), "is not valid TOML; see config.example.toml"),
    }
    let layers = layers.merge(variables);
    let Some(mut config) = extract(&layers, &mut problems) else {
        return Err(ConfigError { problems: problems.0 });
    };
    config.fill_key_paths();
    check::check(&config, &mut problems);
    problems.into_result().map(|()| config)
}

/// Where a syntax error is. The parser's own words quote the line, which may hold a password.
fn position(file: &str, error: &toml::de::Error) -> String {
    let offset = error.span().map_or(0, |span| span.start.min(file.len()));
    let line = file.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1;
    format!("configuration file, line {line}")
}

/// Reads the merged layers. Each setting that cannot be used is reported, then left out, so that the next one is
/// found too.
fn extract(layers: &Figment, problems: &mut Problems) -> Option<Config> {
    let mut given: Dict = match layers.extract() {
        Ok(dict) => dict,
        Err(_) => {
            problems.add("configuration", "cannot be read as sections and settings; see config.example.toml");
            return None;
        }
    };
    remove_unknown(&mut given, layers, problems);
    loop {
        match Figment::from(Serialized::defaults(&given)).extract::<Config>() {
            Ok(config) => return Some(config),
            Err(error) => {
                let setting = error.path.iter().take(2).cloned().collect::<Vec<_>>();
                let name = setting.join(".");
                problems.add(&name, format!("{}{}", expectation(&error.kind), origin(layers, &name)));
                // Without progress this would never end.
                if !remove(&mut given, &setting) {
                    return None;
                }
            }
        }
    }
}

fn remove_unknown(given: &mut Dict, layers: &Figment, problems: &mut Problems) {
    let known = known_settings();
    let mut unknown = Vec::new();
    for (name, value) in given.iter() {
        match (known.get(name), value) {
            (None, _) => unknown.push(vec![name.clone()]),
            (Some(Value::Dict(_, fields)), Value::Dict(_, values)) => {
                let strangers = values.keys().filter(|field| !fields.contains_key(*field));
                unknown.extend(strangers.map(|field| vec![name.clone(), field.clone()]));
            }
            _ => {}
        }
    }
    for setting in unknown {
        let name = setting.join(".");
        let advice = format!(
            "there is no such setting; config.example.toml lists all of them{}",
            origin(layers, &name)
        );
        problems.add(name, advice);
        remove(given, &setting);
    }
}

/// The names of all settings, by section.
pub(super) fn known_settings() -> Dict {
    let mut known = match Value::serialize(Config::default()) {
        Ok(Value::Dict(_, known)) => known,
        _ => Dict::new(),
    };
    if let Some(Value::Dict(_, keys)) = known.get_mut("keys") {
        keys.insert("kek".to_owned(), Value::from(""));
    }
    known
}

fn remove(given: &mut Dict, setting: &[String]) -> bool {
    match setting {
        [name] => given.remove(name).is_some(),
        [section, field] => match given.get_mut(section) {
            Some(Value::Dict(_, fields)) => fields.remove(field).is_some(),
            _ => given.remove(section).is_some(),
        },
        _ => false,
    }
}

/// What was expected instead. Deliberately silent about what was found.
fn expectation(kind: &Kind) -> String {
    match kind {
        Kind::InvalidType(_, expected) if expected == "a string" => {
            "must be a text; one that looks like a number goes in quotes".to_owned()
        }
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => format!("must be {expected}"),
        Kind::UnknownVariant(_, choices) => format!("must be one of: {}", choices.join(", ")),
        // From readers that never quote: this program's own and those of the standard library.
        Kind::Message(text) => text.clone(),
        Kind::ISizeOutOfRange(_) | Kind::USizeOutOfRange(_) => "is too large a number".to_owned(),
        _ => "cannot be read; see config.example.toml".to_owned(),
    }
}

/// Which variable a setting came from, if from one: a forgotten variable is hard to find.
fn origin(layers: &Figment, setting: &str) -> String {
    let from_variable =
        layers.find_metadata(setting).is_some_and(|source| source.name.contains("environment"));
    if from_variable {
        format!(" (from {PREFIX}{})", setting.to_uppercase().replace('.', "__"))
    } else {
        String::new()
    }
}
