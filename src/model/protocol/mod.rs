//! The Open Inference Protocol, version 2, on the wire: requests and answers with tensors as JSON or in the binary tensor
//! extension. Pure: bytes in, bytes out, bounded by what it is given; what does not fit is a [`WireError`], never a panic.
//!
//! Tensors are 32-bit floats here. `FP64` is read too, because many libraries answer in it; every other type is refused.

mod message;
mod numbers;
mod offer;

pub use message::{Encoded, Form, Request, Response, Wanted};
pub use offer::{INPUT, MOVES, Offer, OfferError, PROBABILITIES, ROWS_MAX};

/// Header that says how many bytes of a body are JSON; binary tensors follow.
pub const HEADER_LENGTH: &str = "inference-header-content-length";

/// Tensors of one message; models here have one input and two outputs.
const TENSORS_MAX: usize = 16;

/// A named block of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name.
    pub name: String,
    /// Length of each dimension, the slowest first.
    pub shape: Vec<usize>,
    /// The numbers, as many as the shape says, the last dimension running fastest. All finite.
    pub values: Vec<f32>,
}

/// Why a message is not one of this protocol, or not one that can be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not JSON, or not the JSON of this message.
    #[error("the message is not the JSON of this protocol: {0}")]
    Json(String),
    /// The header's length does not fit the body.
    #[error("`Inference-Header-Content-Length` is {said}, the body has {found} bytes")]
    HeaderLength {
        /// What the header says.
        said: usize,
        /// What there is.
        found: usize,
    },
    /// Too many tensors, or two of one name.
    #[error("{0}")]
    Tensors(String),
    /// A type that is not taken.
    #[error("tensor `{tensor}` has the datatype `{found}`: FP32 or FP64 is taken")]
    Datatype {
        /// Tensor.
        tensor: String,
        /// What it says.
        found: String,
    },
    /// Shape and data do not agree.
    #[error("tensor `{tensor}`: {why}")]
    Shape {
        /// Tensor.
        tensor: String,
        /// What is wrong.
        why: String,
    },
    /// NaN or infinity, or a number that 32 bits cannot hold.
    #[error("tensor `{tensor}` holds a value that is not finite (value {place})")]
    NotFinite {
        /// Tensor.
        tensor: String,
        /// Which value.
        place: usize,
    },
}

/// Outside text for a message: short and on one line.
pub(super) fn told(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}
