//! The page's files, embedded in the binary.

use std::hash::{DefaultHasher, Hasher};

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::refusal::not_found;

struct Asset {
    name: &'static str,
    media_type: &'static str,
    text: &'static str,
}

macro_rules! assets {
    ($($name:literal: $media_type:literal),* $(,)?) => {
        &[$(Asset { name: $name, media_type: $media_type, text: include_str!(concat!("../assets/", $name)) }),*]
    };
}

const ASSETS: &[Asset] = assets! {
    "index.html": "text/html; charset=utf-8",
    "console.css": "text/css; charset=utf-8",
    "panels.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "app.js": "text/javascript; charset=utf-8",
    "crowd.js": "text/javascript; charset=utf-8",
    "dom.js": "text/javascript; charset=utf-8",
    "feed.js": "text/javascript; charset=utf-8",
    "health.js": "text/javascript; charset=utf-8",
    "i18n.js": "text/javascript; charset=utf-8",
    "load.js": "text/javascript; charset=utf-8",
    "overlay.js": "text/javascript; charset=utf-8",
    "stage.js": "text/javascript; charset=utf-8",
    "store.js": "text/javascript; charset=utf-8",
    "stream.js": "text/javascript; charset=utf-8",
    "en.json": "application/json",
    "zh.json": "application/json",
};

/// `/`
pub(crate) async fn page(headers: HeaderMap) -> Response {
    answer("index.html", &headers)
}

/// `/assets/{name}`
pub(crate) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    answer(&name, &headers)
}

fn answer(name: &str, request: &HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return not_found(&format!("there is no file `{name}`")).into_response();
    };
    let tag = asset.tag();
    // `no-cache` lets a browser keep the file and makes it ask each time: after an update no old
    // script meets new data.
    let kept = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())];
    let known = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    if known.flat_map(|tags| tags.split(',')).any(|known| known.trim().trim_start_matches("W/") == tag) {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    (kept, [(header::CONTENT_TYPE, asset.media_type)], asset.text).into_response()
}

impl Asset {
    /// Changes whenever the text does.
    fn tag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        hasher.write(self.text.as_bytes());
        format!("\"{:016x}\"", hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/assets")).expect("the folder is there");
        let files: BTreeSet<String> =
            folder.map(|file| file.expect("readable").file_name().into_string().expect("a plain name")).collect();
        assert_eq!(files, ASSETS.iter().map(|asset| asset.name.to_owned()).collect());
    }

    #[test]
    fn the_page_names_no_other_host() {
        for asset in ASSETS {
            let foreign = asset.text.replace("http://www.w3.org/2000/svg", "");
            assert!(!foreign.contains("http://") && !foreign.contains("https://"), "{} names a host", asset.name);
        }
    }
}
