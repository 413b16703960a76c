//! The stages and what they are made from, from top to bottom.

use std::collections::BTreeSet;

use crate::stages::StageSummary;
use crate::text::html;

const WIDTH: f64 = 158.0;
const HEIGHT: f64 = 46.0;
const GAP_X: f64 = 16.0;
const GAP_Y: f64 = 34.0;
/// Longest name that fits, in characters.
const NAME: usize = 20;
/// Most stages that are drawn.
const MOST: usize = 200;

/// Every stage, coloured by what happened to it.
pub(super) fn draw(stages: &[StageSummary]) -> String {
    if stages.is_empty() {
        return "<p class=\"note\">Nothing was built.</p>".to_owned();
    }
    if stages.len() > MOST {
        return format!("<p class=\"note\">{} stages are too many to draw.</p>", stages.len());
    }
    let places = places(stages);
    let left = places.iter().map(|place| place.0).fold(f64::INFINITY, f64::min) - WIDTH / 2.0;
    let right = places.iter().map(|place| place.0).fold(f64::NEG_INFINITY, f64::max) + WIDTH / 2.0;
    let bottom = places.iter().map(|place| place.1).fold(0.0, f64::max) + HEIGHT;
    let (width, height) = (right - left + 2.0, bottom + 2.0);
    let mut svg = format!(
        "<svg class=\"graph\" style=\"min-width:{:.0}px\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"{:.1} -1 {width:.1} {height:.1}\" role=\"img\" \
         aria-label=\"The stages and what they are made from\">",
        // On a small screen it shrinks as far as one can still read it.
        width * 0.62,
        left - 1.0
    );
    for (stage, to) in stages.iter().zip(&places) {
        for &input in &stage.inputs {
            let (x, y) = (places[input].0, places[input].1 + HEIGHT);
            let class = if stages[input].ran > 0 { "ran" } else { "cached" };
            let middle = (y + to.1) / 2.0;
            svg += &format!(
                "<path class=\"{class}\" d=\"M{x:.1} {y:.1}C{x:.1} {middle:.1} {:.1} {middle:.1} {:.1} {:.1}\"/>",
                to.0, to.0, to.1
            );
        }
    }
    for (stage, (x, y)) in stages.iter().zip(&places) {
        let name: String = match stage.title.chars().count() {
            ..=NAME => stage.title.clone(),
            _ => stage.title.chars().take(NAME - 1).chain(['…']).collect(),
        };
        svg += &format!(
            "<g class=\"{}\"><title>{}: {}</title><rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"7\"/>\
             <text class=\"name\" x=\"{x:.1}\" y=\"{:.1}\">{}</text><text x=\"{x:.1}\" y=\"{:.1}\">{}</text></g>",
            stage.status.class(),
            html(&stage.title),
            html(&stage.services.join(", ")),
            x - WIDTH / 2.0,
            y + 19.0,
            html(&name),
            y + 36.0,
            stage.outcome()
        );
    }
    format!("<div class=\"scroll\">{svg}</svg></div>")
}

/// The middle of the upper edge of every stage: a row below its inputs, and as near to the middle of its nearest ones as
/// there is room.
fn places(stages: &[StageSummary]) -> Vec<(f64, f64)> {
    let mut rows: Vec<usize> = Vec::with_capacity(stages.len());
    for stage in stages {
        rows.push(stage.inputs.iter().map(|&input| rows[input] + 1).max().unwrap_or(0));
    }
    let mut members = vec![Vec::new(); rows.iter().max().map_or(0, |last| last + 1)];
    for (index, &row) in rows.iter().enumerate() {
        members[row].push(index);
    }
    let mut places = vec![(0.0, 0.0); stages.len()];
    for (row, members) in members.into_iter().enumerate() {
        let wish = |index: usize| {
            let above = nearest(stages, index);
            let sum: f64 = above.iter().map(|&input| places[input].0).sum();
            if above.is_empty() { 0.0 } else { sum / above.len() as f64 }
        };
        let mut wishes: Vec<_> = members.into_iter().map(|index| (wish(index), index)).collect();
        wishes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut xs: Vec<f64> = Vec::with_capacity(wishes.len());
        for (wish, _) in &wishes {
            xs.push(xs.last().map_or(*wish, |before| wish.max(before + WIDTH + GAP_X)));
        }
        let shift = wishes.iter().zip(&xs).map(|((wish, _), x)| wish - x).sum::<f64>() / xs.len() as f64;
        for ((_, index), x) in wishes.iter().zip(xs) {
            places[*index] = (x + shift, row as f64 * (HEIGHT + GAP_Y));
        }
    }
    places
}

/// The inputs of a stage that no other input of it is made from.
fn nearest(stages: &[StageSummary], index: usize) -> Vec<usize> {
    let inputs = &stages[index].inputs;
    let mut further = BTreeSet::new();
    let mut open: Vec<usize> = inputs.iter().flat_map(|&input| &stages[input].inputs).copied().collect();
    while let Some(at) = open.pop() {
        if further.insert(at) {
            open.extend(&stages[at].inputs);
        }
    }
    inputs.iter().copied().filter(|input| !further.contains(input)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(inputs: &[usize]) -> StageSummary {
        StageSummary { inputs: inputs.to_vec(), ..StageSummary::default() }
    }

    #[test]
    fn a_stage_stands_below_the_middle_of_its_nearest_inputs_and_on_no_other() {
        // source, python, deps, frontend, final
        let stages = [stage(&[]), stage(&[0]), stage(&[0]), stage(&[0, 2]), stage(&[0, 1, 3])];
        assert_eq!(nearest(&stages, 4), [1, 3]);
        let places = places(&stages);
        let (half, row) = ((WIDTH + GAP_X) / 2.0, HEIGHT + GAP_Y);
        assert_eq!(places, [(0.0, 0.0), (-half, row), (half, row), (half, 2.0 * row), (0.0, 3.0 * row)]);
    }
}
