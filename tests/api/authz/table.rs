//! What each operation answers everybody.

/// Everybody who asks, in the order of the table's columns.
const WHO: [&str; 9] = [
    "nobody",
    "the patient herself",
    "another patient",
    "a therapist of the clinic without her",
    "her therapist",
    "her former therapist",
    "another clinic's therapist",
    "the clinic's admin",
    "a device of hers that was logged out",
];

const OPEN: [u16; 9] = [200; 9];
const ANYBODY: [u16; 9] = [401, 200, 200, 200, 200, 200, 200, 200, 401];
const ANYBODY_204: [u16; 9] = [401, 204, 204, 204, 204, 204, 204, 204, 401];
const ANYBODY_CREATES: [u16; 9] = [401, 201, 201, 201, 201, 201, 201, 201, 401];
const PATIENTS: [u16; 9] = [401, 200, 200, 403, 403, 403, 403, 403, 401];
const PATIENTS_204: [u16; 9] = [401, 204, 204, 403, 403, 403, 403, 403, 401];
const PATIENTS_CREATE: [u16; 9] = [401, 201, 201, 403, 403, 403, 403, 403, 401];
const HERS: [u16; 9] = [401, 200, 404, 403, 403, 403, 403, 403, 401];
const HERS_204: [u16; 9] = [401, 204, 404, 403, 403, 403, 403, 403, 401];
const HER_DEVICE: [u16; 9] = [401, 200, 404, 404, 404, 404, 404, 404, 401];
const HER_DEVICE_204: [u16; 9] = [401, 204, 404, 404, 404, 404, 404, 404, 401];
const STAFF: [u16; 9] = [401, 403, 403, 200, 200, 200, 200, 200, 401];
const ADMINS: [u16; 9] = [401, 403, 403, 403, 403, 403, 403, 200, 401];
const HER_THERAPIST: [u16; 9] = [401, 403, 403, 404, 200, 404, 404, 403, 401];
const HER_THERAPIST_CREATES: [u16; 9] = [401, 403, 403, 404, 201, 404, 404, 403, 401];

const NO_THERAPISTS: [u16; 9] = [401, 403, 403, 403, 403, 403, 403, 403, 401];

