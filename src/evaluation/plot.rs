//! Lines and areas of a picture, small in bytes: whole pixels, relative steps, nothing that lies on a straight line.

use std::fmt::Write;

/// A point of the picture in pixels.
pub type Point = (i32, i32);

/// The path through points as the `d` of an SVG path.
pub fn path(points: &[Point]) -> String {
    let kept = straightened(points);
    let Some((first, rest)) = kept.split_first() else { return String::new() };
    let mut out = format!("M{} {}", first.0, first.1);
    if !rest.is_empty() {
        out.push('l');
    }
    let mut at = *first;
    for (place, point) in rest.iter().enumerate() {
        let (dx, dy) = (point.0 - at.0, point.1 - at.1);
        let space = if place > 0 && dx >= 0 { " " } else { "" };
        let comma = if dy >= 0 { " " } else { "" };
        write!(out, "{space}{dx}{comma}{dy}").expect("a string");
        at = *point;
    }
    out
}

/// A closed area between two lines of the same length.
pub fn area(above: &[Point], below: &[Point]) -> String {
    let around: Vec<Point> = above.iter().chain(below.iter().rev()).copied().collect();
    if around.is_empty() { String::new() } else { path(&around) + "z" }
}

/// Leaves out what lies on the straight line between its neighbours.
fn straightened(points: &[Point]) -> Vec<Point> {
    let mut kept: Vec<Point> = Vec::with_capacity(points.len());
    for point in points {
        if kept.last() == Some(point) {
            continue;
        }
        if let [.., a, b] = kept[..] {
            let cross = (b.0 - a.0) * (point.1 - b.1) - (b.1 - a.1) * (point.0 - b.0);
            let onward = (b.0 - a.0) * (point.0 - b.0) + (b.1 - a.1) * (point.1 - b.1) >= 0;
            if cross == 0 && onward {
                kept.pop();
            }
        }
        kept.push(*point);
    }
    kept
}

/// A value's place between the bottom and the top of a lane; what lies outside is held at the edge.
pub fn height(value: f32, (low, high): (f32, f32), (bottom, top): (i32, i32)) -> i32 {
    let part = ((value - low) / (high - low)).clamp(0.0, 1.0);
    let part = if part.is_nan() { 0.0 } else { part };
    bottom - (part * (bottom - top) as f32).round() as i32
}

/// A step between marks of an axis that is `span` long: 1, 2 or 5 times a power of ten, so that about `marks` fit.
pub fn step(span: f32, marks: f32) -> f32 {
    let rough = (span / marks).max(1e-6);
    let ten = 10f32.powf(rough.log10().floor());
    [1.0, 2.0, 5.0]
        .map(|times| times * ten)
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(10.0 * ten)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_short_and_keeps_every_corner() {
        assert_eq!(
            path(&[(10, 50), (12, 50), (14, 50), (16, 40), (16, 40), (18, 42)]),
            "M10 50l4 0 2-10 2 2"
        );
        assert_eq!(path(&[(0, 0), (0, 9), (0, 3)]), "M0 0l0 9 0-6", "a spike is no straight line");
        assert_eq!((path(&[]), path(&[(1, 2)])), (String::new(), "M1 2".to_owned()));
        assert_eq!(area(&[(0, 0), (5, 0)], &[(0, 4), (5, 4)]), "M0 0l5 0 0 4-5 0z");
    }

    #[test]
    fn values_stay_within_their_lane() {
        let lane = (100, 60);
        assert_eq!(
            [-80.0, -40.0, 0.0, 12.0, f32::NAN].map(|db| height(db, (-80.0, 0.0), lane)),
            [100, 80, 60, 60, 100]
        );
    }

    #[test]
    fn axes_have_round_marks() {
        let steps = [5.7, 16.5, 60.0, 0.9].map(|span| step(span, 12.0));
        assert!(
            steps.into_iter().zip([0.5, 2.0, 5.0, 0.1]).all(|(a, b): (f32, f32)| (a - b).abs() < 1e-6),
            "{steps:?}"
        );
    }
}
