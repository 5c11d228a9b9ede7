//! The configuration from environment variables: OpenAI's or Azure's, never both.

use super::CodexBackendConfig;
use crate::CodexError;
use crate::auth::Credentials;
use crate::server::{Azure, is_local};

const KEY: &str = "OPENAI_API_KEY";
const BASE_URL: &str = "OPENAI_BASE_URL";
const ORGANIZATION: [&str; 2] = ["OPENAI_ORG_ID", "OPENAI_ORGANIZATION"];
const PROJECT: &str = "OPENAI_PROJECT_ID";
const MODEL: &str = "OPENAI_MODEL";
const AZURE_KEY: &str = "AZURE_OPENAI_API_KEY";
const AZURE_TOKEN: &str = "AZURE_OPENAI_AD_TOKEN";
const AZURE_ENDPOINT: &str = "AZURE_OPENAI_ENDPOINT";
const AZURE_DEPLOYMENT: &str = "AZURE_OPENAI_DEPLOYMENT";
/// An Azure variable, despite its name.
const AZURE_VERSION: &str = "OPENAI_API_VERSION";

/// The variables that identify the configuration of OpenAI or of Azure.
const OPENAI_VARIABLES: &[&str] = &[KEY, BASE_URL];
const AZURE_VARIABLES: &[&str] = &[AZURE_KEY, AZURE_TOKEN, AZURE_ENDPOINT];

impl CodexBackendConfig {
    /// Reads OpenAI's variables, as [`from_openai_env`](Self::from_openai_env) does, or Azure's, as
    /// [`from_azure_env`](Self::from_azure_env) does: whichever are set. An empty variable counts as not set.
    ///
    /// # Errors
    /// Neither or both are set; a required one is missing; a variable is not Unicode.
    pub fn from_env() -> Result<Self, CodexError> {
        Environment(&read_variable).detect()
    }

    /// Reads `OPENAI_API_KEY` and, where they are set, `OPENAI_BASE_URL`, `OPENAI_ORG_ID` (or `OPENAI_ORGANIZATION`),
    /// `OPENAI_PROJECT_ID` and `OPENAI_MODEL`. A base URL on this machine needs no key. Azure's variables are ignored.
    ///
    /// # Errors
    /// The key is missing, or a variable is not Unicode.
    pub fn from_openai_env() -> Result<Self, CodexError> {
        Environment(&read_variable).openai()
    }

    /// Reads `AZURE_OPENAI_ENDPOINT`, `AZURE_OPENAI_AD_TOKEN` or else `AZURE_OPENAI_API_KEY`, and, where they are set,
    /// `OPENAI_API_VERSION` (without it the [v1 form](Azure) is used), `AZURE_OPENAI_DEPLOYMENT`
    /// ([`with_deployment`](Azure::with_deployment)) and `OPENAI_MODEL`. Where only one of the last two is set, it is both the
    /// deployment and the model. OpenAI's variables are ignored.
    ///
    /// # Errors
    /// The endpoint or the credentials are missing, or a variable is not Unicode.
    pub fn from_azure_env() -> Result<Self, CodexError> {
        Environment(&read_variable).azure()
    }
}

fn read_variable(name: &str) -> Result<Option<String>, CodexError> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(CodexError::configuration(format!("the environment variable {name} is not Unicode")))
        }
    }
}

struct Environment<'a>(&'a dyn Fn(&str) -> Result<Option<String>, CodexError>);

