//! The tool by which the model uses a computer.

use crate::openai::types;

hosted_tool! {
    /// A computer that the client controls for the model, by clicks, keys and screenshots.
    ///
    /// The arguments of a call are its actions, and the result is a screenshot, as an image:
    ///
    /// ```
    /// use tachikoma_backend_codex::tools::ComputerTool;
    /// use tachikoma_backend_codex::{ContentPart, Tool, ToolCall};
    /// # fn act(_: &str) {}
    /// # fn screenshot() -> String { String::new() }
    ///
    /// let computer = Tool::hosted(ComputerTool::new(), async |call: ToolCall| {
    ///     act(&call.arguments);
    ///     ContentPart::image_base64("image/png", screenshot())
    /// });
    /// ```
    ComputerTool(ComputerTool) { type_: types::ComputerToolType::Computer }
}
