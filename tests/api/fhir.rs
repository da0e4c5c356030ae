//! FHIR: what a bundle holds for whom, what it never holds, and that it is whole. What is built here is written to
//! `target/fhir`, where `tests/fhir/validate.py` parses it with the definitions of FHIR itself.

mod contents;
mod world;

use std::{collections::BTreeSet, fs, path::Path};

use afterglow::export::run_due;
use axum::http::Method;
use chrono::Duration;
use contents::{answered, given, scheduled, written};
use serde_json::{Value, json};
use world::World;

use crate::{
    exports,
    harness::{Person, TestApp, both_engines, counted},
    measures::form,
    review::cover,
};

both_engines![
    a_bundle_has_everything_that_was_shared_with_its_codes,
    what_is_not_shared_is_in_no_bundle,
    each_role_reads_what_is_its_own,
    a_bundle_asks_as_often_for_much_as_for_little,
    a_patient_without_data_has_a_small_bundle,
    what_there_is_is_stated_to_everybody,
];

async fn bundle(who: &Person, patient: &Person) -> Value {
    let reply = who.get(&format!("/v1/patients/{}/fhir", patient.id)).await;
    assert_eq!(reply.headers["content-type"], "application/fhir+json");
    assert_eq!(reply.headers["cache-control"], "no-store");
    let bundle = reply.expect(200);
    whole(&bundle);
    bundle
}

fn all(bundle: &Value) -> impl Iterator<Item = &Value> {
    bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"])
}

fn of<'a>(bundle: &'a Value, kind: &str) -> Vec<&'a Value> {
    all(bundle).filter(|one| one["resourceType"] == kind).collect()
}

fn by_id<'a>(bundle: &'a Value, id: &str) -> &'a Value {
    all(bundle).find(|one| one["id"] == id).unwrap_or_else(|| panic!("no {id} in {bundle}"))
}

fn kinds(bundle: &Value) -> BTreeSet<&str> {
    all(bundle).map(|one| one["resourceType"].as_str().unwrap()).collect()
}

/// The observations with this code.
fn observed<'a>(bundle: &'a Value, code: &str) -> Vec<&'a Value> {
    let coded =
        |one: &&Value| one["code"]["coding"].as_array().unwrap().iter().any(|coding| coding["code"] == code);
    of(bundle, "Observation").into_iter().filter(coded).collect()
}

fn walk(value: &Value, visit: &mut impl FnMut(&Value)) {
    visit(value);
    match value {
        Value::Object(fields) => fields.values().for_each(|below| walk(below, visit)),
        Value::Array(items) => items.iter().for_each(|below| walk(below, visit)),
        _ => {}
    }
}

/// Every reference is an entry of the bundle and names nobody; every resource is labelled; nothing is empty.
fn whole(bundle: &Value) {
    assert_eq!((&bundle["resourceType"], &bundle["type"]), (&json!("Bundle"), &json!("collection")));
    let mut urls = BTreeSet::new();
    for entry in bundle["entry"].as_array().unwrap() {
        let (url, one) = (entry["fullUrl"].as_str().unwrap(), &entry["resource"]);
        assert_eq!(url, format!("urn:uuid:{}", one["id"].as_str().unwrap()));
        assert!(urls.insert(url), "{url} is there twice");
        assert_eq!(one["meta"]["security"][0]["code"], "R", "{one}");
    }
    walk(bundle, &mut |value| {
        assert!(!value.is_null() && *value != json!([]) && *value != json!({}) && *value != json!(""));
        if let Some(reference) = value.get("reference").and_then(Value::as_str) {
            assert!(urls.contains(reference), "{value} is not in the bundle");
            assert!(value.get("display").is_none(), "{value}");
            let kind = all(bundle).find(|one| reference.ends_with(one["id"].as_str().unwrap()));
            assert_eq!(kind.unwrap()["resourceType"], value["type"], "{value}");
        }
    });
}

