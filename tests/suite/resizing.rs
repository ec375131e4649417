//! Pictures in other sizes, to the last bit as the libraries that models are trained with make them.

use image::{Rgb, RgbImage};
use lavr::tool::resize::{Kernel, linear, smooth};
use sha2::{Digest, Sha256};

fn pattern(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([0, 1, 2].map(|c| ((x * x * 7 + y * y * 13 + x * y * 5 + c * 91 + (x ^ y) * 3) % 256) as u8))
    })
}

/// Digests of what `cv2.resize` of OpenCV 5.0.0 makes of the pattern.
#[test]
fn the_pixels_are_those_of_opencv() {
    for (from, to, digest) in [
        ((64, 48), (32, 24), "445ca86565d5b1ea"),
        ((64, 48), (97, 31), "d65f41bf5c9d95e7"),
        ((37, 53), (416, 416), "1c19bbfa839d28fa"),
        ((500, 300), (191, 48), "ee9aeb15fac3f0d2"),
        ((5, 3), (20, 64), "6a7100fba002d4f6"),
        ((1, 1), (7, 3), "003834e710f0e4a9"),
    ] {
        let resized = linear(&pattern(from.0, from.1), to.0, to.1);
        let got = hex::encode(Sha256::digest(resized.as_raw()));
        assert!(got.starts_with(digest), "{from:?} to {to:?}: {got}");
    }
}

/// Digests of what `Image.resize` of Pillow 13.0.0 makes of the pattern, both axes being first.
#[test]
fn the_pixels_are_those_of_pillow() {
    use Kernel::{Bicubic, Bilinear, Lanczos};
    for (from, to, kernel, digest) in [
        ((443, 640), (256, 256), Bilinear, "40f37fca76bc9d38"),
        ((448, 640), (256, 256), Bilinear, "af30395323793862"),
        ((300, 600), (150, 290), Bicubic, "8fc3cda03f348e12"),
        ((300, 600), (150, 350), Bicubic, "8c156a17680002fa"),
        ((100, 300), (310, 60), Lanczos, "09bf07361ac21054"),
        ((64, 48), (97, 31), Lanczos, "4f848d8caca1c206"),
        ((37, 23), (16, 12), Bilinear, "7301817262135538"),
    ] {
        let resized = smooth(&pattern(from.0, from.1), to.0, to.1, kernel);
        let got = hex::encode(Sha256::digest(resized.as_raw()));
        assert!(got.starts_with(digest), "{from:?} to {to:?}: {got}");
    }
}

#[test]
fn nothing_stays_nothing() {
    assert_eq!(linear(&RgbImage::new(0, 5), 3, 3), RgbImage::new(3, 3));
    assert_eq!(linear(&pattern(4, 4), 0, 3).dimensions(), (0, 3));
}
