//! Mail by SMTP. Nothing is said to a server that does not offer STARTTLS with a certificate we trust.

use std::time::Duration;

use lettre::message::{Mailbox, header};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{AsyncSmtpTransport, Error};
use lettre::{AsyncTransport as _, Tokio1Executor};
use zeroize::Zeroizing;

use super::{Channel, Message, OpenError, Outcome, SendError, Settings};
use crate::alerts::post::{told, without_pieces};
use crate::keys::{EMAIL_PASSWORD, Secret, find_named};
use crate::venue::bybit::proxy::base64;
use crate::venue::bybit::rest::install_tls;

/// How long each step of a delivery may take.
const STEP_MAX: Duration = Duration::from_secs(10);

pub(super) struct Email {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    /// What is said to log in, in every form that goes over the line: what the server says is searched for it.
    secrets: Vec<Zeroizing<String>>,
}

impl Email {
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        install_tls();
        let password = match settings.email_user.as_str() {
            "" => None,
            _ => Some(find_named(EMAIL_PASSWORD, &settings.email_password)?.0),
        };
        let host = &settings.email_host;
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port(settings)?)
            .timeout(Some(STEP_MAX))
            .tls(Tls::Required(trust(settings)?));
        if let Some(password) = &password {
            builder = builder.credentials(Credentials::new(settings.email_user.clone(), password.expose().to_owned()));
        }
        let secrets = password.map(|password| forms(&settings.email_user, &password)).unwrap_or_default();
        let to = settings.email_to.iter().map(|text| mailbox("to", text)).collect::<Result<_, _>>()?;
        Ok(Self { server: builder.build(), from: mailbox("from", &settings.email_from)?, to, secrets })
    }

    fn failed(&self, error: &Error) -> SendError {
        // Hidden before it is cut: half a secret is one, too.
        let said = told(&without_pieces(&self.secrets, &error.to_string()));
        let why = match error.status() {
            Some(code) if code.to_string() == "535" => format!("{said}: the server refuses user or password"),
            _ if error.is_tls() => format!("{said}: no trusted TLS with this server"),
            _ if error.is_timeout() => "no answer in time".to_owned(),
            _ => said,
        };
        SendError { why, refused: error.is_permanent() || error.is_client(), wait: None, status: None }
    }
}

/// The password as it is, and as AUTH LOGIN and AUTH PLAIN send it.
fn forms(user: &str, password: &Secret) -> Vec<Zeroizing<String>> {
    let whole = Zeroizing::new(password.expose().to_owned());
    let plain = Zeroizing::new(format!("\0{user}\0{}", whole.as_str()));
    let encoded = [base64(whole.as_bytes()), base64(plain.as_bytes())].map(Zeroizing::new);
    [whole].into_iter().chain(encoded).collect()
}

fn port(settings: &Settings) -> Result<u16, OpenError> {
    u16::try_from(settings.email_port)
        .map_err(|_| OpenError::Unusable(format!("alerts.email.port: {} is no port", settings.email_port)))
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
