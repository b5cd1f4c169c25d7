//! The reference pages of the site file and of the door file, as Markdown.

use std::fmt::Write;

use crate::door::DoorFile;
use crate::reader::Table;
use crate::site::Site;
use crate::spec::{ChangeEffect, Key, KeyIn, Presence, TableSpec};

const SITE_INTRODUCTION: &str = "\
<!-- Generated from the declarations in config/src. To change this page, change them and run
     UPDATE_DOCS=1 cargo test --workspace --test reference -->

# The site file

One TOML file says what a `gatehouse` node watches, where it listens and what it keeps. `gatehouse
check SITE.toml` reads it and reports every mistake, each with file, line and column. `gatehouse run
SITE.toml` does the same before it starts. A key that is not on this page is rejected.

There are two example site files in `config/examples/`: `minimal.toml` has only the required keys,
`site.toml` has every key. `door.toml` is another file, for a [gate controller](door.md).

**Paths.** A relative path starts at the folder of the site file, not at the current folder.

**Secrets.** The file holds no secrets, only references to them:

- `file:PATH`: a text file. Only its owner may read it (`chmod 600 PATH`); wider permissions are
  rejected. One line end after the secret is not part of it.
- `env:NAME`: an environment variable.
- `credential:NAME`: a credential that systemd passes to the service (`LoadCredential=NAME:PATH` in
  its unit).

A camera's login is a secret of the form `user:password`. No message of `gatehouse` repeats a
secret, and the line under an error message leaves out what may be one.

**Two kinds of camera.** A `[[gate]]` camera recognises people who have enrolled. A `[[crowd]]`
camera counts people and has no key for faces, thresholds or identities; such a key there is an
error. A site has at least one camera.

**Changes.** `gatehouse run` reads the file once, at start, so restart it after a change. The column
*change* says what a change affects in itself:

- *live*: the key can change without an interruption.
- *camera*: the camera's stream is restarted; other cameras go on.
- *node*: the node is restarted.

";

const DOOR_INTRODUCTION: &str = "\
<!-- Generated from the declarations in config/src. To change this page, change them and run
     UPDATE_DOCS=1 cargo test --workspace --test reference -->

# The door file

One TOML file says which door a gate controller moves, whom it trusts and how the door is moved.
`gatehouse door run DOOR.toml` reads it and reports every mistake, each with file, line and column.
`gatehouse door check DOOR.toml` does only that. A key that is not on this page is rejected.
`config/examples/door.toml` is an example.

Paths and secrets work as in the [site file](config.md). Anyone may read the file, but anyone
who may change it can open the door.

**What opens the door.** An `admit` of the door's gate, if its grant is signed by the site, has not
ended, is not older than `max_age_s`, and is newer than the last one. Each grant opens the door
once, even if the controller restarts in between. The controller asks the node for its monotonic
clock, so neither machine's wall clock needs to be right.

**What keeps it open.** The emergency release, until it is reset; and, with `fail = \"safe\"`, a
lost node, until it is back.

**In an emergency.** `gatehouse door release DOOR.toml --reason TEXT` opens the door, with or
without bus, and even if the controller does not run. `gatehouse door reset DOOR.toml --reason TEXT`
ends the release. A file `released` in the door's folder `data` releases the door too, so the script
of a fire panel needs no `gatehouse`. The release outlasts a restart. The door's log records every
release and reset; `gatehouse door log DOOR.toml` prints and checks it. **A real door needs a
release in its wiring as well.**

**What the door reports**, on change and every 10 s, at `gatehouse/v1/AREA/SITE/door/ID/state`:
whether it is released, whether it is held open because the node is lost, whether its actuator
works, how often it opened since the start, the end of its log, and a warning if it has refused three
grants in a row or waits for the node's clock. The report does not say who
passed.

**Changes.** The controller reads the file once, at start, so restart it after a change.

";

/// The site file's reference page, as Markdown: each key's range, default, change and meaning.
pub fn reference() -> String {
    page(SITE_INTRODUCTION, const { &<Site as Table>::SPEC }, true)
}

/// The reference page of the door file, as Markdown: every key with its range, default and meaning.
pub fn door_reference() -> String {
    page(DOOR_INTRODUCTION, const { &<DoorFile as Table>::SPEC }, false)
}

fn page(introduction: &str, root: &'static TableSpec, with_changes: bool) -> String {
    let mut page = introduction.to_owned();
    for table in root.with_all_below() {
        section(&mut page, table, with_changes);
    }
    page
}

fn section(page: &mut String, table: &'static TableSpec, with_changes: bool) {
    let heading = if table.has_header() { format!("`{}`", table.heading) } else { capitalised(table.heading) };
    let columns: &[&str] = if with_changes { &["value", "default", "change"] } else { &["value", "default"] };
    let (head, rule) = (columns.join(" | "), "---|".repeat(columns.len()));
    // Writing to a `String` can't fail.
    let _ =
        write!(page, "## {heading}\n\n{}\n\n| key | {head} | meaning |\n|---|{rule}---|\n", table.about.trim_start());
    for found in table.keys() {
        let key = found.key;
        let change = if with_changes { format!(" {} |", change(key.change)) } else { String::new() };
        let (name, value) = (key.name, key.requirement());
        let _ = writeln!(page, "| `{name}` | {value} | {} |{change} {} |", default(found), meaning(found));
    }
    page.push('\n');
}

fn default(KeyIn { key, only_for }: KeyIn) -> String {
    match (key.presence, only_for) {
        (Presence::Required, Some(kind)) => format!("**required** for `kind = \"{kind}\"`"),
        (Presence::Required, None) => "**required**".to_owned(),
        (Presence::Default("{}"), _) => "the defaults below".to_owned(),
        (Presence::Default("[]"), _) => "none".to_owned(),
        (Presence::Default(text), _) => format!("`{text}`"),
        (Presence::Optional(what), _) => what.to_owned(),
    }
}

fn meaning(KeyIn { key, only_for }: KeyIn) -> String {
    let Key { doc, example, kind, .. } = key;
    let only_for = only_for.map(|kind| format!("For `kind = \"{kind}\"`. ")).unwrap_or_default();
    let example = if kind.table().is_some() { String::new() } else { format!(" Example: `{example}`.") };
    format!("{only_for}{}{example}", doc.trim_start())
}

fn change(effect: ChangeEffect) -> &'static str {
    match effect {
        ChangeEffect::Live => "live",
        ChangeEffect::CameraRestart => "camera",
        ChangeEffect::ProcessRestart => "node",
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
