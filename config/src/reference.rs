//! The reference pages of the site file and of the door file, as Markdown.

use std::fmt::Write;

use crate::keys;
use crate::spec::{Key, Presence, Table};

const BEFORE: &str = "\
<!-- Made from config/src/keys.rs. To change it, change the keys there and run
     UPDATE_DOCS=1 cargo test -p gatehouse-config --test reference -->

# The site file

One TOML file says what a `gatehouse` node watches, where it listens and what it keeps. `gatehouse check SITE.toml` reads
it and reports everything that is wrong with it, each with file, line and column; `gatehouse run SITE.toml` does the same
before it starts. A key that isn't in this page is refused.

Two example site files stand in `config/examples/`: `minimal.toml` has only what must be there, `site.toml` has every key.
`door.toml` is another file, that of a [gate controller](door.md).

**Paths.** A relative path starts at the folder of the site file, not at the folder the command was given in.

**Secrets.** The file holds no secrets, only where to find them:

- `file:PATH`: a text file. Only its owner may read it (`chmod 600 PATH`); anything wider is refused. One line end after
  the secret is not part of it.
- `env:NAME`: an environment variable.
- `credential:NAME`: a credential that systemd hands to the service (`LoadCredential=NAME:PATH` in its unit).

A camera's login is a secret of the form `user:password`. No message of `gatehouse` repeats a secret, and the line that
is printed under an error leaves out what may be one.

**Two kinds of camera.** A `[[gate]]` camera recognises people who have enrolled. A `[[crowd]]` camera counts people and
has no key for faces, thresholds or identities; such a key there is an error. At least one camera must be given.

";

const BEFORE_DOOR: &str = "\
<!-- Made from config/src/keys/door.rs. To change it, change the keys there and run
     UPDATE_DOCS=1 cargo test -p gatehouse-config --test reference -->

# The door file

One TOML file says which door a gate controller moves, whom it trusts and how the door is moved. `gatehouse door run DOOR.toml`
reads it and reports everything that is wrong with it, each with file, line and column; `gatehouse door check DOOR.toml`
does only that. A key that isn't in this page is refused. `config/examples/door.toml` is an example.

Paths and secrets work as in the [site file](config.md). The file may be read by anyone; whoever may change it can open the
door.

**What opens the door.** An `admit` of the door's gate whose grant is signed by the site, hasn't ended, isn't older than
`max_age_s`, and is newer than the last one. Each grant opens it once, even if the controller is restarted in between.

**What keeps it open.** The emergency release, until it is reset; and, with `fail = \"safe\"`, a node that is lost, until it
is back.

**In an emergency.** `gatehouse door release DOOR.toml --reason TEXT` opens the door, with or without bus, and even if the
controller doesn't run; `gatehouse door reset DOOR.toml --reason TEXT` ends it. Whoever makes a file `released` in the door's
folder `data` releases it too, so a fire panel's script needs nothing of ours. The release outlasts a restart. Every release
and reset is written to the door's log, which `gatehouse door log DOOR.toml` prints and checks. **A real door needs a release
in its wiring as well.**

**What the door says of itself**, on change and every 10 s, at `gatehouse/v1/AREA/SITE/door/ID/state`: whether it is released,
held open because the node is lost, and whether its actuator works; how often it opened since the start; and where its log
ends. It says nothing of who passed.

";

/// The reference page of the site file, as Markdown: every key with its type, range, default and meaning.
pub fn reference() -> String {
    page(BEFORE, &keys::ROOT)
}

/// The reference page of the door file, as Markdown: every key with its type, range, default and meaning.
pub fn door_reference() -> String {
    page(BEFORE_DOOR, &keys::door::ROOT)
}

fn page(before: &str, root: &'static Table) -> String {
    let mut page = before.to_owned();
    for table in root.with_all_below() {
        section(&mut page, table);
    }
    page
}

fn section(page: &mut String, table: &Table) {
    let heading =
        if table.heading.starts_with('[') { format!("`{}`", table.heading) } else { capitalised(table.heading) };
    let meaning = if table.meaning.is_empty() { String::new() } else { format!("{}\n\n", table.meaning) };
    // Writing to a `String` can't fail.
    let _ =
        write!(page, "## {heading}\n\n{meaning}| key | what it must be | if left out | meaning |\n|---|---|---|---|\n");
    for key in table.keys {
        let Key { name, kind, presence, meaning, .. } = key;
        let left_out = match presence {
            Presence::Required => "**must be given**".to_owned(),
            Presence::Default("{}") => "the defaults below".to_owned(),
            Presence::Default("[]") => "none".to_owned(),
            Presence::Default(text) => format!("`{text}`"),
            Presence::Optional(what) => (*what).to_owned(),
        };
        let example = if key.kind.table().is_some() { String::new() } else { format!(" Example: `{}`.", key.example) };
        let _ = writeln!(page, "| `{name}` | {kind} | {left_out} | {meaning}{example} |");
    }
    page.push('\n');
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
