//! What the crisis resources have to keep: countries, ways to reach a service, evidence.

use regex::Regex;
use serde_json::Value;

use super::{Found, LANGUAGES, has, list, names, words};

pub fn check(found: &mut Found, data: &Value) {
    let countries = names(&data["countries"], "country");
    found.unique("countries", &countries);
    for must in ["US", "GB", "CA", "AU", "ES"] {
        found.require(countries.contains(&must), || format!("{must} is missing"));
    }
    let services: Vec<&Value> =
        list(&data["countries"]).iter().flat_map(|one| list(&one["services"])).collect();
    let ids: Vec<&str> = services.iter().map(|one| one["id"].as_str().unwrap()).collect();
    found.unique("services", &ids);
    for (key, text) in data["texts"].as_object().unwrap() {
        found.languages(key, text, &LANGUAGES);
    }
    for country in list(&data["countries"]) {
        let what = country["country"].to_string();
        found.matches(&what, &country["country"], "^[A-Z]{2}$");
        let complete = !country["emergency"].is_null() && !list(&country["services"]).is_empty();
        found.require(complete, || format!("{what}: incomplete"));
        found.languages(&what, &country["name"], &["en", "es"]);
    }
    for service in services {
        check_service(found, data, service);
    }
}

fn check_service(found: &mut Found, data: &Value, service: &Value) {
    let what = service["id"].to_string();
    let reachable =
        ["phone", "sms", "chat"].iter().any(|way| service.get(*way).is_some_and(|way| !way.is_null()));
    found.require(reachable, || format!("{what}: no way to reach it"));
    let evidence = has(&data["confidence"], &service["confidence"]) && !list(&service["evidence"]).is_empty();
    found.require(evidence, || format!("{what}: no evidence"));
    for url in [&service["web"], &service["chat"]].into_iter().filter_map(Value::as_str) {
        found.require(url.starts_with("https://"), || format!("{what}: {url}"));
    }
    let number = Regex::new(r"^[0-9*][0-9 \-]*( (then|option) [0-9])?$").unwrap();
    for one in words(&service["phone"]).into_iter().chain(service["sms"]["number"].as_str()) {
        found.require(number.is_match(one), || format!("{what}: odd number {one}"));
    }
}
