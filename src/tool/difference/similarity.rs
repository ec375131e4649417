//! How alike two pictures are to the eye.

use image::{ImageBuffer, Luma, RgbImage, imageops};
use imageproc::filter::gaussian_blur_f32;

/// The shorter side, in pixels, that pictures are compared at.
const SIDE: u32 = 256;
/// The deviation of the Gaussian window, in pixels.
const WINDOW: f32 = 1.5;
/// The constants of the two terms, for levels from 0 to 255.
const C1: f32 = 6.5025;
const C2: f32 = 58.5225;

type Levels = ImageBuffer<Luma<f32>, Vec<f32>>;

/// The structural similarity of two pictures, 1 for equal ones, about 0 for unrelated ones; never below 0.
///
/// It is the mean SSIM of Wang et al., "Image quality assessment" (2004), with its constants and its Gaussian window, over
/// the luma. As its authors suggest, pictures are compared at some 256 pixels of their shorter side; both are
/// brought to the size of the smaller one first, so pictures of other proportions are stretched.
pub fn similarity(a: &RgbImage, b: &RgbImage) -> f64 {
    let (width, height) = (a.width().min(b.width()), a.height().min(b.height()));
    let scale = f64::from(SIDE) / f64::from(width.min(height).max(1));
    // Both are between 1 and the side of an image.
    let side = |length: u32| if scale < 1.0 { ((f64::from(length) * scale).round() as u32).max(1) } else { length };
    let (a, b) = (luma(a, side(width), side(height)), luma(b, side(width), side(height)));
    let blurred = |levels: &Levels| gaussian_blur_f32(levels, WINDOW);
    let (mean_a, mean_b) = (blurred(&a), blurred(&b));
    let (of_a, of_b, both) = (blurred(&product(&a, &a)), blurred(&product(&b, &b)), blurred(&product(&a, &b)));
    let count = mean_a.as_raw().len().max(1) as f64;
    let means = mean_a.as_raw().iter().zip(mean_b.as_raw());
    let moments = of_a.as_raw().iter().zip(of_b.as_raw()).zip(both.as_raw());
    let sum: f64 = means.zip(moments).map(|((a, b), ((aa, bb), ab))| ssim(*a, *b, *aa, *bb, *ab)).sum();
    (sum / count).clamp(0.0, 1.0)
}

/// SSIM of a window from the means of a, b, a², b² and ab.
fn ssim(a: f32, b: f32, aa: f32, bb: f32, ab: f32) -> f64 {
    let (var_a, var_b, covariance) = ((aa - a * a).max(0.0), (bb - b * b).max(0.0), ab - a * b);
    let luminance = (2.0 * a * b + C1) / (a * a + b * b + C1);
    f64::from(luminance * (2.0 * covariance + C2) / (var_a + var_b + C2))
}

fn luma(picture: &RgbImage, width: u32, height: u32) -> Levels {
    let grey = imageops::grayscale(picture);
    let small = imageops::resize(&grey, width, height, imageops::FilterType::Triangle);
    Levels::from_fn(width, height, |x, y| Luma([f32::from(small.get_pixel(x, y).0[0])]))
}

fn product(a: &Levels, b: &Levels) -> Levels {
    let mut product = a.clone();
    for (level, other) in product.iter_mut().zip(b.as_raw()) {
        *level *= other;
    }
    product
}
