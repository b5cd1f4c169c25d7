//! The Rust types that a key's value can be read into.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use gatehouse_core::bus_mode::BusMode;
use gatehouse_core::event::Direction;
use gatehouse_core::liveness::LivenessPolicy;
use gatehouse_core::provider::Provider;
use gatehouse_core::stream::{Decoder, Source, Transport};
use gatehouse_core::zone::LevelUnit;
use gatehouse_core::{CameraId, LineId, ZoneId};
use gatehouse_picture::{NormalisedPolygon, Point};
use strum::VariantNames;
use toml::de::DeValue;

use crate::actuator::{ActuatorName, HttpMethod};
use crate::door::Fail;
use crate::endpoint::Endpoint;
use crate::format::{Format, is_name};
use crate::http_url::HttpUrl;
use crate::kind::{Kind, Unit};
use crate::polygon;
use crate::public_key::PublicKeyRef;
use crate::rate::OneIn;
use crate::raw_value::{RawValue, integer, number};
use crate::secret::SecretRef;
use crate::source;

pub(crate) trait FromToml: Sized {
    /// Whether every value of this kind fits the type.
    fn accepts(_kind: &Kind) -> bool {
        true
    }

    /// Reads the value, or reports what is wrong with it.
    fn from_toml(raw: &RawValue<'_, '_>) -> Option<Self>;

    /// The value of an optional key that the file leaves out.
    fn absent() -> Option<Self> {
        None
    }
}

/// A type that alone says what a value must be.
#[diagnostic::on_unimplemented(
    message = "a key of type `{Self}` needs a kind",
    label = "write for example `{Self} = integer(4..=128)`"
)]
pub(crate) trait KeyType: Sized {
    const KIND: Kind;
    const LIST: Kind = Kind::List(&Self::KIND);
}

/// Why a value is not accepted.
#[derive(Debug)]
pub(crate) enum Invalid {
    NotOfKind,
    Because { message: String, help: Option<&'static str> },
}

impl Invalid {
    pub(crate) fn because(message: impl Into<String>) -> Invalid {
        Invalid::Because { message: message.into(), help: None }
    }

    pub(crate) fn help(self, help: &'static str) -> Invalid {
        match self {
            Invalid::Because { message, .. } => Invalid::Because { message, help: Some(help) },
            Invalid::NotOfKind => Invalid::NotOfKind,
        }
    }
}

/// The value, or a report that it is not of its kind.
fn of_kind<T>(raw: &RawValue<'_, '_>, value: Option<T>) -> Option<T> {
    if value.is_none() {
        raw.reject(Invalid::NotOfKind);
    }
    value
}

fn in_range(raw: &RawValue<'_, '_>) -> Option<f64> {
    let number = match raw.kind {
        Kind::Integer { min, max, .. } => {
            integer(raw.value).filter(|number| (min..=max).contains(&number)).map(|whole| whole as f64)
        }
        Kind::Number { min, max, .. } => number(raw.value).filter(|number| (min..=max).contains(&number)),
        _ => None,
    };
    of_kind(raw, number)
}

macro_rules! integers {
    ($($ty:ty),+) => {$(
        impl FromToml for $ty {
            fn accepts(kind: &Kind) -> bool {
                let fits = |number: i64| <$ty>::try_from(number).is_ok();
                matches!(kind, Kind::Integer { min, max, .. } if fits(*min) && fits(*max))
            }

            fn from_toml(raw: &RawValue<'_, '_>) -> Option<Self> {
                let Kind::Integer { min, max, .. } = raw.kind else { return of_kind(raw, None) };
                let number = integer(raw.value).filter(|number| (min..=max).contains(&number));
                of_kind(raw, number.and_then(|number| <$ty>::try_from(number).ok()))
            }
        }
    )+};
}
integers!(u8, u16, u32, u64, usize);

macro_rules! floats {
    ($($ty:ty),+) => {$(
        impl FromToml for $ty {
            fn accepts(kind: &Kind) -> bool {
                matches!(kind, Kind::Integer { .. } | Kind::Number { .. })
            }

            fn from_toml(raw: &RawValue<'_, '_>) -> Option<Self> {
                in_range(raw).map(|number| number as $ty)
            }
        }
    )+};
}
floats!(f32, f64);

impl FromToml for Duration {
    fn accepts(kind: &Kind) -> bool {
        match kind {
            Kind::Integer { unit, .. } => matches!(unit, Unit::Milliseconds | Unit::Seconds | Unit::Days),
            Kind::Number { unit, .. } => *unit == Unit::Seconds,
            _ => false,
        }
    }

