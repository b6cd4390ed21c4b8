//! Mail by SMTP. Nothing is said to a server that does not offer STARTTLS with a certificate we trust.

use std::time::Duration;

use lettre::message::{Mailbox, header};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{AsyncSmtpTransport, Error};
use lettre::{AsyncTransport as _, Tokio1Executor};

use super::{Channel, Message, OpenError, Outcome, SendError, Settings};
use crate::alerts::post::{told, without};
use crate::keys::{NAMED, Secret, find_named};
use crate::venue::bybit::rest::install_tls;

/// How long each step of a delivery may take.
const STEP_MAX: Duration = Duration::from_secs(10);

pub(super) struct Email {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    /// Kept to search what the server says for it.
    password: Option<Secret>,
}

impl Email {
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        install_tls();
        let [_, _, named, _] = NAMED;
        let password = match settings.email_user.as_str() {
            "" => None,
            _ => Some(find_named(named, &settings.email_password)?.0),
        };
        let host = &settings.email_host;
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(settings.email_port)
            .timeout(Some(STEP_MAX))
            .tls(Tls::Required(trust(settings)?));
        if let Some(password) = &password {
            builder = builder.credentials(Credentials::new(settings.email_user.clone(), password.expose().to_owned()));
        }
        let to = settings.email_to.iter().map(|text| mailbox("to", text)).collect::<Result<_, _>>()?;
        Ok(Self { server: builder.build(), from: mailbox("from", &settings.email_from)?, to, password })
    }

    fn failed(&self, error: &Error) -> SendError {
        let said = told(&error.to_string());
        let said = self.password.as_ref().map_or(said.clone(), |password| without(password, &said));
        let why = match error.status() {
            Some(code) if code.to_string() == "535" => format!("{said}: the server refuses user or password"),
            _ if error.is_tls() => format!("{said}: no trusted TLS with this server"),
            _ if error.is_timeout() => "no answer in time".to_owned(),
            _ => said,
        };
        SendError { why, refused: error.is_permanent() || error.is_client(), wait: None }
    }
}

fn trust(settings: &Settings) -> Result<TlsParameters, OpenError> {
    let mut trusted = TlsParameters::builder(settings.email_host.clone());
    if let Some(path) = &settings.email_ca_file {
        let unusable = |why: String| OpenError::Unusable(format!("alerts.email.ca_file {}: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        trusted =
            trusted.add_root_certificate(Certificate::from_pem(&pem).map_err(|error| unusable(error.to_string()))?);
    }
    trusted.build().map_err(|error| OpenError::Unusable(format!("TLS with {}: {error}", settings.email_host)))
}

fn mailbox(which: &str, text: &str) -> Result<Mailbox, OpenError> {
    text.parse().map_err(|_| OpenError::Unusable(format!("alerts.email.{which}: `{text}` is no mail address")))
}

impl Channel for Email {
    fn send<'a>(&'a self, message: &'a Message) -> Outcome<'a> {
        Box::pin(async move {
            // Without a name of its own a mail looks like an unwanted one.
            let name = format!("<{}.tickdeck@{}>", message.at.0, self.from.email.domain());
            let mut mail = lettre::Message::builder().message_id(Some(name)).from(self.from.clone());
            mail = mail.subject(message.subject());
            for to in &self.to {
                mail = mail.to(to.clone());
            }
            let mail = mail.header(header::ContentType::TEXT_PLAIN).body(message.text());
            let mail = mail.map_err(|error| SendError::refused(format!("no mail can be made: {error}")))?;
            self.server.send(mail).await.map(drop).map_err(|error| self.failed(&error))
        })
    }

    /// Connects, encrypts, logs in, and leaves.
    fn probe(&self) -> Outcome<'_> {
        Box::pin(async move {
            match self.server.test_connection().await {
                Ok(true) => Ok(()),
                Ok(false) => Err(SendError::unreachable("the server did not say that it is well")),
                Err(error) => Err(self.failed(&error)),
            }
        })
    }
}