/// What each operation answers each of them. A new operation without a row here fails the test.
pub const TABLE: &[(&str, [u16; 9])] = &[
    ("register_account", [201; 9]),
    ("create_login", OPEN),
    ("refresh_login", OPEN),
    ("list_signing_keys", OPEN),
    ("get_health", OPEN),
    ("get_readiness", OPEN),
    ("get_push_key", OPEN),
    ("get_invitation_preview", OPEN),
    ("get_passphrase_suggestion", OPEN),
    ("request_password_reset", [202; 9]),
    // Each brings a token or a code of its own.
    ("confirm_password_reset", [204; 9]),
    // Nothing but the desk's code: that it counts with a code of her own has tests of its own.
    ("recover_account", OPEN),
    ("cancel_recovery", HERS_204),
    ("create_recovery_codes", ANYBODY_CREATES),
    ("create_patient_recovery", [401, 403, 403, 404, 201, 404, 404, 201, 401]),
    ("reauthenticate", ANYBODY_204),
    ("change_password", ANYBODY_204),
    ("begin_totp", ANYBODY),
    // Nobody here knows the code; that the right one works has tests of its own.
    ("confirm_totp", [401, 422, 422, 422, 422, 422, 422, 422, 401]),
    ("disable_totp", [401, 204, 204, 409, 409, 409, 409, 409, 401]),
    ("delete_login", ANYBODY_204),
    ("list_devices", ANYBODY),
    ("delete_device", HER_DEVICE_204),
    ("get_me", ANYBODY),
    ("update_me", ANYBODY),
    ("get_clinic", ANYBODY),
    // Therapists invite patients; her therapist made the invitation that is deleted.
    ("create_invitation", [401, 403, 403, 201, 201, 201, 201, 403, 401]),
    ("get_invitation_page", [401, 403, 403, 404, 200, 404, 404, 403, 401]),
    ("list_invitations", [401, 403, 403, 200, 200, 200, 200, 200, 401]),
    ("delete_invitation", [401, 403, 403, 404, 204, 404, 404, 404, 401]),
    ("list_care_team", PATIENTS),
    ("delete_care_team_member", HERS_204),
    ("create_checkin", PATIENTS_CREATE),
    ("list_checkins", PATIENTS),
    ("get_checkin", HERS),
    ("update_checkin", HERS),
    ("delete_checkin", HERS_204),
    ("list_journal_templates", OPEN),
    ("create_journal_entry", PATIENTS_CREATE),
    ("list_journal_entries", PATIENTS),
    ("get_journal_entry", HERS),
    ("search_journal_entries", PATIENTS),
    ("list_journal_revisions", HERS),
    ("get_journal_revision", HERS),
    ("preview_journal_entry", HERS),
    ("create_journal_comment", [401, 201, 404, 403, 403, 403, 403, 403, 401]),
    ("list_journal_comments", HERS),
    ("delete_journal_comment", HERS_204),
    ("create_shared_comment", HER_THERAPIST_CREATES),
    ("list_shared_comments", HER_THERAPIST),
    ("delete_shared_comment", [401, 403, 403, 404, 204, 404, 404, 403, 401]),
    ("update_journal_entry", HERS),
    ("delete_journal_entry", HERS_204),
    ("list_journal_shares", HERS),
    ("put_journal_share", HERS),
    ("delete_journal_share", HERS_204),
    ("list_shared_entries", HER_THERAPIST),
    ("get_shared_entry", HER_THERAPIST),
    ("create_session", HER_THERAPIST_CREATES),
    ("list_patient_sessions", HER_THERAPIST),
    ("list_sessions", PATIENTS),
    ("get_session", HERS),
    ("update_session", HER_THERAPIST),
    ("start_session", HER_THERAPIST),
    ("complete_session", HER_THERAPIST),
    ("cancel_session", HER_THERAPIST),
    ("mark_session_no_show", HER_THERAPIST),
    ("create_session_request", PATIENTS_CREATE),
    ("list_session_requests", PATIENTS),
    ("get_session_request", HERS),
    ("withdraw_session_request", HERS_204),
    ("accept_session_offer", HERS),
    ("list_patient_session_requests", [401, 403, 403, 200, 200, 200, 200, 403, 401]),
    ("get_patient_session_request", HER_THERAPIST),
    ("offer_session", HER_THERAPIST),
    ("decline_session_request", HER_THERAPIST),
    ("put_session_administration", NO_THERAPISTS),
    ("get_session_administration", HERS),
    ("list_session_administration_versions", HERS),
    ("get_patient_administration", NO_THERAPISTS),
    ("list_patient_administration_versions", NO_THERAPISTS),
    ("create_reminder", PATIENTS_CREATE),
    ("list_reminders", PATIENTS),
    ("get_reminder", HERS),
    ("update_reminder", HERS),
    ("delete_reminder", HERS_204),
    ("list_upcoming_reminders", PATIENTS),
    ("create_patient_reminder", HER_THERAPIST_CREATES),
    ("list_patient_reminders", HER_THERAPIST),
    ("update_patient_reminder", HER_THERAPIST),
    ("delete_patient_reminder", [401, 403, 403, 404, 204, 404, 404, 403, 401]),
    ("get_clinic_timeline", STAFF),
    ("put_clinic_timeline", ADMINS),
    ("list_notifications", PATIENTS),
    ("snooze_notification", [401, 201, 404, 403, 403, 403, 403, 403, 401]),
    ("mark_notification_opened", HERS_204),
    ("mark_notification_done", HERS_204),
    // Whoever has the token of a push was sent it.
    ("create_push_receipt", [204; 9]),
    ("create_push_subscription", ANYBODY_CREATES),
    ("list_push_subscriptions", ANYBODY),
    ("delete_push_subscription", HER_DEVICE_204),
    ("test_push_subscription", HER_DEVICE),
    ("pull_changes", PATIENTS),
    ("push_changes", PATIENTS),
    ("get_crisis_resources", OPEN),
    ("get_safety_plan", PATIENTS),
    // Everybody has a plan of their own; another patient's is not at version 1.
    ("put_safety_plan", [401, 200, 412, 403, 403, 403, 403, 403, 401]),
    ("list_prompts", PATIENTS),
    ("get_todays_prompt", PATIENTS),
    ("put_prompt_favourite", PATIENTS_204),
    ("delete_prompt_favourite", PATIENTS_204),
    ("get_session_intention", HERS),
    ("update_session_intention", HERS),
    ("list_session_readiness", HERS),
    ("put_session_readiness", HERS),
    ("get_session_preparation", HER_THERAPIST),
    ("get_checkin_trend", PATIENTS),
    ("get_patient_checkin_trend", HER_THERAPIST),
    ("list_goal_templates", OPEN),
    ("create_goal", PATIENTS_CREATE),
    ("list_goals", PATIENTS),
    ("get_goal", HERS),
    ("update_goal", HERS),
    ("delete_goal", HERS_204),
    ("agree_to_goal", HERS),
    ("create_goal_progress", [401, 201, 404, 403, 403, 403, 403, 403, 401]),
    ("list_goal_progress", HERS),
    ("update_goal_progress", HERS),
    ("delete_goal_progress", HERS_204),
    ("list_goal_shares", HERS),
    ("put_goal_share", HERS),
    ("delete_goal_share", HERS_204),
    ("propose_goal", HER_THERAPIST_CREATES),
    ("list_patient_goals", HER_THERAPIST),
    ("get_patient_goal", HER_THERAPIST),
    ("create_attachment", [401, 201, 404, 403, 403, 403, 403, 403, 401]),
    ("list_attachments", HERS),
    ("get_attachment", HERS),
    ("put_attachment_part", HERS),
    ("complete_attachment", HERS),
    ("delete_attachment", HERS_204),
    ("get_shared_attachment", HER_THERAPIST),
    ("list_measures", OPEN),
    ("get_measure", OPEN),
    ("create_measure_response", PATIENTS_CREATE),
    ("list_measure_responses", PATIENTS),
    ("get_measure_response", HERS),
    ("put_measure_share", HERS),
    ("delete_measure_share", HERS_204),
    ("list_measure_assignments", PATIENTS),
    ("create_measure_assignment", HER_THERAPIST_CREATES),
    ("list_patient_measure_assignments", HER_THERAPIST),
    ("cancel_measure_assignment", [401, 403, 403, 404, 204, 404, 404, 403, 401]),
    ("list_patient_measure_responses", HER_THERAPIST),
    ("list_consent_texts", OPEN),
    ("create_consent", PATIENTS_CREATE),
    ("get_today", PATIENTS),
    ("get_offline_pack", PATIENTS),
    ("get_erasure", PATIENTS),
    ("request_erasure", PATIENTS),
    ("cancel_erasure", PATIENTS_204),
    ("create_export", [401, 202, 202, 403, 403, 403, 403, 403, 401]),
    ("get_export", HERS),
    ("download_export", HERS),
    ("list_consents", PATIENTS),
    ("get_delivery_policy", PATIENTS),
    ("update_delivery_policy", PATIENTS),
    ("put_pause", PATIENTS),
    ("delete_pause", [401, 204, 204, 403, 403, 403, 403, 403, 401]),
    ("list_access_log", PATIENTS),
    ("join_care_team", PATIENTS_CREATE),
    ("list_staff", ADMINS),
    ("update_staff_member", ADMINS),
    ("update_clinic", ADMINS),
    ("list_plan_templates", [401, 403, 403, 200, 200, 200, 200, 403, 401]),
    ("get_clinic_plan_templates", ADMINS),
    ("put_clinic_plan_templates", ADMINS),
    ("get_clinic_hours", STAFF),
    ("put_clinic_hours", ADMINS),
    ("get_response_policy", STAFF),
    ("put_response_policy", ADMINS),
    ("delete_response_policy", [401, 403, 403, 403, 403, 403, 403, 204, 401]),
    ("get_form_thresholds", STAFF),
    ("sign_form_thresholds", [401, 403, 403, 200, 200, 200, 200, 403, 401]),
    ("withdraw_form_thresholds", [401, 403, 403, 204, 204, 204, 204, 403, 401]),
    ("create_plan", HER_THERAPIST_CREATES),
    ("list_patient_plans", HER_THERAPIST),
    ("get_patient_plan", HER_THERAPIST),
    ("update_patient_plan", HER_THERAPIST),
    ("list_plans", PATIENTS),
    ("list_patients", [401, 403, 403, 200, 200, 200, 200, 403, 401]),
    ("get_review_queue", [401, 403, 403, 200, 200, 200, 200, 403, 401]),
    ("put_entry_review", HER_THERAPIST),
    ("get_digest", HER_THERAPIST),
    ("get_patient_fhir", HER_THERAPIST),
    ("get_fhir_metadata", OPEN),
    ("list_alerts", [401, 403, 403, 200, 200, 200, 200, 403, 401]),
    ("acknowledge_alert", HER_THERAPIST),
    ("list_own_alerts", PATIENTS),
    ("create_cover", [401, 403, 403, 201, 201, 201, 422, 403, 401]),
    ("list_covers", STAFF),
    ("propose_handover", HER_THERAPIST_CREATES),
    ("withdraw_handover", [401, 403, 403, 404, 204, 404, 404, 403, 401]),
    ("list_handovers", PATIENTS),
    ("accept_handover", HERS_204),
    ("decline_handover", HERS_204),
    // The one that is deleted is her therapist's.
    ("delete_cover", [401, 403, 403, 404, 204, 404, 404, 404, 401]),
];