    fn from_toml(raw: &RawValue<'_, '_>) -> Option<Self> {
        let number = in_range(raw)?;
        Some(match raw.kind {
            // Exact: declared ranges are far below 2^53.
            Kind::Integer { unit: Unit::Milliseconds, .. } => Duration::from_millis(number as u64),
            Kind::Integer { unit: Unit::Days, .. } => Duration::from_secs(number as u64 * 24 * 60 * 60),
            _ => Duration::from_secs_f64(number),
        })
    }
}

impl KeyType for bool {
    const KIND: Kind = Kind::Boolean;
}

impl FromToml for bool {
    fn from_toml(raw: &RawValue<'_, '_>) -> Option<Self> {
        of_kind(raw, raw.value.as_bool())
    }
}

macro_rules! choices {
    ($($ty:ty),+) => {$(
        impl KeyType for $ty {
            const KIND: Kind = Kind::OneOf(<$ty>::VARIANTS);
        }

        impl FromToml for $ty {
            fn from_toml(raw: &RawValue<'_, '_>) -> Option<Self> {
                raw.text(|text| Self::from_str(text).map_err(|_| Invalid::NotOfKind))
            }
        }
    )+};
}
choices!(Transport, Decoder, Provider, Direction, LivenessPolicy, LevelUnit, Fail, HttpMethod, ActuatorName, BusMode);

impl FromToml for String {
    fn accepts(kind: &Kind) -> bool {
        use Format::{Area, Argument, HostPort, ModelName, Name, Title};
        matches!(kind, Kind::Text(Name | Area | ModelName | Title | HostPort | Argument))
    }

    fn from_toml(raw: &RawValue<'_, '_>) -> Option<Self> {
        let Kind::Text(format) = raw.kind else { return of_kind(raw, None) };
        raw.text(|text| if format.accepts(text) { Ok(text.to_owned()) } else { Err(Invalid::NotOfKind) })
    }
}

/// Types that are read from a text of one format by a function of the text and its place.
macro_rules! texts {
    ($($ty:ty: $format:ident, $read:expr;)+) => {$(
        impl KeyType for $ty {
            const KIND: Kind = Kind::Text(Format::$format);
        }

        impl FromToml for $ty {
            fn from_toml(raw: &RawValue<'_, '_>) -> Option<Self> {
                let read: fn(&str, &RawValue<'_, '_>) -> Result<$ty, Invalid> = $read;
                raw.text(|text| read(text, raw))
            }
        }
    )+};
}
texts! {
    CameraId: Name, |text, _| name(text, CameraId::new);
    ZoneId: Name, |text, _| name(text, ZoneId::new);
    LineId: Name, |text, _| name(text, LineId::new);
    PathBuf: Path, |text, raw| match text.is_empty() || text.contains('\0') {
        true => Err(Invalid::NotOfKind),
        false => Ok(raw.table.context.folder.join(text)),
    };
    SecretRef: Secret, |text, raw| SecretRef::parse(text, raw.table.context.folder).ok_or(Invalid::NotOfKind);
    PublicKeyRef: PublicKey, |text, raw| {
        PublicKeyRef::parse(text, raw.table.context.folder).ok_or(Invalid::NotOfKind)
    };
    Source: Source, |text, raw| source::parse(raw.key.name, text, raw.table.context.folder);
    HttpUrl: HttpUrl, |text, _| HttpUrl::parse(text);
    OneIn: Rate, |text, _| OneIn::parse(text).ok_or(Invalid::NotOfKind);
    SocketAddr: ConsoleAddress, |text, _| local_address(text);
}

fn name<T>(text: &str, new: fn(&str) -> T) -> Result<T, Invalid> {
    if is_name(text) { Ok(new(text)) } else { Err(Invalid::NotOfKind) }
}

fn local_address(text: &str) -> Result<SocketAddr, Invalid> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => Err(Invalid::because("the console has no login yet, so it may be served to this machine only")
            .help("write `127.0.0.1:PORT` or `[::1]:PORT`; from elsewhere, reach it through an SSH tunnel")),
        Err(_) => Err(Invalid::NotOfKind),
    }
}

impl FromToml for Endpoint {
    fn accepts(kind: &Kind) -> bool {
        matches!(kind, Kind::Text(Format::Listen | Format::Connect))
    }

