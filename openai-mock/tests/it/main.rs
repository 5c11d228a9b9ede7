//! Drives the server over HTTP, as its users do.

mod chat;
