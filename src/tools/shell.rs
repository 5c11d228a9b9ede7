//! The tools that run commands.

mod action;
mod output;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

pub use self::action::{LocalShellAction, ShellAction};
pub use self::output::{ShellOutcome, ShellOutput};
use super::ContainerSettings;
use crate::openai::types;

hosted_tool! {
    /// Commands that the model writes, run in a container of the server or by the client.
    ///
    /// ```
    /// use std::process::Command;
    ///
    /// use tachikoma_backend_codex::tools::{ShellAction, ShellOutput, ShellTool};
    /// use tachikoma_backend_codex::{Tool, ToolCall};
    ///
    /// // Whether a command may run is for the approval of the runner, or for a sandbox, to decide.
    /// fn run(call: ToolCall) -> Result<Vec<ShellOutput>, Box<dyn std::error::Error>> {
    ///     let action: ShellAction = call.parse_arguments_as()?;
    ///     let run = |line: &String| Ok(Command::new("sh").arg("-c").arg(line).output()?.into());
    ///     action.commands.iter().map(run).collect()
    /// }
    ///
    /// let shell = Tool::hosted(ShellTool::local(), run).exclusive();
    /// ```
    ShellTool(FunctionShellToolParam)
}

hosted_tool! {
    /// Commands that the model writes, run by the client: the tool of older models (`codex-mini-latest`), before [`ShellTool`].
    ///
    /// The arguments of a call are a [`LocalShellAction`], and the result is the text of what the command printed.
    ///
    /// ```
    /// use tachikoma_backend_codex::tools::{LocalShellAction, LocalShellTool};
    /// use tachikoma_backend_codex::{Tool, ToolCall};
    /// # use tachikoma_backend_codex::tachikoma_backends_core::ToolArgumentsError;
    ///
    /// let shell = Tool::hosted(LocalShellTool::new(), async |call: ToolCall| {
    ///     let action: LocalShellAction = call.parse_arguments_as()?;
    ///     Ok::<_, ToolArgumentsError>(format!("here runs {:?}", action.command))
    /// });
    /// ```
    LocalShellTool(LocalShellToolParam) { type_: types::LocalShellToolParamType::LocalShell }
}

impl ShellTool {
    /// Commands that the client runs.
    pub fn local() -> Self {
        Self::local_with(None)
    }

    /// Commands that the client runs, with skills in its files. The model reads a skill by a command.
    pub fn local_with_skills(skills: impl IntoIterator<Item = LocalSkill>) -> Self {
        Self::local_with(Some(skills.into_iter().map(|skill| skill.0).collect()))
    }

    /// Commands that the server runs in a new container.
    pub fn in_new_container(settings: ContainerSettings) -> Self {
        Self::in_new_container_with(settings, None)
    }

    /// Commands that the server runs in a new container, with skills in it.
    pub fn in_new_container_with_skills(
        settings: ContainerSettings,
        skills: impl IntoIterator<Item = ContainerSkill>,
    ) -> Self {
        Self::in_new_container_with(settings, Some(skills.into_iter().map(|skill| skill.0).collect()))
    }

    /// Commands that the server runs in this container, by id, which exists already.
    pub fn in_container(id: impl Into<String>) -> Self {
        let type_ = types::ContainerReferenceParamType::ContainerReference;
        Self::in_environment(types::ContainerReferenceParam { container_id: id.into(), type_ })
    }

    fn local_with(skills: Option<Vec<types::LocalSkillParam>>) -> Self {
        let type_ = types::LocalEnvironmentParamType::Local;
        Self::in_environment(types::LocalEnvironmentParam { skills, type_ })
    }

    fn in_new_container_with(
        settings: ContainerSettings,
        skills: Option<Vec<types::ContainerAutoParamSkillsItem>>,
    ) -> Self {
        let network_policy = settings.network_policy();
        let ContainerSettings { file_ids, memory_limit, .. } = settings;
        let type_ = types::ContainerAutoParamType::ContainerAuto;
        Self::in_environment(types::ContainerAutoParam {
            file_ids,
            memory_limit,
            network_policy,
            skills,
            type_,
        })
    }

    fn in_environment(environment: impl Into<types::FunctionShellToolParamEnvironment>) -> Self {
        Self::from_generated(types::FunctionShellToolParam {
            allowed_callers: None,
            environment: Some(environment.into()),
            type_: types::FunctionShellToolParamType::Shell,
        })
    }

    allowed_callers_setting!();
}

/// A skill in a directory of the client.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalSkill(types::LocalSkillParam);

impl LocalSkill {
    /// The skill of this name in the directory `path`. The description is for the model.
    pub fn new(name: impl Into<String>, description: impl Into<String>, path: impl Into<String>) -> Self {
        let (name, description, path) = (name.into(), description.into(), path.into());
        Self(types::LocalSkillParam { description, name, path })
    }
}

/// A skill in a container of the server.
///
/// ```
/// use tachikoma_backend_codex::tools::{ContainerSettings, ContainerSkill, ShellTool};
///
/// let skills = [ContainerSkill::by_id("skill_1"), ContainerSkill::by_id("skill_2").with_version("3")];
/// let shell = ShellTool::in_new_container_with_skills(ContainerSettings::new(), skills);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerSkill(types::ContainerAutoParamSkillsItem);

impl ContainerSkill {
    /// An uploaded skill, by id, in its default version.
    pub fn by_id(skill_id: impl Into<String>) -> Self {
        let type_ = types::SkillReferenceParamType::SkillReference;
        Self(types::SkillReferenceParam { skill_id: skill_id.into(), type_, version: None }.into())
    }

    /// A skill that the request holds, as the bytes of a ZIP archive. The description is for the model.
    pub fn from_zip(name: impl Into<String>, description: impl Into<String>, zip: impl AsRef<[u8]>) -> Self {
        let source = types::InlineSkillSourceParam {
            data: BASE64_STANDARD.encode(zip),
            media_type: types::InlineSkillSourceParamMediaType::ApplicationZip,
            type_: types::InlineSkillSourceParamType::Base64,
        };
        let type_ = types::InlineSkillParamType::Inline;
        let (name, description) = (name.into(), description.into());
        Self(types::InlineSkillParam { description, name, source, type_ }.into())
    }

    /// The version of an uploaded skill: a number, or `latest`. A skill that the request holds has none.
    #[must_use]
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        if let types::ContainerAutoParamSkillsItem::SkillReference(skill) = &mut self.0 {
            skill.version = Some(version.into());
        }
        self
    }
}
