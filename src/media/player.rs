//! Prompts.

/// All prompts, converted once on loading.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PromptTable {}
