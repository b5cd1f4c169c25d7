//! Answers that say what was wrong, as JSON: `{"error": "…"}`.

use axum::Json;
use axum::http::StatusCode;

/// A request that isn't answered with what it asked for.
pub(crate) type Refusal = (StatusCode, Json<serde_json::Value>);

pub(crate) fn refusal(status: StatusCode, message: &str) -> Refusal {
    (status, Json(serde_json::json!({ "error": message })))
}

pub(crate) fn not_found(message: &str) -> Refusal {
    refusal(StatusCode::NOT_FOUND, message)
}