/// For the validator, by engine.
fn keep(app: &TestApp, name: &str, bundle: &Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fhir");
    fs::create_dir_all(&folder).unwrap();
    let engine = format!("{:?}", app.engine()).to_lowercase();
    fs::write(folder.join(format!("{name}-{engine}.json")), bundle.to_string()).unwrap();
}

async fn own(app: &TestApp, ana: &Person) -> Value {
    let ana = app.log_in(&ana.name).await;
    let asked = exports::ask(&ana).await;
    assert_eq!(run_due(&app.state).await.unwrap(), 1);
    let archive = exports::file(&ana, &asked).await;
    let bundle = serde_json::from_slice(&exports::part(&archive, "fhir.json")).unwrap();
    whole(&bundle);
    bundle
}

async fn a_bundle_has_everything_that_was_shared_with_its_codes(app: TestApp) {
    let world = World::new(&app).await;
    let (ana, bo, mia) = (&world.ana, &world.bo, &world.mia);
    let seen = bundle(bo, ana).await;
    answered(&seen);
    scheduled(&seen, &world);
    written(&seen, &world, bo);
    keep(&app, "therapist", &seen);
    let both = "UPDATE accounts SET capabilities = 'therapist medical' WHERE id = $1";
    app.execute(both, vec![mia.id.into()]).await;
    let treated = bundle(mia, ana).await;
    given(&treated, &world);
    keep(&app, "medical", &treated);
    let hers = own(&app, ana).await;
    given(&hers, &world);
    for words in [
        "mine alone",
        "taken back",
        "for an hour",
        "a goal of my own",
        "my own rule",
        "only for me",
        "hopeful",
    ] {
        assert!(hers.to_string().contains(words), "{words}");
    }
    for absent in ["not finished", "a note of the process", "Contact the patient"] {
        assert!(!hers.to_string().contains(absent), "{absent}");
    }
    let received = of(&hers, "Communication").into_iter().filter(|one| one.get("received").is_some()).count();
    assert_eq!((received, of(&hers, "Consent").len()), (1, 2));
    keep(&app, "own", &hers);
    assert_eq!(kinds(&hers), kinds(&treated));
    let log = ana.get("/v1/me/access-log").await.expect(200);
    let read = log["items"].as_array().unwrap().iter().find(|one| one["action"] == "review.fhir").unwrap();
    assert!(read["what"].as_str().unwrap().contains("FHIR") && read["outcome"] == "done", "{read}");
}

async fn what_is_not_shared_is_in_no_bundle(app: TestApp) {
    let world = World::new(&app).await;
    let (ana, bo) = (&world.ana, &world.bo);
    let seen = bundle(bo, ana).await.to_string();
    for absent in [
        "mine alone",
        "taken back",
        "for an hour",
        "not finished",
        "after the freezing",
        "only for me",
        "hopeful",
        "gad-2",
        "a goal of my own",
        "my own rule",
        "walk to the river",
        "a note of the process",
        "a note to the clinic",
        // Quoted: the digits may be in any id.
        "\"6130\"",
        "\"8867-4\"",
    ] {
        assert!(!seen.contains(absent), "{absent}");
    }
    let withdrawn = json!({"purpose": "sharing_with_care_team", "decision": "withdrawn"});
    ana.post("/v1/consents", &withdrawn).await.expect(201);
    let seen = bundle(bo, ana).await;
    for kind in ["Composition", "DocumentReference", "Goal"] {
        assert_eq!(of(&seen, kind), Vec::<&Value>::new());
    }
    assert!(of(&seen, "Communication").iter().all(|one| one.get("basedOn").is_some()));
    let consents = of(&seen, "Consent");
    assert_eq!(
        (consents.len(), &consents[0]["status"], &consents[0]["provision"]["type"]),
        (1, &json!("inactive"), &json!("deny"))
    );
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    bo.get(&format!("/v1/patients/{}/fhir", ana.id)).await.refused(404, "not_found");
}

