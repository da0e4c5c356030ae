//! FHIR: what a bundle holds for whom, what it never holds, and that it is whole. What is built here is written to
//! `target/fhir`, where `tests/fhir/validate.py` parses it with the definitions of FHIR itself.

use std::{collections::BTreeSet, fs, path::Path};

use afterglow::export::run_due;
use axum::http::Method;
use chrono::Duration;
use serde_json::{Value, json};

use crate::{
    authz::{administration, assign},
    exports,
    harness::{Person, TestApp, both_engines, counted, id_of},
    measures::form,
    review::{cover, night},
};

both_engines![
    a_bundle_has_everything_that_was_shared_with_its_codes,
    what_is_not_shared_is_in_no_bundle,
    each_role_reads_what_is_its_own,
    a_bundle_asks_as_often_for_much_as_for_little,
    a_patient_without_data_has_a_small_bundle,
    what_there_is_is_stated_to_everybody,
];

const LOINC: &str = "http://loinc.org";
const HOSTILE: &str = "</div><script>alert(\"1\")</script> & 'words'";

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

/// Ana with something of every kind, her therapist Bo, and Mia who is medical staff.
struct World {
    ana: Person,
    bo: Person,
    mia: Person,
    dosing: String,
    planned: String,
    live: String,
    frozen: String,
    goal: String,
}

impl World {
    async fn new(app: &TestApp) -> Self {
        let (ana, bo, mia) = (app.patient("ana").await, app.therapist("bo").await, app.medical("mia").await);
        assign(app, &ana, &mia).await;
        night(app, &app.therapist("dee").await, "09:00", "17:00").await;
        for purpose in ["sharing_with_care_team", "reminders"] {
            let answer =
                json!({"purpose": purpose, "decision": "given", "text_version": "1", "language": "en"});
            ana.post("/v1/consents", &answer).await.expect(201);
        }
        answers(app, &ana, &bo).await;
        let goal = goals(&ana, &bo).await;
        let (dosing, planned) = sessions(app, (&ana, &bo, &mia)).await;
        let (live, frozen) = journal(&ana, &bo, &mia).await;
        let world = Self { ana, bo, mia, dosing, planned, live, frozen, goal };
        world.words_of_the_patient().await;
        world
    }

    async fn words_of_the_patient(&self) {
        let ana = &self.ana;
        let plan = json!({"coping": ["walk to the river"]});
        ana.request(Method::PUT, "/v1/safety-plan").await.if_match(0).json(&plan).send().await.expect(200);
        let rule = json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": "20:00"}, "body": "my own rule"});
        ana.post("/v1/reminders", &rule).await.expect(201);
        let wish = json!({"kind": "new", "note": "a note to the clinic",
            "preferred": [{"from": "2026-12-01T09:00:00Z", "until": "2026-12-01T12:00:00Z"}]});
        ana.post("/v1/sessions/requests", &wish).await.expect(201);
    }
}

/// What she answered: one form that was asked for, one of her own, and check-ins of July and of today.
async fn answers(app: &TestApp, ana: &Person, bo: &Person) {
    let asked = json!({"measure_id": "phq-9", "due_at": (app.now() + Duration::days(3)).to_rfc3339()});
    let asked = bo.post(&format!("/v1/patients/{}/measure-assignments", ana.id), &asked).await.expect(201);
    let mut filled = form("phq-9", "3331111010");
    filled["assignment_id"] = asked["id"].clone();
    ana.post("/v1/measure-responses", &filled).await.expect(201);
    ana.post("/v1/measure-responses", &form("gad-2", "33")).await.expect(201);
    let july = json!({"mood": 6, "anxiety": 4, "sleep_hours": 7.5, "emotions": ["hopeful"], "note": "only for me",
        "taken_at": "2026-07-15T20:02:00Z"});
    let july = ana.post("/v1/checkins", &july).await.expect(201);
    ana.patch(&format!("/v1/checkins/{}", id_of(&july)), 1, &json!({"mood": 5})).await.expect(200);
    ana.post("/v1/checkins", &json!({"mood": 0, "anxiety": 9})).await.expect(201);
    let alerts = bo.get("/v1/alerts").await.expect(200);
    let low =
        alerts["items"].as_array().unwrap().iter().find(|one| one["rule"] == "checkin-very-low").unwrap();
    let reason = json!({"reason": "a note of the process"});
    bo.post(&format!("/v1/alerts/{}/acknowledge", id_of(low)), &reason).await.expect(200);
}

