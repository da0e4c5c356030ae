//! Finding entries again: filters, tags, search; and the versions they had.

use chrono::Duration;
use serde_json::{Value, json};

use crate::harness::{Person, TestApp, both_engines, id_of};

both_engines![
    the_list_is_filtered_by_form_state_mark_and_tag,
    tags_are_kept_changed_and_bounded,
    a_list_by_tag_comes_in_pages,
    a_search_finds_words_anywhere_in_ones_own_entries,
    a_search_goes_on_where_it_stopped,
    what_is_wrong_with_a_search_is_named,
    every_version_of_an_entry_can_be_read,
    versions_come_in_pages,
];

const ENTRIES: &str = "/v1/journal/entries";

async fn write(who: &Person, body: &Value) -> String {
    let id = id_of(&who.post(ENTRIES, body).await.expect(201));
    who.app.advance(Duration::seconds(1));
    id
}

async fn ids(who: &Person, query: &str) -> Vec<String> {
    let list = who.get(&format!("{ENTRIES}{query}")).await.expect(200);
    list["items"].as_array().unwrap().iter().map(id_of).collect()
}

fn note(text: &str, tags: &[&str]) -> Value {
    json!({"fields": {"text": text}, "tags": tags})
}

async fn the_list_is_filtered_by_form_state_mark_and_tag(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    write(&ben, &note("his", &["river"])).await;
    let plain = write(&ana, &note("plain", &[])).await;
    let tagged = write(&ana, &note("tagged", &["Río"])).await;
    let draft = write(&ana, &json!({"state": "draft", "fields": {}, "tags": ["rio", "boat"]})).await;
    let thanks = json!({"template_id": "gratitude", "fields": {"one": "tea"}, "to_talk_about": true});
    let thanks = write(&ana, &thanks).await;
    for (query, wanted) in [
        ("", vec![&thanks, &draft, &tagged, &plain]),
        ("?template_id=gratitude", vec![&thanks]),
        ("?template_id=free-note&state=final", vec![&tagged, &plain]),
        ("?state=draft", vec![&draft]),
        ("?to_talk_about=true", vec![&thanks]),
        ("?to_talk_about=false&limit=2", vec![&draft, &tagged]),
        ("?tag=RIO", vec![&draft, &tagged]),
        ("?tag=rio&state=final", vec![&tagged]),
        ("?tag=ri", vec![]),
        ("?tag=river", vec![]),
    ] {
        assert_eq!(ids(&ana, query).await.iter().collect::<Vec<_>>(), wanted, "{query}");
    }
    for (query, pointer) in [
        ("?state=secret", "query/state"),
        ("?to_talk_about=yes", "query/to_talk_about"),
        ("?tag=", "query/tag"),
        ("?tag=%00", "query/tag"),
        ("?template_id=%00", "query/template_id"),
        ("?limit=0", "query/limit"),
        ("?colour=red", "query/colour"),
    ] {
        ana.get(&format!("{ENTRIES}{query}")).await.invalid(pointer);
    }
}

async fn tags_are_kept_changed_and_bounded(app: TestApp) {
    let ana = app.patient("ana").await;
    let path = format!("{ENTRIES}/{}", write(&ana, &note("x", &["river", "sleep"])).await);
    assert_eq!(ana.get(&path).await.expect(200)["tags"], json!(["river", "sleep"]));
    let kept = ana.patch(&path, 1, &json!({"title": "y"})).await.expect(200);
    assert_eq!((&kept["tags"], &kept["revision"]), (&json!(["river", "sleep"]), &json!(2)));
    let changed = ana.patch(&path, 2, &json!({"tags": ["boat"]})).await.expect(200);
    assert_eq!(
        (&changed["tags"], &changed["revision"]),
        (&json!(["boat"]), &json!(2)),
        "tags are no new words"
    );
    assert!(ana.patch(&path, 3, &json!({"tags": null})).await.expect(200).get("tags").is_none());
    let many: Vec<String> = (0..21).map(|number| number.to_string()).collect();
    for (tags, pointer) in [
        (json!([""]), "/tags/0"),
        (json!(["x", "x".repeat(41)]), "/tags/1"),
        (json!(["x", "x"]), "/tags/1"),
        (json!(many), "/tags"),
        (json!("x"), "/tags"),
    ] {
        ana.post(ENTRIES, &json!({"fields": {"text": "x"}, "tags": tags})).await.invalid(pointer);
        ana.patch(&path, 4, &json!({ "tags": tags })).await.invalid(pointer);
    }
    ana.patch(&path, 4, &json!({"tags": many[..20]})).await.expect(200);
}

async fn a_list_by_tag_comes_in_pages(app: TestApp) {
    let ana = app.patient("ana").await;
    let mut wanted = Vec::new();
    for number in 0..7 {
        let tags: &[&str] = if number % 2 == 0 { &["river"] } else { &["boat"] };
        let id = write(&ana, &note("x", tags)).await;
        if number % 2 == 0 {
            wanted.insert(0, id);
        }
    }
    let (mut seen, mut path) = (Vec::new(), format!("{ENTRIES}?tag=river&limit=2"));
    loop {
        let page = ana.get(&path).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(id_of));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("{ENTRIES}?tag=river&limit=2&cursor={cursor}");
    }
    assert_eq!(seen, wanted);
}

