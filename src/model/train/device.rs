//! Where a training computes: this processor, or an NVIDIA GPU in a build with the feature `cuda`.

use candle_core::Device;

use super::TrainError;

/// What computes while learning. Serving never uses a GPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Processor {
    /// This machine's processor.
    #[default]
    Cpu,
    /// The first NVIDIA GPU.
    Cuda,
}

impl Processor {
    /// Word on the command line and in recipes.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }

    /// Opens it.
    pub(super) fn open(self) -> Result<Device, TrainError> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda => gpu(),
        }
    }
}

#[cfg(feature = "cuda")]
fn gpu() -> Result<Device, TrainError> {
    Device::new_cuda(0).map_err(|error| TrainError::Option(format!("no GPU can be used: {error}")))
}

#[cfg(not(feature = "cuda"))]
fn gpu() -> Result<Device, TrainError> {
    Err(TrainError::Option(
        "this program was built without the feature `cuda`: it trains on the processor only".to_owned(),
    ))
}
