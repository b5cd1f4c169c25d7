//! Reads values from the parsed document by the keys' description, and notes every mistake.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::format::is_name;
use crate::kind::Kind;
use crate::spec::{Key, KeyIn, Presence, TableSpec};
use crate::text_position::Lines;
use crate::unknown_key::{UnknownKey, unknown_key};
use crate::value::{FromToml, Invalid};

pub(crate) use crate::raw_value::RawValue;

/// A struct that is read from a table. [`table!`](crate::table) implements it.
pub(crate) trait Table: Sized {
    const SPEC: TableSpec;
    /// The struct's fields while they are read: `None` where the file has no valid value.
    type Draft;

    /// Reads every key, then checks how they go together.
    fn read(table: &TableReader<'_, '_>) -> Option<Self>;
}

pub(crate) type Draft<T> = <T as Table>::Draft;

/// Keys that are declared apart from the table in which they stand.
pub(crate) trait Flattened: Sized {
    const SPEC: TableSpec;

    /// Reads them out of that table.
    fn read_flattened(table: &TableReader<'_, '_>) -> Option<Self>;
}

impl<T: Table> Flattened for T {
    const SPEC: TableSpec = <T as Table>::SPEC;

    fn read_flattened(table: &TableReader<'_, '_>) -> Option<Self> {
        T::read(table)
    }
}

/// The keys of one `kind` of a table; there if it is that kind's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OfKind<T>(pub(crate) Option<T>);

impl<T: Table> Flattened for OfKind<T> {
    const SPEC: TableSpec = <T as Table>::SPEC;

    fn read_flattened(table: &TableReader<'_, '_>) -> Option<Self> {
        let value = T::read(table);
        if table.is_of_kind(<T as Table>::SPEC.only_for) {
            return value.map(|value| OfKind(Some(value)));
        }
        table.reject_keys_of_another_kind(const { &<T as Table>::SPEC });
        Some(OfKind(None))
    }
}

/// A mistake, with its place in bytes.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) span: Range<usize>,
    pub(crate) path: String,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// Whether this one place shows the mistake, even if the rest of the file is damaged.
    pub(crate) is_local: bool,
}

pub(crate) struct Context<'s> {
    /// All keys of this kind of file.
    pub(crate) root: &'static TableSpec,
    /// Where relative paths start.
    pub(crate) folder: &'s Path,
    lines: &'s Lines<'s>,
    pub(crate) mistakes: RefCell<Vec<Mistake>>,
    pub(crate) spans: RefCell<BTreeMap<String, Range<usize>>>,
}

impl<'s> Context<'s> {
    pub(crate) fn new(root: &'static TableSpec, folder: &'s Path, lines: &'s Lines<'s>) -> Context<'s> {
        Context { root, folder, lines, mistakes: RefCell::default(), spans: RefCell::default() }
    }

    pub(crate) fn report(&self, mistake: Mistake) {
        self.mistakes.borrow_mut().push(mistake);
    }

    pub(crate) fn record_span(&self, path: &str, span: Range<usize>) {
        self.spans.borrow_mut().insert(path.to_owned(), span);
    }
}

pub(crate) struct TableReader<'a, 'c> {
    pub(crate) context: &'a Context<'c>,
    pub(crate) spec: &'static TableSpec,
    values: &'a DeTable<'a>,
    path: String,
    /// The table's header, or `{ … }`.
    span: Range<usize>,
    outer: Option<&'a TableReader<'a, 'c>>,
}

impl<'a, 'c> TableReader<'a, 'c> {
    pub(crate) fn of_file(context: &'a Context<'c>, values: &'a DeTable<'a>) -> TableReader<'a, 'c> {
        TableReader { context, spec: context.root, values, path: String::new(), span: 0..0, outer: None }
    }

    /// Reads the whole table, and reports keys that it does not have.
    pub(crate) fn read_all<T: Table>(&self) -> Option<T> {
        let value = T::read(self);
        self.report_unknown_keys();
        value
    }

    pub(crate) fn read_inner<T: Table>(
        &self,
        spec: &'static TableSpec,
        values: &DeTable<'_>,
        path: &str,
        span: Range<usize>,
    ) -> Option<T> {
        let inner = TableReader { context: self.context, spec, values, path: path.to_owned(), span, outer: Some(self) };
        inner.read_all()
    }

    /// The path of a key in this table: `gate[0].source`.
    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Whether the file gives the key, right or wrong.
    pub(crate) fn has(&self, name: &str) -> bool {
        debug_assert!(self.spec.key(name).is_some(), "{} has no key {name}", self.spec.heading);
        self.values.contains_key(name)
    }

    /// Whether the file gives the key in one of the tables in which this one stands.
    pub(crate) fn is_given_around(&self, name: &str) -> bool {
        self.outer.is_some_and(|outer| outer.values.contains_key(name) || outer.is_given_around(name))
    }

    fn is_of_kind(&self, kind: Option<&str>) -> bool {
        self.values.get("kind").and_then(|value| value.get_ref().as_str()) == kind
    }

