//! Under construction.

mod openai;
mod transport;
