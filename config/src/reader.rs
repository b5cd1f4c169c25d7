//! Reads values out of the parsed document by the table of keys, and notes whatever is wrong instead of stopping at it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::polygon;
use crate::site::Point;
use crate::spec::{Key, Kind, Presence, Table};
use crate::text_position::Lines;
use crate::unknown_key::{UnknownKey, unknown_key};

/// Why a value isn't taken.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It isn't what the table of keys says.
    Unlike { help: Option<&'static str> },
    /// A reason of its own.
    Because { message: String, help: Option<&'static str> },
}

impl Refusal {
    pub(crate) const UNLIKE: Refusal = Refusal::Unlike { help: None };

    pub(crate) fn because(message: impl Into<String>) -> Refusal {
        Refusal::Because { message: message.into(), help: None }
    }

    pub(crate) fn with_help(self, help: &'static str) -> Refusal {
        let help = Some(help);
        match self {
            Refusal::Because { message, .. } => Refusal::Because { message, help },
            Refusal::Unlike { .. } => Refusal::Unlike { help },
        }
    }
}

/// Something wrong, with its place in bytes.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) span: Range<usize>,
    pub(crate) path: String,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// Whether it can be told from this one place, even if the rest of the file is damaged.
    pub(crate) local: bool,
}

/// What reading collects.
pub(crate) struct Context<'s> {
    /// All keys of this kind of file.
    root: &'static Table,
    /// Where relative paths start.
    pub(crate) folder: &'s Path,
    lines: &'s Lines<'s>,
    findings: RefCell<Vec<Finding>>,
    spans: RefCell<BTreeMap<String, Range<usize>>>,
}

impl<'s> Context<'s> {
    pub(crate) fn new(root: &'static Table, folder: &'s Path, lines: &'s Lines<'s>) -> Context<'s> {
        Context { root, folder, lines, findings: RefCell::default(), spans: RefCell::default() }
    }

    pub(crate) fn note(&self, finding: Finding) {
        self.findings.borrow_mut().push(finding);
    }

    fn span_of(&self, path: &str) -> Option<Range<usize>> {
        self.spans.borrow().get(path).cloned()
    }

    /// Reports names that were given before. Each comes with the path of the key that gives it.
    pub(crate) fn refuse_repeated(&self, names: &[(String, String)], of_what: &str) {
        for (index, (path, name)) in names.iter().enumerate() {
            let Some((first, _)) = names[..index].iter().find(|(_, earlier)| earlier == name) else { continue };
            let (Some(span), Some(first)) = (self.span_of(path), self.span_of(first)) else { continue };
            let line = self.lines.position(first.start).line;
            let message = format!("the `id` {name:?} is already taken by the {of_what} on line {line}");
            self.note(Finding { span, path: path.clone(), message, help: None, local: false });
        }
    }

    pub(crate) fn into_parts(self) -> (Vec<Finding>, BTreeMap<String, Range<usize>>) {
        (self.findings.into_inner(), self.spans.into_inner())
    }
}

/// A value on its way to being read, and its place.
pub(crate) struct At<'a, 'c> {
    context: &'a Context<'c>,
    key: &'static Key,
    path: String,
    span: Range<usize>,
}

impl<'a, 'c> At<'a, 'c> {
    pub(crate) fn refuse(&self, value: &DeValue<'_>, refusal: Refusal) {
        let (message, help) = match refusal {
            Refusal::Because { message, help } => (message, help),
            Refusal::Unlike { help } => {
                let Key { name, kind, .. } = self.key;
                let found = found(value, kind.may_hold_a_secret());
                let message = match kind {
                    Kind::Texts(format) if self.path.ends_with(']') => {
                        format!("each of `{name}` must be {}{found}", format.describe())
                    }
                    _ => format!("`{name}` must be {kind}{found}"),
                };
                (message, help)
            }
        };
        self.note(message, help.map(str::to_owned), true);
    }

    /// Refuses the value for how its parts go together.
    pub(crate) fn refuse_whole(&self, message: String, help: Option<String>) {
        self.note(message, help, false);
    }

