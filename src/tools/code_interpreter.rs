//! The tool that runs Python.

use super::ContainerSettings;
use crate::openai::types;

hosted_tool! {
    /// Python that the model writes, run by the server in a container.
    ///
    /// ```
    /// use tachikoma_backend_codex::tools::{CodeInterpreterTool, ContainerSettings};
    ///
    /// let python = CodeInterpreterTool::new();
    /// let on_a_file = CodeInterpreterTool::in_new_container(ContainerSettings::new().with_file_ids(["file-1"]));
    /// ```
    CodeInterpreterTool(CodeInterpreterTool)
}

impl CodeInterpreterTool {
    /// In a container that the server creates, or one that the conversation has already.
    pub fn new() -> Self {
        Self::in_new_container(ContainerSettings::new())
    }

    /// In a container that the server creates so.
    pub fn in_new_container(settings: ContainerSettings) -> Self {
        let network_policy = settings.network_policy();
        let ContainerSettings { file_ids, memory_limit, .. } = settings;
        let type_ = types::AutoCodeInterpreterToolParamType::Auto;
        let auto = types::AutoCodeInterpreterToolParam { file_ids, memory_limit, network_policy, type_ };
        Self::in_any(types::CodeInterpreterToolContainer::Auto(auto))
    }

    /// In this container, by id, which exists already.
    pub fn in_container(id: impl Into<String>) -> Self {
        Self::in_any(types::CodeInterpreterToolContainer::Text(id.into()))
    }

    fn in_any(container: types::CodeInterpreterToolContainer) -> Self {
        Self::from_generated(types::CodeInterpreterTool {
            allowed_callers: None,
            container,
            type_: types::CodeInterpreterToolType::CodeInterpreter,
        })
    }

    allowed_callers_setting!();
}

impl Default for CodeInterpreterTool {
    fn default() -> Self {
        Self::new()
    }
}
