//! `cargo xtask ci`: every check that decides whether a change lands, as one list of steps.

mod comply;
mod examples;
mod fuzz;
mod live;
mod mock_clients;
mod package;
mod published;
mod server;
mod step;

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use step::Step;

/// Run the checks that decide whether a change lands, in their order, up to the first failure.
///
/// A step is skipped, with the reason, if its tool or its folder of ../shared is missing.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Run only these steps, in the order of the list; a step that is named here and cannot run is a failure.
    #[arg(value_name = "STEP")]
    steps: Vec<Step>,
}

/// Runs the steps up to the first that fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    // The signal reaches the running command as well: its step fails, and the step's servers are stopped on the way out.
    ctrlc::set_handler(|| ()).context("cannot handle Ctrl-C")?;
    let mut skipped = Vec::new();
    for step in selected(&options.steps) {
        let name = step.name();
        if let Some(missing) = step.missing() {
            ensure!(options.steps.is_empty(), "{name} cannot run: {missing}");
            println!("== {name}: skipped, {missing}");
            skipped.push(name);
            continue;
        }
        println!("== {name}");
        let start = Instant::now();
        step.run().with_context(|| format!("the step {name} failed; `cargo xtask ci {name}` repeats it"))?;
        println!("== {name}: passed in {:.0} s", start.elapsed().as_secs_f64());
    }
    match skipped.as_slice() {
        [] => println!("== all passed"),
        _ => println!("== all passed but for what was skipped: {}", skipped.join(", ")),
    }
    Ok(())
}

/// The named steps, or all of them, in the order of the list.
fn selected(named: &[Step]) -> impl Iterator<Item = Step> {
    let all = Step::value_variants().iter().copied();
    all.filter(|step| named.is_empty() || named.contains(step))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use clap::{CommandFactory, Parser};
    use serde_json::Value;

    use super::*;
    use crate::files;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn named_steps_run_in_the_order_of_the_list() {
        let check = |arguments: &[&str], expected: &[Step]| {
            let arguments = Arguments::parse_from(["ci"].iter().chain(arguments));
            assert_eq!(selected(&arguments.options.steps).collect::<Vec<_>>(), expected);
        };
        check(&[], Step::value_variants());
        check(&["llmock", "format", "llmock"], &[Step::Format, Step::Llmock]);
        assert!(Arguments::try_parse_from(["ci", "everything"]).is_err());
    }

    #[test]
    fn the_help_lists_every_step() {
        let help = Arguments::command().render_long_help().to_string();
        let steps: Vec<&str> =
            help.lines().filter_map(|line| line.trim_start().strip_prefix("- ")?.split(':').next()).collect();
        let names: Vec<String> = Step::value_variants().iter().map(|step| step.name()).collect();
        assert_eq!(steps, names);
    }

    /// The steps that a workflow runs: those of a matrix, and those of a command.
    fn steps_of(workflow: &Value) -> Vec<String> {
        match workflow {
            Value::Object(fields) => fields
                .iter()
                .flat_map(|(name, value)| match value.as_str() {
                    Some(steps) if name == "steps" => steps.split_whitespace().map(str::to_owned).collect(),
                    Some(command) if name == "run" => command
                        .strip_prefix("cargo xtask ci ")
                        .map(|steps| steps.split_whitespace().filter(|step| *step != "$STEPS"))
                        .map(|steps| steps.map(str::to_owned).collect())
                        .unwrap_or_default(),
                    _ => steps_of(value),
                })
                .collect(),
            Value::Array(elements) => elements.iter().flat_map(steps_of).collect(),
            _ => Vec::new(),
        }
    }

    /// The steps that work with files outside the repository.
    const PRIVATE: [Step; 6] =
        [Step::Conformance, Step::Live, Step::Agent, Step::Llmock, Step::Bodies, Step::Document];

    #[test]
    fn the_workflows_run_every_step_that_the_repository_suffices_for() {
        let mut found = BTreeSet::new();
        for name in ["ci.yml", "release.yml"] {
            let path = files::root().join(".github/workflows").join(name);
            let workflow = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            found.extend(steps_of(&workflow));
        }
        let steps = Step::value_variants().iter().filter(|step| !PRIVATE.contains(step));
        assert_eq!(found, steps.map(|step| step.name()).collect());
        // The job `msrv` installs the toolchain that the step uses.
        let workflow = fs::read_to_string(files::root().join(".github/workflows/ci.yml")).unwrap();
        let manifest = fs::read_to_string(files::root().join("Cargo.toml")).unwrap();
        let oldest = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
        assert!(workflow.contains(&format!("toolchain: {oldest}\n")), "the oldest Rust is {oldest}");
    }
}