async fn found(who: &Person, query: &str) -> Value {
    who.get(&format!("{ENTRIES}/search?q={query}")).await.expect(200)
}

async fn a_search_finds_words_anywhere_in_ones_own_entries(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    write(&ben, &note("el río", &[])).await;
    let text = write(
        &ana,
        &json!({"title": "La mañana", "fields": {"text": "El RÍO era ancho"}, "tags": ["Sueño"]}),
    )
    .await;
    let parts = json!({"template_id": "ifs-parts-dialogue", "state": "draft", "fields": {"part-name": "The guard",
        "dialogue": [{"speaker": "part", "text": "I keep the river away"}]}});
    let parts = write(&ana, &parts).await;
    for (query, wanted) in [
        ("rio", vec![&text]),
        ("manana+ANCHO+sueno", vec![&text]),
        ("river+guard", vec![&parts]),
        ("ri", vec![&parts, &text]),
        ("river+ancho", vec![]),
        ("speaker", vec![]),
    ] {
        let answer = found(&ana, query).await;
        let items: Vec<String> = answer["items"].as_array().unwrap().iter().map(id_of).collect();
        assert_eq!(items.iter().collect::<Vec<_>>(), wanted, "{query}");
        assert_eq!(answer["complete"], true);
    }
    let path = format!("{ENTRIES}/{text}");
    ana.patch(&path, 1, &json!({"fields": {"text": "El mar"}})).await.expect(200);
    assert_eq!(found(&ana, "ancho").await["items"], json!([]), "only how it reads now");
}

async fn a_search_goes_on_where_it_stopped(app: TestApp) {
    let ana = app.patient("ana").await;
    let mut wanted = Vec::new();
    for number in 0..5 {
        wanted.insert(0, write(&ana, &note(&format!("river {number}"), &[])).await);
    }
    let (mut seen, mut path, mut answers) = (Vec::new(), format!("{ENTRIES}/search?q=river&limit=2"), 0);
    loop {
        let answer = ana.get(&path).await.expect(200);
        answers += 1;
        seen.extend(answer["items"].as_array().unwrap().iter().map(id_of));
        assert_eq!(answer["complete"], json!(answer.get("next_cursor").is_none()));
        let Some(cursor) = answer["next_cursor"].as_str() else { break };
        path = format!("{ENTRIES}/search?q=river&limit=2&cursor={cursor}");
    }
    assert_eq!((seen, answers), (wanted, 3));
}

async fn what_is_wrong_with_a_search_is_named(app: TestApp) {
    let ana = app.patient("ana").await;
    let long = format!("?q={}", "x".repeat(201));
    for (query, pointer) in [
        ("", "query/q"),
        ("?q=", "query/q"),
        ("?q=+", "query/q"),
        ("?q=a+b+c+d+e+f+g+h+i+j+k", "query/q"),
        ("?q=%00", "query/q"),
        ("?q=x&limit=101", "query/limit"),
        ("?q=x&cursor=abc", "query/cursor"),
        (&long, "query/q"),
    ] {
        ana.get(&format!("{ENTRIES}/search{query}")).await.invalid(pointer);
    }
    write(&ana, &note("x", &[])).await;
    let other = ana.get(&format!("{ENTRIES}?limit=1")).await.expect(200);
    assert!(other.get("next_cursor").is_none());
}

async fn every_version_of_an_entry_can_be_read(app: TestApp) {
    let ana = app.patient("ana").await;
    let path =
        format!("{ENTRIES}/{}", write(&ana, &json!({"title": "one", "fields": {"text": "first"}})).await);
    ana.patch(&path, 1, &json!({"fields": {"text": "second"}})).await.expect(200);
    let list = ana.get(&format!("{path}/revisions")).await.expect(200);
    let numbers: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|one| &one["revision"]).collect();
    assert_eq!(numbers, [2, 1]);
    for (revision, text, current) in [(1, "first", false), (2, "second", true)] {
        let one = ana.get(&format!("{path}/revisions/{revision}")).await.expect(200);
        assert_eq!((&one["fields"], &one["title"]), (&json!({"text": text}), &json!("one")));
        assert_eq!((&one["current"], &one["template_version"]), (&json!(current), &json!("1.0.0")));
    }
    for nothing in ["0", "3", "-1"] {
        ana.get(&format!("{path}/revisions/{nothing}")).await.refused(404, "not_found");
    }
    ana.get(&format!("{path}/revisions/last")).await.invalid("path/revision");
    let ben = app.patient("ben").await;
    ben.get(&format!("{path}/revisions")).await.refused(404, "not_found");
    ben.get(&format!("{path}/revisions/1")).await.refused(404, "not_found");
}

async fn versions_come_in_pages(app: TestApp) {
    let ana = app.patient("ana").await;
    let path = format!("{ENTRIES}/{}", write(&ana, &note("0", &[])).await);
    for number in 1..5 {
        let words = json!({"fields": {"text": number.to_string()}});
        ana.patch(&path, number, &words).await.expect(200);
    }
    let (mut seen, mut page) = (Vec::new(), format!("{path}/revisions?limit=2"));
    loop {
        let list = ana.get(&page).await.expect(200);
        seen.extend(list["items"].as_array().unwrap().iter().map(|one| one["revision"].as_i64().unwrap()));
        let Some(cursor) = list["next_cursor"].as_str() else { break };
        page = format!("{path}/revisions?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
}
