//! The HTTP actuator.

use std::time::Duration;

use gatehouse_config::{HttpActuator as Config, HttpMethod, HttpUrl};
use serde_json::json;
use ureq::http::{HeaderName, HeaderValue};
use ureq::{Agent, Error};

use super::{Actuator, ActuatorError, Command};

/// Sends each command as one request over a new connection. A 2xx status confirms it.
pub(super) struct HttpActuator {
    urls: Config,
    header: Option<(HeaderName, HeaderValue)>,
    agent: Agent,
    timeout: Duration,
}

impl HttpActuator {
    /// Prepares the requests. Fails if the header's secret cannot be read, or is not `Name: value`.
    pub(super) fn new(config: &Config, timeout: Duration) -> Result<Self, ActuatorError> {
        let header = match &config.header {
            None => None,
            Some(secret) => {
                let setup = |reason: &str| ActuatorError::Setup(format!("the header in {secret}: {reason}"));
                let text = secret.resolve().map_err(|error| setup(&error.to_string()))?;
                let parts = text.expose().split_once(':').and_then(|(name, value)| {
                    let mut value = HeaderValue::from_str(value.trim()).ok()?;
                    value.set_sensitive(true);
                    Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value))
                });
                Some(parts.ok_or_else(|| setup("expected `Name: value`"))?)
            }
        };
        // An idle connection may be dead when it is needed; a proxy or a redirect could lead to
        // another device.
        let agent = Agent::config_builder()
            .timeout_global(Some(timeout))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(0)
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .new_agent();
        Ok(Self { urls: config.clone(), header, agent, timeout })
    }

    fn url(&self, command: Command) -> &HttpUrl {
        match command {
            Command::Open(_) => &self.urls.url,
            Command::Hold => self.urls.hold_url(),
            Command::Shut => self.urls.shut_url(),
        }
    }

    fn send(&self, command: Command) -> Result<u16, Error> {
        let url = self.url(command).as_str();
        let own = self.header.clone();
        let response = match self.urls.method {
            HttpMethod::Get => {
                own.into_iter().fold(self.agent.get(url), |r, (name, value)| r.header(name, value)).call()?
            }
            HttpMethod::Post | HttpMethod::Put => {
                let request =
                    if self.urls.method == HttpMethod::Put { self.agent.put(url) } else { self.agent.post(url) };
                let body = match command {
                    Command::Open(time) => json!({ "command": "open", "open_ms": time.as_millis() as u64 }),
                    Command::Hold => json!({ "command": "hold" }),
                    Command::Shut => json!({ "command": "shut" }),
                };
                let request = own.into_iter().fold(request, |r, (name, value)| r.header(name, value));
                request.content_type("application/json").send(body.to_string())?
            }
        };
        Ok(response.status().as_u16())
    }
}

impl Actuator for HttpActuator {
    fn apply(&mut self, command: Command) -> Result<(), ActuatorError> {
        let what = || self.url(command).to_string();
        match self.send(command) {
            Ok(200..=299) => Ok(()),
            Ok(status) => Err(ActuatorError::Refused { what: what(), reason: format!("HTTP status {status}") }),
            Err(Error::Timeout(_)) => Err(ActuatorError::TimedOut { what: what(), after: self.timeout }),
            Err(error) => {
                // The error's own text may repeat the address with its query.
                let reason = match error {
                    Error::Io(error) => error.to_string(),
                    Error::HostNotFound => "its name is not known".to_owned(),
                    Error::Protocol(_) | Error::LargeResponseHeader(..) => "its answer is not HTTP".to_owned(),
                    _ => "the request failed".to_owned(),
                };
                Err(ActuatorError::Unreachable { what: what(), reason })
            }
        }
    }
}
