//! The HTTP actuator.

use std::time::Duration;

use gatehouse_config::{HttpActuator as Config, HttpMethod, HttpUrl, SecretRef};
use serde_json::json;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, header};
use ureq::{Agent, Error};

use super::login::{DeviceLogin, Target};
use super::{Actuator, ActuatorError, Command};

/// Sends each command as one request over a new connection, and once more if the device asks for a
/// login. A 2xx status confirms it.
pub(super) struct HttpActuator {
    urls: Config,
    header: Option<(HeaderName, HeaderValue)>,
    login: Option<DeviceLogin>,
    agent: Agent,
    timeout: Duration,
}

impl HttpActuator {
    /// Prepares the requests. Fails if a secret cannot be read, or does not have its form.
    pub(super) fn new(config: &Config, timeout: Duration) -> Result<Self, ActuatorError> {
        let header = config.header.as_ref().map(read_header).transpose()?;
        let login = match &config.login {
            None => None,
            Some(place) => {
                if header.as_ref().is_some_and(|(name, _)| *name == header::AUTHORIZATION) {
                    let reason = "`login` and an `Authorization` in `header` exclude each other".to_owned();
                    return Err(ActuatorError::Setup(reason));
                }
                let login =
                    place.resolve_login().map_err(|error| ActuatorError::Setup(format!("the login: {error}")))?;
                Some(DeviceLogin::new(login, place.clone()))
            }
        };
        // A login may take a second request, and both have to fit.
        let per_request = if login.is_some() { timeout / 2 } else { timeout };
        // An idle connection may be dead when it is needed; a proxy or a redirect could lead to
        // another device.
        let agent = Agent::config_builder()
            .timeout_global(Some(per_request))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(0)
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .new_agent();
        Ok(Self { urls: config.clone(), header, login, agent, timeout })
    }

    fn url(&self, command: Command) -> &HttpUrl {
        match command {
            Command::Open(_) => &self.urls.url,
            Command::Hold => self.urls.hold_url(),
            Command::Shut => self.urls.shut_url(),
        }
    }

    /// Sends a command, logs in if the device asks for it, and returns the status.
    fn send(&mut self, command: Command) -> Result<u16, Error> {
        let url = self.url(command).clone();
        let body = match (self.urls.method, command) {
            (HttpMethod::Get, _) => None,
            (_, Command::Open(time)) => Some(json!({ "command": "open", "open_ms": time.as_millis() as u64 })),
            (_, Command::Hold) => Some(json!({ "command": "hold" })),
            (_, Command::Shut) => Some(json!({ "command": "shut" })),
        };
        let body = body.map(|body| body.to_string());
        let sent_body = body.as_deref().unwrap_or_default().as_bytes();
        let target = Target::new(method_name(self.urls.method), url.as_str(), sent_body);
        let answer = self.login.as_mut().and_then(|login| login.answer(&target));
        let was_answered = answer.is_some();
        let (status, headers) = self.request(url.as_str(), body.as_deref(), answer)?;
        let Some(login) = self.login.as_mut().filter(|_| status == 401) else { return Ok(status) };
        // The first challenge, or a new nonce in place of one that the device no longer takes.
        if !login.challenge(&target, &headers, was_answered) {
            return Ok(status);
        }
        let Some(answer) = login.answer(&target) else { return Ok(status) };
        let (status, _) = self.request(url.as_str(), body.as_deref(), Some(answer))?;
        Ok(status)
    }

    fn request(&self, url: &str, body: Option<&str>, answer: Option<HeaderValue>) -> Result<(u16, HeaderMap), Error> {
        let own = self.header.clone().into_iter().chain(answer.map(|answer| (header::AUTHORIZATION, answer)));
        let response = match body {
            None => own.fold(self.agent.get(url), |request, (name, value)| request.header(name, value)).call()?,
            Some(body) => {
                let put = self.urls.method == HttpMethod::Put;
                let request = if put { self.agent.put(url) } else { self.agent.post(url) };
                let request = own.fold(request, |request, (name, value)| request.header(name, value));
                request.content_type("application/json").send(body)?
            }
        };
        Ok((response.status().as_u16(), response.headers().clone()))
    }

    /// The failure of a command that the device answered with this status.
    fn refusal(&self, command: Command, status: u16) -> ActuatorError {
        let what = self.url(command).to_string();
        let meaning = match (status, &self.login) {
            (401, Some(login)) if !login.knows_challenge() => {
                ", it asks for a kind of login that is not supported (Digest and Basic are)".to_owned()
            }
            (401, Some(login)) => format!(", it does not accept the login in {}", login.place),
            (401, None) => ", it asks for a login (`login` in [actuator])".to_owned(),
            (403, _) => ", it does not allow this".to_owned(),
            (404, _) => ", it has no such address".to_owned(),
            _ => String::new(),
        };
        let reason = format!("HTTP status {status}{meaning}");
        match status {
            // It wants to be asked again.
            408 | 425 => ActuatorError::Refused { what, reason },
            300..=499 => ActuatorError::Denied { what, reason },
            _ => ActuatorError::Refused { what, reason },
        }
    }
}

fn method_name(method: HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "GET",
        HttpMethod::Post => "POST",
        HttpMethod::Put => "PUT",
    }
}

fn read_header(secret: &SecretRef) -> Result<(HeaderName, HeaderValue), ActuatorError> {
    let setup = |reason: &str| ActuatorError::Setup(format!("the header in {secret}: {reason}"));
    let text = secret.resolve().map_err(|error| setup(&error.to_string()))?;
    let parts = text.expose().split_once(':').and_then(|(name, value)| {
        let mut value = HeaderValue::from_str(value.trim()).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value))
    });
    parts.ok_or_else(|| setup("expected `Name: value`"))
}

impl Actuator for HttpActuator {
    fn apply(&mut self, command: Command) -> Result<(), ActuatorError> {
        let sent = self.send(command);
        let what = || self.url(command).to_string();
        match sent {
            Ok(200..=299) => Ok(()),
            Ok(status) => Err(self.refusal(command, status)),
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
