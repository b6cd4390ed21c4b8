//! Pictures of the screen.