/// Staff who are no therapists, in the order of the columns of [`OF_ROLES`].
const ROLES: [&str; 4] = [
    "medical staff in her care",
    "medical staff without her",
    "the clinic's coordinator",
    "another clinic's coordinator",
];

const HER_MEDICAL: [u16; 4] = [200, 404, 403, 403];
const COORDINATOR: [u16; 4] = [403, 403, 200, 404];
const COORDINATORS: [u16; 4] = [403, 403, 200, 200];

/// What these roles may do. Everything else is closed to them, or answers them as it answers all staff.
const OF_ROLES: &[(&str, [u16; 4])] = &[
    // It has to be said whose care the patient would come into.
    ("create_invitation", [403, 403, 422, 422]),
    // The front desk of her clinic.
    ("create_patient_recovery", [403, 403, 201, 404]),
    // Their own, and this one is her therapist's.
    ("get_invitation_page", [403, 403, 404, 404]),
    ("list_alerts", [200, 200, 403, 403]),
    ("acknowledge_alert", HER_MEDICAL),
    ("list_patient_sessions", HER_MEDICAL),
    ("get_session_preparation", HER_MEDICAL),
    ("list_shared_entries", HER_MEDICAL),
    ("get_patient_fhir", HER_MEDICAL),
    ("get_shared_entry", SHARED_WITH_ANOTHER),
    ("get_shared_attachment", SHARED_WITH_ANOTHER),
    ("put_session_administration", HER_MEDICAL),
    ("get_patient_administration", HER_MEDICAL),
    ("list_patient_administration_versions", HER_MEDICAL),
    ("list_patient_session_requests", COORDINATORS),
    ("get_patient_session_request", COORDINATOR),
    ("offer_session", COORDINATOR),
    ("decline_session_request", COORDINATOR),
    ("list_plan_templates", COORDINATORS),
    // Clinicians sign for their own clinic.
    ("sign_form_thresholds", [200, 200, 403, 403]),
    ("withdraw_form_thresholds", [204, 204, 403, 403]),
];

