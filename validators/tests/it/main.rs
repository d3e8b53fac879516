//! Laws of comparing, on tables made at random.

mod laws;
mod rules;
mod support;