    fn from_toml(raw: &RawValue<'_, '_>) -> Option<Self> {
        let may_choose_port = matches!(raw.kind, Kind::Text(Format::Listen));
        raw.text(|text| match Endpoint::parse(text, may_choose_port) {
            Some(endpoint) => Ok(endpoint),
            None if Endpoint::parse(text, true).is_some() => {
                let message = format!("`{}` must name the port to connect to, found port 0", raw.key.name);
                Err(Invalid::because(message))
            }
            None if ["tls/", "quic/", "udp/", "ws/"].iter().any(|protocol| text.starts_with(protocol)) => {
                Err(Invalid::because("this version of the bus supports `tcp/` only"))
            }
            None => Err(Invalid::NotOfKind),
        })
    }
}

impl KeyType for NormalisedPolygon {
    const KIND: Kind = Kind::Polygon;
}

impl FromToml for NormalisedPolygon {
    fn from_toml(raw: &RawValue<'_, '_>) -> Option<Self> {
        polygon::read(raw)
    }
}

/// A point of the picture, normalised.
impl KeyType for Point {
    const KIND: Kind = crate::kind::points(1, 0.0..=1.0);
}

impl FromToml for Point {
    fn from_toml(raw: &RawValue<'_, '_>) -> Option<Self> {
        of_kind(raw, place(raw.kind, raw.value)).map(point)
    }
}

impl<const N: usize> KeyType for [Point; N] {
    const KIND: Kind = crate::kind::points(N, 0.0..=1.0);
}

impl<const N: usize> FromToml for [Point; N] {
    fn from_toml(raw: &RawValue<'_, '_>) -> Option<Self> {
        <[[f64; 2]; N]>::from_toml(raw).map(|places| places.map(point))
    }
}

impl<const N: usize> FromToml for [[f64; 2]; N] {
    fn accepts(kind: &Kind) -> bool {
        matches!(kind, Kind::Points { count, .. } if *count == N)
    }

    fn from_toml(raw: &RawValue<'_, '_>) -> Option<Self> {
        let places = raw.value.as_array().and_then(|items| {
            let places = items.iter().map(|item| place(raw.kind, item.get_ref()));
            places.collect::<Option<Vec<_>>>()?.try_into().ok()
        });
        of_kind(raw, places)
    }
}

/// `[x, y]`, both within the range of the kind.
fn place(kind: &Kind, value: &DeValue<'_>) -> Option<[f64; 2]> {
    let Kind::Points { min, max, .. } = kind else { return None };
    let [x, y] = value.as_array()?.iter().collect::<Vec<_>>().try_into().ok()?;
    let part =
        |part: &toml::Spanned<DeValue<'_>>| number(part.get_ref()).filter(|number| (min..=max).contains(&number));
    Some([part(x)?, part(y)?])
}

fn point([x, y]: [f64; 2]) -> Point {
    Point { x: x as f32, y: y as f32 }
}

impl<T: KeyType> KeyType for Option<T> {
    const KIND: Kind = T::KIND;
}

impl<T: FromToml> FromToml for Option<T> {
    fn accepts(kind: &Kind) -> bool {
        T::accepts(kind)
    }

    fn from_toml(raw: &RawValue<'_, '_>) -> Option<Self> {
        T::from_toml(raw).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: KeyType> KeyType for Vec<T> {
    const KIND: Kind = T::LIST;
}

impl<T: FromToml> FromToml for Vec<T> {
    fn accepts(kind: &Kind) -> bool {
        match kind {
            Kind::List(item) => T::accepts(item),
            Kind::Tables(_) => true,
            _ => false,
        }
    }

    fn from_toml(raw: &RawValue<'_, '_>) -> Option<Self> {
        let (DeValue::Array(items), Kind::List(_) | Kind::Tables(_)) = (raw.value, raw.kind) else {
            return not_a_list(raw);
        };
        let read = items.iter().enumerate().map(|(index, item)| {
            let kind = match raw.kind {
                Kind::List(item) => item,
                other => other,
            };
            let part = raw.part(kind, index, item);
            if let Kind::Tables(_) = kind {
                raw.table.context.record_span(&part.path, item.span());
            }
            T::from_toml(&part)
        });
        // All of them are read before one that is missing makes the list invalid.
        read.collect::<Vec<_>>().into_iter().collect()
    }
}

fn not_a_list<T>(raw: &RawValue<'_, '_>) -> Option<T> {
    match (raw.value, raw.kind) {
        (DeValue::Table(_), Kind::Tables(table)) => {
            let single = table.heading.replace("[[", "[").replace("]]", "]");
            let message = format!("{single} must be written {}: there can be several", table.heading);
            raw.reject(Invalid::because(message));
            None
        }
        _ => of_kind(raw, None),
    }
}
