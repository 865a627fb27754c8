//! What tests need and the product does not ship: a simulated world for the coordination layer, a
//! scripted model for agent programs. A dev-dependency only.

pub mod model;
pub mod sim;
