//! Maintenance commands of this repository.

mod lower;
mod overlay;
mod prune;
mod schema;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, operations] = arguments.as_slice() else {
        anyhow::bail!("usage: xtask DOCUMENT OPERATION,...")
    };
    let upstream: serde_json::Value = serde_saphyr::from_str(&std::fs::read_to_string(from)?)?;
    let operations: Vec<String> = operations.split(',').map(str::to_owned).collect();
    let closure = schema::sorted(prune::prune(&upstream, &operations)?);
    std::fs::write("openapi/closure.json", serde_json::to_string_pretty(&closure)? + "\n")?;
    let mut patched = closure;
    overlay::Overlay::parse(&std::fs::read_to_string("openapi/overlay.yaml")?)?.apply(&mut patched)?;
    let lowered = lower::lower(&patched)?;
    std::fs::write("openapi/openai.json", serde_json::to_string_pretty(&lowered.document)? + "\n")?;
    println!("{:?}", lowered.rules);
    Ok(())
}
