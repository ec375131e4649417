//! What EXIF tells of how a photo was taken.

use exif::{Exif, In, Reader, Tag, Value};
use serde_json::{Value as Json, json};

/// Most characters of a text: who wrote the file chose it.
const MOST: usize = 120;

/// The facts of a file; all null where it has no EXIF, or none that can be read.
pub(super) fn facts(file: &[u8]) -> Json {
    let exif = Reader::new().continue_on_error(true).read_from_container(&mut std::io::Cursor::new(file));
    let exif = exif.or_else(|error| error.distill_partial_result(|_| ())).ok().map(Told);
    let exif = exif.as_ref();
    json!({
        "camera": exif.and_then(Told::camera),
        "lens": exif.and_then(|exif| exif.text(Tag::LensModel)),
        "software": exif.and_then(|exif| exif.text(Tag::Software)),
        "taken": exif.and_then(Told::taken),
        "orientation": exif.and_then(Told::orientation),
        "gps": exif.and_then(Told::gps),
        "exposure": exif.and_then(Told::exposure),
    })
}

struct Told(Exif);

impl Told {
    fn value(&self, tag: Tag) -> Option<&Value> {
        self.0.get_field(tag, In::PRIMARY).map(|field| &field.value)
    }

    /// A text without control characters.
    fn text(&self, tag: Tag) -> Option<String> {
        let Value::Ascii(parts) = self.value(tag)? else { return None };
        let text = String::from_utf8_lossy(parts.first()?).into_owned();
        let clean: String = text.chars().filter(|c| !c.is_control()).take(MOST).collect();
        let clean = clean.trim();
        (!clean.is_empty()).then(|| clean.to_owned())
    }

    fn number(&self, tag: Tag) -> Option<f64> {
        let number = match self.value(tag)? {
            Value::Rational(values) => values.first()?.to_f64(),
            Value::SRational(values) => values.first()?.to_f64(),
            other => f64::from(other.get_uint(0)?),
        };
        number.is_finite().then_some(number)
    }

    /// Maker and model, the maker once.
    fn camera(&self) -> Option<String> {
        match (self.text(Tag::Make), self.text(Tag::Model)) {
            (Some(make), Some(model)) if model.starts_with(&make) => Some(model),
            (Some(make), Some(model)) => Some(format!("{make} {model}")),
            (make, model) => make.or(model),
        }
    }

    /// The date and time, as in `2024-05-01 12:30:00`.
    fn taken(&self) -> Option<String> {
        let written = self.text(Tag::DateTimeOriginal).or_else(|| self.text(Tag::DateTime))?;
        let time = exif::DateTime::from_ascii(written.as_bytes()).ok()?;
        Some(time.to_string())
    }

    fn orientation(&self) -> Option<&'static str> {
        Some(match self.value(Tag::Orientation)?.get_uint(0)? {
            1 => "upright",
            2 => "stored mirrored",
            3 => "stored upside down",
            4 => "stored upside down and mirrored",
            5 => "stored turned a quarter anticlockwise and mirrored",
            6 => "stored turned a quarter anticlockwise",
            7 => "stored turned a quarter clockwise and mirrored",
            8 => "stored turned a quarter clockwise",
            _ => return None,
        })
    }

    fn gps(&self) -> Option<Json> {
        let latitude = self.degrees(Tag::GPSLatitude, Tag::GPSLatitudeRef, "S", 90.0)?;
        let longitude = self.degrees(Tag::GPSLongitude, Tag::GPSLongitudeRef, "W", 180.0)?;
        Some(json!({ "latitude": latitude, "longitude": longitude }))
    }

    /// Degrees, minutes and seconds as degrees; negative on the side that is called `negative`.
    fn degrees(&self, tag: Tag, side: Tag, negative: &str, most: f64) -> Option<f64> {
        let Value::Rational(parts) = self.value(tag)? else { return None };
        let [degrees, minutes, seconds] = parts.as_slice() else { return None };
        let sum = degrees.to_f64() + minutes.to_f64() / 60.0 + seconds.to_f64() / 3600.0;
        let sign = if self.text(side)? == negative { -1.0 } else { 1.0 };
        (sum.is_finite() && sum <= most).then(|| (sign * sum * 1e6).round() / 1e6)
    }

    fn exposure(&self) -> Option<Json> {
        let time = self.number(Tag::ExposureTime).filter(|time| *time > 0.0);
        let (aperture, iso) = (self.number(Tag::FNumber), self.number(Tag::PhotographicSensitivity));
        let length = self.number(Tag::FocalLength);
        [time, aperture, iso, length]
            .iter()
            .any(Option::is_some)
            .then(|| json!({ "time": time.map(seconds), "f_number": aperture, "iso": iso, "focal_length_mm": length }))
    }
}

/// A time as photographers write it: `1/250 s`.
fn seconds(time: f64) -> String {
    if time < 0.5 { format!("1/{} s", (1.0 / time).round()) } else { format!("{time} s") }
}
