//! The store that an operation is interrupted on, and the child process.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use gatehouse_credential::SiteSecret;
use tempfile::TempDir;

use super::child::{AT, NEW_SECRET, OPERATION, SECRET, STORE};
use super::operations::{NOW, append, consent, desk, enrol, new_pass};
use crate::{NewPassKind, Store};

pub(super) struct Site {
    pub(super) folder: TempDir,
    pub(super) secret: SiteSecret,
}

impl Site {
    /// Two people with a face, one of them with a pass for one use, one for passes only, a child's
    /// card, and two entries.
    pub(super) fn new() -> Self {
        let site =
            Self { folder: tempfile::tempdir().expect("a folder"), secret: SiteSecret::generate().expect("random") };
        let store = site.open();
        let people = enrol(&store, &["Zebedee Quill", "Ottoline Quill"]);
        let pass = new_pass(1, NewPassKind::Pass { person: people[0] });
        store.issue_pass(&pass, &desk(), NOW).expect("issues");
        let card = new_pass(3, NewPassKind::Card { consent: consent() });
        store.issue_pass(&card, &desk(), NOW).expect("issues");
        (0..2).for_each(|_| append(&store));
        drop(store);
        site
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("site.db")
    }

    pub(super) fn open(&self) -> Store {
        Store::open(&self.path(), &self.secret).expect("opens")
    }

    /// The same files elsewhere, as a power cut leaves them.
    pub(super) fn copy(&self) -> Self {
        let copy = Self { folder: tempfile::tempdir().expect("a folder"), secret: self.secret.clone() };
        for name in ["site.db", "site.db-wal", "site.keys", "site.keys-wal"] {
            let from = self.folder.path().join(name);
            if from.exists() {
                std::fs::copy(from, copy.folder.path().join(name)).expect("copies");
            }
        }
        copy
    }

    pub(super) fn run_child(&self, operation: &str, at: &str) -> Output {
        self.run_child_with(operation, at, &self.secret)
    }

    pub(super) fn run_child_with(&self, operation: &str, at: &str, new_secret: &SiteSecret) -> Output {
        Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "crash::child::child", "--nocapture"])
            .env(OPERATION, operation)
            .env(AT, at)
            .env(STORE, self.path())
            .env(SECRET, self.secret.to_text().as_str())
            .env(NEW_SECRET, new_secret.to_text().as_str())
            .stdin(Stdio::null())
            .output()
            .expect("starts")
    }

    pub(super) fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join(name)).unwrap_or_default()
    }
}

/// Whether the child died where it was told to; otherwise it has come to its end.
pub(super) fn was_killed(output: &Output, what: &str) -> bool {
    let ended = output.status.success();
    assert!(ended || output.status.code().is_none(), "{what}: it failed instead: {output:?}");
    !ended
}
