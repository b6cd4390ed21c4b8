//! model
use crate::engine::event::*; use crate::engine::features::FeatureFrame;
/// x
#[derive(Debug, thiserror::Error)] #[error("x")] pub struct ModelError;
/// x
pub trait Model: Send { /// x
 fn info(&self) -> &ModelInfo; /// x
 fn predict(&mut self, frames: &[FeatureFrame]) -> Result<Vec<Vec<HorizonForecast>>, ModelError>; }
