//! Why a model cannot be used. Every message says what to do.

/// A refusal to load or to forecast.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The cargo feature `models` is off.
    #[error("this build has no models: build with `--features models`, or set `active = []` under `[model]`")]
    NotBuilt,
    /// The cargo feature `onnx` is off.
    #[error("model {0} is an ONNX file, which this build does not read: build with `--features onnx`")]
    OnnxNotBuilt(String),
    /// Not a name that may become a file name.
    #[error(
        "`{0}` is not a model name: use letters, digits, `-`, `_` and `.`; `tickdeck model list` shows what is there"
    )]
    Name(String),
    /// A file is missing, unreadable or too large.
    #[error("{path} cannot be read: {why}; `tickdeck model list` shows what is there, `tickdeck train` makes a model")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// The card is not sound.
    #[error("{path} is not a sound model card: {why}; restore the file or train the model again")]
    Card {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// An architecture this build does not know.
    #[error("model {name} has the architecture `{arch}`, this build knows {known}; use a newer build or another model")]
    Arch {
        /// Model.
        name: String,
        /// What its card says.
        arch: String,
        /// What there is.
        known: String,
    },
    /// Trained on other features than this build computes.
    #[error(
        "model {name} was trained on features {card}, this build computes {ours}: its forecasts would mean nothing; \
         train it again with the recipe in its card"
    )]
    Features {
        /// Model.
        name: String,
        /// Hash in the card, shortened.
        card: String,
        /// Hash of this build, shortened.
        ours: String,
    },
    /// Asked for something else than it was made for.
    #[error(
        "model {name} was made for {why}: its forecasts would be about another market; change that, train a model for it, or \
         name others in `[model] active`"
    )]
    MadeFor {
        /// Model.
        name: String,
        /// What it was made for, and what this run is.
        why: String,
    },
    /// The weights are not those the card describes.
    #[error(
        "{path} has sha256 {found}, its card says {card}: the files do not belong together; restore both from one source"
    )]
    Hash {
        /// The weights file.
        path: String,
        /// Hash found, shortened.
        found: String,
        /// Hash in the card, shortened.
        card: String,
    },
    /// A tensor is missing, has the wrong shape, or is not finite.
    #[error("the weights of model {name} are not sound: {why}; restore the file or train the model again")]
    Weights {
        /// Model.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// The golden forecasts do not come out.
    #[error(
        "model {name} gives {found} where its card says {card} (probe {probe}): this build computes something else; \
         train it again and report this"
    )]
    Golden {
        /// Model.
        name: String,
        /// Which probe.
        probe: usize,
        /// What came out.
        found: String,
        /// What should.
        card: String,
    },
    /// A frame that the model cannot take.
    #[error("a feature frame does not fit model {name}: {why}; this is a fault of the program, restart and report it")]
    Frame {
        /// Model.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A server that answers for a model.
    #[error("the server of model {name}: {why}; look at the server and at `[remote]` in the model's card")]
    Remote {
        /// Model.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// An answer that is no forecast.
    #[error("model {name} gave an answer that is no forecast: {why}; look at what computes it")]
    Answer {
        /// Model.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A panic where it was read or asked.
    #[error("model {0} made the program that computes it fall over; remove it, and report this")]
    FellOver(String),
    /// The tensor library failed.
    #[error("model {name} could not be computed: {why}; restart, and report it if it stays")]
    Compute {
        /// Model.
        name: String,
        /// What it said.
        why: String,
    },
}