    /// Reports keys of this table that do not go together, at the first of them that the file has.
    pub(crate) fn reject(&self, keys: &[&str], message: impl Into<String>, help: Option<&str>) {
        let place = keys.iter().find_map(|name| {
            let path = self.path_of(name);
            let span = self.context.spans.borrow().get(&path).cloned();
            span.map(|span| (path, span))
        });
        let (path, span) = place.unwrap_or_else(|| (self.path.clone(), self.span.clone()));
        let help = help.map(str::to_owned);
        self.context.report(Mistake { span, path, message: message.into(), help, is_local: false });
    }

    /// Reports each table of these lists whose `id` an earlier one has.
    pub(crate) fn reject_repeated_ids(&self, lists: &[&str], of_what: &str) {
        let mut known: Vec<(&str, usize)> = Vec::new();
        for list in lists {
            let items = self.values.get(*list).and_then(|value| value.get_ref().as_array());
            for (index, item) in items.into_iter().flatten().enumerate() {
                let Some(id) = item.get_ref().as_table().and_then(|table| table.get("id")) else { continue };
                let Some(name) = id.get_ref().as_str().filter(|name| is_name(name)) else { continue };
                let Some((_, line)) = known.iter().find(|(earlier, _)| *earlier == name) else {
                    known.push((name, self.context.lines.position(id.span().start).line));
                    continue;
                };
                let message = format!("the `id` {name:?} is already used by the {of_what} on line {line}");
                let path = self.path_of(&format!("{list}[{index}].id"));
                self.context.report(Mistake { span: id.span(), path, message, help: None, is_local: false });
            }
        }
    }

    /// Reads a key, or its default where the file leaves it out.
    pub(crate) fn read<T: FromToml>(&self, name: &str) -> Option<T> {
        let Some(KeyIn { key, only_for }) = self.spec.key(name) else {
            unreachable!("{} declares no key {name}", self.spec.heading)
        };
        debug_assert!(T::accepts(&key.kind), "the field of `{name}` can't hold {}", key.kind);
        let path = self.path_of(name);
        if let Some(value) = self.values.get(name) {
            self.context.record_span(&path, value.span());
            return T::from_toml(&RawValue::of_key(self, key, path, value.span(), value.get_ref()));
        }
        match key.presence {
            Presence::Default(text) => {
                let value = DeValue::parse(text).ok()?;
                T::from_toml(&RawValue::of_key(self, key, path, self.span.clone(), value.get_ref()))
            }
            Presence::Optional(_) => T::absent(),
            Presence::Required if only_for.is_some() && !self.is_of_kind(only_for) => None,
            Presence::Required => {
                self.report_missing(key, only_for);
                None
            }
        }
    }

    fn report_missing(&self, key: &'static Key, only_for: Option<&str>) {
        let name = key.name;
        let help = Some(key.how_to_add());
        if let Some(kind) = only_for {
            self.reject(&["kind"], format!("`kind = \"{kind}\"` needs `{name}`"), help.as_deref());
            return;
        }
        let message = match key.kind.table().filter(|table| table.has_header()) {
            Some(table) => format!("{} is missing", table.heading),
            None if self.path.is_empty() => format!("`{name}` is missing"),
            None => format!("`{name}` is missing in {}", self.spec.heading),
        };
        let (span, path) = (self.span.clone(), self.path_of(name));
        self.context.report(Mistake { span, path, message, help, is_local: false });
    }

    fn reject_keys_of_another_kind(&self, table: &'static TableSpec) {
        let given = self.values.get("kind").and_then(|value| value.get_ref().as_str());
        let is_kind = |kind: &str| {
            let choices = self.spec.key("kind").map(|found| found.key.kind);
            matches!(choices, Some(Kind::OneOf(kinds)) if kinds.contains(&kind))
        };
        let (Some(given), Some(other)) = (given.filter(|kind| is_kind(kind)), table.only_for) else { return };
        for name in table.names().filter(|name| self.values.contains_key(*name)) {
            let message = format!("`{name}` belongs to `kind = \"{other}\"`, but the kind is `\"{given}\"`");
            self.reject(&[name], message, None);
        }
    }

    fn report_unknown_keys(&self) {
        for (name, _) in self.values.iter() {
            if self.spec.key(name.get_ref()).is_some() {
                continue;
            }
            let UnknownKey { message, help, surely_a_key } = unknown_key(self.context.root, self.spec, name.get_ref());
            let path = self.path_of(name.get_ref());
            self.context.report(Mistake { span: name.span(), path, message, help, is_local: surely_a_key });
        }
    }
}

impl RawValue<'_, '_> {
    pub(crate) fn reject(&self, invalid: Invalid) {
        let (message, help) = match invalid {
            Invalid::Because { message, help } => (message, help.map(str::to_owned)),
            Invalid::NotOfKind => (self.not_of_kind(), self.help().map(str::to_owned)),
        };
        self.report(message, help, true);
    }

    /// Reports the value because its parts do not go together.
    pub(crate) fn reject_whole(&self, message: String, help: Option<&str>) {
        self.report(message, help.map(str::to_owned), false);
    }

    fn report(&self, message: String, help: Option<String>, is_local: bool) {
        let (span, path) = (self.span.clone(), self.path.clone());
        self.table.context.report(Mistake { span, path, message, help, is_local });
    }
}