/// One goal that Bo proposed and she agreed to, and one of her own.
async fn goals(ana: &Person, bo: &Person) -> String {
    let target =
        json!({"measure": "phq-9", "type": "percent-reduction", "value": 50, "due_date": "2027-01-17"});
    let proposal = json!({"title": "Feel less low", "target": target});
    let made = bo.post(&format!("/v1/patients/{}/goals", ana.id), &proposal).await.expect(201);
    ana.post(&format!("/v1/goals/{}/agree", id_of(&made)), &json!({})).await.expect(200);
    ana.goal("a goal of my own").await;
    id_of(&made)
}

/// A dosing session that was held and recorded, a planned one that was moved, and a plan ahead.
async fn sessions(app: &TestApp, (ana, bo, mia): (&Person, &Person, &Person)) -> (String, String) {
    let dosing = id_of(&bo.schedule(ana, "dosing", app.now()).await);
    bo.step(&format!("/v1/sessions/{dosing}/start"), 1).await.expect(200);
    let mut record = administration(app.now());
    let path = format!("/v1/sessions/{dosing}/administration");
    record["correction"].take();
    record.as_object_mut().unwrap().remove("correction");
    mia.request(Method::PUT, &path).await.if_match(0).json(&record).send().await.expect(200);
    app.advance(Duration::minutes(90));
    record["correction"] = json!("the pulse was 72");
    record["vitals"][0]["pulse"] = json!(72);
    record["vitals"][0]["oxygen_saturation"] = json!(97);
    mia.request(Method::PUT, &path).await.if_match(1).json(&record).send().await.expect(200);
    bo.step(&format!("/v1/sessions/{dosing}/complete"), 2).await.expect(200);
    let planned = id_of(&bo.schedule(ana, "integration", app.now() + Duration::days(2)).await);
    let path = format!("/v1/sessions/{planned}");
    ana.patch(&format!("{path}/intention"), 1, &json!({"text": "to meet my grief", "shared": true}))
        .await
        .expect(200);
    bo.patch(&path, 2, &json!({"starts_at": "2027-07-01T10:00:00Z", "location": "telehealth"}))
        .await
        .expect(200);
    let plan = json!({"template_id": "kap-weekly-4", "first_dosing_on": "2027-01-04", "route": "im",
        "without_measures": true});
    bo.post(&format!("/v1/patients/{}/plans", ana.id), &plan).await.expect(201);
    let told = "UPDATE notifications SET state = 'accepted', accepted_at = $2, shown_at = $2 WHERE recipient_id = $1 \
        AND origin_kind = 'session' AND id = (SELECT id FROM notifications WHERE recipient_id = $1 \
        AND origin_kind = 'session' AND state = 'planned' ORDER BY due_at, id LIMIT 1)";
    assert_eq!(app.execute(told, vec![ana.id.into(), app.now().into()]).await.rows_affected(), 1);
    (dosing, planned)
}

