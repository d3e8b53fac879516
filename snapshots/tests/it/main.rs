//! The snapshot store: vectors that other languages can reproduce, laws, damage.

mod store;
mod vectors;
