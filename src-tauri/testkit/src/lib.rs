//! What tests need and the product does not ship: a simulated world for the coordination layer. A dev-dependency only.

pub mod sim;
