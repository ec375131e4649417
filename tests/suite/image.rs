//! Images: every format upright, nothing decoded beyond its limits, and no file that panics.

use std::io::Cursor;
use std::path::PathBuf;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use lavr::error::ErrorKind;
use lavr::image::{Frame, Image, ImageLimits};
use proptest::prelude::*;

fn format_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/images/formats").join(name)
}

fn open(name: &str) -> Image {
    Image::open(format_file(name), &ImageLimits::default()).unwrap()
}

fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    image.write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn decode(bytes: Vec<u8>) -> lavr::error::Result<Image> {
    Image::decode(bytes, &ImageLimits::default())
}

/// The largest difference of one channel of one pixel.
fn difference(a: &RgbImage, b: &RgbImage) -> u8 {
    assert_eq!(a.dimensions(), b.dimensions());
    a.iter().zip(b.iter()).map(|(x, y)| x.abs_diff(*y)).max().unwrap_or(0)
}

/// The message of a decoding that must fail as invalid input.
fn refused(bytes: Vec<u8>, limits: &ImageLimits) -> String {
    let error = Image::decode(bytes, limits).expect_err("it must be refused");
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    error.to_string()
}

#[test]
fn every_lossless_format_gives_the_same_pixels() {
    let upright = open("upright.png");
    assert_eq!((upright.width(), upright.height()), (48, 32));
    for name in ["upright.bmp", "upright.tiff", "upright.webp", "upright.gif"] {
        assert_eq!(difference(upright.pixels(), open(name).pixels()), 0, "{name}");
    }
}

#[test]
fn every_exif_orientation_is_turned_upright() {
    let upright = open("upright.png");
    for n in 1..=8 {
        let image = open(&format!("orientation-{n}.jpg"));
        let off = difference(upright.pixels(), image.pixels());
        assert!(off < 60, "orientation {n} differs by {off}");
        assert_eq!(image.frame(), Frame::ROOT);
    }
}

#[test]
fn transparent_pixels_are_laid_over_white() {
    let mut rgba = RgbaImage::from_pixel(4, 1, Rgba([10, 20, 30, 0]));
    rgba.put_pixel(1, 0, Rgba([10, 20, 30, 255]));
    rgba.put_pixel(2, 0, Rgba([0, 0, 0, 128]));
    rgba.put_pixel(3, 0, Rgba([255, 255, 255, 1]));
    let rgba = DynamicImage::from(rgba);
    for (format, image) in [
        (ImageFormat::Png, &rgba),
        (ImageFormat::WebP, &rgba),
        (ImageFormat::Tiff, &rgba),
        (ImageFormat::Png, &DynamicImage::from(rgba.to_rgba16())),
    ] {
        let decoded = decode(encode(image, format)).unwrap();
        let pixels: Vec<[u8; 3]> = decoded.pixels().pixels().map(|p| p.0).collect();
        assert_eq!(pixels, [[255; 3], [10, 20, 30], [127; 3], [255; 3]], "{format:?}");
    }
}

#[test]
fn sixteen_bit_and_grey_images_become_rgb() {
    let deep = image::ImageBuffer::from_fn(3, 1, |x, _| Rgb([x as u16 * 32_767, 65_535, 0]));
    let decoded = decode(encode(&DynamicImage::ImageRgb16(deep), ImageFormat::Png)).unwrap();
    assert_eq!(decoded.pixels().get_pixel(2, 0).0, [255, 255, 0]);
    let middle = decoded.pixels().get_pixel(1, 0).0[0];
    assert!((126..=128).contains(&middle));

    let grey = image::GrayImage::from_pixel(2, 2, image::Luma([77]));
    let deep_grey = image::ImageBuffer::from_pixel(2, 2, image::Luma([77_u16 * 257]));
    let grey_alpha = image::GrayAlphaImage::from_pixel(2, 2, image::LumaA([77, 255]));
    for image in [DynamicImage::from(grey), DynamicImage::ImageLuma16(deep_grey), DynamicImage::from(grey_alpha)] {
        let decoded = decode(encode(&image, ImageFormat::Png)).unwrap();
        assert_eq!(decoded.pixels().get_pixel(1, 1).0, [77; 3], "{:?}", image.color());
    }
    let grey = DynamicImage::from(image::GrayImage::from_pixel(16, 16, image::Luma([77])));
    let jpeg = decode(encode(&grey, ImageFormat::Jpeg)).unwrap();
    assert!(jpeg.pixels().get_pixel(8, 8).0.iter().all(|c| c.abs_diff(77) <= 2));
}

/// Each scan is a pass over all pixels, and takes a few bytes.
#[test]
fn a_jpeg_of_very_many_scans_is_refused() {
    let mut jpeg = std::fs::read(format_file("orientation-1.jpg")).unwrap();
    jpeg.truncate(jpeg.len() - 2);
    jpeg.extend([0xff, 0xda].repeat(300));
    jpeg.extend([0xff, 0xd9]);
    let error = decode(jpeg).unwrap_err();
    assert!(error.to_string().contains("more than 200 scans"), "{error}");
}

