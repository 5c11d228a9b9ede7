//! The tools of a server of the Model Context Protocol.

use secrecy::{ExposeSecret, SecretString};

use super::hosted::texts;
use crate::openai::types;
use crate::openai::types::McpToolRequireApprovalMcpToolApprovalFilter as Approval;

hosted_tool! {
    /// A server of the Model Context Protocol (MCP), whose tools OpenAI's server calls for the model.
    ///
    /// Unless [`with_approval`](Self::with_approval) changes it, each call waits for an approval: the response has a call by the name
    /// [`ToolCall::APPROVAL_REQUEST`](tachikoma_backends_core::ToolCall::APPROVAL_REQUEST), and its result approves or rejects it.
    ///
    /// ```
    /// use tachikoma_backend_codex::tools::{McpServer, McpToolFilter};
    ///
    /// let docs = McpServer::new("docs", "https://example.com/mcp")
    ///     .with_authorization("an OAuth token")
    ///     .with_allowed_tools(["search", "fetch", "report"])
    ///     .without_approval_for(McpToolFilter::names(["search", "fetch"]));
    /// ```
    ///
    /// The authorization and the headers' values are masked in `Debug`, also in that of the
    /// [`HostedTool`](tachikoma_backends_core::HostedTool). Serialized they are readable, and a key within the URL always is.
    McpServer(McpTool)
}

tool_choices! {
    /// A service that OpenAI's server connects to.
    McpConnector(McpToolConnectorId) {
        /// Dropbox.
        Dropbox = ConnectorDropbox,
        /// Gmail.
        Gmail = ConnectorGmail,
        /// Google Calendar.
        GoogleCalendar = ConnectorGooglecalendar,
        /// Google Drive.
        GoogleDrive = ConnectorGoogledrive,
        /// Microsoft Teams.
        MicrosoftTeams = ConnectorMicrosoftteams,
        /// Outlook's calendar.
        OutlookCalendar = ConnectorOutlookcalendar,
        /// Outlook's mail.
        OutlookEmail = ConnectorOutlookemail,
        /// SharePoint.
        SharePoint = ConnectorSharepoint,
    }
}

tool_choices! {
    /// Whether calls require an approval.
    McpApproval(McpToolRequireApprovalMcpToolApprovalSetting) {
        /// All of them, as is the default.
        Always = Always,
        /// None of them. What the model sends to the server is not seen before.
        Never = Never,
    }
}

impl McpServer {
    /// The server at this URL. The label names it in items of the response.
    pub fn new(label: impl Into<String>, url: impl Into<String>) -> Self {
        let mut server = Self::labelled(label);
        server.tool.server_url = Some(url.into());
        server
    }

    /// A service that OpenAI's server connects to, which requires an [authorization](Self::with_authorization).
    pub fn connector(label: impl Into<String>, connector: McpConnector) -> Self {
        let mut server = Self::labelled(label);
        server.tool.connector_id = Some(connector.into());
        server
    }

    /// The server at the end of a Secure MCP Tunnel, by the tunnel's id.
    pub fn tunnel(label: impl Into<String>, tunnel_id: impl Into<String>) -> Self {
        let mut server = Self::labelled(label);
        server.tool.tunnel_id = Some(tunnel_id.into());
        server
    }

    fn labelled(label: impl Into<String>) -> Self {
        Self::from_generated(types::McpTool {
            allowed_callers: None,
            allowed_tools: None,
            authorization: None,
            connector_id: None,
            defer_loading: None,
            headers: None,
            require_approval: None,
            server_description: None,
            server_label: label.into(),
            server_url: None,
            tunnel_id: None,
            type_: types::McpToolType::Mcp,
        })
    }

    tool_settings! {
        /// What the server is for, for the model.
        with_description(server_description: impl Into<String>);
        /// Whether the model finds its tools by a [tool search](super::ToolSearchTool) rather than having all from the start.
        with_defer_loading(defer_loading: bool);
    }

    allowed_callers_setting!();

    /// The OAuth token for the server.
    #[must_use]
    pub fn with_authorization(mut self, token: impl Into<SecretString>) -> Self {
        self.tool.authorization = Some(token.into().expose_secret().to_owned());
        self
    }

    /// Adds a header to all requests to the server.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<SecretString>) -> Self {
        let value = value.into().expose_secret().to_owned();
        self.tool.headers.get_or_insert_default().insert(name.into(), value);
        self
    }

    /// Limits the tools to those of these names.
    #[must_use]
    pub fn with_allowed_tools(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tool.allowed_tools = Some(texts(names).into());
        self
    }

    /// Limits the tools to those of a filter.
    #[must_use]
    pub fn with_tool_filter(mut self, filter: McpToolFilter) -> Self {
        self.tool.allowed_tools = Some(filter.0.into());
        self
    }

    /// Whether calls require an approval, for all tools.
    #[must_use]
    pub fn with_approval(mut self, approval: McpApproval) -> Self {
        self.tool.require_approval = Some(types::McpToolRequireApproval::Setting(approval.into()));
        self
    }

    /// Lets calls of these tools require an approval. It replaces a setting for all tools.
    #[must_use]
    pub fn with_approval_for(mut self, filter: McpToolFilter) -> Self {
        let approval = self.approval_filter();
        self.tool.require_approval = Some(Approval { always: Some(filter.0), ..approval }.into());
        self
    }

    /// Lets calls of these tools run without an approval. It replaces a setting for all tools.
    #[must_use]
    pub fn without_approval_for(mut self, filter: McpToolFilter) -> Self {
        let approval = self.approval_filter();
        self.tool.require_approval = Some(Approval { never: Some(filter.0), ..approval }.into());
        self
    }

    fn approval_filter(&mut self) -> Approval {
        match self.tool.require_approval.take() {
            Some(types::McpToolRequireApproval::Filter(filter)) => filter,
            _ => Approval::default(),
        }
    }
}

/// Some of a server's tools.
///
/// ```
/// use tachikoma_backend_codex::tools::McpToolFilter;
///
/// let reading = McpToolFilter::read_only();
/// let two = McpToolFilter::names(["search", "fetch"]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct McpToolFilter(types::McpToolFilter);

impl McpToolFilter {
    /// The tools of these names.
    pub fn names(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(types::McpToolFilter { read_only: None, tool_names: Some(texts(names)) })
    }

    /// The tools that the server marks as only reading (`readOnlyHint`).
    pub fn read_only() -> Self {
        Self(types::McpToolFilter { read_only: Some(true), tool_names: None })
    }

    /// Of these, only those that the server marks as only reading, or only the others.
    #[must_use]
    pub fn with_read_only(mut self, read_only: bool) -> Self {
        self.0.read_only = Some(read_only);
        self
    }
}