/// Entries of every fate: live, frozen, unshared again, for a while only, a draft, and hers alone.
async fn journal(ana: &Person, bo: &Person, mia: &Person) -> (String, String) {
    let live = ana.entry(HOSTILE).await;
    let frozen = ana.entry("as it was frozen").await;
    let gone = ana.entry("taken back").await;
    let over = ana.entry("for an hour").await;
    ana.entry("mine alone").await;
    let draft = json!({"state": "draft", "fields": {"text": "not finished"}});
    ana.post("/v1/journal/entries", &draft).await.expect(201);
    let hour = ana.app.now() + Duration::hours(1);
    for (entry, how) in [
        (&live, json!({})),
        (&frozen, json!({"frozen": true})),
        (&gone, json!({})),
        (&over, json!({"until": hour})),
    ] {
        for member in [bo, mia] {
            ana.share(entry, member, &how).await.expect(200);
        }
    }
    for member in [bo, mia] {
        ana.unshare(&gone, member).await.expect(204);
    }
    ana.app.advance(Duration::hours(1));
    for (entry, words) in [(&live, "written later, for Bo too"), (&frozen, "after the freezing")] {
        let words = json!({"fields": {"text": format!("{words} {HOSTILE}")}});
        ana.patch(&format!("/v1/journal/entries/{entry}"), 1, &words).await.expect(200);
    }
    let below = format!("journal/entries/{live}/comments");
    bo.post(&format!("/v1/patients/{}/{below}", ana.id), &json!({"text": "Thank you."})).await.expect(201);
    ana.post(&format!("/v1/{below}"), &json!({"text": "Until Tuesday."})).await.expect(201);
    (live, frozen)
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

fn answered(seen: &Value) {
    let totals = observed(seen, "44261-6");
    assert_eq!((totals.len(), of(seen, "QuestionnaireResponse").len()), (1, 1));
    let (total, response) = (totals[0], of(seen, "QuestionnaireResponse")[0]);
    assert_eq!(
        total["valueQuantity"],
        json!({"value": 14, "unit": "{score}", "system": "http://unitsofmeasure.org", "code": "{score}"})
    );
    assert_eq!(total["interpretation"][0]["text"], "Moderate");
    assert_eq!(
        total["derivedFrom"][0]["reference"],
        format!("urn:uuid:{}", response["id"].as_str().unwrap())
    );
    assert_eq!(total["effectiveDateTime"], "2026-11-22T13:00:00+01:00");
    let first =
        json!([{"valueCoding": {"system": LOINC, "code": "LA6571-9", "display": "Nearly every day"}}]);
    assert_eq!(response["item"][0]["answer"], first);
    assert_eq!(
        (&response["status"], &response["questionnaire"]),
        (&json!("completed"), &json!("urn:afterglow:measure:phq-9|1.0.0"))
    );
    let asked = of(seen, "Questionnaire")[0];
    let copyright = asked["copyright"].as_str().unwrap();
    assert!(copyright.contains("Spitzer") && copyright.contains("LOINC"), "{copyright}");
    assert_eq!(
        asked["code"],
        json!([{"system": LOINC, "code": "44249-1", "display": "PHQ-9 quick depression assessment panel [Reported.PHQ]"}])
    );
    let daily = observed(seen, "daily-check-in");
    let (july, low) = (daily[0], daily[1]);
    assert_eq!(
        (&july["effectiveDateTime"], &july["status"]),
        (&json!("2026-07-15T22:02:00+02:00"), &json!("amended"))
    );
    assert_eq!(
        (&low["effectiveDateTime"], &low["status"]),
        (&json!("2026-11-22T13:00:00+01:00"), &json!("final"))
    );
    let parts: Vec<&str> = july["component"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["code"]["coding"][0]["code"].as_str().unwrap())
        .collect();
    assert_eq!(parts, ["mood", "anxiety", "sleep-hours"], "numbers only, and none for energy");
    let flags = of(seen, "Flag");
    let flag = |rule: &str| flags.iter().find(|one| one["code"]["coding"][0]["code"] == rule).unwrap();
    assert_eq!(flag("phq9-item9-any")["status"], "active");
    assert!(flag("phq9-item9-any")["code"]["text"].is_string());
    assert_eq!(
        (&flag("checkin-very-low")["status"], &flag("checkin-very-low")["period"]["end"]),
        (&json!("inactive"), &json!("2026-11-22T13:00:00+01:00"))
    );
}

fn scheduled(seen: &Value, world: &World) {
    let (dosing, planned) = (by_id(seen, &world.dosing), by_id(seen, &world.planned));
    assert_eq!(dosing["status"], "fulfilled");
    assert_eq!((&planned["status"], &planned["meta"]["versionId"]), (&json!("booked"), &json!("3")));
    assert_eq!(planned["start"], "2027-07-01T12:00:00+02:00");
    let proposed = of(seen, "Appointment").into_iter().find(|one| one["status"] == "proposed").unwrap();
    assert_eq!(proposed["requestedPeriod"][0]["start"], "2026-12-01T10:00:00+01:00");
    let encounters = of(seen, "Encounter");
    let held = encounters.iter().find(|one| one["status"] == "finished").unwrap();
    assert_eq!(
        held["period"],
        json!({"start": "2026-11-22T13:00:00+01:00", "end": "2026-11-22T14:30:00+01:00"})
    );
    assert_eq!(
        (&held["class"]["code"], &held["type"][0]["coding"][0]["code"]),
        (&json!("AMB"), &json!("dosing"))
    );
    assert!(encounters.iter().any(|one| one["class"]["code"] == "VR"));
    let plan = of(seen, "CarePlan")[0];
    assert_eq!(
        (&plan["status"], &plan["instantiatesUri"][0]),
        (&json!("active"), &json!("urn:afterglow:plan-template:kap-weekly-4"))
    );
    assert!(plan["activity"].as_array().unwrap().len() > 4);
    assert_eq!(plan["goal"][0]["reference"], format!("urn:uuid:{}", world.goal));
    let target = &by_id(seen, &world.goal)["target"][0];
    assert_eq!(
        (&target["detailQuantity"]["value"], &target["dueDate"]),
        (&json!(7), &json!("2027-01-17")),
        "half of 14"
    );
    let asked = of(seen, "CommunicationRequest");
    assert!(
        asked.iter().any(|one| one["status"] == "active")
            && asked.iter().any(|one| one["status"] == "completed")
    );
    let reminders = of(seen, "Communication").into_iter().filter(|one| one.get("basedOn").is_some());
    let reminders: Vec<&Value> = reminders.collect();
    assert!(reminders.len() == 1 && reminders[0].get("received").is_none(), "{reminders:?}");
}

fn written(seen: &Value, world: &World, reader: &Person) {
    let (live, frozen) = (by_id(seen, &world.live), by_id(seen, &world.frozen));
    assert_eq!(of(seen, "Composition").len(), 2);
    assert_eq!((&live["status"], &live["title"]), (&json!("amended"), &json!(HOSTILE)));
    let text = live["section"][0]["text"]["div"].as_str().unwrap();
    assert!(
        text.contains("written later, for Bo too &lt;/div&gt;&lt;script&gt;") && !text.contains("<script"),
        "{text}"
    );
    assert_eq!(text.matches("</div>").count(), 1);
    assert_eq!((&frozen["status"], frozen.to_string().contains("as it was frozen")), (&json!("final"), true));
    let comments: Vec<&Value> =
        of(seen, "Communication").into_iter().filter(|one| one.get("basedOn").is_none()).collect();
    assert_eq!(comments.len(), 2);
    let (his, hers) = (comments[0], comments[1]);
    assert_eq!(his["recipient"][0]["type"], "Patient");
    assert_eq!(hers["recipient"][0]["reference"], format!("urn:uuid:{}", reader.id));
    assert_eq!(hers["inResponseTo"][0]["reference"], format!("urn:uuid:{}", his["id"].as_str().unwrap()));
    let intention = of(seen, "DocumentReference")[0];
    let data = intention["content"][0]["attachment"]["data"].as_str().unwrap();
    assert_eq!(data_encoding::BASE64.decode(data.as_bytes()).unwrap(), b"to meet my grief");
}

fn given(seen: &Value, world: &World) {
    let doses = of(seen, "MedicationAdministration");
    assert_eq!(doses.len(), 1);
    let (dose, encounter) = (doses[0], &doses[0]["context"]["reference"]);
    assert_eq!(dose["medicationCodeableConcept"]["coding"][0]["code"], "6130");
    assert_eq!(
        dose["dosage"]["route"]["coding"][0],
        json!({"system": "http://terminology.hl7.org/CodeSystem/v2-0162", "code": "IM", "display": "Intramuscular"})
    );
    assert_eq!(
        dose["dosage"]["dose"],
        json!({"value": 60, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"})
    );
    assert_eq!(
        (&dose["effectiveDateTime"], &dose["meta"]["versionId"]),
        (&json!("2026-11-22T13:00:00+01:00"), &json!("2"))
    );
    let held = of(seen, "Encounter")
        .into_iter()
        .find(|one| *encounter == format!("urn:uuid:{}", one["id"].as_str().unwrap()));
    assert_eq!(held.unwrap()["appointment"][0]["reference"], format!("urn:uuid:{}", world.dosing));
    let pressure = observed(seen, "85354-9")[0];
    let parts = pressure["component"].as_array().unwrap();
    assert_eq!(
        (&parts[0]["valueQuantity"]["value"], &parts[1]["valueQuantity"]["code"]),
        (&json!(128), &json!("mm[Hg]"))
    );
    let pulse = observed(seen, "8867-4")[0];
    assert_eq!((&pulse["status"], &pulse["valueQuantity"]["value"]), (&json!("corrected"), &json!(72)));
    assert_eq!(observed(seen, "59408-5")[0]["valueQuantity"]["unit"], "%");
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
        "6130",
        "8867-4",
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
