//! sRGB to OKLab and back. In OKLab, colours that are equally far apart look about equally different.
//!
//! Source: Björn Ottosson, *A perceptual color space for image processing* (2020),
//! <https://bottosson.github.io/posts/oklab/>; sRGB by IEC 61966-2-1.
//!
//! ```
//! use lavr::tool::oklab::{of_rgb, to_rgb};
//!
//! let [lightness, a, b] = of_rgb([255, 255, 255]);
//! assert!((lightness - 1.0).abs() < 1e-4 && a.abs() < 1e-4 && b.abs() < 1e-4);
//! assert_eq!(to_rgb([0.0, 0.0, 0.0]), [0, 0, 0]);
//! ```

/// Lightness (0 is black, 1 is white), a (green to red) and b (blue to yellow).
pub type Lab = [f64; 3];

/// The OKLab form of an sRGB colour: red, green and blue, 8 bits each.
pub fn of_rgb(rgb: [u8; 3]) -> Lab {
    let [r, g, b] = rgb.map(linear);
    let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
    let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
    let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
    [
        0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s,
        1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s,
        0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s,
    ]
}

/// The sRGB colour of an OKLab colour, rounded; each channel of one that sRGB does not have is cut off at its limits.
pub fn to_rgb([lightness, a, b]: Lab) -> [u8; 3] {
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
    ]
    .map(gamma)
}

fn linear(channel: u8) -> f64 {
    let c = f64::from(channel) / 255.0;
    if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
}

fn gamma(light: f64) -> u8 {
    let c = if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    // Between 0 and 255.
    (c.clamp(0.0, 1.0) * 255.0).round() as u8
}