const SHARED_WITH_ANOTHER: [u16; 4] = [404, 404, 403, 403];

/// A role without a line of its own is answered like a therapist and an admin where both are answered alike, and else
/// refused.
fn row_of_roles(id: &str) -> [u16; 4] {
    let mut rows = OF_ROLES.iter().filter(|(operation, _)| *operation == id);
    let row = rows.next();
    assert!(rows.next().is_none(), "{id} has two rows");
    let everybody = row_of_people(id);
    let (therapist, admin) = (everybody[3], everybody[7]);
    row.map_or(if therapist == admin { [admin; 4] } else { [403; 4] }, |(_, row)| *row)
}

/// What everybody is answered, in the order of [`World::people`].
pub fn row(id: &str) -> Vec<u16> {
    row_of_people(id).into_iter().chain(row_of_roles(id)).collect()
}

pub fn asking(column: usize) -> &'static str {
    WHO.iter().chain(&ROLES).nth(column).unwrap()
}

pub fn row_of_people(id: &str) -> [u16; 9] {
    let mut rows = TABLE.iter().filter(|(operation, _)| *operation == id);
    let (_, row) = rows.next().unwrap_or_else(|| panic!("{id} is new: say in this table who may do it"));
    assert!(rows.next().is_none(), "{id} has two rows");
    *row
}
