//! The detector's own model file, read where the configuration names one.

use crate::amd::Options;
use crate::amd::model::Model;
use std::path::Path;
use std::sync::Arc;

/// Puts the model that `options` names in place; a relative name is taken from `folder`.
///
/// # Errors
///
/// Names the file, what is wrong with it, and the remedy.
pub fn load(options: &mut Options, folder: &Path) -> Result<(), String> {
    let Some(file) = &options.model_file else { return Ok(()) };
    let path = folder.join(file);
    let fail = |text: String| format!("amd.model_file {}: {text}", path.display());
    let text = std::fs::read_to_string(&path).map_err(|error| fail(error.to_string()))?;
    options.model = Arc::new(Model::read(&text).map_err(|fault| fail(fault.to_string()))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_read_and_a_faulty_one_is_named() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let mut options = Options { model_file: Some("mine.json".into()), ..Options::default() };
        let fault = load(&mut options, folder.path()).unwrap_err();
        assert!(fault.contains("mine.json: No such file"), "{fault}");
        std::fs::write(folder.path().join("mine.json"), "{}").unwrap();
        let fault = load(&mut options, folder.path()).unwrap_err();
        assert!(fault.contains("mine.json") && fault.contains("outdial train"), "{fault}");
        std::fs::write(folder.path().join("mine.json"), include_str!("../../config/amd-model.json")).unwrap();
        load(&mut options, folder.path()).unwrap();
    }
}
