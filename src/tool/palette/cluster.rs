//! k-means of weighted colours.

use crate::tool::oklab::Lab;

/// Most rounds; a few are enough to settle.
const ROUNDS: usize = 50;
/// Clusters nearer to each other than this are one colour to the eye (Euclidean, in OKLab).
const SAME: f64 = 0.02;

/// A colour and how many pixels have it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Weighted {
    pub(super) lab: Lab,
    pub(super) weight: f64,
}

/// At most `count` clusters of these colours.
pub(super) fn clusters(colors: &[Weighted], count: usize) -> Vec<Weighted> {
    let mut centres = starts(colors, count);
    let mut found = Vec::new();
    for _ in 0..ROUNDS {
        found = means(colors, &centres);
        let next: Vec<Lab> = found.iter().map(|cluster| cluster.lab).collect();
        if next == centres {
            break;
        }
        centres = next;
    }
    joined(found)
}

/// The commonest colour, then again and again the one that most pixels are farthest from what there is.
fn starts(colors: &[Weighted], count: usize) -> Vec<Lab> {
    let mut starts: Vec<Lab> = Vec::new();
    while starts.len() < count {
        let far = |color: &Weighted| match starts.iter().map(|start| apart(*start, color.lab)).reduce(f64::min) {
            Some(squared) => squared * color.weight,
            None => color.weight,
        };
        let next = colors
            .iter()
            .map(|color| (far(color), color.lab))
            .reduce(|best, next| if next.0 > best.0 { next } else { best });
        match next {
            Some((far, lab)) if far > 0.0 => starts.push(lab),
            _ => break,
        }
    }
    starts
}

/// The means of the colours that are nearest to each centre; centres that none is nearest to are left out.
fn means(colors: &[Weighted], centres: &[Lab]) -> Vec<Weighted> {
    let mut sums = vec![Weighted { lab: [0.0; 3], weight: 0.0 }; centres.len()];
    for color in colors {
        let distances = centres.iter().map(|centre| apart(*centre, color.lab)).enumerate();
        let nearest = distances.reduce(|best, next| if next.1 < best.1 { next } else { best });
        if let Some(sum) = nearest.and_then(|(n, _)| sums.get_mut(n)) {
            add(sum, color.lab.map(|v| v * color.weight), color.weight);
        }
    }
    sums.retain(|sum| sum.weight > 0.0);
    sums.into_iter().map(|sum| Weighted { lab: sum.lab.map(|v| v / sum.weight), ..sum }).collect()
}

/// The clusters, those that the eye takes for one joined.
fn joined(clusters: Vec<Weighted>) -> Vec<Weighted> {
    let mut joined: Vec<Weighted> = Vec::new();
    for cluster in clusters {
        match joined.iter_mut().find(|known| apart(known.lab, cluster.lab) < SAME * SAME) {
            Some(known) => {
                let weight = known.weight + cluster.weight;
                let share = cluster.weight / weight;
                for (known, new) in known.lab.iter_mut().zip(cluster.lab) {
                    *known += share * (new - *known);
                }
                known.weight = weight;
            }
            None => joined.push(cluster),
        }
    }
    joined
}

fn add(sum: &mut Weighted, lab: Lab, weight: f64) {
    for (sum, value) in sum.lab.iter_mut().zip(lab) {
        *sum += value;
    }
    sum.weight += weight;
}

/// The squared distance.
fn apart(a: Lab, b: Lab) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}
