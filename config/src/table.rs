//! Declares a table's keys: one place for Rust field, reader, JSON Schema and reference page.

/// Declares a table of a file: a struct, and for each field the key that it is read from.
///
/// ```text
/// table! {
///     /// What the table is about: the struct's documentation, and the section's first sentence.
///     pub struct Zone = "[[crowd.zone]]", check check_zone {
///         /// What the key does: the field's documentation, and the key's.
///         area_m2: Option<f64> = number(0.1..=1e6).unit("square metres"), optional "not known",
///             example 120.0, change Live;
///         /// A field with another name than its key.
///         hold as "hold_s": Duration = seconds(0.0..=600.0), default 0.0, example 10.0, change Live;
///         /// A key that must be given, whose type says what its value must be.
///         transport: Transport, required, example "udp", change CameraRestart;
///         /// Keys of this table that another struct declares.
///         common: CameraSettings, flattened;
///     }
/// }
/// ```
///
/// - `for Zone = …` in place of `pub struct Zone = …` fills a struct of another crate, whose fields
///   have these names.
/// - `check`: a function that gets the reader and a [`Draft`](crate::reader::Draft) of all fields,
///   and reports what does not go together.
/// - `complete`: the same, but it returns the draft, with fields filled in.
/// - `only for "x"`: the keys are flattened into a table and belong to its `kind = "x"`.
/// - `with field: Type`: a field that is no key and begins with its default.
/// - A default and an example are a single TOML value, a change one of
///   [`ChangeEffect`](crate::spec::ChangeEffect).
macro_rules! table {
    (
        $(#[doc = $about:literal])+
        $vis:vis struct $name:ident = $heading:literal
        $(, only for $only_for:literal)? $(, check $check:path)? $(, complete $complete:path)?
        $(, with $extra:ident: $extra_ty:ty)? {
            $(
                $(#[doc = $doc:literal])+
                $field:ident $(as $key:literal)?: $ty:ty $(= $kind:expr)?
                $(, required)? $(, default $default:tt)? $(, optional $absent:literal)? $(, flattened)?
                $(, example $example:tt)? $(, change $change:ident)?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq)]
        $vis struct $name {
            $($(#[doc = $doc])+ pub $field: $ty,)+
            $(
                /// Where in its file each value stands.
                pub $extra: $extra_ty,
            )?
        }
        crate::table! {
            $(#[doc = $about])+
            for $name = $heading
            $(, only for $only_for)? $(, check $check)? $(, complete $complete)? $(, with $extra: $extra_ty)? {
                $(
                    $(#[doc = $doc])+
                    $field $(as $key)?: $ty $(= $kind)?
                    $(, default $default)? $(, optional $absent)? $(, example $example)? $(, change $change)?;
                )+
            }
        }
    };
    (
        $(#[doc = $about:literal])+
        for $name:ident = $heading:literal
        $(, only for $only_for:literal)? $(, check $check:path)? $(, complete $complete:path)?
        $(, with $extra:ident: $extra_ty:ty)? {
            $(
                $(#[doc = $doc:literal])+
                $field:ident $(as $key:literal)?: $ty:ty $(= $kind:expr)?
                $(, required)? $(, default $default:tt)? $(, optional $absent:literal)?
                $(, example $example:tt)? $(, change $change:ident)?;
            )+
        }
    ) => {
        const _: () = {
            pub(crate) struct Fields {
                $(pub(crate) $field: Option<$ty>,)+
            }

            impl crate::reader::Table for $name {
                const SPEC: crate::spec::TableSpec = crate::spec::TableSpec {
                    heading: $heading,
                    about: concat!($($about),+),
                    only_for: crate::table!(@optional $($only_for)?),
                    entries: &[$(crate::table!(
                        @entry $ty, crate::table!(@name $field $($key)?), concat!($($doc),+),
                        crate::table!(@kind $ty $(, $kind)?), [$(default $default)? $(optional $absent)?],
                        [$($example)?], [$($change)?]
                    )),+],
                };
                type Draft = Fields;

                fn read(table: &crate::reader::TableReader<'_, '_>) -> Option<Self> {
                    let draft = Fields {
                        $($field: crate::table!(
                            @read table, crate::table!(@name $field $($key)?), $ty, [$($change)?]
                        ),)+
                    };
                    $($check(table, &draft);)?
                    $(let draft = $complete(table, draft);)?
                    Some(Self { $($field: draft.$field?,)+ $($extra: <$extra_ty>::default(),)? })
                }
            }

            impl crate::value::KeyType for $name {
                const KIND: crate::kind::Kind = crate::kind::Kind::Table(&<$name as crate::reader::Table>::SPEC);
                const LIST: crate::kind::Kind = crate::kind::Kind::Tables(&<$name as crate::reader::Table>::SPEC);
            }

            impl crate::value::FromToml for $name {
                fn from_toml(raw: &crate::reader::RawValue<'_, '_>) -> Option<Self> {
                    raw.table()
                }
            }
        };
    };
    (@optional) => { None };
    (@optional $value:literal) => { Some($value) };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $key:literal) => { $key };
    (@kind $ty:ty) => { <$ty as crate::value::KeyType>::KIND };
    (@kind $ty:ty, $kind:expr) => { $kind };
    (@presence) => { crate::spec::Presence::Required };
    (@presence default $default:tt) => { crate::spec::Presence::Default(stringify!($default)) };
    (@presence optional $absent:literal) => { crate::spec::Presence::Optional($absent) };
    (@entry $ty:ty, $name:expr, $doc:expr, $kind:expr, [], [], []) => {
        crate::spec::Entry::Flattened(&<$ty as crate::reader::Flattened>::SPEC)
    };
    (@entry $ty:ty, $name:expr, $doc:expr, $kind:expr, [$($presence:tt)*], [$example:tt], [$change:ident]) => {
        crate::spec::Entry::Key(crate::spec::Key {
            name: $name,
            kind: $kind,
            presence: crate::table!(@presence $($presence)*),
            example: stringify!($example),
            doc: $doc,
            change: crate::spec::ChangeEffect::$change,
        })
    };
    (@read $table:ident, $name:expr, $ty:ty, []) => { <$ty as crate::reader::Flattened>::read_flattened($table) };
    (@read $table:ident, $name:expr, $ty:ty, [$change:ident]) => { $table.read::<$ty>($name) };
}

pub(crate) use table;
