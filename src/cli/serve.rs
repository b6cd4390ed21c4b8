//! `tickdeck serve`: the installed models for others, over the Open Inference Protocol, until a signal.

use std::net::SocketAddr;

use super::global::Global;
use super::output::{note, print};
use crate::keys::{NamedError, SERVE_TOKEN, Secret, find_named};
use crate::model::{Model, ModelError, scan};
use crate::run::exit::Failure;
use crate::run::serving::{Serving, ServingOptions};
use crate::run::signals;

/// What to serve, and where.
#[derive(clap::Args, Debug)]
pub(super) struct Serve {
    /// Where it listens instead of `serve.listen`; port 0 is any free port. Anything but loopback needs a token
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Models by name; without it every sound one
    #[arg(long = "model", value_name = "NAME")]
    models: Vec<String>,
    /// Callers must show the token of `tickdeck keys set serve-token`, in the header `Authorization: Bearer`
    #[arg(long)]
    token: bool,
}

pub(super) fn run(global: &Global, asked: &Serve) -> Result<(), Failure> {
    let files = global.files()?;
    let config = global.load(&files)?.config;
    let models = chosen(scan(&files.models(config.model.dir.as_deref())), &asked.models)?;
    let listen = asked.listen.or(config.serve.listen).ok_or_else(|| {
        Failure::configuration("`serve.listen` is empty and no --listen says where to listen; nothing was started")
    })?;
    let token =
        if asked.token || !listen.ip().is_loopback() { Some(token(&config.serve.token, listen)?) } else { None };
    let names = models.iter().map(|model| model.info().name.clone()).collect::<Vec<_>>().join(", ");
    let guarded = if token.is_some() { "with the token" } else { "without a token" };
    let signals = signals::listen(|_| false, || {}).map_err(Failure::error)?;
    let options = ServingOptions { listen, token, at_once: config.serve.at_once as usize };
    let cannot = |error| Failure::error(format!("cannot listen on {listen}: {error}"));
    let serving = Serving::start(models, options).map_err(cannot)?;
    note(&format!("serving {names}, {guarded}. Ctrl-C ends it"));
    print(&format!("url = \"http://{}\"\n", serving.address()))?;
    // A sender that is gone means no signal can come any more: end as well.
    let _ = signals.recv();
    Ok(())
}

/// The sound models, or those that were named. A named one that is missing or unsound stops the start.
fn chosen(found: Vec<Result<Box<dyn Model>, ModelError>>, names: &[String]) -> Result<Vec<Box<dyn Model>>, Failure> {
    let mut sound = Vec::new();
    for model in found {
        match model {
            Ok(model) => sound.push(model),
            Err(error) => note(&format!("a model is not served: {error}")),
        }
    }
    if let Some(name) = names.iter().find(|name| !sound.iter().any(|model| model.info().name == **name)) {
        return Err(Failure::error(format!("`{name}` is no sound model here; `tickdeck model list` shows them")));
    }
    sound.retain(|model| names.is_empty() || names.contains(&model.info().name));
    if sound.is_empty() {
        return Err(Failure::error("there is no sound model to serve: `tickdeck model check` says why"));
    }
    Ok(sound)
}

fn token(place: &crate::keys::Place, listen: SocketAddr) -> Result<Secret, Failure> {
    let found = find_named(SERVE_TOKEN, place).map_err(|error| {
        let what = match error {
            NamedError::Missing { .. } if !listen.ip().is_loopback() => {
                format!("{listen} is reached from other machines, so callers must show a token: {error}")
            }
            _ => error.to_string(),
        };
        Failure::configuration(format!("{what}; nothing was started"))
    })?;
    Ok(found.0)
}