#[test]
fn jpegs_in_other_colour_spaces_decode() {
    use mozjpeg::ColorSpace::{JCS_CMYK, JCS_RGB, JCS_YCCK, JCS_YCbCr};
    let encode = |from, to, pixel: &[u8]| {
        let mut compress = mozjpeg::Compress::new(from);
        compress.set_size(16, 16);
        compress.set_color_space(to);
        compress.set_quality(95.0);
        let mut started = compress.start_compress(Vec::new()).unwrap();
        started.write_scanlines(&pixel.repeat(256)).unwrap();
        started.finish().unwrap()
    };
    // Adobe stores CMYK inverted: 255 is no ink.
    for (what, bytes, wanted) in [
        ("CMYK", encode(JCS_CMYK, JCS_CMYK, &[255, 0, 0, 255]), [255, 0, 0]),
        ("YCCK", encode(JCS_CMYK, JCS_YCCK, &[255, 0, 0, 255]), [255, 0, 0]),
        ("RGB", encode(JCS_RGB, JCS_RGB, &[255, 0, 0]), [255, 0, 0]),
        ("YCbCr", encode(JCS_RGB, JCS_YCbCr, &[255, 0, 0]), [255, 0, 0]),
    ] {
        let image = decode(bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
        let got = image.pixels().get_pixel(8, 8).0;
        assert!(got.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 6), "{what}: {got:?}");
    }
}

#[test]
fn files_over_the_byte_limit_are_not_read() {
    let limits = ImageLimits { max_bytes: 100, ..ImageLimits::default() };
    let error = Image::open(format_file("upright.png"), &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let text = error.to_string();
    assert!(text.contains("upright.png") && text.contains("176 bytes") && text.contains("max_bytes"), "{text}");
    assert!(refused(std::fs::read(format_file("upright.png")).unwrap(), &limits).contains("max_bytes"));
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_refused() {
    let limits = ImageLimits { max_bytes: 10_000, ..ImageLimits::default() };
    let error = Image::open("/dev/zero", &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("not a regular file"), "{error}");
}

#[test]
fn images_over_the_pixel_limit_are_refused() {
    let limits = ImageLimits { max_pixels: 48 * 32 - 1, ..ImageLimits::default() };
    for name in ["upright.png", "upright.bmp", "upright.gif", "upright.tiff", "upright.webp", "orientation-6.jpg"] {
        let text = refused(std::fs::read(format_file(name)).unwrap(), &limits);
        assert!(text.contains("max_pixels"), "{name}: {text}");
    }
}

#[test]
fn decoding_that_needs_more_memory_than_allowed_is_refused() {
    let deep = image::ImageBuffer::from_pixel(100, 100, Rgba([1_u16, 2, 3, 4]));
    let deep = DynamicImage::ImageRgba16(deep);
    let limits = ImageLimits { max_alloc: 79_999, ..ImageLimits::default() };
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        let text = refused(encode(&deep, format), &limits);
        assert!(text.contains("max_alloc"), "{format:?}: {text}");
    }
    let flat = DynamicImage::from(RgbImage::new(100, 100));
    let limits = ImageLimits { max_alloc: 20_000, ..ImageLimits::default() };
    for format in [ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Jpeg] {
        let text = refused(encode(&flat, format), &limits);
        assert!(text.contains("max_alloc"), "{format:?}: {text}");
    }
}

/// A PNG chunk with its length and checksum.
fn png_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(kind);
    crc.update(data);
    let length = u32::try_from(data.len()).unwrap();
    [&length.to_be_bytes(), &kind[..], data, &crc.sum().to_be_bytes()].concat()
}

/// Small files whose headers promise huge images.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let mut ihdr = [0_u8; 13];
    ihdr[..4].copy_from_slice(&100_000_u32.to_be_bytes());
    ihdr[4..8].copy_from_slice(&100_000_u32.to_be_bytes());
    ihdr[8..10].copy_from_slice(&[8, 2]);
    let png = [b"\x89PNG\r\n\x1a\n".to_vec(), png_chunk(b"IHDR", &ihdr), png_chunk(b"IDAT", &[])].concat();

    let mut bmp = std::fs::read(format_file("upright.bmp")).unwrap();
    bmp[18..22].copy_from_slice(&60_000_i32.to_le_bytes());
    bmp[22..26].copy_from_slice(&60_000_i32.to_le_bytes());

    let mut gif = std::fs::read(format_file("upright.gif")).unwrap();
    gif[6..10].copy_from_slice(&[0xff; 4]);

    let mut jpeg = std::fs::read(format_file("orientation-1.jpg")).unwrap();
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);

    // A lossless WebP of 16383 x 16383: fourteen bits each for width - 1 and height - 1.
    let mut webp = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f".to_vec();
    webp.extend((0x3ffe_u32 << 14 | 0x3ffe).to_le_bytes());
    webp.extend([0; 9]);
    vec![("png", png), ("bmp", bmp), ("gif", gif), ("jpeg", jpeg), ("webp", webp)]
}

