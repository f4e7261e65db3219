//! The targets, by what they read.

pub mod json;
pub mod message;
pub mod text;
pub mod wire;
