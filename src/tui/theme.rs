//! Semantic styles and glyphs. Panes name meanings, never colours.

/// Styles and glyphs of one look.
#[derive(Clone, Debug, Default)]
pub struct Theme {}
