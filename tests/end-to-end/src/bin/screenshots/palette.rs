//! Pictures of pages, made small. Nearly all of a page is drawn in few colours: the 256 most frequent ones
//! stay exactly what they are, and the rest, on the edges of letters, becomes the nearest of them.

use std::collections::HashMap;
use std::io::Cursor;

use anyhow::{Context as _, Result, ensure};
use png::{BitDepth, ColorType, Compression, Decoder, Encoder, Filter};

type Color = [u8; 3];

const COLORS: usize = 256;

/// The picture with at most 256 colours.
pub fn shrink(picture: &[u8]) -> Result<Vec<u8>> {
    let mut reader = Decoder::new(Cursor::new(picture)).read_info()?;
    let size = reader.output_buffer_size().context("too large a picture")?;
    let mut pixels = vec![0; size];
    let info = reader.next_frame(&mut pixels)?;
    ensure!(info.bit_depth == BitDepth::Eight, "unknown kind of picture");
    let pixels: Vec<Color> = match info.color_type {
        ColorType::Rgb => pixels.as_chunks::<3>().0.to_vec(),
        ColorType::Rgba => {
            let opaque = pixels.as_chunks::<4>().0.iter();
            opaque
                .map(|[red, green, blue, _]| [*red, *green, *blue])
                .collect()
        }
        _ => anyhow::bail!("unknown kind of picture"),
    };
    let palette = most_frequent(&pixels);
    let mut nearest: HashMap<Color, u8> = HashMap::new();
    let indices: Vec<u8> = pixels
        .iter()
        .map(|color| {
            *nearest
                .entry(*color)
                .or_insert_with(|| index_of_nearest(*color, &palette))
        })
        .collect();
    let mut small = Vec::new();
    let mut encoder = Encoder::new(&mut small, info.width, info.height);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_palette(palette.concat());
    encoder.set_compression(Compression::High);
    encoder.set_filter(Filter::NoFilter);
    encoder.write_header()?.write_image_data(&indices)?;
    Ok(small)
}

fn most_frequent(pixels: &[Color]) -> Vec<Color> {
    let mut counts: HashMap<Color, u32> = HashMap::new();
    for color in pixels {
        *counts.entry(*color).or_default() += 1;
    }
    let mut colors: Vec<(Color, u32)> = counts.into_iter().collect();
    colors.sort_by_key(|(color, count)| (std::cmp::Reverse(*count), *color));
    colors
        .into_iter()
        .take(COLORS)
        .map(|(color, _)| color)
        .collect()
}

fn index_of_nearest(color: Color, palette: &[Color]) -> u8 {
    let distance = |other: &Color| -> u32 {
        let channels = color.iter().zip(other);
        channels
            .map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2))
            .sum()
    };
    let nearest = (0_u8..=u8::MAX)
        .zip(palette)
        .min_by_key(|(_, other)| distance(other));
    nearest.map_or(0, |(index, _)| index)
}
