//! counterfoil.
