//! The page's words: both languages have all of them, and there is one for whatever the node may
//! say.

#![allow(clippy::expect_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_core::event::{Decision, Level, Method, Reason, SelfAssessment};
use gatehouse_core::health::CameraState;
use gatehouse_core::rollup::Blindness;
use gatehouse_service::view::CameraRole;
use serde::Serialize;

type Words = BTreeMap<String, String>;

const EN: &str = include_str!("../assets/en.json");
const ZH: &str = include_str!("../assets/zh.json");

fn words(text: &str) -> Words {
    serde_json::from_str(text).expect("a table of words")
}

/// Everything of the page that asks for words.
fn page() -> String {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/assets")).expect("the folder is there");
    let files = folder.map(|file| file.expect("readable").path());
    let asks = files.filter(|path| path.extension().is_some_and(|e| e == "js" || e == "html"));
    asks.map(|path| std::fs::read_to_string(path).expect("text")).collect()
}

fn placeholders(words: &str) -> BTreeSet<&str> {
    words.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
}

#[test]
fn english_and_chinese_say_the_same_things() {
    let (en, zh) = (words(EN), words(ZH));
    assert_eq!(en.keys().collect::<Vec<_>>(), zh.keys().collect::<Vec<_>>());
    for (key, english) in &en {
        assert_eq!(placeholders(english), placeholders(&zh[key]), "{key}");
        assert_eq!(english.is_empty(), zh[key].is_empty(), "{key}");
    }
}

#[test]
fn every_word_that_the_page_asks_for_is_there_and_no_other() {
    let (en, page) = (words(EN), page());
    for ask in [" t(\"", "(t(\"", "{t(\"", "[t(\"", "data-i18n=\"", "data-i18n-label=\""] {
        for key in page.split(ask).skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(en.contains_key(key), "the page asks for `{key}`");
        }
    }
    for key in en.keys() {
        let literal = page.contains(&format!("\"{key}\""));
        // Keys made of a prefix and what the node said: `state.${state}`.
        let composed = key.split_once('.').is_some_and(|(prefix, _)| page.contains(&format!("`{prefix}.${{")));
        assert!(literal || composed, "nothing asks for `{key}`");
    }
}

/// Asserts that there are words for each of these values as the node writes them.
fn has_words(prefix: &str, values: &[impl Serialize], suffix: &str) {
    let en = words(EN);
    for value in values {
        let value = serde_json::to_value(value).expect("it is JSON");
        let key = format!("{prefix}.{}{suffix}", value.as_str().expect("a word"));
        assert!(en.contains_key(&key), "no words for `{key}`");
    }
}

#[test]
fn there_are_words_for_whatever_the_node_says() {
    use CameraState::{Connecting, Dark, Ended, Frozen, Live, Lost, Refused, Stalled, Waiting};
    let states = [Connecting, Live, Waiting, Stalled, Frozen, Dark, Lost, Refused, Ended];
    has_words("state", &states, "");
    has_words("state", &states, ".hint");
    has_words("decision", &[Decision::Admit, Decision::Refer], "");
    let reasons = [
        Reason::Matched,
        Reason::NoMatch,
        Reason::Ambiguous,
        Reason::NotLive,
        Reason::LivenessUnknown,
        Reason::FaceUnusable,
        Reason::PassNeeded,
        Reason::PassAccepted,
        Reason::PassInvalid,
        Reason::PassExpired,
        Reason::PassRevoked,
        Reason::PassUsed,
        Reason::CardMismatch,
    ];
    has_words("reason", &reasons, "");
    has_words("method", &[Method::Face, Method::Qr, Method::QrAndFace], "");
    has_words("level", &[Level::Low, Level::Medium, Level::High, Level::Critical], "");
    has_words("crowd", &[SelfAssessment::OutOfRange, SelfAssessment::NoPicture, SelfAssessment::Moved], "");
    let blind = [Blindness::Silent, Blindness::NoPicture, Blindness::OutOfRange, Blindness::Moved];
    has_words("blind", &blind, "");
    has_words("role", &[CameraRole::Gate, CameraRole::Crowd], "");
}
