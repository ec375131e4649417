//! Names of colours: which of twelve everyday words a colour is called by.
//!
//! The words are the eleven basic colour terms of English (Berlin and Kay, *Basic Color Terms*, 1969) and
//! beige. Cyan, teal and turquoise are no words of their own: people call them blue or green.
//!
//! A colour is named by its lightness, chroma and hue in OKLab (Björn Ottosson, *A perceptual color space for
//! image processing*, 2020, <https://bottosson.github.io/posts/oklab/>). The limits between the names were set
//! on the xkcd colour survey (2010): of its 440 colours that are called by one of the words with modifiers
//! such as "dark" or "pale", more than 9 in 10 get that name.

use std::sync::LazyLock;

use crate::tool::oklab::of_rgb;

/// All names, in the order that ties are settled in.
pub const COLORS: [&str; 12] =
    ["black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "beige"];

/// Whether a word is the name of a colour.
pub fn is_color(word: &str) -> bool {
    COLORS.contains(&word)
}

/// The name of an sRGB colour, 8 bits a channel.
///
/// ```
/// # use lavr::tool::color_of::color_name;
/// assert_eq!(color_name([200, 20, 20]), "red");
/// assert_eq!(color_name([150, 75, 0]), "brown");
/// ```
pub fn color_name(rgb: [u8; 3]) -> &'static str {
    name(Lch::of(rgb))
}

/// Bits of a channel that a look-up regards.
const BITS: u32 = 6;
/// Names of colours by the upper bits of their channels, as places in [`COLORS`].
static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let middle = |n: u32, channel: u32| {
        let level = (n >> (BITS * channel)) & ((1 << BITS) - 1);
        // Spread so that black and white are themselves.
        u8::try_from(level * 255 / ((1 << BITS) - 1)).unwrap_or(u8::MAX)
    };
    let place = |name| COLORS.iter().position(|color| *color == name).and_then(|n| u8::try_from(n).ok());
    (0..1 << (3 * BITS))
        .map(|n| place(color_name([middle(n, 2), middle(n, 1), middle(n, 0)])).unwrap_or_default())
        .collect()
});

/// The place of a colour's name in [`COLORS`]; looked up, so that large images take milliseconds.
pub(super) fn index(rgb: [u8; 3]) -> usize {
    let place = rgb.iter().fold(0, |n, channel| (n << BITS) | usize::from(channel >> (8 - BITS)));
    TABLE.get(place).copied().map_or(0, usize::from)
}

/// A colour in OKLab's polar form.
#[derive(Debug, Clone, Copy)]
struct Lch {
    /// 0 is black, 1 is white.
    lightness: f64,
    /// 0 is grey; sRGB goes up to 0.32.
    chroma: f64,
    /// Degrees: red is about 29, yellow 110, green 142, blue 264.
    hue: f64,
}

impl Lch {
    fn of(rgb: [u8; 3]) -> Self {
        let [lightness, a, b] = of_rgb(rgb);
        Self { lightness, chroma: a.hypot(b), hue: b.atan2(a).to_degrees().rem_euclid(360.0) }
    }
}

fn name(color: Lch) -> &'static str {
    let Lch { lightness, chroma, .. } = color;
    if lightness < 0.16 || (lightness < 0.22 && chroma < 0.06) {
        return "black";
    }
    let grey = if lightness < 0.9 { 0.035 } else { 0.03 };
    match chroma < grey || (lightness > 0.97 && chroma < 0.037) {
        true if lightness > 0.91 => "white",
        true if lightness > 0.31 => "grey",
        true => "black",
        false => chromatic(color),
    }
}

fn chromatic(color: Lch) -> &'static str {
    match color.hue {
        h if h < 15.0 => rosy(color),
        h if h < 40.0 => reddish(color),
        h if h < 80.0 => orangish(color),
        h if h < 113.0 => yellowish(color),
        h if h < 180.0 || (h < 195.0 && color.lightness < 0.94) => "green",
        h if h < 285.0 => "blue",
        h if h < 328.0 => "purple",
        _ if color.lightness > 0.55 || (color.hue >= 345.0 && color.lightness > 0.5) => "pink",
        _ => "purple",
    }
}

/// Hues between magenta and red.
fn rosy(color: Lch) -> &'static str {
    let pink = color.lightness > 0.64 || (color.hue < 8.0 && color.lightness > 0.52);
    if pink { "pink" } else { "red" }
}

fn reddish(color: Lch) -> &'static str {
    let Lch { lightness, chroma, hue } = color;
    match () {
        () if hue >= 34.0 && chroma > 0.13 && lightness > 0.6 => "orange",
        () if lightness > 0.70 => "pink",
        () if chroma < 0.09 || (lightness < 0.40 && chroma < 0.12) => "brown",
        () => "red",
    }
}

fn orangish(color: Lch) -> &'static str {
    let Lch { lightness, chroma, .. } = color;
    match () {
        () if (lightness > 0.80 && chroma < 0.10) || (lightness > 0.70 && chroma < 0.06) => "beige",
        () if lightness < 0.58 || chroma < 0.11 => "brown",
        () => "orange",
    }
}

fn yellowish(color: Lch) -> &'static str {
    let Lch { lightness, chroma, hue } = color;
    match () {
        () if (lightness > 0.80 && chroma < 0.085) || (lightness > 0.65 && chroma < 0.07) => "beige",
        () if hue < 96.0 && (lightness < 0.70 || chroma < 0.10) => "brown",
        () if hue < 100.0 && lightness < 0.60 => "brown",
        () if lightness < 0.60 => "green",
        () => "yellow",
    }
}
