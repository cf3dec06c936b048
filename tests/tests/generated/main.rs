//! kubectl-lite held against the official kubectl 1.36 on generated JSONPath expressions, Go templates and strategic merge
//! patches. The seeds are fixed, so that every run has the same cases.
//!
//! Without an official kubectl the tests say so and pass.

mod go_template;
mod jsonpath;
mod strategic;

use fastrand::Rng;
use tests::differential::{Case, compare_batches};
use tests::fixture;

/// How many templates one call prints.
const BATCH: usize = 50;

/// One of `choices`.
fn pick<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.usize(..choices.len())]
}

/// True in `percent` of cases.
fn chance(rng: &mut Rng, percent: u32) -> bool {
    rng.u32(..100) < percent
}

/// `annotate --local` prints any object in any format without a server.
fn printed(format: &str, template: &str) -> Case {
    let file = fixture(&format!("differential/{format}.yaml")).to_string_lossy().into_owned();
    let output = format!("{format}={template}");
    let args = ["annotate", "--local", "zz=zz", "--overwrite", "-f", &file, "-o", &output];
    Case { args: args.map(String::from).to_vec(), ..Case::default() }
}

/// Compares what `templates` print; `separator` is a template too, and stands between those of one call.
fn compare_templates(format: &str, separator: &str, templates: &[String]) {
    let batches: Vec<Vec<Case>> =
        templates.chunks(BATCH).map(|chunk| chunk.iter().map(|text| printed(format, text)).collect()).collect();
    let prefix = format!("{format}=");
    compare_batches(&batches, &fixture("differential"), |batch| {
        let templates: Vec<&str> = batch.iter().filter_map(|case| case.args.last()?.strip_prefix(&prefix)).collect();
        printed(format, &templates.join(separator))
    });
}
