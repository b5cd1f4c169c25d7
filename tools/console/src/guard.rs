//! Runs before every route: checks the `Host` header, and sets the headers of every answer.

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::refusal::refusal;
use crate::server::App;

/// The page runs only its own scripts and styles, is shown in no other page's frame, and its
/// pictures in no other page.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Lets through requests to this machine by one of its own names, and puts [`HEADERS`] on every
/// answer.
///
/// A page from elsewhere can point a name of its own at 127.0.0.1 and have a browser ask us under
/// that name (DNS rebinding); to the browser that is the page's own server, and the page may read
/// the answer. The name gives it away.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut answer = if is_for_us(request.headers(), app.port) {
        next.run(request).await
    } else {
        let message = format!("this is the console of this machine alone: open http://127.0.0.1:{}/", app.port);
        refusal(StatusCode::MISDIRECTED_REQUEST, &message).into_response()
    };
    for (name, value) in HEADERS {
        answer.headers_mut().insert(name, axum::http::HeaderValue::from_static(value));
    }
    // Counts and pictures are never kept; assets say for themselves.
    let kept = axum::http::HeaderValue::from_static("no-store");
    answer.headers_mut().entry(header::CACHE_CONTROL).or_insert(kept);
    answer
}

fn is_for_us(headers: &HeaderMap, port: u16) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let Some(host) = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) else {
        return false;
    };
    if host.as_str().contains('@') || host.port_u16().unwrap_or(80) != port {
        return false;
    }
    let name = host.host();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_own_names_with_our_port_are_let_through() {
        let for_us = |host: &str, port| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().expect("a header value"));
            is_for_us(&headers, port)
        };
        for host in ["127.0.0.1:8080", "localhost:8080", "LocalHost:8080", "[::1]:8080", "127.0.0.53:8080"] {
            assert!(for_us(host, 8080), "{host}");
        }
        assert!(for_us("localhost", 80), "a browser leaves port 80 out");
        let others = [
            "127.0.0.1",
            "127.0.0.1:8081",
            "camera.example:8080",
            "localhost.example:8080",
            "10.0.0.7:8080",
            "[2001:db8::1]:8080",
            "127.0.0.1.example:8080",
            "user@127.0.0.1:8080",
            "127.0.0.1:80800",
            "",
        ];
        for host in others {
            assert!(!for_us(host, 8080), "{host}");
        }
        assert!(!is_for_us(&HeaderMap::new(), 8080), "without a host");
        let mut two = HeaderMap::new();
        two.append(header::HOST, "127.0.0.1:8080".parse().expect("a header value"));
        two.append(header::HOST, "camera.example".parse().expect("a header value"));
        assert!(!is_for_us(&two, 8080), "with two hosts");
    }
}
