//! Tools that run on the client's side, for models that were trained to call them.

pub mod apply_patch;