    fn note(&self, message: String, help: Option<String>, local: bool) {
        self.context.note(Finding { span: self.span.clone(), path: self.path.clone(), message, help, local });
    }

    /// The key's name.
    pub(crate) fn name(&self) -> &'static str {
        self.key.name
    }

    /// The place of a part of the value.
    pub(crate) fn item(&self, index: usize, value: &Spanned<DeValue<'_>>) -> At<'a, 'c> {
        At { context: self.context, key: self.key, path: format!("{}[{index}]", self.path), span: value.span() }
    }
}

/// Reads one table, key by key. When it is done, the keys that were not asked for are unknown ones.
pub(crate) struct TableReader<'a, 'c> {
    pub(crate) context: &'a Context<'c>,
    table: &'static Table,
    values: &'a DeTable<'a>,
    path: String,
    /// The table's header, or `{ … }`.
    span: Range<usize>,
    asked_for: Vec<&'static str>,
}

impl<'a, 'c> TableReader<'a, 'c> {
    /// Reads a whole table with `read`, then reports what nobody asked for.
    pub(crate) fn read<T>(
        context: &'a Context<'c>,
        table: &'static Table,
        values: &'a DeTable<'a>,
        path: String,
        span: Range<usize>,
        read: impl FnOnce(&mut TableReader<'a, 'c>) -> Option<T>,
    ) -> Option<T> {
        let mut reader = TableReader { context, table, values, path, span, asked_for: Vec::new() };
        let value = read(&mut reader);
        reader.report_unknown_keys();
        value
    }

    /// Reads some keys of the top of the file, whatever else there is.
    pub(crate) fn read_part<T>(
        context: &'a Context<'c>,
        table: &'static Table,
        values: &'a DeTable<'a>,
        read: impl FnOnce(&mut TableReader<'a, 'c>) -> Option<T>,
    ) -> Option<T> {
        read(&mut TableReader { context, table, values, path: String::new(), span: 0..0, asked_for: Vec::new() })
    }

    /// The path of a key in this table: `gate[0].source`.
    pub(crate) fn path_of(&self, key: &Key) -> String {
        if self.path.is_empty() { key.name.to_owned() } else { format!("{}.{}", self.path, key.name) }
    }

