//! Sets the cfg `in_repository` where the main crate's model table is beside this package, as it is not in a packaged copy.

fn main() {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/models/table.rs");
    println!("cargo::rerun-if-changed={table}");
    println!("cargo::rustc-check-cfg=cfg(in_repository)");
    if std::path::Path::new(table).exists() {
        println!("cargo::rustc-cfg=in_repository");
    }
}
