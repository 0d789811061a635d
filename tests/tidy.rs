//! The rules of the house that the compiler does not check: which module may use which, and that only the outer modules
//! name sockets, threads, locks, files or the clock.
//!
//! A small tokenizer reads every file under `src/`, resolves its `use` trees and inline paths to full paths, and compares
//! them with [`MAY_USE`], which states the table of `src/lib.rs` in full. Each rule is shown to catch what it forbids.

#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/rules.rs"]
mod rules;

use rules::{MAY_USE, faults, order_of_the_map, used_by};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_file_keeps_the_rules_of_the_house() {
    let files = sources();
    assert!(files.len() > 20, "only {} files found: the test looks in the wrong place", files.len());
    let found: Vec<String> = files.iter().flat_map(|(name, source)| faults(name, source)).collect();
    assert!(found.is_empty(), "{} faults:\n{}", found.len(), found.join("\n"));
}

#[test]
fn the_map_in_lib_rs_and_the_table_name_the_same_modules_in_one_order() {
    let map = order_of_the_map(&fs::read_to_string(root().join("src/lib.rs")).unwrap());
    let mut modules: Vec<String> = MAY_USE.iter().map(|(name, _)| name.to_string()).collect();
    for (place, name) in map.iter().enumerate() {
        let uses = used_by(name).unwrap_or_else(|| {
            panic!("src/lib.rs lists {name}, which has no line in MAY_USE (tests/tidy/rules.rs)");
        });
        for used in uses.iter().filter_map(|path| path.split("::").next()) {
            assert!(
                map[..place].iter().any(|above| above == used),
                "{name} may use {used}, which stands below it"
            );
        }
    }
    let mut sorted = map.clone();
    modules.sort();
    sorted.sort();
    assert_eq!(sorted, modules, "the map of src/lib.rs (left) and MAY_USE (right) differ");
}

#[test]
fn every_module_of_the_tree_stands_in_the_table() {
    for (name, _) in sources() {
        let module = rules::module_of(&name);
        let top = module.first().map(String::as_str).unwrap_or("main");
        assert!(
            top == "main" || MAY_USE.iter().any(|(module, _)| *module == top),
            "{name}: the module {top} has no line in MAY_USE (tests/tidy/rules.rs) and in src/lib.rs"
        );
    }
}

/// Every source of the package: its name from `src/` on, and its text.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