impl Environment<'_> {
    fn get(&self, name: &str) -> Result<Option<String>, CodexError> {
        Ok((self.0)(name)?.filter(|value| !value.is_empty()))
    }

    /// The variables that are set.
    fn set_names(&self, names: &[&'static str]) -> Result<Vec<&'static str>, CodexError> {
        let mut found = Vec::new();
        for name in names {
            found.extend(self.get(name)?.map(|_| *name));
        }
        Ok(found)
    }

    fn detect(&self) -> Result<CodexBackendConfig, CodexError> {
        match (self.set_names(OPENAI_VARIABLES)?.as_slice(), self.set_names(AZURE_VARIABLES)?.as_slice()) {
            ([], []) => {
                let message = format!(
                    "no credentials are set in the environment: {KEY}, and for Azure {AZURE_KEY}, {AZURE_TOKEN} and \
                     {AZURE_ENDPOINT}, are not set or empty"
                );
                Err(CodexError::configuration(message).with_hint(format!(
                    "Set {KEY}, or Azure's endpoint and key; a server on this machine needs only {BASE_URL}."
                )))
            }
            (_, []) => self.openai(),
            ([], _) => self.azure(),
            (openai, azure) => {
                let (openai, azure) = (openai.join(" and "), azure.join(" and "));
                let message = format!(
                    "the environment has both OpenAI's configuration, by {openai}, and Azure's, by {azure}"
                );
                Err(CodexError::configuration(message)
                    .with_hint("Unset one, or use from_openai_env or from_azure_env."))
            }
        }
    }

    fn openai(&self) -> Result<CodexBackendConfig, CodexError> {
        let (key, url) = (self.get(KEY)?, self.get(BASE_URL)?);
        let credentials = match (key, &url) {
            (Some(key), _) => Credentials::key(key),
            (None, Some(url)) if is_local(url) => Credentials::none(),
            (None, _) => {
                let message =
                    format!("no API key is set: the environment variable {KEY} is not set or empty");
                return Err(CodexError::configuration(message)
                    .with_hint(format!("Set {KEY}; for a server that needs no key, set any text.")));
            }
        };
        let mut config = CodexBackendConfig::new(credentials);
        if let Some(url) = url {
            config = config.with_base_url(url);
        }
        for name in ORGANIZATION {
            if let (None, Some(organization)) = (config.organization(), self.get(name)?) {
                config = config.with_organization(organization);
            }
        }
        if let Some(project) = self.get(PROJECT)? {
            config = config.with_project(project);
        }
        self.with_model(config)
    }

    fn azure(&self) -> Result<CodexBackendConfig, CodexError> {
        let missing = |item: &str, names: &str| {
            CodexError::configuration(format!(
                "Azure's {item} missing in the environment: {names} not set or empty"
            ))
        };
        let Some(endpoint) = self.get(AZURE_ENDPOINT)? else {
            return Err(missing("endpoint is", &format!("{AZURE_ENDPOINT} is"))
                .with_hint("It looks like https://my-resource.openai.azure.com."));
        };
        let credentials = match (self.get(AZURE_TOKEN)?, self.get(AZURE_KEY)?) {
            (Some(token), _) => Credentials::token(token),
            (None, Some(key)) => Credentials::key(key),
            (None, None) => {
                return Err(missing("credentials are", &format!("{AZURE_KEY} and {AZURE_TOKEN} are"))
                    .with_hint(format!("Set {AZURE_KEY}, or set a token provider in code.")));
            }
        };
        let mut azure = Azure::new(endpoint);
        if let Some(version) = self.get(AZURE_VERSION)? {
            azure = azure.with_api_version(version);
        }
        let config = CodexBackendConfig::new(credentials);
        let Some(deployment) = self.get(AZURE_DEPLOYMENT)? else {
            return self.with_model(config.with_azure(azure));
        };
        // Without a configured model, the rules of the default model must not apply to the deployment.
        let config = config.with_model(deployment.as_str());
        self.with_model(config.with_azure(azure.with_deployment(deployment)))
    }

    fn with_model(&self, config: CodexBackendConfig) -> Result<CodexBackendConfig, CodexError> {
        Ok(match self.get(MODEL)? {
            Some(model) => config.with_model(model),
            None => config,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::OpenAIModel;

    fn lookup(variables: &[(&str, &str)]) -> impl Fn(&str) -> Result<Option<String>, CodexError> {
        move |name| {
            Ok(variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned()))
        }
    }

    fn read(variables: &[(&str, &str)]) -> Result<CodexBackendConfig, CodexError> {
        Environment(&lookup(variables)).detect()
    }

    #[test]
    fn openai_variables() {
        let config = read(&[
            ("OPENAI_API_KEY", "sk-secret"),
            ("OPENAI_BASE_URL", "http://localhost:1/v1"),
            ("OPENAI_ORGANIZATION", "org-1"),
            ("OPENAI_PROJECT_ID", "proj_1"),
            ("OPENAI_MODEL", "m"),
            ("OPENAI_API_VERSION", "2024-10-21"),
        ])
        .unwrap();
        assert_eq!(config.base_url(), "http://localhost:1/v1");
        assert_eq!(config.organization(), Some("org-1"));
        assert_eq!(config.project(), Some("proj_1"));
        assert_eq!(config.model().as_str(), "m");
        assert!(config.azure().is_none() && config.credentials().api_key().is_some());
        assert!(!format!("{config:?}").contains("secret"));
        assert!(!format!("{:?}", config.with_base_url("http://user:secret@host")).contains("secret"));

        let both = read(&[("OPENAI_API_KEY", "k"), ("OPENAI_ORG_ID", "a"), ("OPENAI_ORGANIZATION", "b")]);
        assert_eq!(both.unwrap().organization(), Some("a"));
        for url in ["http://localhost:1/v1", "http://127.0.0.1:8080", "http://[::1]:1/v1"] {
            let config = read(&[("OPENAI_BASE_URL", url)]).unwrap();
            assert_eq!(format!("{:?}", config.credentials()), "None");
        }
    }

    #[test]
    fn azure_variables() {
        #[track_caller]
        fn check(variables: &[(&str, &str)], version: Option<&str>, credentials: &str) {
            let endpoint = ("AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com");
            let others = [("OPENAI_ORG_ID", "org-1"), ("OPENAI_PROJECT_ID", "p"), ("OPENAI_MODEL", "d")];
            let config = read(&[&[endpoint], &others[..], variables].concat()).unwrap();
            assert_eq!((config.organization(), config.project()), (None, None));
            assert_eq!((config.base_url(), config.model().as_str()), ("https://r.openai.azure.com", "d"));
            assert_eq!(config.azure().unwrap().api_version(), version);
            let debug = format!("{:?}", config.credentials());
            assert!(debug.starts_with(credentials) && !debug.contains("secret"), "{debug}");
        }
        let (key, token) = (("AZURE_OPENAI_API_KEY", "secret"), ("AZURE_OPENAI_AD_TOKEN", "secret"));
        check(&[key], None, "ApiKey");
        check(&[key, ("OPENAI_API_VERSION", "2024-10-21")], Some("2024-10-21"), "ApiKey");
        check(&[token], None, "AccessToken");
        check(&[key, token], None, "AccessToken");
    }

    #[test]
    fn an_azure_deployment_and_its_model_are_separate() {
        #[track_caller]
        fn check(variables: &[(&str, &str)], deployment: Option<&str>, model: &str) {
            let azure =
                [("AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com"), ("AZURE_OPENAI_API_KEY", "secret")];
            let variables = [&azure, variables].concat();
            let read = lookup(&variables);
            for config in [Environment(&read).detect(), Environment(&read).azure()] {
                let config = config.unwrap();
                assert_eq!(config.azure().unwrap().deployment(), deployment);
                assert_eq!(config.model().as_str(), model);
            }
        }
        let (deployment, model) = (("AZURE_OPENAI_DEPLOYMENT", "mine"), ("OPENAI_MODEL", "gpt-4o"));
        check(&[], None, OpenAIModel::default().as_str());
        check(&[model], None, "gpt-4o");
        check(&[deployment, model], Some("mine"), "gpt-4o");
        // The rules of the default model do not apply to it.
        check(&[deployment], Some("mine"), "mine");
        check(&[("AZURE_OPENAI_DEPLOYMENT", ""), model], None, "gpt-4o");

        let openai = read(&[("OPENAI_API_KEY", "k"), deployment]).unwrap();
        assert!(openai.azure().is_none());
        assert_eq!(openai.model(), &OpenAIModel::default());
    }

    #[test]
    fn errors_name_the_missing_variables_and_conflicts() {
        #[track_caller]
        fn check(variables: &[(&str, &str)], words: &[&str]) {
            let error = read(variables).unwrap_err();
            assert_eq!(error.category(), tachikoma_backends_core::ErrorCategory::Configuration);
            for word in words {
                assert!(error.to_string().contains(word), "{word:?} is not in {error}");
            }
        }
        let all =
            ["OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN", "AZURE_OPENAI_ENDPOINT"];
        check(&[], &all);
        check(&[("OPENAI_API_KEY", ""), ("AZURE_OPENAI_API_KEY", "")], &all);
        check(&[("OPENAI_BASE_URL", "https://openrouter.ai/api/v1")], &["no API key", "OPENAI_API_KEY"]);
        let endpoint = ("AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com");
        check(&[endpoint], &["credentials are missing", "AZURE_OPENAI_API_KEY and AZURE_OPENAI_AD_TOKEN"]);
        check(&[("AZURE_OPENAI_API_KEY", "k")], &["endpoint is missing", "AZURE_OPENAI_ENDPOINT"]);
        check(
            &[endpoint, ("OPENAI_API_KEY", "k")],
            &["both", "by OPENAI_API_KEY", "by AZURE_OPENAI_ENDPOINT"],
        );
        check(&[("AZURE_OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", "u")], &["both", "by OPENAI_BASE_URL"]);
    }
}