    /// Whether the file gives the key, right or wrong.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.values.contains_key(key.name)
    }

    /// Notes something wrong with how keys of this table go together, at the first of them that the file has.
    pub(crate) fn refuse_together(&self, keys: &[&Key], message: String, help: Option<String>) {
        let place = keys.iter().find_map(|key| {
            let path = self.path_of(key);
            self.context.span_of(&path).map(|span| (path, span))
        });
        let (path, span) = place.unwrap_or_else(|| (self.path.clone(), self.span.clone()));
        self.context.note(Finding { span, path, message, help, local: false });
    }

    /// Hands the key's value to `read`, or its default where the file leaves it out.
    fn value<T>(
        &mut self,
        key: &'static Key,
        read: impl FnOnce(&At<'a, 'c>, &Spanned<DeValue<'_>>) -> Option<T>,
    ) -> Option<T> {
        debug_assert!(
            self.table.keys.iter().any(|known| std::ptr::eq(*known, key)),
            "{} is not in its table",
            key.name
        );
        self.asked_for.push(key.name);
        let path = self.path_of(key);
        if let Some(value) = self.values.get(key.name) {
            self.context.spans.borrow_mut().insert(path.clone(), value.span());
            return read(&At { context: self.context, key, path, span: value.span() }, value);
        }
        let at = At { context: self.context, key, path, span: self.span.clone() };
        match key.presence {
            Presence::Default(text) => read(&at, &DeValue::parse(text).ok()?),
            Presence::Optional(_) => None,
            Presence::Required => {
                let help = match &key.kind {
                    Kind::Table(table) if table.heading.starts_with('[') => {
                        format!("add {} and its keys", table.heading)
                    }
                    _ => format!("add for example `{} = {}`", key.name, key.example),
                };
                let missing = match &key.kind {
                    Kind::Table(table) if table.heading.starts_with('[') => format!("{} is missing", table.heading),
                    _ if self.path.is_empty() => format!("`{}` is missing", key.name),
                    _ => format!("`{}` is missing in {}", key.name, self.table.heading),
                };
                at.refuse_whole(missing, Some(help));
                None
            }
        }
    }

    pub(crate) fn integer<T: TryFrom<i64>>(&mut self, key: &'static Key) -> Option<T> {
        let Kind::Integer { min, max } = key.kind else { unreachable!("{} holds no whole number", key.name) };
        self.value(key, |at, value| {
            let number = integer(value.get_ref()).filter(|number| (min..=max).contains(number));
            let number = number.and_then(|number| T::try_from(number).ok());
            if number.is_none() {
                at.refuse(value.get_ref(), Refusal::UNLIKE);
            }
            number
        })
    }

    pub(crate) fn number(&mut self, key: &'static Key) -> Option<f64> {
        let Kind::Number { min, max } = key.kind else { unreachable!("{} holds no number", key.name) };
        self.value(key, |at, value| {
            let number = number(value.get_ref()).filter(|number| (min..=max).contains(number));
            if number.is_none() {
                at.refuse(value.get_ref(), Refusal::UNLIKE);
            }
            number
        })
    }

    pub(crate) fn boolean(&mut self, key: &'static Key) -> Option<bool> {
        self.value(key, |at, value| {
            let boolean = value.get_ref().as_bool();
            if boolean.is_none() {
                at.refuse(value.get_ref(), Refusal::UNLIKE);
            }
            boolean
        })
    }

    pub(crate) fn text<T>(&mut self, key: &'static Key, read: impl FnOnce(&str) -> Result<T, Refusal>) -> Option<T> {
        self.value(key, |at, value| text(at, value, read))
    }

    pub(crate) fn texts<T>(&mut self, key: &'static Key, read: impl Fn(&str) -> Result<T, Refusal>) -> Option<Vec<T>> {
        self.value(key, |at, value| {
            let Some(items) = value.get_ref().as_array() else {
                at.refuse(value.get_ref(), Refusal::UNLIKE);
                return None;
            };
            let read = items.iter().enumerate().map(|(index, item)| text(&at.item(index, item), item, &read));
            all(read.collect())
        })
    }

    pub(crate) fn polygon(&mut self, key: &'static Key) -> Option<Vec<Point>> {
        self.value(key, polygon::read)
    }

    pub(crate) fn polygons(&mut self, key: &'static Key) -> Option<Vec<Vec<Point>>> {
        self.value(key, |at, value| {
            let Some(items) = value.get_ref().as_array() else {
                at.refuse(value.get_ref(), Refusal::UNLIKE);
                return None;
            };
            all(items.iter().enumerate().map(|(index, item)| polygon::read(&at.item(index, item), item)).collect())
        })
    }

    /// As many points as the key takes.
    pub(crate) fn points(&mut self, key: &'static Key) -> Option<Vec<[f64; 2]>> {
        let Kind::Points { count, min, max } = key.kind else { unreachable!("{} holds no points", key.name) };
        self.value(key, |at, value| {
            let point = |item: &Spanned<DeValue<'_>>| {
                let inside = |part: &Spanned<DeValue<'_>>| number(part.get_ref()).filter(|n| (min..=max).contains(n));
                let [x, y] = item.get_ref().as_array()?.iter().collect::<Vec<_>>().try_into().ok()?;
                Some([inside(x)?, inside(y)?])
            };
            let points: Option<Vec<_>> = if count == 1 {
                point(value).map(|point| vec![point])
            } else {
                let items = value.get_ref().as_array().filter(|items| items.len() == count);
                items.and_then(|items| items.iter().map(point).collect())
            };
            if points.is_none() {
                at.refuse(value.get_ref(), Refusal::UNLIKE);
            }
            points
        })
    }

    /// The one point that the key takes.
    pub(crate) fn point(&mut self, key: &'static Key) -> Option<[f64; 2]> {
        self.points(key)?.first().copied()
    }

    pub(crate) fn table<T>(
        &mut self,
        key: &'static Key,
        read: impl FnOnce(&mut TableReader<'_, 'c>) -> Option<T>,
    ) -> Option<T> {
        let Kind::Table(table) = key.kind else { unreachable!("{} is no table", key.name) };
        self.value(key, |at, value| match value.get_ref() {
            DeValue::Table(values) => TableReader::read(at.context, table, values, at.path.clone(), value.span(), read),
            other => {
                at.refuse(other, Refusal::UNLIKE);
                None
            }
        })
    }

    pub(crate) fn tables<T>(
        &mut self,
        key: &'static Key,
        read: impl Fn(&mut TableReader<'_, 'c>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Kind::Tables(table) = key.kind else { unreachable!("{} is no list of tables", key.name) };
        self.value(key, |at, value| {
            let items = match value.get_ref() {
                DeValue::Array(items) => items,
                DeValue::Table(_) => {
                    let name = table.heading.replace("[[", "[").replace("]]", "]");
                    let message = format!("{name} must be written {}: there can be several", table.heading);
                    at.refuse(value.get_ref(), Refusal::because(message));
                    return None;
                }
                other => {
                    at.refuse(other, Refusal::UNLIKE);
                    return None;
                }
            };
            let read = items.iter().enumerate().map(|(index, item)| {
                let at = at.item(index, item);
                let DeValue::Table(values) = item.get_ref() else {
                    at.refuse(item.get_ref(), Refusal::UNLIKE);
                    return None;
                };
                at.context.spans.borrow_mut().insert(at.path.clone(), item.span());
                TableReader::read(at.context, table, values, at.path, item.span(), &read)
            });
            all(read.collect())
        })
    }

    fn report_unknown_keys(&self) {
        for (name, _) in self.values.iter() {
            if self.asked_for.contains(&name.get_ref().as_ref()) {
                continue;
            }
            let UnknownKey { message, help, surely_a_key } = unknown_key(self.context.root, self.table, name.get_ref());
            let path = if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) };
            self.context.note(Finding { span: name.span(), path, message, help, local: surely_a_key });
        }
    }
}

