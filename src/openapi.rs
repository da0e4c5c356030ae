//! The contract as a document: collected from the handlers, written to `openapi.yaml`, and served.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses, Modify, OpenApi,
    openapi::{
        Content, Ref, RefOr, Response, ResponseBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::error::{FieldError, Problem};

/// What every operation may answer instead of its success.
pub struct Problems;

const PROBLEMS: [(&str, &str); 13] = [
    ("400", "The request could not be read."),
    ("401", "No valid login."),
    ("403", "Not with this role."),
    ("404", "Not there, or not yours."),
    ("408", "The request took too long to arrive."),
    ("409", "It does not fit the present state."),
    ("412", "It was changed since you read it."),
    ("413", "The body is too large."),
    ("415", "The body is not JSON."),
    ("422", "Some fields were not accepted."),
    ("428", "If-Match is missing."),
    ("429", "Too many attempts; see Retry-After."),
    ("503", "Something we need is away; nothing was changed. See Retry-After."),
];

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        PROBLEMS
            .into_iter()
            .map(|(status, _)| {
                (status.to_owned(), RefOr::Ref(Ref::from_response_name(format!("Problem{status}"))))
            })
            .collect()
    }
}

/// The problem responses, once for all operations.
struct ProblemResponses;

impl Modify for ProblemResponses {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let mut components = api.components.take().unwrap_or_default();
        for (status, description) in PROBLEMS {
            let content = Content::new(Some(RefOr::Ref(Ref::from_schema_name("Problem"))));
            let response =
                ResponseBuilder::new().description(description).content("application/problem+json", content);
            components.responses.insert(format!("Problem{status}"), RefOr::T(response.build()));
        }
        api.components = Some(components);
    }
}

struct BearerAuth;

impl Modify for BearerAuth {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let mut components = api.components.take().unwrap_or_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
        api.components = Some(components);
    }
}

/// The head of the document; paths and schemas come from the routers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Afterglow",
        description = "Companion backend for ketamine-assisted psychotherapy: goals, check-ins and an integration journal, reminders on the patient's wall clock, and for therapists what the patient chose to share. Nobody watches around the clock.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "this server")),
    components(schemas(Problem, FieldError)),
    security(("bearer" = [])),
    modifiers(&BearerAuth, &ProblemResponses),
    tags(
        (name = "accounts", description = "Register by invitation, log in, refresh, devices."),
        (name = "me", description = "Who is calling."),
        (name = "care", description = "The clinic, invitations, and who cares for a patient."),
        (name = "consents", description = "What I was asked, in which words, and what I answered."),
        (name = "checkins", description = "Mood check-ins."),
        (name = "goals", description = "Goals: the patient's own until shared; a therapist's proposal counts once the patient agrees."),
        (name = "journal", description = "The integration journal; private until the patient shares an entry."),
        (name = "sessions", description = "Appointments of a treatment."),
        (name = "reminders", description = "Standing reminders and the ledger of what was sent."),
        (name = "push", description = "Devices that receive Web Push."),
        (name = "sync", description = "What devices that were offline send and learn."),
        (name = "prompts", description = "Short exercises, and the one for today."),
        (name = "safety", description = "Whom to call in a crisis, and the patient's own safety plan."),
        (name = "measures", description = "Questionnaires, what was answered, and what it comes to."),
        (name = "plans", description = "Courses of treatment from templates, and when the clinic is open."),
        (name = "review", description = "The therapist's side: who is in my care, and what they shared that I have not reviewed."),
        (name = "operations", description = "Health of the service.")
    )
)]
pub struct ApiDoc;