async fn each_role_reads_what_is_its_own(app: TestApp) {
    let world = World::new(&app).await;
    let (ana, bo, mia) = (&world.ana, &world.bo, &world.mia);
    let path = format!("/v1/patients/{}/fhir", ana.id);
    let treated = bundle(mia, ana).await;
    given(&treated, &world);
    assert_eq!(of(&treated, "Composition").len(), 2, "what was shared with her");
    for kind in [
        "Goal",
        "CarePlan",
        "QuestionnaireResponse",
        "Questionnaire",
        "CommunicationRequest",
        "Communication",
    ] {
        assert_eq!(of(&treated, kind), Vec::<&Value>::new(), "a therapist's");
    }
    assert!(observed(&treated, "daily-check-in").is_empty() && !of(&treated, "Flag").is_empty());
    let (cy, dee) = (app.therapist("cy").await, app.therapist("dee").await);
    let eve = app.therapist_of("elsewhere", "eve").await;
    cover(bo, &dee, app.now(), app.now() + Duration::days(1)).await.expect(201);
    dee.get(&format!("/v1/patients/{}/digest", ana.id)).await.expect(200);
    for who in [&cy, &eve, &dee, &app.medical("max").await] {
        who.get(&path).await.refused(404, "not_found");
    }
    for who in [&app.coordinator("cleo").await, &app.admin().await, ana] {
        who.get(&path).await.refused(403, "forbidden_role");
    }
    app.anon().get(&path).await.refused(401, "unauthenticated");
}

async fn a_bundle_asks_as_often_for_much_as_for_little(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let path = format!("/v1/patients/{}/fhir", ana.id);
    let ask = async || {
        let request = bo.request(Method::GET, &path).await;
        let (reply, statements) = counted(request.send()).await;
        reply.expect(200);
        statements
    };
    ask().await;
    let little = ask().await;
    for day in 0..20 {
        app.advance(Duration::days(1));
        ana.checkin(5).await;
        let entry = ana.entry("words").await;
        ana.share(&entry, &bo, &json!({})).await.expect(200);
        ana.post(&format!("/v1/journal/entries/{entry}/comments"), &json!({"text": "words"}))
            .await
            .expect(201);
        let mut filled = form("gad-7", "1111111");
        filled["shared"] = json!(true);
        ana.post("/v1/measure-responses", &filled).await.expect(201);
        bo.propose(&ana, "less").await;
        bo.schedule(&ana, "integration", app.now() + Duration::days(40 + day)).await;
    }
    assert_eq!(ask().await, little);
    println!("fhir: {little} statements");
}

async fn a_patient_without_data_has_a_small_bundle(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let seen = bundle(&bo, &ana).await;
    assert_eq!(
        kinds(&seen).into_iter().collect::<Vec<_>>(),
        ["CareTeam", "Organization", "Patient", "Practitioner", "PractitionerRole"]
    );
    assert_eq!(of(&seen, "Patient")[0]["name"][0]["text"], "ana");
    keep(&app, "empty", &seen);
}

async fn what_there_is_is_stated_to_everybody(app: TestApp) {
    let reply = app.anon().get("/v1/fhir/metadata").await;
    let tag = reply.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(reply.headers["content-type"], "application/fhir+json");
    let said = reply.expect(200);
    assert_eq!(
        (&said["resourceType"], &said["fhirVersion"]),
        (&json!("CapabilityStatement"), &json!("4.0.1"))
    );
    let resources = said["rest"][0]["resource"].as_array().unwrap();
    assert!(resources.iter().all(|one| one.get("interaction").is_none()));
    let path = "/v1/fhir/metadata";
    let again = app.anon().request(Method::GET, path).await.header("if-none-match", &tag).send().await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    keep(&app, "metadata", &said);
}
