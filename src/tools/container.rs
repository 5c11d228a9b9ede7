//! New containers of the server, in which the code interpreter and shells run.

use secrecy::{ExposeSecret, SecretString};

use super::hosted::texts;
use crate::openai::types;

/// What a new container has: files, memory and what of the network it reaches.
///
/// ```
/// use tachikoma_backend_codex::tools::{ContainerMemory, ContainerSettings, ShellTool};
///
/// let container = ContainerSettings::new()
///     .with_file_ids(["file-1"])
///     .with_memory_limit(ContainerMemory::Gb4)
///     .with_allowed_domains(["crates.io"]);
/// let shell = ShellTool::in_new_container(container);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ContainerSettings {
    pub(super) file_ids: Option<Vec<String>>,
    pub(super) memory_limit: Option<types::ContainerMemoryLimit>,
    /// Whether only what is allowed here can be reached; the server decides otherwise.
    is_limited: bool,
    allowed_domains: Vec<String>,
    secrets: Vec<DomainSecret>,
}

/// A secret of a domain. Unlike the generated type it masks the value in `Debug`.
#[derive(Clone, Debug)]
struct DomainSecret {
    domain: String,
    name: String,
    value: SecretString,
}

tool_choices! {
    /// How much memory a container has.
    ContainerMemory(ContainerMemoryLimit) {
        /// 1 GB.
        Gb1 = X1g,
        /// 4 GB.
        Gb4 = X4g,
        /// 16 GB.
        Gb16 = X16g,
        /// 64 GB.
        Gb64 = X64g,
    }
}

impl ContainerSettings {
    /// The server's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Uploaded files that are in the container, by id; 50 at most.
    #[must_use]
    pub fn with_file_ids(mut self, file_ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.file_ids = Some(texts(file_ids));
        self
    }

    /// How much memory the container has.
    #[must_use]
    pub fn with_memory_limit(mut self, memory_limit: ContainerMemory) -> Self {
        self.memory_limit = Some(memory_limit.into());
        self
    }

    /// Disables the network.
    #[must_use]
    pub fn without_network(mut self) -> Self {
        self.is_limited = true;
        self.allowed_domains.clear();
        self.secrets.clear();
        self
    }

    /// Lets the container reach these domains, and no others but those of secrets.
    #[must_use]
    pub fn with_allowed_domains(mut self, domains: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.is_limited = true;
        self.allowed_domains = texts(domains);
        self
    }

    /// Lets the container reach this domain, with a secret that the server adds to requests to it. The model sees only the name.
    #[must_use]
    pub fn with_domain_secret(
        mut self,
        domain: impl Into<String>,
        name: impl Into<String>,
        value: impl Into<SecretString>,
    ) -> Self {
        self.is_limited = true;
        self.secrets.push(DomainSecret { domain: domain.into(), name: name.into(), value: value.into() });
        self
    }

    /// The policy as either of the generated unions, which have the same branches.
    pub(super) fn network_policy<Policy>(&self) -> Option<Policy>
    where
        Policy: From<types::ContainerNetworkPolicyDisabledParam>
            + From<types::ContainerNetworkPolicyAllowlistParam>,
    {
        let mut allowed_domains = self.allowed_domains.clone();
        for secret in &self.secrets {
            if !allowed_domains.contains(&secret.domain) {
                allowed_domains.push(secret.domain.clone());
            }
        }
        if !self.is_limited {
            return None;
        }
        // The server rejects an empty list.
        if allowed_domains.is_empty() {
            let type_ = types::ContainerNetworkPolicyDisabledParamType::Disabled;
            return Some(types::ContainerNetworkPolicyDisabledParam { type_ }.into());
        }
        let secrets: Vec<_> = self.secrets.iter().map(DomainSecret::exposed).collect();
        let policy = types::ContainerNetworkPolicyAllowlistParam {
            allowed_domains,
            domain_secrets: (!secrets.is_empty()).then_some(secrets),
            type_: types::ContainerNetworkPolicyAllowlistParamType::Allowlist,
        };
        Some(policy.into())
    }
}

impl DomainSecret {
    fn exposed(&self) -> types::ContainerNetworkPolicyDomainSecretParam {
        types::ContainerNetworkPolicyDomainSecretParam {
            domain: self.domain.clone(),
            name: self.name.clone(),
            value: self.value.expose_secret().to_owned(),
        }
    }
}