/// `Some` only if every item is.
fn all<T>(items: Vec<Option<T>>) -> Option<Vec<T>> {
    items.into_iter().collect()
}

fn text<T>(at: &At<'_, '_>, value: &Spanned<DeValue<'_>>, read: impl FnOnce(&str) -> Result<T, Refusal>) -> Option<T> {
    let read = value.get_ref().as_str().map_or(Err(Refusal::UNLIKE), read);
    read.map_err(|refusal| at.refuse(value.get_ref(), refusal)).ok()
}

/// A whole number, if the value is one that fits.
fn integer(value: &DeValue<'_>) -> Option<i64> {
    let DeValue::Integer(digits) = value else { return None };
    i64::from_str_radix(digits.as_str(), digits.radix()).ok()
}

/// A number, whole or not.
pub(crate) fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(digits) => digits.as_str().parse().ok(),
        // Every whole number in a range of ours is exact as a float.
        other => integer(other).map(|whole| whole as f64),
    }
}

/// ", found …", or nothing where even that could tell a secret.
pub(crate) fn found(value: &DeValue<'_>, secret: bool) -> String {
    let what = match value {
        DeValue::String(_) if secret => return String::new(),
        DeValue::String(text) => format!("the text {:?}", shortened(text)),
        DeValue::Integer(_) | DeValue::Float(_) if secret => "a number".to_owned(),
        DeValue::Integer(digits) => shortened(&digits.to_string()),
        DeValue::Float(digits) => shortened(digits.as_str()),
        DeValue::Boolean(boolean) => format!("`{boolean}`"),
        DeValue::Datetime(_) => "a date or time".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    };
    format!(", found {what}")
}

/// At most 40 characters of something from the file, none of which a terminal would obey.
pub(crate) fn shortened(text: &str) -> String {
    let short: String = text.chars().take(40).map(printable).collect();
    if text.chars().nth(40).is_some() { short + "…" } else { short }
}

pub(crate) fn printable(c: char) -> char {
    if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }
}