#[test]
fn headers_that_promise_huge_images_are_refused() {
    for (name, bytes) in bombs() {
        let text = refused(bytes, &ImageLimits::default());
        assert!(text.contains("max_pixels") || text.contains("max_alloc"), "{name}: {text}");
    }
}

#[test]
fn what_is_no_image_is_refused_with_its_reason() {
    let limits = ImageLimits::default();
    assert!(refused(Vec::new(), &limits).contains("empty"));
    for bytes in [b"hello".to_vec(), b"<svg></svg>".to_vec(), b"%PDF-1.7".to_vec(), vec![0; 4096]] {
        assert!(refused(bytes, &limits).contains("PNG or JPEG"));
    }
    let ico = [0, 0, 1, 0, 1, 0, 16, 16, 0, 0, 1, 0, 32, 0, 0, 0, 0, 0, 22, 0, 0, 0];
    assert!(refused(ico.to_vec(), &limits).contains("PNG or JPEG"));
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let limits = ImageLimits::default();
    let folder = tempfile::tempdir().unwrap();
    let missing = Image::open(folder.path().join("none.png"), &limits).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().contains("none.png"));
    let directory = Image::open(folder.path(), &limits).unwrap_err();
    assert_eq!(directory.kind(), ErrorKind::InvalidInput);
    assert!(directory.to_string().contains("folder"));
    let empty = folder.path().join("empty.png");
    std::fs::write(&empty, []).unwrap();
    let error = Image::open(&empty, &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("empty.png"));
}

#[test]
fn truncated_files_are_refused() {
    for name in ["upright.png", "upright.bmp", "upright.gif", "upright.tiff", "upright.webp", "orientation-1.jpg"] {
        let bytes = std::fs::read(format_file(name)).unwrap();
        // Half of the GIF is its whole first frame.
        for share in [3, 10] {
            let cut = bytes.get(..bytes.len() / share).unwrap().to_vec();
            let error = decode(cut).expect_err(name);
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}");
        }
    }
}

#[test]
fn the_digest_is_that_of_the_file_or_of_the_png() {
    let image = open("upright.png");
    let digest = image.digest().to_owned();
    assert!(digest.starts_with("sha256:") && digest.len() == 71);
    assert_eq!(digest, open("upright.png").digest());
    assert_eq!(image.encoded(), std::fs::read(format_file("upright.png")).unwrap());
    assert_ne!(digest, open("upright.bmp").digest());

    let made = Image::from_pixels(image.pixels().clone(), Frame::ROOT);
    let again = decode(made.encoded().to_vec()).unwrap();
    assert_eq!(again.digest(), made.digest());
    assert_eq!(again, made);
    assert_eq!(Image::from_pixels(image.pixels().clone(), Frame::ROOT).digest(), made.digest());
}

#[test]
fn an_image_without_pixels_has_a_digest_all_the_same() {
    let nothing = Image::from_pixels(RgbImage::new(0, 0), Frame::ROOT);
    assert!(nothing.digest().starts_with("sha256:"));
}

#[test]
fn images_are_equal_when_pixels_and_place_are() {
    let pixels = RgbImage::from_pixel(3, 3, Rgb([1, 2, 3]));
    let here = Image::from_pixels(pixels.clone(), Frame::ROOT);
    let there = Image::from_pixels(pixels.clone(), Frame { x: 5.0, y: 0.0, scale: 1.0 });
    assert_ne!(here, there);
    assert_eq!(here, Image::from_pixels(pixels, Frame::ROOT));
}

#[test]
fn a_frame_maps_points_to_the_root() {
    let frame = Frame { x: 100.0, y: 50.0, scale: 2.0 };
    assert_eq!(frame.to_root(0.0, 0.0), (100.0, 50.0));
    assert_eq!(frame.to_root(20.0, 10.0), (110.0, 55.0));
    assert_eq!(frame.to_local(110.0, 55.0), (20.0, 10.0));
    assert_eq!(Frame::ROOT.to_root(3.5, 4.5), (3.5, 4.5));
}

proptest! {
    #[test]
    fn frames_map_there_and_back(
        x in -1e4..1e4_f64, y in -1e4..1e4_f64, scale in 0.01..100.0_f64, px in -1e4..1e4_f64, py in -1e4..1e4_f64,
    ) {
        let frame = Frame { x, y, scale };
        let (rx, ry) = frame.to_root(px, py);
        let (lx, ly) = frame.to_local(rx, ry);
        prop_assert!((lx - px).abs() < 1e-5 && (ly - py).abs() < 1e-5);
    }

    #[test]
    fn damaged_files_never_panic(
        file in 0..7_usize, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(), is_cut: bool,
    ) {
        let names = ["upright.png", "upright.bmp", "upright.gif", "upright.tiff", "upright.webp", "orientation-6.jpg",
            "orientation-3.jpg"];
        let mut bytes = std::fs::read(format_file(names[file])).unwrap();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let limits = ImageLimits { max_pixels: 1 << 20, max_alloc: 16 << 20, ..ImageLimits::default() };
        if let Err(error) = Image::decode(bytes, &limits) {
            prop_assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    }
}
